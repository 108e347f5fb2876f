"""The n-gram to beat, counted on the training part before the model is trained."""

from __future__ import annotations

import numpy as np

from unrolled.data import BORDER, Corpus, part_rows
from unrolled.deadline import ENDLESS, Deadline
from unrolled.model.ngram.model import NGram, choose_order
from unrolled.tasks.base import Baseline

LIMIT = 2_000_000  # symbols of validation and of test part that it is scored on, at most
SCORED = 200_000  # of them for each second that it may take, at least as many as that
MOST_COUNTED = 100_000_000  # symbols of the training part that are counted, at most


def count_ngram(corpus: Corpus, deadline: Deadline = ENDLESS) -> NGram:
    """The n-gram of the training part whose order does best on the validation part.

    A text that is too large for the time is counted in part, and says so.
    """
    return choose_order(
        corpus.symbols, corpus.table.size, corpus.parts["training"], corpus.parts["validation"],
        border=BORDER, most=MOST_COUNTED, deadline=deadline,
    )  # fmt: skip


def score_baseline(ngram: NGram, corpus: Corpus, deadline: Deadline = ENDLESS) -> Baseline:
    """The n-gram to beat, scored on as much of validation and test part as there is time for."""
    limit = LIMIT if deadline.endless else min(LIMIT, int(SCORED * max(1.0, deadline.left)))
    validation = score_ngram(ngram, corpus, "validation", limit, deadline.share(0.5))
    return Baseline(ngram.describe(), validation, score_ngram(ngram, corpus, "test", limit, deadline))


def score_ngram(
    ngram: NGram, corpus: Corpus, part: str, limit: int = LIMIT, deadline: Deadline = ENDLESS
) -> float | None:
    """Nats a character on so many symbols of a part, or the first of them where time is short, as `evaluate` counts
    them but in one look-up a symbol; None where it is empty."""
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
    scored = ngram.score(text, deadline)
    text, real = text[: len(scored)], real[: len(scored)]
    return float(scored[real].sum() / corpus.table.characters[text[real]].sum())
