"""Cutting a text into training, validation and test part.

Everything here counts positions: the characters of all documents in order, a border before each document.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.text import Documents
from unrolled.errors import DataError, OptionError
from unrolled.seeds import numpy_generator

TRAINING, VALIDATION, TEST = range(3)
PARTS = ("training", "validation", "test")
SHORTEST = 200  # characters from which parts can be cut
BLOCKS = 5  # stretches of the text, at least, from each of which a block is taken for validation
MANY = 200  # documents from which on they are left whole
FEWEST = 10  # characters of one of several files, from which on parts are cut from it


class Layout(NamedTuple):
    """How the characters of a text fall into stretches: one edge where each stretch begins."""

    edges: NDArray[np.int64]  # (E,) characters before the stretch
    borders: NDArray[np.bool_]  # (E,) whether a document begins there
    parts: NDArray[np.uint8]  # (E,) the part it belongs to
    total: int  # characters


class Section(NamedTuple):
    """Characters in a row that belong to one part."""

    part: int
    text: str
    cuts: NDArray[np.int64]  # offsets in text where a stretch begins
    borders: NDArray[np.bool_]  # which of these begin a document


def lay_out_whole(starts: NDArray[np.int64], total: int, part: int) -> Layout:
    """All documents in one part; `starts` are the characters before each, `total` those of all."""
    return Layout(starts, np.ones(len(starts), np.bool_), np.full(len(starts), part, np.uint8), total)


def lay_out(
    starts: NDArray[np.int64], total: int, valid: float, test: float, seed: int,
    files: NDArray[np.int64] | None = None,
) -> Layout:  # fmt: skip
    """Cut off the last share `test`, and of the rest the share `valid` in blocks spread by `seed`.

    Many documents, none of them a large part of the whole, are left whole. Otherwise each of the `files`, given as
    the characters before each, gives its own share: the order of their names decides nothing. Left out: one file.
    """
    layout = lay_out_whole(starts, total, TRAINING)
    if not valid and not test:
        return layout
    count = len(starts)
    lengths = np.diff(starts, append=total)
    if count >= MANY and int(lengths.max()) * 20 <= total:
        for start, stop, part in cut_shares(np.array([0]), count, valid, test, seed):
            layout.parts[start:stop] = part
        return layout
    return cut_at(layout, cut_shares(np.array([0]) if files is None else files, total, valid, test, seed))


def cut_shares(
    starts: NDArray[np.int64], total: int, valid: float, test: float, seed: int
) -> list[tuple[int, int, int]]:
    """The blocks (start, stop, part) of validation and test: of each file the last share, and one block or more of
    what is before it, so that there are five at least. A file of a few characters is left to training."""
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
    """As many blocks of `first` to `end` as places, together a `share` of it, one in each like piece of it."""
    size, count, blocks = end - first, len(places), []
    for block, place in enumerate(places):
        left, right = first + size * block // count, first + size * (block + 1) // count
        length = max(1, round((right - left) * share))
        start = min(left + place * length, right - length)
        blocks.append((start, start + length, VALIDATION))
    return blocks


def cut_at(layout: Layout, blocks: list[tuple[int, int, int]]) -> Layout:
    """The layout with further edges, so that the characters of each block (start, stop) lie in its part."""
    inner = np.unique(np.array([edge for block in blocks for edge in block[:2]], np.int64))
    inner = inner[(inner > 0) & (inner < layout.total)]
    edges = np.union1d(layout.edges, inner)
    parts = np.full(len(edges), TRAINING, np.uint8)
    for start, stop, part in blocks:
        parts[(edges >= start) & (edges < stop)] = part
    return Layout(edges, np.isin(edges, layout.edges), parts, layout.total)


def sections(documents: Documents, layout: Layout) -> Iterator[Section]:
    """Read the documents again, as sections of one part each; a DataError where they changed meanwhile."""
    before = 0
    part = int(layout.parts[0])
    for chunk in documents.chunks():
        text = chunk.text
        low, high = np.searchsorted(layout.edges, [before, before + len(text)])
        cuts, borders, parts = layout.edges[low:high] - before, layout.borders[low:high], layout.parts[low:high]
        if not np.array_equal(cuts[borders], chunk.starts):
            raise changed(documents)
        turns = np.flatnonzero(np.diff(parts, prepend=np.uint8(part)))  # where another part begins
        rows = [0, *turns.tolist(), len(cuts)]
        ends = [0, *cuts[turns].tolist(), len(text)]
        for first, last, start, stop in zip(rows, rows[1:], ends, ends[1:], strict=False):
            part = int(parts[first]) if first < last and start == cuts[first] else part
            if stop > start:
                yield Section(part, text[start:stop], cuts[first:last] - start, borders[first:last])
        before += len(text)
    if before != layout.total:
        raise changed(documents)


def changed(documents: Documents) -> DataError:
    """What to say when a file is rewritten under our hands."""
    return DataError(f"{documents.path} changed while it was read. Start again when nothing writes to it any more.")


def share_of(name: str, value: str | float | None, default: float) -> float | str:
    """What --valid and --test take: a share of the text (0 to 0.5), "none" (0), or a path, which comes back."""
    if value is None:
        return default
    if isinstance(value, str):
        try:
            value = float(0 if value == "none" else value)
        except ValueError:
            return str(value)
    if not 0 <= value <= 0.5:
        raise OptionError(f"--{name} takes a share of the text from 0 to 0.5, a file, or none; {value} was given.")
    return value
