"""Choose a table's columns: inputs, outputs, the group, the sequence, and the time of a row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from unrolled.data.cells.cell import Cell
from unrolled.data.cells.column_kinds import LEAST_ROWS, as_text
from unrolled.data.cells.written_numbers import holds_numbers, shortened
from unrolled.data.tables.base import Row, TableFile
from unrolled.data.tables.first_cells import first_cells, holds_dates, is_id
from unrolled.errors import DataError, OptionError, nearest, shell_quote
from unrolled.schema import check_type

INPUTS = ("text", "sentence", "review", "document", "content", "message", "body", "title", "name", "word", "words",
          "tokens", "form", "sound", "audio", "picture", "image", "photo", "video", "film", "file", "path",
          "filename", "input", "inputs", "images", "sounds", "x", "data", "features", "sequence",
          "series")  # fmt: skip
OUTPUTS = ("label", "labels", "target", "targets", "class", "category", "sentiment", "tags", "upos", "caption",
           "answer", "output", "value", "y")  # fmt: skip
PLACES = ("x", "y", "z")  # coordinates
NUMBERS = ("x", "input", "inputs", "data", "features")
"""Those of INPUTS that may be one of several columns of numbers."""
FEWEST_WORDS = 2  # per cell, on average, from which a column may hold texts
MOST_SHOWN = 4  # columns listed in one line
MOST_TOGETHER = 20  # columns of numbers listed in a suggested option


@dataclass(frozen=True)
class Columns:
    """Names of the input and output columns, and of those that group or order the rows."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    group: str | None = None
    sequence: str | None = None  # rows with equal cells in it are the steps of one sequence
    time: str | None = None  # dates; the last rows by them are the validation and test splits

    @property
    def input(self) -> str:
        """The input columns, for one line."""
        shown = self.inputs if len(self.inputs) <= MOST_SHOWN else (*self.inputs[:2], "…", self.inputs[-1])
        return ", ".join(shown)

    @property
    def needed(self) -> tuple[str, ...]:
        """All columns needed, inputs first."""
        return (*self.inputs, *self.outputs, *([self.group] if self.group else []))


def choose_columns(
    table: TableFile, input_names: str | None = None, output_names: str | None = None, group: str | None = None,
    sequence: str | None = None,
) -> Columns:  # fmt: skip
    """Choose the requested columns, else those with common names, else the first and the second of two; if all others
    are numbers, they are the inputs together.

    input_names, output_names: separated by commas. Raises OptionError for a column that does not exist, and DataError
    if the choice is not clear.
    """
    inputs = _listed(table, input_names)
    outputs = _listed(table, output_names) or tuple(name for name in table.targets if name not in inputs)
    for option, names in (("input", inputs), ("output", outputs), ("group", (group,)), ("sequence", (sequence,))):
        for name in names:
            if name is not None and name not in table.columns:
                raise OptionError(
                    f"--{option}: {table.path} has no column '{name}'.{nearest(name, table.columns)} "
                    f"It has: {table.listed}."
                )
    if len(set(outputs)) < len(outputs) or set(inputs) & set(outputs) or len(set(inputs)) < len(inputs):
        raise OptionError("--input and --output must name different columns, each of them once.")
    taken = {*outputs, *inputs, group, sequence}
    left = [name for name in table.columns if name not in taken]
    if len(left) > 2 - bool(outputs) - bool(inputs) > 0:  # dates order the rows; inputs and outputs are other columns
        cells = first_cells(table, left) if table.has_mixed_columns else {}
        left = [name for name in left if not holds_dates(cells.get(name, ()), name)] or left
    places = _find_coordinates(table, left) if table.has_mixed_columns else ()
    if places and not outputs:
        outputs = _choose_output(table, left, inputs, places)
        left = [name for name in left if name not in outputs]
    if not inputs and table.text_column in left and group == "image":
        inputs = (group,)  # of a file of captions, whose other column is the text
    if not inputs:
        inputs = _find_inputs(table, left, bool(outputs), places)
        found = set(inputs)
        left = [name for name in left if name not in found]
        if not outputs and len(inputs) > 1:  # ids are not predicted from numbers
            left = [name for name, cells in first_cells(table, left).items() if not is_id(name, cells)]
    if not outputs and not left and len(inputs) > 1:  # all are numbers: the last is the output
        inputs, left = inputs[:-1], [inputs[-1]]
    if not outputs:
        known = [name for wanted in OUTPUTS for name in left if name.lower() == wanted]
        known = known or (left if len(left) == 1 else [])
        if not known:
            raise _undecided(table, "output")
        outputs = (known[0],)
    return Columns(inputs, outputs, group, sequence)


def _listed(table: TableFile, names: str | None) -> tuple[str, ...]:
    """Split names at commas, unless the whole text is a column's name."""
    if not names:
        return ()
    return (names,) if names in table.columns else tuple(name.strip() for name in names.split(","))


