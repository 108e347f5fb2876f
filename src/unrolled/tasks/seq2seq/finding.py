"""Find images by a text or by another image, in the space of images and texts of a run's retrieval baseline."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.arguments import checked
from unrolled.data.files.look import TextFile, file_status, open_text_file
from unrolled.data.modalities.image_grid import GridFeaturizer
from unrolled.data.tables.base import read_lines
from unrolled.errors import DataError, MediaError, OptionError, RunError
from unrolled.given import as_path, as_whole
from unrolled.opening import CURE
from unrolled.pages.gallery import MOST_SHOWN, SIDE, GallerySection, Thumbnail, write_gallery
from unrolled.registry import RETRIEVAL
from unrolled.tasks.requests import InferenceInput, MissingItem
from unrolled.tasks.run import Run
from unrolled.tasks.seq2seq.baselines import TIMED
from unrolled.tasks.seq2seq.predictor import Seq2SeqRun

SHOWN = 10  # images, without another number


class FoundImage(NamedTuple):
    """An image that fits a text or another image."""

    name: str  # its path, or its place in a table
    similarity: float  # cosine, at most 1
    given: InferenceInput


class FoundImages(NamedTuple):
    """The images that fit best, and how many were looked at."""

    images: list[FoundImage]  # the most similar first
    searched: int
    unreadable: list[str]  # why files could not be read
    unknown: list[str]  # words of the text that the run does not know


@checked
def find_images(
    run: Run,
    text: str | None = None,
    *,
    like: str | os.PathLike[str] | None = None,
    within: str | os.PathLike[str] | None = None,
    top: int = SHOWN,
) -> FoundImages:
    """The images that a text describes best, or that are most similar to an image, by what captions say of images.

    run: made by `load`, of captions of images with features. like: an image file, instead of a text; it is not
    found itself. within: a folder of images, a table, a file of paths, one a line, or an image; None: the run's own
    table. top: number of images.

    Raises RunError for another run, OptionError for a text without known words, DataError where there are no images.

    Examples:
        >>> found = find_images(load("runs/captions"), "a dog in the snow", within="photos")  # doctest: +SKIP
        >>> [image.name for image in found.images]  # doctest: +SKIP
    """
    finder = ImageFinder(run)
    if (text is None) == (like is None):
        raise OptionError("Images are found by a text or by another image: give one of them.")
    wanted, unknown = finder.vector_of_text(text) if text is not None else (finder.vector_of_image(as_path(like)), [])
    excluded = None if like is None else os.path.realpath(as_path(like))
    source = str(run.facts["data"]["path"]) if within is None else as_path(within)
    found, searched, unreadable = list[FoundImage](), 0, list[str]()
    top = as_whole("top", top, 1) or SHOWN
    for given, vectors, faults in finder.vectors_of(source):
        unreadable += faults
        searched += len(given)
        similarity = (vectors @ wanted).tolist()
        found += [
            FoundImage(one.name, value, one)
            for one, value in zip(given, similarity, strict=True)
            if excluded is None or os.path.realpath(one.name) != excluded
        ]
        found = sorted(found, key=lambda one: -one.similarity)[:top]
    if not searched:
        raise DataError(f"{source} holds no image that can be read.")
    return FoundImages(found, searched, unreadable, unknown)


class ImageFinder:
    """The space of a run, and how the run reads images."""

    def __init__(self, run: Run) -> None:
        """Raises RunError for a run without such a space."""
        retrieval = run.retrieval if isinstance(run, Seq2SeqRun) else None
        if retrieval is None and isinstance(run, Seq2SeqRun) and isinstance(run.known.featurizer, GridFeaturizer):
            raise RunError(f"{run.folder.baseline_file(RETRIEVAL)} is missing: the run is damaged. {CURE}")
        if retrieval is None or not isinstance(run, Seq2SeqRun):
            raise RunError(
                f"{run.path} {run.does}; images are found by a run on captions of images with features of a "
                "pretrained net.\nTrain one: unroll train photos.csv, with the columns image and caption."
            )
        self.run, self.retrieval = run, retrieval

    def vector_of_text(self, text: str) -> tuple[Tensor, list[str]]:
        """The vector (K,) of a text, and the words that are not known. Raises OptionError where none is known."""
        space = self.retrieval.model.space
        unknown = space.unknown_words(text)
        vector = space.texts([text])[0]
        if not bool(vector.any()):
            raise OptionError(
                f"'{text}': none of these words is in the captions that the run was trained on. Try other words."
            )
        return vector, unknown

    def vector_of_image(self, path: str) -> Tensor:
        """The vector (K,) of an image file. Raises MediaError where it cannot be read."""
        return self._vectors([self.run.reader.take(InferenceInput(path, (path,)))])[0]

    def vectors_of(self, source: str) -> Iterator[tuple[list[InferenceInput], Tensor, list[str]]]:
        """The different images of a path, in batches: their names, their vectors (B, K), and why others could not be
        read. Raises DataError."""
        file_status(Path(source))
        inputs = self.run.read_input(source)
        if inputs is None:
            if Path(source).is_dir():
                noun = self.run.known.featurizer.input.noun
                raise DataError(f"{source} holds no {noun}. Name a folder of images, or a file with their paths.")
            inputs = _listed(open_text_file(Path(source), source, any_bytes=False))
        different = _different(inputs)
        while waiting := list(islice(different, TIMED)):
            taken = self.run.reader.take_all(waiting)
            readable = [
                (given, item) for given, item in zip(waiting, taken, strict=True) if not isinstance(item, MissingItem)
            ]
            faults = [item.error for item in taken if isinstance(item, MissingItem) and item.error]
            if readable:
                yield [given for given, _ in readable], self._vectors([item for _, item in readable]), faults
            elif faults:
                yield [], torch.zeros(0, self.retrieval.model.space.of_words.shape[1]), faults

    def page(self, title: str, found: FoundImages, said: Sequence[str]) -> str:
        """A page of thumbnails of the found images, as HTML. said: the lines at its top."""
        shown = found.images[:MOST_SHOWN]
        more = len(found.images) - len(shown)
        note = f"{len(shown):,} of {len(found.images):,} are shown." if more else ""
        thumbnails = [self._thumbnail(one) for one in shown]
        return write_gallery(title, said, [GallerySection("", thumbnails, note)])

    def _thumbnail(self, one: FoundImage) -> Thumbnail:
        try:
            image = self.run.known.featurizer.input.picture(one.given.cells, one.name, SIDE)
        except MediaError:
            image = None
        return Thumbnail.of(image, (f"{one.similarity:.3f}", Path(one.name).name), one.name)

    def _vectors(self, items: Sequence[Any]) -> Tensor:
        return self.retrieval.model.space.images(self.retrieval.vectors(items))


def _listed(file: TextFile) -> Iterator[InferenceInput]:
    """The paths in a file, one a line; blank lines are left out."""
    paths = (line.strip() for line in read_lines(file.path, file.encoding))
    return (InferenceInput(path, (path,)) for path in paths if path)


def _different(inputs: Iterable[InferenceInput]) -> Iterator[InferenceInput]:
    """The first input of each file. Images in arrays are all different."""
    seen = set[str]()
    for given in inputs:
        cell = given.cells[0]
        if isinstance(cell, str):
            if cell in seen:
                continue
            seen.add(cell)
        yield given
