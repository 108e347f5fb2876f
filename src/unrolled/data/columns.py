"""Which columns of a table are read, which are answered, and which say what belongs together or when a row is of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import numpy as np

from unrolled.data.column_kinds import LEAST_ROWS, entries, spell
from unrolled.data.first_cells import first_cells, holds_dates, holds_numbers, is_id
from unrolled.data.table_file import Cell, Row, TableFile
from unrolled.data.words import join_words
from unrolled.data.written_numbers import shortened
from unrolled.errors import DataError, OptionError, nearest, typed
from unrolled.schema import check

INPUTS = ("text", "sentence", "review", "document", "content", "message", "body", "title", "name", "word", "words",
          "tokens", "form", "sound", "audio", "picture", "image", "photo", "file", "path", "filename", "input",
          "inputs", "images", "sounds", "x", "data", "features", "sequence", "series")  # fmt: skip
OUTPUTS = ("label", "labels", "target", "targets", "class", "category", "sentiment", "tags", "upos", "caption",
           "answer", "output", "value", "y")  # fmt: skip
PLACES = ("x", "y", "z")  # names of coordinates
NUMBERS = ("x", "input", "inputs", "data", "features")  # of INPUTS: names of any of several columns of numbers
FEWEST_WORDS = 2  # a cell, on average, from which a column may be of texts
MOST_SHOWN = 4  # columns named in a line
MOST_TOGETHER = 20  # columns of numbers that an advised option lists


@dataclass(frozen=True)
class Columns:
    """What is read, what is answered, and what says which rows belong together, or come before others."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    group: str | None = None
    sequence: str | None = None  # rows alike in it are the steps of one sequence
    time: str | None = None  # dates, by which validation and test part are the last rows

    @property
    def input(self) -> str:
        """What is read, for a line."""
        shown = self.inputs if len(self.inputs) <= MOST_SHOWN else (*self.inputs[:2], "…", self.inputs[-1])
        return ", ".join(shown)

    @property
    def all(self) -> tuple[str, ...]:
        """Every column that is needed, the inputs first."""
        return (*self.inputs, *self.outputs, *([self.group] if self.group else []))


def choose_columns(
    table: TableFile, input_names: str | None = None, output_names: str | None = None, group: str | None = None,
    sequence: str | None = None,
) -> Columns:  # fmt: skip
    """The columns asked for, else those with names that everyone uses, else the first and the second of two; where
    the others are all numbers, these together.

    input_names, output_names: with commas between them. Raises OptionError for a column that is not there, and
    DataError where the names leave it open.
    """
    inputs, outputs = _listed(table, input_names), _listed(table, output_names)
    for option, names in (("input", inputs), ("output", outputs), ("group", (group,)), ("sequence", (sequence,))):
        for name in names:
            if name is not None and name not in table.columns:
                raise OptionError(
                    f"--{option}: {table.path} has no column '{name}'.{nearest(name, table.columns)} "
                    f"It has: {table.listed}."
                )
    if len(set(outputs)) < len(outputs) or set(inputs) & set(outputs) or len(set(inputs)) < len(inputs):
        raise OptionError("--output names each column once, and not the input's.")
    taken = {*outputs, *inputs, group, sequence}
    left = [name for name in table.columns if name not in taken]
    if len(left) > 2 - bool(outputs) - bool(inputs) > 0:  # dates say when a row is: others are read and answered
        cells = first_cells(table, left) if table.mixed else {}
        left = [name for name in left if not holds_dates(cells.get(name, ()), name)] or left
    places = _find_places(table, left) if table.mixed else ()
    if places and not outputs:
        outputs = _settle_places(table, left, inputs, places)
        left = [name for name in left if name not in outputs]
    if not inputs:
        inputs = _find_inputs(table, left, bool(outputs), places)
        found = set(inputs)
        left = [name for name in left if name not in found]
        if not outputs and len(inputs) > 1:  # ids beside numbers are no answer to these
            left = [name for name, cells in first_cells(table, left).items() if not is_id(name, cells)]
    if not outputs and not left and len(inputs) > 1:  # all are numbers: the last is foreseen
        inputs, left = inputs[:-1], [inputs[-1]]
    if not outputs:
        known = [name for wanted in OUTPUTS for name in left if name.lower() == wanted]
        known = known or (left if len(left) == 1 else [])
        if not known:
            raise _undecided(table, "output")
        outputs = (known[0],)
    return Columns(inputs, outputs, group, sequence)


def _listed(table: TableFile, names: str | None) -> tuple[str, ...]:
    """Names with commas between them; one that is a column's as a whole is that column."""
    if not names:
        return ()
    return (names,) if names in table.columns else tuple(name.strip() for name in names.split(","))


def _find_places(table: TableFile, left: list[str]) -> tuple[str, ...]:
    """The columns x, y and perhaps z that are left, where they may be the coordinates of a place: numbers, and others
    than ids and numbers of rows stand beside them."""
    named = {name.lower(): name for name in left}
    if not {"x", "y"} < set(named):
        return ()
    cells = first_cells(table, left)
    if all(name in (named["x"], named["y"]) or is_id(name, cells[name]) for name in left):
        return ()
    places = tuple(named[one] for one in PLACES if one in named)
    return places if all(cells[name] and holds_numbers(cells[name]) for name in places) else ()