def _find_coordinates(table: TableFile, left: list[str]) -> tuple[str, ...]:
    """Return x, y and perhaps z of the remaining columns if they may be coordinates: they hold numbers, and there are
    other columns than ids and row numbers."""
    named = {name.lower(): name for name in left}
    if not {"x", "y"} < set(named):
        return ()
    cells = first_cells(table, left)
    if all(name in (named["x"], named["y"]) or is_id(name, cells[name]) for name in left):
        return ()
    places = tuple(named[one] for one in PLACES if one in named)
    return places if all(cells[name] and holds_numbers(cells[name]) for name in places) else ()


def _choose_output(
    table: TableFile, left: list[str], inputs: tuple[str, ...], places: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the output of a table with coordinates: the only column named like an output. Raises DataError if there
    is none, or several."""
    named = [name for name in left if name.lower() in OUTPUTS and name not in places]
    if len(named) == 1:
        return (named[0],)
    x, y = places[:2]
    known = inputs or tuple(name for name in left if name.lower() in INPUTS and name not in (x, *NUMBERS))[:1]
    cells = first_cells(table, left)
    others = named or [name for name in left if name not in places and not is_id(name, cells[name])]
    others = [name for name in others if name not in known] or [name for name in others if name not in inputs]
    target = (others or places)[-1]
    read = inputs or [name for name in places if name != target]
    if known:
        options = f"To predict the place: {typed_columns(known, (x, y))}"
    else:
        options = f"To predict one of them: {typed_columns((x,), (y,))}"
    raise DataError(
        f"{table.path} has the columns {table.listed}; {x} and {y} may be coordinates, and the output is not "
        f"clear.\nTo predict another column: {typed_columns(read, (target,))}\n{options}"
    )


def typed_columns(inputs: Sequence[str], outputs: Sequence[str]) -> str:
    """The options that choose these columns."""
    return f"--input {shell_quote(','.join(inputs))} --output {shell_quote(','.join(outputs))}"


def _find_inputs(
    table: TableFile, left: list[str], has_output: bool, places: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Choose the inputs among the remaining columns. has_output: the output is not one of them; places: coordinates,
    used together if not with others."""
    others = left if has_output else [name for name in left if name.lower() not in OUTPUTS]
    known = [name for wanted in INPUTS for name in left if name.lower() == wanted]
    if not known and not table.unnamed and len(left) == (1 if has_output else 2):
        known = left[:1]
        if len(others) == 2:
            _refuse_label_first(table, others)
    several = len(others) > 1 and (has_output or len(others) < len(left))
    if known and not (several and known[0].lower() in NUMBERS):
        return (known[0],)
    cells = first_cells(table, others)
    if known and not all(holds_numbers(cells[name]) for name in others):
        return places if known[0] in places else (known[0],)
    others = [name for name in others if not is_id(name, cells[name])]
    if others and all(holds_dates(cells[name], name) for name in others):
        raise date_input_error(table, others)
    if not others or table.unnamed or not all(holds_numbers(cells[name]) for name in others):
        numbers = [name for name in others if holds_numbers(cells[name])]
        raise _undecided(table, "input", numbers, [] if has_output else left)
    return tuple(others)


def _refuse_label_first(table: TableFile, names: Sequence[str]) -> None:
    """Raise DataError for two columns with other names, the first with few different cells and the second with texts:
    the first may be the label."""
    first, second = first_cells(table, names).values()
    if holds_numbers(first) or len(first) < LEAST_ROWS * len(set(map(as_text, first))) or len(first) != len(second):
        return
    texts = {cell for cell in second if isinstance(cell, str) and len(cell.split()) > 1}
    if 2 * len(texts) > len(second):
        note = f" ({table.note})" if table.note else ""
        label, text = table.names_without_header or names
        option = "--no-header " if table.names_without_header else ""
        raise DataError(
            f"{table.path}: '{names[0]}' holds few different cells, such as '{shortened(first[0])}', and "
            f"'{names[1]}' texts; which is the input is not clear{note}.\nTo classify the texts: {option}"
            f"{typed_columns([text], [label])}\nTo generate the texts: {option}{typed_columns([label], [text])}"
        )


def date_input_error(table: TableFile, dated: Sequence[str], numbers: bool = False) -> DataError:
    """The error for a date as input, which would be read by its characters, or as a number."""
    read, kind = ("their numbers", "vectors") if numbers else ("their characters", "text")
    return DataError(
        f"{table.path}: '{dated[0]}' holds dates, of which only {read} would be used. Forecasts from previous "
        "rows are\nnot supported yet. Write what is known of a row into columns of numbers (day of the week, the "
        "previous value)\nand name them: --input day,before. To use the date as it is anyway: "
        f"--input-type {kind}"
    )


def _undecided(table: TableFile, which: str, numbers: Sequence[str] = (), left: Sequence[str] = ()) -> DataError:
    """The error where a column is not clear. numbers: columns that may be used together; left: columns that include
    the output, the last if none is named so."""
    known = ", ".join((INPUTS if which == "input" else OUTPUTS)[:6])
    unnamed = f" and {table.unnamed} without a name" if table.unnamed else ""
    named = next((name for wanted in OUTPUTS for name in left if name.lower() == wanted), "")
    advised = ""
    if table.names_without_header:
        bare = dict(zip(table.columns, table.names_without_header, strict=True))
        read, target = _advise(table, table.columns)
        options = typed_columns([bare[name] for name in read], [bare[target]])
        advised = f"\nIf the first row is data, for example: --no-header {options}"
    elif left and not named and all(name.isdecimal() for name in table.columns):  # as --no-header calls them
        read, target = _advise(table, left)
        advised = f"\nFor example: {typed_columns(read, [target])}"
    elif not table.unnamed and not any("," in name for name in numbers):
        target = named or (left[-1] if left else "")
        numbers = [name for name in numbers if name != target]
        options = typed_columns(numbers, [target]) if target else f"--input {shell_quote(','.join(numbers))}"
        advised = f"\nTo use the numbers together: {options}" if 1 < len(numbers) <= MOST_TOGETHER else ""
    option = "--input COLUMN --output COLUMN" if left else f"--{which} COLUMN"
    note = f" ({table.note})" if table.names_without_header else ""
    return DataError(
        f"{table.path} has the columns {table.listed}{unnamed}; which is the {which} is not clear{note}.\n"
        f"Name it: {option}. Recognised names: {known} …{advised}"
    )


def _advise(table: TableFile, names: Sequence[str]) -> tuple[list[str], str]:
    """Suggest inputs and an output among columns whose names say nothing: a column of texts, and the one with the
    fewest different cells that recur, or else the fewest, but not dates; else the numbers together, and words in the
    last or first column, or the last column."""
    cells = first_cells(table, names)
    cells = {name: found for name, found in cells.items() if not _are_row_numbers(found)} if len(cells) > 2 else cells
    dates = {name for name, found in cells.items() if holds_dates(found)}
    words = {
        name: 0 if name in dates else sum(len(as_text(cell).split()) for cell in found)
        for name, found in cells.items()
    }
    read = max(reversed(words), key=lambda name: words[name])
    ends = [name for name in (list(cells)[-1], next(iter(cells))) if not holds_numbers(cells[name])]
    target = ends[0] if ends else list(cells)[-1]
    numbers = [name for name, found in cells.items() if name != target and found and holds_numbers(found)]
    if words[read] < FEWEST_WORDS * len(cells[read]) and 1 < len(numbers) <= MOST_TOGETHER:
        return numbers, target
    others = [name for name, found in cells.items() if name != read and found] or [read]

    def order(name: str) -> tuple[bool, bool, int]:
        kinds = len(set(map(as_text, cells[name])))
        return name in dates, not 1 < kinds <= len(cells[name]) / 2, kinds

    return [read], min(others, key=order)


def _are_row_numbers(cells: Sequence[Cell]) -> bool:
    """Whether the cells are row numbers."""
    return len(cells) > 1 and is_id("row", cells)


def missing_column(table: TableFile, columns: Sequence[str], row: Row) -> str | None:
    """Return the column of a row's first missing cell."""
    return next((name for name, cell in zip(columns, row.cells, strict=True) if cell is None), None)


def empty_cell_error(table: TableFile, name: str, row: Row, empty: tuple[int, int], group: bool = False) -> DataError:
    """The error for a row with an empty cell. empty: number of such rows, and of all rows. group: the column groups
    rows, and may be filled in only in the first row of each group."""
    count, rows = empty
    most = 2 * count > rows
    message = f"{table.place(row.number)}: '{name}' is empty" + (
        f", as in {count:,} of {rows:,} rows" if most else ""
    )
    advice = [] if most else ["Or leave such rows out with --skip-empty."]
    if group:
        return DataError("\n".join([f"{message}: the row's group is unknown.", fill_down(name), *advice]))
    if most:
        return DataError(f"{message}. A row needs an input and a target;\nfill it in, or choose another column.")
    return DataError(
        f"{message}. A row needs an input and a target;\nfill it in, or leave such rows out with --skip-empty."
    )


def fill_down(name: str) -> str:
    """Advice for a column that is filled in only in the first row of each group."""
    column = f"df[{json.dumps(name, ensure_ascii=False)}]"
    return f"If only the first row of each group has it, fill it down in pandas: {column} = {column}.ffill()"


def columns_to_json(columns: Columns) -> dict[str, Any]:
    """The columns as a run saves them."""
    return {
        "inputs": list(columns.inputs), "outputs": list(columns.outputs), "group": columns.group,
        "sequence": columns.sequence, "time": columns.time,
    }  # fmt: skip


class SavedColumns(TypedDict):
    """Columns as a run saves them."""

    inputs: list[str]
    outputs: list[str]
    group: str | None
    sequence: str | None
    time: str | None


def columns_from_json(value: Any) -> Columns:
    """Load the columns that `columns_to_json` wrote. Raises RunError or KeyError if they are damaged."""
    check_type(value, SavedColumns, "The run's vocabulary.json, 'columns',")
    return Columns(tuple(value["inputs"]), tuple(value["outputs"]), value["group"], value["sequence"], value["time"])
