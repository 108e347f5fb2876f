"""Collects the contents of tables row by row: items, output cells, groups, and errors of unreadable files."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.cells.cell import Cell
from unrolled.data.cells.column_kinds import LEAST_ROWS, MOST_KINDS, Column, as_text, list_as_text
from unrolled.data.cells.forms import CellForms
from unrolled.data.dataset.item_store import Arrays, Texts
from unrolled.data.dataset.parse_targets import CellColumn
from unrolled.data.dataset.seen_files import UNREADABLE, SeenFiles
from unrolled.data.media.base import InFlight
from unrolled.data.modalities.base import Ids, Item, Modality
from unrolled.data.modalities.files import resolve_paths
from unrolled.data.modalities.numbers import MissingNumber
from unrolled.data.modalities.text import TextInput
from unrolled.data.tables.base import Row, TableFile
from unrolled.data.tables.columns import Columns, empty_cell_error, missing_column
from unrolled.data.tables.media_folders import MediaFolder
from unrolled.data.tables.row_order import DateOrder, Hosts, NameParts, Sources
from unrolled.errors import DataError, MediaError
from unrolled.seeds import numpy_generator

AHEAD = 256  # rows whose files are decoded ahead, at most
HELD = 1 << 27  # bytes of decoded files that wait, at most
MOST_TAGS = 1 << 20  # numbers of an array that is a target, one per step, at most


def _placed(place: str, fault: str) -> str:
    """An error of a file with its place in front, unless the error begins with that place already."""
    whole = str(Path(place).absolute())
    if fault.startswith(whole):
        return place + fault.removeprefix(whole)
    return fault if fault.startswith(place) else f"{place}: {fault}"


def _draw_rows(wanted: int, total: int) -> list[int]:
    """The rows to read if only `wanted` of `total` are: one at random from each of `wanted` equal spans, with a fixed
    seed."""
    ends = np.arange(wanted + 1) * total // wanted
    generator = numpy_generator(0, "rows")  # every k-th row would miss labels that alternate
    drawn: list[int] = generator.integers(ends[:-1], ends[1:]).tolist()
    return drawn


class RowReader:
    """Collects the contents of tables row by row. label: the column that is a label by the form of the table. clocks,
    sources, addresses: other columns of the first table, which may hold a row's date, source or URL."""

    def __init__(
        self, columns: Columns, modality: Modality, label: str | None = None, clocks: Sequence[str] = (),
        sources: Sequence[str] = (), max_rows: int | None = None, addresses: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """max_rows: rows to read of the first table, drawn evenly over it; None: all."""
        self.chosen, self.modality, self.max_rows = columns, modality, max_rows
        self.drawn: tuple[int, int] | None = None  # (rows read of the first table, rows that it has)
        self.date_orders = {name: DateOrder(name) for name in clocks}
        self.shared_sources: dict[str, Sources | Hosts] = {name: Sources(name) for name in sources}
        self.shared_sources |= {name: Hosts(name) for name in addresses}
        self.name_parts = NameParts(columns.input)
        self.items: Texts | Arrays = Texts() if modality.is_text else Arrays()
        self.forms = CellForms()  # of cells that are read as text
        self.inputs: set[str] = set()  # distinct text inputs, up to MOST_KINDS + 1
        self.columns = {name: Column(name, name == label) for name in columns.outputs}
        self.kinds: dict[str, dict[str, int]] = {name: {} for name in columns.outputs}
        self.ids = {name: array("q") for name in columns.outputs}
        self.groups: dict[str, int] = {}
        self.group = array("q")  # index of each row's group
        self.numbers, self.sources = array("q"), array("B")
        self.hashes = array("q")  # hashes of whole rows
        self.input_hashes = array("q")  # of each row's input; of a file its content
        self.skipped = 0
        self.unreadable: list[str] = []  # an error of each file
        self.unreadable_rows = 0  # rows that name these files
        self.blank = 0  # silent audio files, and images of one colour
        self.named = False  # whether cells are paths of audio files or images
        self.files = hashlib.sha256()  # of these files, row by row
        self.seen = SeenFiles()
        self._file_hashes: set[int] = set()

    @property
    def few_inputs(self) -> bool:
        """Whether there are few distinct inputs, as for a category."""
        return 0 < len(self.inputs) <= MOST_KINDS and len(self.numbers) >= LEAST_ROWS * len(self.inputs)

    def cells(self, table: TableFile, name: str) -> CellColumn:
        """The cells of an output column."""
        ids = np.array(self.ids[name], np.int64)
        return CellColumn(
            str(table.path), name, tuple(self.kinds[name]), ids, table.missing_mark(name), table.takes_decimal
        )

    def inputs_by_number(self) -> Ids:
        """(N,) a number for each row, by first appearance: rows of equal inputs, or of equal files, have the same."""
        _, first, kinds = np.unique(np.array(self.input_hashes), return_index=True, return_inverse=True)
        numbers: Ids = np.argsort(np.argsort(first))[kinds]
        return numbers

    def fingerprints(self) -> dict[str, str]:
        """The fingerprint of the files that cells name; empty if they name none."""
        return {"files": self.files.hexdigest()} if self.named else {}

    def read(self, table: TableFile, source: int, skip_empty: bool) -> None:
        self.named = bool(self.modality.endings) and not isinstance(table, MediaFolder)
        for row, taken in self._with_items(table, self._complete_rows(table, source, skip_empty)):
            path = self._path(table, row)
            if taken is None:
                self._add_repeated(table, row, source)
                continue
            try:
                item = taken()
            except MissingNumber:
                if not skip_empty:
                    raise
                self.skipped += 1
                continue
            except MediaError as error:
                self.unreadable.append(_placed(table.place(row.number), str(error)))
                self.unreadable_rows += 1
                if path is not None:
                    self.seen.add_unreadable(path)
                continue
            if isinstance(item, str) or isinstance(self.items, Texts):
                self.items.add(item)  # type: ignore[arg-type]
            else:
                again = partial(self._read_item, table, row) if self.modality.endings else None
                self.items.add(item, again, self._is_held(table, row, item))
                if self.modality.endings:
                    self.blank += self.modality.is_blank(item)
            mark = hash(item if isinstance(item, str) else item.tobytes())
            steps = self._steps(row.cells[0], item)
            self._add_cells(table, row, source, mark, steps)
            if isinstance(item, str) and len(self.inputs) <= MOST_KINDS:
                self.inputs.add(item)
            if path is None:
                self.input_hashes.append(mark)
            else:
                file = self.seen.add(path, len(self.items) - 1, mark, steps, self.modality.file_of(path))
                self._add_file(row, file.digest, source)

    def _is_held(self, table: TableFile, row: Row, item: NDArray[Any]) -> bool:
        """Whether an item is part of an array that the program holds as long as the table."""
        held = table.held_columns.issuperset(self.chosen.inputs)
        return held and any(isinstance(one, np.ndarray) and np.may_share_memory(one, item) for one in row.cells)

    def _path(self, table: TableFile, row: Row) -> str | None:
        """The path of the file that a row names; None if rows name none, or each its own."""
        cell = row.cells[0]
        return str(table.path.parent / cell) if self.named and isinstance(cell, str) else None

    def _add_repeated(self, table: TableFile, row: Row, source: int) -> None:
        """Add a row that names a file which an earlier row named."""
        file = self.seen[str(self._path(table, row))]
        if file.row == UNREADABLE:
            self.unreadable_rows += 1
        else:
            self.items.add_same(file.row)  # type: ignore[union-attr]
            self._add_cells(table, row, source, file.mark, file.steps)
            self._add_file(row, file.digest, source)

    def _rows(self, table: TableFile, source: int) -> Iterator[Row]:
        """All rows of a table; of the first table at most `max_rows`."""
        scanned = () if source else (*self.date_orders, *self.shared_sources)
        names = [*self.chosen.needed, *scanned]
        total = 0 if self.max_rows is None or source else table.count_rows(names[0])
        if self.max_rows is None or self.max_rows >= total:
            return table.rows(names)
        self.drawn = self.max_rows, total
        return table.rows_at(names, _draw_rows(self.max_rows, total))

    def _complete_rows(self, table: TableFile, source: int, skip_empty: bool) -> Iterator[Row]:
        """The rows without missing cells. Raises DataError for others, unless they are skipped."""
        names = self.chosen.needed
        for row in self._rows(table, source):
            empty = missing_column(table, names, Row(row.number, row.cells[: len(names)]))
            if empty is None:
                yield row
            elif skip_empty:
                self.skipped += 1
            else:
                cells = [row.cells[0] for row in table.rows([empty])]
                raise empty_cell_error(
                    table, empty, row, (sum(cell is None for cell in cells), len(cells)), empty == self.chosen.group
                )

    def _with_items(self, table: TableFile, rows: Iterator[Row]) -> Iterator[tuple[Row, Callable[[], Item] | None]]:
        """Each row, with a function that returns its item, or None if an earlier row names the same file.

        Files are decoded in parallel threads, each once.
        """
        if not self.modality.endings:
            for row in rows:
                yield row, partial(self._read_item, table, row)
            return
        flight = InFlight(HELD)

        def decode(number: int, row: Row) -> Item:
            flight.wait(number)
            item: Item = self._read_item(table, row)
            flight.add(len(item) if isinstance(item, str) else item.nbytes)
            return item

        def taken(path: str | None, future: Future[Item]) -> Item:
            if path is not None:
                pending.discard(path)
            try:
                item = future.result()
            except MediaError:
                flight.take(0)
                raise
            flight.take(len(item) if isinstance(item, str) else item.nbytes)
            return item

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            waiting: deque[tuple[Row, Callable[[], Item] | None]] = deque()
            pending = set[str]()  # paths of files that are being decoded
            decoded = count()
            try:
                for row in rows:
                    path = self._path(table, row)
                    if path is not None and (path in pending or path in self.seen):
                        waiting.append((row, None))
                    else:
                        waiting.append((row, partial(taken, path, pool.submit(decode, next(decoded), row))))
                        if path is not None:
                            pending.add(path)
                    if len(waiting) >= AHEAD:
                        yield waiting.popleft()
                while waiting:
                    yield waiting.popleft()
            finally:  # also if reading ends early
                flight.end()
                pool.shutdown(wait=False, cancel_futures=True)

    def _read_item(self, table: TableFile, row: Row) -> Any:
        cells = row.cells[: len(self.chosen.inputs)]
        if self.modality.endings:
            cells = resolve_paths(cells, table.path.parent)
        return self.modality.read_item(cells, table.place(row.number), self.chosen.inputs)

    def _add_file(self, row: Row, digest: str, source: int) -> None:
        """Record that a row names a file with this sha256."""
        name, content = str(row.cells[0]), hash(digest)
        self.files.update(f"{name}\0{digest}\n".encode())
        self.input_hashes.append(content)
        if not source and content not in self._file_hashes:
            self.name_parts.see(self.modality.file_of(name), as_text(row.cells[len(self.chosen.inputs)]))
        self._file_hashes.add(content)

    def _add_cells(self, table: TableFile, row: Row, source: int, mark: int, steps: int | None) -> None:
        """Add a row's targets, group and number. mark: hash of its item. steps: of the item."""
        whole = len(self.chosen.needed)
        cells, scanned = row.cells[len(self.chosen.inputs) : whole], row.cells[whole:]
        for name, cell in zip(self.chosen.outputs, cells, strict=False):
            if isinstance(cell, np.ndarray) and cell.size > MOST_TAGS:
                raise DataError(
                    f"{table.place(row.number)}: '{name}' holds {cell.size:,} numbers; a target may have at "
                    f"most {MOST_TAGS:,}.\nIf another column is the target, name it: --output"
                )
            self.columns[name].add(steps, cell)
            self.ids[name].append(self.kinds[name].setdefault(list_as_text(cell), len(self.kinds[name])))
        if self.chosen.group:
            self.group.append(self.groups.setdefault(as_text(cells[-1]), len(self.groups)))
        for seen, cell in zip(self.date_orders.values(), scanned, strict=False):
            seen.see(cell)
        for one, cell in zip(self.shared_sources.values(), scanned[len(self.date_orders) :], strict=False):
            one.see(cell, as_text(cells[0]))
        if isinstance(self.modality, TextInput):
            self.forms.add(row.cells[0])
        self.numbers.append(row.number)
        self.sources.append(source)
        self.hashes.append(hash((mark, *map(as_text, cells))))

    def leave_out(self, gone: NDArray[np.bool_]) -> None:
        """Remove rows, (N,) bool, whose targets turned out to be missing."""
        kept = np.flatnonzero(~gone)
        self.items = self.items.select(kept)
        for name, ids in self.ids.items():
            used, places = np.unique(np.array(ids)[kept], return_inverse=True)
            cells = list(self.kinds[name])
            self.kinds[name] = {cells[cell]: place for place, cell in enumerate(used.tolist())}
            self.ids[name] = array("q", places.tolist())
        self.group = array("q", np.array(self.group)[kept].tolist()) if self.group else self.group
        self.numbers = array("q", np.array(self.numbers)[kept].tolist())
        self.sources = array("B", np.array(self.sources)[kept].tolist())
        self.hashes = array("q", np.array(self.hashes)[kept].tolist())
        self.input_hashes = array("q", np.array(self.input_hashes)[kept].tolist())
        self.skipped += int(gone.sum())

    def _steps(self, cell: Cell, item: Item) -> int | None:
        """Number of steps that tags could belong to; None if unknown."""
        if isinstance(item, str):
            return len(cell) if isinstance(cell, list) else len(str(cell).split())
        return self.modality.steps_of(item)
