"""The sentences at the end of a training: each says what its figures show, and not more."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from unrolled.cli.evaluate import escape_formula
from unrolled.errors import command
from unrolled.metrics.surprise import Score
from unrolled.metrics.text import score_texts
from unrolled.options import TrainOptions
from unrolled.run import Training
from unrolled.tasks.generation import GenerationConfig
from unrolled.tasks.language_modeling.summary import LanguageModelingSummary, advise, compare_with_ngram
from unrolled.tasks.prediction.summary import PredictionSummary
from unrolled.tasks.seq2seq.summary import Part, ReferenceCost, Seq2SeqSummary, equal_texts_note


@dataclass(frozen=True)
class Accuracy:
    """A score with what a summary needs."""

    value: float
    low: float = 0.0
    high: float = 1.0

    @property
    def line(self) -> str:
        return self.short

    @property
    def short(self) -> str:
        return f"accuracy {self.value:.1%}"

    def to_dict(self) -> dict[str, Any]:
        return {"accuracy": self.value, "accuracy_interval": [self.low, self.high]}


def summary_of(model: str, scores: Mapping[str, Any], trend: str | None = "flat") -> list[str]:
    summary = PredictionSummary(
        model, "test", {"kind": scores}, {"kind": ("always 'a'", 0.4)}, {"kind": "accuracy"},
        dict.fromkeys(scores, 0.5), trend is not None, trend, "", "my data.csv",
    )  # fmt: skip
    return summary.lines


def test_a_model_is_better_than_the_best_baseline_or_not() -> None:
    scores = {"lstm": Accuracy(0.8), "linear": Accuracy(0.75), "lstm+linear": Accuracy(0.82, 0.78, 0.86)}
    assert summary_of("lstm+linear", scores)[:3] == [
        "kind, test, by lstm+linear: accuracy 82.0%.",
        "Baselines: linear accuracy 75.0%, always 'a' accuracy 40.0%. The lstm+linear is better.",
        "Others: lstm accuracy 80.0%.",
    ]
    near = scores | {"linear": Accuracy(0.85)}
    assert "The lstm+linear is as good, within the interval." in summary_of("lstm+linear", near)[1]
    far = scores | {"linear": Accuracy(0.9)}
    assert "The lstm+linear is worse." in summary_of("lstm+linear", far)[1]
    assert (
        summary_of("linear", scores)[1]
        == "Baselines: always 'a' accuracy 40.0%. The linear model is as good, within the interval."
    )


def test_the_summary_of_an_ngram_advises_a_net(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"{n} green bottles\n" for n in range(400)))
    training = Training(path, model="ngram", documents="line", valid="0.2", out=str(tmp_path / "run"), threads=1)
    list(training)
    again = command("train", path, "--threads", "1", "--valid", "0.2", "--documents", "line")
    assert training.summary is not None
    assert training.summary.lines[-1] == f"Next: see what a trained model adds: {again}"


def test_a_model_without_training_is_described_as_such() -> None:
    assert summary_of("linear", {"linear": Accuracy(0.8)}, None)[-1] == (
        "The linear model is fitted, not trained. Next: see what a net adds: unroll train 'my data.csv'"
    )
    summary = LanguageModelingSummary(
        "ngram", None, 0, 1.5, None, "7-gram", 4.0, 4.0, None, None, None, 0.0, "Next: …"
    )
    assert summary.lines == [
        "Validation: 1.500 nats per character; there is no test split.",
        "The n-gram is counted, not trained.",
        "Next: …",
    ]


def test_a_text_s_summary_is_in_plain_words() -> None:
    score = Score(1.496, 1.466, 1.527, 0.5, 0.4, 0.6, 1000, 1000)
    summary = LanguageModelingSummary(
        "lstm", score, 5000, 1.5, 1.519 + 0.1, "7-gram (Kneser–Ney)", 4.2, 1.4, "learning", 0.0, 3, 1.0,
        advise("learning", 1, 0.0, "unroll train a.txt --minutes 6"), "lstm",
        {"lstm": 1.5, "ngram": 1.6, "lstm+ngram": 1.5},
    )  # fmt: skip
    assert summary.lines == [
        "Test (on 1,000 of its 5,000 tokens): 1.496 nats (2.158 bits) per character, 95% interval 1.466–1.527",
        "Baseline: 7-gram (Kneser–Ney) 1.619. The lstm is better.",
        "Selected: lstm, best on validation (lstm 1.500, ngram 1.600, lstm+ngram 1.500 nats per character).",
        "The lstm was still improving when training ended: more time helps. Memorisation: 0% of the last sample's "
        "50-token segments occur verbatim in the training text (longest run: 3 tokens).",
        "Next: train longer: unroll train a.txt --minutes 6",
    ]
    begun = dataclasses.replace(summary, test_truncated=True).lines[0]
    assert begun.startswith("Test (on the first 1,000 of its 5,000 tokens): "), "it was not spread over the part"


@pytest.mark.parametrize(("trend", "ahead", "words"), [
    ("unclear", -1, "Next: train longer: unroll train a.txt --steps 300"),
    ("overfitting", 0, "more time will not help"),
    ("flat", 0, "Next: the n-gram is as good on this text; more text helps most, or another --hidden-size."),
    ("flat", -1, "the n-gram is better on this text; a net needs more text, or another --learning-rate, "
     "or another --hidden-size."),
    ("flat", None, "Next: more text helps most, and shows whether the n-gram is better, or another --hidden-size."),
    ("flat", 1, "Next: more text helps most, or another --hidden-size."),
    ("slowing", 1, "Next: more text helps most, or longer training: unroll train a.txt --steps 300"),
])  # fmt: skip
def test_the_advice_depends_on_the_trend(trend: str, ahead: int | None, words: str) -> None:
    said = advise(trend, ahead, 0.0, "unroll train a.txt --steps 300")
    assert words in said
    assert trend != "flat" or "--steps" not in said, "more time would not help"


@pytest.mark.parametrize(
    ("interval", "ngram", "ahead"),
    [((2.5, 2.6), 0.7, -1), ((2.5, 2.6), 2.55, 0), ((2.5, 2.6), 2.7, 1), ((math.nan, math.nan), 0.7, None)],
)
def test_a_net_is_better_than_the_n_gram_or_not(
    interval: tuple[float, float], ngram: float, ahead: int | None
) -> None:
    assert compare_with_ngram(interval, ngram) == ahead


@pytest.mark.parametrize(("rate", "words"), [(1.0, r"All 12 texts are the same, whatever the row: '"), (1e-9, "")])
def test_an_encoder_decoder_that_generates_one_text_is_reported(rate: float, words: str, tmp_path: Path) -> None:
    rows = (f"der hund {i} {i * 7 % 13} geht,the dog {i * 3 % 11} and {i} goes {i * i % 17}\n" for i in range(120))
    (tmp_path / "t.csv").write_text("de,en\n" + "".join(rows))
    training = Training(
        tmp_path / "t.csv",
        input="de",
        output="en",
        task="seq2seq",
        steps=2,
        hidden_size=8,
        learning_rate=rate,
        threads=1,
        batch_size=8,
        out=str(tmp_path / "o"),
    )
    for _ in training:
        pass
    said = [line for line in training.summary.lines if "texts are" in line]  # type: ignore[union-attr]
    assert len(said) == bool(words)
    assert not said or said[0].startswith(words)


def test_a_command_repeats_the_options_of_the_settings() -> None:
    requested = TrainOptions(
        minutes=0.5, skip_empty=True, task="classification", init_from="a b", learning_rate=1e-6, out="o"
    )
    words = [
        "--minutes",
        "0.5",
        "--task",
        "classification",
        "--learning-rate",
        "1e-06",
        "--init-from",
        "a b",
        "--skip-empty",
    ]
    assert requested.options() == words
    assert TrainOptions().options() == []


@pytest.mark.parametrize(("texts", "words"), [
    (["a", "b", "c"], ""),
    (["a"], ""),
    ([], ""),
    (["", " ", ""], "All 3 texts are empty."),
    (["a", "", "b"], "1 of 3 texts are empty."),
    (["\u200b", "\x0f", "\n"], "All 3 texts are empty."),
    ([*["a  dog"] * 5, *["a dog"] * 4, "a cat"], "9 of 10 texts are the same, whatever the row: 'a dog'."),
    (["a dog", "a dog"], "All 2 texts are the same, whatever the row: 'a dog'."),
    ([*["a dog"] * 19, "a cat"], "19 of 20 texts are the same, whatever the row: 'a dog'."),
    (["a\nb" * 40] * 2, "All 2 texts are the same, whatever the row: 'a b"),
])  # fmt: skip
def test_texts_that_are_empty_or_all_the_same_are_reported(texts: list[str], words: str) -> None:
    found = equal_texts_note(texts)
    assert found.startswith(words) if words else found == ""


def test_a_command_can_be_typed_as_it_is_printed() -> None:
    printed = command("sample", "my run's", "--temperature", 0.7)
    assert shlex.split(printed) == ["unroll", "sample", "my run's", "--temperature", "0.7"]
    assert command("sample", "runs/poems") == "unroll sample runs/poems"


@pytest.mark.parametrize(("cell", "written"), [
    ("=1+1", "'=1+1"), ("@sum", "'@sum"), ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"), ("-2+3", "'-2+3"),
    ("\tx", "'\tx"), ("\rx", "'\rx"), ("-1.5", "-1.5"), ("+3", "+3"), ("a=b", "a=b"), ("", ""), (3, 3), (-0.5, -0.5),
])  # fmt: skip
def test_a_cell_of_the_errors_file_is_no_formula(cell: object, written: object) -> None:
    assert escape_formula(cell) == written


def test_an_encoder_decoder_far_behind_is_worse_though_neither_has_bleu() -> None:
    texts = ["red dog house", "blue dog red", "house red dog", "dog blue house"]
    right, wrong = score_texts(texts, [[text] for text in texts]), score_texts(["zz"] * 4, [[text] for text in texts])
    summary = Seq2SeqSummary(
        "en", "lstm", "test", GenerationConfig(), "greedy", {"greedy": wrong, "nearest": right},
        ReferenceCost(1.0, 2.0), "bleu", Part(4, 80), Part(4, 4), {"greedy": 1.0},
        None, "",
        "nearest", equal_texts_note(["zz"] * 4),
    )  # fmt: skip
    assert wrong.bleu == right.bleu == 0
    few = " There was time for 4 of 80 validation inputs; so few decide little."
    assert f"Selected: greedy, by chrF on validation (greedy 1.0).{few}" in summary.lines
    more = dataclasses.replace(summary, compared=Part(60, 80), scored=Part(9, 10)).shortened
    assert more == " There was time for 60 of 80 validation inputs. The scores are of 9 of 10 inputs."
    assert dataclasses.replace(summary, compared=Part(80, 80)).shortened == ""
    assert "All 4 texts are the same, whatever the row: 'zz'." in summary.lines
    assert any(
        line.startswith("Baseline: nearest ") and line.endswith("The lstm is worse.") for line in summary.lines
    )
    by_baseline = dataclasses.replace(summary, selected="nearest", sameness="")
    assert by_baseline.lines[0].startswith("en, test, by nearest: BLEU 0.0 (95% interval 0.0 to 0.0), chrF 100.0")
    assert by_baseline.lines[1].startswith("Not selected: lstm, greedy: BLEU 0.0, chrF 0.0; reference texts: ")
    assert by_baseline.lines[1].endswith("The lstm is worse.")
    outputs = by_baseline.to_dict()["outputs"]["en"]
    assert (outputs["exact_match"], outputs["others"]["greedy"]["exact_match"]) == (1.0, 0.0)
