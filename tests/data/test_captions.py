"""Files of captions: Kaggle's captions.txt, Flickr8k.token.txt with its lists, COCO's JSON, and faults in them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from commands import Unroll
from PIL import Image

from unrolled.data.tables.base import TableFile
from unrolled.data.tables.caption_files import is_caption_file
from unrolled.data.tables.columns import Columns, choose_columns
from unrolled.data.tables.open import is_table, open_table
from unrolled.errors import DataError


def images(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for place, name in enumerate(names):
        Image.new("RGB", (8, 8), (12 * place % 256, 99, 7)).save(folder / name, "JPEG")


def rows(table: TableFile) -> list[tuple[Any, ...]]:
    return [(row.number, *row.cells) for row in table.rows(("image", "caption"))]


def coco(path: Path, names: list[str], captions: list[tuple[int, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = [{"license": 1, "file_name": name, "id": 100 + place} for place, name in enumerate(names)]
    annotations = [
        {"image_id": 100 + image, "id": 7 * n, "caption": text} for n, (image, text) in enumerate(captions)
    ]
    path.write_text(json.dumps({"info": {"year": 2017}, "images": entries, "annotations": annotations}))
    return path


@pytest.mark.parametrize("given", ["folder", "file"])
def test_captions_of_kaggle_may_hold_commas_in_quotes_or_not(tmp_path: Path, given: str) -> None:
    images(tmp_path / "Images", "1.jpg", "2,b.JPG", "3.jpg")
    file = tmp_path / "captions.txt"
    file.write_text(
        "image,caption\n"
        "1.jpg,A dog runs .\n"
        "1.jpg,A dog , which is wet, runs .\n"
        '2,b.JPG,"A man, a ""big"" one, waves"\n'
        "\n"
        '3.jpg,"Stop" says a sign\n'
        "3.jpg,\n"
    )
    table = open_table(tmp_path if given == "folder" else file)
    assert table.format == "captions"
    assert table.columns == ("image", "caption")
    assert table.text_column == "caption"
    assert rows(table) == [
        (2, "Images/1.jpg", "A dog runs ."),
        (3, "Images/1.jpg", "A dog , which is wet, runs ."),
        (4, "Images/2,b.JPG", 'A man, a "big" one, waves'),
        (6, "Images/3.jpg", '"Stop" says a sign'),
        (7, "Images/3.jpg", None),
    ]
    assert table.note == "3 images in Images"


def test_images_may_be_beside_the_captions_and_the_header_may_be_missing(tmp_path: Path) -> None:
    images(tmp_path, "1.jpg", "2.jpg", "none.png")
    (tmp_path / "captions.txt").write_text("1.jpg\tA dog\n2.jpg\tTwo dogs\n")
    table = open_table(tmp_path)
    assert rows(table) == [(1, "1.jpg", "A dog"), (2, "2.jpg", "Two dogs")]
    assert table.note == "2 images in its folder; 1 image without a caption left out"


FLICKR30K = "image_name| comment_number| comment\n"


@pytest.mark.parametrize("given", ["folder", "file"])
def test_flickr30k_is_read_as_it_is(tmp_path: Path, given: str) -> None:
    images(tmp_path / "flickr30k_images", "1.jpg", "2.jpg")
    file = tmp_path / "results.csv"
    lines = ["1.jpg| 0| Two men , | outside .\n", "1.jpg| 1|  A man 4 feet high\n", "2.jpg| 4   A dog runs .\n"]
    file.write_text(FLICKR30K + "".join(lines))
    table = open_table(tmp_path if given == "folder" else file)
    assert table.format == "captions"
    assert rows(table) == [
        (2, "flickr30k_images/1.jpg", "Two men , | outside ."),
        (3, "flickr30k_images/1.jpg", "A man 4 feet high"),
        (4, "flickr30k_images/2.jpg", "A dog runs ."),
    ]


def test_results_of_other_columns_are_a_table(tmp_path: Path) -> None:
    images(tmp_path / "photos", "1.jpg", "2.jpg")
    (tmp_path / "results.csv").write_text("image,label\nphotos/1.jpg,cat\nphotos/2.jpg,dog\n")
    assert open_table(tmp_path / "results.csv").columns == ("image", "label")
    (tmp_path / "results.csv").write_text(FLICKR30K + "1.jpg, no bars\n")
    assert not is_caption_file(tmp_path / "results.csv")


def flickr(tmp_path: Path, lists: dict[str, str]) -> Path:
    """The text folder of Flickr8k, with 20 images beside it and the line of its image that never was."""
    folder, names = tmp_path / "Flickr8k_text", [f"{n}_ab.jpg" for n in range(20)]
    images(tmp_path / "Flicker8k_Dataset", *names)
    folder.mkdir()
    lines = [f"{name}#{n}\tCaption {n}, of {name}\n" for name in names for n in range(2)]
    for name in ("Flickr8k.token.txt", "Flickr8k.lemma.token.txt"):
        (folder / name).write_text("".join(lines) + "2258277193_586949ec62.jpg.1#0\tpeople waiting\n")
    for split, listed in lists.items():
        (folder / f"Flickr_8k.{split}Images.txt").write_text("".join(f"{one}_ab.jpg\n" for one in listed.split()))
    return folder


@pytest.mark.parametrize("name", ["", "Flickr8k.token.txt"])
def test_flickr8k_is_read_as_it_is_with_its_splits(tmp_path: Path, name: str) -> None:
    lists = {"train": " ".join(map(str, range(12))), "dev": "12 13 14", "test": "15 16 17 18"}
    table = open_table(flickr(tmp_path, lists) / name)
    assert len(rows(table)) == 24
    assert rows(table)[1] == (2, "../Flicker8k_Dataset/0_ab.jpg", "Caption 1, of 0_ab.jpg")
    assert {split: len(rows(one)) for split, one in table.splits.items()} == {"validation": 6, "test": 8}
    assert rows(table.splits["test"])[0] == (31, "../Flicker8k_Dataset/15_ab.jpg", "Caption 0, of 15_ab.jpg")
    assert table.note == (
        "20 images in ../Flicker8k_Dataset; 1 of 21 images missing and left out, with their captions "
        "(2258277193_586949ec62.jpg.1); the splits are the images that Flickr_8k.trainImages.txt, "
        "Flickr_8k.devImages.txt, Flickr_8k.testImages.txt list (override: --valid --test); 1 image in none of them "
        "left out"
    )


def test_without_a_list_for_training_the_other_images_are_the_training_split(tmp_path: Path) -> None:
    folder = flickr(tmp_path, {"dev": "12 13 14", "test": "15 16 17 18"})
    table = open_table(folder)
    assert len(rows(table)) == 26
    before = table.fingerprint()
    (folder / "Flickr_8k.testImages.txt").write_text("15_ab.jpg\n")
    assert open_table(folder).fingerprint() != before
    assert len(rows(open_table(folder).splits["test"])) == 2


def test_an_image_in_two_lists_and_a_list_of_other_images_are_refused(tmp_path: Path) -> None:
    folder = flickr(tmp_path, {"train": "1 2 3", "dev": "3 4"})
    with pytest.raises(DataError, match=r"3_ab.jpg is listed in Flickr_8k\.(train|dev)Images"):
        open_table(folder)
    (folder / "Flickr_8k.devImages.txt").write_text("elsewhere.jpg\n")
    with pytest.raises(DataError, match="no image with a caption is left for the validation split"):
        open_table(folder)


@pytest.mark.parametrize("where", ["val2017", "annotations/val2017", "annotations"])
def test_coco_is_read_as_it_is(tmp_path: Path, where: str) -> None:
    images(tmp_path / where, "a.jpg", "b.jpg", "c.jpg")
    captions = [(1, "A red bus.\n"), (0, "A dog"), (1, "A bus, which is red"), (2, "")]
    path = coco(tmp_path / "annotations" / "captions_val2017.json", ["a.jpg", "b.jpg", "c.jpg"], captions)
    table = open_table(path)
    assert table.format == "COCO captions"
    found = {"val2017": "../val2017/", "annotations/val2017": "val2017/", "annotations": ""}[where]
    assert rows(table) == [
        (1, f"{found}b.jpg", "A red bus."),
        (2, f"{found}a.jpg", "A dog"),
        (3, f"{found}b.jpg", "A bus, which is red"),
        (4, f"{found}c.jpg", None),
    ]


def test_a_file_of_another_name_finds_the_folder_of_a_year(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "val2017").mkdir()
    images(tmp_path / "val2017", "a.jpg", "b.jpg")
    path = coco(tmp_path / "annotations" / "mine.json", ["a.jpg", "b.jpg"], [(0, "A dog"), (1, "A bus")])
    assert rows(open_table(path)) == [(1, "../val2017/a.jpg", "A dog"), (2, "../val2017/b.jpg", "A bus")]
    for image in (tmp_path / "val2017").iterdir():
        image.unlink()
    with pytest.raises(DataError, match=r"They were looked for in \S+/val2017, \S+/annotations\. Put them into one"):
        open_table(path)


@pytest.mark.parametrize("name", ["others.json", "instances_val2017.json"])
@pytest.mark.parametrize("annotations", [[], {"1": "A dog"}, [{"image_id": 1, "bbox": [1, 2, 3, 4]}]])
def test_coco_without_captions_is_refused(tmp_path: Path, name: str, annotations: Any) -> None:
    path = tmp_path / name
    path.write_text(json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": annotations}))
    what = "that are a dict, not a list" if isinstance(annotations, dict) else "without captions"
    with pytest.raises(DataError, match=rf"COCO's form, with annotations {what}\..*such as\ncaptions_val2017\.json"):
        open_table(path)


def test_two_images_of_one_id_are_refused(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    path = coco(tmp_path / "captions.json", ["a.jpg", "b.jpg", "c.jpg"], [(0, "A dog"), (1, "A cat"), (2, "A bus")])
    path.write_text(path.read_text().replace('"id": 102}', '"id": 101}'))
    with pytest.raises(DataError, match=r"two entries of 'images' have the id 101: b\.jpg and c\.jpg"):
        open_table(path)
    path.write_text(path.read_text().replace("c.jpg", "b.jpg").replace('"image_id": 102', '"image_id": 101'))
    assert [image for _, image, _ in rows(open_table(path))] == ["a.jpg", "b.jpg", "b.jpg"]  # one image, listed twice


def test_ids_of_coco_may_be_text_in_one_place_and_numbers_in_the_other(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    path = coco(tmp_path / "captions.json", ["a.jpg", "b.jpg"], [(1, "A dog"), (0, "A cat")])
    path.write_text(path.read_text().replace('"image_id": 100', '"image_id": "100"'))
    assert rows(open_table(path)) == [(1, "b.jpg", "A dog"), (2, "a.jpg", "A cat")]


def test_other_json_is_no_file_of_captions(tmp_path: Path) -> None:
    path = tmp_path / "others.json"
    path.write_text(json.dumps({"images": [{"name": "a.jpg"}], "annotations": [{"bbox": [1, 2, 3, 4]}]}))
    with pytest.raises(DataError, match="is one object around the rows"):
        open_table(path)
    images(tmp_path, "a.jpg")
    path = coco(tmp_path / "captions_train.json", ["a.jpg"], [(0, "A dog"), (5, "A cat")])
    with pytest.raises(DataError, match=r"row 2: the image of this annotation, 105, is not among 'images'"):
        open_table(path)
    path.write_text(path.read_text()[:-9])
    with pytest.raises(DataError, match="invalid JSON"):
        open_table(path)


def test_a_tenth_of_the_images_may_be_missing(tmp_path: Path) -> None:
    names = [f"{n}.jpg" for n in range(30)]
    (tmp_path / "captions.txt").write_text("image,caption\n" + "".join(f"{name},A dog\n" for name in names * 2))
    images(tmp_path / "photos", *names[:27])
    table = open_table(tmp_path)
    assert len(rows(table)) == 54
    assert table.note == (
        "27 images in photos; 3 of 30 images missing and left out, with their captions (27.jpg, 28.jpg, 29.jpg)"
    )
    (tmp_path / "photos" / "0.jpg").unlink()
    with pytest.raises(
        DataError, match=r"names 30 images, and 4 of them are not there, such as 0.jpg, 27.jpg(.|\n)*plain text"
    ):
        open_table(tmp_path)


def test_other_texts_are_no_files_of_captions(tmp_path: Path) -> None:
    (tmp_path / "captions.txt").write_text("A poem, and a dog.jpg in it\nSecond line, without\nThird\n")
    (tmp_path / "notes.txt").write_text("image,caption\n1.jpg,A dog\n")
    (tmp_path / "caption.txt").write_bytes(b"\x00\x01")
    assert [is_table(tmp_path / name) for name in ("captions.txt", "notes.txt", "caption.txt")] == [False] * 3
    images(tmp_path, "1.jpg")
    (tmp_path / "captions.txt").write_text("image,caption\n" + "1.jpg,A dog\n" * 60 + "no image\n")
    with pytest.raises(DataError, match=r"row 62: an image and its caption were expected, .* got 'no image'"):
        open_table(tmp_path)
    (tmp_path / "Flickr8k.token.txt").write_text("1.jpg#0\tA dog\n")
    with pytest.raises(DataError, match=r"holds Flickr8k.token.txt and captions.txt, each a file of captions"):
        open_table(tmp_path)


@pytest.mark.parametrize("text", ["", "image,caption\n", "1.jpg A dog\n" * 3])
def test_a_file_without_captions_beside_images_is_named(unroll: Unroll, tmp_path: Path, text: str) -> None:
    images(tmp_path, *(f"{n}.jpg" for n in range(12)))
    (tmp_path / "captions.txt").write_text(text)
    result = unroll("info", tmp_path)
    assert result.code == 2 and f"{tmp_path / 'captions.txt'} holds no captions: lines of an image" in result.err


def test_train_evaluate_and_predict_take_a_folder_and_coco(unroll: Unroll, tmp_path: Path) -> None:
    names = [f"{n}.jpg" for n in range(20)]
    images(tmp_path / "photos" / "Images", *names)
    lines = [f"{name},a {('red', 'blue')[n % 2]} dog\n" for n, name in enumerate(names) for _ in range(2)]
    (tmp_path / "photos" / "captions.txt").write_text("image,caption\n" + "".join(lines))
    run = tmp_path / "run"
    options = ("--steps", "2", "--hidden-size", "8", "--threads", "1", "--tokenizer", "char", "--out", run)
    trained = unroll("train", tmp_path / "photos", *options)
    assert trained.code == 0, trained.err
    assert "40 rows of captions: image" in trained.err
    assert "20 images in Images" in trained.err
    predicted = unroll("predict", run, tmp_path / "photos" / "captions.txt", "--json")
    found = [json.loads(line) for line in predicted.out.splitlines()]
    assert [Path(one["text"]).name for one in found] == names
    path = coco(tmp_path / "photos" / "Images" / "captions.json", names, [(n, "a red dog") for n in range(20)])
    scored = unroll("evaluate", run, path, "--json")
    assert scored.code == 0, scored.err
    assert json.loads(scored.out)["outputs"]["caption"]["rows"] == 20


def test_a_large_file_of_captions_is_opened_quickly(tmp_path: Path) -> None:
    """30,000 captions of 6,000 images: 0.3 seconds of processor time."""
    (tmp_path / "Images").mkdir()
    for number in range(6000):
        (tmp_path / "Images" / f"{number}.jpg").touch()
    lines = [
        f"{n}.jpg,A dog runs , and another one , called {turn} , waits\n" for n in range(6000) for turn in range(5)
    ]
    (tmp_path / "captions.txt").write_text("image,caption\n" + "".join(lines))
    started = time.process_time()
    table = open_table(tmp_path)
    assert len(rows(table)) == 30_000
    assert time.process_time() - started < 3


def test_captions_may_be_grouped_by_their_images(tmp_path: Path) -> None:
    images(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "captions.txt").write_text("image,caption\na.jpg,A dog runs\na.jpg,A dog\nb.jpg,A red bus\n")
    table = open_table(tmp_path)
    assert choose_columns(table, group="image") == Columns(("image",), ("caption",), "image")


def test_captions_in_karpathys_form_are_named(tmp_path: Path) -> None:
    path = tmp_path / "dataset_flickr8k.json"
    path.write_text(json.dumps({"images": [{"filename": "a.jpg", "sentences": [{"raw": "A dog"}]}], "dataset": "x"}))
    with pytest.raises(DataError, match=r"form of Karpathy's splits, which is not read\. Write a csv"):
        list(open_table(path).rows(("image",)))
