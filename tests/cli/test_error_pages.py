"""`evaluate --errors page.html`: a page of the images that were predicted wrongly."""

from __future__ import annotations

import base64
import csv
import io
import os
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from commands import Unroll, check_refused, leaving_no_files, run_command

import unrolled

image_module = pytest.importorskip("PIL.Image")
LABELS = ("<script>alert(1)<", "b&b", "c")
NAME = os.fsdecode(b"a\xff<img src=x>")
ROTATED = 6  # EXIF: the top is at the right


def shade(label: int, row: int) -> np.ndarray:
    """A picture (12, 20, 3) whose brightness says its label."""
    noise = np.random.default_rng(row).integers(0, 30, (12, 20, 3))
    return (80 * label + noise).astype(np.uint8)


def write_photos(folder: Path, wrong: int = 0) -> Path:
    """Three labels with 20 pictures each; the first `wrong` of the first label are in the folder of the second."""
    for label, name in enumerate(LABELS):
        for row in range(20):
            here = folder / (LABELS[1] if label == 0 and row < wrong else name)
            here.mkdir(parents=True, exist_ok=True)
            image_module.fromarray(shade(label, row)).save(here / f"{NAME}{label}-{row}.png")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on pictures in folders, and one on texts."""
    folder = tmp_path_factory.mktemp("error pages")
    write_photos(folder / "photos")
    write_photos(folder / "others", wrong=7)
    assert (
        run_command(
            "train", folder / "photos", "--model", "lstm+linear", "--steps", "30", "--out", folder / "run"
        ).code
        == 0
    )
    with (folder / "texts.csv").open("w") as file:
        csv.writer(file).writerows(
            [("text", "label"), *[(("bad", "good")[n % 2] + f" {n}", "ab"[n % 2]) for n in range(60)]]
        )
    assert run_command("train", folder / "texts.csv", "--model", "linear", "--out", folder / "texts").code == 0
    return folder


def pictures(page: str) -> list[np.ndarray]:
    """The pictures of a page, in its order."""
    found = re.findall(r'src="data:image/\w+;base64,([^"]+)"', page)
    return [np.asarray(image_module.open(io.BytesIO(base64.b64decode(one)))) for one in found]


def test_confused_pictures_are_shown_with_both_labels(folder: Path, tmp_path: Path, unroll: Unroll) -> None:
    result = unroll("evaluate", folder / "run", folder / "others", "--errors", tmp_path / "wrong.html")
    assert result.code == 0, result.err
    assert f"7 wrong predictions are in {tmp_path}/wrong.html, the most confident first." in result.err
    page = (tmp_path / "wrong.html").read_text(encoding="utf-8")
    assert "<script" not in page and "<img src=x" not in page
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", page) == [
        f"b&amp;b → {LABELS[0].replace('<', '&lt;')}: 7".replace(">", "&gt;")
    ]
    text = unescape(page)
    confidences = [float(found) for found in re.findall(re.escape(LABELS[0]) + r" ([01]\.\d+)</b>", text)]
    targets = [float(found) for found in re.findall(r"target: b&b (0\.\d+)", text)]
    assert len(confidences) == len(targets) == 7
    assert confidences == sorted(confidences, reverse=True)
    assert all(
        0 <= target < found <= 1 and target + found <= 1.002
        for target, found in zip(targets, confidences, strict=True)
    )
    assert len(re.findall(r'alt="b&amp;b/a\\udcff&lt;img src=x&gt;0-\d+.png"', page)) == 7
    names = [int(row) for row in re.findall(r'alt="[^"]*0-(\d+).png"', page)]
    for row, picture in zip(names, pictures(page), strict=True):
        assert (picture == shade(0, row)).all()


def test_the_page_has_the_rows_of_the_csv_in_its_order(folder: Path, tmp_path: Path, unroll: Unroll) -> None:
    for name in ("wrong.html", "wrong.csv"):
        unroll("evaluate", folder / "run", folder / "others", "--errors", tmp_path / name)
    with (tmp_path / "wrong.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "row", "output", "word", "target", "prediction", "confidence", "error", "text"]
    assert [row["text"].rpartition("/")[2] for row in rows] == [row["file"].rpartition("/")[2] for row in rows]
    shown = re.findall(r'alt="[^"]*(0-\d+.png)"', (tmp_path / "wrong.html").read_text())
    assert shown == [row["file"].rpartition("<img src=x>")[2] for row in rows]


def test_without_wrong_predictions_the_page_says_so(folder: Path, tmp_path: Path, unroll: Unroll) -> None:
    result = unroll("evaluate", folder / "run", folder / "photos", "--errors", tmp_path / "WRONG.HTML")
    assert result.code == 0, result.err
    page = (tmp_path / "WRONG.HTML").read_text()
    assert "There are no wrong predictions" in page and "<img" not in page


def test_paths_in_a_table_are_upright_and_a_picture_that_is_gone_leaves_its_place(
    tmp_path: Path, unroll: Unroll
) -> None:
    exif = image_module.Exif()
    exif[0x0112] = ROTATED
    (tmp_path / "in").mkdir()
    rows = []
    for row in range(40):
        wide = np.zeros((20, 60, 3), np.uint8)
        wide[:, :30] = 255 if row % 2 else 90
        image_module.fromarray(wide).save(tmp_path / "in" / f"{row}.png", exif=exif)
        rows.append((f"in/{row}.png", "ab"[row % 2]))
    for name, table in (("t.csv", rows), ("swapped.csv", [(path, "ba"[label == "b"]) for path, label in rows[:6]])):
        with (tmp_path / name).open("w") as file:
            csv.writer(file).writerows([("image", "label"), *table])
    assert unroll("train", tmp_path / "t.csv", "--model", "linear", "--out", tmp_path / "run").code == 0
    found = unrolled.load(tmp_path / "run").evaluate(tmp_path / "swapped.csv", error_page=True)
    assert len(found.errors) == 6
    shown = pictures(found.error_page)
    assert [picture.shape[:2] for picture in shown] == [(60, 20)] * 6
    assert all(picture[:30].mean() > 80 and picture[30:].max() == 0 for picture in shown)
    assert sorted(re.findall(r'alt="(in/\d.png)"', found.error_page)) == [f"in/{row}.png" for row in range(6)]


def test_arrays_have_pictures_too(tmp_path: Path, unroll: Unroll) -> None:
    labels = np.arange(60) % 2
    images = np.stack([shade(label, row)[..., 0] for row, label in enumerate(labels.tolist())])
    floats = images / 255.0
    for name, x in (("bytes", images), ("floats", floats)):
        np.savez(tmp_path / f"{name}.npz", x=x, label=labels)
        np.savez(tmp_path / f"swapped {name}.npz", x=x[:8], label=1 - labels[:8])
        assert unroll("train", tmp_path / f"{name}.npz", "--model", "linear", "--out", tmp_path / name).code == 0
        page = tmp_path / f"{name}.html"
        assert unroll("evaluate", tmp_path / name, tmp_path / f"swapped {name}.npz", "--errors", page).code == 0
        shown = pictures(page.read_text())
        assert len(shown) == 8 and {picture.shape for picture in shown} == {(12, 20)}
        assert "swapped" in page.read_text() and "row 3" in page.read_text()
        if name == "floats":  # from the darkest to the brightest of each picture
            assert {(int(picture.min()), int(picture.max())) for picture in shown} == {(0, 255)}


@pytest.mark.slow
def test_captions_are_listed_from_the_furthest(tmp_path: Path, unroll: Unroll) -> None:
    labels = np.arange(60) % 2
    images = np.stack([shade(label, row)[..., 0] for row, label in enumerate(labels.tolist())])
    np.savez(tmp_path / "t.npz", image=images, caption=np.array(["a dark one", "a bright <one>"])[labels])
    trained = unroll("train", tmp_path / "t.npz", "--task", "seq2seq", "--steps", "2", "--hidden-size", "8",
                     "--threads", "1", "--out", tmp_path / "run")  # fmt: skip
    assert trained.code == 0, trained.err
    swapped = np.array(["a dark two", "a bright <one> more"])[1 - labels]
    np.savez(tmp_path / "swapped.npz", image=images, caption=swapped)
    result = unroll("evaluate", tmp_path / "run", tmp_path / "swapped.npz", "--errors", tmp_path / "wrong.html")
    assert result.code == 0, result.err
    page = (tmp_path / "wrong.html").read_text()
    figures = [float(found) for found in re.findall(r"chrF (\d+\.\d)</div>", page)]
    assert figures == sorted(figures) and len(figures) == 60 == len(pictures(page))
    assert "target: a bright &lt;one&gt; more" in page and "the lowest chrF first" in page


REFUSED: list[tuple[str, str, tuple[str, ...]]] = [
    ("texts", "wrong.html", ("--errors with a name that ends in .html shows images",)),
    ("run", "there.html", ("there.html exists", "Name a new file")),
    ("run", "nowhere.html", ("nowhere.html exists",)),
    ("run", "absent/wrong.html", ("absent/wrong.html cannot be written: there is no folder",)),
    ("run", "there.html/wrong.html", ("there is no folder",)),
]


@pytest.mark.parametrize(("run", "name", "words"), REFUSED, ids=[f"{run} {name}" for run, name, _ in REFUSED])
def test_what_cannot_be_written_is_refused_before_the_work(
    run: str, name: str, words: tuple[str, ...], folder: Path, tmp_path: Path, unroll: Unroll
) -> None:
    (tmp_path / "there.html").write_text("mine")
    (tmp_path / "nowhere.html").symlink_to(tmp_path / "absent.html")
    with leaving_no_files(tmp_path):
        result = unroll("evaluate", folder / run, "--errors", tmp_path / name)
    check_refused(result, *words)
    assert "Evaluating" not in result.err
    assert (tmp_path / "there.html").read_text() == "mine"


def test_a_folder_without_permission_is_refused(
    folder: Path, tmp_path: Path, unroll: Unroll, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)  # root may write anywhere
    result = unroll("evaluate", folder / "run", "--errors", tmp_path / "wrong.html")
    check_refused(result, "no permission to write", str(tmp_path))
