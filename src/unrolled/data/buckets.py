"""Batches of examples: whole rows, of like length side by side. Batch k is a pure function of (seed, k)."""

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

LONGEST = 1_000  # steps of a row that are read at most


class RowBatch(NamedTuple):
    """B whole rows of at most T steps and their answers: one, due at a row's last step, or one for each step."""

    inputs: Tensor  # (B, T, P) int64: each step a bag of ids, 0 where it has fewer; or (B, T, D) float32
    lengths: Tensor  # (B,) int64, 0 for a row that only fills the batch
    fresh: Tensor  # (B,) bool: all true, for every row starts anew
    answers: Mapping[str, Tensor]  # of each output (B,) or, of tags, (B, T), int64; or (B, K) float32
    each: frozenset[str] = frozenset()  # outputs with an answer a step
    twice: bool = False  # whether the rows of the first half stand in the second again

    @property
    def steps(self) -> int:
        """T."""
        return self.inputs.shape[1]

    @property
    def asked(self) -> int:
        """How many answers of an output are due; what a loss is divided by."""
        return max(int(is_asked(answer).sum()) for answer in self.answers.values())

    def to(self, device: torch.device) -> RowBatch:
        """The same with inputs and answers on a device; lengths stay where they are."""
        answers = {name: answer.to(device) for name, answer in self.answers.items()}
        return self._replace(inputs=self.inputs.to(device), answers=answers)

    def doubled(self) -> RowBatch:
        """The same rows, and once more below."""
        import torch

        answers = {name: torch.cat([answer, answer]) for name, answer in self.answers.items()}
        inputs, lengths, fresh = (torch.cat([one, one]) for one in (self.inputs, self.lengths, self.fresh))
        return RowBatch(inputs, lengths, fresh, answers, self.each, twice=True)

    def cut(self, a: int, b: int) -> RowBatch:
        """Steps a to b - 1: an answer is due where a row ends among them."""
        due = (self.lengths > a) & (self.lengths <= b)  # (B,)
        answers = {
            name: one[:, a:b] if name in self.each else unless(one, due.to(one.device))
            for name, one in self.answers.items()
        }
        return self._replace(inputs=self.inputs[:, a:b], lengths=(self.lengths - a).clamp(0, b - a), answers=answers)


def is_asked(answers: Tensor) -> Tensor:
    """Which answers are due: (B,) or (B, T) of labels but NOT_ASKED; (B,) of numbers (B, K) but NaN."""
    return ~answers.isnan().any(-1) if answers.is_floating_point() else answers != NOT_ASKED


def unless(answers: Tensor, due: Tensor) -> Tensor:
    """The answers (B,) or (B, K) of the rows where due (B,) is true; none is asked of the others."""
    import torch

    nothing = torch.nan if answers.is_floating_point() else NOT_ASKED
    return torch.where(due.view(-1, *[1] * (answers.dim() - 1)), answers, nothing)


class ExampleBatches:
    """The rows of a part, shuffled each epoch, those of like length in one batch; an epoch's odd batch is filled up
    with rows of length 0. Rows longer than 1,000 steps are read to there."""

    def __init__(
        self, examples: Examples, part: str, batch: int, seed: int, varied: bool = False, twice: bool = False
    ) -> None:
        """varied: each row is read as one like it, another each time. twice: each row stands in its batch again."""
        self.seed, self.varied, self.twice, self._examples = seed, varied, twice, examples
        self._rows = rows = rows_of(examples, part)
        self._order = RowOrder(
            len(rows), batch, seed, lambda some: np.argsort(read_lengths(examples, rows[some]), kind="stable")
        )
        self.batches_an_epoch = self._order.batches_an_epoch

    def batch(self, k: int) -> RowBatch:
        """Batch k, from 0, of an endless row of epochs; T is its longest row's length."""
        dice = numpy_generator(self.seed, "varied", k) if self.varied else None
        batch = make_batch(self._examples, self._rows[self._order.rows(k)], self._order.batch, dice)
        return batch.doubled() if self.twice else batch

    def padding_share(self, batches: int = POOL) -> float:
        """How much of the first batches of an epoch is padding."""
        read = whole = 0
        for k in range(min(batches, self.batches_an_epoch)):
            batch = self.batch(k)
            read, whole = read + int(batch.lengths.sum()), whole + int((batch.lengths > 0).sum()) * batch.steps
        return 1 - read / whole


def rows_of(examples: Examples, part: str) -> Ids:
    """The rows of a part. Raises DataError where there is none."""
    if not len(examples.parts[part]):
        raise DataError(f"The {part} part of {examples.path} is empty: no rows were cut off for it.")
    return examples.parts[part]


def read_lengths(examples: Examples, rows: Ids) -> Ids:
    """Steps of each of these rows (R,), if texts; else what tells which are of like length, samples of a sound say.

    A text's bytes tell too little of its words: of translations a batch was 29% padding by bytes, and is 9% by steps.
    """
    if not isinstance(examples.items, Texts):
        return examples.lengths[rows]
    steps = [len(examples.intake.encode(examples.items[row])) for row in rows.tolist()]
    return np.minimum(np.array(steps, np.int64), LONGEST)


def make_batch(examples: Examples, rows: Ids, size: int, dice: np.random.Generator | None = None) -> RowBatch:
    """These rows with their answers, filled up to `size` rows; with dice, rows like these."""
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
    """The steps of items side by side, (B, T, P) with zeros past a row's end, and their lengths (B,)."""
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
    """Rows of a part in groups of `size`, those of like length together: for reading them once, fast.

    limit: so many rows at most, spread evenly over the part.
    """
    rows = examples.parts[part]
    if limit is not None and limit < len(rows):
        rows = rows[np.arange(limit) * len(rows) // limit]
    order = rows[np.argsort(examples.lengths[rows], kind="stable")]
    for start in range(0, len(order), size):
        yield order[start : start + size]
