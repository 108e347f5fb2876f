"""Delimiters that do not fit the file name or the first line: a tsv with commas, a csv named .txt, a wrong sep=."""

from __future__ import annotations

from pathlib import Path

import pytest

from unrolled.data.files.delimiters import describe_table, find_delimiter
from unrolled.data.tables.open import open_table
from unrolled.errors import DataError
from unrolled.run import info_data

WORDS = ("a calm day", 'a fight, "they said"', "snow", "rain; wind")


def rows(delimiter: str, count: int = 60) -> list[str]:
    """Rows of three columns; the text is quoted where necessary."""
    texts = (WORDS[row % 4].replace('"', '""') for row in range(count))
    return [delimiter.join((f'"{text} {row}"', str(row), "ab"[row % 2])) for row, text in enumerate(texts)]


@pytest.mark.parametrize(("delimiter", "said"), [(",", "a comma"), (";", "a semicolon"), ("|", "a bar")])
def test_a_tsv_without_tabs_is_read_with_its_real_delimiter(delimiter: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("\n".join([delimiter.join(("text", "size", "label")), *rows(delimiter)]))
    table = open_table(path)
    assert table.columns == ("text", "size", "label")
    assert list(table.rows(("text", "label")))[1].cells == ('a fight, "they said" 1', "b")
    assert table.note == f"its cells are separated by {said}"
    assert (
        f"text (characters) -> label, one of 2 labels (a, b); to change this: --input --output --task --input-type; "
        f"{table.note}" in (info_data(path)["description"].replace("words with character n-grams", "characters"))
    )


def test_a_tsv_with_tabs_or_one_column_stays_a_tsv(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("text,x\tlabel,x\n" + "one, two\ta,b\n" * 20)
    assert open_table(path).columns == ("text,x", "label,x")
    path.write_text("text\n" + "one, two\n" * 20)  # a comma in each text, and none in the header
    assert open_table(path).columns == ("text",)
    path.write_text("a, b\n" + "one\none, two\none, two, three\n" * 20)
    assert open_table(path).columns == ("a, b",)


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_a_given_delimiter_that_separates_no_cells_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("\n".join(["sep=;", "text,size,label", *rows(",")]))
    with pytest.raises(DataError, match=r"first line says sep=;, but .* by a comma\.\nWrite sep=, there, or"):
        info_data(path)
    path.write_text("\n".join(["sep=;", "text;size;label", *rows(";")]))
    assert open_table(path).columns == ("text", "size", "label")
    path.write_text("sep=;\ntext\n" + "one, two\n" * 20)
    assert open_table(path).columns == ("text",)


@pytest.mark.parametrize("name", ["t.txt", "t", "iris.data", "t.tab"])
@pytest.mark.parametrize(
    ("delimiter", "said"), [(",", "a comma"), (";", "a semicolon"), ("\t", "a tab"), ("|", "a bar")]
)
def test_a_text_that_looks_like_a_table_says_so(delimiter: str, said: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("\n".join([delimiter.join(("text", "size", "label")), *rows(delimiter)]))
    told = info_data(tmp_path / name)["description"]
    assert (
        f"it looks like a table whose cells are separated by {said} (to train on it as a table, rename it to .csv) "
        in told
    )


TEXTS = {
    "prose": [f"He came{', and left' * (row % 3)}, and it rained." for row in range(40)],
    "a poem": ["O, to be in England"] * 3 + ["now that April is there", "and, whoever wakes, in England", ""] * 9,
    "lines without marks": ["to be or not to be"] * 40,
    "few lines": ["a,b", "c,d", "e,f"],
    "code": ["def f(a, b):", "    return a + b", "", "x = f(1, 2)", "print(x)"] * 5,
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_text_looks_like_no_table(kind: str, tmp_path: Path) -> None:
    assert describe_table(TEXTS[kind]) == ""
    (tmp_path / "t.txt").write_text(
        "\n".join(TEXTS[kind] * (40 if len(TEXTS[kind]) > 3 else 1) + ["A long line of a text."] * 20)
    )
    assert "looks like" not in info_data(tmp_path / "t.txt")["description"]


def test_the_real_texts_look_like_no_table(shakespeare: Path) -> None:
    with shakespeare.open() as file:
        assert find_delimiter(file.readlines()[:50]) is None


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ("text,size,label", r"row 1: its cells are separated by a comma, and those of most other rows by a semi"),
        (
            "# made by hand",
            r"row 1: '# made by hand' has no names for the 3 cells .*\.\nIs it a comment\? .*: grep -v '\^#' ",
        ),
    ],
)
def test_a_first_line_with_another_delimiter_is_reported(first: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "my t.csv"
    path.write_text("\n".join([first, *(["text;size;label"] if first[0] == "#" else []), *rows(";")]))
    with pytest.raises(DataError, match=words) as raised:
        info_data(path)
    assert "double quotes" not in str(raised.value)
    if first[0] == "#":
        assert f"'{path}' > NEW" in str(raised.value)
