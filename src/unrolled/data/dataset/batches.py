"""Batches of examples: whole rows, grouped by length. Batch k is a pure function of (seed, k)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.dataset.dataset import Examples
from unrolled.data.dataset.item_store import Texts
from unrolled.data.dataset.shuffling import POOL, Numbers, RowOrder
from unrolled.data.dataset.targets import NO_TARGET
from unrolled.data.modalities.base import STEP, Featurizer, Ids, Item
from unrolled.errors import DataError
from unrolled.seeds import numpy_generator

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LONGEST = 1_000  # maximum steps of a row; the rest is cut


class RowBatch(NamedTuple):
    """B whole rows of at most T steps, with one target per row, at its last step, or one per step."""

    inputs: Tensor  # rows, then `axes`: int64 ids, padded with 0, or float32
    lengths: Tensor  # (B,) int64, 0 for a padding row
    fresh: Tensor  # (B,) bool: all true, because every row starts from the initial state
    targets: Mapping[str, Tensor]  # per output: (B,) or, for tags, (B, T), int64; or (B, K) float32
    each: frozenset[str] = frozenset()  # outputs with a target per step
    axes: tuple[str, ...] = (STEP, "feature")  # of a row's inputs; without a step axis, a row is one step
    twice: bool = False  # whether the second half repeats the rows of the first

    @property
    def steps(self) -> int:
        """T."""
        return self.inputs.shape[1] if self.axes[0] == STEP else 1

    @property
    def target_count(self) -> int:
        """Number of targets of an output, by which the loss is divided."""
        return max(int(has_target(target).sum()) for target in self.targets.values())

    def to(self, device: torch.device) -> RowBatch:
        """Move inputs and targets to a device; lengths stay where they are."""
        targets = {name: target.to(device) for name, target in self.targets.items()}
        return self._replace(inputs=self.inputs.to(device), targets=targets)

    def doubled(self) -> RowBatch:
        """Repeat all rows below themselves."""
        import torch

        targets = {name: torch.cat([target, target]) for name, target in self.targets.items()}
        inputs, lengths, fresh = (torch.cat([one, one]) for one in (self.inputs, self.lengths, self.fresh))
        return RowBatch(inputs, lengths, fresh, targets, self.each, self.axes, twice=True)

    def cut(self, a: int, b: int) -> RowBatch:
        """Steps a to b - 1; a row has its target there if it ends among them."""
        due = (self.lengths > a) & (self.lengths <= b)  # (B,)
        targets = {
            name: one[:, a:b] if name in self.each else mask_targets(one, due.to(one.device))
            for name, one in self.targets.items()
        }
        inputs = self.inputs[:, a:b] if self.axes[0] == STEP else self.inputs
        return self._replace(inputs=inputs, lengths=(self.lengths - a).clamp(0, b - a), targets=targets)


def has_target(targets: Tensor) -> Tensor:
    """Which targets exist: (B,) or (B, T), labels that are not NOT_ASKED; (B,), numbers (B, K) that are not NaN."""
    return ~targets.isnan().any(-1) if targets.is_floating_point() else targets != NO_TARGET


def mask_targets(targets: Tensor, due: Tensor) -> Tensor:
    """Keep the targets (B,) or (B, K) of the rows where due (B,) is true, and blank out the others."""
    import torch

    nothing = torch.nan if targets.is_floating_point() else NO_TARGET
    return torch.where(due.view(-1, *[1] * (targets.dim() - 1)), targets, nothing)


class ExampleBatches:
    """The rows of a split, shuffled each epoch, with similar lengths in one batch; an epoch's last batch is filled up
    with rows of length 0. Rows are cut after 1,000 steps."""

    def __init__(
        self, examples: Examples, split: str, batch: int, seed: int, augmented: bool = False, twice: bool = False,
        shares: NDArray[np.float64] | None = None,
    ) -> None:  # fmt: skip
        """augmented: augment each row, differently each time. twice: each row is in its batch twice. shares: how
        often each row of the split is drawn, relative to the others; None: once an epoch."""
        self.seed, self.augmented, self.twice, self._examples = seed, augmented, twice, examples
        self._rows, self._lengths = rows_of(examples, split), GroupingLengths(examples)
        self._order = RowOrder(len(self._rows), batch, seed, self._arrange, shares=shares)
        self.batches_per_epoch = self._order.batches_per_epoch

    def _arrange(self, some: Numbers) -> Ids:
        return np.argsort(self._lengths.of(self._rows[some]), kind="stable")

    def batch(self, k: int) -> RowBatch:
        """Batch k, from 0, of an endless sequence of epochs; T is its longest row's length."""
        generator = numpy_generator(self.seed, "varied", k) if self.augmented else None
        batch = make_batch(self._examples, self._rows[self._order.rows(k)], self._order.batch, generator)
        return batch.doubled() if self.twice else batch

    def padding_share(self, batches: int = POOL) -> float:
        """Share of padding in the first batches of an epoch."""
        used = whole = 0
        for k in range(min(batches, self.batches_per_epoch)):
            batch = self.batch(k)
            used, whole = used + int(batch.lengths.sum()), whole + int((batch.lengths > 0).sum()) * batch.steps
        return 1 - used / whole


