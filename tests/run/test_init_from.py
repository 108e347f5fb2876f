"""Runs on a table that start from a language model, and runs that freeze what another run has learnt."""

from __future__ import annotations

import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import opened
from torch import Tensor
from training_runs import check_same_bytes, finish

import unrolled
from unrolled import seeds
from unrolled.data.modalities.text import TOKENS, WORDS
from unrolled.data.vocabulary.base import tokens_before
from unrolled.errors import DataError, OptionError, RunError
from unrolled.model.word_vectors import cooccurrence_vectors
from unrolled.run import Training
from unrolled.rundir.folder import RunFolder
from unrolled.tasks.prediction.summary import PredictionSummary
from unrolled.tasks.resolve import read_corpus_again
from unrolled.threads import torch_threads
from unrolled.training.checkpoint import load_tensors

TINY: dict[str, Any] = {"batch_size": 8, "threads": 1}
TEXT = "".join(f"a {word} film, said zoe, and {word} it was\n" for word in ("good", "bad", "fine", "dull") * 60)
NEW = "Zé"  # characters that the text lacks: Z is replaced by z, é by e


def write_films(path: Path, new: str = "") -> Path:
    words = {"yes": ("good", "fine"), "no": ("bad", "dull")}
    rows = [(label, words[label][number // 2 % 2], number) for number, label in enumerate(("yes", "no") * 60)]
    lines = [f"a {word} film {new}{'i' * (number % 5)},{label}" for label, word, number in rows]
    path.write_text("\n".join(["text,label", *lines]) + "\n")
    return path


def learn_language(folder: Path, name: str, **requested: Any) -> Path:
    (folder / "text.txt").write_text(TEXT)
    settings: dict[str, Any] = {"model": "lstm", "steps": 6, "hidden_size": 8, "window": 16, **TINY, **requested}
    return finish(Training(folder / "text.txt", out=str(folder / name), **settings)).folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("starting")


@pytest.fixture(scope="module")
def language(folder: Path) -> Path:
    return learn_language(folder, "language")


@pytest.fixture(scope="module")
def table(folder: Path) -> Path:
    return write_films(folder / "films.csv", NEW)


def start(table: Path, source: Path, out: Path, **requested: Any) -> Training:
    return Training(table, init_from=str(source), out=str(out), **{"steps": 8} | TINY | requested)


def model_of(training: Training) -> Any:
    return training.training_state.optimiser.averaged


def weights_of(training: Training, *parts: str, averaged: bool = False) -> dict[str, Tensor]:
    """The weights of these components, in the model in training or in its average."""
    model = model_of(training) if averaged else training.training_state.model
    found = {}
    for part in parts:
        for name, weight in getattr(model, part).named_parameters():
            found[f"{part}.{name}"] = weight.detach().clone()
    return found


def alike(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[bool]:
    assert one.keys() == other.keys()
    return [torch.equal(weight, other[name]) for name, weight in one.items()]


def hidden(training: Training, text: str) -> Tensor:
    """The outputs of the memory for a text, step by step."""
    model = model_of(training).eval()
    featurizer = training.task.examples.featurizer  # type: ignore[attr-defined]
    with torch.no_grad():
        found, _ = model.memory.unroll(
            model.embedding(torch.from_numpy(featurizer.encode(text)))[None], model.memory.start(1)
        )
    return found[0]  # type: ignore[no-any-return]


def test_it_starts_with_the_language_models_weights(language: Path, table: Path, tmp_path: Path) -> None:
    training = start(table, language, tmp_path / "run")
    run = opened(language)
    theirs: Any = run.model
    kept, _ = load_tensors(language / "model.safetensors")
    mine = training.training_state.model
    for model in (mine, model_of(training)):
        memory: Any = getattr(model, "memory")  # noqa: B009
        pairs = zip(memory.parameters(), theirs.memory.parameters(), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)
    assert any(torch.equal(kept["embedding.weight"], weight) for weight in theirs.parameters())
    text = "a good film"
    tokens = torch.from_numpy(np.concatenate([[0], run.table.encode(text)]).astype(np.int64))
    with torch.no_grad():
        expected, _ = theirs.memory.unroll(theirs.embedding(tokens)[None], theirs.memory.start(1))
    assert torch.allclose(hidden(training, text), expected[0], atol=1e-6)
    assert training.run.log.read_plans()[0]["hidden_size"] == 8


def test_new_characters_start_as_their_replacements_and_are_reported(
    language: Path, table: Path, tmp_path: Path
) -> None:
    training = start(table, language, tmp_path / "run")
    assert "; 2 characters are new to the run it starts from (Z, é)" in training.description
    assert torch.equal(hidden(training, "Zé film"), hidden(training, "ze film"))
    assert not torch.equal(hidden(training, "Zé film"), hidden(training, "zz film"))
    featurizer = training.task.examples.featurizer  # type: ignore[attr-defined]
    assert featurizer.encode("Zé").tolist() != featurizer.encode("ze").tolist(), "they can be told apart from now on"
    finish(training)
    learnt: Any = training.training_state.model
    one, other = (learnt.embedding.embedding.weight[int(featurizer.encode(letter)[1, 0])] for letter in "Zz")
    assert not torch.equal(one, other)


def test_known_characters_are_not_reported(language: Path, folder: Path, tmp_path: Path) -> None:
    known = write_films(folder / "known.csv")
    assert "new to the run it starts from" not in start(known, language, tmp_path / "run").description
    of_bytes = learn_language(folder, "bytes", tokenizer="byte", steps=2)
    training = start(write_films(folder / "more.csv", NEW), of_bytes, tmp_path / "bytes")
    assert "new to the run it starts from" not in training.description
    assert model_of(training).embedding.embedding.num_embeddings == 1 + 257
    theirs: Any = opened(of_bytes).model
    assert torch.equal(model_of(training).embedding.embedding.weight[1:], theirs.embedding.weight)


@pytest.mark.parametrize("kind", ["word", "bpe"])
def test_words_that_start_from_a_language_model_get_more_epochs(kind: str, table: Path, tmp_path: Path) -> None:
    language = learn_language(tmp_path, "words", tokenizer=kind)
    begun = start(table, language, tmp_path / "begun").run.log.read_plans()[0]
    alone = Training(table, tokenizer=kind, steps=8, out=str(tmp_path / "alone"), **TINY).run.log.read_plans()[0]
    assert (begun["learning_rate"], begun["dropout"]) == (TOKENS.learning_rate, TOKENS.dropout)
    assert (alone["learning_rate"], alone["dropout"]) == (WORDS.learning_rate, WORDS.dropout)


def test_an_ensemble_keeps_the_members_that_the_new_rows_have(table: Path, tmp_path: Path) -> None:
    before = finish(Training(table, model="lstm+linear+ngram", out=str(tmp_path / "before"), steps=4, **TINY)).folder
    numbers = tmp_path / "numbers.csv"
    numbers.write_text(
        "text,stars\n" + "".join(f"a good film {'i' * (n % 5)},{n / 7:.3f}\n" for n in range(60)), "utf-8"
    )
    again = start(numbers, before, tmp_path / "run", steps=2)
    assert again.run.settings.model == "lstm+linear", "the n-gram predicts labels alone"
    same = start(table, before, tmp_path / "same", steps=2)
    assert same.run.settings.model == "lstm+linear+ngram"
    with pytest.raises(OptionError, match="the n-gram predicts one label per text"):
        start(numbers, before, tmp_path / "typed", steps=2, model="lstm+linear+ngram")


@pytest.mark.parametrize("kind", ["word", "bpe"])
def test_words_start_as_vectors_of_their_cooccurrences(kind: str, table: Path, tmp_path: Path) -> None:
    language = learn_language(tmp_path, "words", tokenizer=kind, documents="line")
    run, theirs = opened(language), RunFolder.open(language)
    known: Any = run.model
    training = start(table, language, tmp_path / "run", seed=0)
    text = read_corpus_again(theirs)
    with torch_threads(1):  # on other processors the last digits differ, and the sign of a vector depends on them
        vectors = cooccurrence_vectors(text, theirs.log.read_plans()[0]["embedding_size"], seeds.number(0, "vectors"))
    begun, featurizer = model_of(training).embedding.embedding.weight, training.task.examples.featurizer  # type: ignore[attr-defined]
    before = torch.from_numpy(tokens_before(run.table, featurizer.table))
    assert torch.equal(begun[1:], vectors[before])
    assert not model_of(training).streams, "the net is bidirectional"
    ahead = model_of(start(table, language, tmp_path / "ahead", direction="causal"))
    assert ahead.streams, "the net is causal on request"
    pairs = zip(ahead.memory.parameters(), known.memory.parameters(), strict=True)
    assert not any(torch.equal(one, other) for one, other in pairs), "the memory is new"
    with pytest.raises(OptionError, match=r"with a vocabulary of its own;\n--tokenizer char does not match"):
        start(table, language, tmp_path / "other", tokenizer="char")
    frozen = start(table, language, tmp_path / "frozen", freeze="encoder")
    assert torch.equal(model_of(frozen).embedding.embedding.weight[1:], known.embedding.weight[before])
    pairs = zip(model_of(frozen).memory.parameters(), known.memory.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    (tmp_path / "text.txt").unlink()
    with pytest.raises(DataError, match=r"The text that .*words was trained on is gone: .*text\.txt"):
        start(table, language, tmp_path / "gone")
    assert not (tmp_path / "gone").exists()
    assert finish(training).summary is not None, "once begun it needs the text no more"


def test_the_run_predicts_and_is_loaded(language: Path, table: Path, tmp_path: Path) -> None:
    training = finish(start(table, language, tmp_path / "run", steps=40))
    summary = training.summary
    assert isinstance(summary, PredictionSummary)
    assert set(summary.scores["label"]) == {"lstm", "linear", "ngram", "lstm+linear+ngram"}
    run = opened(tmp_path / "run")
    score: Any = summary.scores["label"][summary.model]
    found: Any = run.evaluate().scores["label"]
    assert found.accuracy == score.accuracy > 0.8
    assert [prediction.best("label") for prediction in run.predict(["a good film Zé", "a bad film Zé"])] == [
        "yes",
        "no",
    ]


def test_a_net_started_from_a_language_model_predicts_at_every_step(
    language: Path, table: Path, tmp_path: Path
) -> None:
    training = finish(start(table, language, tmp_path / "run", model="lstm", pool="mean"))
    assert training.run.facts["selected"] == ["lstm"]
    run = unrolled.load(tmp_path / "run")
    so_far = list(run.predict("a Zé", every=True))
    assert len(so_far) == 5
    (whole,) = run.predict(["a Z"])
    assert dict(so_far[3].labels["label"]) == pytest.approx(dict(whole.labels["label"]), abs=1e-5)


def test_a_gru_is_selected_as_gru_and_linear(folder: Path, table: Path, tmp_path: Path) -> None:
    source = learn_language(folder, "gru", model="gru", steps=2)
    training = finish(start(table, source, tmp_path / "run", steps=2))
    assert training.settings.model == "gru+linear"
    assert training.run.facts["selected"] == ["gru", "linear"]
    assert unrolled.load(tmp_path / "run").selected == ["gru", "linear"]
    alone = finish(start(table, source, tmp_path / "alone", steps=2, model="gru"))
    assert alone.run.facts["selected"] == ["gru"]
    with pytest.raises(OptionError, match=r"starts from a gru of 1 x 8; --model mingru does not match"):
        start(table, source, tmp_path / "never", model="mingru")


@pytest.mark.parametrize("stopped", [1, 5])
def test_a_net_started_from_a_language_model_is_resumed_to_the_same_bytes(
    stopped: int, language: Path, table: Path, tmp_path: Path
) -> None:
    for stop in (None, stopped):
        training = start(table, language, tmp_path / f"run-{stop}", freeze="encoder", dropout=0.2)
        for report in training:
            if report.step == stop:
                training.stop()
        if stop is not None:
            assert training.stopped
            finish(Training.resume(tmp_path / f"run-{stop}"))
    check_same_bytes(tmp_path / "run-None", tmp_path / f"run-{stopped}")


# frozen components


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_frozen_encoder_stays_as_it_is_while_heads_learn(
    dropout: float, language: Path, table: Path, tmp_path: Path
) -> None:
    training = start(table, language, tmp_path / "run", freeze="encoder", dropout=dropout)
    encoder, answering = (
        weights_of(training, *parts) for parts in (("embedding", "stem", "memory"), ("pool", "heads"))
    )
    finish(training)
    for averaged in (False, True):
        assert all(alike(encoder, weights_of(training, "embedding", "stem", "memory", averaged=averaged)))
    assert not any(alike(answering, weights_of(training, "pool", "heads")))
    theirs: Any = opened(language).model
    kept = weights_of(training, "memory", averaged=True).values()
    assert all(torch.equal(one, other) for one, other in zip(kept, theirs.memory.parameters(), strict=True))


def test_components_that_are_not_frozen_learn(language: Path, table: Path, tmp_path: Path) -> None:
    training = start(table, language, tmp_path / "run")
    before = weights_of(training, "embedding", "memory")
    finish(training)
    assert not any(alike(before, weights_of(training, "embedding", "memory")))


def test_other_tokens_are_refused(table: Path, tmp_path: Path) -> None:
    run = finish(Training(table, out=str(tmp_path / "run"), steps=2, hidden_size=8, model="lstm", **TINY)).folder
    with pytest.raises(OptionError, match="has a vocabulary of its own; --tokenizer bpe does not match"):
        start(table, run, tmp_path / "b", tokenizer="bpe")
    assert not (tmp_path / "b").exists()


@pytest.mark.slow
def test_a_frozen_encoder_may_come_from_a_run_on_a_table(table: Path, tmp_path: Path) -> None:
    source = finish(Training(table, out=str(tmp_path / "source"), model="lstm", hidden_size=8, steps=4, **TINY))
    training = start(table, source.folder, tmp_path / "run", freeze="encoder", model="lstm")
    encoder, answering = (
        weights_of(training, *parts) for parts in (("embedding", "stem", "memory"), ("pool", "heads"))
    )
    theirs = weights_of(source, "embedding", "stem", "memory", averaged=True)
    assert all(alike(theirs, encoder)), "it begins as the best weights are"
    assert any(name.startswith("stem.") for name in encoder)
    finish(training)
    assert all(alike(encoder, weights_of(training, "embedding", "stem", "memory")))
    assert not all(alike(answering, weights_of(training, "pool", "heads")))


# refusals


def test_options_that_do_not_fit_a_language_model_are_refused(
    language: Path, table: Path, folder: Path, tmp_path: Path
) -> None:
    begins = r"starts from a causal language model with a vocabulary of its own;\n"
    refused: list[tuple[dict[str, Any], str]] = [
        ({"direction": "bidirectional"}, begins + r"--direction bidirectional does not match\. Leave it out"),
        ({"tokenizer": "word"}, begins + r"--tokenizer word does not match\. Leave it out"),
        ({"hidden_size": 16}, r"starts from a lstm of \d x 8; --hidden-size 16 does not match"),
        ({"window": 9}, r"films\.csv is a table, which has no use for --window"),
        ({"task": "tagging"}, r"--init-from a language model predicts from whole texts, but the data has tags"),
        ({"freeze": "heads"}, r"--freeze is one of embedding, stem, early, encoder, memory; got 'heads'"),
    ]
    out = tmp_path / "never"
    for requested, words in refused:
        with pytest.raises(OptionError, match=words):
            start(table, language, out, **requested)
    with pytest.raises(
        OptionError, match=r"--freeze encoder keeps weights that are there before\. Name them: --init-from RUN"
    ):
        Training(table, freeze="encoder", out=str(out), steps=1)
    with pytest.raises(OptionError, match=r"text\.txt is read as a text, which has no use for --freeze"):
        start(folder / "text.txt", language, out, freeze="encoder")
    counted = finish(Training(folder / "text.txt", model="ngram", out=str(tmp_path / "counted"))).folder
    with pytest.raises(RunError, match=r"is a counted n-gram: it has no weights to start from"):
        start(table, counted, out)
    assert not out.exists()


def test_inputs_other_than_text_cannot_start_from_a_language_model(language: Path, tmp_path: Path) -> None:
    lines = [f"{number},{'ab'[number % 2]}" for number in range(30)]
    (tmp_path / "numbers.csv").write_text("\n".join(["x,label", *lines]) + "\n")
    with pytest.raises(OptionError, match=r"--init-from a language model predicts from whole texts.*vectors"):
        start(tmp_path / "numbers.csv", language, tmp_path / "never")
    pytest.importorskip("soundfile")
    for number in range(20):
        path = tmp_path / "sounds" / "ab"[number % 2] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8_000)
            file.writeframes(np.full(400, number, "<i2").tobytes())
    with pytest.raises(OptionError, match=r"--init-from a language model predicts from whole texts.*audio"):
        start(tmp_path / "sounds", language, tmp_path / "never")
