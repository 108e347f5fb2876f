"""`unroll demo films`: a net for video learns what shapes do, in films that are rendered for it."""

from __future__ import annotations

import csv
from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli.options import Json, Quiet, any_number, seed_number
from unrolled.cli.output import note, say
from unrolled.cli.train import Interrupts, train_and_print
from unrolled.errors import command
from unrolled.options import TrainOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MINUTES = 1.8  # rendering takes some seconds more
FOLDER, RUN = Path("runs", "moving-shapes"), "films"
COUNT = 480  # films
VERBS = ("moves left", "moves right", "grows", "shrinks")
"""Pairs of which one is the other, played backwards: a single frame does not tell them apart."""
NET = "r2plus1d-18:width=0.125"
RATE = 25  # frames per second
QUALITY = 2  # of MPEG-4, from 1, the best


def films(
    context: typer.Context,
    minutes: Annotated[float, typer.Option(parser=any_number("--minutes"), help="minutes of training")] = MINUTES,
    seed: Annotated[int, typer.Option(parser=seed_number, help="seed of all random numbers")] = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Two minutes on films of moving shapes.

    Renders 480 films in runs/moving-shapes, and trains a narrow R(2+1)D to tell what the shapes do: move left or
    right, grow or shrink. Needs the extra video.

    \b
    Examples:
      unroll demo films
      unroll demo films --minutes 0.5
    """
    settings = TrainOptions(
        minutes=minutes, seed=seed, encoder=NET, frames=8, image_size=32, batch_size=16, augment="no", input="film",
        output="verb",
    )  # fmt: skip
    settings.check()
    with Interrupts() as interrupts:
        table = write_films(FOLDER, seed)
        note(f"The films: {COUNT} of moving shapes, in {table.parent}; what they show is in {table}.", quiet or json)
        from unrolled.run import Training
        from unrolled.rundir.locations import unused_path

        training = Training(str(table), settings, started=context.obj, out=str(unused_path(RUN)))
        train_and_print(training, interrupts, json, quiet)
    if not json:
        first = table.parent / "0.mp4"
        say(f"\nThree commands to try next:\n"
            f"  {command('predict', training.folder, first)}\n"
            f"  {command('evaluate', training.folder, '--errors', 'films.html')}\n"
            f"  unroll train YOUR-FILMS/ --minutes 10")  # fmt: skip


def write_films(folder: Path, seed: int) -> Path:
    """Writes the films of a seed to a folder of its own, unless they are there; returns their table. Raises
    MissingExtra without PyAV."""
    from unrolled.data.moving_shapes import NOUNS, render_film
    from unrolled.fileio import write_atomically

    folder = folder / f"seed-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [("film", "verb", "noun")]
    for number in range(COUNT):
        verb, noun = VERBS[number % len(VERBS)], NOUNS[number // len(VERBS) % len(NOUNS)]
        path = folder / f"{number}.mp4"
        lines.append((path.name, verb, noun))
        if not path.is_file():
            write_video(path, render_film(seed, number, verb, noun).frames)
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    write_atomically(folder / "films.csv", text.getvalue().encode())
    return folder / "films.csv"


def write_video(path: Path, frames: NDArray[np.uint8]) -> None:
    """Writes frames (T, H, W, 3) as a video of 25 frames a second, by another name first. Raises MissingExtra."""
    from unrolled.data.media.video import require_av

    av = require_av()
    made = path.with_name(f".{path.name}")
    with av.open(str(made), "w", format="mp4") as file:
        stream: Any = file.add_stream("mpeg4", rate=RATE)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.codec_context.qmin, stream.codec_context.qmax = "yuv420p", QUALITY, QUALITY
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    made.replace(path)
