"""Title rows above the header of a csv, as spreadsheets and banks export them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unrolled.data.cells.written_numbers import is_number, shortened
from unrolled.errors import DataError, new_name, shell_quote

TITLES = 12  # rows at a file's beginning that are searched for a header
FEWEST = 2  # fewest cells of a header


def check_titles(
    path: Path, records: Sequence[tuple[int, Sequence[str]]], beginning: Sequence[Sequence[str]]
) -> None:
    """Raise DataError where the first records have at most one cell that is not empty, and a later one looks like a
    header: all its cells are filled with different words. beginning: the first records that are not blank."""
    filled = [(number, [cell.strip() for cell in cells if cell.strip()], len(cells)) for number, cells in records]
    titles = 0
    while titles < len(filled) and len(filled[titles][1]) < FEWEST:
        titles += 1
    if not titles or titles == len(filled) or not any(words for _, words, _ in filled[:titles]):
        return
    number, words, width = filled[titles]
    full = len(words) == width and len(set(words)) == width and not any(map(is_number, words))
    below = [cells for cells in beginning[1:] if len(cells) == width and [cell.strip() for cell in cells] != words]
    below = [cells for cells in below if sum(map(bool, cells)) > 1]
    again = any(cells[place] == word for cells in below for place, word in enumerate(words))
    if not full or again or len(below) < FEWEST or (titles == 1 and not _is_above_numbers(below)):
        return
    first = next(words[0] for _, words, _ in filled if words)
    raise DataError(
        f"{path}, row {filled[0][0]:,}: '{shortened(first)}' is not a header; row {number:,} looks like the header "
        f"({shortened(', '.join(words))}).\n"
        f"Remove the rows above it: tail -n +{number} {shell_quote(path)} > {new_name(path)}"
    )


def _is_above_numbers(below: Sequence[Sequence[str]]) -> bool:
    """Whether a column of these rows holds only numbers: a word above it is then the name of the column."""
    columns = zip(*below, strict=True)
    return any(all(map(is_number, cells)) for cells in columns)
