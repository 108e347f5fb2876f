"""Scores of texts, compared with the field's own programs on whole texts and with figures worked out by hand."""

from __future__ import annotations

import json

import jiwer
import numpy as np
import pytest
from sacrebleu import corpus_bleu, corpus_chrf, sentence_chrf

from unrolled.errors import DataError
from unrolled.metrics.n_grams import bleu, chrf, count_characters, count_n_grams
from unrolled.metrics.resampling import bootstrap_scores, interval_of
from unrolled.metrics.text import score_texts

WORDS = ["a", "the", "man", "woman", "dog", "runs", "sits", "in", "on", "park", "bench", "red", ",", ".", "green"]


def texts(rows: int, seed: int, most: int = 14) -> list[str]:
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(WORDS, generator.integers(1, most))) for _ in range(rows)]


def near(right: list[str], seed: int) -> list[str]:
    """The same texts with every fifth word replaced, and some left out."""
    generator = np.random.default_rng(seed)
    return [
        " ".join(
            str(generator.choice(WORDS)) if generator.random() < 0.2 else word
            for word in text.split()
            if generator.random() < 0.95
        )
        for text in right
    ]


def test_scores_equal_sacrebleu_and_jiwer() -> None:
    right = texts(60, 0)
    written = near(right, 1)
    score = score_texts(written, [[text] for text in right])
    assert score.bleu == pytest.approx(corpus_bleu(written, [right]).score)
    assert score.chrf == pytest.approx(corpus_chrf(written, [right]).score)
    assert score.wer == pytest.approx(jiwer.wer(right, written))
    assert score.exact_match == np.mean([a == b for a, b in zip(written, right, strict=True)])
    assert 20 < score.bleu < 95
    for value, (low, high) in (
        (score.bleu, score.bleu_interval),
        (score.chrf, score.chrf_interval),
        (score.wer, score.wer_interval),
        (score.exact_match, score.exact_match_interval),
    ):
        assert low < value < high


def test_several_reference_texts_count() -> None:
    first, second = texts(30, 0), texts(30, 1)
    written = [near(first, 2)[row] if row % 2 else second[row] for row in range(30)]
    score = score_texts(written, list(zip(first, second, strict=True)))
    assert score.bleu == pytest.approx(corpus_bleu(written, [first, second]).score)
    assert score.chrf == pytest.approx(corpus_chrf(written, [first, second]).score)
    assert score.exact_match >= 0.5
    alone = score_texts(written, [[text] for text in first])
    assert score.wer < alone.wer and score.exact_match > alone.exact_match
    uneven = score_texts(
        written, [[a, b] if row else [a] for row, (a, b) in enumerate(zip(first, second, strict=True))]
    )
    assert alone.bleu < uneven.bleu < score.bleu


def test_scores_equal_sacrebleu_and_jiwer_to_the_digit() -> None:
    """Texts of any characters, also empty and short ones, with one reference or three."""
    generator = np.random.default_rng(0)
    letters = np.array(list("aab b,.é ß中\u0301\u00a0\n😀X1'\""))

    def drawn(rows: int) -> list[str]:
        return ["".join(generator.choice(letters, generator.integers(0, 30))) for _ in range(rows)]

    for number in range(40):
        written, *streams = (drawn(8) for _ in range(4 if number % 2 else 2))
        right = [list(texts) for texts in zip(*streams, strict=True)]
        assert bleu(count_n_grams(written, right).sum(0)) == corpus_bleu(written, streams).score
        counts = count_characters(written, right)
        assert chrf(counts.sum(0)) == corpus_chrf(written, streams).score
        assert [chrf(row) for row in counts] == [
            sentence_chrf(*pair).score for pair in zip(written, right, strict=True)
        ]


