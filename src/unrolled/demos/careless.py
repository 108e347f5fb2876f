"""Careless labels first, a few clean ones then: what pre-training on them gives, by noise, volume and capacity.

The claims are those of Mahajan et al. 2018 (arXiv 1805.00932) and Ghadiyaram et al. 2019 (arXiv 1905.00561), here
with digits near the middle of an image and LeNet-5.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from unrolled.demos.convolution import SCALE, SIDE, accuracy, names
from unrolled.demos.digits import Images, Labels, draw_digits
from unrolled.demos.temporary import trained
from unrolled.seeds import numpy_generator

KINDS = 10  # digits
PLACES = [
    (row, column) for row in range(5, 14) for column in range(7, 16)
]  # of a digit, up to 4 pixels off the middle
CLEAN, TESTED = 30, 500  # images with clean labels, and those to test on
STEPS, FEW_STEPS = 150, 60  # updates of the pre-training, and of what follows
MANY, NOISE = 3_000, 0.6  # careless labels, and the share of them that is drawn at random
NOISES, VOLUMES, WIDTHS = (0.0, 0.6, 0.9), (100, 3_000), (0.25, 1.0, 2.0)
CLASSIFIER, WHOLE = "classifier only", "full fine-tuning"


class CarelessRow(NamedTuple):
    """A pre-training, and the accuracy on new images after it."""

    images: int  # with careless labels; 0: no pre-training
    noise: float  # share of them whose label is drawn at random
    width: float  # of the net, times that of LeNet-5
    accuracies: dict[str, float]  # by what is trained on the clean labels


def show_weak(seed: int = 0) -> tuple[CarelessRow, ...]:
    """With and without pre-training on careless labels; then the classifier alone is trained, or the whole net."""
    return learn(seed, 0, 0.0, 1.0, (WHOLE,)), learn(seed, MANY, NOISE, 1.0, (CLASSIFIER, WHOLE))


def show_noise(seed: int = 0) -> tuple[CarelessRow, ...]:
    """Few and many careless labels, with different shares of them at random."""
    return tuple(learn(seed, images, noise, 1.0, (WHOLE,)) for images in VOLUMES for noise in NOISES)


def show_capacity(seed: int = 0) -> tuple[CarelessRow, ...]:
    """Few and many careless labels for nets of different widths."""
    return tuple(learn(seed, images, NOISE, width, (WHOLE,)) for images in VOLUMES for width in WIDTHS)


def learn(seed: int, images: int, noise: float, width: float, ways: tuple[str, ...]) -> CarelessRow:
    """Pre-trains a net on careless labels, then trains it on the clean ones in each of these ways."""
    net = f"lenet5:width={width:g}"
    new, right = draw(seed, "test", TESTED)
    if not images:
        return CarelessRow(0, 0.0, width, {way: _finish(seed, net, None, way, new, right) for way in ways})
    weak, labels = draw(seed, "weak", images)
    with trained(
        (weak, names(careless(seed, labels, noise))), task="classification", encoder=net, model=net, seed=seed,
        steps=STEPS, test="none", augment="no",
    ) as run:  # fmt: skip
        found = {way: _finish(seed, net, str(run.path), way, new, right) for way in ways}
    return CarelessRow(images, noise, width, found)


def _finish(seed: int, net: str, source: str | None, way: str, new: Images, right: Labels) -> float:
    """The accuracy after training on the clean labels. source: the run to start from."""
    clean, labels = draw(seed, "clean", CLEAN)
    start = {} if source is None else {"init_from": source}
    kept = {"freeze": "encoder"} if way == CLASSIFIER else {}
    with trained(
        (clean, names(labels)), task="classification", encoder=net, model=net, seed=seed, steps=FEW_STEPS,
        test="none", augment="no", **start, **kept,
    ) as run:  # fmt: skip
        return accuracy(run, new, names(right))


def draw(seed: int, name: str, count: int) -> tuple[Images, Labels]:
    """Images of digits near the middle, and their labels."""
    return draw_digits(numpy_generator(seed, "demo weak", name), count, SIDE, SCALE, PLACES)


def careless(seed: int, labels: Labels, noise: float) -> Labels:
    """The same labels, a share of them replaced by random ones."""
    generator = numpy_generator(seed, "demo weak", "noise")
    drawn = generator.integers(0, KINDS, len(labels))
    return np.where(generator.random(len(labels)) < noise, drawn, labels)
