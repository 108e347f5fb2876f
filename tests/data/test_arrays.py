"""Tables of arrays: npz, npy and idx are read row by row and never unpickled, and faults are named."""

from __future__ import annotations

import gzip
import io
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
import pytest

from unrolled.data.dataset.dataset import DatasetOptions
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.data.tables.base import TableFile
from unrolled.data.tables.npy import label_file_names
from unrolled.data.tables.npy_header import ArrayHeader
from unrolled.data.tables.npz import splits_of_arrays
from unrolled.data.tables.open import is_table, open_table
from unrolled.errors import DataError
from unrolled.options import TrainOptions
from unrolled.tasks.resolve import inspect_path

GREY = np.arange(24, dtype=np.uint8).reshape(4, 2, 3)
WIDE = np.arange(12, dtype=np.float64).reshape(4, 3) / 4
KINDS = np.array(["cat", "dog", "", "cat"])


def table_of(path: Path) -> list[tuple[Any, ...]]:
    table = open_table(path)
    return [row.cells for row in table.rows(table.columns)]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_the_arrays_of_an_npz_are_columns(save: Callable[..., None], tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    flags = np.array([True, False, True, True])
    save(path, x=GREY, wide=WIDE, flags=flags, y=[3, 1, 2, 3], share=WIDE[:, 1], kind=KINDS)
    assert is_table(path)
    table = open_table(path)
    assert table.columns == ("x", "wide", "flags", "y", "share", "kind")
    rows = list(table.rows(table.columns))
    assert [row.number for row in rows] == [1, 2, 3, 4]
    grey, wide, *plain = rows[1].cells
    assert isinstance(grey, np.ndarray)
    assert isinstance(wide, np.ndarray)
    assert grey.dtype == np.uint8
    assert wide.dtype == np.float64
    np.testing.assert_array_equal(grey, GREY[1])
    np.testing.assert_array_equal(wide, WIDE[1])
    assert plain == [False, 1, 1.0, "dog"]
    assert [type(cell) for cell in plain] == [bool, int, float, str]
    assert rows[2].cells[-1] is None  # an empty text is missing
    assert [row.cells for row in table.rows(["y", "y"])] == [(3, 3), (1, 1), (2, 2), (3, 3)]


def test_text_called_classes_names_numbered_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=GREY, y=np.array([1, 0, 1, 1], np.uint8), classes=["cat", "dog"])
    table = open_table(tmp_path / "a.npz")
    assert table.columns == ("x", "y")
    assert [row.cells for row in table.rows(["y"])] == [("dog",), ("cat",), ("dog",), ("dog",)]
    np.savez(tmp_path / "a.npz", x=GREY, y=[1, 0, 2, 1], classes=["cat", "dog"])
    with pytest.raises(DataError, match=r"a\.npz, row 3: 'y' is 2, but 'classes' has names for 2 labels, from 0"):
        table_of(tmp_path / "a.npz")


def saved(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(array))
    return file.getvalue()


