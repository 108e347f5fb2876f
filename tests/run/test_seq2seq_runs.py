"""Sequence-to-sequence runs: trained, stopped and resumed, loaded, used for generation, scored."""

from __future__ import annotations

import csv
import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import opened
from data_files import write_csv
from run_checksums import seal
from training_runs import check_same_bytes, finish

import unrolled
from unrolled.data.dataset.outputs import TextOutput
from unrolled.decoding.beam import Hypothesis
from unrolled.errors import DataError, OptionError, RunError, install_extra
from unrolled.options import TrainOptions
from unrolled.run import GenerationConfig, Training
from unrolled.tasks.dataset import read_task_examples
from unrolled.tasks.seq2seq.generate import in_groups
from unrolled.tasks.seq2seq.summary import Seq2SeqSummary
from unrolled.tasks.seq2seq.task import Seq2Seq
from unrolled.training.plan import Plan

SMALL: dict[str, Any] = {"steps": 12, "hidden_size": 16, "batch_size": 16, "threads": 1}
NAMES = {"red": "rosso", "green": "verde", "blue": "blu", "black": "nero"}


def turned_words(path: Path, count: int, letters: str = "abcde", longest: int = 5) -> Path:
    """Letters, and the same letters reversed."""
    generator = random.Random(0)
    texts = ["".join(generator.choices(letters, k=generator.randint(1, longest))) for _ in range(count)]
    return write_csv(path, [(text, text[::-1]) for text in texts], ("text", "output"))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return turned_words(tmp_path_factory.mktemp("table") / "turned.csv", 300)


