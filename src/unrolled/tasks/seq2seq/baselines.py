"""Baselines of generated texts: the text of the most similar training row; for images with features, retrieval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from unrolled import seeds
from unrolled.data.dataset.dataset import Examples
from unrolled.data.dataset.item_store import SplitItems
from unrolled.data.dataset.seq2seq_batches import target_texts_of
from unrolled.data.dataset.vocabulary_choice import has_words
from unrolled.data.modalities.base import Featurizer, Ids, Item
from unrolled.data.modalities.image_grid import GridFeaturizer
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.metrics.finding import FindingScore, ranks_of, score_ranks
from unrolled.model.baselines.caption_retrieval import CaptionRetrieval, RetrievedCaption, fit_retrieval
from unrolled.model.baselines.nearest_neighbour import MOST_ROWS, make_nearest, sample_rows
from unrolled.model.image_features import ImageFeatures
from unrolled.registry import RETRIEVAL
from unrolled.tasks.dataset import evenly_spaced
from unrolled.tasks.image_features import frozen_of
from unrolled.tasks.seq2seq.references import distinct_rows, reference_texts
from unrolled.training.checkpoint import save_tensors

if TYPE_CHECKING:
    from unrolled.rundir.folder import RunFolder

TEXTS_AT_ONCE = 1_000  # that look for their images
TIMED = 64  # rows between two looks at the clock
MOST_JUDGED = 1_000  # validation images on which the baseline is fitted
LIKEST_A_SECOND, FEWEST_LIKEST = 10_000, 1_000  # training rows searched for a neighbour, per second and at least


@dataclass(frozen=True)
class ImageRetrieval:
    """The retrieval baseline of captions, and the net whose features it reads."""

    model: CaptionRetrieval
    frozen: ImageFeatures

    def captions(
        self, items: Sequence[Item], top: int = 1, deadline: Deadline = UNLIMITED
    ) -> list[list[RetrievedCaption]]:
        """The best captions of each image; with a deadline, of as many of the first as there is time for."""
        found: list[list[RetrievedCaption]] = []
        for start in range(0, len(items), TIMED):
            if found and deadline.passed():
                break
            found += self.model.predict(self.vectors(items[start : start + TIMED]), top)
        return found

    def similarities(self, items: Sequence[Item], texts: Sequence[Sequence[str]]) -> list[list[float]]:
        """Images, and texts about each -> the similarity of each text to the captions of similar images, 0 to 1."""
        return self.model.similarities(self.vectors(items), texts)

    def vectors(self, items: Sequence[Any]) -> Tensor:
        """The features of images (B, D)."""
        return torch.from_numpy(self.frozen.vectors(items))

    def save(self, run: RunFolder) -> None:
        """Save the baseline in a run."""
        save_tensors(run.baseline_file(RETRIEVAL), self.model.tensors(), self.model.facts())


def has_retrieval(run: RunFolder) -> bool:
    """Whether a run has a retrieval baseline."""
    return run.baseline_file(RETRIEVAL).exists()


def load_retrieval(run: RunFolder, featurizer: Featurizer) -> ImageRetrieval | None:
    """The retrieval baseline of a run, if it has one. Raises RunError if it is damaged."""
    frozen = frozen_of(featurizer)
    if frozen is None or not has_retrieval(run):
        return None
    model = CaptionRetrieval.from_tensors(*run.read_baseline(RETRIEVAL))
    return ImageRetrieval(model, frozen)


def fit_image_retrieval(examples: Examples, deadline: Deadline = UNLIMITED) -> ImageRetrieval | None:
    """Fit the retrieval baseline, if the input is images with features of a pretrained net; with a deadline, on as
    many images as there is time to compute features for."""
    frozen = frozen_of(examples.featurizer)
    if frozen is None or not isinstance(examples.featurizer, GridFeaturizer):
        return None
    judged = evenly_spaced(distinct_rows(examples, "validation"), MOST_JUDGED)
    training, features = _features_in_time(examples, frozen, distinct_rows(examples, "training"), deadline.share(0.5))
    judged, held_out = _features_in_time(examples, frozen, judged, deadline.share(0.2))
    captions = reference_texts(examples, "training", training)
    units = "words" if has_words([text for texts in captions for text in texts]) else "characters"
    references = reference_texts(examples, "validation", judged)
    return ImageRetrieval(fit_retrieval(units, features, captions, (held_out, references), deadline), frozen)


def _features_in_time(examples: Examples, frozen: ImageFeatures, rows: Ids, deadline: Deadline) -> tuple[Ids, Tensor]:
    """Those of the rows that there is time for, drawn at random, in order; and their features (N, D)."""
    if not deadline.unlimited:
        rows = rows[seeds.numpy_generator(0, "features in time").permutation(len(rows))]
    found = [np.zeros((0, frozen.size), np.float32)]
    for start in range(0, len(rows), TIMED):
        if start and deadline.passed():
            break
        deadline.check()
        found.append(frozen.vectors(list[Any](SplitItems(examples.items, rows[start : start + TIMED]))))
    features = np.concatenate(found)
    rows = rows[: len(features)]
    order = np.argsort(rows, kind="stable")
    return rows[order], torch.from_numpy(features[order])


def baseline_texts(
    examples: Examples,
    rows: Ids,
    retrieval: ImageRetrieval | None,
    known: Examples | None = None,
    deadline: Deadline = UNLIMITED,
) -> tuple[str, list[str]]:
    """The name of the baseline, and its text for each row; with a deadline, for as many of the first rows as there is
    time for. known: as for `nearest_texts`."""
    if retrieval is None:
        return nearest_texts(examples, rows, known, deadline)
    items = list(SplitItems(examples.items, rows))
    return retrieval.model.name, first_texts(retrieval.captions(items, deadline=deadline))


def first_texts(captions: Iterable[Sequence[RetrievedCaption]]) -> list[str]:
    """The text of the best caption of each image."""
    return [own[0].text for own in captions]


def nearest_texts(
    examples: Examples, rows: Ids, known: Examples | None = None, deadline: Deadline = UNLIMITED
) -> tuple[str, list[str]]:
    """The nearest-neighbour baseline: the name, and for each row the text of the most similar training row.

    known: the examples with these training rows, if not `examples`. With a deadline, for as many of the first rows as
    there is time for, among fewer training rows.
    """
    known = examples if known is None else known
    most = MOST_ROWS if deadline.unlimited else max(FEWEST_LIKEST, int(LIKEST_A_SECOND * deadline.seconds_left))
    training, own = sample_rows(distinct_rows(known, "training"), min(MOST_ROWS, most)), target_texts_of(known)
    texts = [own.texts[row] for row in training.tolist()]
    nearest = make_nearest(known.featurizer, list(SplitItems(known.items, training)), texts)
    found: list[int] = []
    for start in range(0, len(rows), TIMED):
        if found and deadline.passed():
            break
        found += nearest.find(list(SplitItems(examples.items, rows[start : start + TIMED])))
    return nearest.name, [texts[place] for place in found]


def score_finding(
    examples: Examples, split: str, rows: Ids, retrieval: ImageRetrieval, deadline: Deadline = UNLIMITED
) -> FindingScore | None:
    """How well the captions of the images in these rows of a split find them among all of these rows; with a
    deadline, of as many of the first images as there is time for. None without a caption."""
    vectors = [torch.zeros(0, retrieval.model.space.of_features.shape[1])]
    for start in range(0, len(rows), TIMED):
        if start and deadline.passed():
            break
        items = list(SplitItems(examples.items, rows[start : start + TIMED]))
        vectors.append(retrieval.model.space.images(retrieval.vectors(items)))
    images = torch.cat(vectors)
    captions = reference_texts(examples, split, rows[: len(images)])
    own = np.repeat(np.arange(len(captions)), [len(texts) for texts in captions])
    texts = [text for own_texts in captions for text in own_texts]
    ranks = [np.zeros(0)]
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        some = slice(start, start + TEXTS_AT_ONCE)
        similarities = retrieval.model.space.texts(texts[some]) @ images.T
        ranks.append(ranks_of(similarities.numpy(), own[some]))
    return score_ranks(np.concatenate(ranks), len(images)) if texts else None