def promising(shape: tuple[int, ...], values: bytes = b"") -> bytes:
    """An npy whose header declares a shape of uint8."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + pack("<H", len(text)) + text + values


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def bomb() -> bytes:
    """A small zip whose directory declares 9 GB."""
    content = zipped(x=npy(GREY))
    place = content.rfind(b"PK\x01\x02") + 24
    return content[:place] + pack("<I", 0xF0000000) + content[place + 4 :]


def flipped(content: bytes) -> bytes:
    place = content.find(b"x.npy") + 200
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


NPZ: dict[str, tuple[bytes, str]] = {
    "another length": (saved(x=GREY, y=[1, 2]), r"a\.npz: 'x' has 4 rows, but 'y' has 2; every array needs one row"),
    "classes of numbers": (saved(x=GREY, y=[1, 0, 1, 1], classes=[7, 8]), r"'x' has 4 rows, but 'classes' has 2"),
    "objects": (
        saved(x=np.array([{}, []], object), y=[1, 2]),
        r"a\.npz: 'x' is an array of Python objects, which cannot be loaded without running.*\n.*x\.astype\(str\)",
    ),
    "dates": (saved(x=np.zeros(3, "M8[D]")), r"'x' is an array of datetime64\[D\]; numbers or text were expected"),
    "a record": (saved(x=np.zeros(3, [("a", int)])), r"'x' is an array of .*; numbers or text were expected"),
    "a single value": (saved(x=5), r"'x' is a single value; an array with a row for each example"),
    "text of two axes": (saved(x=[["a", "b"]]), r"'x' is an array of text of 2 axes"),
    "no arrays": (zipped(), r"a\.npz holds no arrays\. Save some"),
    "no array": (zipped(x=b"text"), r"a\.npz: 'x' cannot be read as a numpy array: .*\. Save it again"),
    "too few values": (
        zipped(x=promising((10,), bytes(9))),
        r"a\.npz is truncated or damaged: 'x' should hold 10 bytes by its header; it holds 9\.",
    ),
    "a header that lies": (
        zipped(x=promising((1 << 60,), bytes(9))),
        r"'x' should hold 1,152,921,504,606,846,976 bytes",
    ),
    "negative axes": (zipped(x=promising((-3, -3), bytes(9))), r"'x' should hold 9 bytes by its header"),
    "a bomb": (
        bomb(),
        r"a\.npz of 0\.0 MB unpacks to 4\.0 GB: [\d,]+ times its size; at most 100 times is accepted\.\n",
    ),
    "more than is read": (bomb(), r"a\.npz unpacks to 4\.0 GB; the limit is 2\.0 GB\.\nSave the largest"),
    "a row of all": (
        zipped(x=promising((1, 70_000_000), bytes(70_000_000))),
        r"a\.npz: a row of 'x' takes 70 MB; at most 67 MB can be read\.\nThe first axis must be",
    ),
    "truncated": (saved(x=GREY)[:-30], r"a\.npz cannot be read as an npz: .*\.\nIt may be truncated"),
    "damaged": (
        flipped(saved(x=np.random.default_rng(0).random((20, 20)))),
        r"a\.npz cannot be read as an npz: ",
    ),
    "text": (b"x,y\n", r"a\.npz cannot be read as an npz: .*zip"),
    "nan": (saved(y=[1, 2], x=[[1.0, 2.0], [1.0, np.nan]]), r"a\.npz, row 2: 'x' holds a number that is not finite"),
    "a single inf": (
        saved(y=[1.0, 2.0, np.inf], x=[1, 2, 3]),
        r"a\.npz, row 3: 'y' holds a number that is not finite",
    ),
}


@pytest.mark.parametrize("case", NPZ)
def test_a_wrong_npz_is_refused(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, words = NPZ[case]
    if case == "more than is read":
        monkeypatch.setattr("unrolled.data.tables.npz.MOST_BYTES", 2_000_000_000)
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=words) as raised:
        table_of(tmp_path / "a.npz")
    assert str(raised.value).count("\n") < 3


def test_arrays_of_train_and_test_in_one_npz_are_splits(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    more = np.arange(100, 160, dtype=np.uint8).reshape(10, 2, 3)
    np.savez(path, x_train=more, y_train=np.arange(10) % 2, x_test=GREY, y_test=[0, 1, 1, 0], classes=["cat", "dog"])
    table = open_table(path)
    assert table.columns == ("x", "y")
    assert [row.cells for row in table.rows(["y"])] == [("cat",), ("dog",)] * 5
    assert len(list(table.rows(["x", "y"]))) == 10
    test = table.splits["test"]
    assert [row.cells[0] for row in test.rows(["y"])] == ["cat", "dog", "dog", "cat"]
    np.testing.assert_array_equal([row.cells[0] for row in test.rows(["x"])], GREY)
    assert test.fingerprint() != table.fingerprint()
    assert "training: x_train, y_train; test: x_test, y_test; override: --valid --test" in table.note
    examples = read_examples(path, DatasetOptions())
    assert {part: examples.count(part) for part in examples.splits} == {"training": 9, "validation": 1, "test": 4}


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train_images", "train_labels", "val_images", "val_labels"), {"training", "validation"}),
        (("X_train", "Y_train", "X_valid", "Y_valid", "X_test", "Y_test"), {"training", "validation", "test"}),
        (("trainX", "trainY", "testX", "testY"), {"training", "test"}),
        (("XTrain", "YTrain", "XTest", "YTest"), {"training", "test"}),
        (("x_train", "y_train", "x_test"), set()),
        (("x_train", "y_train"), set()),
        (("x", "y"), set()),
        (("x_train", "y_train", "x_test", "y_test", "notes"), set()),
    ],
)
def test_splits_are_known_by_the_names_of_arrays(names: tuple[str, ...], splits: set[str]) -> None:
    header = ArrayHeader((4,), np.dtype("u1"), 128)
    assert set(splits_of_arrays(dict.fromkeys(names, header))[0]) == splits


def test_arrays_are_read_a_block_at_a_time_in_either_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of one row, of several, and of all give the same rows, for arrays in C order and in Fortran order."""
    x = np.arange(7 * 2 * 3, dtype=np.float64).reshape(7, 2, 3)
    for order, ordered in (("C", x), ("F", np.asfortranarray(x))):
        np.savez(tmp_path / f"{order}.npz", x=ordered, y=np.arange(7))
        np.save(tmp_path / f"{order}_x.npy", ordered)
        np.save(tmp_path / f"{order}_y.npy", np.arange(7))
    (tmp_path / "images.idx").write_bytes(idx(x, "f8"))
    (tmp_path / "labels.idx").write_bytes(idx(np.arange(7)))
    for block in (1, 100, 1 << 20):
        monkeypatch.setattr("unrolled.data.tables.array_blocks.BLOCK", block)
        for name in ("C.npz", "F.npz", "C_x.npy", "F_x.npy", "images.idx"):
            cells = table_of(tmp_path / name)
            np.testing.assert_array_equal(np.array([cell for cell, _ in cells]), x, err_msg=name)
            assert [label for _, label in cells] == [*range(7)]


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.data.tables.array_blocks.BLOCK", 1 << 14)
    wide = np.zeros((1000, 64))
    np.save(tmp_path / "x.npy", wide)
    np.save(tmp_path / "f_x.npy", np.asfortranarray(wide))
    for name in ("y.npy", "f_y.npy"):
        np.save(tmp_path / name, np.zeros(1000, np.int64))
    (tmp_path / "images.idx").write_bytes(idx(wide, "f8"))
    (tmp_path / "labels.idx").write_bytes(idx(np.zeros(1000)))
    for name in ("x.npy", "f_x.npy", "images.idx"):
        table = open_table(tmp_path / name)
        rows = table.rows(table.columns)
        next(rows)
        with (tmp_path / name).open("r+b") as file:
            file.truncate(100_000)
        with pytest.raises(
            DataError, match=r"is truncated: its header promises 512,000 bytes of numbers, and [\d,]+ are"
        ):
            list(rows)


