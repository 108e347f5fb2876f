"""The summary of a language model's training: a few lines, derived from its figures."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unrolled.data import Corpus, split_rows
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.errors import command
from unrolled.metrics.memorisation import find_copies
from unrolled.metrics.surprise import Score, Unrolling, evaluate, score_lines
from unrolled.model.mixture import Mixture
from unrolled.model.ngram.model import NGram
from unrolled.options import longer_minutes
from unrolled.registry import COUNTED
from unrolled.tasks.language_modeling.baseline import evaluate_ngram
from unrolled.tasks.language_modeling.ensemble import score_members
from unrolled.tasks.selection import compare_with_baseline, selected_line
from unrolled.tasks.trend import trend_line, trend_of

if TYPE_CHECKING:
    from unrolled.rundir.folder import RunFolder
    from unrolled.tasks.base import Baseline
    from unrolled.tasks.language_modeling.ensemble import SelectedModel
    from unrolled.tasks.record import TrainingRecord

MEMORISED_MUCH = 0.2  # share of a sample's 50-token segments in the training text, above which more text is advised


@dataclass(frozen=True)
class LanguageModelingSummary:
    """The summary of a language model. All scores are nats per character on the test split."""

    model: str  # what the run predicts with: lstm, ngram or lstm+ngram
    test: Score | None  # None without a test split
    test_tokens: int  # of the whole test split; a short budget scores fewer
    validation: float  # nats per character; of an ensemble with each half weighted by a fit on the other
    baseline: float | None  # the n-gram on the same tokens; None if the n-gram is the model
    baseline_name: str
    untrained: float  # nats per character before training, on validation
    training_loss: float  # nats per token, at the end
    trend: str | None  # from `trend_of`; None without training
    memorised_share: float | None
    memorised_longest: int | None
    searched_share: float  # share of the training text that was searched for these two
    advice: str
    trained_model: str | None = None  # the name of the trained model
    candidates: dict[str, float] | None = None  # validation nats of all candidates
    members: dict[str, float] | None = None  # nats of each member of an ensemble alone, on the same tokens
    fitted_tokens: int | None = None  # validation tokens on which its weights were fitted
    failure: str | None = None  # why there is no ensemble, or why its weights are not fitted
    test_truncated: bool = (
        False  # whether only the beginning of the test split was scored; if not, spread segments, or all
    )

    @property
    def lines(self) -> list[str]:
        """The lines that the command prints."""
        lines = [self._score_line()]
        if self.baseline is not None:
            lines.append(self._baseline_line(self.baseline))
        if self.candidates:
            lines.append(selected_line(self.model, self.candidates, "nats per character"))
        elif self.candidates is not None:
            lines.append(f"Selected: {self.model}; the validation split is too small to choose by.")
        if self.members is not None:
            alone = ", ".join(f"{name} {nats:.3f}" for name, nats in self.members.items())
            lines.append(f"Members alone: {alone}; weights fitted on {self.fitted_tokens:,} validation tokens.")
        if self.failure:
            lines.append(self.failure)
        lines.append(" ".join(filter(None, (self._trend_line(), self._memorised_line()))))
        return [*lines, self.advice]

    def _score_line(self) -> str:
        if self.test is None:
            return f"Validation: {self.validation:.3f} nats per character; there is no test split."
        size, first = self.test_tokens, "the first " if self.test_truncated else ""
        of = "" if self.test.tokens == size else f" (on {first}{self.test.tokens:,} of its {size:,} tokens)"
        return f"Test{of}: {self.test.nats:.3f} nats ({self.test.bits:.3f} bits) per character, {self.test.interval}"

    def _baseline_line(self, baseline: float) -> str:
        line = f"Baseline: {self.baseline_name} {baseline:.3f}"
        if self.test is None:
            return f"{line} on validation."
        return f"{line}. {compare_with_baseline(self.model, (self.test.low, self.test.high), baseline)}"

    def _trend_line(self) -> str:
        if self.trend is None or self.trained_model is None:
            return "The n-gram is counted, not trained."
        return trend_line(self.trend, self.trained_model)

    def _memorised_line(self) -> str:
        if self.memorised_share is None:
            return ""
        searched = "" if self.searched_share == 1 else f"; {self.searched_share:.0%} of the text was searched"
        return (
            f"Memorisation: {self.memorised_share:.0%} of the last sample's 50-token segments occur verbatim in the "
            f"training text (longest run: {self.memorised_longest} tokens{searched})."
        )

    def to_dict(self) -> dict[str, Any]:
        """The figures, for JSON."""
        values = asdict(self)
        values["test"] = None if self.test is None else self.test.to_dict()
        values["nats"] = None if self.test is None else self.test.nats
        return values


def advise(trend: str, ahead: int | None, memorised_share: float | None, longer: str) -> str:
    """A sentence with the next thing to try. ahead: 1 if the model is better than the n-gram, -1 if worse, 0 if
    equal, None if unknown; longer: the command that trains for longer."""
    if memorised_share is not None and memorised_share > MEMORISED_MUCH:
        return (
            "Next: more text, or a smaller model (--hidden-size), or more --dropout: "
            "much of its output is copied from the training text."
        )
    if trend == "overfitting":
        return "Next: more text, more --dropout, or a smaller model (--hidden-size); more time will not help."
    if trend in ("learning", "unclear"):
        return f"Next: train longer: {longer}"
    helps = {
        None: "more text helps most, and shows whether the n-gram is better",
        1: "more text helps most",
        0: "the n-gram is as good on this text; more text helps most",
        -1: "the n-gram is better on this text; a net needs more text, or another --learning-rate",
    }[ahead]
    if trend == "slowing":
        return f"Next: {helps}, or longer training: {longer}"
    return f"Next: {helps}, or another --hidden-size."


def compare_with_ngram(model: tuple[float, float], ngram: float) -> int | None:
    """1 if the interval of a model's nats lies below the n-gram's nats, -1 if above, 0 if it contains them; None
    without an interval."""
    low, high = model
    if math.isnan(low) or math.isnan(high):
        return None
    return 1 if high < ngram else -1 if low > ngram else 0


def longer_command(folder: RunFolder, path: Path, steps: int) -> str:
    """The command for three times the budget. path: of the text; steps: of the last plan."""
    settings, data = folder.settings, folder.facts["data"]
    minutes = longer_minutes(settings.minutes) if settings.minutes else None
    again = replace(settings, minutes=minutes, steps=None if minutes else 3 * steps, plan=None)
    return command("train", folder.path / data["path"] if data["kept"] else path, *again.options())


def summarise(
    run: RunFolder,
    record: TrainingRecord,
    corpus: Corpus,
    baseline: Baseline,
    chosen: SelectedModel,
    ngram: NGram | None,
    deadline: Deadline = UNLIMITED,
) -> LanguageModelingSummary:
    """The summary of the selected model, after loading the best averaged weights.

    ngram: scored on the same tokens, if the run has it; on as many as there is time for.
    """
    limit, searched = record.limits.test, record.limits.memorisation
    test = score_test(corpus, chosen.model, limit, deadline.share(0.5)) if corpus.targets("test") else None
    whole, cut = corpus.targets("test"), None  # scored test tokens, if the deadline passed
    scored, limit = ("validation", chosen.fitted) if test is None else ("test", min(limit, whole))
    if test is not None and test.tokens < limit:
        cut = test.tokens
    compared, members = (baseline.test if test is not None else baseline.validation), None
    if isinstance(chosen.model, Mixture):
        members = score_members(chosen.model, chosen.members, corpus, scored, limit, deadline.share(0.8), cut)
        compared = members[COUNTED]
    elif chosen.members == [COUNTED]:
        compared = None
    elif ngram is not None and cut is None:
        compared = evaluate_ngram(ngram, corpus, scored, limit, deadline.share(0.8))
    elif ngram is not None:
        compared = score_test(corpus, ngram, limit, deadline.share(0.8), cut).nats
    memorised_longest = memorised_share = None
    if record.last_sample:
        memorised_longest, memorised_share = memorisation_of(corpus, record.last_sample, searched)
    reports = run.log.read_reports()
    trend = trend_of(reports)
    validation = chosen.validation.get(chosen.name, record.best)
    interval = (test.low, test.high) if test is not None else (validation, validation)
    ahead = -1 if compared is None else compare_with_ngram(interval, compared)  # None: the n-gram itself was selected
    longer = longer_command(run, corpus.path, record.plan.steps)
    return LanguageModelingSummary(
        model=chosen.name,
        test=test,
        test_tokens=whole,
        validation=validation,
        baseline=compared,
        baseline_name=baseline.name,
        untrained=record.untrained,
        training_loss=reports[-1]["loss"] if reports else record.best,
        trend=trend,
        memorised_share=memorised_share,
        memorised_longest=memorised_longest,
        searched_share=min(1.0, searched / max(1, corpus.targets("training"))),
        advice=advise(trend, ahead, memorised_share, longer),
        trained_model=record.plan.model,
        candidates=chosen.validation if chosen.selected else None,
        members=members,
        fitted_tokens=chosen.fitted if members is not None else None,
        failure=chosen.failure or None,
        test_truncated=cut is not None and limit == whole,
    )


def memorisation_of(corpus: Corpus, text: str, limit: int) -> tuple[int, float]:
    """The longest verbatim run of `text` in `limit` training tokens, and the share of its segments there."""
    tokens = corpus.vocabulary.encode(text)
    found = find_copies(tokens, corpus.training_chunks(limit, overlap=len(tokens)))
    return found.longest, found.share


def summarise_ngram(
    corpus: Corpus,
    ngram: NGram,
    baseline: Baseline,
    net: str,
    deadline: Deadline = UNLIMITED,
) -> LanguageModelingSummary:
    """The summary of a counted n-gram, which has no baseline. net: the command that trains a net on the same text."""
    uniform, whole = math.log(corpus.vocabulary.size), corpus.targets("test")
    test = score_test(corpus, ngram, None, deadline) if whole else None
    return LanguageModelingSummary(
        model=COUNTED,
        test=test,
        test_tokens=whole,
        validation=baseline.validation if baseline.validation is not None else uniform,
        baseline=None,
        baseline_name=baseline.name,
        untrained=uniform,
        training_loss=uniform,
        trend=None,
        memorised_share=None,
        memorised_longest=None,
        searched_share=0.0,
        test_truncated=test is not None and test.tokens < whole,
        advice=f"Next: see what a trained model adds: {net}",
    )


def surprise_quantiles(model: Unrolling, corpus: Corpus, limit: int, deadline: Deadline = UNLIMITED) -> list[float]:
    """Nats per character of validation lines, at 101 quantiles, by which `score` ranks a line."""
    lines, tokens = [], 0
    for line in corpus.validation_lines():
        lines.append(line)
        tokens += len(line)
        if tokens > limit:
            break
    scores = []
    for scored in score_lines(model, corpus.vocabulary, lines, documents=corpus.documents, batch=64):
        scores.append(scored.nats)
        if deadline.passed():
            break
    return [float(q) for q in np.quantile(scores, np.linspace(0, 1, 101))] if scores else []


def score_test(
    corpus: Corpus, model: Unrolling, limit: int | None, deadline: Deadline = UNLIMITED, most: int | None = None
) -> Score:
    """The score on the test split, or on segments spread over it if the budget has no time for all. most: largest
    number of tokens, to match another score that was cut short."""
    rows = split_rows(corpus, "test", limit)
    return evaluate(model, rows, corpus.vocabulary.characters, deadline=deadline, most=most)
