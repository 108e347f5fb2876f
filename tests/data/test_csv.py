"""csv and tsv: one odd row never changes how the file is parsed, and it is named by its number."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from unrolled.data import TableOptions
from unrolled.data.cells.cell import Cell
from unrolled.data.files.delimiters import DELIMITERS
from unrolled.data.tables.columns import choose_columns
from unrolled.data.tables.open import open_table
from unrolled.data.text.table_column import text_column
from unrolled.errors import DataError, OptionError
from unrolled.run import info_data

EVERY = pytest.mark.parametrize("delimiter", DELIMITERS)


def write(tmp_path: Path, text: str, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def rows(path: Path, *columns: str, header: bool = True) -> list[tuple[Cell, ...]]:
    return [row.cells for row in open_table(path, TableOptions(header)).rows(columns)]


def lines(delimiter: str, odd: str | None = None, count: int = 60) -> str:
    """A header and rows of a text and a label; the tenth row is odd, on line 11."""
    made = [f"a text of number {n}{delimiter}{'ab'[n % 2]}" for n in range(count)]
    if odd is not None:
        made[9] = odd
    return "\n".join([f"text{delimiter}label", *made]) + "\n"


@EVERY
@pytest.mark.parametrize(("odd", "count"), [("x{}y{}", "3 cells"), ("oops", "1 cell"), ("x{}y{}z", "3 cells")])
def test_an_odd_row_is_named_whatever_the_delimiter(tmp_path: Path, delimiter: str, odd: str, count: str) -> None:
    path = write(tmp_path, lines(delimiter, odd.format(delimiter, delimiter)))
    cure = "Put a cell that contains {} in" if count != "1 cell" else "Add the missing cells: each needs {} before it"
    words = rf"row 11: {count}, where the header names 2 columns\.\n{cure.format(DELIMITERS[delimiter])}"
    with pytest.raises(DataError, match=words):
        info_data(path)


@EVERY
@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ('"he said "fine" today"{}a', r"row 11 \(line 11\): '.' expected after '\"'"),
        ('"a quote that never ends{}a', r"row 11 \(line 11\): unexpected end of data"),
    ],
)
def test_a_quote_that_is_wrong_is_named_by_the_row_where_it_begins(
    tmp_path: Path, delimiter: str, odd: str, words: str
) -> None:
    path = write(tmp_path, lines(delimiter, odd.format(delimiter)))
    with pytest.raises(DataError, match=words) as raised:
        rows(path, "text")
    assert "expected after" not in str(raised.value) or f"'{delimiter}' expected" in str(raised.value)


def test_a_quote_far_from_its_end_is_not_held_without_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.data.tables.csv_records.LONGEST_LINE", 1000)
    path = write(tmp_path, lines(",", '"a quote that never ends,a'))
    with pytest.raises(DataError, match=r"row 11 \(line 11\): field larger than field limit"):
        rows(path, "text")


def test_a_line_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.data.tables.base.LONGEST_LINE", 1000)
    path = write(tmp_path, f"text,label\na,b\n{'x' * 2000},a\n")
    with pytest.raises(DataError, match=r"line 3: longer than 1,000 characters"):
        rows(path, "text")


@EVERY
def test_blank_lines_are_passed_over_and_counted(tmp_path: Path, delimiter: str) -> None:
    d = delimiter
    path = write(tmp_path, f"\n\ntext{d}label\n\na{d}b\n   \nc{d}d\n\n")
    table = open_table(path)
    assert [(row.number, row.cells) for row in table.rows(["text", "label"])] == [(5, ("a", "b")), (7, ("c", "d"))]


@pytest.mark.parametrize("name", ["one.csv", "one.tsv"])
@pytest.mark.parametrize("quotes", ["", '"quoted"\n'])  # without quotes, lines are not split to find places
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_in_a_file_of_one_column_a_blank_line_is_an_empty_cell(
    tmp_path: Path, name: str, quotes: str, end: str
) -> None:
    path = tmp_path / name
    path.write_bytes(f"\ntext\n\na b\n\n  \nc\n{quotes}\n\n \n".replace("\n", end).encode())
    table = open_table(path)
    found = [(row.number, row.cells[0]) for row in table.rows(["text"])]
    assert found[:5] == [(3, None), (4, "a b"), (5, None), (6, None), (7, "c")]
    assert len(found) == 5 + bool(quotes) == table.count_rows("text")
    assert [row.cells[0] for row in table.rows_at(["text"], [1, 2, 4])] == ["a b", None, "c"]
    alone = open_table(path, TableOptions(header=False))
    assert [row.cells[0] for row in alone.rows(["1"])][:5] == [None, "text", None, "a b", None]
    assert alone.count_rows("1") == len(list(alone.rows(["1"])))


def test_an_empty_cell_in_quotes_is_a_row_even_at_the_end(tmp_path: Path) -> None:
    path = write(tmp_path, 'text\na\n""\n\n')
    assert rows(path, "text") == [("a",), (None,)]


def test_lines_that_each_end_twice_are_no_empty_cells(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"text\r\r\na\r\r\nb\r\r\n")  # as Python writes them under Windows without newline=""
    table = open_table(path)
    assert [row.cells for row in table.rows(["text"])] == [("a",), ("b",)]
    assert table.count_rows("text") == 2


@EVERY
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_first_line_may_name_the_delimiter(tmp_path: Path, delimiter: str, mark: str) -> None:
    d = delimiter
    path = write(tmp_path, f"{mark}sep={d}\r\ntext{d}label\r\na{d}b\r\nc{d}d{d}\r\n")
    with pytest.raises(DataError, match=r"row 4: 3 cells, where the header names 2"):
        rows(path, "text")
    assert open_table(path).columns == ("text", "label")
    write(tmp_path, f'"sep={d}"\ntext{d}label\na,b|c{d}d\n' if d == "\t" else f"sep={d}\ntext{d}label\na{d}d\n")
    assert [cells[1] for cells in rows(path, "text", "label")] == ["d"]


@EVERY
def test_advice_for_a_short_row_is_given_for_it_only(tmp_path: Path, delimiter: str) -> None:
    with pytest.raises(DataError, match=r"row 11: 1 cell, where .*\nAdd the missing cells: ") as raised:
        rows(write(tmp_path, lines(delimiter, "a text alone")), "text")
    assert "double quotes" not in str(raised.value)
    with pytest.raises(DataError, match=r"row 11: 3 cells, where .*\nPut a cell that contains .* in double quotes"):
        rows(write(tmp_path, lines(delimiter, f"a{delimiter}b{delimiter}c")), "text")


def test_a_header_without_the_delimiter_of_the_rows_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "Report of the year\ntext;label\na;b\nc;d\n")
    with pytest.raises(
        DataError, match=r"row 2: 2 cells, where the header names 1 column\.\nPut a cell that contains a semi"
    ):
        rows(path)


@pytest.mark.parametrize(
    "again", ["text,label", "\ufefftext,label", "Text,Label", " TEXT , label ", "label,text", "\ufeffLabel,Text"]
)
def test_two_files_that_were_joined_are_refused_with_the_row(tmp_path: Path, again: str) -> None:
    path = write(tmp_path, lines(",", again))
    with pytest.raises(DataError, match=r"row 11: the header is repeated here\. Were two files joined"):
        rows(path, "text")
    assert len(rows(path, "1", header=False)) == 61  # without a header, none can be repeated
    assert rows(write(tmp_path, "word\na\nword\n"), "word") == [("a",), ("word",)]  # an ordinary word


DATA_FIRST = {
    "a label that comes again": ("good,pos\nbad,neg\nfine,pos\n", True),
    "numbers above numbers": ("text,3.5\na,1\nb,2\n", True),
    "names": ("text,label\na,1\nb,2\n", False),
    "a number above words": ("1,label\na,x\nb,y\n", False),
}


@pytest.mark.parametrize("case", DATA_FIRST)
def test_a_header_that_looks_like_data_is_reported(tmp_path: Path, case: str) -> None:
    text, said = DATA_FIRST[case]
    note = open_table(write(tmp_path, text)).note
    assert ("the first row is taken as names" in note and "--no-header if it is data" in note) == said
    assert open_table(tmp_path / "t.csv", TableOptions(header=False)).note == ""


def test_notes_about_the_header_are_in_the_description(tmp_path: Path) -> None:
    path = write(tmp_path, "".join(f"number {n},{('pos', 'neg')[n % 2]}\n" for n in range(60)))
    found = info_data(path)["description"]
    assert "the first row is taken as names (number 0, pos); --no-header if it is data" in found
    path = write(tmp_path, "a message\n" * 60)
    assert "--no-header if it is data" in info_data(path)["description"]


def test_unused_columns_may_have_no_names(tmp_path: Path) -> None:
    path = write(tmp_path, "v1,v2,,,\n" + "".join(f"{'ab'[n % 2]},text {n},,x,\n" for n in range(20)))
    table = open_table(path)
    assert (table.columns, table.unnamed) == (("v1", "v2"), 3)
    assert rows(path, "v2", "v1")[:2] == [("text 0", "a"), ("text 1", "b")]
    assert choose_columns(table, "v2", "v1").inputs == ("v2",)
    with pytest.raises(DataError, match=r"the columns v1, v2 and 3 without a name; which is the input is not clear"):
        choose_columns(table)
    with pytest.raises(OptionError, match="has no column ''"):
        choose_columns(table, " ", "v1")


def test_a_column_of_row_numbers_without_a_name_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path, ",review,stars\n" + "".join(f"{7 * n},text {n},{'ab'[n % 2]}\n" for n in range(20)))
    table = open_table(path)
    assert (table.columns, table.unnamed) == (("review", "stars"), 0)
    found = choose_columns(table)
    assert (found.inputs, found.outputs) == (("review",), ("stars",))
    assert text_column(open_table(write(tmp_path, ",body\n0,one\n1,two\n"))) == "body"


def test_blanks_around_column_names_are_removed(tmp_path: Path) -> None:
    assert open_table(write(tmp_path, "\ufeff text \u00a0, label\na,b\n")).columns == ("text", "label")
    with pytest.raises(DataError, match=r"row 1: .*'text' is there more than once.*\n.*--no-header"):
        open_table(write(tmp_path, "text, text\na,b\n"))
    with pytest.raises(DataError, match=r"row 1: different names of columns were expected; there are none"):
        open_table(write(tmp_path, ",,\na,b,c\n"))


def test_quotes_of_a_tsv_enclose_cells_though_one_row_is_odd(tmp_path: Path) -> None:
    path = write(tmp_path, 'text\tlabel\n"two\nlines"\ta\n"tab\there"\tb\n' * 1 + "x\ty\tz\n", "t.tsv")
    with pytest.raises(DataError, match=r"row 4: 3 cells"):
        rows(path, "text")


def test_very_many_columns_are_read_in_linear_time(tmp_path: Path) -> None:
    names = ",".join(f"c{n}" for n in range(100_000))
    path = write(tmp_path, names + ",label\n" + (",".join("1" * 100_000) + ",a\n") * 3)
    table = open_table(path)
    columns = choose_columns(table)
    assert (len(columns.inputs), columns.outputs) == (100_000, ("label",))
    assert len(next(iter(table.rows(columns.needed))).cells) == 100_001
    assert len(table.listed) < 300
    with pytest.raises(DataError, match="is there more than once"):
        open_table(write(tmp_path, names + ",c99999\n"))


@pytest.mark.timeout(20)
def test_a_cell_of_very_many_digits_is_read_in_linear_time(tmp_path: Path) -> None:
    path = write(tmp_path, "x,label\n" + "".join(f"{'1' * 60_000}{n}x,{'ab'[n % 2]}\n" for n in range(60)))
    assert info_data(path)["columns"]["outputs"] == ["label"]


def test_a_text_in_two_normal_forms_is_reported(tmp_path: Path) -> None:
    text = "Le café est fermé. " * 20
    path = write(tmp_path, text, "t.txt")
    assert "two ways" not in info_data(path)["description"]
    write(tmp_path, unicodedata.normalize("NFD", text), "t.txt")
    assert "two ways" not in info_data(path)["description"]
    write(tmp_path, text + unicodedata.normalize("NFD", text), "t.txt")
    assert "encoded in two ways" in info_data(path)["description"]


STRAY = {
    "two stray quotes": ('text\tlabel\n"good\tpos\na\tneg\nb\tpos\nbad"\tneg\n', '"good'),
    "next to each other": ('text\tlabel\n"good\tpos\nbad"\tneg\n', '"good'),
    "in the last column": ('label\ttext\npos\t"good\nneg\tbad\nneg\t"\n', '"good'),
    "one without a partner": ('text\tlabel\n"good\tpos\na\tneg\nb\tpos\n', '"good'),
}


@pytest.mark.parametrize("case", STRAY)
def test_stray_quotes_of_a_tsv_enclose_no_rows(case: str, tmp_path: Path) -> None:
    content, first = STRAY[case]
    found = rows(write(tmp_path, content, "t.tsv"), "text")
    assert len(found) == content.count("\n") - 1 and found[0] == (first,)


def test_quotes_taken_as_characters_are_reported_where_others_enclose_cells(tmp_path: Path) -> None:
    table = open_table(write(tmp_path, 'text\tlabel\n"good"\tpos\n"bad\tneg\n', "t.tsv"))
    assert table.note == "quotes are taken as ordinary characters, because one in row 3 (line 3) has no partner"
    assert [row.cells for row in table.rows(["text"])] == [('"good"',), ('"bad',)]


def test_cells_of_several_lines_in_a_tsv_of_one_column_are_reported(tmp_path: Path) -> None:
    table = open_table(write(tmp_path, 'text\na\n"b\nc"\nd\n', "t.tsv"))
    assert table.note == "quotes enclose several lines, first in row 3"
    assert [row.cells for row in table.rows(["text"])] == [("a",), ("b\nc",), ("d",)]


def test_quotes_of_a_csv_that_enclose_many_rows_are_refused(tmp_path: Path) -> None:
    swallowed = "".join(f"row {n},neg\n" for n in range(9))
    path = write(tmp_path, f'text,label\nx,pos\n"good,pos\n{swallowed}bad",neg\ny,neg\n')
    with pytest.raises(DataError, match=r"row 3: double quotes enclose lines 3 to 13, although .* has 2 cells"):
        rows(path, "text")
    poem = "\n".join(f"a line, and {n}" if n % 3 else "a line" for n in range(9))
    assert len(rows(write(tmp_path, f'text,label\nx,pos\n"{poem}",neg\n'), "text")) == 2
