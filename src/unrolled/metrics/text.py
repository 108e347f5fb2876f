"""Metrics of generated texts against reference texts: BLEU, chrF, word error rate, exact match. N texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.deadline import UNLIMITED, Deadline
from unrolled.errors import DataError
from unrolled.metrics.classification import RESAMPLED, bootstrap
from unrolled.seeds import numpy_generator

NGramStatistics = NDArray[np.int64]
Interval = tuple[float, float]

LENGTHS = (10, 20, 30, 50)  # words of a source: the upper ends of the buckets
ORDERS = 4  # of BLEU's n-grams
CHARACTER_ORDERS = 6  # of chrF's n-grams
RECALL = 2  # chrF's beta: recall counts twice as much as precision


@dataclass(frozen=True)
class LengthScore:
    """BLEU of the texts whose sources are of similar length."""

    shortest: int  # words of the source
    longest: int | None  # None: no upper end
    rows: int
    bleu: float


@dataclass(frozen=True)
class TextScore:
    """Metrics of N generated texts, each with its 95% interval by bootstrap over rows (Koehn 2004)."""

    rows: int
    references: int  # of all texts together, at least one each
    bleu: float  # 0 to 100, corpus BLEU (Papineni et al. 2002, by Post 2018)
    bleu_interval: Interval
    chrf: float  # 0 to 100: F2 of n-grams of characters (Popović 2015)
    chrf_interval: Interval
    wer: float  # word errors over words of the reference; above 1 for a text that is far too long
    wer_interval: Interval
    exact_match: float  # share of texts that equal a reference, but for space at the ends
    exact_match_interval: Interval
    by_length: tuple[LengthScore, ...]  # empty where no sources were given
    drawn: int = RESAMPLED  # bootstrap samples for each interval; fewer where time was short

    @property
    def line(self) -> str:
        """All metrics as one line."""
        return self.format_line(bleu=True)

    def format_line(self, bleu: bool) -> str:
        """All metrics as one line; without BLEU, which means nothing for texts of a word or two."""

        def shown(value: float, interval: Interval, form: str) -> str:
            low, high = interval
            return f"{value:{form}} (95% interval {low:{form}} to {high:{form}})"

        first = f"BLEU {shown(self.bleu, self.bleu_interval, '.1f')}, " if bleu else ""
        return (
            f"{first}chrF {shown(self.chrf, self.chrf_interval, '.1f')}, "
            f"word error rate {shown(self.wer, self.wer_interval, '.1%')}, "
            f"{shown(self.exact_match, self.exact_match_interval, '.1%')} exactly right; {self.rows:,} texts"
            + (f" with {self.references:,} references" if self.references > self.rows else "")
        )

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, for JSON."""
        return {
            "rows": self.rows,
            "references": self.references,
            "bleu": self.bleu,
            "bleu_interval": list(self.bleu_interval),
            "chrf": self.chrf,
            "chrf_interval": list(self.chrf_interval),
            "wer": self.wer,
            "wer_interval": list(self.wer_interval),
            "exact_match": self.exact_match,
            "exact_match_interval": list(self.exact_match_interval),
            "bleu_by_length": [
                {"shortest": one.shortest, "longest": one.longest, "rows": one.rows, "bleu": one.bleu}
                for one in self.by_length
            ],
            **({} if self.drawn == RESAMPLED else {"bootstrap_samples": self.drawn}),
        }


def score_texts(
    generated: Sequence[str],
    references: Sequence[Sequence[str]],
    sources: Sequence[str] | None = None,
    deadline: Deadline = UNLIMITED,
) -> TextScore:
    """The score of N generated texts against their references, one or more for each.

    chrF and word errors take the most similar reference; BLEU handles several itself. Case and punctuation count.
    sources: the input texts, for BLEU by their length in words. Raises DataError where the numbers differ.
    """
    if not generated:
        raise DataError("There are no texts to score; give at least one.")
    if len(references) != len(generated) or (sources is not None and len(sources) != len(generated)):
        others = len(references) if len(references) != len(generated) else len(sources or ())
        name = "references" if len(references) != len(generated) else "sources"
        raise DataError(f"There are {len(generated)} texts and {others} {name}; give as many of each.")
    if empty := [row for row, texts in enumerate(references) if not texts]:
        raise DataError(f"Text {empty[0] + 1} has no reference; it needs at least one.")
    n_grams, characters = count_n_grams(generated, references), count_characters(generated, references)
    words, hits = count_word_errors(generated, references), count_exact(generated, references)
    statistics: list[tuple[Callable[[NGramStatistics], float], NGramStatistics]]
    statistics = [(bleu, n_grams), (chrf, characters), (error_rate, words), (share, hits)]
    drawn = [
        bootstrap_scores(*one, deadline.share(1 / (len(statistics) - place))) for place, one in enumerate(statistics)
    ]
    intervals = [interval_of(one) for one in drawn]
    return TextScore(
        rows=len(generated),
        references=sum(map(len, references)),
        bleu=bleu(n_grams.sum(0)),
        bleu_interval=intervals[0],
        chrf=chrf(characters.sum(0)),
        chrf_interval=intervals[1],
        wer=error_rate(words.sum(0)),
        wer_interval=intervals[2],
        exact_match=share(hits.sum(0)),
        exact_match_interval=intervals[3],
        by_length=() if sources is None else bleu_by_length(n_grams, sources),
        drawn=min(map(len, drawn)),
    )


