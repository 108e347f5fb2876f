"""A column of names of files that cannot be decoded is refused, and never read as characters."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from unrolled.data.dataset.detect_input import detect_input
from unrolled.data.modalities.text import TextInput
from unrolled.data.modalities.vectors import VectorInput
from unrolled.data.modalities.video import VideoInput
from unrolled.data.tables.columns import choose_columns
from unrolled.data.tables.file_names import names_in
from unrolled.data.tables.open import open_table
from unrolled.errors import DataError
from unrolled.options import TrainOptions
from unrolled.run import info_data


def written(folder: Path, column: str, name: Callable[[int], str], count: int = 12) -> Path:
    path = folder / "t.csv"
    path.write_text("\n".join([f"{column},label", *(f"{name(row)},{'ab'[row % 2]}" for row in range(count))]) + "\n")
    return path


NAMED: dict[str, tuple[str, Callable[[int], str], str]] = {
    "scans": (
        "file",
        lambda row: f"fight/fi{row:03}.ply",
        r"'file' holds names of files \(\.ply\), such as fight/fi000\.ply\.\nThere is no reader for points and",
    ),
    "scans in capitals": ("clip", lambda row: f"A {row}.PLY", r"\(\.ply\), such as A 0\.PLY\.\n.*points"),
    "documents": ("text", lambda row: f"{row}.pdf", r"no reader for documents"),
    "arrays": ("x", lambda row: f"a/{row}.npy", r"no reader for arrays"),
    "pictures without a reader": ("image", lambda row: f"{row}.heic", r"no reader for images in HEIC, SVG and the"),
    "DICOM": ("image", lambda row: f"{row}.dcm", r"no reader for images in DICOM; only audio"),
    "volumes": ("scan", lambda row: f"{row}.nii.gz", r"\(\.nii\.gz\), such as 0\.nii\.gz\.\nThere is no .* volumes;"),
    "records in a store": ("file", lambda row: f"s3://b/cat/{row}.tfrec", r"no reader for files of records;"),
    "texts": (
        "text",
        lambda row: f"{row}.txt",
        r"Put the texts themselves into the column, or use a folder of",
    ),
    "two kinds": (
        "file",
        lambda row: f"{row}.{('png', 'wav')[row % 2]}",
        r"rows have 20 images and 20 audio files; a column must have one kind",
    ),
    "pictures and none": (
        "file",
        lambda row: f"{row}.png" if row % 4 else f"none {row}",
        r"Not all of the first rows are images",
    ),
    "picture numbers": (
        "image_id",
        lambda row: str(1000 + row),
        r"'image_id' names files that do not exist, such as '1000'\.\nWrite full paths, .* with the ending",
    ),
    "picture words": ("Photo", lambda row: f"a{row}b", r"'Photo' names files that do not exist, such as 'a0b'"),
    "paths in a column of any name": (
        "thing",
        lambda row: f"C/neg_{row}.xyz",
        r"'thing' names files that do not exist, such as 'C/neg_0",
    ),
    "paths without an ending": (
        "foo",
        lambda row: f"{('cat', 'dog')[row % 2]}/{row:04}",
        r"'foo' names files that do not exist, such as 'cat/0000'\.\nWrite full paths",
    ),
    "paths in a store": ("x", lambda row: f"gs://b/cat/{row}.xyz", r"'x' names files that do not exist"),
    "paths that recur": ("x", lambda row: f"fight\\v{row // 4}", r"'x' names files that do not exist"),
    "an odd one among paths": ("x", lambda row: f"cat/{row}" if row != 3 else "none here", r"'x' names files that"),
    "names that recur": ("image", lambda row: f"{row // 2 * 7919 % 100000:05}", r"'image' names files that do not"),
    "one ending": (
        "x",
        lambda row: f"cat_{row}.xyzzy",
        r"'x' names files that do not exist, such as 'cat_0\.xyzzy'",
    ),
    "a short name of a file's": ("fname", lambda row: f"a{row}b", r"'fname' names files that do not exist"),
    "files without a kind": ("path", lambda row: f"d/{row}.xyz", r"'path' names files that do not exist"),
}


@pytest.mark.parametrize("case", NAMED)
def test_names_of_files_that_nothing_reads_are_refused(case: str, tmp_path: Path) -> None:
    column, name, words = NAMED[case]
    table = open_table(written(tmp_path, column, name, 40))
    with pytest.raises(DataError, match=words) as raised:
        detect_input(table, choose_columns(table), None)
    assert str(raised.value).count("\n") < 3
    assert str(raised.value).endswith("To read the names themselves: --input-type text.")
    assert detect_input(table, choose_columns(table), "text") == TextInput()


@pytest.mark.parametrize("ending", [".tga", ".ico", ".sph", ".mp2", ".xyz9"])
def test_existing_files_that_nothing_reads_are_not_asked_for_their_endings(ending: str, tmp_path: Path) -> None:
    for row in range(20):
        (tmp_path / f"a{row}{ending}").write_bytes(bytes([row]))
    table = open_table(written(tmp_path, "file", lambda row: f"a{row}{ending}"))
    with pytest.raises(DataError, match=r"'file' .*names .*files.*\nThere is no reader for ") as told:
        detect_input(table, choose_columns(table), None)
    assert "Write full paths" not in str(told.value)


def test_ids_of_files_in_folders_next_to_the_table_are_recognised(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "dog3.jpg").touch()
    table = open_table(written(tmp_path, "id", lambda row: f"dog{row}"))
    with pytest.raises(
        DataError, match=r"'id' holds names of files without their endings, such as dog3 for train/dog3\.jpg\.\nWrite"
    ):
        detect_input(table, choose_columns(table, "id", "label"), None)


def test_texts_and_numbers_are_not_taken_for_file_names(tmp_path: Path) -> None:
    for column, name, kind in (
        ("text", lambda row: f"see a file of {row}.mp4 and more", TextInput()),
        ("name", lambda row: f"Smith{row}", TextInput()),
        ("file", lambda row: f"a few words {row}", TextInput()),
        ("image", lambda row: f"{row % 3}", VectorInput(1)),
        ("text", lambda row: f"sub{row}.example.com", TextInput()),
        ("x", lambda row: str(row), VectorInput(1)),
        ("thing", lambda row: f"https://example.com/a/{row}.xyz", TextInput()),
        ("thing", lambda row: f"1/2.{row}", TextInput()),
        ("thing", lambda row: f"https://example.com/a/{row}", TextInput()),
        ("url", lambda row: f"/products/{row}", TextInput()),
        ("kind", lambda row: ("text/html", "audio/mp3", "video/mp4")[row % 3], TextInput()),
        ("unit", lambda row: ("m/s2", "kg/m3", "l/100km")[row % 3], TextInput()),
        ("board", lambda row: f"r1bqkbnr/pppp1ppp/2n5/4p3/4P3/5N2/PPPP1PPP/RNBQK{row % 7 + 1}R", TextInput()),
        ("host", lambda row: f"site{row}.com", TextInput()),
        ("word", lambda row: f"word{row}/noun", TextInput()),
        ("plate", lambda row: f"AB{row:02}CDE", TextInput()),
        ("sound", lambda row: f"{row % 5 + 1}", VectorInput(1)),
        ("number", lambda row: f"{row * 1000003:012}", VectorInput(1)),
    ):
        table = open_table(written(tmp_path, column, name, 40))
        assert detect_input(table, choose_columns(table, column, "label"), None) == kind, column


def test_the_films_of_fights_are_videos(real_data: Path) -> None:
    table = open_table(real_data / "fights" / "clips.csv")
    assert detect_input(table, choose_columns(table), None) == VideoInput(16, 224)


def test_numbers_do_not_name_images_next_to_the_table(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "6.png").touch()
    for column, name, kind in (
        ("age", str, VectorInput(1)),
        ("link", lambda row: f"https://x.org/dog/{row}", TextInput()),
    ):
        table = open_table(written(tmp_path, column, name))
        assert detect_input(table, choose_columns(table), None) == kind
    for row in range(12):
        (tmp_path / "bad" / f"{row}.png").touch()
    table = open_table(written(tmp_path, "age", str))
    with pytest.raises(DataError, match=r"without their endings, such as 0 for bad/0\.png\."):
        detect_input(table, choose_columns(table), None)


def test_the_url_of_an_image_is_reported_unchanged(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file 'https://x\.org/0\.png'\. Nothing is downloaded"):
        info_data(written(tmp_path, "image", lambda row: f"https://x.org/{row}.png"))


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("picture", lambda row: f"pic{row}.png"),
        ("mask", lambda row: f"masks/{row}.xyz"),
        ("film", lambda row: f"{row // 5}.mp4"),
    ],
)
def test_file_names_are_no_outputs(column: str, name: Callable[[int], str], tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n".join([f"text,{column}", *(f"some words {row},{name(row)}" for row in range(60))]))
    with pytest.raises(
        DataError, match=f"'{column}' would be the output, and holds names of files, such as"
    ) as raised:
        info_data(path)
    assert str(raised.value).count("\n") < 3
    for option in re.findall("--task ([a-z0-9-]+)", str(raised.value)):
        assert "60 rows of csv" in info_data(path, TrainOptions(task=option))["description"]


def test_outputs_that_rarely_look_like_file_names_are_texts(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    targets = ("see a.png", "node.js", "and/or 2", "a.mp3")
    path.write_text("\n".join(["text,answer", *(f"some words {row},{targets[row % 4]} {row}" for row in range(60))]))
    assert "answer, texts" in info_data(path)["description"]


IDS: dict[str, tuple[str, Callable[[int], str]]] = {
    "hex": ("id", lambda row: f"0000{row:03x}abf{row:04}"),
    "numbers": ("ID", lambda row: str(1000 + row)),
    "a longer name": ("dog_id", lambda row: f"n{row}-ab_{row}"),
    "capitals inside": ("scanId", lambda row: f"s{row}"),
    "a code": ("id_code", lambda row: f"{row * 2654435761 % 2**48:012x}"),
    "DICOM": ("StudyInstanceUID", lambda row: f"1.2.826.0.1.{row}"),
    "a number behind": ("BraTS21ID", lambda row: f"{row:05}"),
    "a hash in any column": ("thing", lambda row: f"{(row + 7) * 2654435761 % 2**64:016x}"),
    "one that recurs": ("lesion_id", lambda row: f"HAM_{row // 2:07}"),
}


@pytest.mark.parametrize("case", IDS)
def test_ids_are_neither_characters_nor_numbers(case: str, tmp_path: Path) -> None:
    column, name = IDS[case]
    table = open_table(written(tmp_path, column, name, 40))
    with pytest.raises(DataError, match=f"'{column}' holds ids, such as '{name(0)}'") as raised:
        detect_input(table, choose_columns(table), None)
    assert "with the ending: pictures/1.png" in str(raised.value)
    assert str(raised.value).count("\n") < 3
    assert detect_input(table, choose_columns(table), "text") == TextInput()


def test_a_column_called_id_that_recurs_or_has_words_is_read(tmp_path: Path) -> None:
    for column, name in (
        ("id", lambda row: f"kind{row % 3}"),
        ("id", lambda row: f"some words {row}"),
        ("grid", lambda row: f"a{row}"),
        ("paid", lambda row: f"{row}"),
        ("id", lambda row: "abcdefghijkl"[row]),
        ("thing", lambda row: f"a{row}cafe"),
    ):
        table = open_table(written(tmp_path, column, name))
        kind = "vectors" if column == "paid" else "text"
        assert detect_input(table, choose_columns(table), None).name == kind, column


LISTED: dict[str, Callable[[int], object]] = {
    "a list": lambda row: [f"{'ab'[row % 2]}/{row}_{frame}.png" for frame in range(3)],
    "a list of one": lambda row: [f"{'ab'[row % 2]}/{row}.wav"],
    "written as a list": lambda row: str([f"{'ab'[row % 2]}/{row}_{frame}.png" for frame in range(3)]),
    "one after another": lambda row: ";".join(f"{'ab'[row % 2]}/{row}_{frame}.mp4" for frame in range(2)),
}


@pytest.mark.parametrize("case", LISTED)
def test_lists_of_names_of_files_are_refused(case: str, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    rows = [{"frames": LISTED[case](row), "label": "ab"[row % 2]} for row in range(20)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(
        DataError, match=r"'frames' holds lists of names of files \([\w ]+\), such as a/0.*\nSeveral files per row"
    ):
        info_data(path, TrainOptions(input="frames"))
    assert info_data(path, TrainOptions(input="frames", input_type="text"))["columns"]["inputs"] == ["frames"]


@pytest.mark.parametrize(
    "cell", ["see notes.txt and more.txt", ["one", "two.png"], [], "a.png b", "(see a.png here)"]
)
def test_words_next_to_file_names_are_no_list_of_files(cell: object) -> None:
    assert names_in(cell) == []  # type: ignore[arg-type]
