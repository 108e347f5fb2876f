"""Numbers of a csv with the decimal mark that `--decimal` names; a column that has both marks is refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unrolled.data.cells.cell import InvalidCell
from unrolled.data.cells.written_numbers import is_number, plain_number, shortened

MARKS = {",": "decimal comma", ".": "decimal point"}


class DecimalMarks:
    """Converts the numbers of some columns, row by row, and remembers which marks they have."""

    def __init__(self, path: Path, decimal: str, columns: Sequence[str]) -> None:
        self.path, self.decimal, self.columns = path, decimal, columns
        self._converted: dict[int, tuple[int, str]] = {}  # column -> row and cell of its first converted number
        self._others: dict[int, tuple[int, str]] = {}  # column -> the same of its first number with the other mark
        self._words: dict[int, int] = {}  # column -> cells that are no numbers
        self._rows = 0

    def plain(self, number: int, cells: Sequence[str | None]) -> list[str | None]:
        """The cells of a row with numbers in Python's notation. Raises DataError, with the row, for a column of
        mostly numbers that have both decimal marks."""
        self._rows += 1
        return [cell if cell is None else self._plain(number, place, cell) for place, cell in enumerate(cells)]

    def _plain(self, number: int, place: int, cell: str) -> str:
        plain = plain_number(cell, self.decimal)
        if plain is None and not is_number(cell):
            self._words[place] = self._words.get(place, 0) + 1
        elif plain is None:
            self._others.setdefault(place, (number, cell))
        elif plain != cell.strip():
            self._converted.setdefault(place, (number, cell))
        if place in self._others and place in self._converted and 2 * self._words.get(place, 0) <= self._rows:
            raise self._mixed(place)
        return cell if plain is None else plain

    def _mixed(self, place: int) -> InvalidCell:
        """The error for a column with both marks."""
        row, cell = self._others[place]
        other_row, converted = self._converted[place]
        wanted = MARKS[self.decimal]
        return InvalidCell(
            f"{self.path}, row {row:,}, column '{self.columns[place]}': '{shortened(cell)}' has no {wanted}, but "
            f"'{shortened(converted)}' in row {other_row:,} is read as {plain_number(converted, self.decimal)}, "
            f"because of --decimal {self.decimal}",
            "All numbers of a column need the same decimal mark: correct those with another one.",
            f"All numbers need a {wanted}, as in the run's training data.",
        )
