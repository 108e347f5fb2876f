"""The keywords of `unrolled.train`: they equal the options, and a type checker refuses others."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import unrolled
from unrolled import keywords, options
from unrolled.options import PATHS
from unrolled.settings import SampleSettings


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (keywords.LanguageModelingKeywords, options.LanguageModelingSettings),
        (keywords.PredictionKeywords, options.PredictionSettings),
        (keywords.Seq2SeqKeywords, options.Seq2SeqSettings),
        (keywords.AllKeywords, options.TrainOptions),
    ],
)
def test_keywords_are_the_options_of_the_task(kind: Any, settings: type[options.TrainSettings]) -> None:
    hints = get_type_hints(settings)
    wanted = {name: hints[name] for name in settings.names() if name != "task"}
    found = get_type_hints(kind)
    assert found.keys() == wanted.keys()
    for name, hint in wanted.items():
        path = Any if name in ("valid", "test") else hint | PathLike[str]  # Any: data in memory
        assert found[name] == (path if name in PATHS else hint), name


def test_keywords_of_the_other_calls_are_their_options() -> None:
    assert get_type_hints(keywords.SampleKeywords) == {
        name: get_type_hints(SampleSettings)[name] for name in SampleSettings.names()
    }
    training, task = get_type_hints(keywords.TrainingKeywords), get_type_hints(options.TrainOptions)["task"]
    assert training == get_type_hints(keywords.AllKeywords) | {"task": task}


def never_called(path: Path) -> None:
    """mypy checks this: each line that must be refused has a comment, and an unnecessary comment is an error."""
    unrolled.train(path, minutes=2, model="gru", out=path / "run")
    unrolled.train(path, task="classification", pool="mean", group="speaker", progress=False)
    unrolled.train(path, task="seq2seq", attention="dot")
    unrolled.train(path, task="language-modeling", documents="line")
    unrolled.train(path, minutes="two")  # type: ignore[call-overload]
    unrolled.train(path, modell="gru")  # type: ignore[call-overload]
    unrolled.train(path, task="classificatoin")  # type: ignore[call-overload]
    unrolled.train(path, task="classification", documents="line")  # type: ignore[call-overload]
    unrolled.train(path, task="language-modeling", pool="mean")  # type: ignore[call-overload]
    unrolled.train(path, task="seq2seq", class_weights="balanced")  # type: ignore[call-overload]
    unrolled.Training(path, task="tagging", direction="causal", out=path / "run")
    unrolled.Training(path, minutes="two")  # type: ignore[arg-type]
    unrolled.Training(path, modell="gru")  # type: ignore[call-arg]
    run = unrolled.load(path)
    run.sample(prompt="O", length=20)
    run.sample(promt="O")  # type: ignore[call-arg]
    run.sample(length="twenty")  # type: ignore[arg-type]
