"""How training is shown: a live view in a terminal, plain lines elsewhere, JSON lines to a program."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from unrolled.cli.output import note, print_json
from unrolled.parts import UNTRAINED

if TYPE_CHECKING:  # torch is imported where a command works, not where it is named
    from unrolled.run import Report, Training

PLAIN_SAMPLE = 300  # characters of a sample shown where there is no terminal


class View(ABC):
    """Shows one training, from `begin` to `close`. A subclass is final."""

    def __init__(self) -> None:
        self.first: Report | None = None  # the first report with a sample
        self.latest: Report | None = None  # the newest with a sample
        self._said: set[str] = set()
        self._training: Training  # set by `begin`

    @abstractmethod
    def begin(self, training: Training) -> None:
        """What was understood, before the first report."""

    @abstractmethod
    def show(self, report: Report) -> None:
        """One report."""

    @abstractmethod
    def stopping(self) -> None:
        """The user asked for the end. Called from a signal handler: it may write, but not wait."""

    @abstractmethod
    def close(self) -> None:
        """The last report was shown, or something went wrong: leaves the terminal as it was."""

    def keep_sample(self, report: Report) -> None:
        """Remembers what it wrote at first and what it writes now."""
        if report.sample is not None:
            step, text = self._training.first_sample or (report.step, report.sample)  # an earlier sitting's, perhaps
            self.first = self.first or replace(report, step=step, sample=text)
            self.latest = report

    def unsaid(self, training: Training) -> list[str]:
        """The lines on data, plan and baseline that are known by now and were not handed out before."""
        baseline = training.baseline
        lines = {"description": training.description, "plan": training.plan_line}
        if baseline is not None:
            nats = "" if baseline.validation is None else f": {baseline.validation:.3f} {training.terms.unit}"
            itself = training.settings.model in UNTRAINED  # then there is nothing that is to beat it
            lines["baseline"] = f"{'Validation' if itself else 'To beat'}: {baseline.name}{nats}"
        fresh = [line for name, line in lines.items() if name not in self._said]
        self._said.update(lines)
        return fresh


class QuietView(View):
    """Shows nothing."""

    def begin(self, training: Training) -> None: ...

    def show(self, report: Report) -> None: ...

    def stopping(self) -> None: ...

    def close(self) -> None: ...


class JsonView(View):
    """A JSON object a line on standard output: {"kind": "start"}, then {"kind": "report"} each."""

    def begin(self, training: Training) -> None:
        self._training = training

    def show(self, report: Report) -> None:
        if self.latest is None:
            self.latest = report
            print_json({"kind": "start"} | start_facts(self._training))
        print_json({"kind": "report"} | report.as_dict())

    def stopping(self) -> None: ...

    def close(self) -> None: ...


class LinesView(View):
    """A line a report on standard error, and at the end what it wrote at first and what it writes now."""

    def begin(self, training: Training) -> None:
        self._training = training
        self._say()

    def show(self, report: Report) -> None:
        self.keep_sample(report)
        self._say()
        for remark in report.notes:
            note(remark)
        note(report_line(report, self._training.terms.items))

    def stopping(self) -> None:
        with suppress(OSError):  # a terminal that is gone
            os.write(2, b"Ending tidily; once more ends at once.\n")  # a line may be in the middle of being written

    def close(self) -> None:
        if self.first is not None and self.latest is not None:
            terms = self._training.terms
            for title, report in (
                (f"At first it {terms.wrote}", self.first),
                (f"Now it {terms.writes}", self.latest),
            ):
                note(f"{title} (step {report.step:,}):\n{indent((report.sample or '')[:PLAIN_SAMPLE])}")

    def _say(self) -> None:
        for line in self.unsaid(self._training):
            note(line)


def open_view(json: bool, quiet: bool) -> View:
    """The view that fits: --json, --quiet, a terminal that can be drawn on, or anything else."""
    if json:
        return JsonView()
    if quiet:
        return QuietView()
    if can_draw():
        from unrolled.cli.live import LiveView  # rich takes 0.1 s

        return LiveView()
    return LinesView()


def can_draw() -> bool:
    """Whether standard error is a terminal that takes colours and moves its cursor, and the user wants that."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") in ("dumb", "unknown")
    return not plain and is_terminal()


def is_terminal() -> bool:
    """Whether a person sees what goes to standard error."""
    return sys.stderr is not None and sys.stderr.isatty()


def start_facts(training: Training) -> dict[str, object]:
    """What is known of a training when its first report comes."""
    return {
        "run": str(training.folder),
        "description": training.description,
        "plan": training.plan_line,
        "baseline": None if training.baseline is None else training.baseline.facts(),
    }


def report_line(report: Report, items: str = "symbols") -> str:
    """A report in one line."""
    left = "" if report.seconds_left is None else f", {clock(report.seconds_left)} left"
    parts = [
        f"step {report.step:,} of {report.steps:,} ({report.progress:.0%})",
        f"{clock(report.seconds)} gone{left}",
    ]
    if report.step > 0:  # before the first update there is neither a training loss nor a speed
        parts.append(f"loss {report.loss:.3f}")
    if report.validation is not None:
        parts.append(f"validation {report.validation:.3f}")
    if report.step > 0:
        parts.append(f"{report.symbols_a_second:,.0f} {items}/s")
    parts.append(byte_count(report.bytes_in_use))
    if (copied := copied_line(report)) is not None:
        parts.append(copied)
    return "  ".join(parts)


def copied_line(report: Report) -> str | None:
    """How much of the report's sample is copied, where it was measured."""
    if report.copied_longest is None:
        return None
    share = "" if report.copied_share is None else f", {report.copied_share:.1%} of its 50-character pieces"
    return f"copied: longest run {report.copied_longest}{share}"


def clock(seconds: float) -> str:
    """Seconds as 0:07, 12:30 or 1:02:03."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def byte_count(count: float) -> str:
    """Bytes as 312 MB; a MB is a million bytes."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            break
        count, unit = count / 1000, {"B": "kB", "kB": "MB", "MB": "GB", "GB": "TB"}[unit]
    return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"


def indent(text: str) -> str:
    """Each line two characters to the right."""
    return "\n".join("  " + line for line in text.splitlines())
