"""A budget in minutes counts from the start of the process."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from unrolled.cli import started


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_the_start_of_the_process_is_before_its_imports() -> None:
    code = "import time; time.sleep(0.5); from unrolled.cli.started import process_started as began; "
    code += "print(time.monotonic() - began())"
    before = time.monotonic()
    age = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert 0.5 <= age <= time.monotonic() - before + 0.1


def test_a_process_that_did_something_else_counts_from_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(started, "LONGEST_START", -1.0)
    before = time.monotonic()
    assert before <= started.process_started() <= time.monotonic()
