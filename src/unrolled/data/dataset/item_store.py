"""The item store: the inputs of rows by number, texts or arrays of numbers, read on access."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.modalities.base import Ids, Item
from unrolled.data.vocabulary.base import TokenIds, to_bytes
from unrolled.data.vocabulary.store import TokenStore, release_pages

TOGETHER = 1 << 20  # bytes that are buffered before they are stored
BUDGET = 4 << 30  # bytes of decoded audio files or images that are kept
RESIDENT = 1 << 25  # bytes that are read from a mapped file before its pages are released


class Texts:
    """Texts by number, stored as UTF-8; beyond 64 MB in a temporary file that is mapped into memory."""

    def __init__(self) -> None:
        self._store = TokenStore(np.dtype(np.uint8))
        self._held: list[bytes] = []
        self._waiting = 0
        self._ends = array("q", [0])
        self._data: TokenIds | None = None

    def add(self, text: str) -> None:
        """Append a text."""
        data = to_bytes(text)
        self._ends.append(self._ends[-1] + len(data))
        self._held.append(data)
        self._waiting += len(data)
        if self._waiting >= TOGETHER:
            self._flush()

    def select(self, rows: Ids) -> Texts:
        """A copy with these rows only, in this order."""
        kept = Texts()
        for row in rows.tolist():
            kept.add(self[row])
        return kept

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:
        if self._data is None:
            self._flush()
            self._data = self._store.as_array()
        return self._data[self._ends[number] : self._ends[number + 1]].tobytes().decode("utf-8", "replace")

    @property
    def lengths(self) -> Ids:
        """Length of each text in bytes."""
        ends = np.array(self._ends, np.int64)
        return ends[1:] - ends[:-1]

    def _flush(self) -> None:
        self._store.add(np.frombuffer(b"".join(self._held), np.uint8))
        self._held, self._waiting = [], 0


class Arrays:
    """Arrays by row, all of one dtype, stored unchanged; beyond 64 MB in a temporary file that is mapped.

    Rows may share an array, which is stored once. An array that would exceed the budget of bytes is made again on
    each access, if `add` was given a way to. One that a program holds anyway is not copied.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self.budget = budget
        self._again: dict[int, Callable[[], NDArray[Any]]] = {}
        self._views: dict[int, NDArray[Any]] = {}
        self._store: TokenStore | None = None
        self._held: list[NDArray[Any]] = []
        self._waiting = self._read = 0
        self._unique = array("q")  # of each row: the number of its array
        self._ends = array("q", [0])
        self._shapes = array("q")  # of all arrays, one after the other
        self._axes = array("q", [0])  # where each shape ends
        self._data: TokenIds | None = None

    def add(self, item: NDArray[Any], again: Callable[[], NDArray[Any]] | None = None, held: bool = False) -> None:
        """Append a row with an array of its own, of any axes. again: makes it again. held: it stays in memory anyway,
        so it is not copied."""
        if self._store is None:
            self._store = TokenStore(item.dtype)
        number = self.unique_count
        self._unique.append(number)
        self._shapes.extend(item.shape)
        self._axes.append(len(self._shapes))
        if held:
            self._ends.append(self._ends[-1])
            self._views[number] = item.view()
            self._views[number].flags.writeable = False
            return
        if again is not None and (self._ends[-1] + item.size) * item.itemsize > self.budget:
            self._ends.append(self._ends[-1])
            self._again[number] = again
            return
        self._ends.append(self._ends[-1] + item.size)
        self._held.append(np.ascontiguousarray(item, self._store.dtype).ravel())
        self._waiting += item.nbytes
        if self._waiting >= TOGETHER:
            self._flush()

    def add_same(self, row: int) -> None:
        """Append a row with the array of this row."""
        self._unique.append(self._unique[row])

    def unique(self, row: int) -> int:
        """The number of a row's array, from 0 in the order of first rows; rows that share an array have the same
        number."""
        return self._unique[row]

    @property
    def unique_count(self) -> int:
        """Number of arrays that are stored: at most as many as rows."""
        return len(self._axes) - 1

    def select(self, rows: Ids) -> Arrays:
        """A copy with these rows only, in this order."""
        kept = Arrays(self.budget)
        places: dict[int, int] = {}  # number of an array -> its first row in the copy
        for place, row in enumerate(rows.tolist()):
            number = self.unique(row)
            if number in places:
                kept.add_same(places[number])
            else:
                places[number] = place
                kept.add(self[row], self._again.get(number), number in self._views)
        return kept

    def __len__(self) -> int:
        return len(self._unique)

    def __getitem__(self, row: int) -> NDArray[Any]:
        number = self._unique[row]
        if number in self._views:
            return self._views[number]
        if number in self._again:
            return self._again[number]()
        if self._data is None and self._store is not None:
            self._flush()
            self._data = self._store.as_array()
        if self._data is None:
            raise IndexError(row)
        read = int(self._ends[number + 1] - self._ends[number]) * self._data.itemsize
        self._read += read
        if self._read > RESIDENT:
            release_pages(self._data)
            self._read = read
        shape = self._shapes[self._axes[number] : self._axes[number + 1]]
        return self._data[self._ends[number] : self._ends[number + 1]].reshape(tuple(shape))

    @property
    def lengths(self) -> Ids:
        """Length of the first axis of each row: steps of vectors, samples of an audio file, rows of an image."""
        firsts = np.array(self._axes, np.int64)[np.array(self._unique, np.int64)]
        return np.array(self._shapes, np.int64)[firsts]

    def _flush(self) -> None:
        if self._store is not None and self._held:
            self._store.add(np.concatenate(self._held))
            self._held, self._waiting = [], 0


class SplitItems(Sequence[Item]):
    """The items of some rows, read on access."""

    def __init__(self, items: Texts | Arrays, rows: Ids) -> None:
        self._items, self._rows = items, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return SplitItems(self._items, self._rows[place])
        return self._items[int(self._rows[place])]


def iterate(part: SplitItems, size: int) -> Iterator[list[Item]]:
    """The items of a split, `size` at a time."""
    for start in range(0, len(part), size):
        yield list(part[start : start + size])
