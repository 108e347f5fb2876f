"""`unroll score`."""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli.bridge import Adapt, Device, Json, Quiet, Threads, whole_number
from unrolled.cli.output import note, print_json, say
from unrolled.cli.sample import tell_stand_ins
from unrolled.errors import DataError, OptionError

if TYPE_CHECKING:
    from unrolled.run import RankedLine, Run


def score(
    paths: Annotated[
        list[str], typer.Argument(metavar="[RUN] FILE", help="a run (the newest under runs/), and a file or -")
    ],
    top: Annotated[
        int | None,
        typer.Option(parser=whole_number("--top"), help="the N most surprising lines alone, blank ones left out"),
    ] = None,
    alone: Annotated[bool, typer.Option("--alone", help="each line by itself, those before it forgotten")] = False,
    adapt: Adapt = False,
    device: Device = "auto",
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The surprise of each line: finds the odd one in a log.

    Lines are answered as they come, in four columns between tabs: the line's number, nats a character, its rank
    (the share of the validation part's lines that surprise less: 0.99 is odd), and the line.

    With --adapt one more column before the line: nats a character to a copy that learns from each line once it
    was scored.

    \b
    Examples:
      unroll score runs/syslog today.log --top 20
      tail -f today.log | unroll score runs/syslog -
      unroll score names.txt --alone --json
    """
    if len(paths) > 2:
        raise OptionError(f"A run and a file were expected; {len(paths)} paths came: {' '.join(paths)}.\n"
                          "unroll score RUN FILE, a file at a time.")  # fmt: skip
    if top is not None and top < 1:
        raise OptionError(f"--top is a whole number of at least 1; got {top}.")
    run = paths[0] if len(paths) == 2 else None
    lines = read_lines(paths[-1])
    from unrolled.run import load

    model = load(run, device, threads)
    stand_ins: dict[str, str] = {}
    scores = model.score(_watched(model, lines, stand_ins), alone=alone, adapt=adapt)
    note("line\tnats\trank\t" + ("adapted\t" if adapt else "") + "text", quiet or json)
    try:
        for line in scores if top is None else _strangest(scores, top):
            _answer(line, json)
    finally:
        tell_stand_ins(stand_ins, "these lines", quiet)


def read_lines(path: str) -> Iterator[str]:
    """The lines of a file, or of standard input for "-", as they come; bytes that are no UTF-8 become lone
    surrogates. Raises DataError at once for a path that cannot be read."""
    from unrolled.data.text import file_of_text, look_at
    from unrolled.given import as_path

    path = as_path(path)
    if path == "-":
        if sys.stdin is None:
            raise DataError("Standard input is closed. Send lines to it, or name a file.")
        return _decoded(sys.stdin.fileno(), "utf-8-sig")
    if Path(path).is_dir():
        raise DataError(f"{path} is a folder; a file of lines was expected, or - for standard input.")
    look_at(Path(path))
    whole = Path(path).is_file()  # else a pipe, which can be read only once
    encoding = file_of_text(Path(path), path, any_bytes=True).encoding if whole else "utf-8-sig"
    return _decoded(path, encoding)


def _decoded(source: str | int, encoding: str) -> Iterator[str]:
    from unrolled.data.table_file import LONGEST_LINE

    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    with open(source, encoding=encoding, errors=errors, closefd=not isinstance(source, int)) as lines:
        while line := lines.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                raise DataError(f"A line has no end within {LONGEST_LINE:,} characters. Is it text, in lines?")
            yield line.removesuffix("\n")


def _watched(model: Run, lines: Iterable[str], stand_ins: dict[str, str]) -> Iterator[str]:
    """The same lines; what the model reads in place of characters it has never met is put into `stand_ins`."""
    met: set[str] = set()
    for line in lines:
        if unmet := set(line) - met:
            met |= unmet
            stand_ins.update(model.stand_ins("".join(sorted(unmet))))
        yield line


def _strangest(scores: Iterable[RankedLine], top: int) -> list[RankedLine]:
    """Blank ones are left out: with no character but their end, they are always among the strangest."""
    written = (line for line in scores if line.text.strip())
    return heapq.nlargest(top, written, key=lambda line: (line.nats, -line.number))


def _answer(line: RankedLine, json: bool) -> None:
    if json:
        facts = {"line": line.number, "nats": line.nats, "rank": line.rank, "characters": line.characters}
        facts |= {} if line.adapted is None else {"adapted": line.adapted}
        print_json(facts | {"text": line.text})
    else:
        rank = "-" if line.rank is None else f"{line.rank:.3f}"
        adapted = "" if line.adapted is None else f"{line.adapted:.3f}\t"
        say(f"{line.number}\t{line.nats:.3f}\t{rank}\t{adapted}{line.text}")
