"""A folder per label, of audio or images: files are rows, sorted by name, and nothing is decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import Unroll
from PIL import Image

from unrolled.data.tables.media_folders import is_media_folder
from unrolled.data.tables.open import is_table, open_table
from unrolled.errors import DataError


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0" + name.encode())
    return folder


def test_a_folder_of_audio_is_a_table_with_the_fields_of_its_names(tmp_path: Path) -> None:
    fill(
        tmp_path,
        "7/7_jackson_2.wav",
        "7/7_theo_1.WAV",
        "8/deep/8_theo_3.flac",
        "8/notes.txt",
        ".x/a.wav",
        "readme.md",
    )
    assert is_media_folder(tmp_path)
    table = open_table(tmp_path)
    assert table.columns == ("audio", "label", "part1", "part2", "part3")
    rows = list(table.rows(table.columns))
    assert [row.cells for row in rows] == [
        (str(tmp_path / "7/7_jackson_2.wav"), "7", "7", "jackson", "2"),
        (str(tmp_path / "7/7_theo_1.WAV"), "7", "7", "theo", "1"),
        (str(tmp_path / "8/deep/8_theo_3.flac"), "8", "8", "theo", "3"),
    ]
    assert [table.place(row.number) for row in rows] == [row.cells[0] for row in rows]
    assert table.skipped == (tmp_path / "8/notes.txt",)
    before = table.fingerprint()
    (tmp_path / "7/7_theo_1.WAV").write_bytes(b"other")
    assert open_table(tmp_path).fingerprint() != before


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (("a/x-1.png", "b/y-2.jpg"), ("image", "label", "part1", "part2")),
        (("a/x_1-0.png", "b/y_2.jpg"), ("image", "label", "part1", "part2")),  # _ before -
        (("a/x_1_1-0.png", "b/y_2-9.jpg"), ("image", "label", "part1", "part2")),
        (("a/x_1.png", "b/y.jpg"), ("image", "label")),
        (("a/x.png", "b/y.jpg"), ("image", "label")),
    ],
)
def test_names_are_split_where_all_have_as_many_fields(
    names: tuple[str, ...], columns: tuple[str, ...], tmp_path: Path
) -> None:
    table = open_table(fill(tmp_path, *names))
    assert table.columns == columns
    assert all(len(row.cells) == len(columns) for row in table.rows(columns))


def test_paths_are_complete_and_an_empty_field_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "d/a/_1.png", "d/b/y_2.png")
    monkeypatch.chdir(tmp_path)
    rows = list(open_table("d").rows(["part1", "image"]))
    assert rows[0].cells == (None, str(tmp_path / "d/a/_1.png"))


def test_a_few_of_the_other_kind_are_left_out_and_many_refused(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{label}/{number}.wav" for label in "ab" for number in range(3)), "a/cover.jpg", "b/cover.jpg")
    table = open_table(tmp_path)
    assert table.columns == ("audio", "label")
    assert table.skipped == (tmp_path / "a/cover.jpg", tmp_path / "b/cover.jpg")
    fill(tmp_path, "a/back.jpg")
    with pytest.raises(DataError, match=r"holds 6 audio files and 3 images; only one kind was expected\.\nPut them"):
        open_table(tmp_path)


def test_one_label_is_no_table(tmp_path: Path) -> None:
    fill(tmp_path, "a/1.wav", "a/2.wav", "b/notes.txt")
    with pytest.raises(
        DataError,
        match=r"holds 2 audio files in 1 folder, and 1 files that cannot be read as such \(1 \.txt\)\. "
        r"A folder for each label was expected, two or mo",
    ):
        open_table(tmp_path)


def test_files_next_to_the_label_folders_are_named(tmp_path: Path) -> None:
    fill(tmp_path / "one", "a/1.wav", "a/2.wav")
    fill(tmp_path / "deep", "data/a/1.wav", "data/b/2.wav")
    fill(tmp_path / "deeper", "data/in/a/1.wav", "data/in/b/2.wav")
    for name, ending in (
        (
            "one",
            "in 1 folder. A folder for each label was expected, two or more:\ndigits/one/1.wav, digits/two/1.wav",
        ),
        ("deep", f"\nIf the labels are the folders in data, give {tmp_path / 'deep/data'}"),
        ("deeper", f"\nIf the labels are folders further below, give {tmp_path / 'deeper/data/in'}"),
    ):
        with pytest.raises(DataError) as raised:
            open_table(tmp_path / name)
        assert str(raised.value).endswith(ending)
        assert str(raised.value).count("\n") < 3


def test_other_folders_are_no_media_folders(tmp_path: Path) -> None:
    assert not is_media_folder(tmp_path)
    assert not is_media_folder(tmp_path / "absent")
    assert not is_media_folder(fill(tmp_path / "flat", "1.wav", "2.wav"))
    texts = fill(tmp_path / "texts", "a/1.txt", "a/2.txt", "b/3.txt", "b/picture.png")
    for path in texts.rglob("*.txt"):
        path.write_text("a text")
    assert not is_media_folder(texts)
    assert open_table(texts).columns == ("text", "label")
    assert not is_table(texts)


def test_the_spoken_digits_are_a_table(real_data: Path) -> None:
    table = open_table(real_data / "digits_audio" / "train")
    rows = [row.cells for row in table.rows(("label", "part1", "part2"))]
    assert len(rows) == 2700
    assert all(label == part for label, part, _ in rows)
    assert {speaker for *_, speaker in rows} == {"george", "jackson", "lucas", "nicolas", "theo", "yweweler"}


def test_an_unreadable_file_is_named_once(unroll: Unroll, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for row in range(24):
        path = tmp_path / "pics" / "ab"[row % 2] / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4), 10 * row, np.uint8)).save(path)
    fill(tmp_path, "pics/a/bad.png")
    said = unroll("info", "pics")
    assert "pics/a/bad.png cannot be read as an image" in said.out and str(tmp_path) not in said.out, said
    names = [f"{path},{path.parent.name}" for path in sorted((tmp_path / "pics").rglob("*.png"))]
    (tmp_path / "table.csv").write_text("\n".join(["path,label", *names]))
    assert "row 14: " + str(tmp_path / "pics/a/bad.png cannot be read as an image") in unroll("info", "table.csv").out
