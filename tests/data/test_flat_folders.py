"""Folders of audio or images without labels: in one folder, or with an annotation file each; and JSON without
rows."""

from __future__ import annotations

import re
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
def test_files_in_one_folder_are_refused_for_lack_of_labels(
    ending: str, said: str, task: str | None, tmp_path: Path
) -> None:
    path = touch(tmp_path, *(f"{number % 10}_jackson_{number}.{ending}" for number in range(48)), "README.txt")
    with pytest.raises(
        DataError, match=rf"holds 48 {said} without labels, such as 0_jackson_0\.{ending}\."
    ) as raised:
        info_data(path, TrainOptions(task=task))
    assert f"A folder for each label was expected, things/one/1.{ending}" in str(raised.value)
    assert "a table of files and labels" in str(raised.value)
    assert "--tokenizer" not in str(raised.value)
    assert str(raised.value).count("\n") < 3


UNREAD = {
    "scans": (("ply", "pcd"), b"\0\1\2", "points and shapes", ""),
    "PDFs": (("pdf",), b"%PDF-1.4\0\1", "documents", r"\s?Extract its text: pdftotext \S+/0\.pdf"),
    "archives": (("zip",), b"PK\3\4\0\1\2", "archives", r"\s?Unpack it, and use its content: unzip \S+/0\.zip"),
    "damaged archives": (("7z",), b"\0\1\2", "archives", r"\s?Unpack them, and use their content\."),
    "volumes": (("nii.gz",), b"\0\1\2", "volumes", ""),
}


@pytest.mark.parametrize("task", [None, "classification", "language-modeling"])
@pytest.mark.parametrize("case", UNREAD)
def test_files_without_a_reader_are_never_offered_to_be_read_as_bytes(
    case: str, task: str | None, tmp_path: Path
) -> None:
    endings, content, kind, advice = UNREAD[case]
    for number in range(12):
        (tmp_path / f"{number}.{endings[number % len(endings)]}").write_bytes(content)
    if task is None:
        (tmp_path / "README.txt").write_text("about these files " * 60)
    with pytest.raises(DataError, match=rf"holds \d+ files.*(\n.*)?There is no reader for {kind}") as raised:
        info_data(tmp_path, TrainOptions(task=task))
    assert re.search(rf"(can be read|reader for {kind})\.{advice}$", str(raised.value))
    assert "--tokenizer" not in str(raised.value) and str(raised.value).count("\n") < 3


@pytest.mark.parametrize("tokenizer", ["auto", "byte"])
def test_the_text_next_to_them_is_read_on_request(tokenizer: str, tmp_path: Path) -> None:
    path = touch(tmp_path, *(f"{number}.ply" for number in range(12)))
    (path / "a.txt").write_text("some text " * 60)
    options = TrainOptions(task="language-modeling", tokenizer=tokenizer)
    assert "of text" in info_data(path, options)["description"]


def test_drawings_that_are_text_are_a_text(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number}.svg").write_text(f"<svg><circle r='{number}'/></svg>" * 20)
    assert "of text" in info_data(tmp_path)["description"]


@pytest.mark.parametrize("content", [b"\0\0\0\x18ftypisom\0", b"RIFF\0\0\0\0AVI \0"], ids=str)
def test_a_film_alone_is_not_offered_to_be_read_as_bytes(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(
        DataError, match=r"a\.mp4 is not text: .*\n.*Put videos into a folder for each label"
    ) as raised:
        info_data(tmp_path / "a.mp4")
    assert "--tokenizer" not in str(raised.value)


def test_a_scan_alone_is_not_offered_to_be_read_as_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(b"\0\1\2" * 9)
    with pytest.raises(DataError, match=r"is not text: .*\nThere is no reader for points and shapes\.") as raised:
        info_data(tmp_path / "a.ply")
    assert "--tokenizer" not in str(raised.value)


def test_the_text_in_such_a_folder_is_read_on_request(tmp_path: Path) -> None:
    path = touch(tmp_path, *(f"{number}.png" for number in range(48)))
    (path / "a.txt").write_text("some text " * 60)
    assert "of text" in info_data(path, TrainOptions(task="language-modeling"))["description"]


def test_texts_with_a_few_images_are_a_text(tmp_path: Path) -> None:
    path = touch(tmp_path, "cover.png", "map.png", "back.png")
    for chapter in range(4):
        (path / f"{chapter}.txt").write_text(f"chapter {chapter} " * 60)
    assert "of text" in info_data(path)["description"]


@pytest.mark.parametrize("task", [None, "classification"])
@pytest.mark.parametrize("form", ["{split}/{what}/{number}", "{what}/{split}/{number}", "{what}/{number}"])
@pytest.mark.parametrize(("about", "ending"), [("labels", "txt"), ("masks", "png"), ("Annotations", "xml")])
def test_images_with_an_annotation_file_each_are_refused(
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