@pytest.mark.parametrize("packed", [True, False])
def test_only_one_block_is_held_in_memory(packed: bool, tmp_path: Path) -> None:
    count = 400 if packed else 100
    path = tmp_path / "x.npy"
    if packed:
        path = tmp_path / "x.npz"
        np.savez_compressed(path, x=np.zeros((count, 100_000)), y=np.arange(count))
    else:
        np.save(path, np.zeros((count, 100_000)))
        np.save(tmp_path / "y.npy", np.arange(count))
    table = open_table(path)
    tracemalloc.start()
    assert sum(1 for _ in table.rows(table.columns)) == count
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30_000_000  # of 320 MB


@pytest.mark.parametrize(
    ("inputs", "labels"),
    [
        ("x.npy", "y.npy"),
        ("X_train.npy", "y_train.npy"),
        ("X_train.npy", "Y_train.npy"),
        ("train_images.npy", "train_labels.npy"),
        ("Images.npy", "Labels.npy"),
        ("data-1.npy", "targets-1.npy"),
        ("inputs.npy", "y.npy"),
    ],
)
def test_the_labels_of_an_npy_are_in_a_file_next_to_it(inputs: str, labels: str, tmp_path: Path) -> None:
    np.save(tmp_path / inputs, GREY)
    np.save(tmp_path / labels, np.array(["a", "b", "a", "c"]))
    table = open_table(tmp_path / inputs)
    assert table.columns == ("input", "label")
    rows = [row.cells for row in table.rows(table.columns)]
    assert [label for _, label in rows] == ["a", "b", "a", "c"]
    np.testing.assert_array_equal(np.array([cell for cell, _ in rows]), GREY)
    before = table.fingerprint()
    np.save(tmp_path / labels, np.array(["a", "b", "a", "b"]))
    assert open_table(tmp_path / inputs).fingerprint() != before


