"""Every cell of stem x direction x memory x pool x output: it overfits a tiny batch, and chunks equal the whole.

All pairs of components are in cells of the fast tests; the whole table is slow.
"""

from __future__ import annotations

from itertools import combinations, product
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from unrolled.data.dataset.batches import RowBatch
from unrolled.data.dataset.targets import NO_TARGET
from unrolled.memory import MEMORIES, Memory, NoMemory, Stack, build_stack
from unrolled.memory.columns import ColumnConvolution
from unrolled.memory.pooling import POOLS
from unrolled.model.embeddings import BagEmbedding, RawInput
from unrolled.model.encoders import build_bidirectional
from unrolled.model.heads import Head
from unrolled.model.likelihoods import LABEL_SETS
from unrolled.model.row_net import PredictionNet

LENGTHS = torch.tensor([5, 1, 3, 4])
KINDS, NUMBERS = 3, 2
UPDATES = 400


class Cell(NamedTuple):
    """The components of a model that predicts output columns."""

    embedding: str
    direction: str
    memory: str
    pool: str
    output: str


SPLITS = (("ids", "numbers", "columns"), ("ahead", "both"), tuple(MEMORIES), tuple(POOLS),
         ("classification", "tagging", "multilabel", "multilabel-softmax", "regression"))  # fmt: skip
CELLS = [
    cell
    for cell in (Cell(*names) for names in product(*SPLITS))
    if not (cell.direction == "both" and cell.pool == "last")
]  # the last step of a bidirectional encoder has read almost nothing backwards: the command refuses it


def pairs_of(cell: Cell) -> set[tuple[str, str, str]]:
    """Any two components of a cell, with their roles."""
    named = list(zip(Cell._fields, cell, strict=True))
    return {(f"{a}, {b}", one, other) for (a, one), (b, other) in combinations(named, 2)}


def few_cells() -> list[Cell]:
    """Cells that together contain every pair of components; the next is always the one with the most new pairs."""
    missing = set().union(*map(pairs_of, CELLS))
    found = []
    while missing:
        best = max(CELLS, key=lambda cell: len(pairs_of(cell) & missing))
        found.append(best)
        missing -= pairs_of(best)
    return found


FEW = few_cells()


def build(cell: Cell) -> PredictionNet:
    torch.manual_seed(0)
    embedding: nn.Module = BagEmbedding(60, 6) if cell.embedding == "ids" else RawInput(8)
    stem: Memory = NoMemory(6, 6, nn.RMSNorm(6, eps=1e-5))
    if cell.embedding == "numbers":
        stem = NoMemory(8, 6, nn.Linear(8, 6))
    if cell.embedding == "columns":
        stem = Stack([ColumnConvolution(4, 2, 4), NoMemory(8, 6, nn.Linear(8, 6))])
    make = build_stack if cell.direction == "ahead" else build_bidirectional
    width = 2 * NUMBERS if cell.output == "regression" else KINDS
    each = ["answer"] * (cell.output == "tagging")
    head = Head(8, width, cell.output)
    return PredictionNet(embedding, stem, make(cell.memory, 6, 8), POOLS[cell.pool](8, 8), {"answer": head}, each)


def one_batch(cell: Cell) -> RowBatch:
    """Rows of different lengths, all steps different, large values in the padding, and targets that depend on the
    rows alone."""
    generator = torch.Generator().manual_seed(1)
    rows, steps = len(LENGTHS), int(LENGTHS.max())
    ids = 1 + torch.randperm(rows * steps, generator=generator).view(rows, steps)  # (B, T)
    numbers = torch.randn(rows, steps, 8, generator=generator)
    padding = torch.arange(steps) >= LENGTHS[:, None]
    ids[padding] = 59
    numbers[padding] = 1e3
    inputs = ids[..., None] if cell.embedding == "ids" else numbers
    answers: Tensor = torch.tensor([0, 1, 2, 0])
    if cell.output == "tagging":
        answers = torch.randint(0, KINDS, (rows, steps), generator=generator).masked_fill(padding, NO_TARGET)
    if cell.output == "multilabel":
        answers = torch.tensor([[1.0, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 0]])
    if cell.output == "multilabel-softmax":
        answers = torch.tensor([[1.0, 0, 0], [0, 1, 1], [1, 1, 1], [1, 1, 0]])
    if cell.output == "regression":
        answers = torch.randn(rows, NUMBERS, generator=generator)
    each = frozenset(["answer"] * (cell.output == "tagging"))
    return RowBatch(inputs, LENGTHS, torch.ones(rows, dtype=torch.bool), {"answer": answers}, each)


