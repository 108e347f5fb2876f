"""The retrieval baseline of captions, and the space of images and texts, on features that name what images show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from unrolled.deadline import Deadline
from unrolled.errors import RunError
from unrolled.metrics.captions import cider_d
from unrolled.model.baselines.caption_n_grams import CaptionUnits, NGramWeights, mean_similarity
from unrolled.model.baselines.caption_retrieval import CaptionRetrieval, fit_retrieval
from unrolled.model.baselines.word_space import mean_reciprocal_rank

ANIMALS, PLACES, DEEDS = ("dog", "cat", "horse", "bird"), ("snow", "water", "grass"), ("runs", "sleeps", "waits")


def worlds(count: int, seed: int) -> tuple[Tensor, list[list[str]]]:
    """Features (N, 16) that are a noisy mixture of what two captions of each image say."""
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(7).normal(size=(10, 16))
    features, captions = [], []
    for _ in range(count):
        animal, place, deed = (int(generator.integers(len(one))) for one in (ANIMALS, PLACES, DEEDS))
        shown = np.zeros(10)
        shown[[animal, 4 + place, 7 + deed]] = 1
        features.append(shown @ mixing + 0.3 * generator.normal(size=16))
        captions.append(
            [
                f"A {ANIMALS[animal]} {DEEDS[deed]} in the {PLACES[place]} .",
                f"The {ANIMALS[animal]} in {PLACES[place]}, it {DEEDS[deed]}.",
            ]
        )
    return torch.tensor(np.array(features), dtype=torch.float32), captions


@pytest.fixture(scope="module")
def fitted() -> CaptionRetrieval:
    return fit_retrieval("words", *worlds(400, 0), worlds(60, 1))


def all_similarities(fitted: CaptionRetrieval, texts: list[str], features: torch.Tensor) -> torch.Tensor:
    """The similarity of each text to each image."""
    return fitted.space.texts(texts) @ fitted.space.images(features).T


def test_the_caption_says_what_the_image_shows(fitted: CaptionRetrieval) -> None:
    features, captions = worlds(100, 2)
    found = fitted.predict(features)
    right = [one[0].text in own for one, own in zip(found, captions, strict=True)]
    assert np.mean(right) > 0.9
    assert all(0 <= one[0].score <= 1 for one in found)


def test_a_text_finds_its_image_and_an_image_its_like(fitted: CaptionRetrieval) -> None:
    features, captions = worlds(100, 3)
    ranked = all_similarities(fitted, ["a dog in the snow", "horse, water"], features).argsort(1, descending=True)
    for place, (animal, where) in enumerate((("dog", "snow"), ("horse", "water"))):
        for image in ranked[place, :3].tolist():
            assert animal in captions[image][0] and where in captions[image][0]
    images = fitted.space.images(features)
    likeness = (images @ images.T).fill_diagonal_(-2.0)
    equal = [captions[row] == captions[other] for row, other in enumerate(likeness.argmax(1).tolist())]
    assert np.mean(equal) > 0.8


def test_texts_about_an_image_are_compared_with_captions_of_similar_images(fitted: CaptionRetrieval) -> None:
    features = worlds(3, 9)[0]
    best = [own[0] for own in fitted.predict(features)]
    texts = [[best[0].text, "a dog"], [], [best[2].text, "zeppelin", ""]]
    found = fitted.similarities(features, texts)
    assert [len(own) for own in found] == [2, 0, 3]
    assert found[0][0] > found[0][1] > 0 and found[2][0] > 0
    assert found[2][1:] == [0.0, 0.0], "nobody said such words"
    alone = fitted.similarities(features[2:], texts[2:])
    assert alone[0] == pytest.approx(found[2], abs=1e-6)


def test_a_text_without_a_known_word_is_like_no_image(fitted: CaptionRetrieval) -> None:
    assert all_similarities(fitted, ["zeppelin", ""], worlds(5, 4)[0]).tolist() == [[0.0] * 5] * 2


def test_several_captions_differ_and_fall_in_score(fitted: CaptionRetrieval) -> None:
    for own in fitted.predict(worlds(5, 5)[0], top=4):
        assert len({one.text for one in own}) == 4
        assert [one.score for one in own] == sorted((one.score for one in own), reverse=True)


def test_each_image_is_captioned_alone_as_in_a_batch(fitted: CaptionRetrieval) -> None:
    features = worlds(20, 6)[0]
    together = [one[0].text for one in fitted.predict(features)]
    assert [fitted.predict(features[row : row + 1])[0][0].text for row in range(20)] == together


def test_the_consensus_is_the_caption_that_is_most_like_the_others() -> None:
    captions = [["a dog runs on grass"], ["a dog runs on sand"], ["a dog jumps on grass"], ["two people at a table"]]
    fitted = fit_retrieval("words", torch.ones(4, 3), captions)  # features say nothing
    assert fitted.predict(torch.ones(1, 3))[0][0].text == "a dog runs on grass"


def test_a_single_training_image_gives_its_caption() -> None:
    fitted = fit_retrieval("words", torch.randn(1, 3), [["Only this."]])
    assert [one.text for one in fitted.predict(torch.randn(2, 3), top=3)[0]] == ["Only this."]


def test_far_more_features_than_images_give_finite_directions() -> None:
    generator = torch.Generator().manual_seed(0)
    features, captions = worlds(56, 12)
    wide = torch.cat([features, torch.randn(56, 1264, generator=generator)], 1)
    fitted = fit_retrieval("words", wide, [[f"{text} {n}" for text in own] for n, own in enumerate(captions)])
    assert all(bool(tensor.isfinite().all()) for tensor in fitted.tensors().values())


def test_captions_without_words_and_in_characters() -> None:
    nothing = fit_retrieval("words", torch.randn(4, 3), [["…"], ["!"], ["?"], ["…"]])
    assert nothing.predict(torch.randn(1, 3))[0][0].text in "…!?"
    chinese = [["一只狗在雪地里"], ["一只狗在草地上"], ["一只猫在雪地里"], ["两个人在桌旁"]] * 5
    signs = torch.tensor([[1.0, 0, 1], [1, 0, 0], [0, 1, 1], [0, 0, 0]]).repeat(5, 1)
    fitted = fit_retrieval("characters", signs, chinese)
    assert fitted.predict(signs[:1])[0][0].text == chinese[0][0]
    assert int(all_similarities(fitted, ["猫"], signs[:4]).argmax()) == 2


def test_the_model_is_the_same_after_saving(fitted: CaptionRetrieval) -> None:
    again = CaptionRetrieval.from_tensors(fitted.tensors(), fitted.facts())
    features = worlds(20, 8)[0]
    assert again.predict(features, 3) == fitted.predict(features, 3)
    texts = [["a dog"]] * 20
    assert again.similarities(features, texts) == fitted.similarities(features, texts)
    assert again.describe() == "captions of the most similar images (400 images, 800 captions)"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("of_words", torch.zeros(3, 3)), ("mean", torch.full((16,), float("nan"))), ("words", torch.zeros(2)),
        ("first", torch.tensor([0, 5])), ("text_ends", torch.tensor([-1])),
        ("texts", torch.zeros(2, dtype=torch.uint8)),
        ("word_mean", None),
    ],
)  # fmt: skip
def test_damaged_tensors_are_refused(fitted: CaptionRetrieval, name: str, value: Tensor | None) -> None:
    tensors: dict[str, Any] = fitted.tensors() | {name: value}
    with pytest.raises(RunError, match="retrieval baseline of this run is damaged"):
        CaptionRetrieval.from_tensors(tensors, fitted.facts())
    for facts in ({}, {"units": "bytes", "temperature": 1.0}, {"units": "words", "temperature": 0.0}):
        with pytest.raises(RunError, match="retrieval baseline of this run is damaged"):
            CaptionRetrieval.from_tensors(fitted.tensors(), facts)


def test_no_images_or_an_image_without_captions_are_refused() -> None:
    for captions in ([], [["a"]], [["a"], []]):
        with pytest.raises(ValueError, match="at least one caption"):
            fit_retrieval("words", torch.zeros(2 if captions else 0, 3), captions)


def test_a_deadline_leaves_a_whole_model_and_fewer_captions() -> None:
    over = Deadline(0.0)
    fitted = fit_retrieval("words", *worlds(50, 9), worlds(20, 10), deadline=over)
    assert len(fitted.predict(worlds(5, 11)[0], deadline=over)) == 1


def test_the_similarity_is_cider_d_where_no_count_is_clipped() -> None:
    references = [
        ["a dog runs on the wet grass", "the brown dog is running"],
        ["two people sit", "people at a table"],
    ]
    generated = ["a brown dog runs on grass", "two people at a table sit"]
    units = CaptionUnits.of("words", [text for own in references for text in own])
    weights = NGramWeights.of(units, np.array([0, 0, 1, 1]))
    known, written = weights.n_grams(units), weights.n_grams(CaptionUnits.of("words", generated))
    found = [
        mean_similarity(written.of(np.array([row])), known.of(np.array([2 * row, 2 * row + 1])), np.array([0.5, 0.5]))
        for row in range(2)
    ]
    # With every n-gram in one image at most, and weights of unknown n-grams alike. CIDEr-D is ten times as much.
    assert 10 * np.concatenate(found) == pytest.approx(cider_d(generated, references), abs=1e-5)


def test_the_mean_reciprocal_rank_counts_ties_as_halfway() -> None:
    similarities = torch.tensor([[0.9, 0.1, 0.5], [0.2, 0.2, 0.1], [0.0, 0.0, 0.0]])
    assert mean_reciprocal_rank(similarities, torch.tensor([2, 0, 1])) == pytest.approx((1 / 2 + 1 / 1.5 + 1 / 2) / 3)
