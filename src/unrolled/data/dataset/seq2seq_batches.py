"""Batches for sequence-to-sequence training: inputs and target texts. Batch k is a pure function of (seed, k)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from unrolled.data.dataset.batches import GroupingLengths, pad_items, rows_of
from unrolled.data.dataset.dataset import Examples
from unrolled.data.dataset.shuffling import POOL, Numbers, RowOrder
from unrolled.data.dataset.targets import TextTargets
from unrolled.data.modalities.base import Ids
from unrolled.errors import OptionError
from unrolled.seeds import numpy_generator

if TYPE_CHECKING:
    import torch
    from torch import Tensor

STRIPES = 8  # groups of a pool with similar text lengths; within each, rows are sorted by the input's length


class PairBatch(NamedTuple):
    """B target texts of at most T tokens about U different inputs of at most S steps."""

    inputs: Tensor  # (U, S, P) int64, each step a bag of ids, 0 where it has fewer; or (U, S, D) float32
    lengths: Tensor  # (B,) int64, of the input of each text, 0 for a padding row
    fresh: Tensor  # (B,) bool: all true, since every row starts from the initial state
    targets: Tensor  # (B, T) int64, zeros past a text's end
    target_lengths: Tensor  # (B,) int64, with the EOS token; 0 for a padding row
    of_text: Tensor | None = None  # (B,) int64, the input of each text; None: text i is about input i

    @property
    def steps(self) -> int:
        """T."""
        return self.targets.shape[1]

    @property
    def target_count(self) -> int:
        """Number of target tokens, by which a loss is divided."""
        return int(self.target_lengths.sum())

    def to(self, device: torch.device) -> PairBatch:
        """A copy with inputs and targets on a device; lengths stay where they are."""
        return self._replace(inputs=self.inputs.to(device), targets=self.targets.to(device))

    def cut(self, a: int, b: int) -> PairBatch:
        """The whole batch: targets depend on the whole input, so it cannot be cut. Raises OptionError otherwise."""
        if (a, b) != (0, self.steps):
            raise OptionError(
                f"Steps {a} to {b - 1} of {self.steps} were requested, but a target text is one segment. "
                "Leave out --bptt."
            )
        return self


class PairBatches:
    """The rows of a split with their target texts, shuffled each epoch, similar lengths in one batch. The last batch
    of an epoch is padded with empty rows. Inputs and texts are truncated to 1,000 steps.

    Inputs that all have the same length, such as the grids of images, are shuffled instead with all of their texts,
    so that each is encoded once for several texts.
    """

    def __init__(self, examples: Examples, split: str, batch: int, seed: int, augmented: bool = False) -> None:
        """augmented: inputs are randomly augmented, differently each time. Images with features are not in the first
        epoch, so that a short training computes no more features than it needs."""
        self.seed, self.augmented = seed, augmented
        self._examples, self._written = examples, target_texts_of(examples)
        self._rows, self._lengths = rows_of(examples, split), GroupingLengths(examples)
        if examples.featurizer.places:
            self._order = RowOrder(len(self._rows), batch, seed, groups=examples.inputs[self._rows])
        else:
            self._order = RowOrder(len(self._rows), batch, seed, self._arrange)
        self.batches_per_epoch = self._order.batches_per_epoch

    def batch(self, k: int) -> PairBatch:
        """Batch k, from 0, of an endless sequence of epochs."""
        augmented = self.augmented and (k >= self.batches_per_epoch or not self._examples.featurizer.places)
        generator = numpy_generator(self.seed, "varied", k) if augmented else None
        return make_pairs(self._examples, self._rows[self._order.rows(k)], self._order.batch, generator)

    def _arrange(self, some: Numbers) -> Ids:
        rows = self._rows[some]
        return order_by_lengths(self._lengths.of(rows), self._written.target_lengths(rows, len(rows)))

    def padding_share(self, batches: int = POOL) -> float:
        """Share of padding in the first batches of an epoch."""
        read = whole = 0
        for k in range(min(batches, self.batches_per_epoch)):
            batch = self.batch(k)
            rows = int((batch.target_lengths > 0).sum())
            read += int(batch.lengths.sum()) + batch.target_count
            whole += rows * (int(batch.lengths.max()) + batch.steps)
        return 1 - read / whole


def order_by_lengths(inputs: Ids, texts: Ids) -> Ids:
    """An order of rows in which neighbours have similar input and text lengths (both (R,)): stripes of similar text
    lengths, sorted by input length, ascending and descending in turn, so that adjacent stripes join smoothly."""
    order = np.argsort(texts, kind="stable")
    found = []
    for number, stripe in enumerate(np.array_split(order, STRIPES)):
        own = stripe[np.argsort(inputs[stripe], kind="stable")]
        found.append(own[::-1] if number % 2 else own)
    return np.concatenate(found)


def target_texts_of(examples: Examples) -> TextTargets:
    """The target texts of all rows. Raises TypeError if there are none."""
    if examples.text_targets is None:
        raise TypeError(f"the rows of {examples.path} have no target texts")
    return examples.text_targets


def make_pairs(
    examples: Examples, rows: Ids, size: int | None = None, generator: np.random.Generator | None = None
) -> PairBatch:
    """A batch of these rows, padded to `size` rows. generator: augments the inputs at random."""
    import torch

    size, written = len(rows) if size is None else size, target_texts_of(examples)
    first, of_text = first_appearances(examples.inputs[rows])
    padded = len(first) + (size > len(rows))  # all padding rows share an empty input
    inputs, own = pad_items(
        examples.featurizer, [examples.items[row] for row in rows[first].tolist()], padded, generator
    )
    of_rows = torch.from_numpy(np.pad(of_text, (0, size - len(rows)), constant_values=len(first)))
    lengths = own[of_rows]
    steps = int(lengths.max()) if size else 0
    targets = torch.from_numpy(written.batch_targets(rows, size, steps, examples.featurizer.leading_steps))
    target_lengths = torch.from_numpy(written.target_lengths(rows, size))
    return PairBatch(inputs, lengths, torch.ones(size, dtype=torch.bool), targets, target_lengths, of_rows)


def first_appearances(numbers: Ids) -> tuple[Ids, Ids]:
    """The place (U,) of each different number, in order, and for each number (N,) which of them it is."""
    _, first, which = np.unique(numbers, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return first[order], np.argsort(order)[which]
