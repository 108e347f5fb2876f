"""`unroll compare`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from unrolled.cli.live import drawing_console
from unrolled.cli.options import Json, Quiet, takes
from unrolled.cli.output import note, print_json, say
from unrolled.cli.terminal import can_draw
from unrolled.cli.train import Interrupts
from unrolled.compare_options import CompareSettings
from unrolled.errors import MissingExtra
from unrolled.escaping import one_line
from unrolled.interrupts import STOPPED

if TYPE_CHECKING:
    from unrolled.compare import Comparison


@takes(CompareSettings)
def compare(
    data: Annotated[
        str,
        typer.Argument(metavar="DATA", help="a text; or a task: copy, recall, adding, parity, associative"),
    ],
    settings: CompareSettings,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train models side by side and compare them.

    All are trained on the same data in the same time, with several seeds. The conclusions name the differences that
    are significant. After an interruption, the same command resumes the comparison. All figures, the runs and a
    self-contained page are saved in one folder.

    \b
    Examples:
      unroll compare poems.txt
      unroll compare poems.txt --models lstm,transformer --parameters 500000 --minutes 5
      unroll compare poems.txt --models lstm --bptt full,truncated:k1=8
      unroll compare recall --lag 10,50,200 --models lstm,attention:span=64 --bptt full,truncated:k1=32
    """
    from unrolled.compare import Comparison
    from unrolled.compare.page import check_plotting

    with Interrupts():
        comparison = Comparison(data, settings)
        try:
            check_plotting()
        except MissingExtra as missing:
            note(f"{missing} Without it, there is a table and no page.", quiet)
        quiet = quiet or json
        note(comparison.description, quiet)
        note(comparison.plan_line, quiet)
        try:
            with show(comparison, quiet) as show_line:
                for line in comparison:
                    show_line(line)
        except KeyboardInterrupt:
            note(f"\nStopped. The results so far are in {comparison.path}; the same command resumes from there.")
            raise typer.Exit(STOPPED) from None
        print_results(comparison, json, quiet)


def print_results(comparison: Comparison, json: bool, quiet: bool) -> None:
    """Prints the result: one row per model and BPTT strategy, and the conclusions."""
    rows, page = comparison.rows(), comparison.write_page(comparison.command)
    sentences = comparison.sentences()
    if json:
        for row in rows:
            print_json({"kind": "row"} | row)
        end = {"kind": "end", "folder": str(comparison.path), "page": page and str(page), "sentences": sentences}
        print_json(end)
        return
    console = Console(highlight=False, color_system=None, width=None if sys.stdout.isatty() else 200)
    with console.capture() as drawn:
        console.print(draw_table(comparison))
    say(drawn.get(), end="")
    say("\n".join(sentences))
    note(f"Saved to {comparison.path}" + (f"; page: {page}" if page else ""), quiet)


def draw_table(comparison: Comparison) -> Table:
    """The results so far, the best first."""
    table = Table(box=box.SIMPLE)
    lines = comparison.table()
    for k, name in enumerate(lines[0]):
        table.add_column(name, justify="left" if k == 0 else "right")
    for line in lines[1:]:
        table.add_row(*map(Text, map(one_line, line)))
    return table


class _Frame:
    """One frame of the live view: the table, with the current progress below it."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison, self.progress = comparison, ""

    def __rich__(self) -> RenderableType:
        return Group(draw_table(self.comparison), Text(one_line(self.progress), style="dim"))


@contextmanager
def show(comparison: Comparison, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Yields a function that shows a line of progress."""
    if quiet:
        yield lambda line: None
    elif can_draw():
        frame = _Frame(comparison)
        with Live(frame, console=drawing_console(), refresh_per_second=2):
            yield lambda line: setattr(frame, "progress", line)
    else:
        yield _Lines()


class _Lines:
    """Prints a line for each new cell, and its progress every few seconds."""

    EVERY = 10.0  # seconds

    def __init__(self) -> None:
        self._printed, self._cell = 0.0, ""  # time of the last line, its cell

    def __call__(self, line: str) -> None:
        cell = line.split(": ", 2)[0]
        if cell != self._cell or time.monotonic() - self._printed > self.EVERY:
            note(line)
            self._printed, self._cell = time.monotonic(), cell
