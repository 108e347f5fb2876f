"""`unroll evaluate`."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli.bridge import Adapt, Device, Json, Quiet, RunPath, SkipEmpty, Threads
from unrolled.cli.output import note, print_json, say
from unrolled.errors import OptionError

if TYPE_CHECKING:
    from unrolled.run import Evaluation

FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # what a cell begins with that a spreadsheet runs


def evaluate(
    run: RunPath = None,
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="a text or a table; left out: the run's own test part")
    ] = None,
    adapt: Adapt = False,
    errors: Annotated[
        str | None,
        typer.Option(
            "--errors",
            metavar="FILE",
            help="of a table: write what is wrong to a csv, the worst first",
        ),
    ] = None,
    skip_empty: SkipEmpty = False,
    device: Device = "auto",
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """How well a run foresees a text it has not seen, or answers about rows it has not seen.

    Of a text: nats and bits a character with a 95% interval, beside the best n-gram and the untrained model.
    Of labels: share right, macro-F1, nats and calibration, each label's mistakes, beside the other models.
    Of texts: BLEU, chrF, word error rate and share right, by length of the input, beside the likest row's text.

    With --adapt also the score of a copy that learns from what it has read; the run stays as it is.

    \b
    Examples:
      unroll evaluate
      unroll evaluate runs/poems other-poems.txt --json
      unroll evaluate runs/reviews --errors wrong.csv
    """
    from unrolled.given import check_path
    from unrolled.run import load

    check_path(data, "The data")
    check_path(errors, "--errors")
    model = load(run, device, threads)
    model.check_options(errors=errors, skip_empty=skip_empty, adapt=adapt)
    if errors is not None and Path(errors).exists():
        raise OptionError(f"--errors {errors} exists. Name a file that is not there yet, or move it away.")
    note(f"Reading {data or 'the test part'} with {model.path} …", quiet or json)
    evaluation = model.evaluate(data, errors=errors is not None, skip_empty=skip_empty, adapt=adapt)
    if errors is not None:
        write_errors(evaluation, errors)
        note(f"{len(evaluation.wrong):,} wrong answers are in {errors}, {evaluation.order} first.", quiet or json)
    if json:
        print_json(evaluation.as_dict())
    else:
        say("\n".join(evaluation.lines))


def write_errors(evaluation: Evaluation, path: str) -> None:
    """What an evaluation lists as wrong, to a new csv. Raises OptionError where it cannot be written."""
    try:
        # backslashreplace: of the names of files, whose bytes need not be UTF-8
        with Path(path).open("x", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.DictWriter(file, evaluation.columns)
            writer.writeheader()
            writer.writerows({name: harmless(cell) for name, cell in row.items()} for row in evaluation.wrong)
    except OSError as error:
        raise OptionError(f"--errors {path} cannot be written: {error.strerror}.") from None


def harmless(cell: Any) -> Any:
    """A cell that a spreadsheet takes for text: what it would run as a formula is led by an apostrophe. A number,
    below 0 too, stays one."""
    if not isinstance(cell, str) or not cell.startswith(FORMULAS):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
