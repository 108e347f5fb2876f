"""The verdict: a few lines at the end of a training, from figures alone."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from unrolled.data import Corpus, part_rows
from unrolled.evaluate import Score, Unrolling, evaluate, score_lines
from unrolled.model.ngram import NGram
from unrolled.parts import COUNTED
from unrolled.run.mixing import score_parts

if TYPE_CHECKING:
    from unrolled.run.mixing import Mixed
    from unrolled.run.subject import Baseline
    from unrolled.run.watching import Watch

COPIED_MUCH = 0.2  # share of a sample's 50-symbol pieces that stand in the training text


@dataclass(frozen=True)
class Verdict:
    """What came out. All scores are nats a character on the test part, which nothing was chosen by."""

    model: str
    test: Score | None  # None where there is no test part
    test_symbols: int  # of the whole test part; a short budget has no time for all of it
    validation: float  # the best, nats a character; a mixture's: each half weighed by the other
    baseline: float | None  # the n-gram on the same test part
    baseline_name: str
    untrained: float  # nats a character of the same model before training, on the validation part
    training_loss: float  # nats a symbol, at the end
    trend: str  # "learning", "flat" or "overfitting"
    copied_share: float | None
    copied_longest: int | None
    copied_of: float  # share of the training text that was looked through for these two
    advice: str
    parts: dict[str, float] | None = (
        None  # of a mixture: nats a character of each alone, on what the whole is scored on
    )
    fitted: int | None = None  # symbols of the validation part that it was weighed on

    @property
    def lines(self) -> list[str]:
        """What the command prints."""
        lines = []
        if self.test is not None:
            most = self.test_symbols
            of = "" if self.test.symbols == most else f", on {self.test.symbols:,} of its {most:,} symbols"
            lines.append(
                f"Test part{of}: {self.test.nats:.3f} nats ({self.test.bits:.3f} bits) a character, "
                f"{self.test.interval}; read once, nothing was chosen by it."
            )
        else:
            lines.append(f"No test part; best validation {self.validation:.3f} nats a character.")
        score = self.test.nats if self.test is not None else self.validation
        against = f"untrained {self.untrained:.3f}"
        if self.baseline is not None:
            beats = "beats it" if score < self.baseline else "does not beat it"
            against = f"{self.baseline_name} {self.baseline:.3f}: the {self.model} {beats}; {against}"
        lines.append(f"Beside it: {against}.")
        if self.parts is not None:
            alone = ", ".join(f"{name} {nats:.3f}" for name, nats in self.parts.items())
            lines.append(
                f"Its parts alone: {alone}; weighed on {self.fitted:,} symbols of the validation part, "
                f"{self.validation:.3f} there."
            )
        words = {"learning": "It was still learning.", "flat": "It had stopped getting better.",
                 "overfitting": "It had begun to overfit: its best weights are from before."}  # fmt: skip
        copied = ""
        if self.copied_share is not None:
            looked = "" if self.copied_of == 1 else f"; {self.copied_of:.0%} of it was looked through"
            copied = (
                f" Of what it writes, {self.copied_share:.0%} of the 50-symbol pieces stand word for word in the "
                f"training text (longest run {self.copied_longest}{looked})."
            )
        lines.append(words[self.trend] + copied)
        lines.append(self.advice)
        return lines

    def as_dict(self) -> dict[str, Any]:
        """The figures in plain names."""
        values = asdict(self)
        values["test"] = None if self.test is None else self.test.as_dict()
        values["nats"] = None if self.test is None else self.test.nats
        return values


def trend_of(validations: list[float]) -> str:
    """What the validations say: "learning", "flat" or "overfitting".

    The last is compared with the best (overfitting: more than 0.02 nats above it) and with the one a fifth of the
    training before (learning: more than 0.005 below it).
    """
    if len(validations) < 3:
        return "learning"
    if validations[-1] > min(validations) + 0.02:
        return "overfitting"
    earlier = validations[-1 - max(1, len(validations) // 5)]
    return "learning" if validations[-1] < earlier - 0.005 else "flat"


def advise(trend: str, beaten: bool, copied_share: float | None, minutes: float | None) -> str:
    """What to do next, in a sentence."""
    more = f"--minutes {max(1, round(3 * minutes)):g}" if minutes else "three times the --steps"
    if copied_share is not None and copied_share > COPIED_MUCH:
        return "Next: more text, or a smaller model (--size), or more --dropout: much of what it writes is copied."
    if trend == "overfitting":
        return "Next: more text, more --dropout, or a smaller model (--size); more time will not help."
    if trend == "learning":
        return f"Next: more time helps: {more}."
    if not beaten:
        return f"Next: counting does as well on this text; more text helps most, then {more}."
    return f"Next: more text helps most; a larger model with {more} may."


def judge(watch: Watch, corpus: Corpus, baseline: Baseline, mixed: Mixed | None = None) -> Verdict:
    """The verdict on a trained model, whose averaged weights are the best ones now, or on its mixture."""
    learnt, limit = watch.plans[-1].model, watch.test_limit()
    test = score_test(corpus, watch.learner.optimiser.averaged if mixed is None else mixed.model, limit)
    name, validation, parts, fitted = learnt, watch.learner.best, None, None
    if mixed is not None:
        name, validation, fitted = f"{learnt}+{COUNTED}", mixed.validation, mixed.fitted
        scored = ("validation", fitted) if test is None else ("test", limit)
        parts = score_parts(mixed.model, name, corpus, *scored)
    copied_longest = copied_share = None
    if watch.last_sample:
        copied_longest, copied_share = watch.copied(watch.last_sample)
    reports = watch.folder.read_reports()
    trend = trend_of(watch.validations)
    compared = baseline.test if test is not None else baseline.validation
    if parts is not None:
        compared = parts[COUNTED]  # on the very same symbols
    score = test.nats if test is not None else validation
    minutes = watch.clock.budget / 60 if watch.clock.budget else None
    return Verdict(
        model=name,
        test=test,
        test_symbols=corpus.targets("test"),
        validation=validation,
        baseline=compared,
        baseline_name=baseline.name,
        untrained=watch.validations[0],
        training_loss=reports[-1]["loss"] if reports else watch.learner.best,
        trend=trend,
        copied_share=copied_share,
        copied_longest=copied_longest,
        copied_of=min(1.0, watch.copying_limit() / max(1, corpus.targets("training"))),
        advice=advise(trend, compared is None or score < compared, copied_share, minutes),
        parts=parts,
        fitted=fitted,
    )


def judge_ngram(corpus: Corpus, ngram: NGram, baseline: Baseline) -> Verdict:
    """The verdict on a counted n-gram: it is its own baseline."""
    uniform = math.log(corpus.table.size)
    return Verdict(
        model="ngram",
        test=score_test(corpus, ngram, None),
        test_symbols=corpus.targets("test"),
        validation=baseline.validation if baseline.validation is not None else uniform,
        baseline=None,
        baseline_name=baseline.name,
        untrained=uniform,
        training_loss=uniform,
        trend="flat",
        copied_share=None,
        copied_longest=None,
        copied_of=0.0,
        advice="Next: see what a model that learns adds: unroll train DATA --model lstm.",
    )


def surprise_quantiles(model: Unrolling, corpus: Corpus, limit: int) -> list[float]:
    """Nats a character of the validation part's lines at 101 quantiles: what `score` ranks a line against."""
    lines, symbols = [], 0
    for line in corpus.validation_lines():
        lines.append(line)
        symbols += len(line)
        if symbols > limit:
            break
    scores = [line.nats for line in score_lines(model, corpus.table, lines, documents=corpus.documents, batch=64)]
    return [float(q) for q in np.quantile(scores, np.linspace(0, 1, 101))] if scores else []


def score_test(corpus: Corpus, model: Unrolling, limit: int | None) -> Score | None:
    """The score on the test part, or on its beginning where the budget has no time for all; None without one."""
    if not corpus.targets("test"):
        return None
    return evaluate(model, part_rows(corpus, "test", limit), corpus.table.characters)
