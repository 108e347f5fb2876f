"""A column of files that cannot be decoded is refused, and never read as the characters of a path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unrolled.data.columns import choose_columns
from unrolled.data.inputs import TextInput, VectorInput, find_input
from unrolled.data.tables import open_table
from unrolled.errors import DataError


def written(folder: Path, column: str, name: Callable[[int], str], count: int = 12) -> Path:
    path = folder / "t.csv"
    path.write_text("\n".join([f"{column},label", *(f"{name(row)},{'ab'[row % 2]}" for row in range(count))]) + "\n")
    return path


NAMED: dict[str, tuple[str, Callable[[int], str], str]] = {
    "films": (
        "file",
        lambda row: f"fight/fi{row:03}.mp4",
        r"'file' holds names of files \(\.mp4\), such as fight/fi000\.mp4\.\nThere is no reader for films like",
    ),
    "films in capitals": ("clip", lambda row: f"A {row}.MOV", r"\(\.mov\), such as A 0\.MOV\.\n.*films"),
    "documents": ("text", lambda row: f"{row}.pdf", r"no reader for documents"),
    "arrays": ("x", lambda row: f"a/{row}.npy", r"no reader for arrays"),
    "pictures without a reader": ("image", lambda row: f"{row}.heic", r"no reader for pictures of a kind"),
    "texts": (
        "text",
        lambda row: f"{row}.txt",
        r"Put the texts themselves into the column, or give a folder of",
    ),
    "two kinds": (
        "file",
        lambda row: f"{row}.{('png', 'wav')[row % 2]}",
        r"they are 6 pictures and 6 sounds; a column of one kind",
    ),
    "pictures and none": (
        "file",
        lambda row: f"{row}.png" if row % 4 else f"none {row}",
        r"Not all of the first rows are pictures",
    ),
    "picture numbers": (
        "image_id",
        lambda row: str(1000 + row),
        r"'image_id' names files that are not there, such as '1000'\.\nWrite whole paths .* with the ending",
    ),
    "picture words": ("Photo", lambda row: f"a{row}b", r"'Photo' names files that are not there, such as 'a0b'"),
    "paths in a column of any name": (
        "thing",
        lambda row: f"C/neg_{row}.xyz",
        r"'thing' names files that are not there, such as 'C/neg_0",
    ),
    "files without a kind": ("path", lambda row: f"d/{row}.xyz", r"'path' names files that are not there"),
}


@pytest.mark.parametrize("case", NAMED)
def test_names_of_files_that_nothing_reads_are_refused(case: str, tmp_path: Path) -> None:
    column, name, words = NAMED[case]
    table = open_table(written(tmp_path, column, name))
    with pytest.raises(DataError, match=words) as raised:
        find_input(table, choose_columns(table), None)
    assert str(raised.value).count("\n") < 3
    assert str(raised.value).endswith("To read the names themselves: --read text.")
    assert find_input(table, choose_columns(table), "text") == TextInput()


def test_ids_are_found_in_the_folders_beside_and_their_ending_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "dog3.jpg").touch()
    table = open_table(written(tmp_path, "id", lambda row: f"dog{row}"))
    with pytest.raises(
        DataError, match=r"'id' holds names of files without their endings, such as dog0 for train/dog3\.jpg\.\nWrite"
    ):
        find_input(table, choose_columns(table, "id", "label"), None)


def test_texts_and_numbers_are_what_they_were(tmp_path: Path) -> None:
    for column, name, kind in (
        ("text", lambda row: f"see a file of {row}.mp4 and more", TextInput()),
        ("name", lambda row: f"Smith{row}", TextInput()),
        ("file", lambda row: f"a few words {row}", TextInput()),
        ("image", lambda row: f"{row % 3}", VectorInput(1)),
        ("text", lambda row: f"sub{row}.example.com", TextInput()),
        ("x", lambda row: str(row), VectorInput(1)),
        ("thing", lambda row: f"https://example.com/a/{row}.xyz", TextInput()),
        ("thing", lambda row: f"1/2.{row}", TextInput()),
    ):
        table = open_table(written(tmp_path, column, name))
        assert find_input(table, choose_columns(table), None) == kind, column


def test_the_films_of_fights_are_refused(real_data: Path) -> None:
    table = open_table(real_data / "fights" / "clips.csv")
    with pytest.raises(DataError, match="no reader for films"):
        find_input(table, choose_columns(table), None)


IDS: dict[str, tuple[str, Callable[[int], str]]] = {
    "hex": ("id", lambda row: f"0000{row:03x}abf{row:04}"),
    "numbers": ("ID", lambda row: str(1000 + row)),
    "a longer name": ("dog_id", lambda row: f"n{row}-ab_{row}"),
    "capitals inside": ("scanId", lambda row: f"s{row}"),
}


@pytest.mark.parametrize("case", IDS)
def test_ids_are_not_read_as_characters_or_numbers(case: str, tmp_path: Path) -> None:
    column, name = IDS[case]
    table = open_table(written(tmp_path, column, name))
    with pytest.raises(DataError, match=f"'{column}' holds ids, another in each row, such as '{name(0)}'") as raised:
        find_input(table, choose_columns(table), None)
    assert "with the ending: pictures/1.png" in str(raised.value)
    assert str(raised.value).count("\n") < 3
    assert find_input(table, choose_columns(table), "text") == TextInput()


def test_what_is_called_id_and_recurs_or_is_words_is_read(tmp_path: Path) -> None:
    for column, name in (
        ("id", lambda row: f"kind{row % 3}"),
        ("id", lambda row: f"some words {row}"),
        ("grid", lambda row: f"a{row}"),
        ("paid", lambda row: f"{row}"),
        ("id", lambda row: "abcdefghijkl"[row]),
    ):
        table = open_table(written(tmp_path, column, name))
        find_input(table, choose_columns(table), None)
