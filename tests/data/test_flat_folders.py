"""Folders of audio or images without labels: in one folder, or with an annotation file each; and JSON without
rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from unrolled.errors import DataError
from unrolled.options import TrainOptions
from unrolled.run import info_data


def touch(folder: Path, *names: str) -> Path:
    """Files of a few bytes: only their names matter here."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\0\1\2" * 9 if not name.endswith("txt") else b"0 0.5 0.5\n")
    return folder


@pytest.mark.parametrize("task", [None, "classification"])
@pytest.mark.parametrize(("ending", "said"), [("wav", "audio files"), ("png", "images")])
def test_files_side_by_side_ask_for_labels(ending: str, said: str, task: str | None, tmp_path: Path) -> None:
    path = touch(tmp_path, *(f"{number % 10}_jackson_{number}.{ending}" for number in range(48)), "README.txt")
    with pytest.raises(
        DataError, match=rf"holds 48 {said} without labels, such as 0_jackson_0\.{ending}\."
    ) as raised:
        info_data(path, TrainOptions(task=task))
    assert f"A folder for each label was expected, things/one/1.{ending}" in str(raised.value)
    assert "a table of files and labels" in str(raised.value)
    assert "--tokenizer" not in str(raised.value)
    assert str(raised.value).count("\n") < 3


def test_the_text_in_such_a_folder_is_read_where_it_is_asked_for(tmp_path: Path) -> None:
    path = touch(tmp_path, *(f"{number}.png" for number in range(48)))
    (path / "a.txt").write_text("some text " * 60)
    assert "of text" in info_data(path, TrainOptions(task="language-modeling"))["description"]


def test_texts_beside_a_few_pictures_are_a_text(tmp_path: Path) -> None:
    path = touch(tmp_path, "cover.png", "map.png", "back.png")
    for chapter in range(4):
        (path / f"{chapter}.txt").write_text(f"chapter {chapter} " * 60)
    assert "of text" in info_data(path)["description"]


@pytest.mark.parametrize("task", [None, "classification"])
@pytest.mark.parametrize("form", ["{split}/{what}/{number}", "{what}/{split}/{number}", "{what}/{number}"])
@pytest.mark.parametrize(("about", "ending"), [("labels", "txt"), ("masks", "png"), ("Annotations", "xml")])
def test_pictures_with_files_about_each_are_refused(
    about: str, ending: str, form: str, task: str | None, tmp_path: Path
) -> None:
    for split in ("train", "val"):
        for number in range(12):
            name = form.format(split=split, what="images", number=number)
            touch(tmp_path, f"{name}.png", f"{name.replace('images', about)}.{ending}")
    with pytest.raises(
        DataError, match=r"holds the folders .*: images, each with an annotation file, as in"
    ) as raised:
        info_data(tmp_path, TrainOptions(task=task))
    assert "a folder for each label was expected" in str(raised.value)
    assert str(raised.value).count("\n") < 3


def test_labels_with_such_names_among_others_are_labels(tmp_path: Path) -> None:
    for label in ("masks", "images", "hats"):
        for number in range(12):
            (tmp_path / label).mkdir(exist_ok=True)
            (tmp_path / label / f"{number}.txt").write_text(f"a text about {label}, {number}")
    assert "one of 3 labels (hats, images, masks)" in info_data(tmp_path)["description"]


@pytest.mark.parametrize(("name", "content"), [("a.json", "[]"), ("a.json", "[{}, {}]"), ("a.jsonl", "\n\n{}\n")])
def test_json_without_a_row_says_so(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=r"holds no object with a key\. An array of objects was"):
        info_data(tmp_path / name)
