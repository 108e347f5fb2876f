"""The interface of the views of a training, and the format of their figures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

from unrolled.registry import UNTRAINED

if TYPE_CHECKING:  # torch is imported only when a command runs
    from unrolled.run import Report, Training


class View(ABC):
    """Shows one training, from `begin` to `close`. A subclass is final."""

    def __init__(self) -> None:
        self.first: Report | None = None  # the first report with a sample
        self.latest: Report | None = None  # the newest report with a sample
        self._printed: set[str] = set()
        self._training: Training  # set by `begin`

    @abstractmethod
    def begin(self, training: Training) -> None:
        """Shows the description of the data, before the first report."""

    @abstractmethod
    def show(self, report: Report) -> None:
        """Shows one report."""

    @abstractmethod
    def stopping(self) -> None:
        """Shows that a stop was requested. Called from a signal handler: it may write, but not wait."""

    @abstractmethod
    def close(self) -> None:
        """Restores the terminal, after the last report or an error."""

    def keep_sample(self, report: Report) -> None:
        """Keeps the first and the newest sample."""
        if report.sample is not None:
            step, text = self._training.first_sample or (report.step, report.sample)  # possibly of an earlier session
            self.first = self.first or replace(report, step=step, sample=text)
            self.latest = report

    def new_lines(self, training: Training) -> list[str]:
        """The lines on data, plan and baseline that are known by now and not yet returned."""
        baseline = training.baseline
        lines = {"description": training.description, "plan": training.plan_line}
        if baseline is not None:
            nats = "" if baseline.validation is None else f", {baseline.validation:.3f} {training.terms.unit}"
            heading = "Validation" if is_untrained(training) else "Baseline"
            lines["baseline"] = f"{heading}: {baseline.name}{nats}"
        new = [line for name, line in lines.items() if name not in self._printed]
        self._printed.update(lines)
        return new


def is_untrained(training: Training) -> bool:
    """Whether only an n-gram is counted or a linear model is fitted: then no updates are reported."""
    return training.settings.model in UNTRAINED


def share_done(report: Report) -> float:
    """The share of the updates that are done: 1 after the last one, also where time ran out."""
    return 1.0 if report.step == report.steps else report.progress


def memorisation_line(report: Report) -> str | None:
    """How much of the sample is copied verbatim from the training text, where that was measured."""
    if report.memorised_longest is None:
        return None
    share = "" if report.memorised_share is None else f", {report.memorised_share:.1%} of its 50-token segments"
    return f"copied verbatim: longest run {report.memorised_longest} tokens{share}"


def clock(seconds: float) -> str:
    """Seconds as text: 0:07, 12:30 or 1:02:03."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def byte_count(count: float) -> str:
    """Bytes as text: 312 MB, where a MB is a million bytes."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            break
        count, unit = count / 1000, {"B": "kB", "kB": "MB", "MB": "GB", "GB": "TB"}[unit]
    return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
