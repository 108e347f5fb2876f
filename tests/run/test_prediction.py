"""Runs on tables: trained, stopped and resumed, loaded, used for prediction, scored."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import opened
from run_checksums import seal
from training_runs import check_same_bytes, finish

import unrolled
from unrolled.deadline import Deadline
from unrolled.errors import DataError, OptionError, RunError, command
from unrolled.metrics.classification import LabelScore, score_labels
from unrolled.options import TrainOptions
from unrolled.run import Training, runs, tag_conllu
from unrolled.rundir.formats import upgraded_vocabulary
from unrolled.tasks.dataset import known_from_json, read_task_examples
from unrolled.tasks.prediction import baselines as baselines
from unrolled.tasks.prediction.baselines import baseline_names, best_baseline, fit_baselines
from unrolled.tasks.prediction.evaluation import confusion_lines
from unrolled.tasks.prediction.summary import PredictionSummary
from unrolled.tasks.requests import LARGEST_BATCH, batched

SMALL: dict[str, Any] = {"steps": 8, "hidden_size": 8, "batch_size": 16, "threads": 1}


def write_rows(path: Path, count: int = 400, seed: int = 0) -> Path:
    """Names of two kinds, recognisable by their endings; the first letter decides where the stress is."""
    generator = np.random.default_rng(seed)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("name", "kind", "first"))
        for _ in range(count):
            stem = "".join(generator.choice(list("bdgklmnprst"), 3)) + generator.choice(list("aeiou"))
            kind = int(generator.integers(2))
            writer.writerow((stem + ("ski", "ton")[kind], ("east", "west")[kind], str(int(stem[0] > "l"))))
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("table") / "names.csv")


def of_labels(score: object) -> LabelScore:
    assert isinstance(score, LabelScore)
    return score


@pytest.fixture(scope="module")
def trained(table: Path) -> Training:
    return finish(Training(table, out=str(table.parent / "run"), output="kind", **SMALL))


def test_the_best_of_net_linear_model_ngram_and_ensemble_is_selected(trained: Training) -> None:
    summary, facts = trained.summary, trained.run.facts
    assert isinstance(summary, PredictionSummary)
    assert facts["kind"] == "prediction"
    assert facts["status"] == "finished"
    assert facts["settings"]["model"] is None
    assert summary.model == "+".join(facts["selected"])
    least = min(summary.validation.values())
    assert summary.validation[summary.model] <= least + 0.002
    assert set(summary.scores["kind"]) == {"lstm", "linear", "ngram", "lstm+linear+ngram"}
    assert of_labels(summary.scores["kind"][summary.model]).accuracy > 0.95
    words = "\n".join(summary.lines)
    assert "macro-F1" in words
    assert f"Selected: {summary.model}, " in words
    assert "always '" in words
    json.dumps(facts["scores"])
    assert (
        "at the end combined with the linear model and the n-gram, and the best on validation is selected"
        in trained.plan_line
    )


def test_a_loaded_run_has_the_scores_of_the_summary(trained: Training) -> None:
    run = opened(trained.folder)
    evaluation, summary = run.evaluate(errors=True), trained.summary
    assert isinstance(summary, PredictionSummary)
    score = of_labels(summary.scores["kind"][summary.model])
    assert of_labels(evaluation.scores["kind"]).accuracy == score.accuracy
    assert evaluation.scores["kind"].nats == pytest.approx(score.nats, abs=1e-5)
    assert evaluation.split == "test"
    assert len(evaluation.errors) == round((1 - score.accuracy) * score.rows)
    probabilities = [one["confidence"] for one in evaluation.errors]
    assert probabilities == sorted(probabilities, reverse=True)
    predictions = list(run.predict(["bamaski", "bamaton"]))
    assert [prediction.best("kind") for prediction in predictions] == ["east", "west"]
    assert sum(chance for _, chance in predictions[0].labels["kind"]) == pytest.approx(1.0)


def test_a_batch_of_texts_is_predicted_as_one_by_one(trained: Training) -> None:
    run = unrolled.load(trained.folder)
    texts = ["b" * length + "ski" for length in (30, 1, 8, 0, 200, 3)] + [""]
    together = list(run.predict(texts))
    assert [prediction.text for prediction in together] == texts
    for prediction in together:
        (alone,) = run.predict([prediction.text])
        assert dict(alone.labels["kind"]) == pytest.approx(dict(prediction.labels["kind"]), abs=1e-5)
    assert [len(prediction.labels["kind"]) for prediction in run.predict(texts, top=1)] == [1] * (len(texts) - 1) + [
        0
    ]
    assert dict(together[-1].labels["kind"]) == {}, "an empty text has an empty answer in its place"


@pytest.mark.parametrize("stopped", [1, 4, 7])
def test_a_resumed_run_ends_with_the_same_bytes(stopped: int, trained: Training, table: Path, tmp_path: Path) -> None:
    training = Training(table, out=str(tmp_path / "run"), output="kind", **SMALL)
    for report in training:
        if report.step == stopped:
            training.stop()
    assert training.stopped
    halfway = unrolled.load(tmp_path / "run")
    assert halfway.selected == ["lstm"], "a run that was stopped answers by its net"
    assert sum(chance for _, chance in next(halfway.predict(["a"])).labels["kind"]) == pytest.approx(1.0)
    again = finish(Training.resume(tmp_path / "run"))
    check_same_bytes(trained.folder, tmp_path / "run")
    assert again.run.facts["scores"] == trained.run.facts["scores"]
    assert again.run.facts["weights"] == trained.run.facts["weights"]


def test_a_recorded_plan_gives_the_same_bytes(trained: Training, table: Path, tmp_path: Path) -> None:
    finish(Training(table, out=str(tmp_path / "run"), plan=str(trained.folder)))
    check_same_bytes(trained.folder, tmp_path / "run")


def test_a_run_starts_from_another_runs_weights(trained: Training, table: Path, tmp_path: Path) -> None:
    training = Training(table, out=str(tmp_path / "run"), init_from=str(trained.folder), **SMALL | {"steps": 1})
    reports = list(training)
    best = min(report["validation"] for report in trained.run.log.read_reports())
    assert reports[0].validation == pytest.approx(best, abs=1e-5), "it begins where the other ended"
    with pytest.raises(OptionError, match=r"starts from a model of --direction as planned;\n--direction causal"):
        Training(table, init_from=str(trained.folder), direction="causal", steps=1)


@pytest.mark.slow
@pytest.mark.alone
def test_a_budget_ends_early_after_enough_epochs(table: Path, tmp_path: Path) -> None:
    started = time.monotonic()
    budget: dict[str, Any] = {"minutes": 0.15, "started": started}
    training = finish(Training(table, out=str(tmp_path / "run"), output="kind", hidden_size=16, **budget))
    assert time.monotonic() - started < 9 + 3
    assert isinstance(training.summary, PredictionSummary)
    assert (
        training.run.log.read_plans()[-1]["steps"]
        == training.training_state.step
        <= training.run.log.read_plans()[0]["max_updates"]
    )
    assert training.run.log.read_plans()[0]["max_updates"] == 60 * 320 // 64


@pytest.mark.parametrize(("rows", "last"), [(98, True), (100, False)])
def test_too_few_validation_rows_select_no_weights(rows: int, last: bool, tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    table = tmp_path / "guesses.csv"
    lines = [
        f"{''.join(generator.choice(list('abcdefgh'), 8))},{generator.choice(['yes', 'no'])}\n" for _ in range(rows)
    ]
    table.write_text("text,label\n" + "".join(lines))  # random labels: only overfitting can predict them
    requested = {**SMALL, "steps": 60, "dropout": 0.0, "valid": "0.5", "test": "none"}
    training = finish(Training(table, out=str(tmp_path / "run"), **requested))
    averaged = training.training_state.optimiser.averaged
    _, facts = training.run.read_model(dict(averaged.named_parameters()))
    assert (facts["step"] == 60) == last, "49 rows tell too little, 50 that what came first is best"


@pytest.mark.slow
def test_a_requested_model_is_selected(table: Path, tmp_path: Path) -> None:
    for model, left in (
        ("lstm", ["lstm"]), ("gru+linear", ["gru", "linear"]), ("linear+gru", ["gru", "linear"]),
        ("gru+ngram", ["gru", "ngram"]), ("ngram+gru+linear", ["gru", "linear", "ngram"]),
    ):  # fmt: skip
        training = finish(Training(table, out=str(tmp_path / model), output="kind", model=model, **SMALL))
        assert training.run.facts["selected"] == left
        weights = training.run.facts["weights"]["kind"]
        assert len(weights) == len(left)
        assert unrolled.load(tmp_path / model).selected == left


@pytest.mark.parametrize(("model", "name", "how"), [
    ("linear", "linear model", "fitted"), ("ngram", "n-gram", "counted"),
])  # fmt: skip
def test_a_model_without_training_is_a_run_like_any_other(
    model: str, name: str, how: str, table: Path, tmp_path: Path
) -> None:
    training = finish(Training(table, out=str(tmp_path / "run"), output="kind", model=model))
    assert training.plan_line == f"{name}: {how}, not trained"
    summary = training.summary
    assert isinstance(summary, PredictionSummary)
    assert of_labels(summary.scores["kind"][model]).accuracy > 0.95
    again = command("train", table, "--output", "kind")
    assert f"The {name} is {how}, not trained. Next: see what a net adds: {again}" in summary.lines
    assert [file.name for file in (tmp_path / "run").glob("*.safetensors")] == [f"{model}.safetensors"]
    run = unrolled.load(tmp_path / "run")
    assert run.evaluate().lines[0].startswith("kind, test: accuracy 100.0%")
    assert next(run.predict(["mumaski"])).best("kind") == "east"
    assert run.info()["parameters"] == 0
    with pytest.raises(RunError, match=f"is a {how} {name}: it cannot be trained further"):
        Training.resume(tmp_path / "run")
    with pytest.raises(OptionError, match=rf"The {name} has no --hidden-size: it is {how}, not trained"):
        Training(table, model=model, hidden_size=8)
    assert Training(table, model=model, output="kind", threads=1, out=str(tmp_path / "one")).run.facts["threads"] == 1
    with pytest.raises(RunError, match=rf"predicts only at the end of a row: it is {model}, which needs whole rows"):
        list(run.predict("a", every=True))


def test_the_better_of_linear_model_and_ngram_is_the_baseline(table: Path) -> None:
    examples = read_task_examples(table, TrainOptions(output="kind"))
    fitted = fit_baselines(examples, baseline_names(examples), seed=0)
    assert list(fitted) == ["linear", "ngram"]
    alone = [best_baseline(examples, {name: baseline})[0] for name, baseline in fitted.items()]
    assert best_baseline(examples, fitted)[0] == min(alone, key=lambda one: one.validation or 0.0)
    assert [one.name.split(",")[0] for one in alone] == [
        baseline.describe().split(",")[0] for baseline in fitted.values()
    ]
    assert alone[0].validation != alone[1].validation


@pytest.mark.parametrize(("left", "nats", "words"), [
    ("lstm+linear+ngram", (0.5, 0.6, 0.4, 0.3),
     "best on validation (lstm 0.500, linear 0.600, ngram 0.400, lstm+linear+ngram 0.300 nats per prediction)."),
    ("linear", (0.0, 0.001, 0.003, 0.0),
     "as good as the best on validation (lstm 0.000, linear 0.001, ngram 0.003, lstm+linear+ngram 0.000 nats per "
     "prediction)."),
])  # fmt: skip
def test_the_summary_says_what_is_selected_and_why(left: str, nats: tuple[float, ...], words: str) -> None:
    validation = dict(zip(("lstm", "linear", "ngram", "lstm+linear+ngram"), nats, strict=True))
    summary = PredictionSummary(left, "test", {}, {}, {}, validation, True, "unclear", "", "DATA")
    assert summary.lines[0] == f"Selected: {left}, {words}"
    assert summary.lines[1].startswith("Too few updates to tell whether the lstm had stopped getting better")


def test_fitting_has_the_time_that_counting_leaves(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = read_task_examples(table, TrainOptions(output="kind"))
    given: list[float] = []
    now = [0.0]

    def count(examples: object, seed: int, deadline: Deadline) -> None:
        given.append(deadline.seconds_left)
        now[0] += 0.1

    monkeypatch.setattr(baselines, "_count", count)
    monkeypatch.setattr(
        baselines, "_fit_linear", lambda examples, seed, deadline: given.append(deadline.seconds_left)
    )
    fit_baselines(examples, ["linear", "ngram"], 0, Deadline(2.0, now=lambda: now[0]))
    assert given == pytest.approx([0.6, 1.9 * 0.75])


def test_ngrams_are_counted_for_single_labels_of_texts_only(tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    path.write_text("text,tags,price\n" + "good film,a;b,1.5\nbad film,b,2.5\nlong book,a,3.5\n" * 30)
    for output, kind, what in (("price", None, "numbers"), ("tags", "multilabel", "sets of labels")):
        words = rf"the n-gram predicts one label per text\. Requested for .*mixed\.csv: '{output}' \({what}\), from"
        with pytest.raises(OptionError, match=words):
            Training(path, input="text", output=output, task=kind, model="ngram")
    with pytest.raises(OptionError, match=r"'text' \(labels\), from 1 number per step"):
        Training(path, input="price", output="text", task="classification", model="lstm+ngram", steps=1)


def test_an_older_run_without_an_ngram_gets_one_when_resumed(table: Path, tmp_path: Path) -> None:
    training = Training(table, out=str(tmp_path / "run"), output="kind", **SMALL)
    for _ in training:
        training.stop()
    (tmp_path / "run" / "ngram.safetensors").unlink()
    resumed = finish(Training.resume(tmp_path / "run"))
    assert isinstance(resumed.summary, PredictionSummary)
    assert "ngram" in resumed.summary.scores["kind"]
    assert (tmp_path / "run" / "ngram.safetensors").exists()


def test_several_outputs_are_several_heads(table: Path, tmp_path: Path) -> None:
    requested: dict[str, Any] = {"input": "name", "output": "kind,first", "class_weights": "balanced", "pool": "mean"}
    training = finish(Training(table, out=str(tmp_path / "run"), **requested, **SMALL))
    summary = training.summary
    assert isinstance(summary, PredictionSummary)
    assert {name: len(scores) for name, scores in summary.scores.items()} == {"kind": 4, "first": 4}
    prediction = next(unrolled.load(tmp_path / "run").predict(["bamaton"]))
    assert set(prediction.labels) == {"kind", "first"}
    assert training.description.count(", one of 2 labels") == 2


@pytest.fixture(scope="module")
def streaming(table: Path) -> Path:
    settings = SMALL | {"direction": "causal", "pool": "last", "bptt": "truncated:k1=4,k2=8", "model": "gru"}
    return finish(Training(table, out=str(table.parent / "ahead"), output="kind", **settings)).folder


def test_a_causal_net_predicts_at_every_step(streaming: Path) -> None:
    run = unrolled.load(streaming)
    text = "bamaski"
    so_far = list(run.predict(text, every=True))
    assert len(so_far) == len(text) + 1
    for length, prediction in enumerate(so_far[1:], start=1):
        (whole,) = run.predict([text[:length]])
        assert dict(prediction.labels["kind"]) == pytest.approx(dict(whole.labels["kind"]), abs=1e-5)


def test_options_that_do_not_go_together_are_refused(table: Path) -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"pool": "last"}, r"--pool last needs --direction causal: .*\n.*Add --direction causal"),
        ({"bptt": "truncated:k1=4"}, r"a bidirectional encoder needs whole rows\.\n.*--direction causal"),
        ({"documents": "line"}, r"is a table, which has no use for --documents"),
        ({"window": 9}, r"is a table, which has no use for --window"),
        ({"model": "lstm+ngram+ngram"}, r"lstm\+linear or lstm\+linear\+ngram\. Got 'lstm\+ngram\+ngram'"),
        ({"model": "linear+ngram"}, r"An ensemble has one trained model and the n-gram"),
        ({"model": "linear:size=3"}, r"linear model takes no options and is not stacked"),
        ({"model": "gru+lstm"}, r"An ensemble has one trained model and the n-gram"),
        (
            {"attention": "dot"},
            r"Requested for .*names\.csv: 'kind' \(labels\)\.\nLeave it out, or .*: --task seq2seq",
        ),
        (
            {"task": "prose"},
            r"--task is one of classification, multilabel, tagging, regression, seq2seq, language-modeling; got "
            r"'prose'",
        ),
    ]
    for requested, words in refused:
        with pytest.raises(OptionError, match=words):
            Training(table, output="kind", **requested)
    text = table.parent / "text.txt"
    text.write_text("some text, line after line\n" * 50)
    with pytest.raises(OptionError, match=r"text\.txt is read as a text, which has no use for --pool"):
        Training(text, steps=1, pool="mean")
    with pytest.raises(OptionError, match=r"text\.txt is a text, and the linear model needs a table"):
        Training(text, model="lstm+linear", steps=1)
    as_text = Training(table, task="language-modeling", steps=1, out=str(table.parent / "as-text"))
    assert as_text.run.facts["kind"] == "language-modeling"


def test_a_run_refuses_the_methods_of_other_tasks(trained: Training, streaming: Path) -> None:
    run = unrolled.load(trained.folder)
    for call in (
        lambda: run.sample(length=3),
        lambda: list(run.score(["a"])),
        lambda: run.reach(),
        lambda: run.replacements("a"),
    ):
        with pytest.raises(RunError, match=r"of kind 'prediction', which has no \w+\(\)\.\n.*unroll predict"):
            call()
    assert run.info()["kind"] == "prediction"
    assert unrolled.load(streaming).info()["parameters"] > 1000


def damage_vocabulary(run: Path, change: Any) -> None:
    tables = json.loads((run / "vocabulary.json").read_text())
    change(tables)
    (run / "vocabulary.json").write_text(json.dumps(tables))


DAMAGE: dict[str, tuple[Any, str]] = {
    "no outputs": (lambda run: damage_vocabulary(run, lambda t: t.pop("outputs")), r"vocabulary\.json is damaged"),
    "other outputs": (
        lambda run: damage_vocabulary(
            run, lambda t: t["outputs"].update(x={"kind": "classification", "names": ["a", "b"]})
        ),
        r"outputs do not match its columns",
    ),
    "an output without labels": (
        lambda run: damage_vocabulary(run, lambda t: t["outputs"]["kind"].pop("names")),
        r"vocabulary\.json is damaged: its description of 'kind' is invalid",
    ),
    "no steps": (lambda run: damage_vocabulary(run, lambda t: t.pop("featurizer")), r"vocabulary\.json is damaged"),
    "no weights": (lambda run: (run / "model.safetensors").unlink(), r"model\.safetensors"),
    "no n-grams": (lambda run: (run / "ngram.safetensors").unlink(), r"ngram\.safetensors"),
    "no linear model": (lambda run: (run / "linear.safetensors").unlink(), r"linear\.safetensors"),
    "odd weights": (
        lambda run: (run / "run.json").write_text(
            (run / "run.json").read_text().replace('"weights": {', '"weights": {"more": [1.0],')
        ),
        r"its ensemble weights do not match its members",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_run_is_refused(case: str, table: Path, tmp_path: Path) -> None:
    finish(
        Training(table, out=str(tmp_path / "run"), output="kind", model="lstm+linear+ngram", **SMALL | {"steps": 2})
    )
    change, words = DAMAGE[case]
    change(tmp_path / "run")
    seal(tmp_path / "run")
    with pytest.raises(RunError, match=words):
        list(unrolled.load(tmp_path / "run").predict(["a"]))


def test_a_missing_or_changed_table_is_reported(table: Path, tmp_path: Path) -> None:
    own = write_rows(tmp_path / "own.csv")
    training = Training(own, out=str(tmp_path / "run"), output="kind", **SMALL)
    for report in training:
        if report.step == 3:
            training.stop()
    with own.open("a") as file:
        file.write("bam,east,0\n")
    with pytest.raises(DataError, match=r"The table that .* was trained on has changed since"):
        Training.resume(tmp_path / "run")
    own.unlink()
    with pytest.raises(DataError, match=r"The table that .* was trained on is gone"):
        Training.resume(tmp_path / "run")


def test_waiting_texts_are_batched_and_a_single_one_is_not_delayed() -> None:
    assert list(batched([])) == []
    many = [str(number) for number in range(3 * LARGEST_BATCH)]
    groups = list(batched(many))
    assert [text for group in groups for text in group] == many
    assert max(map(len, groups)) <= LARGEST_BATCH

    def slowly() -> Iterator[str]:
        for number in range(3):
            yield str(number)
            time.sleep(0.2)

    started = time.monotonic()
    first = next(batched(slowly()))
    assert first == ["0"]
    assert time.monotonic() - started < 0.15


def test_the_reading_thread_ends_with_its_consumer() -> None:
    before = threading.active_count()
    groups = batched(str(number) for number in range(10**9))
    assert next(groups)
    del groups
    for _ in range(100):
        if threading.active_count() == before:
            break
        time.sleep(0.05)
    assert threading.active_count() == before


def test_an_error_of_the_input_is_raised_after_the_predictions_before_it() -> None:
    def breaks() -> Iterator[str]:
        yield "one"
        raise DataError("row 2 is damaged")

    groups = batched(breaks())
    assert next(groups) == ["one"]
    with pytest.raises(DataError, match="row 2 is damaged"):
        next(groups)


def test_a_confusion_of_many_labels_is_its_largest_mistakes() -> None:
    names = [f"label{number}" for number in range(30)]
    predictions = np.array([0, 0, 0, 1, 1, 2])
    logs = np.full((6, 30), math.log(0.01))
    logs[np.arange(6), [5, 5, 0, 7, 1, 2]] = math.log(0.7)
    lines = confusion_lines(score_labels(logs, predictions, names))
    assert lines == ["       2 x label0 predicted as label5", "       1 x label1 predicted as label7"]
    few = confusion_lines(score_labels(logs[:, :3], np.array([0, 0, 0, 1, -1, 2]), ["a", "b", "c"]))
    assert few[-1].split()[0] == "(unknown)"
    assert len(few) == 5


def test_training_depends_on_the_seed_alone(table: Path, tmp_path: Path) -> None:
    torch.manual_seed(int(time.time()))
    runs = [
        finish(Training(table, out=str(tmp_path / str(k)), output="kind", seed=seed, **SMALL | {"steps": 5})).folder
        for k, seed in enumerate((0, 0, 1))
    ]
    check_same_bytes(runs[0], runs[1])
    assert (runs[0] / "model.safetensors").read_bytes() != (runs[2] / "model.safetensors").read_bytes()


def write_groups(path: Path) -> Path:
    rows = (write_rows(path.with_name("rows.csv"), 240)).read_text().splitlines()
    lines = [f"{row},{'who' if n == 0 else f'speaker {n % 7}'}" for n, row in enumerate(rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_every_group_is_tested_in_one_fold(tmp_path: Path) -> None:
    from unrolled.options import TrainOptions
    from unrolled.run.cross_validation import Folds

    table = write_groups(tmp_path / "t.csv")
    settings = TrainOptions(folds=3, group="who", output="kind", out=str(tmp_path / "folds"), **SMALL | {"steps": 4})
    folds, tested = Folds(table, settings, "t"), []
    for number, training in folds.trainings():
        examples = training.task.examples  # type: ignore[attr-defined]
        groups = {split: {(row + 1) % 7 for row in examples.splits[split].tolist()} for split in examples.splits}
        assert not groups["test"] & (groups["training"] | groups["validation"])
        assert groups["validation"]
        assert not groups["validation"] & groups["training"]
        tested += examples.splits["test"].tolist()
        finish(training)
        if number == 2:
            break
    again = Folds(table, settings, "t")
    for number, training in again.trainings():
        assert number == 3, "what is finished is not trained again"
        tested += training.task.examples.splits["test"].tolist()  # type: ignore[attr-defined]
        finish(training)
    assert sorted(tested) == list(range(240))
    lines = again.conclude()
    assert len(lines) == 4
    assert "3 folds:" in lines[-1]
    values = [scores["outputs"]["kind"]["accuracy"] for scores in again.results.values()]
    assert again.table()["kind"]["accuracy"]["mean"] == pytest.approx(sum(values) / 3)
    assert json.loads((tmp_path / "folds" / "folds.json").read_text())["table"] == again.table()


def test_the_line_of_all_folds_has_one_unit_and_only_the_metrics_that_there_are(table: Path, tmp_path: Path) -> None:
    from unrolled.options import TrainOptions
    from unrolled.run.cross_validation import Folds

    folds = Folds(table, TrainOptions(folds=2, output="kind", out=str(tmp_path / "folds")), "t")
    rest = {"nats": 0.25, "model": "lstm", "rows": 20}

    def line(metric: str, *scores: dict[str, float]) -> str:
        results = [{"outputs": {"kind": {"metric": metric, **score, **rest}}, **rest} for score in scores]
        folds.results = dict(enumerate(results, start=1))
        (tmp_path / "folds").mkdir(exist_ok=True)
        return folds.conclude()[-1]

    labels = line("accuracy", {"accuracy": 0.97, "macro_f1": 0.9}, {"accuracy": 0.99, "macro_f1": 0.96})
    assert labels == (
        "kind, 2 folds: accuracy 98.0% on average (standard deviation 1.4%, from 97.0% to 99.0%), macro-F1 0.930"
    )
    texts = line("chrf", {"chrf": 50.0}, {"chrf": 52.0})
    assert texts == "kind, 2 folds: chrF 51.0 on average (standard deviation 1.4, from 50.0 to 52.0)"


def test_a_stopped_fold_is_resumed(table: Path, tmp_path: Path) -> None:
    from unrolled.options import TrainOptions
    from unrolled.run.cross_validation import Folds

    settings = TrainOptions(folds=2, output="kind", out=str(tmp_path / "folds"), **SMALL | {"steps": 6})
    for _, training in Folds(table, settings, "t").trainings():
        for report in training:
            if report.step == 2:
                training.stop()
    again = [number for number, training in Folds(table, settings, "t").trainings() if finish(training)]
    assert again == [1, 2]


def test_a_killed_linear_fold_is_fitted_again(table: Path, tmp_path: Path) -> None:
    from unrolled.options import TrainOptions
    from unrolled.run.cross_validation import Folds

    for model in ("linear", "ngram"):
        settings = TrainOptions(folds=2, output="kind", model=model, out=str(tmp_path / model))
        whole = Folds(table, dataclasses.replace(settings, out=str(tmp_path / f"whole {model}")), "t")
        for _, training in whole.trainings():
            finish(training)
        _, killed = next(iter(Folds(table, settings, "t").trainings()))
        killed.run.release()  # the state after a kill
        again = Folds(table, settings, "t")
        assert [number for number, training in again.trainings() if finish(training)] == [1, 2]
        assert again.table() == whole.table()


def test_folds_are_counted_by_their_own_settings(table: Path, tmp_path: Path) -> None:
    from unrolled.options import TrainOptions
    from unrolled.run.cross_validation import Folds

    settings = TrainOptions(folds=2, output="kind", model="linear", out=str(tmp_path / "folds"))
    finish(next(training for _, training in Folds(table, settings, "t").trainings()))
    changed: list[tuple[dict[str, Any], str]] = [
        ({"model": "ngram"}, r"begun with --model linear; now it is --model ngram"),
        ({"folds": 3}, r"begun with --folds 2; now it is --folds 3"),
        ({"seed": 1}, r"begun with --seed 0; now it is --seed 1"),
        ({"group": "who"}, r"begun with no --group; now it is --group who"),
        ({"class_weights": "balanced"}, r"begun with no --class-weights; now it is --class-weights balanced"),
    ]
    for requested, words in changed:
        with pytest.raises(RunError, match=words):
            Folds(table, dataclasses.replace(settings, **requested), "t")
    other = shutil.copy(table, tmp_path / "other.csv")
    with pytest.raises(RunError, match=r"begun with data .*; now it is data .*other\.csv"):
        Folds(other, settings, "t")
    Folds(table, settings, "t")


def test_impossible_folds_are_refused(table: Path) -> None:
    from unrolled.options import TrainOptions
    from unrolled.run.cross_validation import Folds

    refused: list[tuple[dict[str, Any], str]] = [
        ({"folds": 1}, r"--folds is a whole number of at least 2; got 1"),
        ({"fold": 1}, r"--fold is one of the --folds, from 1; got 1 of none"),
        ({"folds": 3, "fold": 4}, r"--fold is one of the --folds, from 1; got 4 of 3"),
        ({"folds": 3, "test": "0.1"}, r"--folds makes each fold the test split.*Leave one out"),
    ]
    for requested, words in refused:
        with pytest.raises(OptionError, match=words):
            TrainOptions(**requested).check()
    with pytest.raises(OptionError, match="leave out --plan and --init-from"):
        Folds(table, TrainOptions(folds=2, init_from="x"), "t")
    with pytest.raises(DataError, match=r"holds 2 groups: too few for 3 folds"):
        Training(table, folds=3, fold=1, output="kind", group="first", steps=1)


def write_sentences(path: Path, count: int = 200, seed: int = 0) -> Path:
    """Names are spans; "may" is a month after "in" and a verb elsewhere."""
    generator, lines = np.random.default_rng(seed), []
    for number in range(count):
        name = generator.choice(["Ada", "Bob Ross", "Eve"]).split()
        words = [*name, *(["may", "sing"] if number % 2 else ["sings", "in", "may"])]
        tags = ["B-PER", "I-PER"][: len(name)] + (["O", "O"] if number % 2 else ["O", "O", "B-DATE"])
        lines += [f"# sentence {number}"]
        lines += [f"{n + 1}\t{w}\t_\t{t}" + "\t_" * 6 for n, (w, t) in enumerate(zip(words, tags, strict=True))]
        lines += [f"{len(words)}.1\t_\t_\t_" + "\t_" * 6, ""]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Training:
    path = write_sentences(tmp_path_factory.mktemp("tags") / "t.conllu")
    return finish(Training(path, out=str(path.parent / "run"), **SMALL | {"steps": 20}))


def test_tags_are_learnt_and_spans_scored(tagged: Training) -> None:
    summary = tagged.summary
    assert isinstance(summary, PredictionSummary)
    score = of_labels(summary.scores["upos"][summary.model])
    assert score.accuracy > 0.95
    assert score.span_f1 is not None
    assert score.span_f1 > 0.9
    assert "span F1" in "\n".join(summary.lines)
    evaluation = opened(tagged.folder).evaluate(errors=True)
    assert of_labels(evaluation.scores["upos"]).span_f1 == pytest.approx(score.span_f1)
    assert "-> " in (tagged.first_sample or (0, ""))[1]


def test_errors_of_tags_name_the_word(tagged: Training, tmp_path: Path) -> None:
    other = tmp_path / "other.conllu"
    other.write_text((tagged.folder.parent / "t.conllu").read_text().replace("B-DATE", "O"))
    errors = opened(tagged.folder).evaluate(other, errors=True).errors
    assert {(one["word"], one["prediction"], one["target"]) for one in errors} == {("may", "B-DATE", "O")}
    assert all("in may" in one["text"] for one in errors)


def test_a_word_is_tagged_by_its_neighbours(tagged: Training) -> None:
    run = unrolled.load(tagged.folder)
    texts = ["Ada sings in may", "Bob Ross may sing", "", "Eve"]
    predictions = list(run.predict(texts, top=1))
    assert [prediction.best_tags("upos") for prediction in predictions] == [
        ["B-PER", "O", "O", "B-DATE"],
        ["B-PER", "I-PER", "O", "O"],
        [],
        ["B-PER"],
    ]
    assert predictions[0].labels == {}
    facts = predictions[0].to_dict()["outputs"]["upos"]
    assert facts["prediction"] == ["B-PER", "O", "O", "B-DATE"]
    for text, together in zip(texts, run.predict(texts), strict=True):
        (alone,) = run.predict([text])
        for one, other in zip(alone.tags["upos"], together.tags["upos"], strict=True):
            assert dict(one) == pytest.approx(dict(other), abs=1e-5)


def test_a_sentence_of_any_length_has_a_tag_for_every_word(tagged: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.model.predictor.LONGEST", 5)
    texts = [" ".join(["Ada", "may", "sing"] * 7), "Eve", " ".join(["Eve"] * 4)]
    predictions = list(unrolled.load(tagged.folder).predict(texts, top=1))
    assert [len(prediction.best_tags("upos")) for prediction in predictions] == [21, 1, 4]
    assert predictions[1].best_tags("upos") == ["B-PER"]


def test_a_conllu_file_comes_back_with_its_other_columns_untouched(tagged: Training, tmp_path: Path) -> None:
    run = unrolled.load(tagged.folder)
    path = write_sentences(tmp_path / "new.conllu", 20, seed=1)
    right = path.read_text()
    found = "\n".join(tag_conllu(run, path)) + "\n"
    assert found == right, "it makes no mistakes on these"
    path.write_text(right.replace("B-PER", "_").replace("I-PER", "_").replace("B-DATE", "X"))
    assert "\n".join(tag_conllu(run, path)) + "\n" == right


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["bidirectional", "causal"])
def test_a_resumed_run_of_tags_ends_with_the_same_bytes(direction: str, tmp_path: Path) -> None:
    path = write_sentences(tmp_path / "t.conllu", 60)
    for stopped in (None, 7):
        folder = tmp_path / f"run-{stopped}"
        training = Training(path, out=str(folder), direction=direction, model="lstm", **SMALL | {"steps": 12})
        for report in training:
            if report.step == stopped:
                training.stop()
        if training.stopped:
            finish(Training.resume(folder))
    check_same_bytes(tmp_path / "run-None", tmp_path / "run-7")


def test_no_validation_is_refused(table: Path) -> None:
    with pytest.raises(DataError, match=r"validation split is empty.*\n.*--valid 0\.1"):
        Training(table, valid="none", output="kind", steps=1)


def test_a_label_that_the_run_started_from_lacks_gets_a_new_head(
    trained: Training, table: Path, tmp_path: Path
) -> None:
    more = tmp_path / "more.csv"
    more.write_text(table.read_text() + "bamaski,north,0\nbulaski,north,0\n" * 5)
    settings = SMALL | {"steps": 2}
    training = Training(
        more, out=str(tmp_path / "run"), init_from=str(trained.folder), class_weights="balanced", **settings
    )
    assert "north" in training.description and "always wrong" not in training.description
    summary = finish(training).summary
    assert isinstance(summary, PredictionSummary)
    ranked = next(unrolled.load(tmp_path / "run").predict(["a"])).labels["kind"]
    assert {label for label, _ in ranked} == {"east", "north", "west"}


OLDER = Path(__file__).parent / "older"


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A run as version 0.1 wrote it, when only texts and labels were supported, and its table."""
    shutil.copytree(OLDER, tmp_path / "older")
    facts = json.loads((tmp_path / "older/names/run.json").read_text())
    facts["data"]["path"] = str(tmp_path / "older/names.csv")
    (tmp_path / "older/names/run.json").write_text(json.dumps(facts))
    return tmp_path / "older/names"


