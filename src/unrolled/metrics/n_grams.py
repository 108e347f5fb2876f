"""BLEU and chrF from counts of n-grams, text by text, so that they can be resampled. N texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NGramStatistics = NDArray[np.int64]

ORDERS = 4  # of BLEU's n-grams
CHARACTER_ORDERS = 6  # of chrF's n-grams
RECALL = 2  # chrF's beta: recall counts twice as much as precision
TOKENIZER = "13a"  # sacrebleu's default


def count_n_grams(
    generated: Sequence[str], references: Sequence[Sequence[str]], tokenize: str = TOKENIZER
) -> NGramStatistics:
    """BLEU's statistics of each text, (N, 10): its words, the reference's words, matched n-grams, all n-grams.

    tokenize: sacrebleu's name of a tokenizer.
    """
    from sacrebleu import BLEU

    metric = BLEU(effective_order=True, tokenize=tokenize)
    scores = [metric.sentence_score(text, list(texts)) for text, texts in zip(generated, references, strict=True)]
    return np.array([[one.sys_len, one.ref_len, *one.counts, *one.totals] for one in scores], np.int64)


def bleu(counts: NGramStatistics, order: int = ORDERS) -> float:
    """BLEU of the summed statistics (10,), with sacrebleu's default smoothing, of n-grams of up to `order` words."""
    from sacrebleu import BLEU

    words, reference_words, *n_grams = counts.tolist()
    return float(
        BLEU.compute_bleu(
            correct=n_grams[:order],
            total=n_grams[ORDERS : ORDERS + order],
            sys_len=words,
            ref_len=reference_words,
            smooth_method="exp",
            max_ngram_order=order,
        ).score
    )


def bleu_by_order(counts: NGramStatistics) -> tuple[float, ...]:
    """BLEU-1 to BLEU-4 of the summed statistics (10,)."""
    return tuple(bleu(counts, order) for order in range(1, ORDERS + 1))


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
