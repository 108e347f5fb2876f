"""The n-gram baseline, counted on the training split before the net is trained."""

from __future__ import annotations

import numpy as np

from unrolled.data import BORDER, Corpus, part_rows
from unrolled.deadline import ENDLESS, Deadline
from unrolled.model.ngram.model import NGram, choose_order
from unrolled.tasks.base import Baseline

LIMIT = 2_000_000  # most tokens of the validation and of the test split on which it is scored
SCORED = 200_000  # scored tokens per second of the time limit; at least this many
MOST_COUNTED = 100_000_000  # most training tokens that are counted


def count_ngram(corpus: Corpus, deadline: Deadline = ENDLESS) -> NGram:
    """Count the n-gram on the training split, with the order that is best on validation.

    Of a text that is too large for the time only a part is counted; the model's description says so.
    """
    return choose_order(
        corpus.symbols, corpus.table.size, corpus.parts["training"], corpus.parts["validation"],
        border=BORDER, most=MOST_COUNTED, deadline=deadline,
    )  # fmt: skip


def score_baseline(ngram: NGram, corpus: Corpus, deadline: Deadline = ENDLESS) -> Baseline:
    """The n-gram baseline, scored on as much of the validation and test splits as there is time for."""
    limit = LIMIT if deadline.endless else min(LIMIT, int(SCORED * max(1.0, deadline.left)))
    validation = score_ngram(ngram, corpus, "validation", limit, deadline.share(0.5))
    return Baseline(ngram.describe(), validation, score_ngram(ngram, corpus, "test", limit, deadline))


def score_ngram(
    ngram: NGram, corpus: Corpus, part: str, limit: int = LIMIT, deadline: Deadline = ENDLESS
) -> float | None:
    """Nats per character on `limit` tokens of a split, or the first of them if time is short; None if it is empty.
    Equal to `evaluate`, with one look-up per token."""
    rows = [targets for _, targets in part_rows(corpus, part, limit)]
    if not rows:
        return None
    chunks, counted = [], []
    ended = False  # after a row that ends with EOS, the next row needs no BOS
    for targets in rows:
        opening = not ended
        chunks.append(np.r_[[BORDER], targets] if opening else targets)
        counted.append(np.r_[[False], np.ones(len(targets), bool)] if opening else np.ones(len(targets), bool))
        ended = int(targets[-1]) == BORDER
    text, real = np.concatenate(chunks).astype(np.int64), np.concatenate(counted)
    scored = ngram.score(text, deadline)
    text, real = text[: len(scored)], real[: len(scored)]
    return float(scored[real].sum() / corpus.table.characters[text[real]].sum())
