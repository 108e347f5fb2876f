"""Word vectors from co-occurrences: counted as by hand, and close for words that share documents."""

from __future__ import annotations

import random
from collections import Counter
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from unrolled.data.text.corpus import Corpus, read_corpus
from unrolled.model import word_vectors as cooccurrence
from unrolled.model.word_vectors import bags_of, cooccurrence_vectors, count_pairs

SEA = ("wave", "boat", "salt", "sail", "tide")
HILL = ("rock", "goat", "snow", "path", "pine")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    generator = random.Random(0)
    lines = [" the ".join(generator.sample(SEA if number % 2 else HILL, 3)) for number in range(400)]
    path = tmp_path_factory.mktemp("text") / "lines.txt"
    path.write_text("".join(f" {line}\n" for line in lines))
    return read_corpus(path, documents="line", tokenizer="word", valid="none", test="none")


def number(corpus: Corpus, word: str) -> int:
    (token,) = corpus.vocabulary.encode(f" {word}").tolist()
    return int(token)


def test_words_that_share_documents_are_near(corpus: Corpus) -> None:
    vectors = cooccurrence_vectors(corpus, 4, seed=0)
    assert vectors.shape == (corpus.vocabulary.size, 4)
    assert vectors[[number(corpus, word) for word in (*SEA, *HILL)]].norm(dim=1).min() > 0
    for words, others in ((SEA, HILL), (HILL, SEA)):
        own, theirs = (vectors[[number(corpus, word) for word in some]] for some in (words, others))
        near = F.cosine_similarity(own[:, None], own, dim=2)
        far = F.cosine_similarity(own[:, None], theirs, dim=2)
        assert near.min() > far.max() + 0.3
    assert torch.equal(vectors, cooccurrence_vectors(corpus, 4, seed=0))


def test_vectors_follow_their_definition(tmp_path: Path) -> None:
    """U √S of a matrix P whose entries are max(0, ln p(a, b) / p(a) p(b)^¾): (U S Uᵀ)² is P Pᵀ."""
    generator, path = random.Random(0), tmp_path / "lines.txt"
    lines = [
        "".join(f" {word}" for word in generator.sample(SEA + HILL[: 1 + number % 5], 4)) for number in range(400)
    ]
    path.write_text("\n".join([*lines, *[" wave boat"] * 200, *[" goat tide"] * 200]))
    corpus = read_corpus(path, documents="line", tokenizer="word", valid="none", test="none")
    size = corpus.vocabulary.size
    together = np.zeros((size, size))
    for bag in bags_of(corpus):
        for first, second in permutations(bag.tolist(), 2):
            together[first, second] += 1
    met = together.sum(1)
    information = np.zeros((size, size))
    for first, second in np.argwhere(together):
        chance = met[first] * met[second] ** 0.75 / (met**0.75).sum()
        information[first, second] = max(0.0, np.log(together[first, second] / chance))
    assert ((together > 0) & (information == 0)).any(), "some stand together less than by chance"
    vectors = cooccurrence_vectors(corpus, size, seed=0).double()
    whole = vectors @ vectors.T
    found, expected = whole @ whole, torch.from_numpy(information @ information.T)
    torch.testing.assert_close(found / found.norm(), expected / expected.norm(), rtol=0, atol=1e-4)


def test_more_columns_than_tokens_are_filled_up(corpus: Corpus) -> None:
    vectors = cooccurrence_vectors(corpus, corpus.vocabulary.size + 3, seed=0)
    assert vectors.shape == (corpus.vocabulary.size, corpus.vocabulary.size + 3)
    assert bool((vectors[:, -3:] == 0).all())
    assert bool(vectors.isfinite().all())


@pytest.mark.parametrize("chunk", [1, 50, 1 << 22])
def test_pairs_are_counted_as_by_hand(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cooccurrence, "CHUNK", chunk)
    generator = np.random.default_rng(0)
    bags = [np.unique(generator.integers(0, 9, generator.integers(0, 6))) for _ in range(60)]
    expected = Counter(pair for bag in bags for pair in permutations(bag.tolist(), 2))
    keys, counts = count_pairs(bags, 9)
    assert {divmod(key, 9): count for key, count in zip(keys.tolist(), counts.tolist(), strict=True)} == expected
    assert (np.diff(keys) > 0).all()


def test_a_bag_is_a_document_of_the_training_split_or_a_segment_of_it(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bags = list(bags_of(corpus))
    words = [{corpus.vocabulary.decode([token]).strip() for token in bag.tolist()} for bag in bags]
    assert len([one for one in words if one]) == 400
    assert all(one <= {*SEA, "the", ""} or one <= {*HILL, "the", ""} for one in words)
    with monkeypatch.context() as shorter:
        shorter.setattr(cooccurrence, "TOGETHER", 3)
        assert max(map(len, bags_of(corpus))) == 3
    path = tmp_path / "lines.txt"
    path.write_text("".join(f"{'ab'[number % 2] * 30} {number:03}\n" for number in range(200)))
    held_out = read_corpus(path, documents="line", test="0.5", valid="0.1")
    seen = sum(len(bag) > 0 for bag in bags_of(held_out))
    assert 0 < seen <= 200 * 0.5, "what is held out is not looked at"


def test_a_text_without_pairs_has_zero_vectors(tmp_path: Path) -> None:
    path = tmp_path / "letters.txt"
    path.write_text("a\nb\n" * 20)
    alone = read_corpus(path, documents="line", valid="none", test="none")
    assert bool((cooccurrence_vectors(alone, 3, seed=0) == 0).all())