def _settle_places(
    table: TableFile, left: list[str], inputs: tuple[str, ...], places: tuple[str, ...]
) -> tuple[str, ...]:
    """The output beside coordinates: the one column that is called as what is answered is. Raises DataError where
    none is, or several are."""
    named = [name for name in left if name.lower() in OUTPUTS and name not in places]
    if len(named) == 1:
        return (named[0],)
    x, y = places[:2]
    known = inputs or tuple(name for name in left if name.lower() in INPUTS and name not in (x, *NUMBERS))[:1]
    cells = first_cells(table, left)
    others = named or [name for name in left if name not in places and not is_id(name, cells[name])]
    others = [name for name in others if name not in known] or [name for name in others if name not in inputs]
    answer = (others or places)[-1]
    read = inputs or [name for name in places if name != answer]
    if known:
        answered = f"The place is answered: {_typed_columns(known, (x, y))}"
    else:
        answered = f"One of them is answered: {_typed_columns((x,), (y,))}"
    raise DataError(
        f"{table.path} has the columns {table.listed}; {x} and {y} may be a place, and which is answered is not "
        f"plain.\nAnother is answered: {_typed_columns(read, (answer,))}\n{answered}"
    )


def _typed_columns(inputs: Sequence[str], outputs: Sequence[str]) -> str:
    """The options that name these."""
    return f"--input {typed(','.join(inputs))} --output {typed(','.join(outputs))}"