def test_a_run_of_an_older_version_predicts_the_same(older: Path) -> None:
    run = opened(older)
    assert run.selected == ["lstm", "linear"]
    probabilities = {
        prediction.text: dict(prediction.labels["kind"]) for prediction in run.predict(["bakski", "dagton"])
    }
    assert probabilities["bakski"] == pytest.approx(
        {"east": 0.9997411445963996, "west": 0.00025885540360039757}, rel=1e-3
    )
    assert probabilities["dagton"] == pytest.approx(
        {"west": 0.9998434280008814, "east": 0.0001565719991186116}, rel=1e-3
    )
    evaluation = run.evaluate()
    assert of_labels(evaluation.scores["kind"]).nats == pytest.approx(6.180657e-05, rel=1e-2)
    assert evaluation.lines[-1] == (
        "Others: lstm accuracy 66.7%, linear accuracy 100.0%, always 'west' accuracy 33.3%"
    )
    assert run.info()["plan"]["steps"] == 3
    (listed,) = runs(older.parent)
    assert listed["accuracy"] == 1.0 and listed["scored"] is None, "an older run does not say of how much"


def test_an_older_run_is_resumed_and_started_from(older: Path, tmp_path: Path) -> None:
    settings = SMALL | {"steps": 1, "hidden_size": 4}
    training = Training(older.parent / "names.csv", init_from=str(older), out=str(tmp_path / "run"), **settings)
    finish(training)
    assert training.run.read_vocabulary()["outputs"] == {
        "kind": {"kind": "classification", "names": ["east", "west"]}
    }
    assert next(unrolled.load(tmp_path / "run").predict(["bakski"])).labels["kind"]


def test_older_tokens_of_tags_are_read() -> None:
    known = known_from_json(
        upgraded_vocabulary(
            {
                "columns": {"input": "form", "outputs": ["upos", "mood"], "group": None},
                "tokens": {"kind": "given", "words": ["the"]},
                "labels": {"upos": ["D", "N"], "mood": ["good", "bad"]},
                "each": ["upos"],
            },
            {},
        )
    )
    assert known.columns.inputs == ("form",)
    assert known.each == {"upos"}
    assert known.outputs["mood"].kind == "classification"
    assert known.outputs["upos"].to_json() == {"kind": "tagging", "names": ["D", "N"]}
    assert len(known.featurizer.encode("the cat\n")) == 2
