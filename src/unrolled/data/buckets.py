"""Batches of examples: whole rows, grouped by length. Batch k is a pure function of (seed, k)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.answers import NOT_ASKED
from unrolled.data.examples import Examples
from unrolled.data.intake import Ids, Intake
from unrolled.data.items import Item, Texts
from unrolled.data.shuffling import POOL, RowOrder
from unrolled.errors import DataError
from unrolled.seeds import numpy_generator

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LONGEST = 1_000  # maximum steps of a row; the rest is cut


class RowBatch(NamedTuple):
    """B whole rows of at most T steps, with one target per row, at its last step, or one per step."""

    inputs: Tensor  # (B, T, P) int64: a bag of ids per step, padded with 0; or (B, T, D) float32
    lengths: Tensor  # (B,) int64, 0 for a padding row
    fresh: Tensor  # (B,) bool: all true, because every row starts from the initial state
    answers: Mapping[str, Tensor]  # per output: (B,) or, for tags, (B, T), int64; or (B, K) float32
    each: frozenset[str] = frozenset()  # outputs with a target per step
    twice: bool = False  # whether the second half repeats the rows of the first

    @property
    def steps(self) -> int:
        """T."""
        return self.inputs.shape[1]

    @property
    def asked(self) -> int:
        """Number of targets of an output, by which the loss is divided."""
        return max(int(is_asked(answer).sum()) for answer in self.answers.values())

    def to(self, device: torch.device) -> RowBatch:
        """Move inputs and targets to a device; lengths stay where they are."""
        answers = {name: answer.to(device) for name, answer in self.answers.items()}
        return self._replace(inputs=self.inputs.to(device), answers=answers)

    def doubled(self) -> RowBatch:
        """Repeat all rows below themselves."""
        import torch

        answers = {name: torch.cat([answer, answer]) for name, answer in self.answers.items()}
        inputs, lengths, fresh = (torch.cat([one, one]) for one in (self.inputs, self.lengths, self.fresh))
        return RowBatch(inputs, lengths, fresh, answers, self.each, twice=True)

    def cut(self, a: int, b: int) -> RowBatch:
        """Steps a to b - 1; a row has its target there if it ends among them."""
        due = (self.lengths > a) & (self.lengths <= b)  # (B,)
        answers = {
            name: one[:, a:b] if name in self.each else unless(one, due.to(one.device))
            for name, one in self.answers.items()
        }
        return self._replace(inputs=self.inputs[:, a:b], lengths=(self.lengths - a).clamp(0, b - a), answers=answers)


def is_asked(answers: Tensor) -> Tensor:
    """Which targets exist: (B,) or (B, T), labels that are not NOT_ASKED; (B,), numbers (B, K) that are not NaN."""
    return ~answers.isnan().any(-1) if answers.is_floating_point() else answers != NOT_ASKED


def unless(answers: Tensor, due: Tensor) -> Tensor:
    """Keep the targets (B,) or (B, K) of the rows where due (B,) is true, and blank out the others."""
    import torch

    nothing = torch.nan if answers.is_floating_point() else NOT_ASKED
    return torch.where(due.view(-1, *[1] * (answers.dim() - 1)), answers, nothing)


class ExampleBatches:
    """The rows of a split, shuffled each epoch, with similar lengths in one batch; an epoch's last batch is filled up
    with rows of length 0. Rows are cut after 1,000 steps."""

    def __init__(
        self, examples: Examples, part: str, batch: int, seed: int, varied: bool = False, twice: bool = False
    ) -> None:
        """varied: augment each row, differently each time. twice: each row is in its batch twice."""
        self.seed, self.varied, self.twice, self._examples = seed, varied, twice, examples
        self._rows = rows = rows_of(examples, part)
        self._order = RowOrder(
            len(rows), batch, seed, lambda some: np.argsort(read_lengths(examples, rows[some]), kind="stable")
        )
        self.batches_an_epoch = self._order.batches_an_epoch

    def batch(self, k: int) -> RowBatch:
        """Batch k, from 0, of an endless sequence of epochs; T is its longest row's length."""
        dice = numpy_generator(self.seed, "varied", k) if self.varied else None
        batch = make_batch(self._examples, self._rows[self._order.rows(k)], self._order.batch, dice)
        return batch.doubled() if self.twice else batch

    def padding_share(self, batches: int = POOL) -> float:
        """Share of padding in the first batches of an epoch."""
        used = whole = 0
        for k in range(min(batches, self.batches_an_epoch)):
            batch = self.batch(k)
            used, whole = used + int(batch.lengths.sum()), whole + int((batch.lengths > 0).sum()) * batch.steps
        return 1 - used / whole


def rows_of(examples: Examples, part: str) -> Ids:
    """The rows of a split. Raises DataError if there are none."""
    if not len(examples.parts[part]):
        raise DataError(f"The {part} split of {examples.path} is empty: it was given no rows.")
    return examples.parts[part]


def read_lengths(examples: Examples, rows: Ids) -> Ids:
    """Lengths (R,) by which these rows are grouped: steps of texts; samples of sounds, and so on.

    A text's bytes say too little about its steps: batches of translations had 29% padding by bytes, and 9% by steps.
    """
    if not isinstance(examples.items, Texts):
        return examples.lengths[rows]
    steps = [len(examples.intake.encode(examples.items[row])) for row in rows.tolist()]
    return np.minimum(np.array(steps, np.int64), LONGEST)


def make_batch(examples: Examples, rows: Ids, size: int, dice: np.random.Generator | None = None) -> RowBatch:
    """Collate these rows and their targets, padded to `size` rows; with dice, the rows are augmented."""
    import torch

    items = [examples.items[row] for row in rows.tolist()]
    inputs, lengths = gather_steps(examples.intake, items, size, dice)
    answers = {
        name: torch.from_numpy(answered.lay_out(rows, size, inputs.shape[1], examples.intake.lead))
        for name, answered in examples.answers.items()
    }
    each = frozenset(name for name, answered in examples.answers.items() if answered.each)
    return RowBatch(inputs, lengths, torch.ones(size, dtype=torch.bool), answers, each)


def gather_steps(
    intake: Intake, items: Sequence[Item], size: int | None = None, dice: np.random.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Pad the steps of items to (B, T, P) with zeros; return them and their lengths (B,)."""
    import torch

    encoded = [(intake.encode(item) if dice is None else intake.vary(item, dice))[:LONGEST] for item in items]
    rows = len(encoded) if size is None else size
    longest = max((len(steps) for steps in encoded), default=0)
    width = intake.width or max((steps.shape[1] for steps in encoded), default=1)
    inputs = np.zeros((rows, longest, width), np.int64 if intake.width is None else np.float32)
    lengths: NDArray[np.int64] = np.zeros(rows, np.int64)
    for row, steps in enumerate(encoded):
        lengths[row] = len(steps)
        inputs[row, : len(steps), : steps.shape[1]] = steps
    return torch.from_numpy(inputs), torch.from_numpy(lengths)


def by_length(examples: Examples, part: str, size: int, limit: int | None = None) -> Iterator[Ids]:
    """Yield the rows of a split in groups of `size` with similar lengths, for fast evaluation.

    limit: maximum number of rows, spread evenly over the split.
    """
    rows = examples.parts[part]
    if limit is not None and limit < len(rows):
        rows = rows[np.arange(limit) * len(rows) // limit]
    order = rows[np.argsort(examples.lengths[rows], kind="stable")]
    for start in range(0, len(order), size):
        yield order[start : start + size]