def test_words_in_array_names_decide_their_meaning() -> None:
    assert label_file_names("X.npy") == ["LABELS.npy", "labels.npy", "TARGETS.npy", "targets.npy", "Y.npy", "y.npy"]
    assert label_file_names("extra.npy") == []
    assert label_file_names("train_images.npy")[0] == "train_labels.npy"


def test_an_npy_of_two_axes_is_columns_by_number(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", WIDE)
    table = open_table(tmp_path / "a.npy")
    assert table.columns == ("1", "2", "3")
    assert [row.cells for row in table.rows(["3", "1"])] == [(row[2], row[0]) for row in WIDE.tolist()]
    assert len(table.fingerprint()) == 64


NPY: dict[str, tuple[dict[str, bytes], str]] = {
    "three axes alone": (
        {"x.npy": npy(GREY)},
        r"x\.npy holds an array of 3 axes, and its folder holds none of labels\.npy, targets\.npy, y\.npy\.",
    ),
    "no word in its name": (
        {"a.npy": npy(GREY)},
        r"3 axes, and no file of labels fits its name.*\nSave it",
    ),
    "other counts": (
        {"x.npy": npy(GREY), "y.npy": npy([1, 2])},
        r"x\.npy has 4 rows, but y\.npy has 2; one label per row",
    ),
    "labels of three axes": (
        {"x.npy": npy(GREY), "y.npy": npy(np.zeros((4, 2, 2)))},
        r"y\.npy holds an array of 3 axes; the labels of x\.npy were expected.*\n.*reshape",
    ),
    "objects": ({"x.npy": npy(np.array([{}], object))}, r"x\.npy: 'x' is an array of Python objects"),
    "objects as labels": (
        {"x.npy": npy(GREY), "y.npy": npy(np.array([{}] * 4, object))},
        r"y\.npy: 'y' is an array of Python objects",
    ),
    "truncated": (
        {"x.npy": npy(WIDE)[:-1]},
        r"x\.npy is truncated or damaged: 'x' should hold 96 bytes .*; it holds 95\.",
    ),
    "no rows": ({"x.npy": npy(WIDE[:0])}, r"x\.npy holds an array of shape \(0, 3\): no rows"),
    "a damaged header": (
        {"x.npy": promising((4, 3), bytes(12)).replace(b")", b"(")},
        r"x\.npy: 'x' cannot be read as a numpy array",
    ),
    "text": ({"x.npy": b"1,2\n"}, r"x\.npy: 'x' cannot be read as a numpy array"),
    "no end": ({"x.npy": npy([[1.0, np.inf]])}, r"x\.npy, row 1: '2' holds a number that is not finite"),
}


@pytest.mark.parametrize("case", NPY)
def test_a_wrong_npy_is_refused(case: str, tmp_path: Path) -> None:
    files, words = NPY[case]
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=words) as raised:
        table_of(tmp_path / next(iter(files)))
    assert str(raised.value).count("\n") < 3


CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(array: Any, code: str = "u1") -> bytes:
    values = np.asarray(array).astype(f">{code}")
    return bytes([0, 0, CODES[code], values.ndim]) + pack(f">{values.ndim}I", *values.shape) + values.tobytes()


IMAGES, LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (IMAGES, LABELS),
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"),
        ("images.idx", "labels.idx"),
    ],
)
@pytest.mark.parametrize("code", CODES)
def test_idx_is_read_in_all_its_types_packed_or_not(images: str, labels: str, code: str, tmp_path: Path) -> None:
    for name, content in ((images, idx(GREY, code)), (labels, idx([3, 1, 2, 3]))):
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert is_table(tmp_path / images)
    table = open_table(tmp_path / images)
    assert table.columns == ("image", "label")
    rows = [row.cells for row in table.rows(table.columns)]
    assert [label for _, label in rows] == [3, 1, 2, 3]
    for (picture, _), expected in zip(rows, GREY, strict=True):
        assert isinstance(picture, np.ndarray)
        wide = np.float64 if code in ("i4", "f8") else np.float32  # which cannot hold all of these
        assert picture.dtype == (np.uint8 if code == "u1" else wide)
        np.testing.assert_array_equal(picture, expected)
    assert [row.cells for row in table.rows(["label"])] == [(3,), (1,), (2,), (3,)]
    before = table.fingerprint()
    content = idx([3, 1, 2, 2])
    (tmp_path / labels).write_bytes(gzip.compress(content) if labels.endswith(".gz") else content)
    assert open_table(tmp_path / images).fingerprint() != before


def test_a_folder_of_idx_files_is_a_table_with_its_test_split(tmp_path: Path) -> None:
    for name, count in (("train", 20), ("t10k", 4)):
        pictures = np.random.default_rng(count).integers(0, 256, (count, 5, 6), np.uint8)
        (tmp_path / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pictures)))
        (tmp_path / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.arange(count) % 2)))
    (tmp_path / "README.txt").write_text("about")
    assert not inspect_path(tmp_path, TrainOptions()).text
    examples = read_examples(tmp_path, DatasetOptions())
    assert {part: examples.count(part) for part in examples.splits} == {"training": 18, "validation": 2, "test": 4}
    assert "the splits are the files train-images-idx3-ubyte.gz, t10k-images-idx3-ubyte.gz" in examples.description
    (tmp_path / "test-images.idx").write_bytes(idx(GREY))
    (tmp_path / "test-labels.idx").write_bytes(idx([1, 0, 1, 0]))
    with pytest.raises(DataError, match=r"holds t10k-images-idx3-ubyte\.gz and test-images\.idx; both are the test"):
        open_table(tmp_path)


def test_lists_of_numbers_in_idx_are_inputs(tmp_path: Path) -> None:
    (tmp_path / "images.idx").write_bytes(idx(WIDE, "f8"))
    (tmp_path / "labels.idx").write_bytes(idx([3, 1, 2, 3]))
    assert open_table(tmp_path / "images.idx").columns == ("input", "label")


def test_not_every_gz_is_a_table(tmp_path: Path) -> None:
    assert is_table("MNIST-IMAGES-IDX3-UBYTE.GZ")
    for name in ("poems.txt.gz", "a.gz", "idxes.txt", "midx3.txt", "a.idx3.csv.gz", "idx3-notes.txt"):
        assert not is_table(name), name
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"a"))
    with pytest.raises(DataError, match=r"a\.gz is not a table by its name\. Tables end in .*\.npz, \.npy, \.idx"):
        open_table(tmp_path / "a.gz")


