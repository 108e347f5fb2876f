"""Batches of rows and the texts to be written about them. Batch k is a pure function of (seed, k)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from unrolled.data.answers import Written
from unrolled.data.buckets import gather_steps, read_lengths, rows_of
from unrolled.data.examples import Examples
from unrolled.data.intake import Ids
from unrolled.data.shuffling import POOL, Numbers, RowOrder
from unrolled.errors import OptionError
from unrolled.seeds import numpy_generator

if TYPE_CHECKING:
    import torch
    from torch import Tensor

STRIPES = 8  # of a pool: within each, texts are of like length, and rows are sorted by the input's


class PairBatch(NamedTuple):
    """B inputs of at most S steps and the texts, of at most T symbols, to be written about them."""

    inputs: Tensor  # (B, S, P) int64, each step a bag of ids, 0 where it has fewer; or (B, S, D) float32
    lengths: Tensor  # (B,) int64, 0 for a row that only fills the batch
    fresh: Tensor  # (B,) bool: all true, for every row starts anew
    targets: Tensor  # (B, T) int64, zeros past a text's end
    target_lengths: Tensor  # (B,) int64, the border that ends a text counted; 0 for a row that only fills the batch

    @property
    def steps(self) -> int:
        """T."""
        return self.targets.shape[1]

    @property
    def asked(self) -> int:
        """How many symbols are to be written; what a loss is divided by."""
        return int(self.target_lengths.sum())

    def to(self, device: torch.device) -> PairBatch:
        """The same with inputs and texts on a device; lengths stay where they are."""
        return self._replace(inputs=self.inputs.to(device), targets=self.targets.to(device))

    def cut(self, a: int, b: int) -> PairBatch:
        """The whole batch: what is written hangs on all of the input, so it is one piece. Raises OptionError."""
        if (a, b) != (0, self.steps):
            raise OptionError(
                f"Steps {a} to {b - 1} of {self.steps} were asked for; a text about a row is one piece. "
                "Leave out --gradient."
            )
        return self


class PairBatches:
    """The rows of a part with their texts, shuffled each epoch, those of like lengths in one batch; an epoch's odd
    batch is filled up. Inputs and texts longer than 1,000 steps are read to there."""

    def __init__(self, examples: Examples, part: str, batch: int, seed: int, varied: bool = False) -> None:
        """varied: each input is read as one like it, another each time."""
        self.seed, self.varied = seed, varied
        self._examples, self._written = examples, written_of(examples)
        self._rows = rows_of(examples, part)
        self._order = RowOrder(len(self._rows), batch, seed, self._arrange)
        self.batches_an_epoch = self._order.batches_an_epoch

    def batch(self, k: int) -> PairBatch:
        """Batch k, from 0, of an endless row of epochs."""
        dice = numpy_generator(self.seed, "varied", k) if self.varied else None
        return make_pairs(self._examples, self._rows[self._order.rows(k)], self._order.batch, dice)

    def _arrange(self, some: Numbers) -> Ids:
        rows = self._rows[some]
        return side_by_side(read_lengths(self._examples, rows), self._written.target_lengths(rows, len(rows)))

    def padding_share(self, batches: int = POOL) -> float:
        """How much of the first batches of an epoch is padding."""
        read = whole = 0
        for k in range(min(batches, self.batches_an_epoch)):
            batch = self.batch(k)
            rows = int((batch.target_lengths > 0).sum())
            read += int(batch.lengths.sum()) + batch.asked
            whole += rows * (batch.inputs.shape[1] + batch.steps)
        return 1 - read / whole


def side_by_side(inputs: Ids, texts: Ids) -> Ids:
    """The order of rows, by lengths (R,), in which neighbours are alike in both: stripes of texts of like length, in
    each of which inputs grow, or shrink in every other, so that stripes meet where they are alike."""
    order = np.argsort(texts, kind="stable")
    found = []
    for number, stripe in enumerate(np.array_split(order, STRIPES)):
        own = stripe[np.argsort(inputs[stripe], kind="stable")]
        found.append(own[::-1] if number % 2 else own)
    return np.concatenate(found)


def written_of(examples: Examples) -> Written:
    """The texts to be written about rows. Raises TypeError where there are none."""
    if examples.written is None:
        raise TypeError(f"nothing is written about the rows of {examples.path}")
    return examples.written


def make_pairs(
    examples: Examples, rows: Ids, size: int | None = None, dice: np.random.Generator | None = None
) -> PairBatch:
    """These rows with their texts, filled up to `size` rows; with dice, inputs like these."""
    import torch

    size, written = len(rows) if size is None else size, written_of(examples)
    inputs, lengths = gather_steps(examples.intake, [examples.items[row] for row in rows.tolist()], size, dice)
    targets = torch.from_numpy(written.lay_out(rows, size, inputs.shape[1], examples.intake.lead))
    target_lengths = torch.from_numpy(written.target_lengths(rows, size))
    return PairBatch(inputs, lengths, torch.ones(size, dtype=torch.bool), targets, target_lengths)
