"""Folders named train, valid and test are the splits, above or below label folders; files that are left out are
reported."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from unrolled.data.dataset.dataset import DatasetOptions, Examples
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.data.files.look import list_files
from unrolled.data.tables.open import check_no_tables, open_table
from unrolled.data.tables.split_folders import find_splits, find_text_splits, labelled_files, unlabelled_note
from unrolled.data.tables.split_names import split_names
from unrolled.data.tables.text_folders import holds_labelled_texts
from unrolled.errors import DataError, OptionError
from unrolled.options import TrainOptions
from unrolled.tasks.resolve import inspect_path, resolve

WORDS = ("good fine film", "bad dull film")


def fill(folder: Path, *names: str, count: int = 1) -> Path:
    """Writes texts that differ, this many under each of these folders."""
    for name in names:
        for number in range(count):
            path = folder / name / f"{number}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{WORDS['neg' in name]} {name} {number}\n")
    return folder


def fill_pictures(folder: Path, *names: str, count: int = 6) -> Path:
    image = pytest.importorskip("PIL.Image")
    for place, name in enumerate(names):
        shade = zlib.crc32(f"{folder}/{name}".encode()) % 256  # each split has pictures of its own
        for number in range(count):
            path = folder / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.new("RGB", (8, 8), (40 * number, 30 * place, shade)).save(path)
    return folder


def counted(examples: Examples) -> dict[str, int]:
    return {part: examples.count(part) for part in examples.splits}


def split_of(examples: Examples, folder: str) -> set[str]:
    """The splits that the rows under a folder belong to."""
    return {
        part
        for part, rows in examples.splits.items()
        for row in rows.tolist()
        if f"/{folder}/" in examples.place(row)
    }


def names_of(examples: Examples) -> tuple[str, ...]:
    return tuple(getattr(examples.targets["label"].output, "names"))  # noqa: B009 (of labels alone)


@pytest.mark.parametrize("write", [fill, fill_pictures])
@pytest.mark.parametrize("valid", ["valid", "val", "Validation", "DEV"])
def test_folders_above_label_folders_are_the_splits(write: Callable[..., Path], valid: str, tmp_path: Path) -> None:
    for name, count in (("train", 6), (valid, 2), ("Test", 3)):
        write(tmp_path, f"{name}/pos", f"{name}/neg", count=count)
    examples = read_examples(tmp_path, DatasetOptions())
    assert counted(examples) == {"training": 12, "validation": 4, "test": 6}
    assert split_of(examples, "train") == {"training"}
    assert split_of(examples, valid) == {"validation"}
    assert split_of(examples, "Test") == {"test"}
    assert names_of(examples) == ("neg", "pos")
    assert f"the splits are the folders train, {valid}, Test (override: --valid --test)" in examples.description
    assert len(set(examples.fingerprints.values())) == 3


@pytest.mark.parametrize(("there", "cut"), [("test", "validation"), ("valid", "test")])
def test_a_missing_split_is_taken_from_train(there: str, cut: str, tmp_path: Path) -> None:
    fill(tmp_path, "train/pos", "train/neg", f"{there}/pos", f"{there}/neg", count=10)
    examples = read_examples(tmp_path, DatasetOptions())
    other = "validation" if there == "valid" else "test"
    assert counted(examples) == {"training": 18, cut: 2, other: 20}
    assert split_of(examples, there) == {other}
    said = f"the splits are the folders train, {there}; the {cut} split without a folder is cut from train"
    assert said in examples.description


def test_train_alone_is_split_and_its_labels_are_below_it(tmp_path: Path) -> None:
    examples = read_examples(fill(tmp_path, "train/pos", "train/neg", count=10), DatasetOptions())
    assert counted(examples) == {"training": 16, "validation": 2, "test": 2}
    assert names_of(examples) == ("neg", "pos")


def test_splits_below_the_label_folders_are_splits_too(tmp_path: Path) -> None:
    fill(tmp_path, "pos/train", "neg/train", count=9)
    fill(tmp_path, "pos/val", "neg/val", "pos/test", "neg/test", count=3)
    examples = read_examples(tmp_path, DatasetOptions())
    assert counted(examples) == {"training": 18, "validation": 6, "test": 6}
    assert names_of(examples) == ("neg", "pos")
    assert split_of(examples, "val") == {"validation"}
    assert examples.split_method == f"the rows of the folders test in {tmp_path}"
    before = list(examples.fingerprints.values())
    assert len(before) == 3
    (tmp_path / "pos/train/0.txt").write_text("another")
    after = list(read_examples(tmp_path, DatasetOptions()).fingerprints.values())
    assert (before[0] != after[0], before[1:] == after[1:]) == (True, True)


def test_aclimdb_has_two_labels_and_its_unlabelled_texts_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path, "train/pos", "train/neg", "train/unsup", "test/pos", "test/neg", count=10)
    (tmp_path / "README").write_text("about")
    (tmp_path / "train" / "urls_pos.txt").write_text("http://example.org")
    examples = read_examples(tmp_path, DatasetOptions())
    assert names_of(examples) == ("neg", "pos")
    assert counted(examples) == {"training": 18, "validation": 2, "test": 20}
    assert "10 files in unsup have no label and are left out" in examples.description
    assert "as one text: --task language-modeling" in examples.description


def test_given_splits_win_and_folds_are_refused(tmp_path: Path) -> None:
    folder = fill(tmp_path / "d", "train/pos", "train/neg", "test/pos", "test/neg", count=10)
    other = fill(tmp_path / "other", "pos", "neg", count=4)
    assert counted(read_examples(folder, DatasetOptions(test=str(other)))) == {
        "training": 18,
        "validation": 2,
        "test": 8,
    }
    assert counted(read_examples(folder, DatasetOptions(test="none"))) == {"training": 18, "validation": 2, "test": 0}
    assert counted(read_examples(folder, DatasetOptions(test=0.2))) == {"training": 14, "validation": 2, "test": 4}
    assert counted(read_examples(folder, DatasetOptions(valid=str(folder / "test"), test="none")))["validation"] == 20
    with pytest.raises(
        OptionError, match=r"--folds splits all rows again, but .*train has splits already: the splits are"
    ):
        read_examples(folder, DatasetOptions(fold=(1, 3)))


def test_evaluation_reads_the_test_split_only(tmp_path: Path) -> None:
    folder = fill(tmp_path, "train/pos", "train/neg", "test/pos", "test/neg", count=10)
    options: dict[str, Any] = {"valid": "none", "test": "none"}
    examples = read_examples(folder, DatasetOptions(**options), measured=True)
    assert counted(examples) == {"training": 20, "validation": 0, "test": 0}
    assert split_of(examples, "test") == {"training"}
    assert examples.split_note == " (its test split)"


def test_labels_called_train_and_test_stay_labels(tmp_path: Path) -> None:
    fill(tmp_path / "vehicles", "train", "car", "bus", count=5)
    assert find_splits(tmp_path / "vehicles") is None
    assert names_of(read_examples(tmp_path / "vehicles", DatasetOptions())) == ("bus", "car", "train")
    fill(tmp_path / "deep", "train/fast", "car/old", "bus/red", count=5)
    assert find_splits(tmp_path / "deep") is None


@pytest.mark.parametrize("name", ["fold1", "split_2", "speaker 03", "Batch-1"])
def test_folders_numbered_like_folds_that_hold_the_same_folders_are_refused(name: str, tmp_path: Path) -> None:
    stem = name.rstrip("0123456789")
    names = [f"{stem}{number}/{label}" for number in (1, 2, 3) for label in ("cat", "dog")]
    folder = fill_pictures(tmp_path / "folds", *names)
    with pytest.raises(
        DataError, match=r"hold the same folders cat, dog; which of these are the labels is not"
    ) as told:
        read_examples(folder, DatasetOptions())
    assert "If it is cat, dog: --output folder1 --group label\n" in str(told.value)
    examples = read_examples(folder, DatasetOptions(output="folder1", group="label"))
    assert getattr(examples.targets["folder1"].output, "names") == ("cat", "dog")  # noqa: B009
    assert len(names_of(read_examples(folder, DatasetOptions(output="label")))) == 3
    fill_pictures(folder, f"{stem}1/bird")
    assert len(names_of(read_examples(folder, DatasetOptions()))) == 3, "folders inside differ"


@pytest.mark.parametrize(("name", "split", "option"), [("val", "validation", "valid"), ("test", "test", "test")])
def test_a_split_without_any_label_of_the_training_split_is_refused(
    name: str, split: str, option: str, tmp_path: Path
) -> None:
    """As in Tiny ImageNet, whose images for validation are all in a folder `images`."""
    folder = fill_pictures(tmp_path / "pets", "train/cat", "train/dog", f"{name}/images", count=20)
    with pytest.raises(DataError, match=rf"in the {split} split are images, and .*\n.*: --{option} 0\.1"):
        resolve(folder, TrainOptions(steps=1))
    fill_pictures(folder, f"{name}/cat", count=1)
    assert "1 rows have" not in resolve(folder, TrainOptions(steps=1)).description


def test_a_flat_folder_of_test_files_has_no_labels_and_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "train/pos", "train/neg", "test", "notes", count=10)
    examples = read_examples(tmp_path, DatasetOptions())
    assert counted(examples) == {"training": 16, "validation": 2, "test": 2}
    said = "left out because they are no split or have no label folders: notes (10 files), test (10 files)"
    assert said in examples.description


BAD: dict[str, tuple[tuple[str, ...], str]] = {
    "two names of one split": (
        ("train/a", "train/b", "val/a", "dev/a"),
        r"holds dev and val, which both name the validation split\.\nPut their files into one folder",
    ),
    "no train": (
        ("valid/a", "valid/b", "test/a"),
        r"holds the splits test and valid, but no folder train\.\nAdd",
    ),
    "a folder that could be a split": (
        ("train/a", "train/b", "holdout/a", "holdout/b"),
        r"under train and under holdout, which is not the name of a split\.\nGive .*train alone",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_ambiguous_split_folders_are_refused(case: str, tmp_path: Path) -> None:
    names, words = BAD[case]
    with pytest.raises(DataError, match=words) as raised:
        find_splits(fill(tmp_path, *names))
    assert str(raised.value).count("\n") < 3


def test_the_splits_of_a_text_are_folders_of_files(tmp_path: Path) -> None:
    fill(tmp_path / "a", "train", "valid", "test", count=3)
    assert {split: path.name for split, path in find_text_splits(tmp_path / "a").items()} == {
        "training": "train", "validation": "valid", "test": "test",
    }  # fmt: skip
    assert find_text_splits(fill(tmp_path / "b", "train", "notes")) == {}
    assert set(find_text_splits(fill(tmp_path / "c", "train/pos", "test/pos"))) == {"training", "test"}
    assert find_text_splits(fill(tmp_path / "e", "train", "test", "model")) == {}
    assert find_text_splits(fill(tmp_path / "d", "train")) == {}


def test_a_folder_of_which_most_files_are_of_another_kind_is_refused(tmp_path: Path) -> None:
    fill_pictures(tmp_path, "a", "b", count=3)
    for number in range(9):
        (tmp_path / "a" / f"{number}.ply").write_bytes(b"\0scan")
    with pytest.raises(DataError, match=r"holds 6 images and 9 files that cannot be read as such \(9 \.ply\)\.\n"):
        open_table(tmp_path)
    for number in range(4):
        (tmp_path / "a" / f"{number}.ply").unlink()
    assert len(open_table(tmp_path).skipped) == 5


@pytest.mark.parametrize(("ending", "kind"), [(".ply", "points and shapes"), (".docx", "documents")])
def test_folders_of_files_that_nothing_reads_are_named_as_such(ending: str, kind: str, tmp_path: Path) -> None:
    for number in range(6):
        path = tmp_path / "ab"[number % 2] / f"{number}{ending}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\0film")
    with pytest.raises(DataError, match=rf"holds 6 files \(6 \{ending}\)\.\nThere is no reader for {kind}; only"):
        open_table(tmp_path)


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    elsewhere = fill(tmp_path / "elsewhere", "x", count=2)
    folder = fill(tmp_path / "d", "pos", count=1)
    (folder / "neg").symlink_to(elsewhere / "x")
    (folder / "pos" / "round").symlink_to(folder)
    (folder / "again").symlink_to(folder / "pos")
    (folder / "nowhere").symlink_to(tmp_path / "absent")
    assert [path.relative_to(folder).as_posix() for path in list_files(folder)] == [
        "neg/0.txt", "neg/1.txt", "pos/0.txt",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["train.csv"], "unroll train F/train.csv$"),
        (["Train.jsonl", "dev.jsonl", "notes.txt"], "unroll train F/Train.jsonl --valid F/dev.jsonl$"),
        (["train.parquet", "test.parquet", "valid.csv"], "unroll train F/train.parquet --test F/test.parquet$"),
        (["train_images.npy", "train_labels.npy"], "unroll train F/train_images.npy$"),
        (["train.txt", "test.txt"], None),
        (["a.csv", "test.csv", "training notes.csv", "y_train.npy"], "holds 4 tables, such as a.csv."),
        (["readme.md", "reviews.csv"], "Give one of them: unroll train F/reviews.csv. As text,"),
        (["a.csv", "b.txt", "c.json", "d.txt"], None),
        (["walk/1.csv", "walk/2.csv", "run/1.csv", "notes.txt"], "unroll train all.csv --sequence number --output "),
        (["walk/1.npy", "run/1.npy"], "holds 2 tables, such as run/1.npy. A whole table as one row is not supported"),
        (["walk/1.txt", "walk/labels.csv", "run/1.txt"], None),
        (["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"], None),
    ],
)
def test_tables_in_a_folder_are_refused_with_what_to_type(tmp_path: Path, names: list[str], said: str | None) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text,label\na,b\n")
    if said is None:
        return check_no_tables(tmp_path, list_files(tmp_path))
    with pytest.raises(DataError) as refused:
        check_no_tables(tmp_path, list_files(tmp_path))
    assert re.search(said, str(refused.value).replace(str(tmp_path), "F"), re.MULTILINE), refused.value
    assert "--task language-modeling" in str(refused.value)
    return None


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        ("training_set test_set", "training test"),
        ("train_images val_images test_images", "training validation test"),
        ("trainImages testImages", "training test"),
        ("train2017 val2017", "training validation"),
        ("TrainingData devset Test1", "training validation test"),
        ("seg_train seg_test seg_pred", "training test"),
        ("Train", "training"),
        ("bullet_train crash_test", ""),
        ("trainers testify valley devil", ""),
        ("train_test_split", ""),
    ],
)
def test_splits_are_known_by_the_names_of_folders(names: str, splits: str) -> None:
    assert list(split_names(names.split()).values()) == splits.split()


@pytest.mark.parametrize("write", [fill, fill_pictures])
@pytest.mark.parametrize("inner", ["", "training_set/"])
def test_training_set_and_test_set_are_splits_whatever_they_are_wrapped_in(
    write: Callable[..., Path], inner: str, tmp_path: Path
) -> None:
    other = inner.replace("training", "test")
    write(tmp_path, f"training_set/{inner}cat", f"training_set/{inner}dog", count=10)
    write(tmp_path, f"test_set/{other}cat", f"test_set/{other}dog", count=3)
    examples = read_examples(tmp_path, DatasetOptions())
    assert names_of(examples) == ("cat", "dog")
    assert (split_of(examples, "test_set"), counted(examples)["test"]) == ({"test"}, 6)


@pytest.mark.parametrize("names", [("train", "test"), ("train_images", "test_images"), ("train", "test", "extra")])
def test_splits_without_label_folders_are_no_labels(names: tuple[str, ...], tmp_path: Path) -> None:
    fill_pictures(tmp_path, *names)
    with pytest.raises(
        DataError,
        match=rf"{names[1]} and {names[0]} are named like splits.*\n.*train/cat/1\.png, .*\n.*--task classification",
    ) as raised:
        read_examples(tmp_path, DatasetOptions())
    assert str(raised.value).count("\n") < 3
    assert names_of(read_examples(tmp_path, DatasetOptions(task="classification"))) == tuple(sorted(names))


def test_folders_of_texts_are_labels(tmp_path: Path) -> None:
    def learnt(name: str, *folders: str, beside: str = "", count: int = 6) -> tuple[str, str]:
        folder = fill(tmp_path / name, *folders, count=count)
        if beside:
            (folder / beside).write_text("a line or two\n")
        task = resolve(folder, TrainOptions())
        return task.kind, task.description

    kind, said = learnt("news", "alt.atheism", "sci.space", beside="README.txt")
    assert kind != "language-modeling"
    assert "its folders are labels; for all of it as one text: --task language-modeling" in said
    assert inspect_path(tmp_path / "news", TrainOptions(task="language-modeling")).text
    assert learnt("one", "a", count=90)[0] == "language-modeling"
    assert learnt("books", *(f"author{number}" for number in range(12)), count=1)[0] == "language-modeling"
    assert learnt("deep", "src/a", "src/b", "docs")[0] == "language-modeling"
    assert learnt("project", "a", "b", beside="main.py")[0] == "language-modeling"
    assert learnt("splits", "train", "test", count=20)[0] == "language-modeling"
    kind, said = learnt("both", "train", "test", "model")
    assert kind == "language-modeling"
    assert "test and train are part of the text; to use them as splits: --valid --test" in said


def test_texts_as_long_as_books_are_documents(tmp_path: Path) -> None:
    fill(tmp_path, "AA", "AB", count=2)
    assert holds_labelled_texts(tmp_path)
    (tmp_path / "AA" / "0.txt").write_text("a long text " * 30_000)
    assert not holds_labelled_texts(tmp_path)


def test_splits_of_texts_below_which_labels_stand_are_splits_of_a_text_too(tmp_path: Path) -> None:
    fill(tmp_path, "train/pos", "train/neg", "test/pos", "test/neg", count=10)
    task = resolve(tmp_path, TrainOptions(task="language-modeling"))
    assert task.kind == "language-modeling"
    assert {Path(path).name for path in task.fingerprints} == {"train", "test"}
    assert "the splits are the folders train, test (override: --valid --test)" in task.description


def test_a_split_that_is_not_read_is_reported(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{split}/{label}" for split in ("train", "val", "test") for label in ("pos", "neg")), count=10)
    said = read_examples(tmp_path, DatasetOptions(test=0.2)).description
    assert f"{tmp_path / 'test'} is not read, because --test is given" in said
    assert "--valid is given" not in said
    assert "is not read" not in read_examples(tmp_path, DatasetOptions()).description
    text = resolve(tmp_path, TrainOptions(task="language-modeling", test="none"))
    assert "test is not read, because --test is given" in text.description


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({}, True),
        ({"task": "classification"}, True),
        ({"task": "language-modeling"}, False),
        ({"task": "classification", "input_type": "text"}, False),
    ],
)
def test_tables_for_each_label_are_characters_only_on_request(
    options: dict[str, Any], refused: bool, tmp_path: Path
) -> None:
    for name in ("walk", "run"):
        (tmp_path / name).mkdir()
        for number in range(3):
            (tmp_path / name / f"{number}.csv").write_text("t,x\n" + f"1,{number}\n" * 9)
    with pytest.raises(DataError, match="A whole table as one row is not supported") if refused else nullcontext():
        inspect_path(tmp_path, TrainOptions(**options))


def test_files_that_systems_leave_in_folders_are_ignored(tmp_path: Path) -> None:
    fill(tmp_path, "pos", "neg", "__MACOSX/pos", "pos/@eaDir", ".git", "pos/.ipynb_checkpoints", count=2)
    for name in ("Thumbs.db", "pos/Thumbs.db", "neg/desktop.ini", ".DS_Store", "neg/.DS_Store"):
        (tmp_path / name).write_text("left here")
    found = sorted({path.parent.relative_to(tmp_path).as_posix() for path in list_files(tmp_path)})
    assert (found, len(list_files(tmp_path))) == (["neg", "pos"], 4)


@pytest.mark.parametrize(
    ("names", "labels", "said"),
    [
        (
            "yes no _background_noise_",
            "no yes",
            "2 files in _background_noise_ have no label and are left out; a folder",
        ),
        ("yes no __pycache__", "no yes", "rename it if it is one"),
        ("yes no _silence", "_silence no yes", "_silence is a label like the others"),
        ("yes no silence_", "no silence_ yes", ""),
        ("_a_ _b_", "_a_ _b_", "_a_, _b_ are labels like the others"),
    ],
)
def test_folders_set_apart_by_their_names_are_reported(names: str, labels: str, said: str, tmp_path: Path) -> None:
    fill(tmp_path, *names.split(), count=2)
    found = labelled_files(tmp_path, list_files(tmp_path))
    assert sorted(found.labels) == labels.split()
    assert said in unlabelled_note(found) and bool(said) == bool(unlabelled_note(found))


def test_a_file_next_to_the_label_folders_is_reported_as_left_out(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        for number in range(5):
            (tmp_path / label / f"{number}.md").write_text(f"note {number} about {label}")
    assert "left out" not in open_table(tmp_path).note
    (tmp_path / "README.md").write_text("about these notes")
    assert "README.md, next to the label folders, left out" in open_table(tmp_path).note
