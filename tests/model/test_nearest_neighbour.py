"""The nearest-neighbour baseline: the text of the most similar row, by n-grams, by categories, by numbers."""

from __future__ import annotations

import numpy as np

from unrolled.data.modalities.base import StepOptions
from unrolled.data.modalities.category import CategoryFeaturizer
from unrolled.data.modalities.text import TokenFeaturizer
from unrolled.data.modalities.vectors import VectorInput
from unrolled.data.vocabulary.base import CharacterVocabulary
from unrolled.model.baselines.nearest_neighbour import (
    MOST_OF_AN_N_GRAM,
    NearestLabel,
    NearestNumbers,
    NearestText,
    make_nearest,
    sample_rows,
)
from unrolled.model.baselines.ngram_features import word_bags

TEXTS = ["a red house by the sea", "a blue house", "two dogs by the sea", "dogs", "a man"]


def test_the_nearest_text_has_the_greatest_cosine() -> None:
    nearest = NearestText("words", TEXTS)
    queries = ["two dogs", "a blue boat", "the red sea", "man"]
    bags = [dict.fromkeys(word_bags([text]).hashes.tolist(), 1) for text in TEXTS]
    for text, found in zip(queries, nearest.find(queries), strict=True):
        own = word_bags([text]).hashes.tolist()

        def weight(one: int) -> float:
            return float(np.log((1 + len(TEXTS)) / sum(one in bag for bag in bags)) ** 2)

        likeness = [sum(weight(one) for one in own if one in bag) / np.sqrt(sum(map(weight, bag))) for bag in bags]
        assert found == int(np.argmax(likeness)), text
    assert nearest.find(TEXTS) == [0, 1, 2, 3, 4]
    assert nearest.find(["xyz", ""]) == [0, 0], "where nothing is shared, the first"


def test_ngrams_of_most_rows_are_not_looked_up() -> None:
    texts = [f"the {number}" for number in range(MOST_OF_AN_N_GRAM + 5)]
    nearest = NearestText("words", texts)
    assert nearest.find(["the 17", "the 1999"]) == [17, 1999]
    assert nearest.find(["the"]) == [0]


def test_a_category_gets_its_most_frequent_text() -> None:
    labels, texts = ["a", "b", "a", "a", "b"], ["x", "y", "z", "z", "w"]
    nearest = NearestLabel(CategoryFeaturizer.learn(labels), labels, texts)
    assert [texts[row] for row in nearest.find(["a", "b", "?"])] == ["z", "y", "z"]


def test_the_nearest_numbers() -> None:
    items = [np.array([[value, 100 * other]], np.float32) for value, other in ((0, 0), (1, 0), (0, 1), (5, 5))]
    nearest = NearestNumbers(VectorInput(2).learn_featurizer(items, StepOptions()), items)
    queries = [np.array([pair], np.float32) for pair in ((4.0, 400.0), (0.9, 10.0), (0.1, 80.0))]
    assert nearest.find(queries) == [3, 1, 2]


def test_each_kind_of_input_has_its_own() -> None:
    table = CharacterVocabulary("abc", "a")
    assert isinstance(make_nearest(TokenFeaturizer(table), ["ab", "b"], ["x", "y"]), NearestText)
    assert isinstance(make_nearest(CategoryFeaturizer(["ab"]), ["ab"], ["x"]), NearestLabel)
    assert len(sample_rows(np.arange(300_000))) == 100_000
    assert sample_rows(np.arange(3)).tolist() == [0, 1, 2]