def rows_of(examples: Examples, split: str) -> Ids:
    """The rows of a split. Raises DataError if there are none."""
    if not len(examples.splits[split]):
        raise DataError(f"The {split} split of {examples.path} is empty: it was given no rows.")
    return examples.splits[split]


class GroupingLengths:
    """Lengths by which rows are grouped in batches: steps of texts, samples of audio, and so on, counted once.

    A text's bytes say too little about its steps: batches of translations had 29% padding by bytes, and 9% by steps.
    """

    def __init__(self, examples: Examples) -> None:
        self._examples = examples
        self._counted = not isinstance(examples.items, Texts)
        self._lengths = examples.lengths if self._counted else np.full(len(examples.numbers), -1, np.int64)

    def of(self, rows: Ids) -> Ids:
        """The lengths (R,) of these rows, at most `LONGEST` for texts."""
        if not self._counted:
            for row in rows[self._lengths[rows] < 0].tolist():
                self._lengths[row] = min(self._examples.encoded_steps(row), LONGEST)
        return self._lengths[rows]


def make_batch(examples: Examples, rows: Ids, size: int, generator: np.random.Generator | None = None) -> RowBatch:
    """Collate these rows and their targets, padded to `size` rows. generator: augments the rows at random."""
    import torch

    items = [examples.items[row] for row in rows.tolist()]
    inputs, lengths = pad_items(examples.featurizer, items, size, generator)
    steps = int(lengths.max()) if size else 0
    targets = {
        name: torch.from_numpy(target.batch_targets(rows, size, steps, examples.featurizer.leading_steps))
        for name, target in examples.targets.items()
    }
    each = frozenset(name for name, target in examples.targets.items() if target.each)
    return RowBatch(inputs, lengths, torch.ones(size, dtype=torch.bool), targets, each, examples.featurizer.axes)


def pad_items(
    featurizer: Featurizer,
    items: Sequence[Item],
    size: int | None = None,
    generator: np.random.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Encode items and pad them to `size` rows of one shape: the batch, with the featurizer's axes after the row, and
    the steps of each row (B,). An item without a step axis is one step. With a generator, items are augmented."""
    import torch

    encoded = featurizer.encode_all(items, generator)
    in_steps = featurizer.axes[0] == STEP
    if in_steps:
        encoded = [item[:LONGEST] for item in encoded]
    axes = range(len(featurizer.axes))
    shape = [max((item.shape[axis] for item in encoded), default=0) for axis in axes]
    shape[-1] = featurizer.width or max(1, shape[-1])
    rows = len(encoded) if size is None else size
    inputs = np.zeros((rows, *shape), np.int64 if featurizer.width is None else np.float32)
    lengths: NDArray[np.int64] = np.zeros(rows, np.int64)
    for row, item in enumerate(encoded):
        lengths[row] = len(item) if in_steps else 1
        inputs[row][tuple(slice(length) for length in item.shape)] = item
    return torch.from_numpy(inputs), torch.from_numpy(lengths)


def groups_by_length(examples: Examples, split: str, size: int, limit: int | None = None) -> Iterator[Ids]:
    """Yield the rows of a split in groups of `size` with similar lengths, for fast evaluation.

    limit: maximum number of rows, spread evenly over the split.
    """
    rows = examples.splits[split]
    if limit is not None and limit < len(rows):
        rows = rows[np.arange(limit) * len(rows) // limit]
    order = rows[np.argsort(examples.lengths[rows], kind="stable")]
    for start in range(0, len(order), size):
        yield order[start : start + size]
