"""Damaged inputs end with exit code 0 or 2, with a message, soon, in little memory: 300 cases, drawn by a seed
(tests/fuzzing.py)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fuzzing import TARGETS, Outcome

ROOT = Path(__file__).parents[1]
CASES = 300  # total over all targets


def faults(name: str, count: int, seed: int, out: Path) -> list[str]:
    """Tries this number of cases in a process of its own, which has computed nothing before it forks."""
    program = str(ROOT / "benchmarks/hostile_inputs.py")
    command = [sys.executable, program, "--target", name, "--cases", str(count), "--out", str(out)]
    subprocess.run([*command, "--seed", str(seed)], check=True, capture_output=True, timeout=count * 25 + 120)
    outcomes = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(outcomes) == count
    return [f"{one['command']}, {one['done']}: {one['fault']}\n{one['said']}" for one in outcomes if one["fault"]]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", TARGETS)
def test_damaged_inputs_are_refused_or_read(name: str, tmp_path: Path) -> None:
    found = faults(name, CASES // len(TARGETS), 23, tmp_path / "outcomes.jsonl")
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize(
    ("code", "seconds", "size", "said", "fault"),
    [
        (0, 0.1, 1, "", ""),
        (2, 0.1, 1, "unroll: run.json is damaged", ""),
        (2, 0.1, 1, "", "no message"),
        (1, 0.1, 1, "unroll: full", "exit 1"),
        (-9, 25.0, 1, "", "exit -9, 25.0 s"),
        (0, 0.1, 3 << 30, "", "3072 MB"),
        (0, 0.1, 1, "CHANGED ELSEWHERE", "a file elsewhere was changed"),
        (99, 0.1, 1, "Traceback (most recent call last):", "a traceback, exit 99"),
    ],
)
def test_the_fuzzer_detects_a_planted_fault(code: int, seconds: float, size: int, said: str, fault: str) -> None:
    assert Outcome("run", 1, "nothing", "info run", code, seconds, size, said).fault == fault
