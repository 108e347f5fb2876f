"""The n-gram baseline, counted on the training split before the net is trained."""

from __future__ import annotations

import numpy as np

from unrolled.data import EOS, Corpus, split_rows
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.model.ngram.counts import CountLimits
from unrolled.model.ngram.model import NGram, choose_order
from unrolled.tasks.base import Baseline

LIMIT = 2_000_000  # most tokens of the validation and of the test split on which it is scored
SCORED = 200_000  # scored tokens per second of the time limit; at least this many
MOST_COUNTED = 100_000_000  # most training tokens that are counted


def count_ngram(corpus: Corpus, deadline: Deadline = UNLIMITED) -> NGram:
    """Count the n-gram on the training split, with the order that is best on validation.

    Of a text that is too large for the time only a part is counted; the model's description says so.
    """
    return choose_order(
        corpus.tokens, corpus.vocabulary.size, corpus.splits["training"], corpus.splits["validation"],
        eos=EOS, limits=CountLimits(most=MOST_COUNTED, deadline=deadline),
    )  # fmt: skip


def score_baseline(ngram: NGram, corpus: Corpus, deadline: Deadline = UNLIMITED) -> Baseline:
    """The n-gram baseline, scored on as much of the validation and test splits as there is time for."""
    limit = LIMIT if deadline.unlimited else min(LIMIT, int(SCORED * max(1.0, deadline.seconds_left)))
    validation = evaluate_ngram(ngram, corpus, "validation", limit, deadline.share(0.5))
    return Baseline(ngram.describe(), validation, evaluate_ngram(ngram, corpus, "test", limit, deadline))


def evaluate_ngram(
    ngram: NGram, corpus: Corpus, split: str, limit: int = LIMIT, deadline: Deadline = UNLIMITED
) -> float | None:
    """Nats per character on `limit` tokens of a split, or the first of them if time is short; None if it is empty.
    Equal to `evaluate`, with one look-up per token."""
    rows = [targets for _, targets in split_rows(corpus, split, limit)]
    if not rows:
        return None
    chunks, counted = [], []
    ended = False  # after a row that ends with EOS, the next row needs no BOS
    for targets in rows:
        opening = not ended
        chunks.append(np.r_[[EOS], targets] if opening else targets)
        counted.append(np.r_[[False], np.ones(len(targets), bool)] if opening else np.ones(len(targets), bool))
        ended = int(targets[-1]) == EOS
    text, real = np.concatenate(chunks).astype(np.int64), np.concatenate(counted)
    scored = ngram.score(text, deadline)
    text, real = text[: len(scored)], real[: len(scored)]
    return float(scored[real].sum() / corpus.vocabulary.characters[text[real]].sum())
