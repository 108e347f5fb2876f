"""A space of images and texts: what the features of an image and the words of its captions have in common.

Canonical correlation analysis (Hotelling 1936), regularised, of images' features and captions' bags of words. Each
direction counts as much as its correlation (Gong, Ke, Isard & Lazebnik 2014, arXiv 1212.4522, section 3). N images, M
captions, D features, V words, K directions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.data.modalities.base import Ids
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.model.baselines.caption_n_grams import MARKS, CaptionUnits
from unrolled.model.baselines.ngram_features import Hashes

MOST_WORDS = 4_000  # V, at most: the words in the captions of the most images
FEWEST_IMAGES = 3  # that must have a word, where there are many images
MANY = 300  # images
DIRECTIONS = 256  # K, at most
CAPTIONS_AT_ONCE = 2_000
STRENGTHS = (1.0, 0.3, 3.0, 10.0)  # of the regularisation of features, whose variance is 1; the first is the default
WORD_STRENGTHS = (1.0, 3.0, 0.3)  # of that of words, times their mean variance


class WordBags(NamedTuple):
    """The different known words of M captions, each weighted so that a caption's vector has length 1."""

    words: Tensor  # (E,) indices
    weights: Tensor  # (E,)
    starts: Tensor  # (M + 1,)

    def project(self, table: Tensor) -> Tensor:
        """table (V, K) -> the weighted sum of each caption's words (M, K)."""
        return F.embedding_bag(
            self.words, table, self.starts[:-1], mode="sum", per_sample_weights=self.weights
        )  # fmt: skip

    def dense(self, words: int) -> Iterator[tuple[slice, Tensor]]:
        """The same as matrices (some captions, V), in turn."""
        captions = torch.repeat_interleave(torch.arange(len(self.starts) - 1), self.starts.diff())
        for start in range(0, len(self.starts) - 1, CAPTIONS_AT_ONCE):
            stop = min(start + CAPTIONS_AT_ONCE, len(self.starts) - 1)
            some = slice(int(self.starts[start]), int(self.starts[stop]))
            matrix = torch.zeros(stop - start, words)
            matrix[captions[some] - start, self.words[some]] = self.weights[some]
            yield slice(start, stop), matrix


class SpaceWords(NamedTuple):
    """The words of the space, as hashes."""

    hashes: Hashes  # (V,) sorted
    weights: Tensor  # (V,) roots of inverse document frequencies

    @classmethod
    def of(cls, units: CaptionUnits, images: Ids, count: int) -> SpaceWords:
        """images (M,): the image of each caption; count: N."""
        pairs = np.unique(np.stack([units.units, images[units.captions].astype(np.uint64)], 1), axis=0)
        hashes, documents = np.unique(pairs[:, 0], return_counts=True)
        if count >= MANY:
            hashes, documents = hashes[documents >= FEWEST_IMAGES], documents[documents >= FEWEST_IMAGES]
        kept = np.sort(np.argsort(-documents, kind="stable")[:MOST_WORDS])
        frequencies = np.log((1 + count) / documents[kept])
        return cls(hashes[kept], torch.from_numpy(frequencies).sqrt().float())

    def bags(self, units: CaptionUnits) -> WordBags:
        """The bags of captions; words that are not known are left out."""
        if len(self.hashes):
            place = np.minimum(np.searchsorted(self.hashes, units.units), len(self.hashes) - 1)
            known = self.hashes[place] == units.units
        else:
            place = known = np.zeros(len(units.units), np.bool_)
        pairs = np.unique(np.stack([units.captions[known], place[known].astype(np.int64)], 1), axis=0)
        captions, words = torch.from_numpy(pairs).unbind(1)
        weights = self.weights[words]
        norms = torch.zeros(len(units.lengths)).index_add_(0, captions, weights**2).sqrt()
        starts = torch.searchsorted(captions.contiguous(), torch.arange(len(units.lengths) + 1))
        return WordBags(words.contiguous(), weights / norms.clamp(min=1e-12)[captions], starts)


class WordSpace(NamedTuple):
    """The space. Vectors in it have length 1, or 0: their products are cosines."""

    units: str  # "words" or "characters"
    vocabulary: SpaceWords
    mean: Tensor  # (D,) of the features
    of_features: Tensor  # (D, K)
    of_words: Tensor  # (V, K)
    word_mean: Tensor  # (K,) of the captions, before they are normalised

    def images(self, features: Tensor) -> Tensor:
        """features (B, D) -> (B, K)."""
        return F.normalize((features.float() - self.mean) @ self.of_features)

    def texts(self, texts: Sequence[str]) -> Tensor:
        """B texts -> (B, K). A text without a known word is zero."""
        return self.captions(self._bags(texts))

    def _bags(self, texts: Sequence[str]) -> WordBags:
        return self.vocabulary.bags(CaptionUnits.of(self.units, texts))

    def unknown_words(self, text: str) -> list[str]:
        """The different words, or characters, of a text that are not in the space."""
        words = dict.fromkeys(MARKS.sub("", text.lower()).split() if self.units == "words" else text.lower())
        return [word for word in words if word.strip() and not len(self._bags([word]).words)]

    def captions(self, bags: WordBags) -> Tensor:
        """WordBags of M captions -> (M, K)."""
        known = (bags.starts.diff() > 0)[:, None]
        return F.normalize(torch.where(known, bags.project(self.of_words) - self.word_mean, 0.0))


