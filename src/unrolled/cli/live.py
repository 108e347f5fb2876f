"""The live view of a training, drawn with rich on standard error."""

from __future__ import annotations

import sys
import time
from typing import IO, TYPE_CHECKING, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from unrolled.cli.output import TolerantStream
from unrolled.cli.view import View, byte_count, clock, is_untrained, memorisation_line, share_done
from unrolled.escaping import escape_controls
from unrolled.registry import UNTRAINED

if TYPE_CHECKING:
    from unrolled.run import Report, Training

FRAMES_PER_SECOND = 2  # drawing costs the training's own processor time
NARROW = 60  # columns; below it, only one panel is shown
OTHER_LINES = 6  # lines of the view outside the panels
MOST_LINES = 16  # of a panel


def drawing_console() -> Console:
    """A console on standard error; where the terminal is gone, drawing ends and the work goes on."""
    return Console(file=cast(IO[str], TolerantStream(sys.stderr)), highlight=False)


class LiveView(View):
    """Progress, numbers, the first sample beside the newest one, and how much of that is memorised."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self.console = console or drawing_console()
        self._report: Report | None = None
        self._shown = time.monotonic()  # when the newest report came
        self._validation: Report | None = None  # the newest report with a validation
        self._stopping = False
        self._first_work = ""  # the work before the first report
        self._live = Live(
            console=self.console,
            get_renderable=self.draw,
            refresh_per_second=FRAMES_PER_SECOND,
            vertical_overflow="crop",
        )

    def begin(self, training: Training) -> None:
        self._training = training
        untrained = UNTRAINED.get(training.settings.model or "")
        self._first_work = f"Fitting the {untrained[0] if untrained else 'baseline'} …"
        self._live.start()
        self._print_lines()

    def show(self, report: Report) -> None:
        self.keep_sample(report)
        if report.validation is not None:
            self._validation = report
        self._report, self._shown = report, time.monotonic()
        self._print_lines()
        for remark in report.notes:
            self.console.print(Text(escape_controls(remark), style="yellow"))

    def stopping(self) -> None:
        self._stopping = True  # the next frame shows it

    def close(self) -> None:
        self._live.stop()

    def draw(self) -> RenderableType:
        """One frame."""
        report = self._report
        if report is None:
            return Text("Ending tidily …" if self._stopping else self._first_work, style="dim")
        if is_untrained(self._training):  # all is in the line of its validation
            return Group()
        lines: list[RenderableType] = [self._draw_progress(report), self._draw_numbers(report)]
        if self.first is not None and self.latest is not None:
            lines.append(self._draw_samples(self.first, self.latest))
            if (copied := memorisation_line(self.latest)) is not None:
                lines.append(Text(copied, style="dim"))
        if self._stopping:
            lines.append(Text("Ending tidily; press Ctrl-C again to end at once.", style="yellow"))
        return Group(*lines)

    def _draw_progress(self, report: Report) -> RenderableType:
        since = time.monotonic() - self._shown
        left = "" if report.seconds_left is None else f", {clock(report.seconds_left - since)} left"
        row = Table.grid(expand=True, padding=(0, 1))
        row.add_column(ratio=1)
        row.add_column(no_wrap=True)
        done = share_done(report)
        bar = ProgressBar(total=1.0, completed=done)
        row.add_row(bar, Text(f"{done:4.0%}  step {report.step:,} of {report.steps:,}{left}"))
        return row

    def _draw_numbers(self, report: Report) -> Text:
        text = Text.assemble("loss ", (f"{report.loss:.3f}" if report.step else "–", "bold"))
        baseline = self._training.baseline
        baseline_nats = None if baseline is None else baseline.validation
        if self._validation is not None and (nats := self._validation.validation) is not None:
            style = "bold" if baseline_nats is None else "bold green" if nats < baseline_nats else "bold red"
            text.append("   validation ")
            text.append(f"{nats:.3f}", style=style)
            best = self._validation.best
            unit = self._training.terms.unit
            text.append(f" {unit} (best {best:.3f})" if best is not None else f" {unit}")
        if baseline_nats is not None:
            text.append(f"   baseline ({self._training.terms.baseline}) {baseline_nats:.3f}")
        speed = f"   {report.tokens_per_second:,.0f} {self._training.terms.items}/s"
        text.append(f"{speed}   {byte_count(report.bytes_in_use)}", style="dim")
        return text

    def _draw_samples(self, first: Report, latest: Report) -> RenderableType:
        terms = self._training.terms
        height = max(3, min(MOST_LINES, self.console.height - OTHER_LINES)) - 2
        panels = [
            _panel(f"what it {terms.first_heading} at first (step {first.step:,})", first, height, "dim"),
            _panel(f"what it {terms.newest_heading} now (step {latest.step:,})", latest, height, "cyan"),
        ]
        if self.console.width < NARROW:
            return panels[1]
        row = Table.grid(expand=True)
        row.add_column(ratio=1)
        row.add_column(ratio=1)
        row.add_row(*panels)
        return row

    def _print_lines(self) -> None:
        for line in self.new_lines(self._training):
            self.console.print(Text(escape_controls(line)))


def _panel(title: str, report: Report, height: int, style: str) -> Panel:
    text = Text(escape_controls((report.sample or "").expandtabs(4)), overflow="fold")
    return Panel(text, title=Text(title), title_align="left", border_style=style, height=height + 2)
