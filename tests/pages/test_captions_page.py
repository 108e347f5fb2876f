"""docs/make_captions_page.py: a page of photographs with captions, from scikit-image's and from a data set."""

from __future__ import annotations

import csv
import re
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import docs_script
from photo_folders import FORMS, LABELS, part_of, save_as
from sample_photos import needs_samples

from unrolled.run import load
from unrolled.run.training import Training
from unrolled.tasks.pretrained import PACKAGE

pytestmark = [
    pytest.mark.slow,
    needs_samples,
    pytest.mark.skipif(find_spec(PACKAGE) is None, reason="needs the extra vision"),
]

PICTURE = re.compile(r'src="data:image/(?:jpeg|png);base64,')


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """28 photographs with two captions each."""
    folder, generator, rows = tmp_path_factory.mktemp("captions"), np.random.default_rng(0), []
    for number in range(7):
        for label, name in LABELS.items():
            path = save_as(part_of(name, generator), FORMS[number], folder, f"{label} {number} ")
            rows += [(path.name, f"a photograph of a {label} ."), (path.name, f"{label} , number {number}")]
    with (folder / "captions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "caption"), *rows])
    return folder / "captions.csv"


def train(table: Path, name: str, **options: Any) -> Path:
    out = table.parent / name
    for _ in Training(table, out=str(out), hidden_size=16, threads=1, cache="none", **options):
        pass
    return out


@pytest.fixture(scope="module")
def run(table: Path) -> Path:
    return train(table, "run", steps=40, attention="additive", model="lstm")


@pytest.fixture(scope="module")
def page_maker() -> Any:
    return docs_script("make_captions_page")


def test_photographs_that_may_be_shown_are_described(run: Path, page_maker: Any, tmp_path: Path) -> None:
    strip = tmp_path / "strip.png"
    page_maker.main([str(run), "--out", str(tmp_path / "page.html"), "--strip", str(strip), "--of", "coffee.png"])
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert len(page_maker.SAMPLES) == page.count("<h2") == 8
    for name, credit in page_maker.SAMPLES.items():
        assert f">{name}</h2>" in page and f"Photograph: {credit}." in page
    assert "http:" not in page and "https:" not in page and "<script" not in page, "it loads nothing"
    described = page_maker.describe(load(run), page_maker.sample_photos(), 3)
    words = sum(len(one.maps) for one in described)
    assert words == sum(len(one.facts["prediction"].split()) for one in described) > 0
    assert len(PICTURE.findall(page)) == 8 + words
    for one in described:
        assert all(other["text"] in page for other in one.facts["alternatives"])
        assert f"{one.facts['word_probability']:.2f} per word" in page
    from PIL import Image

    assert strip.stat().st_size <= page_maker.MOST_BYTES
    assert Image.open(BytesIO(strip.read_bytes())).format == "PNG"


def test_images_of_a_data_set_have_their_own_captions_beside(
    run: Path, table: Path, page_maker: Any, tmp_path: Path
) -> None:
    page_maker.main([str(run), "--data", str(table), "--count", "4", "--top", "1", "--out", str(tmp_path / "p.html")])
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    shown = [("camera", 0), ("rocket", 1), ("coffee", 3), ("cat", 5)]  # each seventh of the 28
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", page) == [
        f"{label} {number} {FORMS[number]}" for label, number in shown
    ]
    for label, number in shown:
        assert f"by a person: a photograph of a {label} .</div>" in page
        assert f"by a person: {label} , number {number}</div>" in page
    assert ">or: " not in page and "Photograph: " not in page


def test_a_folder_of_images_has_no_captions_beside(run: Path, table: Path, page_maker: Any, tmp_path: Path) -> None:
    page_maker.main([str(run), "--data", str(table.parent), "--count", "2", "--out", str(tmp_path / "p.html")])
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert page.count("<h2") == 2 and "by a person" not in page


def test_a_run_without_attention_has_no_maps(table: Path, page_maker: Any, tmp_path: Path) -> None:
    page_maker.main(
        [str(train(table, "blind", steps=1, attention="none", model="lstm")), "--out", str(tmp_path / "page.html")]
    )
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert len(PICTURE.findall(page)) == 8
    assert "The net has no attention" in page


def test_maps_of_the_net_stand_beside_a_caption_of_another_image(
    table: Path, page_maker: Any, tmp_path: Path
) -> None:
    path = train(table, "retrieval", steps=1, attention="additive")
    assert load(path).facts["selected"] == ["retrieval"], "one update teaches a net nothing"
    page_maker.main([str(path), "--out", str(tmp_path / "page.html"), "--strip", str(tmp_path / "strip.png")])
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "similarity 0." in page or "similarity 1." in page
    assert page.count("The net, which the maps belong to: ") == 8
