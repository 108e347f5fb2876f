"""`unroll demo weak`, `noise` and `capacity`: careless labels first, a few clean ones then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unrolled.cli.demo_output import percent, record_facts, say_table
from unrolled.cli.options import Json, Quiet, Seed
from unrolled.cli.output import note, print_json, say

if TYPE_CHECKING:
    from unrolled.demos.careless import CarelessRow


def weak(seed: Seed = 0, json: Json = False, quiet: Quiet = False) -> None:
    """Pre-training on careless labels.

    A net learns digits from labels of which over half are drawn at random. Then it gets a few clean ones: for its
    last layer alone, or for all of it.

    \b
    Examples:
      unroll demo weak
      unroll demo weak --seed 1 --json
    """
    from unrolled.demos.careless import CLASSIFIER, MANY, NOISE, WHOLE, show_weak

    note("Trains four nets, about half a minute.", quiet or json)
    rows = show_weak(seed)
    if _say_json(rows, json):
        return
    say(f"{MANY:,} images have careless labels: {percent(NOISE)} of them drawn at random. {_then()}\n")
    say_table(
        ("pre-trained on", CLASSIFIER, WHOLE),
        [
            (f"{row.images:,} careless labels" if row.images else "nothing", *_cells(row, (CLASSIFIER, WHOLE)))
            for row in rows
        ],
    )


def noise(seed: Seed = 0, json: Json = False, quiet: Quiet = False) -> None:
    """Noise against volume of careless labels.

    Nets learn from few or many careless labels, more or less of them wrong, and then from a few clean ones.

    \b
    Examples:
      unroll demo noise
      unroll demo noise --seed 1 --json
    """
    from unrolled.demos.careless import NOISES, show_noise

    note("Trains twelve nets, about a minute.", quiet or json)
    rows = show_noise(seed)
    if _say_json(rows, json):
        return
    say(f"Labels drawn at random, and images that have them. {_then()}\n")
    _say_grid(rows, [f"{percent(noise)} at random" for noise in NOISES])


def capacity(seed: Seed = 0, json: Json = False, quiet: Quiet = False) -> None:
    """Volume of careless labels against capacity.

    Nets of three widths learn from few or many careless labels, and then from a few clean ones.

    \b
    Examples:
      unroll demo capacity
      unroll demo capacity --seed 1 --json
    """
    from unrolled.demos.careless import WIDTHS, show_capacity

    note("Trains twelve nets, about a minute and a half.", quiet or json)
    rows = show_capacity(seed)
    if _say_json(rows, json):
        return
    say(f"The width of the net, times that of LeNet-5, and images with careless labels. {_then()}\n")
    _say_grid(rows, [f"width {width:g}" for width in WIDTHS])


def _then() -> str:
    """What follows the careless labels."""
    from unrolled.demos.careless import CLEAN, TESTED

    return f"Then {CLEAN} clean labels.\nAccuracy on {TESTED} other images:"


def _say_json(rows: tuple[CarelessRow, ...], json: bool) -> bool:
    """Prints the rows as JSON, if asked to."""
    for row in rows if json else ():
        print_json(record_facts(row))
    return json


def _say_grid(rows: tuple[CarelessRow, ...], titles: list[str]) -> None:
    """Prints a line for each number of images, with a column for each title."""
    across = len(titles)
    lines = [rows[start : start + across] for start in range(0, len(rows), across)]
    say_table(
        ("images", *titles),
        [
            (f"{line[0].images:,}", *(percent(share) for row in line for share in row.accuracies.values()))
            for line in lines
        ],
    )


def _cells(row: CarelessRow, ways: tuple[str, ...]) -> list[str]:
    """The accuracy of each way, a dash where it was not tried."""
    return [percent(row.accuracies[way]) if way in row.accuracies else "–" for way in ways]
