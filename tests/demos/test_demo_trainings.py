"""The demos that train runs: for a few updates what they return and print, and slowly what they claim."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Unroll

from unrolled.demos import (
    careless,
    context,
    convolution,
    learning_text,
    looking,
    shape_tasks,
    shapes,
    supervision,
    translating,
)
from unrolled.demos.careless import CLASSIFIER, WHOLE, CarelessRow

SHORT: dict[str, dict[Any, dict[str, Any]]] = {
    "convolution": {convolution: {"STEPS": 2, "ROWS": 100, "TESTED": 10}},
    "supervision": {supervision: {"STEPS": 2, "FEW_STEPS": 2, "UNLABELLED": 100, "TESTED": 10}},
    "weak": {careless: {"STEPS": 2, "FEW_STEPS": 2, "MANY": 60, "TESTED": 10}},
    "looking": {looking: {"STEPS": 2, "ROWS": 100, "TESTED": 10}},
    "training": {learning_text: {"STEPS": 4, "SIZE": 8}},
    "context": {context: {"STEPS": 2, "ROWS": 100, "TESTED": 2, "WORD_LENGTHS": (1, 3)}},
    "attention": {translating: {"STEPS": 2, "TESTED": 5}},
    "transformer": {translating: {"STEPS": 2, "TESTED": 5}},
}
"""Constants of each demo for a few updates."""


SECONDS_LONG = ("convolution", "supervision", "weak", "looking", "transformer")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SECONDS_LONG else name for name in SHORT]
)
def test_a_demo_prints_what_it_returns(
    name: str, unroll: Unroll, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for module, constants in SHORT[name].items():
        for constant, value in constants.items():
            monkeypatch.setattr(module, constant, value)
    result = unroll("demo", name, "--json")
    assert result.code == 0 and result.err == ""
    CHECKS[name]([json.loads(line) for line in result.out.splitlines()])
    assert list(tmp_path.iterdir()) == []  # a demo leaves nothing behind


def check_convolution(rows: list[Any]) -> None:
    assert [row["net"] for row in rows] == ["fully connected", "convolutional"]
    assert rows[0]["parameters"] > rows[1]["parameters"] > 60_000


def check_supervision(rows: list[Any]) -> None:
    assert [row["way"].split()[-1] for row in rows] == ["weights", "only", "fine-tuning"]
    assert all(0 <= row["accuracy"] <= 1 for row in rows)


def check_weak(rows: list[Any]) -> None:
    assert [row["images"] for row in rows] == [0, 60]
    assert list(rows[0]["accuracies"]) == [WHOLE] and list(rows[1]["accuracies"]) == [CLASSIFIER, WHOLE]


def check_looking(rows: list[Any]) -> None:
    assert [row["gaze"] for row in rows] == ["learned", "random", "centre"]


def check_training(samples: list[Any]) -> None:
    assert samples[0]["update"] == 0 and samples[-1]["update"] == 4
    assert samples[0]["nats"] > 4


def check_context(rows: list[Any]) -> None:
    assert [row["kind"] for row in rows] == ["one context vector", "attention"]
    assert list(rows[0]["right"]) == ["1", "3"]


def check_translation(rows: list[Any]) -> None:
    (row,) = rows
    assert " ".join(row["source"]) == translating.EXAMPLE
    assert all(len(weights) == 5 and 0 < sum(weights) < 1.0001 for weights in row["weights"])
    assert len(row["weights"]) == len(row["target"]) + 1


CHECKS: dict[str, Callable[[list[Any]], None]] = {
    "convolution": check_convolution,
    "supervision": check_supervision,
    "weak": check_weak,
    "looking": check_looking,
    "training": check_training,
    "context": check_context,
    "attention": check_translation,
    "transformer": check_translation,
}


FOUND: dict[str, tuple[Any, Any, tuple[str, ...]]] = {
    "convolution": (
        convolution,
        (convolution.ConvolutionRow("convolutional", 61706, 0.99, 0.5),),
        ("convolutional      61,706              99%           50%",),
    ),
    "supervision": (
        supervision,
        (supervision.SupervisionRow("from random weights", 0.6),),
        ("20 reviews have labels", "from random weights       60%"),
    ),
    "weak": (
        careless,
        (CarelessRow(0, 0.0, 1.0, {WHOLE: 0.25}), CarelessRow(3000, 0.6, 1.0, {CLASSIFIER: 0.5, WHOLE: 0.75})),
        (
            "60% of them drawn at random",
            "nothing                              –               25%",
            "50%               75%",
        ),
    ),
    "noise": (
        careless,
        tuple(CarelessRow(volume, noise, 1.0, {WHOLE: noise}) for volume in (100, 3000) for noise in careless.NOISES),
        ("images  0% at random  60% at random  90% at random", "3,000             0%            60%            90%"),
    ),
    "capacity": (
        careless,
        tuple(
            CarelessRow(volume, 0.6, width, {WHOLE: width / 2}) for volume in (100, 3000) for width in careless.WIDTHS
        ),
        ("images  width 0.25  width 1  width 2", "100            12%      50%     100%"),
    ),
    "looking": (
        looking,
        (looking.LookingRow("learned", 0.75), looking.LookingRow("random", 0.4)),
        ("4,000 images, 600 updates each", "learned       75%"),
    ),
    "shapes": (
        shapes,
        (shapes.ShapeRow("one to one", "a picture", "#.\n.#", "digit 1", "digit 2", 0.9),),
        ("one to one: a picture", "  reads     #.\n            .#", "  right     digit 1; 90%"),
    ),
    "training": (
        learning_text,
        (learning_text.TextSample(0, 4.5, "x\ny"), learning_text.TextSample(9, 2.5, "the")),
        ("at first: after 0 updates, 4.50 nats", "  x\n  y\n", "train more: after 9 updates"),
    ),
    "context": (
        context,
        (context.ContextRow("attention", 1000, dict.fromkeys(context.WORD_LENGTHS, 0.5)),),
        ("decoder reads  parameters  2 letters", "attention           1,000        50%"),
    ),
    "attention": (
        translating,
        translating.Translation("lstm", 1000, 0.9, ["ein", "zwei"], ["one"], [[0.0, 1.0], [0.5, 0.5]]),
        ("90% are translated", "ein zwei: one", "one         0%  ██ 100%", "(end)  ▒▒  50%"),
    ),
}
"""Made results of each demo, and what is printed of them."""


@pytest.mark.parametrize("name", FOUND)
def test_results_are_printed(name: str, unroll: Unroll, monkeypatch: pytest.MonkeyPatch) -> None:
    module, found, expected = FOUND[name]
    monkeypatch.setattr(module, f"show_{name}", lambda seed: found)
    result = unroll("demo", name)
    assert result.code == 0 and result.err.startswith("Trains ")
    for words in expected:
        assert words in result.out
    assert unroll("demo", name, "--quiet").err == ""


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_convolution_gains_at_new_places(seed: int) -> None:
    dense, convolved = convolution.show_convolution(seed)
    assert convolved.new > dense.new + 0.2 and convolved.seen > 0.9 and dense.seen > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_few_labels_suffice_after_pre_training(seed: int) -> None:
    alone, head, full = supervision.show_supervision(seed)
    assert min(head.accuracy, full.accuracy) > alone.accuracy + 0.1


@pytest.mark.parametrize("noise", [0.0, 0.6, 0.9])
def test_careless_labels_are_wrong_as_often_as_was_asked(noise: float) -> None:
    _, labels = careless.draw(0, "weak", 20_000)
    made = careless.careless(0, labels, noise)
    assert (made != labels).mean() == pytest.approx(0.9 * noise, abs=0.01)  # a tenth of the random ones are right


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_careless_labels_help_where_they_are_many(seed: int) -> None:
    nothing, weak = careless.show_weak(seed)
    assert weak.accuracies[WHOLE] > nothing.accuracies[WHOLE] + 0.1 < weak.accuracies[CLASSIFIER]


@pytest.mark.slow
def test_a_learned_gaze_is_better_than_a_random_one() -> None:
    learned, chance, centre = looking.show_looking(0)
    assert learned.accuracy > max(chance.accuracy, centre.accuracy) + 0.15


@pytest.mark.slow
def test_every_shape_is_learnt() -> None:
    rows = shapes.show_shapes(0)
    assert len(rows) == len(shape_tasks.SHAPE_TASKS)
    assert all(row.right > 0.7 for row in rows), rows


@pytest.mark.slow
def test_the_text_gets_better() -> None:
    samples = learning_text.show_training(0)
    nats = [sample.nats for sample in samples]
    assert nats == sorted(nats, reverse=True) and nats[0] > 4 and nats[-1] < 2.5


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_one_vector_forgets_long_inputs(seed: int) -> None:
    vector, attention = context.show_context(seed)
    assert vector.right[2] > 0.8 < attention.right[2]
    assert vector.right[6] + 0.3 < attention.right[6] and vector.right[8] < 0.2 < 0.5 < attention.right[8]


@pytest.mark.slow
def test_words_are_aligned_across() -> None:
    found = translating.show_attention(0)
    assert found.right > 0.9 and found.target[:4] == ["three", "hundred", "twenty", "four"]
    looked = [found.source[max(range(5), key=lambda k: row[k])] for row in found.weights[:4]]
    assert looked[2:] == ["zwanzig", "vier"]
    assert translating.show_transformer(0).right > 0.9
