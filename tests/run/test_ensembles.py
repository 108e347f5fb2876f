"""`--model lstm+ngram`: trained, killed, resumed, loaded and used, with the scores of its members and of the
ensemble."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import opened
from training_runs import TINY_TEXT_MODEL, check_same_bytes, finish, write_text

import unrolled
from unrolled.data import read_corpus
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.errors import OptionError, RunError
from unrolled.model.language import LanguageModel
from unrolled.model.mixture import Mixture
from unrolled.model.ngram.model import NGram
from unrolled.run import LanguageModelingSummary, Training
from unrolled.tasks.language_modeling.ensemble import select_model
from unrolled.tasks.language_modeling.task import LanguageModeling

SMALL: dict[str, Any] = {"steps": 12, "model": "lstm+ngram", **TINY_TEXT_MODEL}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    write_text(path)
    return path


@pytest.fixture(scope="module")
def whole(text: Path) -> Path:
    return finish(Training(text, out=str(text.parent / "whole"), **SMALL)).folder


def same_mixture(one: Path, other: Path) -> None:
    check_same_bytes(one, other)
    assert (one / "ngram.safetensors").read_bytes() == (other / "ngram.safetensors").read_bytes()
    facts = [json.loads((run / "run.json").read_text()) for run in (one, other)]
    for name in ("gate", "surprise_quantiles", "scores", "baseline"):
        assert facts[0][name] == facts[1][name], name


def test_an_ensemble_is_better_than_its_members_and_shows_their_scores(text: Path, tmp_path: Path) -> None:
    training = finish(Training(text, out=str(tmp_path / "run"), **SMALL | {"steps": 60}))
    summary = training.summary
    assert isinstance(summary, LanguageModelingSummary)
    assert isinstance(training.task, LanguageModeling)
    assert summary.test is not None
    assert summary.members is not None
    assert summary.model == "lstm+ngram"
    assert set(summary.members) == {"lstm", "ngram"}
    assert summary.test.nats <= min(summary.members.values()) + 0.01
    assert summary.fitted_tokens == training.task.corpus.targets("validation")
    assert f"Members alone: lstm {summary.members['lstm']:.3f}, ngram {summary.members['ngram']:.3f}" in "\n".join(
        summary.lines
    )
    evaluation = opened(tmp_path / "run").evaluate()
    assert evaluation.members is not None
    assert evaluation.members == pytest.approx(summary.members)
    assert evaluation.score.nats == pytest.approx(summary.test.nats)
    assert evaluation.to_dict()["members"] == evaluation.members
    assert f"ngram {evaluation.members['ngram']:.4f}" in evaluation.lines[-1]
    assert "combined with the n-gram" in training.plan_line


def test_weights_that_were_not_fitted_in_time_are_reported(text: Path, whole: Path) -> None:
    mixture = opened(whole).model
    assert isinstance(mixture, Mixture)
    learnt, ngram = mixture.members
    assert isinstance(learnt, LanguageModel) and isinstance(ngram, NGram)
    cut, fitted = (
        select_model(learnt, ngram, read_corpus(text), 500, "lstm+ngram", "lstm", deadline=deadline)
        for deadline in (Deadline(0.0), UNLIMITED)
    )
    assert "no time to finish fitting the weights of lstm+ngram" in cut.failure and not fitted.failure
    assert cut.validation["lstm+ngram"] <= min(cut.validation.values()) + 0.1


def test_evaluation_on_another_text_shows_the_members(whole: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    write_text(other)
    parts = opened(whole).evaluate(other).members
    assert parts is not None
    assert set(parts) == {"lstm", "ngram"}


def test_an_ensemble_is_loaded_from_its_folder_alone(whole: Path) -> None:
    run = opened(whole)
    assert isinstance(run.model, Mixture)
    assert run.model.gate.double().tolist() == run.facts["gate"]
    assert (run.model.gate[:, 1:] != 0).any()


def test_the_net_of_an_ensemble_is_trained_as_if_alone(text: Path, tmp_path: Path, whole: Path) -> None:
    alone = finish(Training(text, out=str(tmp_path / "run"), **SMALL | {"model": "lstm"})).folder
    check_same_bytes(alone, whole)


@pytest.mark.slow
def test_the_order_of_the_members_does_not_matter(text: Path, tmp_path: Path, whole: Path) -> None:
    other = finish(Training(text, out=str(tmp_path / "run"), **SMALL | {"model": "ngram+lstm"})).folder
    same_mixture(whole, other)
    again = finish(Training(text, out=str(tmp_path / "again"), plan=str(whole), model="ngram+lstm", threads=1))
    same_mixture(whole, again.folder)


@pytest.mark.parametrize("reports", [0, 5])
def test_a_resumed_training_gives_the_same_ensemble(text: Path, tmp_path: Path, whole: Path, reports: int) -> None:
    training = Training(text, out=str(tmp_path / "run"), **SMALL)
    for number, _ in enumerate(training):
        if number == reports:
            training.stop()
    unfitted = opened(tmp_path / "run").model
    assert isinstance(unfitted, Mixture)
    assert unfitted.gate[0].tolist() == [0.5, 0, 0, 0, 0]
    finish(Training.resume(tmp_path / "run"))
    same_mixture(whole, tmp_path / "run")


@pytest.mark.parametrize("point", ["save_ngram", "score_baseline", "select_model", "surprise_quantiles"])
def test_a_kill_while_counting_or_fitting_weights_loses_nothing(
    text: Path, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    training = Training(text, out=str(tmp_path / "run"), **SMALL)
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(f"unrolled.tasks.language_modeling.task.{point}", die)
        finish(training)
    finish(Training.resume(tmp_path / "run"))
    same_mixture(whole, tmp_path / "run")


@pytest.mark.slow
def test_a_finished_ensemble_is_resumed_and_its_weights_fitted_again(text: Path, tmp_path: Path, whole: Path) -> None:
    out = tmp_path / "run"
    first = finish(Training(text, out=str(out), **SMALL))
    gate = first.run.facts["gate"]
    finish(Training.resume(out, steps=30))
    assert unrolled.load(out).facts["gate"] != gate


def test_a_run_starts_from_an_ensemble_or_from_its_net(text: Path, tmp_path: Path, whole: Path) -> None:
    requested: dict[str, Any] = {"steps": 2, "threads": 1, "init_from": str(whole)}
    mixed = finish(Training(text, out=str(tmp_path / "mixed"), **requested))
    assert mixed.settings.model == "lstm+ngram"
    alone = finish(Training(text, out=str(tmp_path / "alone"), model="lstm", **requested))
    assert not (alone.folder / "ngram.safetensors").exists()
    again = Training(
        text, out=str(tmp_path / "b"), model="lstm+ngram", **requested | {"init_from": str(alone.folder)}
    )
    assert finish(again).summary is not None
    with pytest.raises(OptionError, match=r"lstm of 1 x 16; --model gru\+ngram does not match"):
        Training(text, model="gru+ngram", **requested)


@pytest.mark.parametrize(
    ("damage", "words"), [("counts", "ngram.safetensors is missing"), ("gate", "gate is invalid")]
)
def test_a_damaged_ensemble_is_refused(text: Path, tmp_path: Path, damage: str, words: str) -> None:
    run = finish(Training(text, out=str(tmp_path / "run"), **SMALL | {"steps": 2})).run
    if damage == "counts":
        run.baseline_file("ngram").unlink()
    else:
        run.write_facts(gate=[[1.0], ["x"]])
    with pytest.raises(RunError, match=words):
        unrolled.load(run.path)


@pytest.mark.slow
@pytest.mark.alone
def test_it_keeps_a_budget_in_minutes(text: Path, tmp_path: Path) -> None:
    import time

    started = time.monotonic()
    training = finish(Training(text, out=str(tmp_path / "run"), model="lstm+ngram", minutes=0.2, started=started))
    assert time.monotonic() - started < 16
    assert training.monitor is not None and training.monitor.cost.ensemble