def _find_inputs(table: TableFile, left: list[str], answered: bool, places: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Of the columns that are left those that are read; answered: the output is not among them; places: those that
    are read together, if not with others."""
    others = left if answered else [name for name in left if name.lower() not in OUTPUTS]
    known = [name for wanted in INPUTS for name in left if name.lower() == wanted]
    if not known and not table.unnamed and len(left) == (1 if answered else 2):
        known = left[:1]
        if len(others) == 2:
            _refuse_label_first(table, others)
    several = len(others) > 1 and (answered or len(others) < len(left))
    if known and not (several and known[0].lower() in NUMBERS):
        return (known[0],)
    cells = first_cells(table, others)
    if known and not all(holds_numbers(cells[name]) for name in others):
        return places if known[0] in places else (known[0],)
    others = [name for name in others if not is_id(name, cells[name])]
    if others and all(holds_dates(cells[name], name) for name in others):
        raise no_forecasts(table, others)
    if not others or table.unnamed or not all(holds_numbers(cells[name]) for name in others):
        numbers = [name for name in others if holds_numbers(cells[name])]
        raise _undecided(table, "input", numbers, [] if answered else left)
    return tuple(others)


def _refuse_label_first(table: TableFile, names: Sequence[str]) -> None:
    """Raises DataError where the first of two columns, whose names say nothing, holds few kinds of words, and the
    second texts: a label that stands in front, perhaps."""
    first, second = first_cells(table, names).values()
    if holds_numbers(first) or len(first) < LEAST_ROWS * len(set(map(spell, first))) or len(first) != len(second):
        return
    texts = {cell for cell in second if isinstance(cell, str) and len(cell.split()) > 1}
    if 2 * len(texts) > len(second):
        said = f" ({table.note})" if table.note else ""
        label, text = table.bare_names or names
        option = "--no-header " if table.bare_names else ""
        raise DataError(
            f"{table.path}: '{names[0]}' holds few kinds, such as '{shortened(first[0])}', and '{names[1]}' texts; "
            f"which is read and which is answered is not plain{said}.\nA text has a label: {option}"
            f"{_typed_columns([text], [label])}\nA text is written: {option}{_typed_columns([label], [text])}"
        )


def no_forecasts(table: TableFile, dated: Sequence[str], numbers: bool = False) -> DataError:
    """What to say where a date would be read, character by character, or as a number."""
    read, kind = ("those numbers", "vectors") if numbers else ("their characters", "text")
    return DataError(
        f"{table.path}: '{dated[0]}' holds dates, and what would be read are {read}. Rows after rows, as a "
        "forecast reads\nthem, are not offered yet. Write what a row is known by into columns of numbers (day of the "
        "week, the value before)\nand name these: --input day,before. To read the date as it stands all the same: "
        f"--read {kind}"
    )


def _undecided(table: TableFile, which: str, numbers: Sequence[str] = (), left: Sequence[str] = ()) -> DataError:
    """numbers: columns of these, which may be meant together; left: columns of which one is to be answered, too, the
    last if none is called so."""
    known = ", ".join((INPUTS if which == "input" else OUTPUTS)[:6])
    unnamed = f" and {table.unnamed} without a name" if table.unnamed else ""
    named = next((name for wanted in OUTPUTS for name in left if name.lower() == wanted), "")
    advised = ""
    if table.bare_names:
        bare = dict(zip(table.columns, table.bare_names, strict=True))
        read, answer = _advise(table, table.columns)
        options = _typed_columns([bare[name] for name in read], [bare[answer]])
        advised = f"\nIf the first row is data, such as: --no-header {options}"
    elif left and not named and all(name.isdecimal() for name in table.columns):  # as --no-header calls them
        read, answer = _advise(table, left)
        advised = f"\nSuch as: {_typed_columns(read, [answer])}"
    elif not table.unnamed and not any("," in name for name in numbers):
        answer = named or (left[-1] if left else "")
        numbers = [name for name in numbers if name != answer]
        options = _typed_columns(numbers, [answer]) if answer else f"--input {typed(','.join(numbers))}"
        advised = f"\nNumbers are read together: {options}" if 1 < len(numbers) <= MOST_TOGETHER else ""
    say = "--input COLUMN --output COLUMN" if left else f"--{which} COLUMN"
    said = f" ({table.note})" if table.bare_names else ""
    return DataError(
        f"{table.path} has the columns {table.listed}{unnamed}; which is the {which} is not plain{said}.\n"
        f"Say it: {say}. Names that are known: {known} …{advised}"
    )


def _advise(table: TableFile, names: Sequence[str]) -> tuple[list[str], str]:
    """What may be read of these columns, whose names say nothing, and what answered. A column of texts is read, and
    what has the fewest kinds answered; else numbers are read together, and words in the last column, or in the first,
    answered, or the last column."""
    cells = first_cells(table, names)
    cells = {name: found for name, found in cells.items() if not _counts_rows(found)} if len(cells) > 2 else cells
    words = {name: sum(len(spell(cell).split()) for cell in found) for name, found in cells.items()}
    read = max(reversed(words), key=lambda name: words[name])
    ends = [name for name in (list(cells)[-1], next(iter(cells))) if not holds_numbers(cells[name])]
    answer = ends[0] if ends else list(cells)[-1]
    numbers = [name for name, found in cells.items() if name != answer and found and holds_numbers(found)]
    if words[read] < FEWEST_WORDS * len(cells[read]) and 1 < len(numbers) <= MOST_TOGETHER:
        return numbers, answer
    others = [name for name, found in cells.items() if name != read and found] or [read]
    return [read], min(others, key=lambda name: len(set(map(spell, cells[name]))))


def _counts_rows(cells: Sequence[Cell]) -> bool:
    """Whether numbers are those of the rows."""
    return len(cells) > 1 and is_id("row", cells)


def spell_list(cell: Cell) -> str:
    """A cell as text; of a list so that each entry can be told from the next."""
    if isinstance(cell, np.ndarray):
        return join_words(entries(cell))
    return join_words(cell) if isinstance(cell, list) else spell(cell)


def missing(table: TableFile, columns: Sequence[str], row: Row) -> str | None:
    """The name of the first of a row's cells that is missing."""
    return next((name for name, cell in zip(columns, row.cells, strict=True) if cell is None), None)


def no_cell(table: TableFile, name: str, row: Row, empty: tuple[int, int], group: bool = False) -> DataError:
    """What to say of a row that lacks a cell. empty: how many rows do, and how many there are. group: the column says
    which rows belong together, and may be filled in the first of them alone."""
    count, rows = empty
    most = 2 * count > rows
    said = f"{table.place(row.number)}: '{name}' is empty" + (f", as in {count:,} of {rows:,} rows" if most else "")
    advice = [] if most else ["Or leave such rows out with --skip-empty."]
    if group:
        return DataError("\n".join([f"{said}: to which group does this row belong?", fill_down(name), *advice]))
    if most:
        return DataError(f"{said}. A row needs an input and an answer;\nfill it in, or name another column.")
    return DataError(
        f"{said}. A row needs an input and an answer;\nfill it in, or leave such rows out with --skip-empty."
    )


def fill_down(name: str) -> str:
    """What to do with a column that is filled in only in the first of the rows that belong together."""
    column = f"df[{json.dumps(name, ensure_ascii=False)}]"
    return f"Where it stands only in the first row of each, fill it down, in pandas: {column} = {column}.ffill()"


def to_json(columns: Columns) -> dict[str, Any]:
    """What a run keeps of its columns."""
    return {
        "inputs": list(columns.inputs), "outputs": list(columns.outputs), "group": columns.group,
        "sequence": columns.sequence, "time": columns.time,
    }  # fmt: skip


class SavedColumns(TypedDict):
    """Columns as a run keeps them."""

    inputs: NotRequired[list[str]]
    input: NotRequired[str]  # of an older run, which has one
    outputs: list[str]
    group: str | None
    sequence: NotRequired[str | None]
    time: NotRequired[str | None]


def columns_from_json(value: Any) -> Columns:
    """The columns that `to_json` wrote. Raises RunError or KeyError where they are damaged."""
    check(value, SavedColumns, "The run's symbols.json, 'columns',")
    inputs = value["inputs"] if "inputs" in value else [value["input"]]
    return Columns(tuple(inputs), tuple(value["outputs"]), value["group"], value.get("sequence"), value.get("time"))
