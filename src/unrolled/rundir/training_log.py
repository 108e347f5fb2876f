"""What a training records step by step in its run folder: plan.jsonl, log.jsonl and samples.txt."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unrolled.errors import RunError
from unrolled.fileio import (
    CHECKSUM,
    PRIVATE,
    PUBLIC,
    append_line,
    read_json_lines,
    to_json,
    with_checksum,
    without_checksum,
    write_atomically,
)
from unrolled.opening import CURE, check_plain_file, read_plain
from unrolled.rundir.facts import PlanFacts, ReportFacts
from unrolled.rundir.formats import upgraded_plan, upgraded_report
from unrolled.schema import check_type

SAMPLE_HEADING = "--- step "  # at the line's start; the lines of a sample are indented
SAMPLES_CURE = "It only holds samples: move it away, and resume."


@dataclass(frozen=True)
class TrainingLog:
    """The plans, reports and samples of a run.

    Each has the step that it belongs to, so that `cut` can remove those after a checkpoint. Writing raises
    TrainingError where the disk is full or refuses; reading raises RunError.
    """

    folder: Path  # of the run
    older: bool  # whether the files have the names of an older format, and are converted when they are read
    has_checksums: bool  # whether every plan has a checksum

    def append_plan(self, step: int, plan: Mapping[str, Any]) -> None:
        """Records the plan that holds from `step` on, synced to disk: call it before the plan is used."""
        append_line(self.folder / "plan.jsonl", _sealed_line({"step": step, **plan}), sync=True)

    def read_plans(self) -> list[dict[str, Any]]:
        """All recorded plans. Raises RunError where a checksum does not match."""
        path = self.folder / "plan.jsonl"
        plans = []
        for number, line in enumerate(read_json_lines(path), start=1):
            source = f"{path}, line {number},"
            plan = without_checksum(line, source, must=self.has_checksums)
            plans.append(check_type(upgraded_plan(plan) if self.older else plan, PlanFacts, source))
        return plans

    def append_report(self, step: int, report: Mapping[str, Any]) -> None:
        """Adds a line to log.jsonl, with a checksum; floats that are not finite become null."""
        line = _sealed_line({"step": step, **report})
        append_line(self.folder / "log.jsonl", line, mode=PRIVATE)  # it holds samples

    def read_reports(self) -> list[dict[str, Any]]:
        """The lines of log.jsonl. Raises RunError where one is damaged; older ones have no checksums."""
        path = self.folder / "log.jsonl"
        lines, reports = read_json_lines(path), []
        must = any(CHECKSUM in line for line in lines)
        for number, line in enumerate(lines, start=1):
            source = f"{path}, line {number},"
            report = without_checksum(line, source, must)
            reports.append(check_type(upgraded_report(report) if self.older else report, ReportFacts, source))
        return reports

    def seconds_used(self) -> float:
        """Seconds that the run had used at its last report; 0 without a report. Raises RunError."""
        reports = self.read_reports()
        if reports and "seconds" not in reports[-1]:
            raise RunError(f"{self.folder}/log.jsonl is damaged: its last line has no 'seconds'. {CURE}")
        return float(reports[-1]["seconds"]) if reports else 0.0

    def append_sample(self, step: int, text: str) -> None:
        """Adds the sample at `step` to samples.txt, under a heading, each line indented."""
        lines = "".join(f"\n    {line}" for line in text.split("\n"))
        append_line(self.folder / "samples.txt", f"{SAMPLE_HEADING}{step}{lines}\n", mode=PRIVATE)

    def read_samples(self) -> list[tuple[int, str]]:
        """(step, text) of every complete sample."""
        return [(step, text) for step, text, _ in self._samples()]

    def check(self) -> None:
        """Raises RunError where one of the files is damaged."""
        self.read_plans()
        self.read_reports()
        self._check_samples()

    def cut(self, step: int, plans: bool = True) -> None:
        """Removes reports, samples and plans after `step`, and lines cut off by a kill, before a run is resumed.

        So a checkpoint must be saved after the reports, samples and plans of its step are written. `plans` is False
        where recorded plans are followed: then all of them stay. Plans of step 0 always stay.
        """
        last = max(step, 0) if plans else math.inf
        self._rewrite_lines("plan.jsonl", [line for line in self.read_plans() if line.get("step", 0) <= last])
        self._rewrite_lines("log.jsonl", [line for line in self.read_reports() if line.get("step", 0) <= step])
        self._rewrite("samples.txt", "".join(written for at, _, written in self._samples() if at <= step))

    def upgrade(self) -> None:
        """Rewrites plans and reports with today's names and with checksums."""
        self._rewrite_lines("plan.jsonl", self.read_plans())
        self._rewrite_lines("log.jsonl", self.read_reports())

    def _rewrite_lines(self, name: str, lines: list[dict[str, Any]]) -> None:
        self._rewrite(name, "".join(_sealed_line(line) + "\n" for line in lines))

    def _rewrite(self, name: str, text: str) -> None:
        path = self.folder / name
        data = text.encode()
        if check_plain_file(path) and read_plain(path) != data:
            write_atomically(path, data, PUBLIC if name == "plan.jsonl" else PRIVATE)

    def _samples(self) -> Iterator[tuple[int, str, str]]:
        """(step, text, text in the file) of every complete sample: an empty line ends each."""
        path = self.folder / "samples.txt"
        written = read_plain(path).decode(errors="replace") if check_plain_file(path) else ""
        for block in written.split("\n\n")[:-1]:
            heading, *lines = block.split("\n")
            step = heading.removeprefix(SAMPLE_HEADING)
            if step.isdecimal():
                yield int(step), "\n".join(line[4:] for line in lines), block + "\n\n"

    def _check_samples(self) -> None:
        """Raises RunError where samples.txt is not in the format of `append_sample`: resuming rewrites it."""
        path = self.folder / "samples.txt"
        data = read_plain(path) if check_plain_file(path) else b""
        try:
            blocks = data.decode().split("\n\n")[:-1]
        except UnicodeDecodeError as error:
            raise RunError(f"{path} is damaged: it is not UTF-8 at byte {error.start}. {SAMPLES_CURE}") from None
        for number, block in enumerate(blocks, start=1):
            heading, *lines = block.split("\n")
            step = heading.removeprefix(SAMPLE_HEADING)
            if step == heading or not step.isdecimal() or not all(line.startswith("    ") for line in lines):
                raise RunError(
                    f"{path} is damaged: sample {number:,} has a wrong heading or indentation. {SAMPLES_CURE}"
                )


def _sealed_line(facts: Mapping[str, Any]) -> str:
    return to_json(with_checksum(facts))