def is_overfit(cell: Cell, said: Tensor, answers: Tensor) -> bool:
    if cell.output in ("classification", "tagging"):
        due = answers != NO_TARGET
        return bool((said.argmax(-1) == answers)[due].all())
    if cell.output in LABEL_SETS:
        return bool((LABEL_SETS[cell.output].found(said) == (answers > 0)).all())
    return bool(((said[:, :NUMBERS] - answers).abs() < 0.2).all())


def check_overfits(cell: Cell) -> None:
    model, batch = build(cell), one_batch(cell)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for update in range(UPDATES):
        loss, _ = model.loss(batch, model.start(len(LENGTHS)))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if update % 20 == 19:
            with torch.no_grad():
                said = model.to_predictions(model.predict(batch.inputs, batch.lengths))["answer"]
            if is_overfit(cell, said, batch.targets["answer"]):
                return
    pytest.fail(f"no overfit in {UPDATES} updates; the loss is {float(loss.detach()):.3f}")


def check_chunks_equal_the_whole(cell: Cell) -> None:
    model, batch = build(cell).double(), one_batch(cell)
    start = model.start(len(LENGTHS))
    whole, after = model.unroll(batch.inputs, start, LENGTHS)
    loss, _ = model.loss(batch, start)
    for cut in range(1, int(LENGTHS.max())):
        first, state = model.unroll(batch.inputs[:, :cut], start, LENGTHS.clamp(max=cut))
        second, end = model.unroll(batch.inputs[:, cut:], state, (LENGTHS - cut).clamp_min(0))
        pieces = torch.cat([first["answer"], second["answer"]], 1)
        torch.testing.assert_close(pieces, whole["answer"], rtol=0, atol=1e-10, msg=f"cut at {cut}")
        begun, state = model.loss(batch.cut(0, cut), start)
        ended, _ = model.loss(batch.cut(cut, batch.steps), state)
        torch.testing.assert_close(begun + ended, loss, rtol=0, atol=1e-9, msg=f"the loss, cut at {cut}")
        assert type(end) is type(after)


def test_few_cells_have_every_pair() -> None:
    assert set().union(*map(pairs_of, FEW)) == set().union(*map(pairs_of, CELLS))
    assert len(FEW) < len(CELLS) / 8


@pytest.mark.parametrize("cell", FEW, ids="-".join)
def test_every_pair_of_components_overfits_a_batch(cell: Cell) -> None:
    check_overfits(cell)


@pytest.mark.parametrize("cell", [cell for cell in FEW if cell.direction == "ahead"], ids="-".join)
def test_chunks_of_every_pair_equal_the_whole(cell: Cell) -> None:
    check_chunks_equal_the_whole(cell)


@pytest.mark.slow
@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("output", SPLITS[4])
def test_every_cell_overfits_a_batch(memory: str, output: str) -> None:
    for cell in CELLS:
        if cell.memory == memory and cell.output == output:
            check_overfits(cell)


@pytest.mark.slow
@pytest.mark.parametrize("memory", MEMORIES)
def test_chunks_of_every_streaming_cell_equal_the_whole(memory: str) -> None:
    for cell in CELLS:
        if cell.memory == memory and cell.direction == "ahead":
            check_chunks_equal_the_whole(cell)
