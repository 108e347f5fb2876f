"""Counting n-grams: the same counts as a slow count with dicts, in chunks, in passes, and under every limit."""

from __future__ import annotations

import numpy as np
import pytest
from ngram_cases import V, count_slowly, documents_of, some_text

from unrolled.deadline import Deadline
from unrolled.model.ngram import counts as ngram_counts
from unrolled.model.ngram import text as ngram_text
from unrolled.model.ngram.counts import CountLimits, Counts, count_ngrams
from unrolled.model.ngram.model import NGram
from unrolled.model.ngram.text import make_blocks, read_block


def grams(counts: Counts, k: int) -> dict[tuple[int, ...], tuple[int, int]]:
    """Every counted k-gram, decoded: (occurrences, extensions)."""
    nodes: list[tuple[int, ...]] = [()]
    for level in counts.levels[:k]:
        nodes = [(*nodes[int(key) // counts.size - 1], int(key) % counts.size) for key in level.keys]
    level = counts.levels[k - 1]
    rows = zip(level.occurrences.tolist(), level.extensions.tolist(), strict=True)
    return dict(zip(nodes, rows, strict=True))


def check_counts(counts: Counts, documents: list[list[int]], opened: bool) -> None:
    for k in range(1, len(counts.levels) + 1):
        slow, fast = count_slowly(documents, opened, k), grams(counts, k)
        assert {g: times for g, (times, _) in slow.items()} == {g: times for g, (times, _) in fast.items()}
        if k < len(counts.levels):
            assert {g: extensions for g, (_, extensions) in slow.items()} == {g: e for g, (_, e) in fast.items()}
        assert all((np.diff(level.keys) > 0).all() for level in counts.levels)


def test_counts_are_those_of_a_slow_count_without_eos_tokens() -> None:
    text = some_text()
    check_counts(count_ngrams(text, V, 5), [text.tolist()], opened=False)


def test_no_ngram_crosses_an_eos_token() -> None:
    text = some_text()
    check_counts(count_ngrams(text, V, 5, eos=0), documents_of(text), opened=True)


def test_no_ngram_crosses_from_one_segment_into_another() -> None:
    text = some_text()
    segments = np.array([[0, 100], [150, 151], [151, 300], [400, 400], [420, 600]])
    parts = [text[a:b].tolist() for a, b in segments if a < b]
    check_counts(count_ngrams(text, V, 4, segments), parts, opened=False)


def test_a_segment_has_the_eos_token_before_it_and_the_one_at_its_end() -> None:
    text = np.array([0, 1, 2, 0, 3, 0, 4, 1, 1, 2, 0, 2])
    segments = np.array([[0, 3], [3, 5], [7, 9], [9, 10], [10, 12]])
    blocks = make_blocks(text, segments, 0)
    assert [read_block(text, block, 0).tolist() for block in blocks] == [
        [0, 1, 2, 0, 3, 0], [0, 1, 1], [0, 2, 0, 2],
    ]  # fmt: skip
    for block in blocks:
        whole = read_block(text, block, 0).tolist()
        cuts = [(a, b) for a in range(len(whole) + 1) for b in range(a, len(whole) + 3)]
        assert all(read_block(text, block, 0, a, b).tolist() == whole[a:b] for a, b in cuts)
    documents = [[0, 1, 2, 0], [0, 3, 0], [0, 1, 1], [0, 2, 0], [0, 2]]
    check_counts(count_ngrams(text, V, 3, segments, eos=0), documents, opened=True)


@pytest.mark.parametrize("eos", [None, 0])
def test_counting_in_chunks_and_passes_gives_the_same_counts(
    eos: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = some_text()
    segments = np.array([[0, 310], [310, 330], [330, 600]])
    whole = count_ngrams(text, V, 6, segments, eos)
    monkeypatch.setattr(ngram_counts, "CHUNK", 37)
    monkeypatch.setattr(ngram_counts, "LARGEST_CODE", 6**4)  # two or three tokens per key: several passes
    pieces = count_ngrams(text, V, 6, segments, eos)
    assert len(pieces.levels) == len(whole.levels) == 6 and pieces.counted == whole.counted
    for a, b in zip(whole.levels, pieces.levels, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    onto = None
    for _ in range(20):
        onto = count_ngrams(text, V, 6, segments, eos, passes=1, onto=onto)
    assert onto is not None
    for a, b in zip(whole.levels, onto.levels, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_many_tokens_of_which_few_occur_fit_into_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    text = some_text().astype(np.int32) * 1000
    monkeypatch.setattr(ngram_counts, "LARGEST_CODE", 6**6)
    monkeypatch.setattr(ngram_text, "LARGEST_CODE", 6**6)
    few, many = count_ngrams(some_text(), V, 5, eos=0), count_ngrams(text, 4001, 5, eos=0, passes=1)
    assert len(many.levels) == 5
    for k in range(1, 6):
        spelled = {tuple(s * 1000 for s in gram): times for gram, times in grams(few, k).items()}
        assert grams(many, k) == spelled


def test_more_ngrams_than_the_limit_lower_the_order_with_a_note() -> None:
    text = np.random.default_rng(0).integers(0, V, 2000)
    counts = count_ngrams(text, V, 8, limits=CountLimits(keep=100))
    assert len(counts.levels) == 2 and counts.why_lower == "there are more than 100 distinct 3-grams"
    for lowered, expected in zip(counts.levels, count_ngrams(text, V, 2).levels, strict=True):
        assert np.array_equal(lowered.keys, expected.keys) and np.array_equal(
            lowered.occurrences, expected.occurrences
        )
    assert NGram.count(text, V, 8, limits=CountLimits(keep=100)).describe() == (
        "2-gram (Kneser–Ney; not longer, because there are more than 100 distinct 3-grams)"
    )
    assert "different" not in NGram.smooth(counts, order=1).describe()


def test_as_much_text_is_counted_as_there_is_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    text = some_text(2000)
    counts = count_ngrams(text, V, 4, eos=0, limits=CountLimits(most=500))
    assert 300 < counts.counted <= 500 and counts.total == 2000
    assert f"counted on {counts.counted} of 2,000 tokens" in NGram.smooth(counts).describe()
    monkeypatch.setattr(ngram_counts, "CHUNK", 400)
    hurried = count_ngrams(text, V, 4, eos=0, limits=CountLimits(deadline=Deadline(0)))
    assert hurried.counted == 100 and len(hurried.levels) == 4
    model = NGram.smooth(hurried)
    assert np.isfinite(model.score(text)).all()


def test_a_text_shorter_than_the_order() -> None:
    model = NGram.count(np.array([0, 1, 2]), 3, 7, eos=0)
    assert model.order == 3 and "no segment of the text is longer" in model.describe()
    assert np.isfinite(model.score(np.array([0, 1, 2, 2, 1, 0]))).all()
