"""`unroll score`."""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli.options import Adapt, Device, Json, Quiet, Threads, whole_number
from unrolled.cli.output import note, print_json, say
from unrolled.cli.sample import print_replacements
from unrolled.errors import DataError, OptionError

if TYPE_CHECKING:
    from unrolled.run import RankedLine, Run


def score(
    paths: Annotated[
        list[str], typer.Argument(metavar="[RUN] FILE", help="a run (the newest under runs/), and a file or -")
    ],
    top: Annotated[
        int | None,
        typer.Option(
            parser=whole_number("--top"), help="print only the N most surprising lines; blank ones are left out"
        ),
    ] = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="score each line by itself, without those before it")
    ] = False,
    adapt: Adapt = False,
    device: Device = "auto",
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Print the surprise of each line, to find the unusual ones.

    Lines are scored as they arrive, in four columns separated by tabs: the line's number, nats per character, its
    rank (the share of validation lines with lower surprise: 0.99 is unusual), and the line.

    --adapt adds one column before the line: nats per character of a copy that learns from each line after scoring
    it.

    \b
    Examples:
      unroll score runs/syslog today.log --top 20
      tail -f today.log | unroll score runs/syslog -
      unroll score names.txt --alone --json
    """
    if len(paths) > 2:
        raise OptionError(f"A run and a file were expected; {len(paths)} paths came: {' '.join(paths)}.\n"
                          "Give one file at a time: unroll score RUN FILE")  # fmt: skip
    if top is not None and top < 1:
        raise OptionError(f"--top is a whole number of at least 1; got {top}.")
    run = paths[0] if len(paths) == 2 else None
    lines = lines_to_score(paths[-1])
    from unrolled.run import load

    model = load(run, device, threads)
    replacements: dict[str, str] = {}
    scores = model.score(_with_replacements(model, lines, replacements), alone=alone, adapt=adapt)
    note("line\tnats\trank\t" + ("adapted\t" if adapt else "") + "text", quiet or json)
    try:
        for line in scores if top is None else _most_surprising(scores, top):
            _print_line(line, json)
    finally:
        print_replacements(replacements, "these lines", quiet)


def lines_to_score(path: str) -> Iterator[str]:
    """The lines of a file, or of standard input for "-", streaming; bytes that are not UTF-8 become lone
    surrogates. Raises DataError at once for a path that cannot be read."""
    from unrolled.data.files.look import file_status, open_text_file
    from unrolled.given import as_path

    path = as_path(path)
    if path == "-":
        if sys.stdin is None:
            raise DataError("Standard input is closed. Send lines to it, or name a file.")
        return _decoded(sys.stdin.fileno(), "utf-8-sig")
    if Path(path).is_dir():
        raise DataError(f"{path} is a folder; a file of lines was expected, or - for standard input.")
    file_status(Path(path))
    whole = Path(path).is_file()  # else a pipe, which can be read only once
    encoding = open_text_file(Path(path), path, any_bytes=True).encoding if whole else "utf-8-sig"
    return _decoded(path, encoding)


def _decoded(source: str | int, encoding: str) -> Iterator[str]:
    from unrolled.data.tables.base import LONGEST_LINE

    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    with open(source, encoding=encoding, errors=errors, closefd=not isinstance(source, int)) as lines:
        while line := lines.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                raise DataError(
                    f"A line has over {LONGEST_LINE:,} characters. Lines of text were expected; check the input."
                )
            yield line.removesuffix("\n")


def _with_replacements(model: Run, lines: Iterable[str], replacements: dict[str, str]) -> Iterator[str]:
    """The same lines; the replacements of characters that the model does not know are added to `replacements`."""
    seen: set[str] = set()
    for line in lines:
        if new := set(line) - seen:
            seen |= new
            replacements.update(model.replacements("".join(sorted(new))))
        yield line


def _most_surprising(scores: Iterable[RankedLine], top: int) -> list[RankedLine]:
    """Blank lines are left out: their only character is the line end, so they always rank high."""
    written = (line for line in scores if line.text.strip())
    return heapq.nlargest(top, written, key=lambda line: (line.nats, -line.number))


def _print_line(line: RankedLine, json: bool) -> None:
    if json:
        facts = {"line": line.number, "nats": line.nats, "rank": line.rank, "characters": line.characters}
        facts |= {} if line.adapted is None else {"adapted": line.adapted}
        print_json(facts | {"text": line.text})
    else:
        rank = "-" if line.rank is None else f"{line.rank:.3f}"
        adapted = "" if line.adapted is None else f"{line.adapted:.3f}\t"
        say(f"{line.number}\t{line.nats:.3f}\t{rank}\t{adapted}{line.text}")
