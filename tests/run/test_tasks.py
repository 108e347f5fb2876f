"""Every task's run has the same methods; those that its task lacks, and options that it does not take, are refused
with a list of what it has."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import unrolled
from unrolled.errors import DataError, OptionError, RunError
from unrolled.options import TASK_SETTINGS
from unrolled.run import Evaluation, GenerationConfig, RowPrediction, Run
from unrolled.tasks.run import METHODS, OPTIONS
from unrolled.tasks.table import TASKS

SMALL: dict[str, Any] = {"steps": 2, "hidden_size": 8, "batch_size": 4, "threads": 1, "model": "lstm"}
CALLS: dict[str, Callable[[Run], Any]] = {
    "predict": lambda run: list(run.predict(["ab", ""])),
    "sample": lambda run: "".join(run.sample(length=3)),
    "score": lambda run: list(run.score(["ab"])),
    "reach": lambda run: run.reach(0.1),
    "replacements": lambda run: run.replacements("a\u2603"),
    "evaluate": lambda run: run.evaluate(),
    "info": lambda run: run.info(),
}
"""A call of each method; each returns something."""
GIVEN: dict[str, tuple[str, Any]] = {
    "errors": ("evaluate", True),
    "adapt": ("evaluate", True),
    "error_page": ("evaluate", True),
    "skip_empty": ("evaluate", True),
    "top": ("predict", 1),
    "every": ("predict", True),
    "generation": ("predict", GenerationConfig(temperature=5.0)),
    "show_attention": ("predict", True),
    "hedge": ("predict", True),
    "stop_when_sure": ("predict", 0.9),
}
"""Options of the methods from Python -> the method that takes each, and a value."""


@dataclass(frozen=True)
class Case:
    """The data of a task here, and the methods of its runs."""

    data: str
    settings: Mapping[str, Any]
    verbs: set[str]
    takes: set[str]  # of GIVEN


LABELS = "text,label\n" + "".join(f"a {('dull', 'fine')[n % 2]} film {n},{('no', 'yes')[n % 2]}\n" for n in range(60))
TEXTS = "text,turned\n" + "".join(f"a{n} b,b a{n}\n" for n in range(60))
CASES = {
    "language-modeling": Case("verses.txt", {}, {"sample", "score", "reach", "replacements"}, {"adapt"}),
    "prediction": Case(
        "reviews.csv", {"direction": "causal"}, {"predict"}, {"errors", "skip_empty", "top", "every"}
    ),
    "seq2seq": Case(
        "turned.csv", {"task": "seq2seq", "input_type": "text"}, {"predict"},
        {"errors", "skip_empty", "top", "generation", "show_attention"},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each task, by kind."""
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "verses.txt").write_text("Once upon a day the sun came over hill and stayed.\n" * 100)
    (folder / "reviews.csv").write_text(LABELS)
    (folder / "turned.csv").write_text(TEXTS)
    for kind, case in CASES.items():
        (folder / f"holes-{case.data}").write_text((folder / case.data).read_text() + ",no\n")
        unrolled.train(folder / case.data, out=folder / kind, **{**SMALL, **case.settings})
    return folder


def test_every_task_method_and_option_is_covered() -> None:
    assert set(CASES) == set(TASKS) == set(TASK_SETTINGS)
    assert {task.task_class.kind for task in TASKS.values()} == set(TASKS)
    assert set(CALLS) == {*METHODS, "evaluate", "info"}
    assert set(GIVEN) == set(OPTIONS) - {"beam", "temperature", "seed"}, "those are options of the command alone"


@pytest.mark.parametrize("kind", CASES)
def test_a_run_is_of_its_task(kind: str, folder: Path) -> None:
    run = unrolled.load(folder / kind)
    assert type(run) is TASKS[kind].run and run.kind == kind
    assert set(run.methods()) == CASES[kind].verbs | {"evaluate", "info"}
    assert f"kind '{kind}'" in repr(run)
    assert bool(run.outputs) == ("predict" in CASES[kind].verbs)


@pytest.mark.parametrize("verb", CALLS)
@pytest.mark.parametrize("kind", CASES)
def test_a_method_works_or_names_the_available_ones(kind: str, verb: str, folder: Path) -> None:
    run, case = unrolled.load(folder / kind), CASES[kind]
    if verb in case.verbs | {"evaluate", "info"}:
        assert CALLS[verb](run)
        run.check_can(verb)
        return
    for call in (lambda: CALLS[verb](run), lambda: run.check_can(verb)):
        with pytest.raises(RunError, match=re.escape(f"of kind '{kind}', which has no {verb}().")) as refused:
            call()
        _, commands, methods = str(refused.value).split("\n")
        for own in case.verbs | {"evaluate", "info"}:
            assert f"{own}()" in methods
            assert (f"unroll {own}" in commands) == (own not in ("reach", "replacements"))
        assert f"{verb}()" not in methods and f"unroll {verb}" not in commands


@pytest.mark.parametrize("option", GIVEN)
@pytest.mark.parametrize("kind", CASES)
def test_an_option_of_a_method_has_an_effect_or_is_refused(kind: str, option: str, folder: Path) -> None:
    run, (verb, value) = unrolled.load(folder / kind), GIVEN[option]
    if verb not in run.methods():
        return

    def come(**options: Any) -> object:
        if verb == "predict":
            return list(run.predict(["ab", "a b"], **options))
        return run.evaluate(folder / f"holes-{CASES[kind].data}" if option == "skip_empty" else None, **options)

    if option not in CASES[kind].takes:
        with pytest.raises(OptionError, match=rf"^{OPTIONS[option]}, but this run {run.does}\. Leave it out\.$"):
            come(**{option: value})
    elif option == "skip_empty":
        assert come(skip_empty=True)
        with pytest.raises(DataError, match="is empty"):
            come()
    else:
        assert come(**{option: value}) != come()


@pytest.mark.parametrize("kind", CASES)
def test_every_evaluation_and_prediction_has_the_same_form(kind: str, folder: Path) -> None:
    run = unrolled.load(folder / kind)
    errors = "errors" in run.accepts
    evaluation = run.evaluate(errors=errors)
    assert isinstance(evaluation, Evaluation)
    assert evaluation.lines and evaluation.to_dict()["split"]
    assert bool(evaluation.columns) == bool(evaluation.order) == errors
    for row in evaluation.errors:
        assert set(row) <= set(evaluation.columns)
    if "predict" in run.methods():
        prediction, empty = run.predict(["a b", " "])
        assert isinstance(prediction, RowPrediction) and set(prediction.to_dict()["outputs"]) == set(run.outputs)
        assert empty.empty and set(empty.to_dict()["outputs"]) == set(run.outputs)
