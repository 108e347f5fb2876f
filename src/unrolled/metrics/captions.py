"""Metrics of the captioning literature: BLEU-1 to BLEU-4, CIDEr-D, and the number of different captions. N images."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.deadline import UNLIMITED, Deadline
from unrolled.metrics.classification import RESAMPLED
from unrolled.metrics.n_grams import ORDERS, NGramStatistics, bleu_by_order, count_n_grams
from unrolled.metrics.resampling import Interval, bootstrap_scores, interval_of

NGram = tuple[str, ...]

SIGMA = 6.0  # words, of CIDEr-D's penalty for captions of another length
SCALE = 10.0  # of CIDEr-D


@dataclass(frozen=True)
class CaptionScore:
    """Scores of N captions, in lower case and without punctuation as the literature reports them, with 95% intervals
    by bootstrap over images; and BLEU of the captions as they are written."""

    images: int
    distinct: int  # different captions
    bleu: tuple[float, ...]  # BLEU-1 to BLEU-4, 0 to 100
    bleu_intervals: tuple[Interval, ...]
    cider: float  # CIDEr-D, 0 to 10 (Vedantam et al. 2015)
    cider_interval: Interval
    as_written: tuple[float, ...]  # BLEU-1 to BLEU-4 with case and punctuation
    drawn: int = RESAMPLED  # bootstrap samples for each interval

    @property
    def lines(self) -> list[str]:
        """All metrics as two lines."""
        (low, high), (least, most) = self.bleu_intervals[-1], self.cider_interval
        return [
            f"Lower case, no punctuation: {_listed(self.bleu)} (95% interval {low:.1f} to {high:.1f}), "
            f"CIDEr-D {self.cider:.3f} ({least:.3f} to {most:.3f}).",
            f"As written: {_listed(self.as_written)}. Different captions: {self.distinct:,} of {self.images:,}.",
        ]

    @property
    def short(self) -> str:
        """The main metrics, for comparisons."""
        return f"BLEU-1 {self.bleu[0]:.1f}, BLEU-4 {self.bleu[-1]:.1f}, CIDEr-D {self.cider:.3f}"

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, for JSON."""
        orders = range(1, ORDERS + 1)
        return {
            "distinct": self.distinct,
            **{f"bleu_{order}": self.as_written[order - 1] for order in orders},
            **{f"plain_bleu_{order}": self.bleu[order - 1] for order in orders},
            **{f"plain_bleu_{order}_interval": list(self.bleu_intervals[order - 1]) for order in orders},
            "cider_d": self.cider,
            "cider_d_interval": list(self.cider_interval),
        }


def _listed(scores: Sequence[float]) -> str:
    return f"BLEU-1 to BLEU-{ORDERS} {', '.join(f'{score:.1f}' for score in scores)}"


def score_captions(
    generated: Sequence[str], references: Sequence[Sequence[str]], n_grams: NGramStatistics,
    deadline: Deadline = UNLIMITED,
) -> CaptionScore:  # fmt: skip
    """The score of N captions against their references, one or more for each. n_grams: BLEU's statistics (N, 10) of
    the captions as they are written."""
    plain = [plain_text(text) for text in generated]
    plain_references = [[plain_text(text) for text in texts] for texts in references]
    counts = count_n_grams(plain, plain_references, "none")
    cider = cider_d(plain, plain_references)  # (N,)
    drawn = bootstrap_scores(bleu_by_order, counts, deadline.share(0.7))
    drawn_cider = bootstrap_scores(lambda total: float(total[0]) / len(cider), cider[:, None], deadline)
    return CaptionScore(
        images=len(generated),
        distinct=len(set(generated)),
        bleu=bleu_by_order(counts.sum(0)),
        bleu_intervals=tuple(interval_of(one) for one in zip(*drawn, strict=True)),
        cider=float(cider.mean()),
        cider_interval=interval_of(drawn_cider),
        as_written=bleu_by_order(n_grams.sum(0)),
        drawn=min(len(drawn), len(drawn_cider)),
    )


def plain_text(text: str) -> str:
    """A text in lower case, without punctuation and other signs: "A T-shirt, red." is "a tshirt red"."""
    return " ".join("".join(one for one in text.lower() if unicodedata.category(one)[0] not in "PS").split())


def plain_cider_d(generated: Sequence[str], references: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """CIDEr-D of each of N captions, (N,), in lower case and without punctuation."""
    plain = [[plain_text(text) for text in texts] for texts in references]
    return cider_d([plain_text(text) for text in generated], plain)


def cider_d(generated: Sequence[str], references: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """CIDEr-D of each of N captions, (N,), whose words are separated by blanks (Vedantam, Zitnick & Parikh 2015).

    For n-grams of one to four words: the cosine of their counts, weighted by inverse document frequency, where an
    image with all its references is a document. A caption's counts are clipped to the reference's, and a Gaussian of
    the difference in length lowers the score. The mean over orders and references, times ten.
    """
    own = [_count(text) for text in generated]
    known = [[_count(text) for text in texts] for texts in references]
    documents = Counter(n_gram for texts in known for n_gram in set().union(*texts))
    most = math.log(len(known))

    def weighted(counts: Counter[NGram]) -> _Weighted:
        weights = {n_gram: times * (most - math.log(max(1, documents[n_gram]))) for n_gram, times in counts.items()}
        squares = [0.0] * ORDERS
        for n_gram, weight in weights.items():
            squares[len(n_gram) - 1] += weight**2
        length = sum(times for n_gram, times in counts.items() if len(n_gram) == 2)  # as in the authors' program
        return _Weighted(weights, [math.sqrt(square) for square in squares], length)

    scores = []
    for caption, texts in zip(map(weighted, own), known, strict=True):
        similarities = [_similarity(caption, weighted(text)) for text in texts]
        scores.append(SCALE * sum(similarities) / len(similarities))
    return np.array(scores)


@dataclass(frozen=True)
class _Weighted:
    """The n-grams of a text with their tf-idf weights, the norm of each order, and the number of pairs of words."""

    weights: dict[NGram, float]
    norms: list[float]
    length: int


def _count(text: str) -> Counter[NGram]:
    """The n-grams of one to four words."""
    words = text.split()
    return Counter(
        tuple(words[start : start + order])
        for order in range(1, ORDERS + 1)
        for start in range(len(words) - order + 1)
    )


def _similarity(caption: _Weighted, reference: _Weighted) -> float:
    """The mean over orders of the clipped cosine, lowered by the difference in length."""
    products = [0.0] * ORDERS
    for n_gram, weight in caption.weights.items():
        if other := reference.weights.get(n_gram):
            products[len(n_gram) - 1] += min(weight, other) * other
    norms = [own * other for own, other in zip(caption.norms, reference.norms, strict=True)]
    cosines = sum(product / norm if norm else 0.0 for product, norm in zip(products, norms, strict=True))
    return cosines / ORDERS * math.exp(-((caption.length - reference.length) ** 2) / (2 * SIGMA**2))
