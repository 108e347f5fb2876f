"""`predict --show-attention` on images: numbers, a picture, a page; and what is refused."""

from __future__ import annotations

import csv
import json
import os
import re
from html import unescape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import CommandResult, Unroll, check_refused, leaving_no_files, opened, run_command

import unrolled
from unrolled.errors import OptionError
from unrolled.model.baselines.linear import LinearModel
from unrolled.run import Training
from unrolled.tasks.prediction.attention import map_maker
from unrolled.tasks.pretrained import PACKAGE

image_module = pytest.importorskip("PIL.Image")
SIDE = 40  # pixels
NET = "efficientnet-lite0"  # with the weights of its package
NETS = ("lenet5", "cifar-resnet20:width=0.25", "vit-tiny:width=0.1,patch=8,image_size=32")
HOSTILE = os.fsdecode(b"<script>a\xff.png")


def photo(row: int) -> np.ndarray[Any, Any]:
    """Noise, and a bright square at the top left or at the bottom right."""
    image = np.random.default_rng(row).integers(0, 60, (SIDE, SIDE, 3)).astype(np.uint8)
    if row % 2:
        image[:15, :15] = 250
    else:
        image[-15:, -15:] = 250
    return image


def stopped(data: Path, out: Path, steps: int, **options: Any) -> None:
    """Trains, and stops after some updates: such a run predicts with its net alone."""
    training = Training(data, out=str(out), steps=steps + 1, batch_size=8, threads=1, **options)
    for report in training:
        if report.step >= steps:
            training.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs in folders; runs: of each net, of rows, of patches, of a linear model, of texts, of captions."""
    folder = tmp_path_factory.mktemp("attention")
    for row in range(40):
        here = folder / "photos" / ("<b>left", "right")[row % 2]
        here.mkdir(parents=True, exist_ok=True)
        image_module.fromarray(photo(row)).save(here / f"{row}.jpg", quality=95)
    for name in NETS:
        stopped(folder / "photos", folder / name.partition(":")[0], 1, encoder=name)
    small: dict[str, Any] = {"model": "lstm", "hidden_size": 8}
    for name, options in {"rows": {}, "patches": {"stem": "patches"}, "mean": {"pool": "mean"}}.items():
        stopped(folder / "photos", folder / name, 1, **small, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unrolled.tasks.dataset.find_imagenet", lambda: None)  # a linear model on pixels
        unrolled.train(folder / "photos", out=folder / "linear", model="linear")
    with (folder / "captions.csv").open("w") as file:
        rows = [
            (f"photos/{('<b>left', 'right')[row % 2]}/{row}.jpg", f"a {('left', 'right')[row % 2]} <i>square")
            for row in range(40)
        ]
        csv.writer(file).writerows([("image", "caption"), *rows])
    result = run_command("train", folder / "captions.csv", "--out", folder / "captions", "--task", "seq2seq",
                         "--hidden-size", "16", "--steps", "40", "--threads", "1", "--quiet")  # fmt: skip
    assert result.code == 0, result.err
    (folder / "texts.csv").write_text(
        "text,label\n" + "".join(f"a {'bg'[n % 2]}ad {n},{'ab'[n % 2]}\n" for n in range(60))
    )
    stopped(folder / "texts.csv", folder / "texts", 1, **small)
    return folder


def one_json(result: CommandResult) -> dict[str, Any]:
    assert result.code == 0, result.err
    found: dict[str, Any] = json.loads(result.out)
    return found


SHAPES = {"lenet5": (5, 5), "cifar-resnet20": (8, 8), "vit-tiny": (4, 4), "rows": (SIDE, 1), "patches": (10, 10)}


@pytest.mark.parametrize("name", SHAPES)
def test_json_has_the_map_exactly(name: str, folder: Path, unroll: Unroll) -> None:
    path = folder / "photos" / "right" / "1.jpg"
    output = one_json(unroll("predict", folder / name, path, "--json", "--show-attention"))["outputs"]["label"]
    attention = output["attention"]
    weights = np.array(attention["weights"])
    assert weights.shape == SHAPES[name]
    assert (weights >= 0).all() and abs(weights.sum() - 1) < 1e-6
    method = {"cifar-resnet20": "cam", "vit-tiny": "rollout", "rows": "pooling", "patches": "pooling"}.get(
        name, "hirescam"
    )
    assert attention["method"] == method
    assert attention["label"] == ("" if method in ("pooling", "rollout") else output["prediction"])
    plain = one_json(unroll("predict", folder / name, path, "--json"))["outputs"]["label"]
    assert {key: value for key, value in output.items() if key != "attention"} == plain


@pytest.mark.parametrize("name", SHAPES)
def test_without_a_file_a_coarse_map_is_printed_as_percentages(name: str, folder: Path, unroll: Unroll) -> None:
    path = folder / "photos" / "right" / "1.jpg"
    result = unroll("predict", folder / name, path, "--show-attention")
    assert result.code == 0, result.err
    line, heading, *rows = result.out.splitlines()
    assert line.endswith("1.jpg") and heading.endswith("in percent")
    shares = np.array([[float(share) for share in row.split()] for row in rows])
    assert shares.shape == tuple(min(7, size) for size in SHAPES[name])
    assert abs(shares.sum() - 100) <= shares.size / 2
    before = unroll("predict", folder / name, "--show-attention", path)  # a .jpg is no file to write: it is the input
    assert (before.code, before.out) == (0, result.out)


@pytest.mark.parametrize("name", SHAPES)
def test_a_picture_shows_the_map_over_the_photograph_upright(
    name: str, folder: Path, tmp_path: Path, unroll: Unroll
) -> None:
    exif = image_module.Exif()
    exif[0x0112] = 6  # the top is at the right
    wide = np.zeros((60, 90, 3), np.uint8)
    wide[:, :30] = 255
    image_module.fromarray(wide).save(tmp_path / "in.jpg", exif=exif)
    result = unroll("predict", folder / name, tmp_path / "in.jpg", "--show-attention", tmp_path / "out.png")
    assert result.code == 0, result.err
    assert f"The attention is shown in {tmp_path}/out.png." in result.err
    assert len(result.out.splitlines()) == 1  # the numbers are not printed too
    found = np.asarray(image_module.open(tmp_path / "out.png"))
    assert found.shape == (270, 180, 3)  # upright, and enlarged
    assert found[:85].mean() > found[95:].mean() + 30  # what is bright in the photograph is so below the colours


def test_the_map_is_bright_where_the_evidence_is(folder: Path, tmp_path: Path) -> None:
    stopped(folder / "photos", tmp_path / "run", 40, encoder="lenet5")
    predictions = list(
        unrolled.load(tmp_path / "run").predict(
            [str(folder / "photos" / ("<b>left", "right")[row % 2] / f"{row}.jpg") for row in (0, 1)],
            show_attention=True,
        )
    )
    for row, prediction in enumerate(predictions):
        assert prediction.best("label") == ("<b>left", "right")[row]
        weights = np.array(prediction.maps["label"].weights)
        middle = len(weights) // 2
        corner = weights[: middle + 1, : middle + 1] if row else weights[middle:, middle:]
        assert corner.sum() > 0.6


@pytest.mark.skipif(find_spec(PACKAGE) is None, reason="needs the extra vision")
def test_the_linear_model_on_the_features_of_a_pretrained_net_has_maps_too(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 60, (60, 64, 64, 3)).astype(np.uint8)
    places = np.random.default_rng(1).integers(0, 2, (60, 2))
    for row, (down, across) in enumerate(places.tolist()):
        images[row, 32 * down : 32 * down + 32, 32 * across : 32 * across + 32, row % 2] = 250
    np.savez(tmp_path / "t.npz", x=images, label=np.array(["red", "green"])[np.arange(60) % 2])
    options = ["--init-from", "imagenet", "--steps", "1", "--batch-size", "4", "--threads", "1", "--cache", "none"]
    trained = run_command("train", tmp_path / "t.npz", "--encoder", NET, *options, "--out", tmp_path / "run")
    assert trained.code == 0, trained.err
    run = opened(tmp_path / "run")
    linear = [member for member in run.ensemble.members if isinstance(member, LinearModel)]
    assert linear, run.selected
    maker = map_maker(linear, ["linear"], run.known.featurizer, every=False)
    right = 0
    for row, given in enumerate(run.read_input(str(tmp_path / "t.npz"))):
        item = run.reader.take(given)
        predictions = linear[0].predict([item])
        attention = maker.maps(item, predictions, run.outputs)["label"]
        weights = np.array(attention.weights)
        assert attention.method == "cam" and attention.label in ("red", "green")
        assert weights.shape == (4, 4) and (weights >= 0).all() and abs(weights.sum() - 1) < 1e-6
        peak = np.array(np.unravel_index(weights.argmax(), weights.shape))
        right += attention.label == ("red", "green")[row % 2] and bool((peak // 2 == places[row]).all())
    assert right > 50  # of 60; by chance 15


def test_an_image_of_several_rows_is_shown_once(folder: Path, tmp_path: Path, unroll: Unroll) -> None:
    names = [path for path in sorted((folder / "photos").rglob("*.jpg"))[:2] for _ in range(3)]
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image",), *((name,) for name in names)])
    shown = unroll("predict", folder / "lenet5", tmp_path / "rows.csv", "--show-attention", tmp_path / "rows.html")
    assert shown.code == 0 and len(shown.out.splitlines()) == 6
    assert (tmp_path / "rows.html").read_text(encoding="utf-8").count("<h2") == 2


def test_a_named_net_is_kept_in_any_case(folder: Path, tmp_path: Path) -> None:
    stopped(folder / "photos", tmp_path / "net", 1, encoder="lenet5", model="lenet5")
    (predicted,) = unrolled.load(tmp_path / "net").predict(
        [str(folder / "photos" / "right" / "1.jpg")], show_attention=True
    )
    assert predicted.maps["label"].method == "hirescam"
    with pytest.raises(OptionError, match="Unknown model 'vgg11'"):
        Training(folder / "photos", out=str(tmp_path / "other"), steps=1, encoder="lenet5", model="vgg11")


def test_a_page_shows_all_inputs(folder: Path, tmp_path: Path, unroll: Unroll) -> None:
    (tmp_path / "in").mkdir()
    for row, name in enumerate((HOSTILE, "b.png")):
        image_module.fromarray(photo(row)).save(tmp_path / "in" / name)
    (tmp_path / "in" / "broken.png").write_bytes(b"no image")
    result = unroll("predict", folder / "lenet5", tmp_path / "in", "--show-attention", tmp_path / "page.html")
    assert result.code == 0, result.err
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page and "<b>left" not in page
    assert page.count('src="data:image/jpeg;base64,') == 4  # of each input the picture, and the map
    headings = [unescape(found) for found in re.findall(r"<h2[^>]*>(.*?)</h2>", page)]
    assert headings == [f"{tmp_path}/in/<script>a\\udcff.png", f"{tmp_path}/in/b.png"]
    assert page.count("class activation map (HiResCAM)") == 2
    assert re.search(r"(&lt;b&gt;left|right) 0\.\d{3}", page)


def test_a_caption_has_a_picture_per_word(folder: Path, tmp_path: Path, unroll: Unroll) -> None:
    photograph = folder / "photos" / "right" / "1.jpg"
    result = unroll("predict", folder / "captions", photograph, "--show-attention", tmp_path / "page.html")
    assert result.code == 0, result.err
    text = result.out.split("\t")[0]
    words = text.split()
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    said = [unescape(found) for found in re.findall(r"<div><b>(.*?)</b></div>", page)]
    assert said == [text, *words]
    strip = unroll("predict", folder / "captions", photograph, "--show-attention", tmp_path / "out.png")
    assert strip.code == 0, strip.err
    width, height = image_module.open(tmp_path / "out.png").size
    assert height > 240
    assert width == (240 + 8) * len(words) + 8 or len(words) == 1
    found = one_json(unroll("predict", folder / "captions", photograph, "--show-attention", "--json"))
    attention = found["outputs"]["caption"]["attention"]
    assert list(attention) == ["target_tokens", "source_tokens", "weights", "grid"]
    grid = attention["grid"]
    shape = (4, 4) if find_spec(PACKAGE) else (SIDE, 1)  # places of the pretrained net's grid, or rows
    assert ((grid["rows"], grid["columns"]), grid["frame"]) == (shape, [0.0, 0.0, 1.0, 1.0])
    assert all(len(weights) == grid["rows"] * grid["columns"] for weights in attention["weights"])
    refused = unroll("predict", folder / "captions", photograph, "--show-attention")
    check_refused(refused, "Add --json, or a file: --show-attention page.html")


REFUSED: list[tuple[str, list[str], tuple[str, ...]]] = [
    ("lenet5", ["one.png", "--show-attention", "there.png"],
     ("there.png exists", "If it is the input, write it before --show-attention")),
    ("lenet5", ["--show-attention", "one.png"], ("one.png exists", "write it before --show-attention")),
    ("lenet5", ["one.png", "--show-attention", "absent/out.html"], ("there is no folder",)),
    ("lenet5", ["one.png", "--show-attention=out.jpg"], ("a picture, out.png, or a page, out.html", "got out.jpg")),
    ("lenet5", ["photos", "--show-attention", "out.png"],
     ("out.png is one picture, and there are several inputs", "--show-attention out.html")),
    ("lenet5", ["one.png", "--show-attention", "--every"], ("Leave out --every",)),
    ("linear", ["one.png", "--show-attention", "out.png"],
     ("the selected model is linear", "--model lstm, or --encoder lenet5 --model lenet5")),
    ("mean", ["one.png", "--show-attention"], ("--pool attention",)),
    ("texts", ["--text", "a bad film", "--show-attention", "out.html"],
     ("--show-attention applies to runs that generate texts, and to images",)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("run", "arguments", "words"), REFUSED, ids=[f"{one[0]} {' '.join(one[1])}" for one in REFUSED]
)
def test_what_cannot_be_shown_is_refused(
    run: str, arguments: list[str], words: tuple[str, ...], folder: Path, tmp_path: Path, unroll: Unroll,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    image_module.fromarray(photo(0)).save(tmp_path / "one.png")
    (tmp_path / "there.png").write_text("mine")
    (tmp_path / "photos").symlink_to(folder / "photos")
    monkeypatch.chdir(tmp_path)
    with leaving_no_files(tmp_path):
        result = unroll("predict", folder / run, *arguments)
    check_refused(result, *words)
    assert (tmp_path / "there.png").read_text() == "mine"