class Covariances(NamedTuple):
    """The covariances of which the space is made."""

    mean: Tensor  # (D,)
    scale: Tensor  # (D,) standard deviations of the features
    word_mean: Tensor  # (V,)
    features: Tensor  # (D, D), of features with standard deviation 1
    words: Tensor  # (V, V)
    both: Tensor  # (V, D)

    @classmethod
    def of(cls, features: Tensor, bags: WordBags, images: Tensor, words: int) -> Covariances:
        """features (N, D); images (M,): the image of each caption. Each image counts once in each covariance, and
        each caption as its share of its image."""
        count = len(features)
        mean, scale = features.mean(0), features.std(0, correction=0)
        scale = torch.where(scale > 1e-6, scale, 1.0)
        scaled = (features - mean) / scale
        shares = 1 / torch.bincount(images, minlength=count).clamp(min=1)[images].float() / count  # (M,) sum to 1
        word_mean, of_words, both = (
            torch.zeros(words),
            torch.zeros(words, words),
            torch.zeros(words, features.shape[1]),
        )
        for some, matrix in bags.dense(words):
            weighted = matrix * shares[some, None]
            word_mean += weighted.sum(0)
            of_words.addmm_(weighted.T, matrix)
            both.addmm_(weighted.T, scaled[images[some]])
        of_words -= torch.outer(word_mean, word_mean)
        return cls(mean, scale, word_mean, scaled.T @ scaled / count, of_words, both)

    def space(self, units: str, vocabulary: SpaceWords, strength: float, word_strength: float) -> WordSpace:
        """The space with this regularisation.

        The directions of images are the eigenvectors of how well words predict whitened features; those of words are
        the predictions of the images' coordinates by ridge regression.
        """
        size, words = len(self.features), len(self.words)
        both, of_words = self.both.double(), self.words.double()  # in float32, eigh gives NaN for few images
        ridge = word_strength * float(of_words.diagonal().mean()) if words else 1.0
        factor = torch.linalg.cholesky(of_words + max(ridge, 1e-9) * torch.eye(words))
        predictors = torch.cholesky_solve(both, factor)  # (V, D)
        whitener = torch.linalg.cholesky(self.features.double() + strength * torch.eye(size))
        explained = torch.linalg.solve_triangular(whitener, both.T @ predictors, upper=False)
        explained = torch.linalg.solve_triangular(whitener, explained.T, upper=False)  # (D, D)
        values, vectors = torch.linalg.eigh((explained + explained.T) / 2)
        kept = min(DIRECTIONS, words, size)
        values, vectors = values.flip(0)[:kept].clamp(min=0), vectors.flip(1)[:, :kept]
        directions = torch.linalg.solve_triangular(whitener.T, vectors, upper=True)  # (D, K)
        projected = predictors @ directions  # (V, K)
        return WordSpace(
            units, vocabulary, self.mean, (directions * values.sqrt()).float() / self.scale[:, None],
            projected.float(), (self.word_mean.double() @ projected).float(),
        )  # fmt: skip


def mean_reciprocal_rank(similarities: Tensor, own: Tensor) -> float:
    """similarities (Q, N), own (Q,): the index of the right image -> the mean of 1 / its rank; ties share ranks."""
    right = similarities.gather(1, own[:, None])
    ranks = 1 + (similarities > right).sum(1) + ((similarities == right).sum(1) - 1) / 2
    return float((1 / ranks).mean())


def fit_word_space(
    units: str,
    features: Tensor,
    captions: CaptionUnits,
    images: Ids,
    validation: tuple[Tensor, Sequence[str], Tensor] | None,
    deadline: Deadline = UNLIMITED,
) -> WordSpace:
    """Fit the space. images (M,): the image of each caption. validation: features, captions, and the image of each.

    The regularisation with which captions of validation find their images best is chosen, first that of features,
    then that of words; if time is short, of those that were tried.
    """
    vocabulary = SpaceWords.of(captions, images, len(features))
    moments = Covariances.of(features, vocabulary.bags(captions), torch.from_numpy(images), len(vocabulary.hashes))
    strengths = (STRENGTHS[0], WORD_STRENGTHS[0])
    best = moments.space(units, vocabulary, *strengths)
    if validation is None or not len(validation[1]):
        return best
    held_out, texts, own = validation

    def found(space: WordSpace) -> float:
        return mean_reciprocal_rank(space.texts(texts) @ space.images(held_out).T, own)

    score = found(best)
    for place, values in enumerate((STRENGTHS, WORD_STRENGTHS)):
        for value in values[1:]:
            if deadline.passed():
                return best
            tried = (value, strengths[1]) if place == 0 else (strengths[0], value)
            space = moments.space(units, vocabulary, *tried)
            if (reached := found(space)) > score:
                best, score, strengths = space, reached, tried
    return best
