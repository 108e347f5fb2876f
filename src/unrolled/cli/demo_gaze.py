"""`unroll demo gaze`: a fovea learns to look at a digit among scraps of others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli.options import Json, Quiet, any_number, seed_number
from unrolled.cli.output import note, say
from unrolled.cli.train import Interrupts, train_and_print
from unrolled.errors import command
from unrolled.options import TrainOptions

if TYPE_CHECKING:
    from unrolled.run import Training

GAZE_MINUTES = 1.5
IMAGES = Path("runs", "drawn-digits.npz")
RUN = "gaze"  # under runs/, with a number appended where it exists
DRAWN, SHOWN = 4_000, 3  # images, and those whose paths are printed
ENCODER = "glimpse:glimpses=4,size=8,scales=3,width=128"


def gaze(
    context: typer.Context,
    minutes: Annotated[
        float, typer.Option(parser=any_number("--minutes"), help="minutes from start to exit")
    ] = GAZE_MINUTES,
    seed: Annotated[int, typer.Option(parser=seed_number, help="seed of all random numbers")] = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """A fovea learns where to look for a digit.

    Draws images with a digit among scraps of others, trains a net that sees only small squares of them, and prints
    where it looked. The images are saved to runs/drawn-digits.npz, the run in runs/gaze.

    \b
    Examples:
      unroll demo gaze
      unroll demo gaze --minutes 0.5 --seed 1
    """
    settings = TrainOptions(minutes=minutes, seed=seed, encoder=ENCODER, model=ENCODER, batch_size=64, augment="yes")
    settings.check()
    write_digits(IMAGES, seed)
    with Interrupts() as interrupts:
        from unrolled.run import Training
        from unrolled.rundir.locations import unused_path

        note(f"The images: {DRAWN:,} drawn digits among scraps of others, saved to {IMAGES}.", quiet or json)
        training = Training(str(IMAGES), settings, started=context.obj, out=str(unused_path(RUN)))
        train_and_print(training, interrupts, json, quiet)
    if not json:
        print_paths(training)
        say(f"\nTo see the path over an image:\n"
            f"  {command('predict', training.folder, IMAGES, '--show-attention', 'gaze.html')}")  # fmt: skip


def write_digits(path: Path, seed: int) -> None:
    """Draws the images of a seed and saves them with their labels."""
    from io import BytesIO

    import numpy as np

    from unrolled.demos.cluttered_digits import draw_cluttered_digits
    from unrolled.fileio import write_atomically
    from unrolled.seeds import numpy_generator

    images, labels = draw_cluttered_digits(DRAWN, numpy_generator(seed, "drawn digits"))
    file = BytesIO()
    np.savez(file, image=images, digit=labels)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, file.getvalue())


def print_paths(training: Training) -> None:
    """Prints where the trained net looks at images that it has not seen."""
    from unrolled.demos.cluttered_digits import draw_cluttered_digits
    from unrolled.run import load
    from unrolled.seeds import numpy_generator

    images, labels = draw_cluttered_digits(SHOWN, numpy_generator(training.options.seed, "shown digits"))
    say("\nWhere it looks, in percent from the left and from the top, and what it says:")
    for found, label in zip(load(training.folder).predict(list(images)), labels.tolist(), strict=True):
        places = [] if found.gaze is None else found.gaze.places
        path = "  ".join(f"{100 * x:3.0f},{100 * y:3.0f}" for x, y in places)
        ((said, probability), *_) = found.labels["digit"]
        say(f"  {path}   {said} ({probability:.2f}), it is a {label}")
