"""The n-gram to beat, counted on the training part before the model is trained."""

from __future__ import annotations

import numpy as np

from unrolled.data import BORDER, Corpus, part_rows
from unrolled.model.ngram import NGram, choose_order
from unrolled.run.subject import Baseline

LIMIT = 2_000_000  # symbols of validation and of test part that it is scored on, at most
SCORED = 200_000  # of them for each second that it may take, at least as many as that
MOST_COUNTED = 100_000_000  # symbols of the training part that are counted, at most


def count_ngram(corpus: Corpus, seconds: float | None = None) -> NGram:
    """The n-gram of the training part whose order does best on the validation part.

    seconds: about as many as it may take; a text that is too large for them is counted in part, and says so.
    """
    return choose_order(
        corpus.symbols, corpus.table.size, corpus.parts["training"], corpus.parts["validation"],
        border=BORDER, most=MOST_COUNTED, seconds=seconds,
    )  # fmt: skip


def score_baseline(ngram: NGram, corpus: Corpus, seconds: float | None = None) -> Baseline:
    """The n-gram to beat, scored on as much of validation and test part as fits the seconds it was counted in."""
    limit = LIMIT if seconds is None else min(LIMIT, int(SCORED * max(1.0, seconds)))
    validation, test = (score_ngram(ngram, corpus, part, limit) for part in ("validation", "test"))
    return Baseline(ngram.describe(), validation, test)


def score_ngram(ngram: NGram, corpus: Corpus, part: str, limit: int = LIMIT) -> float | None:
    """Nats a character on so many symbols of a part, as `evaluate` counts them but in one look-up a symbol; None
    where it is empty."""
    rows = [targets for _, targets in part_rows(corpus, part, limit)]
    if not rows:
        return None
    pieces, counted = [], []
    ended = False  # a row that ends with its border opens the next
    for targets in rows:
        opening = not ended
        pieces.append(np.r_[[BORDER], targets] if opening else targets)
        counted.append(np.r_[[False], np.ones(len(targets), bool)] if opening else np.ones(len(targets), bool))
        ended = int(targets[-1]) == BORDER
    text, real = np.concatenate(pieces).astype(np.int64), np.concatenate(counted)
    nats = ngram.score(text)[real]
    return float(nats.sum() / corpus.table.characters[text[real]].sum())
