"""Texts in memory: missing ones, frames where lines were expected, and data that says what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import unrolled
from unrolled.errors import InputError

TEXTS, LABELS = ["a fine film", "dull and long", "warm and funny"] * 10, ["good", "bad", "good"] * 10
SMALL: dict[str, Any] = {"steps": 1, "threads": 1, "hidden_size": 4, "progress": False}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> unrolled.Run:
    out = tmp_path_factory.mktemp("texts") / "run"
    return unrolled.train({"text": TEXTS, "label": LABELS}, out=str(out), **SMALL)


def test_a_missing_text_among_texts_has_an_empty_prediction(run: unrolled.Run) -> None:
    first, missing, last = run.predict(["a fine film", None, "dull"])
    assert missing.empty and not first.empty and not last.empty


def test_lines_to_score_are_no_frame(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    model = unrolled.train(TEXTS, out=str(tmp_path / "run"), **SMALL)
    with pytest.raises(InputError):
        list(model.score(pandas.DataFrame({"text": TEXTS})))


def test_a_pair_of_two_texts_is_no_data(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        unrolled.train(("a b c", "d e f"), out=str(tmp_path / "run"), **SMALL)
    assert not (tmp_path / "run").exists()


def test_a_transformed_dataset_is_refused(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    given = datasets.Dataset.from_dict({"text": TEXTS, "label": LABELS})
    upper = given.with_transform(lambda rows: {name: [one.upper() for one in rows[name]] for name in rows})
    with pytest.raises(InputError, match="transform"):
        unrolled.train(upper, out=str(tmp_path / "run"), **SMALL)
