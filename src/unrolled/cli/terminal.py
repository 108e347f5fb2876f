"""The views of a training: a live view in a terminal, plain lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from unrolled.cli.output import note, print_json
from unrolled.cli.view import View, byte_count, clock, is_untrained, memorisation_line, share_done

if TYPE_CHECKING:  # torch is imported only when a command runs
    from unrolled.run import Report, Training

PLAIN_SAMPLE = 300  # characters of a sample shown where there is no terminal


class QuietView(View):
    """Shows nothing."""

    def begin(self, training: Training) -> None: ...

    def show(self, report: Report) -> None: ...

    def stopping(self) -> None: ...

    def close(self) -> None: ...


class JsonView(View):
    """One JSON object per line on standard output: {"kind": "start"}, then one {"kind": "report"} per report."""

    def begin(self, training: Training) -> None:
        self._training = training

    def show(self, report: Report) -> None:
        if self.latest is None:
            self.latest = report
            print_json({"kind": "start"} | start_facts(self._training))
        print_json({"kind": "report"} | report.to_dict())

    def stopping(self) -> None: ...

    def close(self) -> None: ...


class LinesView(View):
    """One line per report on standard error, and at the end the first sample and the newest."""

    def begin(self, training: Training) -> None:
        self._training = training
        self._print_lines()

    def show(self, report: Report) -> None:
        self.keep_sample(report)
        self._print_lines()
        for remark in report.notes:
            note(remark)
        if not is_untrained(self._training):  # else all is in the line of its validation
            note(report_line(report, self._training.terms.items))

    def stopping(self) -> None:
        with suppress(OSError):  # a terminal that is gone
            # not by `note`: the stream may be in the middle of a line
            os.write(2, b"Ending tidily; press Ctrl-C again to end at once.\n")

    def close(self) -> None:
        if self.first is not None and self.latest is not None:
            terms = self._training.terms
            for title, report in (
                (f"At first it {terms.first_heading}", self.first),
                (f"Now it {terms.newest_heading}", self.latest),
            ):
                note(f"{title} (step {report.step:,}):\n{excerpt(report.sample or '')}")

    def _print_lines(self) -> None:
        for line in self.new_lines(self._training):
            note(line)


def open_view(json: bool, quiet: bool) -> View:
    """The view for these options and this terminal."""
    if json:
        return JsonView()
    if quiet:
        return QuietView()
    if can_draw():
        from unrolled.cli.live import LiveView  # rich takes 0.1 s

        return LiveView()
    return LinesView()


def can_draw() -> bool:
    """Whether standard error is a terminal with colours and cursor movement, and the user has not disabled them."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") in ("dumb", "unknown")
    return not plain and is_terminal()


def is_terminal() -> bool:
    """Whether standard error is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


def start_facts(training: Training) -> dict[str, object]:
    """The facts of a training that are known at its first report."""
    return {
        "run": str(training.folder),
        "description": training.description,
        "plan": training.plan_line,
        "baseline": None if training.baseline is None else training.baseline.facts(),
    }


def report_line(report: Report, items: str = "tokens") -> str:
    """A report in one line."""
    left = "" if report.seconds_left is None else f", {clock(report.seconds_left)} left"
    fields = [
        f"step {report.step:,} of {report.steps:,} ({share_done(report):.0%})",
        f"{clock(report.seconds)} elapsed{left}",
    ]
    if report.step > 0:  # before the first update there is no training loss and no speed
        fields.append(f"loss {report.loss:.3f}")
    if report.validation is not None:
        fields.append(f"validation {report.validation:.3f}")
    if report.step > 0:
        fields.append(f"{report.tokens_per_second:,.0f} {items}/s")
    fields.append(byte_count(report.bytes_in_use))
    if (copied := memorisation_line(report)) is not None:
        fields.append(copied)
    return "  ".join(fields)


def excerpt(sample: str) -> str:
    """The beginning of a sample, indented: whole lines, as far as there are several."""
    shown = sample[:PLAIN_SAMPLE]
    if len(sample) > PLAIN_SAMPLE and "\n" in shown:
        shown = shown.rpartition("\n")[0]
    return "\n".join("  " + line for line in shown.splitlines())
