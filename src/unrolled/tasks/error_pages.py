"""The rows that a run got wrong, for `evaluate --errors`: a page of their pictures, and the names of their files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from unrolled.data.cells.cell import Cell
from unrolled.data.dataset.dataset import Examples
from unrolled.data.media.images import ImageArray, require_pillow
from unrolled.data.modalities.files import resolve_paths
from unrolled.errors import MediaError
from unrolled.pages.gallery import MOST_SHOWN, SIDE, GallerySection, Thumbnail, write_gallery

MOST_OF_GROUP = 40  # pictures under one heading


class WrongRow(NamedTuple):
    """A wrong prediction, for a csv and for a page."""

    row: int  # of the examples
    facts: dict[str, Any]  # by column of the csv
    lines: tuple[str, ...]  # below its picture
    group: str = ""  # what was confused; rows with the same text stand under one heading


class RowPicture(NamedTuple):
    """The picture of a row."""

    name: str  # its file, or its place in the table
    image: ImageArray | None  # None where it cannot be read any more


def check_pictures() -> None:
    """Raises MissingExtra where pictures cannot be encoded, before time is spent."""
    require_pillow()


def write_error_page(title: str, lines: Sequence[str], examples: Examples, wrong: Sequence[WrongRow]) -> str:
    """The page as HTML. wrong: the worst first; groups come in the order of their worst row. lines: what the page
    says first. At most 40 pictures of a group and 400 in all are shown, and the rest is counted."""
    groups: dict[str, list[WrongRow]] = {}
    for one in wrong:
        groups.setdefault(one.group, []).append(one)
    left, kept = MOST_SHOWN, dict[str, list[WrongRow]]()
    for name, rows in groups.items():
        kept[name] = rows[: min(left, MOST_OF_GROUP if len(groups) > 1 else left)]
        left -= len(kept[name])
    side = SIDE * examples.featurizer.input.pictures
    pictures = read_pictures(examples, {one.row for rows in kept.values() for one in rows}, side)
    sections = []
    for name, rows in groups.items():
        shown = [_thumbnail(one, pictures.get(one.row), side) for one in kept[name]]
        more = len(rows) - len(shown)
        note = f"{len(shown):,} of {len(rows):,} are shown." if more else ""
        sections.append(GallerySection(f"{name}: {len(rows):,}" if name else "", shown, note))
    return write_gallery(title, lines, sections)


def read_pictures(examples: Examples, rows: Iterable[int], side: int = SIDE) -> Mapping[int, RowPicture]:
    """The pictures of these rows, read again from their table, in the size of a thumbnail. A file that cannot be read
    any more has no image."""
    found: dict[int, RowPicture] = {}
    modality = examples.featurizer.input
    for row, cells in _read_cells(examples, rows):
        name = str(cells[0]) if isinstance(cells[0], str) else examples.place(row)
        try:
            found[row] = RowPicture(_short(name, examples.path), modality.picture(cells, name, side))
        except MediaError:
            found[row] = RowPicture(_short(name, examples.path), None)
    return found


def name_files(examples: Examples, wrong: Sequence[WrongRow]) -> list[WrongRow]:
    """The same with the names of their files as `text`, where the input of a row is a file."""
    if not examples.featurizer.input.endings:
        return list(wrong)
    cells = _read_cells(examples, {one.row for one in wrong})
    names = {row: _short(first, examples.path) for row, (first, *_) in cells if isinstance(first, str)}
    return [one._replace(facts=one.facts | {"text": names.get(one.row, "")}) for one in wrong]


def _read_cells(examples: Examples, rows: Iterable[int]) -> Iterator[tuple[int, tuple[Cell, ...]]]:
    """(row, its cells of the input), read again from the tables; paths are whole."""
    wanted: dict[int, dict[int, int]] = {}  # table -> number in it -> row
    for row in rows:
        wanted.setdefault(int(examples.source[row]), {})[int(examples.numbers[row])] = row
    for source, numbers in wanted.items():
        table = examples.tables[source]
        own = (one for one in table.rows(examples.columns.inputs) if one.number in numbers)
        for number, cells in islice(own, len(numbers)):
            paths = examples.featurizer.input.endings
            yield numbers[number], resolve_paths(cells, table.path.parent) if paths else cells


def _thumbnail(one: WrongRow, picture: RowPicture | None, side: int) -> Thumbnail:
    name, image = picture or RowPicture(f"{one.facts['file']}, row {one.facts['row']}", None)
    return Thumbnail.of(image, (*one.lines, name), name, side)


def _short(name: str, data: Path) -> str:
    """A file's name below the folder of the data, or below the folder that the table is in."""
    for folder in (data.absolute(), data.absolute().parent, data, data.parent):
        if name.startswith(f"{folder}/"):
            return name.removeprefix(f"{folder}/")
    return name