@pytest.fixture(scope="module")
def trained(table: Path) -> Training:
    return finish(Training(table, out=str(table.parent / "run"), dropout=0.2, **SMALL))


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learnt to reverse letters."""
    folder = tmp_path_factory.mktemp("learnt")
    table = turned_words(folder / "turned.csv", 900, "abcd", 4)
    requested: dict[str, Any] = {
        "steps": 250,
        "hidden_size": 48,
        "batch_size": 32,
        "dropout": 0.0,
        "learning_rate": 1e-2,
        "threads": 1,
    }
    return finish(Training(table, out=str(folder / "run"), **requested)).folder


def test_reversing_letters_is_learnt_exactly(learnt: Path) -> None:
    run = unrolled.load(learnt)
    scores = run.facts["scores"]["outputs"]["output"]
    assert run.facts["kind"] == "seq2seq"
    assert scores["exact_match"] == 1.0
    assert scores["chrf"] == pytest.approx(100.0)
    assert scores["metric"] == "chrf", "of texts of one word BLEU says nothing"
    written = {
        prediction.text: prediction.texts["output"].text for prediction in run.predict(["abcd", "ca", "d", "bbbb"])
    }
    assert written == {"abcd": "dcba", "ca": "ac", "d": "d", "bbbb": "bbbb"}


def test_attention_is_on_the_letter_that_is_copied(learnt: Path) -> None:
    prediction = next(unrolled.load(learnt).predict(["abcd"], show_attention=True)).to_dict()["outputs"]["output"]
    attention = prediction["attention"]
    assert attention["target_tokens"] == ["d", "c", "b", "a", ""]
    assert attention["source_tokens"] == ["", "a", "b", "c", "d"]
    weights = np.array(attention["weights"])
    assert weights.shape == (5, 5)
    assert weights.sum(1) == pytest.approx(np.ones(5), abs=1e-5)
    assert weights[0].argmax() == 4, "the last letter is looked at for the first"


def test_the_score_is_the_log_probability_of_the_text(learnt: Path) -> None:
    run = opened(learnt)
    generator = run.generator
    for choice in (GenerationConfig(), GenerationConfig(3), GenerationConfig(temperature=1.5, seed=4)):
        (text,) = generator.generate(["abca"], choice)
        tokens = torch.tensor([[*text.tokens, *([0] if text.ended else [])]])
        assert text.score == pytest.approx(cost(generator, "abca", tokens), abs=1e-4), choice.name


@pytest.mark.parametrize("config", [GenerationConfig(4), None], ids=["a beam", "the run's own way"])
def test_alternatives_are_the_best_texts_the_answer_first(learnt: Path, config: GenerationConfig | None) -> None:
    run, items = opened(learnt), ["abca", "d", "bd"]
    assert run.preferred == GenerationConfig(), "greedy, narrower than the number of texts"
    plain = [one.texts["output"] for one in run.predict(items, generation=config)]
    found = [one.texts["output"] for one in run.predict(items, generation=config, top=4)]
    beams = run.generator.beams(items, GenerationConfig(4))
    for item, answer, best, beam in zip(items, plain, found, beams, strict=True):
        alternatives = best.alternatives
        assert alternatives is not None and answer.alternatives is None
        assert best[:3] == answer[:3] == alternatives[0][:3]
        assert [one.text for one in alternatives] == [run.generator.decode(text) for text in beam]
        assert len({one.text for one in alternatives}) == 4
        for one, text in zip(alternatives, beam, strict=True):
            tokens = torch.tensor([[*text.tokens, *([0] if text.ended else [])]])
            assert one.score == pytest.approx(cost(run.generator, item, tokens), abs=1e-4)
            assert one.word_probability == math.exp(one.score / (1 + bool(one.text))), "a word and its end"
            assert one.score < 0
    (two,) = run.predict(["abca"], generation=config, top=2)
    best_two = [run.generator.decode(text) for text in run.generator.beams(["abca"], GenerationConfig(2))[0]]
    assert [one.text for one in two.texts["output"].alternatives or ()] == best_two
    assert best_two[0] == "acba" and len(set(best_two)) == 2


def test_an_answer_by_a_narrower_beam_stays_the_first(learnt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = opened(learnt)
    missed = Hypothesis((1,), -9.0, -9.0, True)
    made = run.generator._generate_batches

    def generated(items: Any, beam: int, *rest: Any) -> list[list[Hypothesis]]:
        return [[missed] for _ in items] if beam == 1 else made(items, beam, *rest)

    monkeypatch.setattr(run.generator, "_generate_batches", generated)
    (found,) = run.predict(["abca"], top=3)
    texts = [one.text for one in found.texts["output"].alternatives or ()]
    assert texts[:2] == ["a", "acba"], "greedy decoding was selected, so it gives the answer"
    assert len(set(texts)) == 3


def test_a_text_in_other_tokens_is_no_alternative(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "twice.csv", [(one, one + one[::-1]) for one in ("ab", "ba", "aa")] * 40, ("x", "y"))
    finish(
        Training(
            table,
            task="seq2seq",
            input_type="text",
            out=str(tmp_path / "run"),
            tokenizer="word",
            **SMALL | {"steps": 1},
        )
    )
    run = opened(tmp_path / "run")
    (beam,) = run.generator._generate_batches(["ab"], 60, run.generator.output.longest)
    written = [run.generator.decode(text) for text in beam]
    assert len(set(written)) < len(written), "a word and its letters"
    (found,) = run.predict(["ab"], top=60, generation=GenerationConfig(60))
    alternatives = found.texts["y"].alternatives
    assert [one.text for one in alternatives or ()] == list(dict.fromkeys(written))
    for choice, words in ((GenerationConfig(2), "--beam 2 finds 2 texts at most"),
                          (GenerationConfig(temperature=1), "--temperature samples one")):  # fmt: skip
        with pytest.raises(OptionError, match=words):
            run.predict(["ab"], top=3, generation=choice)


def cost(generator: Any, item: str, tokens: torch.Tensor) -> float:
    """The sum of the log-probabilities of tokens (1, T), step by step."""
    from unrolled.data.dataset.batches import pad_items
    from unrolled.model.encoder_decoder import Source

    state, read, score = (
        generator.encoder_decoder.start(Source(*pad_items(generator.featurizer, [item]))),
        torch.tensor([0]),
        0.0,
    )
    for token in tokens[0]:
        logits, state = generator.encoder_decoder.step(read, state)
        score, read = score + float(logits[0].log_softmax(0)[token]), token[None]
    return score


def test_a_batch_generates_the_same_texts_as_one_by_one(learnt: Path) -> None:
    run = unrolled.load(learnt)
    texts = ["abcd", "a", "", "dcbaabcd" * 20, "bd"]
    for choice in (GenerationConfig(), GenerationConfig(2)):
        together = [prediction.texts["output"] for prediction in run.predict(texts, generation=choice)]
        for text, written in zip(texts, together, strict=True):
            (alone,) = run.predict([text], generation=choice)
            assert alone.texts["output"].text == written.text
            assert alone.texts["output"].score == pytest.approx(written.score, abs=1e-3)
    drawn = []
    for seed in (0, 0, 1):
        predictions = run.predict(["abcd"] * 6, generation=GenerationConfig(temperature=3, seed=seed))
        drawn.append([prediction.texts["output"].text for prediction in predictions])
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    assert len(set(drawn[0])) > 1


@pytest.mark.parametrize("stopped", [1, 7])
def test_a_resumed_run_ends_with_the_same_bytes(stopped: int, trained: Training, table: Path, tmp_path: Path) -> None:
    training = Training(table, out=str(tmp_path / "run"), dropout=0.2, **SMALL)
    for report in training:
        if report.step == stopped:
            training.stop()
    assert training.stopped
    assert next(unrolled.load(tmp_path / "run").predict(["ab"])).texts["output"].score < 0, "it writes as it is"
    again = finish(Training.resume(tmp_path / "run"))
    check_same_bytes(trained.folder, tmp_path / "run")
    assert again.run.facts["scores"] == trained.run.facts["scores"]
    assert again.run.facts["beam"] == trained.run.facts["beam"]


def test_a_recorded_plan_gives_the_same_bytes_and_a_run_can_start_from_it(
    trained: Training, table: Path, tmp_path: Path
) -> None:
    finish(Training(table, out=str(tmp_path / "run"), plan=str(trained.folder)))
    check_same_bytes(trained.folder, tmp_path / "run")
    more = Training(table, out=str(tmp_path / "more"), init_from=str(trained.folder), **SMALL | {"steps": 1})
    first = next(iter(more))
    assert first.validation == pytest.approx(trained.run.log.read_reports()[-1]["best"], abs=1e-4)
    other = Training(table, out=str(tmp_path / "other"), init_from=str(trained.folder), attention="dot", steps=1)
    (note,) = next(iter(other)).notes
    assert note.endswith("embedding, stem, encoder; newly initialized: decoder (of another shape).")


def test_reports_and_summary_of_a_training(trained: Training) -> None:
    summary = trained.summary
    assert isinstance(summary, Seq2SeqSummary)
    assert "(correct: " in trained.run.log.read_samples()[0][1]
    assert " -> " in trained.run.log.read_samples()[0][1]
    assert trained.plan_line.endswith("cross-attention: additive")
    assert trained.run.facts["baseline"]["name"].startswith("nearest neighbour by n-grams of characters, chrF ")
    words = "\n".join(summary.lines)
    assert "output, test, by lstm with additive attention, " in words
    assert "perplexity" in words
    assert "Baseline: " in words
    assert "nearest neighbour by n-grams of characters chrF" in words
    json.dumps(trained.run.facts["scores"])
    reports = trained.run.log.read_reports()
    assert reports[0]["loss"] == pytest.approx(np.log(6), abs=1e-4), "five letters and the end"
    assert reports[-1]["best"] < reports[0]["validation"]


@pytest.mark.parametrize("model", ["gru", "transformer", "mingru"])
@pytest.mark.parametrize("reader", ["none", "multihead:heads=2"])
def test_every_memory_and_cross_attention_is_trained(model: str, reader: str, table: Path, tmp_path: Path) -> None:
    settings = SMALL | {"steps": 2, "model": model, "attention": reader, "dropout": 0.1}
    finish(Training(table, out=str(tmp_path / "run"), **settings))
    run = opened(tmp_path / "run")
    assert run.generator.encoder_decoder.smoothing == 0.1
    assert run.info()["parameters"] > 1000
    assert next(run.predict(["abc"], show_attention=True)).texts["output"].attention is not None


@pytest.mark.slow
def test_texts_are_generated_from_a_category(tmp_path: Path) -> None:
    rows = [(label, f"{name}{number % 4}") for number in range(60) for label, name in NAMES.items()]
    path = write_csv(tmp_path / "names.csv", rows, ("colour", "title"))
    requested: dict[str, Any] = {
        "input": "colour",
        "output": "title",
        "task": "seq2seq",
        "dropout": 0.0,
        "learning_rate": 2e-2,
    }
    training = finish(
        Training(path, out=str(tmp_path / "run"), **requested, **SMALL | {"steps": 120, "hidden_size": 32})
    )
    assert "colour (one of 4 labels)" in training.description
    run = unrolled.load(tmp_path / "run")
    for label, name in NAMES.items():
        (prediction,) = run.predict([label])
        assert prediction.texts["title"].text.startswith(name)
    unknown, most_like = run.predict(["geren", "green"])
    assert unknown.texts["title"] == most_like.texts["title"], "a label not known is read as the one most like it"
    attention = next(run.predict(["blue"], show_attention=True)).texts["title"].attention
    assert attention is not None
    assert attention.source_tokens == ["blue"]
    assert "most frequent text of the label" in run.facts["baseline"]["name"]


@pytest.mark.slow
def test_texts_are_generated_from_numbers(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    with (tmp_path / "ways.jsonl").open("w") as file:
        for _ in range(200):
            up = generator.integers(2, size=int(generator.integers(2, 5)))
            steps = (2.0 * up - 1 + 0.1 * generator.standard_normal(len(up))).round(3)
            words = "".join("ud"[1 - one] for one in up)
            file.write(json.dumps({"x": [[value, value * 2] for value in steps.tolist()], "y": words}) + "\n")
    settings: dict[str, Any] = SMALL | {"steps": 200, "hidden_size": 32, "dropout": 0.0, "learning_rate": 2e-2}
    finish(Training(tmp_path / "ways.jsonl", out=str(tmp_path / "run"), task="seq2seq", **settings))
    run = unrolled.load(tmp_path / "run")
    assert run.facts["scores"]["outputs"]["y"]["exact_match"] >= 0.85
    (prediction,) = run.predict(["[[1, 2], [-1, -2], [1, 2]]"], show_attention=True)
    assert prediction.texts["y"].text == "udu"
    assert prediction.texts["y"].attention is not None
    assert prediction.texts["y"].attention.source_tokens == ["1", "2", "3"]
    assert "nearest neighbour by numbers" in run.facts["baseline"]["name"]


def sentences(path: Path, count: int = 200) -> Path:
    """Sentences of five words each, with target sentences of six words."""
    generator = random.Random(1)
    kinds = (
        ["dog", "cat", "bird", "fish", "horse"],
        ["sees", "hears"],
        ["Tom", "Eva", "Ada", "Jan"],
        list("abcdefgh"),
    )
    rows = []
    for _ in range(count):
        one, two, three, four = map(generator.choice, kinds)
        rows.append((f"the {one} {two} {three} in {four}", f"{three} is now {two[:-1]}n by the {one} in {four}"))
    return write_csv(path, rows, ("en", "passive"))


def test_source_and_target_share_one_vocabulary_of_subwords(tmp_path: Path) -> None:
    path = sentences(tmp_path / "s.csv")
    rows = read_task_examples(path, TrainOptions(input_type="text", task="seq2seq"))
    assert rows.text_targets is not None
    assert isinstance(rows.featurizer.to_json()["tokenizer"], str)
    assert rows.featurizer.to_json() == rows.text_targets.output.vocabulary.to_json()
    assert rows.text_targets.output.vocabulary.size <= 513, "less for small data"
    tokens = rows.text_targets.tokens(0)
    assert tokens[-1] == 0, "a border ends every text"
    assert rows.text_targets.output.vocabulary.decode(tokens) == rows.text_targets.texts[0]
    training = finish(Training(path, out=str(tmp_path / "run"), input_type="text", task="seq2seq", **SMALL))
    assert training.run.facts["scores"]["outputs"]["passive"]["metric"] == "bleu"
    evaluation = opened(tmp_path / "run").evaluate()
    assert [one.rows for one in evaluation.score.by_length] == [20]
    assert any(line.startswith("  inputs of 0 to 10 words: BLEU") for line in evaluation.lines)


@pytest.mark.parametrize(("tokens", "read", "written"), [("char", "char", "char"), ("word", "words", "word")])
def test_tokens_are_chosen(tokens: str, read: str, written: str, tmp_path: Path) -> None:
    rows = read_task_examples(
        sentences(tmp_path / "s.csv"), TrainOptions(input_type="text", task="seq2seq", tokenizer=tokens)
    )
    assert rows.text_targets is not None
    assert (rows.featurizer.kind, rows.text_targets.output.vocabulary.kind) == (read, written)


def test_without_the_extra_tokens_are_characters_with_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.data.dataset.vocabulary_choice.find_spec", lambda name: None)
    rows = read_task_examples(sentences(tmp_path / "s.csv"), TrainOptions(input_type="text", task="seq2seq"))
    assert rows.text_targets is not None
    assert (rows.featurizer.kind, rows.text_targets.output.vocabulary.kind) == ("char", "char")
    assert f"(characters, because subwords need the extra bpe: {install_extra('bpe')})" in rows.description


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"bptt": "truncated:k1=4"},
        r"--bptt truncated:k1=4 backpropagates segment by segment.*\n.*Leave it out",
    ),
    (
        {"model": "linear", "steps": None},
        r"the linear model predicts labels or numbers, .*output here is a text",
    ),
    ({"model": "lstm+linear"}, r"the linear model predicts labels or numbers, .*output here is a text"),
    ({"pool": "mean"}, r"--pool applies to labels, tags and numbers"),
    ({"direction": "causal"}, r"--direction applies to labels, tags and numbers"),
    ({"class_weights": "balanced"}, r"--class-weights applies to labels, tags and numbers"),
    ({"attention": "aditive"}, r"Unknown attention 'aditive'\. Did you mean 'additive'"),
    ({"attention": "dot:heads=2"}, r"The attention dot has no option 'heads'"),
    ({"stem": "conv"}, r"--stem conv applies to audio files and images"),
    ({"tokenizer": "runes"}, r"--tokenizer is one of auto, char, byte, word, bpe; got 'runes'"),
]


@pytest.mark.parametrize(
    ("requested", "words"), REFUSED, ids=lambda one: "-".join(one) if isinstance(one, dict) else ""
)
def test_options_that_do_not_go_with_texts_are_refused(requested: dict[str, Any], words: str, table: Path) -> None:
    with pytest.raises(OptionError, match=words):
        Training(table, **{"steps": 1} | requested)


def test_a_text_is_the_only_output(tmp_path: Path) -> None:
    path = tmp_path / "three.csv"
    with path.open("w", newline="") as file:
        rows = [(f"w{number}", f"a{number}", "xy"[number % 2]) for number in range(50)]
        csv.writer(file).writerows([("text", "one", "two"), *rows])
    with pytest.raises(DataError, match=r"2 outputs were requested: 'one' \(texts\), 'two' \(labels\)\.\n.*--output"):
        Training(path, output="one,two", steps=1)


def test_attention_applies_to_generated_texts(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", [(f"w{n}", "ab"[n % 2]) for n in range(60)], ("text", "label"))
    with pytest.raises(OptionError, match="--attention applies to generated texts"):
        Training(path, steps=1, attention="dot")
    (tmp_path / "plain.txt").write_text("some text\n" * 100)
    with pytest.raises(OptionError, match=r"plain\.txt is read as a text, which has no use for --attention"):
        Training(tmp_path / "plain.txt", steps=1, attention="dot")


def test_a_seq2seq_run_refuses_the_methods_of_other_tasks(trained: Training) -> None:
    run = unrolled.load(trained.folder)
    calls: list[Callable[[], object]] = [
        lambda: run.sample(length=3),
        lambda: list(run.score(["a"])),
        lambda: run.reach(),
    ]
    for call in calls:
        with pytest.raises(RunError, match=r"of kind 'seq2seq', which has no \w+\(\)\.\n.*unroll predict"):
            call()


def test_an_evaluation_has_the_scores_of_the_summary(learnt: Path, tmp_path: Path) -> None:
    run = opened(learnt)
    told, scores = run.evaluate(errors=True), run.facts["scores"]["outputs"]["output"]
    facts = told.to_dict()["outputs"]["output"]
    for figure in ("bleu", "chrf", "wer", "exact_match", "nats", "perplexity"):
        assert facts[figure] == pytest.approx(scores[figure], abs=1e-4)
    assert told.errors == []
    baseline = scores["baselines"]["nearest neighbour by n-grams of characters"]
    assert told.baselines["nearest neighbour by n-grams of characters"].chrf == pytest.approx(baseline["chrf"])
    other = write_csv(tmp_path / "o.csv", [("abc", "cba"), ("dd", "ccccc"), ("ab", "bb")], ("text", "output"))
    told = run.evaluate(other, errors=True)
    assert told.score.exact_match == pytest.approx(1 / 3)
    assert [(one["target"], one["prediction"]) for one in told.errors] == [("ccccc", "dd"), ("bb", "ba")]
    assert told.errors[0]["file"].endswith("o.csv") and told.errors[0]["row"] == 3
    assert "nearest neighbour by n-grams of characters" in told.baselines


DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no table": (
        lambda output: output.pop("vocabulary"),
        r"vocabulary\.json is damaged: its description of 'output'",
    ),
    "odd table": (
        lambda output: output["vocabulary"].update(letters=["ab"]),
        r"its letters are not single characters",
    ),
    "an odd length": (
        lambda output: output.update(longest=0),
        r"vocabulary\.json is damaged: its description of 'output'",
    ),
    "labels": (lambda output: output.update(kind="classification", names=["a", "b"]), r"its output is not a text"),
    "fewer letters": (lambda output: output["vocabulary"]["letters"].pop(0), r"model\.safetensors"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_tokens_are_refused(case: str, trained: Training, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(trained.folder, tmp_path / "run")
    change, words = DAMAGE[case]
    tables = json.loads((tmp_path / "run" / "vocabulary.json").read_text())
    change(tables["outputs"]["output"])
    (tmp_path / "run" / "vocabulary.json").write_text(json.dumps(tables))
    seal(tmp_path / "run")
    with pytest.raises(RunError, match=words):
        unrolled.load(tmp_path / "run")


def test_damaged_input_categories_are_refused() -> None:
    from unrolled.data.modalities.table import featurizer_from_json

    with pytest.raises(RunError, match=r"its labels are not a list of names"):
        featurizer_from_json({"kind": "category", "names": []})


def test_long_texts_take_smaller_batches(table: Path) -> None:
    task = Seq2Seq(read_task_examples(table, TrainOptions()), TrainOptions(steps=1))
    short = task.make_plan("cpu", 1, None)
    assert isinstance(short, Plan)
    assert short.batch_size == 32
    assert short.embedding_size == short.hidden_size
    wide = Seq2Seq(task.examples, TrainOptions(steps=1, hidden_size=100_000)).make_plan("cpu", 1, None)
    assert 1 <= wide.batch_size < 32


def test_the_nats_of_a_target_text_do_not_depend_on_the_batch(learnt: Path) -> None:
    generator = opened(learnt).generator
    examples = read_task_examples(learnt.parent / "turned.csv", TrainOptions())
    rows = examples.splits["test"]
    assert sorted(np.concatenate(list(in_groups(examples, rows))).tolist()) == rows.tolist()
    whole = generator.reference_nats(examples, rows)
    each = [generator.reference_nats(examples, rows[place : place + 1]) for place in range(len(rows))]
    assert whole[0] == pytest.approx(sum(one[0] for one in each), abs=1e-3)
    assert whole[1:] == (sum(one[1] for one in each), sum(one[2] for one in each))


def test_a_truncated_target_has_no_eos_token(learnt: Path) -> None:
    generator = opened(learnt).generator
    assert isinstance(generator.output, TextOutput)
    short = replace(generator.output, longest=2)
    generator.output = short
    (text,) = generator.generate(["abcd"], GenerationConfig())
    assert text == Hypothesis(text.tokens, text.score, text.normalised, ended=False)
    assert generator.decode(text) == "dc"
    looked = generator.attention("abcd", text)
    assert (len(looked.target_tokens), len(looked.weights)) == (2, 2)
