"""The summary of a seq2seq run: scores of the generated texts, and of the baseline."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from unrolled.data.dataset.dataset import Examples
from unrolled.data.dataset.item_store import SplitItems
from unrolled.data.dataset.seq2seq_batches import target_texts_of
from unrolled.data.dataset.vocabulary_choice import has_words
from unrolled.data.modalities.base import Ids
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.decoding.beam import Hypothesis
from unrolled.figures import FORMATS
from unrolled.metrics.captions import plain_cider_d
from unrolled.metrics.confidence import Confidence, fit_confidence
from unrolled.metrics.finding import FindingScore
from unrolled.metrics.n_grams import chrf, count_characters
from unrolled.metrics.text import TextScore, score_texts
from unrolled.tasks.dataset import evenly_spaced
from unrolled.tasks.generation import GenerationConfig
from unrolled.tasks.selection import compare_with_baseline
from unrolled.tasks.seq2seq.baselines import ImageRetrieval, nearest_texts, score_finding
from unrolled.tasks.seq2seq.generate import Generator
from unrolled.tasks.seq2seq.references import distinct_rows, reference_texts, rows_with_inputs
from unrolled.tasks.trend import trend_line

BEAM = 5  # width of the beam, if beam search is selected
MOST_SCORED = 1_000  # most rows to generate texts for at the end, without a deadline
FEWEST_JUDGED = 50
TIMED = 64  # rows on which the speed of generation is measured
SCORED = 3  # texts that are scored for each row: by greedy and beam search, and of the baseline
GREEDY, PLAIN_BEAM = GenerationConfig(), GenerationConfig(BEAM)
RANKED_BEAM = GenerationConfig(BEAM, image_weight=100.0)  # docs/captions.md has what other weights gave
NEARLY_ALL = 0.9  # share of equal texts that is reported
CAPTIONS = "cider_d"  # the figure by which models of captions are compared
SHOWN_CHARACTERS = 60  # of a reported text


@dataclass(frozen=True)
class ReferenceCost:
    """The cross-entropy of the reference texts under a model."""

    nats: float  # per character; the end of a text counts as one
    perplexity: float  # per token

    @classmethod
    def of(cls, nats: float, tokens: int, characters: int) -> ReferenceCost:
        """From summed nats."""
        return cls(nats / max(1, characters), float(np.exp(min(700.0, nats / max(1, tokens)))))

    @property
    def line(self) -> str:
        """The figures as text."""
        return f"reference texts: {self.nats:.3f} nats per character, perplexity {self.perplexity:.2f} per token"


class Part(NamedTuple):
    """How many inputs of a split there was time for."""

    judged: int
    total: int

    @property
    def lacks(self) -> bool:
        """Whether it is not all of them."""
        return self.judged < self.total


@dataclass(frozen=True)
class Seq2SeqSummary:
    """The summary of a seq2seq run. Nothing is selected on test rows."""

    name: str  # the output
    model: str  # the net
    split: str  # the scored split: test, or validation without a test split
    way: GenerationConfig  # of generating by the net that is selected
    selected: str  # a way of generating by the net, or the baseline: a name in `scores`
    scores: Mapping[str, TextScore]  # of each way of generating, and of the baseline
    cost: ReferenceCost  # under the net
    figure: str  # by which models are compared
    compared: Part  # the validation inputs by which it was selected
    scored: Part  # the inputs of the scored split
    validation: Mapping[str, float]  # chrF, of captions CIDEr-D, of all that could be selected
    trend: str | None
    baseline_name: str
    baseline: str  # the name of the baseline in `scores`
    sameness: str = ""  # a sentence if texts are empty or all the same
    split_method: str = ""  # how the split was made
    confidence: Confidence | None = None  # in what is selected; of captions, if validation has enough of them
    finding: FindingScore | None = None  # of images by their captions, with the retrieval baseline

    @property
    def lines(self) -> list[str]:
        """The lines that the command prints."""
        criterion, form = ("CIDEr-D", ".3f") if self.figure == CAPTIONS else ("chrF", ".1f")
        ways = ", ".join(f"{name} {value:{form}}" for name, value in self.validation.items())
        scores = self.score.format_line(bleu=self.figure == "bleu")
        way = self.way.name
        net, baseline = self.scores[way], self.scores[self.baseline]
        better = compare_with_baseline(self.model, net.decisive[1], baseline.decisive[0], more_is_better=True)
        by_net, cost = f"{self.model}, {way}", self.cost.line
        by, other = (by_net, self.baseline) if self.selected == way else (self.baseline, by_net)
        lines = [
            f"{self.name}, {self.split}, by {by}: {scores}{f'; {cost}' if by == by_net else ''}.",
            *self.score.caption_lines,
            *([self.sameness] if self.sameness else []),
            f"Baseline: {other} {shown_score(baseline, self.figure)}. {better}"
            if by == by_net
            else f"Not selected: {other}: {shown_score(net, self.figure)}; {cost}. {better}",
            *([f"Split ({self.split}): {self.split_method}."] if self.split_method else []),
            f"Selected: {self.selected}, by {criterion} on validation ({ways}).{self.shortened}",
            *([] if self.finding is None else [self.finding.line]),
        ]
        return lines if self.trend is None else [*lines, trend_line(self.trend, self.model)]

    @property
    def shortened(self) -> str:
        """What there was no time for, as sentences; "" if all was judged."""
        said = ""
        if self.compared.lacks:
            few = "; so few decide little" if self.compared.judged < FEWEST_JUDGED else ""
            said += f" There was time for {self.compared.judged:,} of {self.compared.total:,} validation inputs{few}."
        if self.scored.lacks:
            said += f" The scores are of {self.scored.judged:,} of {self.scored.total:,} inputs."
        return said

    @property
    def score(self) -> TextScore:
        """The score of what is selected."""
        return self.scores[self.selected]

    @property
    def by_baseline(self) -> bool:
        """Whether the baseline is selected."""
        return self.selected == self.baseline

    def to_dict(self) -> dict[str, Any]:
        """The figures, for JSON."""
        baselines = {self.baseline: self.scores[self.baseline].to_dict()}
        beside = (self.baseline, self.selected)
        others = {name: score.to_dict() for name, score in self.scores.items() if name not in beside}
        figures = {"metric": self.figure, "nats": self.cost.nats, "perplexity": self.cost.perplexity}
        return {
            "model": self.model,
            "split": self.split,
            "split_method": self.split_method,
            "beam": self.way.beam,
            "selected": self.selected,
            "outputs": {self.name: {**self.score.to_dict(), **figures, "baselines": baselines, "others": others}},
            "validation": dict(self.validation),
            "compared": self.compared._asdict(),
            "scored": self.scored._asdict(),
            "trend": self.trend,
            **({} if self.finding is None else {"finding": self.finding.to_dict()}),
            "baseline_name": self.baseline_name,
        }


def shown_score(score: TextScore, figure: str) -> str:
    """The figure by which models are compared, and chrF; of captions their main metrics, and chrF."""
    if score.captions is not None:
        return f"{score.captions.short}, {FORMATS['chrf'].format(score.chrf)}"
    figures = score.to_dict()
    return ", ".join(FORMATS[name].format(figures[name]) for name in dict.fromkeys((figure, "chrf")))


def figure_of(examples: Examples) -> str:
    """The figure by which models are compared: CIDEr-D for captions, which are texts of several words about images or
    audio files; BLEU for other texts of several words; else chrF."""
    written = target_texts_of(examples)
    if not has_words([written.texts[row] for row in examples.splits["training"][:1000].tolist()]):
        return "chrf"
    return CAPTIONS if examples.featurizer.input.endings else "bleu"


class JudgedTask(NamedTuple):
    """What a summary is of."""

    name: str  # the output
    model: str  # the net
    examples: Examples
    may_select_baseline: bool


class Written(NamedTuple):
    """Texts for items, and a figure of each that says how good it may be."""

    texts: list[str]
    figures: list[float]

    def first(self, count: int) -> Written:
        """The first texts."""
        return Written(self.texts[:count], self.figures[:count])


def summarise_seq2seq(
    task: JudgedTask, text_generator: Generator, retrieval: ImageRetrieval | None, deadline: Deadline,
    trend: str | None, baseline_name: str,
) -> Seq2SeqSummary:  # fmt: skip
    """Select greedy or beam search on validation, a beam that is ranked by the image, or the retrieval baseline, then
    score the test split; with a deadline on fewer rows."""
    examples = task.examples
    split = "test" if examples.count("test") else "validation"
    choosing, rows = rows_to_judge(text_generator, examples, split, deadline)
    ways = [GREEDY, PLAIN_BEAM, *([] if retrieval is None else [RANKED_BEAM])]
    texts = _write(text_generator, retrieval, list(SplitItems(examples.items, choosing)), deadline, (0.3, 0.1))
    choosing = choosing[: len(texts[GREEDY.name].texts)]
    references = reference_texts(examples, "validation", choosing)
    figure = figure_of(examples)
    reached = {name: compare_by(figure, one.texts, references) for name, one in texts.items()}
    best = max(ways, key=lambda way: reached[way.name])  # the first of equal ones
    selected = best.name
    if retrieval is not None and task.may_select_baseline and reached[retrieval.model.name] > reached[best.name]:
        selected = retrieval.model.name
    confidence = confidence_in(texts[selected], references) if figure == CAPTIONS else None
    texts = _write(text_generator, retrieval, list(SplitItems(examples.items, rows)), deadline, (0.5, 0.25))
    rows = rows[: len(texts[GREEDY.name].texts)]
    if retrieval is None:
        baseline, nearest = nearest_texts(examples, rows, deadline=deadline.share(0.3))
        rows = rows[: len(nearest)]
        texts[baseline] = Written(nearest, [])
    else:
        baseline = retrieval.model.name
    scores = {
        name: score_rows(examples, split, rows, one.texts[: len(rows)], deadline.share(0.3))
        for name, one in texts.items()
    }
    read = rows_with_inputs(examples, split, rows)
    finding = None if retrieval is None else score_finding(examples, split, rows, retrieval, deadline.share(0.2))
    return Seq2SeqSummary(
        name=task.name, model=task.model, split=split, way=best, selected=selected, scores=scores,
        cost=ReferenceCost.of(*text_generator.reference_nats(examples, read, deadline)),
        figure=figure,
        validation=reached, trend=trend, baseline_name=baseline_name, baseline=baseline,
        sameness=equal_texts_note(texts[selected].texts), split_method=examples.split_method, confidence=confidence,
        finding=finding, compared=Part(len(choosing), len(distinct_rows(examples, "validation"))),
        scored=Part(len(rows), len(distinct_rows(examples, split))),
    )  # fmt: skip


def _write(
    text_generator: Generator, retrieval: ImageRetrieval | None, items: Sequence[Any], deadline: Deadline,
    shares: tuple[float, float],
) -> dict[str, Written]:  # fmt: skip
    """Texts by each way of generating, and by retrieval, for the same first items: as many as there is time for.
    shares: of the time left, for beam search and then for greedy search. A ranked beam takes hardly longer."""
    found: dict[str, Written] = {}
    if retrieval is not None:
        best = [own[0] for own in retrieval.captions(items, deadline=deadline.share(0.1))]
        found[retrieval.model.name] = Written([one.text for one in best], [one.score for one in best])
        items = items[: len(best)]

    def add(way: GenerationConfig, texts: Sequence[Hypothesis]) -> None:
        figures = [figure_of_text(text, way) for text in texts]
        found[way.name] = Written(list(map(text_generator.decode, texts)), figures)

    beams = text_generator.beams(items, PLAIN_BEAM, deadline=deadline.share(shares[0]))
    items = items[: len(beams)]
    add(PLAIN_BEAM, [texts[0] for texts in beams])
    if retrieval is not None:
        add(RANKED_BEAM, [texts[0] for texts in text_generator.ranked(items, beams, RANKED_BEAM.image_weight)])
    texts = text_generator.generate(items, GREEDY, deadline=deadline.share(shares[1]))  # faster, for no more items
    add(GREEDY, texts)
    order = (GREEDY.name, PLAIN_BEAM.name, *found)
    return {name: found[name].first(len(texts)) for name in dict.fromkeys(order)}


def figure_of_text(text: Hypothesis, way: GenerationConfig) -> float:
    """What says how good a generated text may be: the mean log-probability of its tokens, its end included; in a beam
    that is ranked by the image, what ranks it."""
    if way.image_weight:
        return text.normalised + way.image_weight * text.fit
    return text.score / max(1, len(text.tokens) + text.ended)


def confidence_in(written: Written, references: Sequence[Sequence[str]]) -> Confidence | None:
    """The confidence in captions by their figures, from those of validation."""
    return fit_confidence(written.figures, plain_cider_d(written.texts, references))


def compare_by(figure: str, texts: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """The score by which ways of generating are compared: CIDEr-D of captions, else chrF."""
    if figure == CAPTIONS:
        return float(plain_cider_d(texts, references).mean())
    return chrf(count_characters(texts, references).sum(0))


def equal_texts_note(texts: Sequence[str]) -> str:
    """A sentence if texts for different rows are empty, or all or nearly all the same; else ""."""
    seen = Counter(map(_visible, texts))
    (commonest, count), *_ = seen.most_common(1) or [("", 0)]
    empty = seen[""]
    if len(texts) > 1 and commonest and count >= NEARLY_ALL * len(texts):
        shown = commonest if len(commonest) <= SHOWN_CHARACTERS else f"{commonest[:SHOWN_CHARACTERS]}…"
        what = "All" if count == len(texts) else f"{count:,} of"
        return f"{what} {len(texts):,} texts are the same, whatever the row: '{shown}'."
    if empty:
        what = "All" if empty == len(texts) else f"{empty:,} of"
        return f"{what} {len(texts):,} texts are empty."
    return ""


def _visible(text: str) -> str:
    """The visible characters of a text, with single blanks."""
    return "".join(one for one in " ".join(text.split()) if one.isprintable()).strip()


def rows_to_judge(text_generator: Generator, examples: Examples, split: str, deadline: Deadline) -> tuple[Ids, Ids]:
    """The rows for selecting the way of generating, and those for scores: as many as there is time for."""
    choosing, scored = distinct_rows(examples, "validation"), distinct_rows(examples, split)
    if deadline.unlimited:
        return evenly_spaced(choosing, MOST_SCORED), evenly_spaced(scored, MOST_SCORED)
    seconds = max(0.0, deadline.seconds_left)
    spread = evenly_spaced(choosing, TIMED)
    timed = list(SplitItems(examples.items, spread))
    started = time.monotonic()
    texts = text_generator.generate(timed, GREEDY, deadline=deadline.share(0.1))
    pace = (time.monotonic() - started) * (1 + BEAM) / len(texts)  # seconds per row, greedy and by beam search
    started, some = time.monotonic(), spread[: len(texts)]
    score_rows(examples, "validation", some, list(map(text_generator.decode, texts)), deadline.within(0.0))
    pace += (time.monotonic() - started) * SCORED / len(texts)
    counts = [max(FEWEST_JUDGED, int(share * seconds / max(1e-9, pace))) for share in (0.25, 0.6)]
    return evenly_spaced(choosing, min(MOST_SCORED, counts[0])), evenly_spaced(scored, counts[1])


def score_rows(
    examples: Examples, split: str, rows: Ids, texts: Sequence[str], deadline: Deadline = UNLIMITED
) -> TextScore:
    """The scores of texts for these rows of a split, of different inputs; also by length if the inputs are texts."""
    items = [examples.items[row] for row in rows.tolist()]
    sources = [item for item in items if isinstance(item, str)]
    references = reference_texts(examples, split, rows)
    return score_texts(texts, references, sources or None, deadline, captions=figure_of(examples) == CAPTIONS)