def test_an_interval_is_that_of_resampled_rows() -> None:
    """Compared with whole corpora that are resampled row by row and scored from their texts."""
    right = texts(25, 3)
    written, generator = near(right, 4), np.random.default_rng(5)
    draws = generator.integers(0, 25, (300, 25))
    scores = [corpus_bleu([written[i] for i in rows], [[right[i] for i in rows]]).score for rows in draws]
    low, high = interval_of(bootstrap_scores(bleu, count_n_grams(written, [[text] for text in right])))
    spread = float(np.std(scores))
    assert low == pytest.approx(np.quantile(scores, 0.025), abs=spread / 2)
    assert high == pytest.approx(np.quantile(scores, 0.975), abs=spread / 2)


def test_word_errors_by_hand() -> None:
    score = score_texts(["a man runs fast", "dog"], [["a man sits"], ["the dog", "a red dog"]])
    assert score.wer == pytest.approx((2 + 1) / (3 + 2))
    assert score_texts(["a b c d"], [["a"]]).wer == 3.0


def test_bleu_by_the_length_of_sources() -> None:
    right = texts(40, 0)
    written = near(right, 1)
    sources = [" ".join(["x"] * n) for n in [10, 11, 60, 3] * 10]
    found = {
        (one.shortest, one.longest): one for one in score_texts(written, [[t] for t in right], sources).by_length
    }
    assert list(found) == [(0, 10), (11, 20), (51, None)]
    assert [one.rows for one in found.values()] == [20, 10, 10]
    assert found[11, 20].bleu == pytest.approx(corpus_bleu(written[1::4], [right[1::4]]).score)
    assert score_texts(["a"], [["a"]]).by_length == ()
    assert [one.rows for one in score_texts(["a"], [["a"]], [""]).by_length] == [1]


@pytest.mark.parametrize(
    ("written", "right", "wer", "exact"),
    [("", "a man", 1.0, 0.0), ("a man", "", 2.0, 0.0), ("", "", 0.0, 1.0), (" ", "", 0.0, 1.0)],
)
def test_empty_texts_have_scores(written: str, right: str, wer: float, exact: float) -> None:
    score = score_texts([written], [[right]])
    assert (score.bleu, score.wer, score.exact_match) == (0.0, wer, exact)
    assert 0 <= score.chrf <= 100
    json.dumps(score.to_dict(), allow_nan=False)
    beside = score_texts([written, "the man sits in the park"], [[right], ["the man sits in the park"]])
    assert beside.bleu > 0


def test_one_row_has_an_interval_of_no_width() -> None:
    score = score_texts(["the man sits in the park ."], [["the man sits in the park ."]], ["der Mann"])
    assert score.bleu == pytest.approx(100) == score.bleu_interval[0] == score.bleu_interval[1]
    assert score.chrf == pytest.approx(100)
    assert (score.wer, score.exact_match, score.rows) == (0.0, 1.0, 1)


def test_a_line_and_plain_names() -> None:
    right = texts(20, 0)
    score = score_texts(near(right, 1), [[text] for text in right], right)
    assert score.line.startswith(f"BLEU {score.bleu:.1f} (95% interval {score.bleu_interval[0]:.1f} to ")
    assert "word error rate" in score.line and score.line.endswith("exactly right; 20 texts")
    plain = json.loads(json.dumps(score.to_dict(), allow_nan=False))
    assert plain["bleu"] == score.bleu and plain["wer_interval"] == list(score.wer_interval)
    assert sum(one["rows"] for one in plain["bleu_by_length"]) == 20


def test_invalid_arguments_are_refused() -> None:
    with pytest.raises(DataError, match="no texts to score"):
        score_texts([], [])
    with pytest.raises(DataError, match="2 texts and 1 references"):
        score_texts(["a", "b"], [["a"]])
    with pytest.raises(DataError, match="1 texts and 2 sources"):
        score_texts(["a"], [["a"]], ["x", "y"])
    with pytest.raises(DataError, match="Text 2 has no reference"):
        score_texts(["a", "b"], [["a"], []])
