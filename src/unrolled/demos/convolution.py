"""What convolution gains: digits at places where they were not seen in training, with LeNet-5 and without it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from unrolled.demos.digits import HEIGHT, WIDTH, Images, Labels, draw_digits
from unrolled.demos.temporary import trained
from unrolled.run import Run
from unrolled.seeds import numpy_generator

SIDE, SCALE = 32, 2  # pixels of an image's side, and of a digit's pixel
APART = 4  # pixels between the places of training
ALL_PLACES = list(product(range(SIDE - HEIGHT * SCALE + 1), range(SIDE - WIDTH * SCALE + 1)))
SEEN = [(row, column) for row, column in ALL_PLACES if row % APART == column % APART == 0]
NEW = [(row, column) for row, column in ALL_PLACES if row % APART and column % APART]
ROWS, TESTED, STEPS = 2000, 500, 300
NETS: dict[str, dict[str, Any]] = {
    "fully connected": {"model": "none", "hidden_size": 128, "layers": 2},
    "convolutional": {"encoder": "lenet5", "model": "lenet5", "augment": "no"},
}


class ConvolutionRow(NamedTuple):
    """A net and its accuracy."""

    net: str
    parameters: int
    seen: float  # accuracy on new images of digits at places of training
    new: float  # at places that lie between those


def show_convolution(seed: int = 0) -> tuple[ConvolutionRow, ...]:
    """Trains a fully connected net and LeNet-5 on the same digits, and tests them at old and at new places."""
    images, labels = draw(seed, "training", ROWS, SEEN)
    tests = [draw(seed, name, TESTED, places) for name, places in (("seen", SEEN), ("new", NEW))]
    found = []
    for net, options in NETS.items():
        flat = "encoder" not in options
        with trained((shaped(images, flat), names(labels)), seed=seed, steps=STEPS, test="none", **options) as run:
            accuracies = [accuracy(run, shaped(test, flat), names(right)) for test, right in tests]
            found.append(ConvolutionRow(net, run.parameters, *accuracies))
    return tuple(found)


def draw(seed: int, name: str, count: int, places: Sequence[tuple[int, int]]) -> tuple[Images, Labels]:
    """Images of digits at these places, and their labels."""
    return draw_digits(numpy_generator(seed, "demo convolution", name), count, SIDE, SCALE, places)


def shaped(images: Images, flat: bool) -> np.ndarray[Any, Any]:
    """What a net reads: images, or for each one step of all its pixels (1, side²), as numbers from 0 to 1."""
    return images.reshape(len(images), 1, -1) / np.float32(255) if flat else images


def names(labels: Labels) -> list[str]:
    """Digits as labels."""
    return [str(label) for label in labels]


def accuracy(run: Run, inputs: Any, right: list[str]) -> float:
    """The share of inputs whose label is predicted right."""
    output = next(iter(run.outputs))
    predicted = [prediction.best(output) for prediction in run.predict(list(inputs))]
    return sum(a == b for a, b in zip(predicted, right, strict=True)) / len(right)