GOOD = {LABELS: gzip.compress(idx([3, 1, 2, 3]))}
RANDOM = np.random.default_rng(0).integers(0, 256, (4, 30, 30), np.uint8)
IDX: dict[str, tuple[dict[str, bytes], str]] = {
    "too few": (
        {IMAGES: gzip.compress(idx(GREY)[:-5])} | GOOD,
        r"is truncated: its header promises 24 bytes of numbers, and 19 are there\.\nCopy it again",
    ),
    "too few, unpacked": (
        {"images.idx": idx(GREY)[:-5], "labels.idx": idx([1, 2, 3, 4])},
        r"images\.idx is truncated: its header promises 24 bytes of numbers, and 19 are there",
    ),
    "too many": (
        {IMAGES: gzip.compress(idx(GREY) + bytes(10))} | GOOD,
        r"is damaged: its header promises 24 bytes of numbers, and it holds more",
    ),
    "a gz cut off": (
        {IMAGES: gzip.compress(idx(RANDOM))[:-900]} | GOOD,
        r"could not be unpacked: .*\.\nIt is truncated",
    ),
    "a gz of which a byte is wrong": (
        {IMAGES: gzip.compress(idx(GREY))[:-8] + bytes(8)} | GOOD,
        r"could not be unpacked: CRC check failed",
    ),
    "no gz": ({IMAGES: idx(GREY)} | GOOD, r"could not be unpacked: Not a gzipped file"),
    "wrong magic": (
        {IMAGES: gzip.compress(b"PNG\0" + bytes(20))} | GOOD,
        r"is not an idx file: its first bytes are 50 4e 47 00; 00 00, a type from 08 to 0e .* were expected",
    ),
    "a type that is none": (
        {IMAGES: gzip.compress(b"\0\0\x0a\x03" + bytes(20))} | GOOD,
        r"its first bytes are 00 00 0a",
    ),
    "nothing": ({"images.idx": b""}, r"images\.idx is not an idx file: its first bytes are missing"),
    "half a header": ({IMAGES: gzip.compress(idx(GREY)[:10])} | GOOD, r"is truncated: it ends within its header"),
    "no rows": ({IMAGES: gzip.compress(idx(GREY[:0]))} | GOOD, r"holds no numbers: its shape is \(0, 2, 3\)"),
    "a header that lies": (
        {IMAGES: gzip.compress(b"\0\0\x08\x03" + b"\xff" * 12)} | GOOD,
        r"holds [\d,.]+ GB of numbers by its header; the limit is 8\.6 GB\.\nIf its header is not damaged",
    ),
    "labels alone": ({LABELS: gzip.compress(idx([1, 2]))}, r"has one axis, as a file of labels has"),
    "no labels": (
        {IMAGES: gzip.compress(idx(GREY))},
        r"has no file of labels in the same folder; expected: t10k-labels-idx1-ubyte\.gz or .*\. Put it there",
    ),
    "no name for labels": ({"a.idx": idx(GREY)}, r"has no file of labels .*: the same name with 'labels' in place"),
    "other counts": (
        {IMAGES: gzip.compress(idx(GREY)), LABELS: gzip.compress(idx([1, 2]))},
        r"holds 4 rows, but t10k-labels-idx1-ubyte\.gz has the shape \(2,\); one label per row",
    ),
    "not finite": (
        {"images.idx": idx([[1, np.inf]], "f4"), "labels.idx": idx([1])},
        r"images\.idx, row 1: 'input' holds a number that is not finite",
    ),
}


@pytest.mark.parametrize("case", IDX)
def test_a_wrong_idx_file_is_refused(case: str, tmp_path: Path) -> None:
    files, words = IDX[case]
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=words) as raised:
        table_of(tmp_path / next(iter(files)))
    assert str(raised.value).count("\n") < 3
    assert str(tmp_path) in str(raised.value)


