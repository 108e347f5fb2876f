"""Memorisation, text copied verbatim from the training text: compared with a brute-force search; limits of time
and bytes."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from unrolled.errors import OptionError
from unrolled.metrics import memorisation
from unrolled.metrics.memorisation import Copies, find_copies

few = st.integers(1, 3)
texts = st.lists(few, max_size=120)


def occurs(part: Sequence[int], chunks: Sequence[Sequence[int]]) -> bool:
    return any(list(chunk[i : i + len(part)]) == list(part) for chunk in chunks for i in range(len(chunk)))


def brute_force(sample: Sequence[int], chunks: Sequence[Sequence[int]], piece: int) -> tuple[int, float]:
    longest = 0
    for start in range(len(sample)):
        while start + longest < len(sample) and occurs(sample[start : start + longest + 1], chunks):
            longest += 1
    pieces = [occurs(sample[i : i + piece], chunks) for i in range(len(sample) - piece + 1)]
    return longest, sum(pieces) / len(pieces) if pieces else 0.0


def check_copies(found: Copies, sample: Sequence[int], chunks: Sequence[Sequence[int]], piece: int) -> None:
    longest, share = brute_force(sample, chunks, piece)
    assert found.longest == len(found.text) == longest
    assert found.share == pytest.approx(share, abs=1e-12)
    assert not longest or (occurs(found.text, [sample]) and occurs(found.text, chunks))


@given(st.lists(few, max_size=20), st.lists(texts, max_size=4), st.integers(1, 6))
def test_it_equals_a_brute_force_search(sample: list[int], chunks: list[list[int]], piece: int) -> None:
    check_copies(find_copies(sample, chunks, piece), sample, chunks, piece)


@given(st.lists(few, max_size=20), st.lists(texts, max_size=4), st.integers(1, 6))
def test_a_copy_across_blocks_is_found_whole(sample: list[int], chunks: list[list[int]], piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memorisation, "BLOCK", 4)
        check_copies(find_copies(sample, chunks, piece), sample, chunks, piece)


@given(st.lists(few, max_size=12), st.lists(st.lists(few, max_size=40), max_size=3), st.integers(1, 4))
def test_the_result_does_not_depend_on_the_hash(sample: list[int], chunks: list[list[int]], piece: int) -> None:
    def two_values(left: NDArray[np.uint64], right: Any) -> NDArray[np.uint64]:
        mixed: NDArray[np.uint64] = (left ^ right) & np.uint64(1)
        return mixed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memorisation, "_mix", two_values)
        check_copies(find_copies(sample, chunks, piece), sample, chunks, piece)


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 8, 9, 16])
def test_windows_that_differ_have_hashes_that_differ(length: int) -> None:
    ids = np.random.default_rng(3).integers(1, 4, 5000)
    windows = {tuple(ids[i : i + length].tolist()) for i in range(len(ids) - length + 1)}
    assert len(set(memorisation._Windows(ids).hashes(length).tolist())) == len(windows)


def test_a_planted_copy_is_found_with_its_position() -> None:
    generator = np.random.default_rng(0)
    text = generator.integers(1, 60, 600_000).astype(np.uint8)
    planted = text[300_000:300_137]
    sample = np.r_[generator.integers(1, 60, 200), planted, generator.integers(1, 60, 200)]
    found = find_copies(sample.tolist(), [text])
    assert planted.tobytes() in np.array(found.text, np.uint8).tobytes()  # a random neighbour may lengthen it
    assert 137 <= found.longest <= 141
    assert found.share == pytest.approx((found.longest - 49) / (len(sample) - 49))


def test_a_copy_across_blocks_of_a_long_text_is_found() -> None:
    text = np.random.default_rng(1).integers(1, 200, 3 * memorisation.BLOCK).astype(np.uint16)
    for cut in (memorisation.BLOCK, 2 * memorisation.BLOCK):
        assert find_copies(text[cut - 150 : cut + 150].tolist(), [text]) == Copies(
            300, tuple(text[cut - 150 : cut + 150].tolist()), 1.0
        )


def test_empty_texts_have_no_copies() -> None:
    assert find_copies([], [[1, 2]]) == Copies(0, (), 0.0)
    assert find_copies([1, 2], []) == Copies(0, (), 0.0)
    assert find_copies([1, 2], [[]]) == Copies(0, (), 0.0)
    assert find_copies([1, 2], [[3]]) == Copies(0, (), 0.0)
    assert find_copies([1, 2, 3], [[3, 1, 2]], segment_length=50) == Copies(
        2, (1, 2), 0.0
    )  # shorter than the minimum length: no share


def test_a_length_of_zero_is_refused() -> None:
    with pytest.raises(OptionError, match=r"segment_length is 0; .* give 1 or more"):
        find_copies([1], [[1]], segment_length=0)


@pytest.mark.parametrize("kind", ["one letter", "a log", "lines"])
def test_repetitive_texts_take_neither_time_nor_bytes(kind: str) -> None:
    log = "".join(f"12:{i % 60:02d} request {i % 7} served in {i % 13} ms\n" for i in range(30_000))
    log_ids = np.frombuffer(log.encode(), np.uint8)[:1_000_000]
    chunks, sample = {
        "one letter": ([np.full(1_000_000, 97, np.uint8)], [97] * 700 + [98] + [97] * 299),
        "a log": ([log_ids], [*log_ids[5:600].tolist(), 1, *log_ids[900:1300].tolist()]),
        "lines": ([np.array([0, *b"always the same line"], np.uint8)] * 40_000, [*b"always the same line"] * 50),
    }[kind]
    tracemalloc.start()
    started = time.perf_counter()
    found = find_copies(sample, chunks)
    seconds, most = time.perf_counter() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.longest == {"one letter": 700, "a log": 595, "lines": 20}[kind]
    assert seconds < 5  # about 0.2 s on an idle processor
    assert most < 100e6


def test_bytes_in_use_do_not_grow_with_the_text() -> None:
    block = np.random.default_rng(2).integers(1, 90, 250_000).astype(np.uint8)

    def most_bytes(count: int) -> int:
        tracemalloc.start()
        find_copies([200] * 500, (block for _ in range(count)))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert most_bytes(12) < 1.2 * most_bytes(4)
