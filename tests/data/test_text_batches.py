"""Batches: no window crosses the end of a document, every target is used once per epoch, equal seeds give equal
batches."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.data import RowBatches, StreamBatches, TextBatch, make_batches, read_corpus, split_rows
from unrolled.data.text.targets import SplitSegments
from unrolled.errors import DataError

Numbers = np.ndarray
Shape = Callable[[SplitSegments, int, int, int], StreamBatches | RowBatches]


@st.composite
def texts(draw: st.DrawFn) -> tuple[Numbers, Numbers, Numbers]:
    """Tokens that are all different, some segments of them, and their ends."""
    lengths = draw(st.lists(st.integers(1, 40), min_size=1, max_size=12))
    tokens: list[int] = []
    edges: list[int] = []
    for length in lengths:
        edges.append(len(tokens))
        tokens += [0, *range(len(tokens) + 1, len(tokens) + 1 + length)]
        cut = draw(st.integers(1, length))
        if cut < length:
            edges.append(edges[-1] + 1 + cut)
    segments = np.stack([edges, [*edges[1:], len(tokens)]], axis=1)
    numbers = np.array(tokens, np.int32)
    kept = segments[draw(st.lists(st.booleans(), min_size=len(edges), max_size=len(edges)).map(at_least_one))]
    ends = np.array([stop < len(tokens) and numbers[stop] == 0 for stop in kept[:, 1]])
    return numbers, kept, ends


def at_least_one(chosen: list[bool]) -> list[bool]:
    return chosen if any(chosen) else [True, *chosen[1:]]


def expected(tokens: Numbers, segments: Numbers, ends: Numbers) -> Counter[tuple[int, int]]:
    """Each target with the token before it, and how often an epoch has to use it."""
    pairs: Counter[tuple[int, int]] = Counter()
    for first, stop in zip(*SplitSegments(tokens, segments, ends).target_ranges(), strict=True):
        targets = tokens[first:stop].tolist()
        pairs.update(zip([0, *targets[:-1]], targets, strict=True))
    return pairs


def read(batch: TextBatch) -> list[tuple[int, int]]:
    """The inputs and targets of a batch without padding; the padding must be 0."""
    pairs: list[tuple[int, int]] = []
    for inputs, targets, length in zip(*(split.tolist() for split in batch[:3]), strict=True):
        assert not any(inputs[length:]) and not any(targets[length:])
        pairs += zip(inputs[:length], targets[:length], strict=True)
    return pairs


@pytest.mark.parametrize("shape", [StreamBatches, RowBatches])
@settings(max_examples=150, deadline=None)
@given(text=texts(), batch=st.integers(1, 5), window=st.integers(1, 9), seed=st.integers(0, 3))
def test_every_target_is_read_once_per_epoch(
    shape: Shape, text: tuple[Numbers, Numbers, Numbers], batch: int, window: int, seed: int
) -> None:
    batches = shape(SplitSegments(*text), batch, window, seed)
    wanted = expected(*text)
    assert batches.tokens_per_epoch == wanted.total()
    for epoch in range(3):
        steps = 0
        pairs: Counter[tuple[int, int]] = Counter()
        for turn in range(batches.batches_per_epoch):
            one = batches.batch(epoch * batches.batches_per_epoch + turn)
            pairs.update(read(one))
            steps += one.inputs.numel()
            assert one.inputs.shape == one.targets.shape
            assert one.inputs.shape[0] == batch == len(one.lengths) == len(one.fresh)
            assert one.inputs.shape[1] <= window * (8 if shape is RowBatches else 1)
        assert pairs == wanted
        if epoch == 0 and batches.batches_per_epoch <= 64:
            assert batches.padding_share == pytest.approx(1 - wanted.total() / steps)


@pytest.mark.parametrize("shape", [StreamBatches, RowBatches])
@settings(max_examples=60, deadline=None)
@given(text=texts(), batch=st.integers(1, 5), window=st.integers(1, 9), seed=st.integers(0, 3))
def test_batch_k_is_a_pure_function_of_seed_and_k(
    shape: Shape, text: tuple[Numbers, Numbers, Numbers], batch: int, window: int, seed: int
) -> None:
    batches = shape(SplitSegments(*text), batch, window, seed)
    ks = list(range(3 * batches.batches_per_epoch))
    in_order = {k: batches.batch(k) for k in ks}
    random.Random(seed).shuffle(ks)
    tokens, segments, ends = text
    again = shape(SplitSegments(tokens.copy(), segments.copy(), ends.copy()), batch, window, seed)
    for k in ks:
        for one, other in zip(in_order[k], again.batch(k), strict=True):
            assert one.dtype == other.dtype
            assert one.tolist() == other.tolist()


@settings(max_examples=150, deadline=None)
@given(text=texts(), batch=st.integers(1, 5), window=st.integers(1, 9), seed=st.integers(0, 3))
def test_a_row_that_is_not_fresh_continues(
    text: tuple[Numbers, Numbers, Numbers], batch: int, window: int, seed: int
) -> None:
    tokens, segments, ends = text
    batches = StreamBatches(SplitSegments(tokens, segments, ends), batch, window, seed)
    opening = {int(tokens[first]) for first in SplitSegments(*text).target_ranges()[0]}
    last = [-1] * batch
    for k in range(2 * batches.batches_per_epoch):
        one = batches.batch(k)
        for row in range(batch):
            length = int(one.lengths[row])
            if not length:
                continue
            first = int(one.targets[row, 0])
            begins = first in opening and int(one.inputs[row, 0]) == 0
            if not one.fresh[row]:
                assert int(one.inputs[row, 0]) == last[row]
            elif k % batches.batches_per_epoch:
                assert begins or first == 0
            assert not begins or first == 0 or one.fresh[row]
            last[row] = int(one.targets[row, length - 1])


@pytest.mark.parametrize("shape", [StreamBatches, RowBatches])
@settings(max_examples=100, deadline=None)
@given(text=texts(), batch=st.integers(1, 5), window=st.integers(1, 9))
def test_a_window_never_crosses_the_end_of_a_document(
    shape: Shape, text: tuple[Numbers, Numbers, Numbers], batch: int, window: int
) -> None:
    batches = shape(SplitSegments(*text), batch, window, 0)
    for k in range(2 * batches.batches_per_epoch):
        one = batches.batch(k)
        for inputs, targets, length in zip(*(split.tolist() for split in one[:3]), strict=True):
            assert 0 not in inputs[1:length]
            assert 0 not in targets[: max(0, length - 1)]


def long_stream() -> tuple[Numbers, Numbers, Numbers]:
    tokens = np.append(np.zeros(1, np.int32), np.arange(1, 5000, dtype=np.int32))
    return tokens, np.array([[0, 2000], [2400, 5000]]), np.array([False, False])


def test_long_segments_are_cut_differently_each_epoch_and_read_once() -> None:
    batches = StreamBatches(SplitSegments(*long_stream()), 3, 10, 0)
    begins = []
    for epoch in range(3):
        pairs: Counter[tuple[int, int]] = Counter()
        for turn in range(batches.batches_per_epoch):
            one = batches.batch(epoch * batches.batches_per_epoch + turn)
            pairs.update(read(one))
        assert pairs == expected(*long_stream())
        begins.append(int(batches.batch(epoch * batches.batches_per_epoch + 9).targets[0, 0]))
    assert len({begin % 10 for begin in begins}) > 1
    assert batches.padding_share < 0.02


def test_seeds_differ() -> None:
    for shape in (StreamBatches, RowBatches):
        ones = [shape(SplitSegments(*long_stream()), 3, 10, seed).batch(0).targets.tolist() for seed in (0, 1)]
        assert ones[0] != ones[1]


def test_rows_of_like_length_share_a_batch() -> None:
    lengths = np.random.default_rng(0).integers(1, 60, 2000)
    edges = np.append(0, np.cumsum(lengths + 1))
    tokens = np.ones(edges[-1], np.uint8)
    tokens[edges[:-1]] = 0
    batches = RowBatches(
        SplitSegments(tokens, np.stack([edges[:-1], edges[1:]], axis=1), np.append(np.ones(1999, bool), False)),
        16,
        64,
        0,
    )
    assert batches.padding_share < 0.05


def corpus_text(documents: int, length: int) -> str:
    rng = random.Random(0)
    return "".join("".join(rng.choices("abcdef ", k=length)) + "\n" for _ in range(documents))


@pytest.mark.parametrize(("length", "shape"), [(7, "rows"), (40, "rows"), (64 * 9, "stream")])
def test_short_documents_are_rows_and_long_ones_a_stream(tmp_path: Path, length: int, shape: str) -> None:
    (tmp_path / "a.txt").write_text(corpus_text(300, length))
    corpus = read_corpus(tmp_path / "a.txt", "line")
    batches = make_batches(corpus, "training", 8, 64, 0)
    assert batches.shape == shape
    assert batches.tokens_per_epoch == corpus.targets("training")
    one = make_batches(read_corpus(tmp_path / "a.txt"), "training", 8, 64, 0)
    assert one.shape == "stream"


def test_an_empty_split_has_no_batches(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(corpus_text(50, 30))
    corpus = read_corpus(tmp_path / "a.txt", valid="none")
    with pytest.raises(DataError, match=r"The validation split of .*a.txt is empty"):
        make_batches(corpus, "validation", 8, 64, 0)
    assert list(split_rows(corpus, "validation")) == []


@pytest.mark.parametrize("documents", ["file", "line"])
def test_split_rows_read_every_target_in_order(tmp_path: Path, documents: str) -> None:
    (tmp_path / "a.txt").write_text(corpus_text(300, 30))
    corpus = read_corpus(tmp_path / "a.txt", documents)
    for split in corpus.splits:
        rows = list(split_rows(corpus, split))
        assert sum(len(targets) for _, targets in rows) == corpus.targets(split)
        assert len(rows) == len(corpus.splits[split])
        for (inputs, targets), (start, _) in zip(rows, corpus.splits[split].tolist(), strict=True):
            assert inputs[0] == 0
            assert np.array_equal(inputs[1:], targets[:-1])
            first = start + (corpus.tokens[start] == 0)
            assert np.array_equal(targets, corpus.tokens[first : first + len(targets)])


@pytest.mark.parametrize("documents", ["file", "line"])
@pytest.mark.parametrize("limit", [1, 150, 1000, 5000, 10**9])
def test_split_rows_spread_a_limit_over_the_split(tmp_path: Path, documents: str, limit: int) -> None:
    (tmp_path / "a.txt").write_text(corpus_text(2000, 30))
    corpus = read_corpus(tmp_path / "a.txt", documents)
    rows = list(split_rows(corpus, "training", limit))
    read = sum(len(targets) for _, targets in rows)
    assert min(limit, corpus.targets("training")) - 31 <= read <= limit  # a line is not cut for the remainder
    if limit == 5000 and documents == "file":
        assert len(rows) == len(corpus.splits["training"])
        assert max(len(targets) for _, targets in rows) < 2000


def test_split_rows_take_chunks_spread_over_a_long_segment(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(corpus_text(4000, 30))
    corpus = read_corpus(tmp_path / "a.txt")
    ((begin, _),) = corpus.splits["test"].tolist()
    whole = corpus.targets("test")
    for limit, pieces in ((3_000, 1), (4_001, 2), (9_000, 4), (whole - 1, 6)):
        rows = list(split_rows(corpus, "test", limit))
        assert [len(rows), sum(len(targets) for _, targets in rows)] == [pieces, limit]
        first = [begin + whole * piece // pieces for piece in range(pieces)]
        for (inputs, targets), start in zip(rows, first, strict=True):
            assert np.array_equal(targets, corpus.tokens[start : start + len(targets)])
            assert inputs[0] == 0 and np.array_equal(inputs[1:], targets[:-1])
    assert len(list(split_rows(corpus, "test", whole))) == 1
