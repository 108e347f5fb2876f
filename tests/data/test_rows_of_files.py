"""Images with several captions: the rows of one image stay in one split, and shares count images."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unrolled.data.dataset.dataset import DatasetOptions, DatasetSchema, Examples
from unrolled.data.dataset.read_dataset import read_examples
from unrolled.errors import DataError
from unrolled.options import TableSettings
from unrolled.tasks.dataset import read_task_examples

COUNTS = [1, 9, 2, 5, 5, 5, 5, 3, 7, 1, 9, 9, 1, 1, 5, 5, 5, 2, 2, 8]  # captions of each of 20 images


def table(path: Path, start: int = 0, counts: list[int] = COUNTS, mixed: bool = True) -> Path:
    """A table of images with captions; mixed: captions of one image are not next to each other."""
    (path.parent / "photos").mkdir(exist_ok=True)
    rows = []
    for image, count in enumerate(counts, start):
        Image.new("RGB", (8, 8), (image, 99, 7)).save(path.parent / "photos" / f"{image}.png")
        rows += [(f"photos/{image}.png", f"caption {n} of image {image} that is long") for n in range(count)]
    if mixed:
        rows = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("image", "caption"), *rows])
    return path


def images(examples: Examples, split: str) -> set[str]:
    """The images of a split, by their captions."""
    texts = examples.text_targets
    assert texts is not None
    return {texts.texts[row].split()[4] for row in examples.splits[split].tolist()}


def test_rows_of_an_image_stay_in_one_split_and_shares_count_images(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv")
    examples = read_examples(path, DatasetOptions(valid=0.2, test=0.1))
    parts = {split: images(examples, split) for split in ("training", "validation", "test")}
    assert {split: len(one) for split, one in parts.items()} == {"training": 14, "validation": 4, "test": 2}
    assert not parts["training"] & parts["validation"]
    assert not parts["test"] & (parts["training"] | parts["validation"])
    assert sum(map(len, examples.splits.values())) == sum(COUNTS)
    assert examples.split_method == "drawn at random in whole groups of 'image'"
    said = "20 images with several rows each: those of one are kept in one split, and shares count images"
    assert said in examples.description
    known = DatasetSchema(examples.columns, examples.featurizer, {n: t.output for n, t in examples.targets.items()})
    again = read_examples(path, DatasetOptions(valid=0.2, test=0.1), known)
    assert all(np.array_equal(again.splits[split], examples.splits[split]) for split in parts)


def test_a_run_that_was_split_row_by_row_is_read_again_as_it_was(tmp_path: Path) -> None:
    """Runs made before images were kept in one split have no group."""
    path = table(tmp_path / "t.csv")
    examples = read_examples(path, DatasetOptions())
    outputs = {name: target.output for name, target in examples.targets.items()}
    known = DatasetSchema(replace(examples.columns, group=None), examples.featurizer, outputs)
    again = read_examples(path, DatasetOptions(), known)
    assert again.split_method == "drawn at random"
    assert len(again.splits["test"]) == round(0.1 * sum(COUNTS))
    assert images(again, "test") & images(again, "training")


def test_folds_have_equally_many_images(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv")
    tested = []
    for fold in range(1, 6):
        examples = read_examples(path, DatasetOptions(fold=(fold, 5), valid=0.25))
        parts = [images(examples, split) for split in ("training", "validation", "test")]
        assert list(map(len, parts)) == [12, 4, 4]
        assert len(set.union(*parts)) == 20
        tested += sorted(parts[2])
    assert sorted(tested) == sorted(map(str, range(20)))


def test_copies_of_an_image_under_another_name_are_in_its_split(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", counts=[1] * 40, mixed=False)
    for image in range(20):
        copy = (tmp_path / "photos" / f"{image}.png").read_bytes()
        (tmp_path / "photos" / f"{image + 20}.png").write_bytes(copy)
    examples = read_examples(path, DatasetOptions(valid=0.2, test=0.2))
    for split in ("training", "validation", "test"):
        found = set(map(int, images(examples, split)))
        assert {(one + 20) % 40 for one in found} == found


def test_one_caption_an_image_is_split_as_before(tmp_path: Path) -> None:
    examples = read_examples(table(tmp_path / "t.csv", counts=[1] * 20), DatasetOptions())
    assert examples.columns.group is None
    assert examples.split_method == "drawn at random"
    assert "kept in one split" not in examples.description


def test_a_test_table_with_images_of_training_is_refused_and_a_few_are_counted(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", counts=[2] * 20)
    other = table(tmp_path / "test.csv", start=18, counts=[2] * 10)
    with pytest.raises(DataError, match=r"2 of the 10 images of the test split are in the training split too"):
        read_examples(path, DatasetOptions(valid="none", test=str(other)))
    other = table(tmp_path / "test.csv", start=19, counts=[2] * 10)
    examples = read_examples(path, DatasetOptions(valid="none", test=str(other)))
    assert "; 1 of the 10 images of the test split are in the training split too" in examples.description
    assert "kept in one split" not in examples.description


def test_a_validation_table_of_training_images_is_refused_beside_a_test_split_that_is_drawn(tmp_path: Path) -> None:
    """2 of the 2 images, not 2 of the 20 of both splits."""
    path = table(tmp_path / "t.csv", counts=[2] * 200)
    other = table(tmp_path / "valid.csv", start=198, counts=[2] * 2)
    for seed in (0, 1):
        with pytest.raises(DataError, match=r"of the 2 images of the validation split are in the training split too"):
            read_examples(path, DatasetOptions(valid=str(other), seed=seed))


def test_a_test_table_with_images_of_validation_is_refused_and_a_few_are_counted(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", counts=[2] * 20)
    valid = table(tmp_path / "valid.csv", start=20, counts=[2] * 10)
    test = table(tmp_path / "test.csv", start=28, counts=[2] * 10)
    with pytest.raises(DataError, match=r"2 of the 10 images of the test split are in the validation split too, on"):
        read_examples(path, DatasetOptions(valid=str(valid), test=str(test)))
    test = table(tmp_path / "test.csv", start=29, counts=[2] * 10)
    examples = read_examples(path, DatasetOptions(valid=str(valid), test=str(test)))
    assert "; 1 of the 10 images of the test split are in the validation split too" in examples.description


def test_a_share_of_less_than_an_image_says_so(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", counts=[6] * 2)
    for image in range(2):
        pixels = np.random.default_rng(image).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{image}.png")
    said = r"A share of 0\.1 of 2 images is less than one\. Add images, or give a larger share or a file of its own"
    with pytest.raises(DataError, match=said):
        read_task_examples(path, TableSettings(valid="0.1"))


def test_a_row_that_is_there_twice_is_counted(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[3], lines[7], lines[7]]) + "\n")
    assert "; 3 rows are the same as an earlier one" in read_examples(path, DatasetOptions()).description


def test_another_group_and_labels_are_not_grouped_by_file(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv")
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(
            [[*rows[0], "town"], *([*row, f"town {int(row[0][7:-4]) % 7}"] for row in rows[1:])]
        )
    examples = read_examples(path, DatasetOptions(group="town"))
    assert examples.columns.group == "town"
    assert examples.split_method == "drawn at random in whole groups of 'town'"
    assert read_examples(path, DatasetOptions(output="town")).columns.group is None


def test_a_blank_caption_is_an_empty_cell(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", mixed=False)
    lines = path.read_text().splitlines()
    lines[5] = f"{lines[5].split(',')[0]},  \t"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=r"t\.csv, row 6: 'caption' is empty\. A row needs an input and a target"):
        read_examples(path, DatasetOptions())
    examples = read_examples(path, DatasetOptions(skip_empty=True))
    assert examples.skipped == 1
    assert sum(map(len, examples.splits.values())) == sum(COUNTS) - 1
    assert len(examples.inputs) == sum(COUNTS) - 1
    assert len(images(examples, "training") | images(examples, "validation") | images(examples, "test")) == 20