def count_n_grams(generated: Sequence[str], references: Sequence[Sequence[str]]) -> NGramStatistics:
    """BLEU's statistics of each text, (N, 10): its words, the reference's words, matched n-grams, all n-grams."""
    from sacrebleu import BLEU

    metric = BLEU(effective_order=True)
    scores = [metric.sentence_score(text, list(texts)) for text, texts in zip(generated, references, strict=True)]
    return np.array([[one.sys_len, one.ref_len, *one.counts, *one.totals] for one in scores], np.int64)


def bleu(counts: NGramStatistics) -> float:
    """BLEU of the summed statistics (10,), with sacrebleu's default smoothing."""
    from sacrebleu import BLEU

    words, reference_words, *n_grams = counts.tolist()
    return float(
        BLEU.compute_bleu(
            correct=n_grams[:ORDERS],
            total=n_grams[ORDERS:],
            sys_len=words,
            ref_len=reference_words,
            smooth_method="exp",
        ).score
    )


def count_characters(generated: Sequence[str], references: Sequence[Sequence[str]]) -> NGramStatistics:
    """chrF's statistics of each text against its most similar reference, (N, 18): for each order the n-grams of the
    text, of the reference, and in both. sacrebleu gives only the scores; these statistics give the same."""
    found = []
    for text, texts in zip(generated, references, strict=True):
        own = count_character_n_grams(text)
        found.append(max((_count_common(own, count_character_n_grams(one)) for one in texts), key=chrf))
    return np.array(found, np.int64)


def count_character_n_grams(text: str) -> list[Counter[str]]:
    """The n-grams of one to six characters of a text, without white space."""
    from sacrebleu import extract_char_ngrams

    characters = "".join(text.split())
    return [extract_char_ngrams(characters, order) for order in range(1, CHARACTER_ORDERS + 1)]


def _count_common(own: list[Counter[str]], reference: list[Counter[str]]) -> NGramStatistics:
    counts: list[int] = []
    for mine, theirs in zip(own, reference, strict=True):
        matched = sum(min(times, theirs[n_gram]) for n_gram, times in mine.items() if n_gram in theirs)
        counts += (mine.total() if theirs else 0, theirs.total(), matched)
    return np.array(counts, np.int64)


def chrf(counts: NGramStatistics) -> float:
    """chrF of the summed statistics (18,): the F-score of the mean precision and the mean recall over the orders
    that both texts have."""
    precision = recall = 0.0
    orders = 0
    for own, reference, matched in counts.reshape(CHARACTER_ORDERS, 3).tolist():
        if own and reference:
            precision, recall, orders = precision + matched / own, recall + matched / reference, orders + 1
    if not precision + recall:
        return 0.0
    precision, recall = precision / orders, recall / orders
    return 100 * ((1 + RECALL**2) * precision * recall / (RECALL**2 * precision + recall))


def count_word_errors(generated: Sequence[str], references: Sequence[Sequence[str]]) -> NGramStatistics:
    """For each text (N, 2): word errors against the reference with the fewest, and that reference's words."""
    import jiwer

    found = []
    for text, texts in zip(generated, references, strict=True):
        each = []
        for one in texts:
            words = jiwer.process_words(one, text)
            errors = words.substitutions + words.deletions + words.insertions
            each.append((errors, len(words.references[0])))
        found.append(min(each))
    return np.array(found, np.int64)


def error_rate(counts: NGramStatistics) -> float:
    """Errors over words of the reference; for an empty reference the number of errors."""
    errors, words = counts.tolist()
    return float(errors / max(1, words))


def count_exact(generated: Sequence[str], references: Sequence[Sequence[str]]) -> NGramStatistics:
    """For each text (N, 2): whether it equals a reference, and 1."""
    pairs = zip(generated, references, strict=True)
    return np.array([(text.strip() in [one.strip() for one in texts], 1) for text, texts in pairs], np.int64)


def share(counts: NGramStatistics) -> float:
    """The first count over the second."""
    return float(counts[0] / counts[1])


def bootstrap_scores(
    score: Callable[[NGramStatistics], float], counts: NGramStatistics, deadline: Deadline = UNLIMITED
) -> list[float]:
    """A score of each bootstrap sample.

    The samples are the same for every score, so that the scores of two models can be compared sample by sample.
    """
    rows, generator = len(counts), numpy_generator(0, "bootstrap")
    even = np.full(rows, 1 / rows)
    return bootstrap(lambda: score(generator.multinomial(rows, even) @ counts), deadline)


def interval_of(found: Sequence[float]) -> Interval:
    """The ends of the middle 95%."""
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def bleu_by_length(n_grams: NGramStatistics, sources: Sequence[str]) -> tuple[LengthScore, ...]:
    """BLEU of the texts by the length of their sources: up to 10, 20, 30 and 50 words, and longer."""
    lengths = np.array([len(source.split()) for source in sources])
    found, shortest = [], 0
    for longest in (*LENGTHS, None):
        chosen = (lengths >= shortest) & (lengths <= (longest if longest is not None else lengths.max()))
        if chosen.any():
            found.append(LengthScore(shortest, longest, int(chosen.sum()), bleu(n_grams[chosen].sum(0))))
        shortest = (longest or 0) + 1
    return tuple(found)
