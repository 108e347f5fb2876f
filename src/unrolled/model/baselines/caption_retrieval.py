"""Retrieval baseline of captions: the consensus among the captions of the most similar training images.

Devlin et al. 2015 (arXiv 1505.04467) take the nearest images by features of a net, and of their captions the one that
is most similar to the others. Here the nearest images are found in a space that features and captions share
(`word_space.py`), so that two images are similar if their captions are. N training images, M captions, D features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from unrolled.data.modalities.base import Ids
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.errors import RunError
from unrolled.model.baselines.caption_n_grams import LONGEST_N_GRAM, CaptionUnits, NGramWeights, mean_similarity
from unrolled.model.baselines.ngram_features import UNITS
from unrolled.model.baselines.word_space import SpaceWords, WordSpace, fit_word_space

NEIGHBOURS = 200  # images whose captions are candidates
MOST_CANDIDATES = 1_000  # captions: those of the nearest images
MOST_IMAGES, MOST_CAPTIONS = 50_000, 250_000  # of the training split, evenly spaced
MOST_JUDGED = 500  # validation images on which the temperature is chosen
TEMPERATURES = (0.7, 0.5, 1.0)
"""How far off images still count, in standard deviations of the similarity; the first is the default (`BETTER`)."""
BETTER = 1.01  # times its score: another temperature is chosen; differences on so few images are mostly chance
AT_ONCE = 1_000  # images

Captions = Sequence[Sequence[str]]  # of each image


class RetrievedCaption(NamedTuple):
    """A caption for an image."""

    text: str
    score: float  # mean similarity to the captions of the most similar images, 0 to 1


class CaptionRetrieval:
    """The training captions and the space of images and texts. Made by `fit_retrieval`."""

    name = "captions of the most similar images"  # for a summary

    def __init__(self, space: WordSpace, captions: Captions, temperature: float) -> None:
        """captions: of each training image, at least one for each."""
        self.space, self.temperature = space, temperature
        self._texts = [text for texts in captions for text in texts]
        counts = np.array([len(texts) for texts in captions], np.int64)
        self._first = np.concatenate([[0], np.cumsum(counts)])  # (N + 1,) of each image's captions
        images = np.repeat(np.arange(len(counts)), counts)
        units = CaptionUnits.of(space.units, self._texts)
        self._weights = NGramWeights.of(units, images)
        self._n_grams = self._weights.n_grams(units)
        vectors = space.captions(space.vocabulary.bags(units))
        sums = torch.zeros(len(counts), vectors.shape[1]).index_add_(0, torch.from_numpy(images), vectors)
        self._vectors = F.normalize(sums)  # (N, K)

    def describe(self) -> str:
        """Describe the baseline in a few words."""
        return f"{self.name} ({len(self._first) - 1:,} images, {len(self._texts):,} captions)"

    def predict(self, features: Tensor, top: int = 1, deadline: Deadline = UNLIMITED) -> list[list[RetrievedCaption]]:
        """features (B, D) -> at most `top` different captions for each, the best first. With a deadline, for as many
        of the first images as there is time for, at least one."""
        found: list[list[RetrievedCaption]] = []
        for start in range(0, len(features), AT_ONCE):
            similarity = self.space.images(features[start : start + AT_ONCE]) @ self._vectors.T  # (B, N)
            for row in similarity.numpy():
                if found and deadline.passed():
                    return found
                found.append(self._consensus(row, top))
        return found

    def similarities(self, features: Tensor, texts: Captions) -> list[list[float]]:
        """features (B, D), texts about each image -> the mean similarity of each text to the captions of the most
        similar images, 0 to 1."""
        similarity = self.space.images(features) @ self._vectors.T  # (B, N)
        units = CaptionUnits.of(self.space.units, [text for own in texts for text in own])
        n_grams, first, found = self._weights.n_grams(units), 0, []
        for row, own in zip(similarity.numpy(), texts, strict=True):
            captions, shares = self._nearest(row)
            known = self._n_grams.of(captions)
            places = np.arange(first, first + len(own))
            found.append(mean_similarity(n_grams.of(places), known, shares).tolist())
            first += len(own)
        return found

    def _nearest(self, similarity: NDArray[np.float32]) -> tuple[Ids, NDArray[np.float64]]:
        """The captions (C,) of the nearest images, and the share of each (C,)."""
        few = min(NEIGHBOURS, len(similarity))
        images = np.argpartition(-similarity, few - 1)[:few]
        images = images[np.argsort(-similarity[images], kind="stable")]
        counts = self._first[images + 1] - self._first[images]
        images = images[: max(1, int(np.searchsorted(np.cumsum(counts), MOST_CANDIDATES, side="right")))]
        captions = np.concatenate([np.arange(self._first[one], self._first[one + 1]) for one in images])
        spread = max(1e-6, float(similarity.std())) * self.temperature
        weights = np.exp((similarity[images].astype(np.float64) - similarity[images[0]]) / spread)
        counts = counts[: len(images)]
        shares = np.repeat(weights / counts, counts)
        return captions[:MOST_CANDIDATES], shares[:MOST_CANDIDATES] / shares[:MOST_CANDIDATES].sum()

    def _consensus(self, similarity: NDArray[np.float32], top: int) -> list[RetrievedCaption]:
        captions, shares = self._nearest(similarity)
        n_grams = self._n_grams.of(captions)
        others = mean_similarity(n_grams, n_grams, shares)
        if len(captions) > 1:  # without a caption's similarity to itself
            itself = (
                np.bincount(n_grams.captions, n_grams.weights.astype(np.float64) ** 2, len(captions)) / LONGEST_N_GRAM
            )
            others = (others - shares * itself) / np.maximum(1 - shares, 1e-9)
        found: dict[str, RetrievedCaption] = {}
        for place in np.argsort(-others, kind="stable").tolist():
            text = self._texts[captions[place]]
            if len(found) >= top:
                break
            found.setdefault(text, RetrievedCaption(text, min(1.0, max(0.0, float(others[place])))))
        return list(found.values())

    def score(self, texts: Sequence[str], references: Captions) -> float:
        """The mean similarity of a text for each image to the image's captions, 0 to 1."""
        written, known = (
            self._weights.n_grams(CaptionUnits.of(self.space.units, some))
            for some in (texts, [text for own in references for text in own])
        )
        total, first = 0.0, 0
        for number, own in enumerate(references):
            shares = np.full(len(own), 1 / len(own))
            others = known.of(np.arange(first, first + len(own)))
            total += float(mean_similarity(written.of(np.array([number])), others, shares)[0])
            first += len(own)
        return total / max(1, len(references))

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of the model, for a file."""
        encoded = [text.encode("utf-8", "surrogatepass") for text in self._texts]
        ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
        return {
            "texts": torch.from_numpy(np.frombuffer(b"".join(encoded), np.uint8).copy()),
            "text_ends": torch.from_numpy(ends),
            "first": torch.from_numpy(self._first),
            "words": torch.from_numpy(self.space.vocabulary.hashes.view(np.int64)),
            "word_weights": self.space.vocabulary.weights,
            "mean": self.space.mean,
            "of_features": self.space.of_features.contiguous(),
            "of_words": self.space.of_words.contiguous(),
            "word_mean": self.space.word_mean,
        }

    def facts(self) -> dict[str, Any]:
        """All that `from_tensors` needs besides the tensors, as JSON."""
        return {"units": self.space.units, "temperature": self.temperature}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> CaptionRetrieval:
        """Load the model from `tensors` and `facts`. Raises RunError if they do not fit."""
        try:
            return cls(_space_of(tensors, facts), _captions_of(tensors), float(facts["temperature"]))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError):
            raise RunError(
                "The retrieval baseline of this run is damaged: its tensors do not fit. Train again."
            ) from None


def _space_of(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> WordSpace:
    """Raises ValueError and others if they do not fit."""
    names = ("mean", "of_features", "of_words", "word_mean")
    mean, of_features, of_words, word_mean = (tensors[name].float() for name in names)
    vocabulary = SpaceWords(tensors["words"].numpy().view(np.uint64), tensors["word_weights"].float())
    words, directions = of_words.shape
    fits = of_features.shape == (len(mean), directions) and word_mean.shape == (directions,)
    fits &= vocabulary.hashes.shape == (words,) and vocabulary.weights.shape == (words,)
    fits &= bool((vocabulary.hashes[1:] > vocabulary.hashes[:-1]).all()) and facts["units"] in UNITS
    fits &= all(bool(one.isfinite().all()) for one in (mean, of_features, of_words, word_mean, vocabulary.weights))
    if not fits or not 0 < float(facts["temperature"]) < np.inf:
        raise ValueError("the space does not fit")
    return WordSpace(facts["units"], vocabulary, mean, of_features, of_words, word_mean)


def _captions_of(tensors: Mapping[str, Tensor]) -> list[list[str]]:
    """Raises ValueError and others if they do not fit."""
    data, ends, first = tensors["texts"].numpy().tobytes(), tensors["text_ends"].tolist(), tensors["first"].tolist()
    fits = first[0] == 0 and first[-1] == len(ends) and all(a < b for a, b in pairwise(first))
    if not fits or len(first) < 2 or ends[-1] != len(data) or sorted(ends) != ends or ends[0] < 0:
        raise ValueError("the captions do not fit")
    texts = [data[start:stop].decode("utf-8", "surrogatepass") for start, stop in zip([0, *ends], ends, strict=False)]
    return [texts[start:stop] for start, stop in pairwise(first)]


def fit_retrieval(
    units: str,
    features: Tensor,
    captions: Captions,
    validation: tuple[Tensor, Captions] | None = None,
    deadline: Deadline = UNLIMITED,
) -> CaptionRetrieval:
    """Fit the baseline on features (N, D) of images and the captions of each, at least one.

    units: "words" or "characters". validation: features and captions of images on which the regularisation and the
    temperature are chosen; if time is short, of those that were tried. Of many images, and of many captions, an
    evenly spaced part is used, so that memory is bounded.
    """
    if not len(features) or len(features) != len(captions) or not all(captions):
        raise ValueError("each image needs features and at least one caption")
    captions_each = max(1, MOST_CAPTIONS // min(len(captions), MOST_IMAGES))
    kept = np.arange(min(len(captions), MOST_IMAGES)) * len(captions) // min(len(captions), MOST_IMAGES)
    captions = [captions[row][:captions_each] for row in kept.tolist()]
    images = np.repeat(np.arange(len(captions)), [len(texts) for texts in captions])
    held_out = None
    if validation is not None and len(validation[0]):
        own = torch.repeat_interleave(
            torch.arange(len(validation[1])), torch.tensor([len(texts) for texts in validation[1]])
        )
        held_out = validation[0].float(), [text for texts in validation[1] for text in texts], own
    texts = [text for texts in captions for text in texts]
    space = fit_word_space(
        units, features[torch.from_numpy(kept)].float(), CaptionUnits.of(units, texts), images, held_out,
        deadline.share(0.7),
    )  # fmt: skip
    fitted = CaptionRetrieval(space, captions, TEMPERATURES[0])
    if validation is not None and len(validation[0]):
        fitted.temperature = _best_temperature(fitted, validation, deadline)
    return fitted


def _best_temperature(fitted: CaptionRetrieval, validation: tuple[Tensor, Captions], deadline: Deadline) -> float:
    """The temperature with which captions of validation images are most similar to the references."""
    features, references = validation
    scores: dict[float, float] = {}
    for temperature in TEMPERATURES:
        if scores and deadline.passed():
            break
        fitted.temperature = temperature
        texts = [one[0].text for one in fitted.predict(features[:MOST_JUDGED])]
        scores[temperature] = fitted.score(texts, references[: len(texts)])
    best = max(scores, key=lambda temperature: scores[temperature])
    return best if scores[best] > BETTER * scores[TEMPERATURES[0]] else TEMPERATURES[0]
