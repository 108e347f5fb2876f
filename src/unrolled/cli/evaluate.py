"""`unroll evaluate`."""

from __future__ import annotations

from typing import Annotated

import typer

from unrolled.cli.bridge import Adapt, Device, Json, Quiet, RunPath, note, print_json


def evaluate(
    run: RunPath = None,
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="a text; left out: the run's own test part")
    ] = None,
    adapt: Adapt = False,
    device: Device = "auto",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """How well a run predicts text it has not seen.

    In nats and bits a character with a 95% interval, beside the best n-gram and the untrained model.

    With --adapt also the score of a copy that learns from what it has read; the run stays as it is.

    \b
    Examples:
      unroll evaluate
      unroll evaluate runs/poems
      unroll evaluate runs/poems other-poems.txt --json
    """
    from unrolled.run import load

    model = load(run, device)
    note(f"Reading {data or 'the test part'} with {model.path} …", quiet or json)
    evaluation = model.evaluate(data, adapt)
    if json:
        print_json(evaluation.as_dict())
    else:
        print("\n".join(evaluation.lines))
