"""Runs on a table that start from a run on another one: components that fit are loaded, others are new."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import opened
from data_files import write_rows
from torch import Tensor
from training_runs import check_same_bytes, finish

from unrolled.errors import DataError, OptionError
from unrolled.memory import build_stack
from unrolled.model.language import LanguageModel
from unrolled.model.weights import by_component, load_components, named_tensors
from unrolled.run import Training

TINY: dict[str, Any] = {"steps": 2, "batch_size": 8, "threads": 1, "model": "lstm"}
WORDS = ("good", "fine", "bad", "dull")
READING = ("embedding", "stem", "encoder")


def text(n: int) -> str:
    return f"a {WORDS[n % 4]} film {'i' * (n % 5)}"


def write_films(folder: Path, labels: tuple[str, ...] = ("yes", "yes", "no", "no")) -> Path:
    return write_rows(folder / "films.csv", "text,label", lambda n: f"{text(n)},{labels[n % 4]}", 60)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the labels yes and no, whose weights differ from those of any other run."""
    folder = tmp_path_factory.mktemp("source")
    return finish(Training(write_films(folder), out=str(folder / "run"), hidden_size=8, seed=5, **TINY)).folder


def start(path: Path, source: Path, **requested: Any) -> Training:
    return Training(path, init_from=str(source), **TINY | {"out": str(path.parent / "run")} | requested)


def best_of(run: Path) -> dict[str, dict[str, Tensor]]:
    net = opened(run).net
    return by_component(net, named_tensors(net))


def loaded(training: Training, given: Mapping[str, Mapping[str, Tensor]]) -> set[str]:
    """The components that equal those of a run, in the model in training and in its average."""
    found = []
    for model in (training.training_state.model, training.training_state.optimiser.averaged):
        own = by_component(model, named_tensors(model))
        found.append(
            {
                name
                for name, tensors in own.items()
                if name in given
                and all(one in given[name] and torch.equal(t, given[name][one]) for one, t in tensors.items())
            }
        )
    assert found[0] == found[1]
    return found[0]


def note_of(training: Training) -> str:
    notes = next(iter(training)).notes
    return "\n".join(notes)


