"""The live view, and the text that both views share."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import fake_run
import pytest
from rich.console import Console

from unrolled.cli.live import LiveView
from unrolled.cli.terminal import LinesView, can_draw, excerpt, open_view, report_line
from unrolled.cli.view import byte_count, clock
from unrolled.options import TrainOptions
from unrolled.rundir.report import Report


def frame(width: int, *reports: Report, height: int = 40, stopping: bool = False) -> str:
    """The contents of the terminal after these reports."""
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    view = LiveView(console)
    training = fake_run.Training("text", TrainOptions(), started=time.monotonic())
    training.baseline = fake_run.Baseline()
    view.begin(training)  # type: ignore[arg-type]
    for report in reports:
        view.show(report)
    if stopping:
        view.stopping()
    view.close()
    with console.capture() as drawn:
        console.print(view.draw())
    return drawn.get()


FIRST = fake_run.report(0, sample="qqq\x1b[31mz", validation=4.2, best=4.2)
LATER = fake_run.report(3, sample="to be", validation=1.45, best=1.45, memorised_longest=31, memorised_share=0.125)


def test_the_live_view_shows_the_first_and_the_latest_sample() -> None:
    drawn = frame(120, FIRST, LATER, fake_run.report(4))
    beside = next(line for line in drawn.splitlines() if "qqq" in line)
    assert r"qqq\x1b[31mz" in beside and "to be" in beside
    for said in ("at first (step 0)", "now (step 3)", "validation 1.450", "best 1.450", "baseline (n-gram) 1.517",
                 "longest run 31 tokens, 12.5% of its 50-token segments", "step 4 of 5", "41,000 tokens/s", "312 MB",
                 "1:02:03 left", "loss 1.500"):  # fmt: skip
        assert said in drawn


def test_the_last_update_is_all_of_the_progress_also_where_time_ran_out() -> None:
    last = fake_run.report(5)
    assert last.progress == 0.5 and last.step == last.steps
    assert "100%  step 5 of 5" in frame(80, last)
    assert "step 5 of 5 (100%)" in report_line(last)


def test_a_sample_is_cut_at_the_end_of_a_line() -> None:
    assert excerpt("one\ntwo") == "  one\n  two"
    assert excerpt("a line of a table -> yes\n" * 20).splitlines() == ["  a line of a table -> yes"] * 12
    assert excerpt("x" * 400) == "  " + "x" * 300


def test_a_narrow_terminal_has_one_panel() -> None:
    drawn = frame(50, FIRST, LATER)
    assert "now (step 3)" in drawn and "at first" not in drawn


def test_the_panels_fit_a_low_terminal() -> None:
    long = fake_run.report(0, sample="line\n" * 200)
    assert len(frame(80, long, height=16).splitlines()) <= 16


def test_before_the_first_report_and_while_ending() -> None:
    assert "Fitting the baseline" in frame(80)
    assert "Ending tidily" in frame(80, FIRST, stopping=True)


def test_a_terminal_gets_the_live_view_and_is_restored(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {"TERM": "xterm", "PATH": os.environ["PATH"], "COLUMNS": "100", "LINES": "30"}
    with subprocess.Popen(
        [sys.executable, fake_run.__file__, "train", "text"], stdin=theirs, stdout=theirs, stderr=theirs,
        cwd=tmp_path, env=environment,
    ) as process:  # fmt: skip
        os.close(theirs)
        seen = b""
        while True:
            try:
                seen += os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
        assert process.wait() == 0
    os.close(ours)
    text = seen.decode()
    assert "now (step 5)" in text and "Test: 1.400 nats" in text
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l")  # the cursor is shown again


@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {}])
def test_plain_lines_where_there_is_no_terminal(plain: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return bool(plain)

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in plain.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert not can_draw()
    assert isinstance(open_view(json=False, quiet=False), LinesView)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (6.6, "0:07"), (59.6, "1:00"), (3723, "1:02:03"), (-3, "0:00")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (312e6, "312 MB"), (2.5e9, "2.5 GB"), (4e12, "4.0 TB")],
)
def test_byte_count(count: float, text: str) -> None:
    assert byte_count(count) == text
