"""Split a text into training, validation and test.

All positions count the characters of all documents in order; a BOS/EOS token comes before each document.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.text.documents import Documents
from unrolled.errors import DataError
from unrolled.seeds import numpy_generator

TRAINING, VALIDATION, TEST = range(3)
SHORTEST = 200  # characters from which splits can be cut
BLOCKS = 5  # segments of the text, at least; a validation block is taken from each
MANY_DOCUMENTS = 200  # documents, from which they are kept whole
FEWEST = 10  # characters, from which one of several files is split


class Layout(NamedTuple):
    """Segments of a text, with one edge where each segment begins."""

    edges: NDArray[np.int64]  # (E,) characters before the segment
    document_starts: NDArray[np.bool_]  # (E,) whether a document begins there
    splits: NDArray[np.uint8]  # (E,) the split it belongs to
    total: int  # characters


class Section(NamedTuple):
    """Consecutive characters that belong to one split."""

    split: int
    text: str
    cuts: NDArray[np.int64]  # offsets in text where a segment begins
    boundaries: NDArray[np.bool_]  # which of these begin a document


def plan_one_split(starts: NDArray[np.int64], total: int, split: int) -> Layout:
    """Put all documents into one split. starts: characters before each; total: characters of all."""
    return Layout(starts, np.ones(len(starts), np.bool_), np.full(len(starts), split, np.uint8), total)


def plan_splits(
    starts: NDArray[np.int64], total: int, valid: float, test: float, seed: int,
    files: NDArray[np.int64] | None = None,
) -> Layout:  # fmt: skip
    """Take the last share `test` for the test split, and the share `valid` of the rest in blocks placed by `seed`.

    Many documents, none of them large, are kept whole. Otherwise each of the `files`, given as the characters before
    each, gives its own share, so that the order of their names does not matter. Default: one file.
    """
    layout = plan_one_split(starts, total, TRAINING)
    if not valid and not test:
        return layout
    count = len(starts)
    lengths = np.diff(starts, append=total)
    if count >= MANY_DOCUMENTS and int(lengths.max()) * 20 <= total:
        for start, stop, split in cut_shares(np.array([0]), count, valid, test, seed):
            layout.splits[start:stop] = split
        return layout
    return cut_at(layout, cut_shares(np.array([0]) if files is None else files, total, valid, test, seed))


def cut_shares(
    starts: NDArray[np.int64], total: int, valid: float, test: float, seed: int
) -> list[tuple[int, int, int]]:
    """Blocks (start, stop, split) of validation and test: the last share of each file, and one or more blocks before
    it, at least five in all. A file of a few characters belongs to the training split."""
    per_file = -(-BLOCKS // len(starts))
    places = max(1, int(1 / valid)) if valid else 1
    chosen = numpy_generator(seed, "validation").integers(0, places, (len(starts), per_file))
    blocks = []
    for first, stop, drawn in zip(starts.tolist(), [*starts[1:].tolist(), total], chosen.tolist(), strict=True):
        if len(starts) > 1 and stop - first < FEWEST:
            continue
        end = first + int((stop - first) * (1 - test))
        blocks += [(end, stop, TEST)] if test else []
        blocks += spread_blocks(first, end, valid, drawn) if valid else []
    return blocks


def spread_blocks(first: int, end: int, share: float, places: list[int]) -> list[tuple[int, int, int]]:
    """Cut `first` to `end` into equal segments, one per place, and take a block from each, together a `share`."""
    size, count, blocks = end - first, len(places), []
    for block, place in enumerate(places):
        left, right = first + size * block // count, first + size * (block + 1) // count
        length = max(1, round((right - left) * share))
        start = min(left + place * length, right - length)
        blocks.append((start, start + length, VALIDATION))
    return blocks


def cut_at(layout: Layout, blocks: list[tuple[int, int, int]]) -> Layout:
    """Add edges to the layout, so that each block (start, stop, split) lies in its split."""
    inner = np.unique(np.array([edge for block in blocks for edge in block[:2]], np.int64))
    inner = inner[(inner > 0) & (inner < layout.total)]
    edges = np.union1d(layout.edges, inner)
    splits = np.full(len(edges), TRAINING, np.uint8)
    for start, stop, split in blocks:
        splits[(edges >= start) & (edges < stop)] = split
    return Layout(edges, np.isin(edges, layout.edges), splits, layout.total)


def sections(documents: Documents, layout: Layout) -> Iterator[Section]:
    """Read the documents again, as sections of one split each. Raises DataError if they changed meanwhile."""
    before = 0
    split = int(layout.splits[0])
    for chunk in documents.chunks():
        text = chunk.text
        low, high = np.searchsorted(layout.edges, [before, before + len(text)])
        cuts = layout.edges[low:high] - before
        boundaries, splits = layout.document_starts[low:high], layout.splits[low:high]
        if not np.array_equal(cuts[boundaries], chunk.starts):
            raise changed(documents)
        turns = np.flatnonzero(np.diff(splits, prepend=np.uint8(split)))  # where another split begins
        rows = [0, *turns.tolist(), len(cuts)]
        ends = [0, *cuts[turns].tolist(), len(text)]
        for first, last, start, stop in zip(rows, rows[1:], ends, ends[1:], strict=False):
            split = int(splits[first]) if first < last and start == cuts[first] else split
            if stop > start:
                yield Section(split, text[start:stop], cuts[first:last] - start, boundaries[first:last])
        before += len(text)
    if before != layout.total:
        raise changed(documents)


def changed(documents: Documents) -> DataError:
    """The error for a file that was written while it was read."""
    return DataError(f"{documents.path} changed while it was read. Start again when no program is writing to it.")
