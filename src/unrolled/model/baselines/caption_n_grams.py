"""Captions as words and n-grams, to compare them: in lower case, without punctuation.

M captions of N images. An n-gram is a hash of one to four units; a unit is a word or a character.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.modalities.base import Ids
from unrolled.model.baselines.ngram_features import UNITS, Hashes, windows

Floats = NDArray[np.float32]

LONGEST_N_GRAM = 4  # units
SIGMA = 6.0  # units, of the penalty for captions of another length: that of CIDEr-D
MARKS = re.compile(r"[^\w\s]+|_+")


class CaptionUnits(NamedTuple):
    """The units of M captions, one after the other: U in all."""

    units: Hashes  # (U,)
    captions: Ids  # (U,) the index of each unit's caption, sorted
    lengths: Ids  # (M,)

    @classmethod
    def of(cls, units: str, texts: Sequence[str]) -> CaptionUnits:
        """units: "words" or "characters"."""
        numbers, lengths = UNITS[units]([" ".join(MARKS.sub("", text.lower()).split()) for text in texts])
        counts = np.array(lengths, np.int64)
        return cls(numbers, np.repeat(np.arange(len(texts)), counts), counts)


class NGrams(NamedTuple):
    """The different n-grams of M captions, caption by caption: E in all, those of caption m at starts[m]:starts[m+1].

    The weights of the n-grams of one order in a caption are a vector of length 1, or 0.
    """

    hashes: Hashes  # (E,)
    weights: Floats  # (E,) counts times inverse document frequencies, normalised order by order
    starts: Ids  # (M + 1,)
    lengths: Ids  # (M,) units of each caption

    def of(self, captions: Ids) -> NGrams:
        """Those of some captions, in their order."""
        counts = self.starts[captions + 1] - self.starts[captions]
        stops = np.cumsum(counts)
        places = np.arange(counts.sum()) + np.repeat(self.starts[captions] - (stops - counts), counts)
        starts = np.concatenate([[0], stops])
        return NGrams(self.hashes[places], self.weights[places], starts, self.lengths[captions])

    @property
    def captions(self) -> Ids:
        """The caption of each n-gram (E,)."""
        return np.repeat(np.arange(len(self.lengths)), np.diff(self.starts))


class NGramWeights(NamedTuple):
    """Inverse document frequencies of n-grams, where an image with all its captions is a document."""

    hashes: Hashes  # (G,) sorted
    documents: Ids  # (G,) images whose captions have the n-gram
    images: int  # N

    @classmethod
    def of(cls, units: CaptionUnits, images: Ids) -> NGramWeights:
        """images (M,): the index of each caption's image."""
        found, number = [np.zeros(0, np.uint64)], int(images.max(initial=-1)) + 1
        counts = [np.zeros(0, np.int64)]
        for ends, hashes in windows(units.units, units.captions, LONGEST_N_GRAM):
            image = images[units.captions[ends]]
            order = np.lexsort((image, hashes))
            hashes, image = hashes[order], image[order]
            new = np.diff(hashes, prepend=np.uint64(0)) != 0
            new[:1] = True
            pairs = new | (np.diff(image, prepend=-1) != 0)  # an n-gram and an image that has it
            found.append(hashes[new])
            counts.append(np.bincount(np.cumsum(new)[pairs] - 1))
        hashes, times = np.concatenate(found), np.concatenate(counts)
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], times[order], number)

    def weights(self, hashes: Hashes) -> NDArray[np.float64]:
        """The weight of each n-gram; that of a new one is the highest."""
        if not len(self.hashes):
            return np.zeros(len(hashes))
        place = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        documents = np.where(self.hashes[place] == hashes, self.documents[place], 1)
        return np.log(max(1, self.images) / documents)

    def n_grams(self, units: CaptionUnits) -> NGrams:
        """The weighted n-grams of captions."""
        captions, hashes, weights = [], [], []
        for ends, numbers in windows(units.units, units.captions, LONGEST_N_GRAM):
            own = units.captions[ends]
            order = np.lexsort((numbers, own))
            own, numbers = own[order], numbers[order]
            new = (np.diff(own, prepend=-1) != 0) | (np.diff(numbers, prepend=np.uint64(0)) != 0)
            times = np.bincount(np.cumsum(new) - 1, minlength=int(new.sum()))
            own, numbers = own[new], numbers[new]
            weight = times * self.weights(numbers)
            norm = np.sqrt(np.bincount(own, weight**2, minlength=len(units.lengths)))
            captions.append(own)
            hashes.append(numbers)
            weights.append(weight / np.maximum(norm, 1e-12)[own])
        all_captions = np.concatenate(captions)
        order = np.argsort(all_captions, kind="stable")
        starts = np.searchsorted(all_captions[order], np.arange(len(units.lengths) + 1))
        return NGrams(
            np.concatenate(hashes)[order], np.concatenate(weights)[order].astype(np.float32),
            starts.astype(np.int64), units.lengths,
        )  # fmt: skip


def mean_similarity(candidates: NGrams, others: NGrams, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean similarity of each of C candidates to O other captions, (C,), between 0 and 1; shares (O,) sum to 1.

    The similarity of two captions is that of CIDEr-D without its clipping (Vedantam, Zitnick & Parikh 2015): the
    cosine of their weighted n-grams, as the mean over orders, times a Gaussian of their difference in length. Without
    the clipping it is linear in the others, so the n-grams of all others of one length are summed first.
    """
    known, places = np.unique(others.hashes, return_inverse=True)
    if not len(known):
        return np.zeros(len(candidates.lengths))
    lengths, of_other = np.unique(others.lengths, return_inverse=True)  # L different lengths
    cells = of_other[others.captions] * len(known) + places
    weighted = others.weights * shares[others.captions]
    sums = np.bincount(cells, weighted, minlength=len(lengths) * len(known)).reshape(len(lengths), len(known))
    own, of_candidate = np.unique(candidates.lengths, return_inverse=True)
    sums = np.exp(-((own[:, None] - lengths) ** 2) / (2 * SIGMA**2)) @ sums  # (own lengths, known n-grams)
    place = np.minimum(np.searchsorted(known, candidates.hashes), len(known) - 1)
    shared = np.where(known[place] == candidates.hashes, sums[of_candidate[candidates.captions], place], 0.0)
    found = np.bincount(candidates.captions, candidates.weights * shared, minlength=len(candidates.lengths))
    similarity: NDArray[np.float64] = found / LONGEST_N_GRAM
    return similarity
