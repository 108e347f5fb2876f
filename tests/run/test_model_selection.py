"""A text without `--model`: the best of net, n-gram and ensemble is selected, and the run uses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import opened
from training_runs import TINY_TEXT_MODEL, check_same_bytes, finish, write_text

import unrolled
from unrolled.errors import OptionError, RunError, TrainingError
from unrolled.model.language import LanguageModel
from unrolled.model.mixture import Mixture
from unrolled.model.ngram.model import NGram
from unrolled.run import LanguageModelingSummary, Training, runs
from unrolled.tasks.selection import compare_with_baseline, select, selected_line
from unrolled.tasks.trend import trend_line, trend_of

SMALL: dict[str, Any] = {"steps": 12, **TINY_TEXT_MODEL, "model": None}
KINDS = {"lstm": LanguageModel, "ngram": NGram, "lstm+ngram": Mixture}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "my text.txt"
    write_text(path)
    path.write_text(path.read_text()[:8000])
    return path


@pytest.fixture(scope="module")
def made(text: Path) -> Callable[[str], Path]:
    """A finished run in which this model is selected."""
    found: dict[str, Path] = {}

    def make(model: str) -> Path:
        if model not in found:
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr("unrolled.tasks.language_modeling.ensemble.select", lambda _: model)
                found[model] = finish(Training(text, out=str(text.parent / model), **SMALL)).folder
        return found[model]

    return make


def test_the_best_on_validation_is_selected_and_reported(text: Path, tmp_path: Path) -> None:
    training = finish(Training(text, out=str(tmp_path / "run"), **SMALL))
    summary, facts = training.summary, training.run.facts
    assert isinstance(summary, LanguageModelingSummary)
    assert facts["settings"]["model"] is None
    assert summary.candidates is not None and list(summary.candidates) == ["lstm", "ngram", "lstm+ngram"]
    assert summary.model == "+".join(facts["selected"]) == select(summary.candidates)
    assert summary.candidates[summary.model] <= min(summary.candidates.values()) + 0.002
    assert summary.model != "lstm", "twelve updates do not beat counting"
    assert f"Selected: {summary.model}, " in "\n".join(summary.lines)
    assert "the best on validation is selected: this net, the n-gram or their ensemble" in training.plan_line
    assert isinstance(opened(training.folder).model, KINDS[summary.model])


@pytest.mark.parametrize("model", KINDS)
def test_a_run_uses_the_selected_model(made: Callable[[str], Path], model: str) -> None:
    folder = made(model)
    run = opened(folder)
    assert isinstance(run.model, KINDS[model])
    assert run.selected == run.facts["selected"] == model.split("+")
    assert len("".join(run.sample(length=20))) == 20
    assert all(0 < line.nats < 20 for line in run.score(["to be", "xqzj"]))
    scores = run.facts["scores"]
    evaluation = run.evaluate()
    assert evaluation.score.nats == pytest.approx(scores["nats"], abs=1e-5)
    assert (evaluation.members is None) == (model != "lstm+ngram")
    assert (evaluation.baseline is None) == (model == "ngram")
    assert run.evaluate(run.facts["data"]["path"]).score.tokens > evaluation.score.tokens
    assert run.reach(seconds=0.5).to_dict()
    assert (run.info()["parameters"] == 0) == (model == "ngram")
    (listed,) = [one for one in runs(folder.parent) if one["path"] == str(folder)]
    assert listed["scored"] == 1
    assert listed["model"] == model


@pytest.mark.parametrize("model", KINDS)
def test_adapt_works_where_there_is_a_net(made: Callable[[str], Path], model: str) -> None:
    run = opened(made(model))
    if model == "ngram":
        with pytest.raises(OptionError, match=r"predicts with a counted n-gram, which has no weights to adapt"):
            run.evaluate(adapt=True)
    else:
        assert run.evaluate(adapt=True).adapted is not None


@pytest.mark.parametrize("model", KINDS)
def test_the_net_is_trained_as_if_alone(made: Callable[[str], Path], model: str, text: Path, tmp_path: Path) -> None:
    alone = finish(Training(text, out=str(tmp_path / "alone"), **SMALL | {"model": "lstm"}))
    check_same_bytes(alone.folder, made(model))
    assert alone.run.facts["selected"] == ["lstm"]
    assert not (alone.folder / "ngram.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize("model", KINDS)
def test_it_is_resumed_started_from_and_repeated(
    made: Callable[[str], Path], model: str, text: Path, tmp_path: Path
) -> None:
    folder = made(model)
    started = finish(Training(text, out=str(tmp_path / "a"), steps=2, threads=1, init_from=str(folder)))
    assert started.settings.model is None
    again = finish(Training(text, out=str(tmp_path / "b"), threads=1, plan=str(folder)))
    check_same_bytes(again.folder, folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("unrolled.tasks.language_modeling.ensemble.select", lambda _: "ngram")
        assert finish(Training.resume(again.folder, steps=3)).run.facts["selected"] == ["ngram"]
    assert isinstance(opened(again.folder).model, NGram)


def test_a_stopped_run_uses_its_net(text: Path, tmp_path: Path) -> None:
    training = Training(text, out=str(tmp_path / "run"), **SMALL)
    for _ in training:
        training.stop()
    assert isinstance(opened(tmp_path / "run").model, LanguageModel)
    whole = finish(Training(text, out=str(tmp_path / "whole"), **SMALL))
    resumed = finish(Training.resume(tmp_path / "run"))
    check_same_bytes(whole.folder, resumed.folder)
    for name in ("selected", "gate", "surprise_quantiles", "scores"):
        assert resumed.run.facts[name] == whole.run.facts[name]


def test_a_validation_split_that_is_too_small_selects_nothing(text: Path, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text(text.read_text()[:600])
    training = finish(Training(tmp_path / "short.txt", out=str(tmp_path / "run"), **SMALL))
    assert training.run.facts["selected"] == ["lstm"]
    assert training.summary is not None
    assert "Selected: lstm; the validation split is too small to choose by." in training.summary.lines


def test_an_ensemble_that_cannot_be_fitted_is_reported(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise TrainingError("The weights of the ensemble could not be fitted.")

    monkeypatch.setattr(Mixture, "fit", fail)
    training = finish(Training(text, out=str(tmp_path / "run"), **SMALL))
    summary = training.summary
    assert isinstance(summary, LanguageModelingSummary)
    assert summary.candidates is not None and list(summary.candidates) == ["lstm", "ngram"]
    assert "The weights of the ensemble could not be fitted." in summary.lines
    requested = finish(Training(text, out=str(tmp_path / "options"), **SMALL | {"model": "lstm+ngram"})).summary
    assert requested is not None
    assert "The weights of the ensemble could not be fitted." in requested.lines
    assert isinstance(opened(tmp_path / "options").model, Mixture)


@pytest.mark.parametrize("selected", [["gru"], ["ngram", "lstm"], "lstm", [1], {"a": 1}])
def test_an_invalid_selection_is_refused(text: Path, tmp_path: Path, selected: Any) -> None:
    run = finish(Training(text, out=str(tmp_path / "run"), **SMALL | {"steps": 1})).run
    run.write_facts(selected=selected)
    with pytest.raises(RunError, match=r"run\.json is damaged: "):
        unrolled.load(run.path)


def test_the_simpler_of_equally_good_models_is_selected() -> None:
    assert select({"lstm": 1.67, "ngram": 1.557, "lstm+ngram": 1.53}) == "lstm+ngram"
    assert select({"lstm": 1.531, "ngram": 1.557, "lstm+ngram": 1.53}) == "lstm"
    assert select({"lstm": 1.531, "ngram": 1.5315, "lstm+ngram": 1.53}) == "ngram"
    assert select({"lstm": 1.5, "ngram": float("nan"), "lstm+ngram": float("inf")}) == "lstm"
    assert selected_line("lstm", {"lstm": 1.531, "lstm+ngram": 1.53}, "nats per character") == (
        "Selected: lstm, as good as the best on validation (lstm 1.531, lstm+ngram 1.530 nats per character)."
    )


@pytest.mark.parametrize(("interval", "baseline", "more", "words"), [
    ((1.4, 1.6), 1.5, False, "The lstm is as good, within the interval."),
    ((1.4, 1.6), 1.61, False, "The lstm is better."),
    ((1.4, 1.6), 1.39, False, "The lstm is worse."),
    ((0.8, 0.9), 0.79, True, "The lstm is better."),
    ((0.8, 0.9), 0.91, True, "The lstm is worse."),
    ((float("nan"), float("nan")), 0.91, True, "Too little data to tell which is better."),
])  # fmt: skip
def test_better_is_said_only_outside_the_interval(
    interval: tuple[float, float], baseline: float, more: bool, words: str
) -> None:
    assert compare_with_baseline("lstm", interval, baseline, more) == words


@pytest.mark.parametrize(("validations", "trend"), [
    ({0: 4.0, 10: 3.0}, "unclear"),  # too few updates
    ({0: 4.0, 1: 3.0, 2: 3.0, 3: 3.0, 4: 3.0}, "unclear"),
    ({0: 4.0, 500: 2.0, 1000: 2.0}, "unclear"),  # too far apart
    ({0: 4.0, **{at: 3 - at / 1000 for at in range(100, 1001, 100)}}, "learning"),
    ({0: 4.0, **{at: 3 - at / 1000 for at in range(100, 1001, 100)}, 1003: 1.999}, "learning"),  # a short last span
    ({0: 4.0, **dict.fromkeys(range(100, 1001, 100), 2.0)}, "flat"),
    ({0: 4.0, **{at: 3 - min(at, 800) / 1000 for at in range(100, 1001, 100)}}, "slowing"),
    ({0: 4.0, **{at: 2 + abs(at - 700) / 1000 for at in range(100, 1001, 100)}}, "overfitting"),
])  # fmt: skip
def test_the_trend_compares_equal_spans(validations: dict[int, float], trend: str) -> None:
    reports = [{"step": step, "validation": nats} for step, nats in validations.items()]
    reports.insert(1, {"step": 1, "loss": 3.0})
    assert trend_of(reports) == trend
    assert "lstm" in trend_line(trend, "lstm")
    assert trend_of([]) == "unclear"


@pytest.mark.slow
@pytest.mark.alone
def test_selecting_keeps_a_budget_in_minutes(text: Path, tmp_path: Path) -> None:
    import time

    started = time.monotonic()
    training = finish(Training(text, out=str(tmp_path / "run"), minutes=0.2, threads=1, started=started))
    assert time.monotonic() - started < 14
    assert training.run.facts["selected"]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