def test_no_more_of_a_gz_is_unpacked_than_its_header_promises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / IMAGES).write_bytes(gzip.compress(idx(GREY) + bytes(50_000_000)))
    (tmp_path / LABELS).write_bytes(GOOD[LABELS])
    options = []
    real = gzip.GzipFile.read

    def read(self: gzip.GzipFile, size: int | None = -1) -> bytes:
        options.append(size)
        return real(self, size)

    monkeypatch.setattr(gzip.GzipFile, "read", read)
    with pytest.raises(DataError, match="it holds more"):
        table_of(tmp_path / IMAGES)
    assert sum(size if size is not None and size >= 0 else 10**9 for size in options) < 200


def test_mnist_and_cifar_are_read(real_data: Path) -> None:
    counts: dict[Any, int] = {}
    table: TableFile = open_table(real_data / "mnist" / "train-images-idx3-ubyte.gz")
    for row in table.rows(("image", "label")):
        assert isinstance(row.cells[0], np.ndarray)
        assert row.cells[0].shape == (28, 28)
        label: Any = row.cells[1]
        counts[label] = counts.get(label, 0) + 1
    assert [counts[label] for label in range(10)] == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    labels: list[Any] = [row.cells[0] for row in open_table(real_data / "cifar" / "train.npz").rows(("y",))]
    assert (labels.count("airplane"), labels.count("truck"), len(labels)) == (508, 492, 5000)


def test_half_a_character_in_an_array_is_named_with_its_row(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((4, 2)), y=np.array(["a", "b", "\ud800b", "a"]))
    with pytest.raises(DataError, match=r"row 3: 'y' holds half a character"):
        list(open_table(tmp_path / "a.npz").rows(["x", "y"]))


def test_a_damaged_archive_has_a_short_message(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    name = "x" * 5_000
    np.savez(path, **{name: np.zeros((4, 2)), "y": np.arange(4)})  # type: ignore[arg-type]
    path.write_bytes(path.read_bytes().replace(name.encode(), b"z" + name[1:].encode(), 1))
    with pytest.raises(DataError, match="cannot be read as an npz: File name in directory") as fault:
        open_table(path)
    assert len(str(fault.value)) < 400 + len(str(path))


def test_a_target_with_more_numbers_than_steps_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.data.dataset.read_rows.MOST_TAGS", 8)
    path = tmp_path / "a.npz"
    generator = np.random.default_rng(0)
    np.savez(path, x=generator.normal(size=(30, 9)), y=generator.integers(0, 2, (30, 9)))
    with pytest.raises(DataError, match="row 1: 'y' holds 9 numbers; a target may have at most 8"):
        read_examples(path, DatasetOptions())


def test_several_arrays_that_could_be_the_input_are_refused(tmp_path: Path) -> None:
    x, y = np.arange(40 * 6, dtype=np.float32).reshape(40, 6), np.arange(40) % 2
    whole: dict[str, Any] = {"x_train": x, "y_train": y, "x_test": x[:10] + 0.5, "y_test": y[:10]}
    np.savez(tmp_path / "good.npz", **whole)
    good = read_examples(tmp_path / "good.npz", DatasetOptions())
    assert good.split_method == f"the rows of x_test, y_test in {tmp_path / 'good.npz'}"
    given = read_examples(tmp_path / "good.npz", DatasetOptions(test=0.2))
    assert f"x_test, y_test in {tmp_path / 'good.npz'} is not read, because --test is given" in given.description
    np.savez(tmp_path / "twice.npz", **whole, test_x=x[:10])
    with pytest.raises(DataError, match=r"by their names, 'x_test' and 'test_x' are both 'x' of the test split\.\n"):
        open_table(tmp_path / "twice.npz")
    np.savez(tmp_path / "two.npz", **whole, train_images=x, test_images=x[:10])
    with pytest.raises(DataError, match=r"'x_train' and 'train_images' could each be the input.*--input x"):
        read_examples(tmp_path / "two.npz", DatasetOptions())
    assert read_examples(tmp_path / "two.npz", DatasetOptions(input="x", output="y")).columns.inputs == ("x",)
