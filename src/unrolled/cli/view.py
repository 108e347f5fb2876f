"""What every view of a training is, and how its figures are written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

from unrolled.registry import UNTRAINED

if TYPE_CHECKING:  # torch is imported where a command works, not where it is named
    from unrolled.run import Report, Training


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