OUTPUTS: dict[str, tuple[str, Callable[[int], str], dict[str, Any], str]] = {
    "other labels": ("text,label", lambda n: WORDS[n % 4], {}, "head 'label' (other labels)"),
    "as many other labels": ("text,label", lambda n: WORDS[n % 2], {}, "head 'label' (other labels)"),
    "one label more": ("text,label", lambda n: ("yes", "no", "maybe")[n % 3], {}, "head 'label' (other labels)"),
    "another column": ("review,mood", lambda n: WORDS[n % 4], {}, "head 'mood' (a new output)"),
    "numbers": ("text,label", lambda n: f"{n % 7}.5", {"task": "regression"}, "head 'label' (classification "
    "before, regression now)"),
    "any labels": (
        "text,label", lambda n: ("a|b", "b|c")[n % 2], {"task": "multilabel"}, "head 'label' (classification "
        "before, multilabel now)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", OUTPUTS)
def test_another_output_gets_a_new_head_and_the_rest_is_loaded(case: str, source: Path, tmp_path: Path) -> None:
    header, prediction, requested, said = OUTPUTS[case]
    training = start(
        write_rows(tmp_path / "t.csv", header, lambda n: f"{text(n)},{prediction(n)}", 60), source, **requested
    )
    assert loaded(training, best_of(source)) == {*READING, "pool"}
    assert note_of(training) == f"Loaded from {source}: embedding, stem, encoder, pool; newly initialized: {said}."
    if case in ("other labels", "numbers"):
        finish(training)
        (predicted,) = opened(training.folder).predict(["a good film"])
        assert set(dict(predicted.labels.get("label", []))) == set(WORDS) or predicted.values


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_components_that_fit_are_loaded(dropout: float, source: Path, tmp_path: Path) -> None:
    labels = ("no", "no", "yes", "yes")
    training = start(write_films(tmp_path, labels=labels), source, dropout=dropout)
    assert loaded(training, best_of(source)) == {*READING, "pool", "head 'label'"}
    assert (
        note_of(training) == f"Loaded from {source}: all components (embedding, stem, encoder, pool, head 'label')."
    )


def test_fewer_labels_than_the_run_has_keep_its_head(source: Path, tmp_path: Path) -> None:
    training = start(write_films(tmp_path, labels=("yes",) * 4), source)
    assert "head 'label'" in loaded(training, best_of(source))
    assert training.run.read_vocabulary()["outputs"]["label"]["names"] == ["no", "yes"]


def test_another_pool_is_new(source: Path, tmp_path: Path) -> None:
    training = start(write_films(tmp_path), source, pool="mean")
    assert loaded(training, best_of(source)) == {*READING, "head 'label'"}
    said = "all components (embedding, stem, encoder, head 'label')"
    assert note_of(training) == f"Loaded from {source}: {said}.", "a mean has no weights"


def test_tags_with_other_words_use_the_same_encoder(source: Path, tmp_path: Path) -> None:
    table = write_rows(tmp_path / "t.csv", "text,tags", lambda n: f"a {WORDS[n % 4]} film,D {'XY'[n % 2]} N", 60)
    training = start(table, source, task="tagging")
    assert {"encoder"} <= loaded(training, best_of(source)) <= {"encoder", "pool"}
    assert "embedding (another input), stem (another input), head 'tags' (a new output)" in note_of(training)
    with pytest.raises(
        OptionError, match=r"--freeze encoder keeps .*; these components do not fit here: embedding \("
    ):
        start(table, source, task="tagging", freeze="encoder")


def test_a_frozen_encoder_learns_a_new_label_set(source: Path, tmp_path: Path) -> None:
    training = start(write_films(tmp_path, labels=WORDS), source, freeze="encoder")
    finish(training)
    assert set(READING) <= loaded(training, best_of(source))


def test_other_columns_of_numbers_get_a_new_embedding(tmp_path: Path) -> None:
    three = write_rows(tmp_path / "three.csv", "a,b,c,label", lambda n: f"{n % 7},{n % 3},{n % 5},{'yn'[n % 2]}", 60)
    two = write_rows(tmp_path / "two.csv", "a,b,label", lambda n: f"{n % 7},{n % 3},{'yn'[n % 2]}", 60)
    run = finish(Training(three, out=str(tmp_path / "three"), hidden_size=8, **TINY)).folder
    training = start(two, run)
    assert loaded(training, best_of(run)) >= {"encoder", "head 'label'"}
    assert "2 numbers per step" in training.description
    assert note_of(training).endswith("newly initialized: stem (another input).")


def test_named_columns_are_read(source: Path, tmp_path: Path) -> None:
    table = write_rows(
        tmp_path / "t.csv",
        "text,other,label,mood",
        lambda n: f"x,{text(n)},{'yes' if n % 2 else 'no'},{WORDS[n % 4]}",
        60,
    )
    training = start(table, source, input="other", output="mood")
    assert "other (words" in training.description and "-> mood" in training.description
    assert "encoder" in loaded(training, best_of(source))
    numbers = write_rows(tmp_path / "n.csv", "a,b,label", lambda n: f"{n % 7},{n % 5},{'yes' if n % 2 else 'no'}", 60)
    requested: dict[str, Any] = {"input": "a,b", "output": "label", "out": str(tmp_path / "numbers")}
    assert "2 numbers per step" in start(numbers, source, **requested).description, (
        "other columns are not read as the text"
    )


def test_texts_and_labels_start_from_each_other(tmp_path: Path) -> None:
    pairs = write_rows(
        tmp_path / "pairs.csv", "text,caption", lambda n: f"{text(n)},ein {WORDS[n % 4]}er film {n}", 60
    )
    requested: dict[str, Any] = {"hidden_size": 16, "tokenizer": "char"}
    written = finish(Training(pairs, out=str(tmp_path / "written"), task="seq2seq", **TINY | requested)).folder
    labels = start(write_films(tmp_path), written)
    assert "embedding, stem, encoder; newly initialized: pool, head 'label' (a new output)" in note_of(labels)
    finish(labels)
    again = start(pairs, labels.folder, task="seq2seq", out=str(tmp_path / "again"))
    assert "embedding, stem, encoder; newly initialized: decoder (a new output)" in note_of(again)


def test_a_run_none_of_which_fits_is_refused(source: Path, tmp_path: Path) -> None:
    pairs = write_rows(
        tmp_path / "pairs.csv", "text,caption", lambda n: f"{text(n)},ein {WORDS[n % 4]}er film {n}", 60
    )
    with pytest.raises(
        OptionError,
        match=r"--init-from .*: no component of that run fits; this training needs decoder \(a new output\), "
        r"embedding "
        r"\(of .*\nName another run, or leave out --init-from",
    ):
        start(pairs, source, task="seq2seq")
    assert not (tmp_path / "run").exists()


def test_a_column_of_another_kind_is_refused_with_the_option_that_decides(tmp_path: Path) -> None:
    numbers = write_rows(tmp_path / "n.csv", "text,label", lambda n: f"{text(n)},{n % 7}.5", 60)
    run = finish(Training(numbers, out=str(tmp_path / "numbers"), task="regression", hidden_size=8, **TINY)).folder
    with pytest.raises(DataError, match=r"'label' is 'yes'; a value is a number[\s\S]*--task classification"):
        start(write_films(tmp_path), run)
    training = start(write_films(tmp_path), run, task="classification")
    assert note_of(training).endswith("head 'label' (regression before, classification now).")


@pytest.mark.slow
def test_it_is_resumed_to_the_same_bytes(source: Path, tmp_path: Path) -> None:
    table = write_films(tmp_path, labels=WORDS)
    whole = finish(start(table, source, steps=6, out=str(tmp_path / "whole"), dropout=0.2))
    stopped = start(table, source, steps=6, dropout=0.2)
    for report in stopped:
        if report.step == 3:
            stopped.stop()
    finish(Training.resume(stopped.folder))
    check_same_bytes(whole.folder, stopped.folder)


def test_components_are_loaded_by_name_not_by_order() -> None:
    """Two layers of one shape each keep their own weights, with and without dropout."""
    one, other = (LanguageModel(5, 4, build_stack("gru", 4, 4, 2, dropout)) for dropout in (0.3, 0.0))
    given = by_component(one, named_tensors(one))
    assert load_components(other, dict(reversed(given.items()))) == (["embedding", "memory", "head"], [])
    for mine, theirs in zip(named_tensors(other).values(), named_tensors(one).values(), strict=True):
        assert torch.equal(mine, theirs)
    del given["memory"]
    given["head"] = {name: tensor[:1] for name, tensor in given["head"].items()}
    assert load_components(other, given) == (["embedding"], ["memory", "head"])


@pytest.mark.parametrize(
    ("freeze", "kept"),
    [("embedding", READING[:1]), ("stem", READING[:2]), ("encoder", READING), ("memory", READING)],
)
def test_a_component_and_those_before_it_are_frozen(
    freeze: str, kept: Sequence[str], source: Path, tmp_path: Path
) -> None:
    training = start(write_films(tmp_path, labels=WORDS), source, freeze=freeze)
    finish(training)
    assert loaded(training, best_of(source)) & set(READING) == set(kept)


def test_a_component_without_weights_cannot_be_frozen(tmp_path: Path) -> None:
    table = write_rows(tmp_path / "n.csv", "x,label", lambda n: f"{n % 7}.5,{'ab'[n % 2]}", 60)
    source = Training(table, out=str(tmp_path / "numbers"), hidden_size=8, **TINY)
    finish(source)
    with pytest.raises(
        OptionError, match=r"--freeze embedding: this model has no embedding with weights\. .*: stem or encoder\."
    ):
        Training(
            table,
            out=str(tmp_path / "never"),
            init_from=str(source.folder),
            freeze="embedding",
            hidden_size=8,
            **TINY,
        )
    assert not (tmp_path / "never").exists()
