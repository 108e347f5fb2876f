"""Learning where to look: a fovea whose gaze is learned, and the same with a gaze that is random or at the centre."""

from __future__ import annotations

from typing import NamedTuple

from unrolled.demos.cluttered_digits import draw_cluttered_digits
from unrolled.demos.temporary import trained
from unrolled.seeds import numpy_generator

GAZES = ("learned", "random", "centre")
NET = "glimpse:glimpses=4,size=8,scales=2,width=96,gaze="
ROWS, TESTED, STEPS = 4_000, 500, 600


class LookingRow(NamedTuple):
    """A way to choose the places of glimpses."""

    gaze: str
    accuracy: float  # on new images


def show_looking(seed: int = 0) -> tuple[LookingRow, ...]:
    """Trains the three on the same images, a digit among scraps of others, for the same number of updates."""
    images, labels = draw_cluttered_digits(ROWS, numpy_generator(seed, "demo looking", "training"))
    new, right = draw_cluttered_digits(TESTED, numpy_generator(seed, "demo looking", "test"))
    found = []
    for gaze in GAZES:
        net = NET + gaze
        data = {"image": list(images), "digit": labels}
        with trained(
            data, input="image", output="digit", seed=seed, steps=STEPS, encoder=net, model=net, batch_size=64,
            augment="yes", test="none",
        ) as run:  # fmt: skip
            predicted = list(run.predict(list(new)))
        hits = sum(one.best("digit") == str(label) for one, label in zip(predicted, right.tolist(), strict=True))
        found.append(LookingRow(gaze, hits / TESTED))
    return tuple(found)
