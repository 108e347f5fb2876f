"""`unroll info` and `unroll runs`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli.options import Json, Quiet, takes
from unrolled.cli.output import note, print_json, say
from unrolled.cli.view import byte_count
from unrolled.errors import InputError, OptionError
from unrolled.escaping import one_line
from unrolled.figures import FORMATS
from unrolled.options import TrainOptions
from unrolled.settings import option_name

if TYPE_CHECKING:
    from unrolled.run import Run

LONGEST_NAME = 100  # characters of the name of a column or a label
MOST_VALUES = 8  # of a list, shown in a line
NOT_IN_A_PLAN = ("out", "init_from", "plan")
COLUMNS = {"path": "run", "data": "data", "model": "model", "score": "score", "age": "age",
           "size": "size", "status": "status"}  # fmt: skip


@takes(TrainOptions, leave_out=NOT_IN_A_PLAN)
def info(
    settings: TrainOptions,
    path: Annotated[
        str | None,
        typer.Argument(metavar="PATH", help="a text, a folder of texts, a table, or a run (the newest under runs/)"),
    ] = None,
    json: Json = False,
) -> None:
    """Describe a text, a table or a run.

    For a run on a text, also its reach: how far back it uses context. Measuring it takes some seconds, once.
    For a text or a table with --minutes or --steps, also the plan of `unroll train` with these options. Nothing is
    trained.

    \b
    Examples:
      unroll info poems.txt
      unroll info poems.txt --minutes 10
      unroll info runs/poems --json
    """
    from unrolled.run import is_run

    if path is None or is_run(path):
        if changed := settings.given():
            names = ", ".join(map(option_name, changed))
            raise OptionError(
                f"{names} is for data before training; {path or 'the newest run'} is a run.\n"
                "Leave it out, or give the path of a text or a table."
            )
        from unrolled.run import load

        run = load(path)
        facts, lines = run.info(), list[str]()
        if "reach" in run.methods():
            facts, lines = _reach(run, facts, json)
    else:
        from unrolled.run import info_data

        facts, lines = info_data(path, settings), []
    if json:
        print_json(facts)
    else:
        say("\n".join(_describe({name: value for name, value in facts.items() if name != "reach"})))
        for number, line in enumerate(lines):
            say(f"{'      ' if number else 'reach:'} {line}")


def _reach(run: Run, facts: dict[str, Any], json: bool) -> tuple[dict[str, Any], list[str]]:
    try:
        note("Measuring how far back the model uses context …", json)
        reach = run.reach()
        return facts | {"reach": reach.to_dict()}, reach.lines
    except InputError as error:  # such as a text that is gone; the other facts are known
        return facts, [f"not measured. {error}"]


def runs(
    under: Annotated[str, typer.Option(help="the folder that contains the runs")] = "runs",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List the runs here, the newest first.

    Shows data, model, score on the test split, age, size and status. (on 40%): the score covers 40% of the split,
    because the time was short; unroll evaluate RUN scores all of it.

    \b
    Examples:
      unroll runs
      unroll runs --json
    """
    from unrolled.run import runs as find_runs

    found = find_runs(under)
    if json:
        for facts in found:
            print_json(facts)
    elif found:
        rows = [COLUMNS, *map(_row, found)]
        for line in _align([[row[name] for name in COLUMNS] for row in rows]):
            say(line)
    else:
        note(f"No runs under {under}/ yet. To make one: unroll train TEXT", quiet)


def _row(facts: Mapping[str, Any]) -> dict[str, str]:
    figure = next((name for name in FORMATS if facts.get(name) is not None), None)
    nats, scored = facts.get("nats"), facts.get("scored")
    score = FORMATS[figure].format(facts[figure]) if figure else "-" if nats is None else f"{nats:.3f}"
    return {
        "path": str(facts["path"]),
        "data": Path(facts.get("data", "-")).name,
        "model": str(facts.get("model") or "-"),
        "score": score if scored is None or scored >= 1 else f"{score} (on {scored:.0%})",
        "age": _age(facts["age"]) if "age" in facts else "-",
        "size": byte_count(facts["bytes"]) if "bytes" in facts else "-",
        "status": str(facts["status"]).split("\n", 1)[0],  # of a damaged run, only the first line of the reason
    }


def _age(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{round(seconds)} seconds"


def _align(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _describe(facts: Mapping[str, Any], margin: str = "") -> Iterator[str]:
    """Facts as lines, `name  value`; nested facts are indented, missing values are left out. Names are shown as in
    --json, except that long ones are cut: one may be the name of a column or a label."""
    there = [(_cut(name), _numbered(value)) for name, value in facts.items()
             if value is not None and value != {}]  # fmt: skip
    width = max((len(name) for name, value in there if not isinstance(value, Mapping)), default=0)
    for name, value in there:
        if isinstance(value, Mapping):
            yield f"{margin}{name}:"
            yield from _describe(value, margin + "  ")
        else:
            yield f"{margin}{name.ljust(width)}  {_value(value)}"


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]} …"


def _numbered(value: Any) -> Any:
    """A list of facts, such as the sessions of a run, as facts by number; any other value as it is."""
    if isinstance(value, list) and value and all(isinstance(entry, Mapping) for entry in value):
        return {str(number): entry for number, entry in enumerate(value, start=1)}
    return value


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 10_000 else f"{value:.10g}"
    if isinstance(value, list | tuple):
        between = "; " if any(isinstance(entry, list | tuple) for entry in value) else ", "
        more = f"{between}…" if len(value) > MOST_VALUES else ""
        return between.join(map(_value, value[:MOST_VALUES])) + more
    return one_line(str(value))
