"""Metrics of generated texts against reference texts: BLEU, chrF, word error rate, exact match. N texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unrolled.deadline import UNLIMITED, Deadline
from unrolled.errors import DataError
from unrolled.metrics.captions import CaptionScore, score_captions
from unrolled.metrics.classification import RESAMPLED
from unrolled.metrics.n_grams import NGramStatistics, bleu, chrf, count_characters, count_n_grams
from unrolled.metrics.resampling import Interval, bootstrap_scores, interval_of

LENGTHS = (10, 20, 30, 50)  # words of a source: the upper ends of the buckets


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
    captions: CaptionScore | None = None  # for texts that describe images or sounds

    @property
    def line(self) -> str:
        """All metrics as one line."""
        return self.format_line(bleu=True)

    def format_line(self, bleu: bool) -> str:
        """The metrics as one line; without BLEU, which means nothing for texts of a word or two. Of captions, without
        those in `caption_lines`, and without word errors, which mean little where any wording is right."""

        def shown(value: float, interval: Interval, form: str) -> str:
            low, high = interval
            return f"{value:{form}} (95% interval {low:{form}} to {high:{form}})"

        rows = f"{self.rows:,} texts"
        rows += f" with {self.references:,} references" if self.references > self.rows else ""
        character_score = f"chrF {shown(self.chrf, self.chrf_interval, '.1f')}"
        if self.captions is not None:  # BLEU is in its lines
            return f"{character_score}; {rows}"
        first = f"BLEU {shown(self.bleu, self.bleu_interval, '.1f')}, " if bleu else ""
        return (
            f"{first}{character_score}, "
            f"word error rate {shown(self.wer, self.wer_interval, '.1%')}, "
            f"{shown(self.exact_match, self.exact_match_interval, '.1%')} exactly right; {rows}"
        )

    @property
    def decisive(self) -> tuple[float, Interval]:
        """The figure by which models are compared, with its interval: CIDEr-D of captions, else chrF, because BLEU is
        0 without four correct words in a row."""
        if self.captions is not None:
            return self.captions.cider, self.captions.cider_interval
        return self.chrf, self.chrf_interval

    @property
    def caption_lines(self) -> list[str]:
        """The metrics of captions; none for other texts."""
        return [] if self.captions is None else self.captions.lines

    def to_dict(self) -> dict[str, Any]:
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
            **({} if self.captions is None else self.captions.to_dict()),
            **({} if self.drawn == RESAMPLED else {"bootstrap_samples": self.drawn}),
        }


def score_texts(
    generated: Sequence[str],
    references: Sequence[Sequence[str]],
    sources: Sequence[str] | None = None,
    deadline: Deadline = UNLIMITED, captions: bool = False,
) -> TextScore:  # fmt: skip
    """The score of N generated texts against their references, one or more for each.

    chrF and word errors take the most similar reference; BLEU handles several itself. Case and punctuation count.
    sources: the input texts, for BLEU by their length in words. captions: also score them as captions of images.
    Raises DataError where the numbers differ.
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
    described = score_captions(generated, references, n_grams, deadline.share(0.4)) if captions else None
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
        captions=described,
    )


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
