"""`unroll evaluate`."""

from __future__ import annotations

import csv
from io import StringIO
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli.new_files import check_new_file, is_page, write_new_file
from unrolled.cli.options import Adapt, Device, Json, Quiet, RunPath, SkipEmpty, Threads
from unrolled.cli.output import note, print_json, say

if TYPE_CHECKING:
    from unrolled.run import Evaluation

FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # first characters of a cell that a spreadsheet runs as a formula


def evaluate(
    run: RunPath = None,
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="a text or a table; left out: the test split of the run")
    ] = None,
    adapt: Adapt = False,
    errors: Annotated[
        str | None,
        typer.Option(
            "--errors",
            metavar="FILE",
            help="for a table: write the wrong predictions to a csv, the worst first; for numbers all rows. For "
            "images a name that ends in .html gets a page of them",
        ),
    ] = None,
    skip_empty: SkipEmpty = False,
    device: Device = "auto",
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score a run on a text or on rows that it has not seen.

    Text: nats and bits per character with a 95% interval, and the accuracy of the next token.
    Labels and tags: accuracy, macro-F1, nats, calibration error, and a table of which labels are confused.
    Numbers: mean absolute error, root of the mean squared error, R², and the share of targets in their intervals.
    Generated texts: BLEU or chrF, word error rate and exact matches.
    On the run's own test split also the scores of its baselines.

    --adapt adds the score of a copy that keeps learning from the text; the run does not change.

    \b
    Examples:
      unroll evaluate
      unroll evaluate runs/poems other-poems.txt --json
      unroll evaluate runs/reviews --errors wrong.csv
      unroll evaluate runs/photos --errors wrong.html
    """
    from unrolled.given import check_path
    from unrolled.run import load

    check_path(data, "The data")
    check_path(errors, "--errors")
    model = load(run, device, threads)
    page = errors is not None and is_page(errors)
    model.check_options(errors=errors, error_page=page, skip_empty=skip_empty, adapt=adapt)
    if errors is not None:
        check_new_file("--errors", errors)
    note(f"Evaluating {model.path} on {data or 'the test split'} …", quiet or json)
    listed = errors is not None and not page
    evaluation = model.evaluate(data, errors=listed, error_page=page, skip_empty=skip_empty, adapt=adapt)
    if errors is not None:
        text = evaluation.error_page if page else errors_csv(evaluation)
        # backslashreplace: the bytes of a file name need not be UTF-8
        write_new_file("--errors", errors, text.encode(errors="backslashreplace"))
        note(evaluation.errors_line(errors), quiet or json)
    if json:
        print_json(evaluation.to_dict())
    else:
        say("\n".join(evaluation.lines))


def errors_csv(evaluation: Evaluation) -> str:
    """The wrong predictions of an evaluation as a csv."""
    file = StringIO(newline="")
    writer = csv.DictWriter(file, evaluation.columns)
    writer.writeheader()
    writer.writerows({name: escape_formula(cell) for name, cell in row.items()} for row in evaluation.errors)
    return file.getvalue()


def escape_formula(cell: Any) -> Any:
    """A cell that a spreadsheet takes for text: a formula gets a leading apostrophe. A number, also a negative one,
    is unchanged."""
    if not isinstance(cell, str) or not cell.startswith(FORMULAS):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
