"""A memory of the user's own: named on the command line, checked against the laws, and never imported because a
file names it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Unroll

import unrolled
import unrolled.memory
from unrolled.memory import MEMORIES

KEPT = """
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unrolled.memory import Memory, unroll_by_steps


class LeakyState(NamedTuple):
    level: Tensor


class Leaky(Memory):
    def __init__(self, input_size: int, size: int, keep: float = 0.9) -> None:
        super().__init__()
        self.input_size, self.size, self.keep = input_size, size, keep
        self.mix = nn.Linear(input_size, size)

    def start(self, rows):
        return LeakyState(self.mix.weight.new_zeros(rows, self.size))

    def step(self, x, state):
        level = self.keep * state.level + (1 - self.keep) * self.mix(x)
        return level, LeakyState(level)

    def unroll(self, xs, state, lengths=None):
        return unroll_by_steps(self, xs, state, lengths)
"""
BROKEN = """
from leaky import Leaky, LeakyState

class Runs(Leaky):
    def unroll(self, xs, state, lengths=None):
        return super().unroll(xs, state)

class Lacks(Leaky.__mro__[1]):
    def start(self, rows):
        return None
"""
SMALL = ("--steps", "3", "--hidden-size", "8", "--batch-size", "4", "--window", "8", "--threads", "1", "--quiet")
TRAIN = ("train", "days.txt", *SMALL)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a text, a module with a sound memory and a module with faulty ones; none of them is registered
    yet."""
    (tmp_path / "days.txt").write_text("".join(f"Day {n}: {('sun', 'rain')[n % 2]}.\n" for n in range(300)))
    (tmp_path / "leaky.py").write_text(KEPT)
    (tmp_path / "faulty.py").write_text(BROKEN)
    (tmp_path / "needs.py").write_text("import no_such_package\n")
    (tmp_path / "wrong.py").write_text("class\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    forget()


def forget() -> None:
    """Resets the registry to that of a new process."""
    for name in [name for name in MEMORIES if "." in name]:
        del MEMORIES[name]
    for name in ("leaky", "faulty", "needs", "wrong"):
        sys.modules.pop(name, None)


def test_it_is_trained_by_its_name_and_options(here: Path, unroll: Unroll) -> None:
    for model in ("leaky.Leaky", "leaky.Leaky:keep=0.5", "leaky.Leaky/attention:span=4", "leaky.Leaky+ngram"):
        result = unroll(*TRAIN, "--model", model, "--out", "run " + model.replace("/", " "))
        assert result.code == 0, result.err


def test_a_run_that_names_it_does_not_import_it(here: Path, unroll: Unroll) -> None:
    assert unroll(*TRAIN, "--model", "leaky.Leaky", "--out", "run").code == 0
    forget()
    (here / "leaky.py").write_text("raise SystemExit('this was run')\n" + KEPT)
    for command in (("sample", "run"), ("evaluate", "run"), ("resume", "run", "--steps", "1")):
        result = unroll(*command)
        assert result.code == 2 and "unroll --with leaky.Leaky" in result.err
        assert "from Python: unrolled.memory.register('leaky.Leaky')" in result.err
    (here / "leaky.py").write_text(KEPT)
    result = unroll("--with", "leaky.Leaky", "sample", "run", "--length", "5", "--quiet")
    assert result.code == 0 and result.out
    forget()
    unrolled.memory.register("leaky.Leaky")
    assert "".join(unrolled.load("run").sample(length=5))


def test_compare_accepts_it(here: Path, unroll: Unroll) -> None:
    result = unroll(
        "compare", "recall", "--lag", "2", "--models", "leaky.Leaky", "--steps", "3", "--seeds", "1", "--json"
    )
    assert result.code == 0
    assert json.loads(result.out.splitlines()[0])["model"] == "leaky.Leaky"


@pytest.mark.slow
def test_no_other_file_of_the_working_folder_is_run(here: Path, unroll: Unroll) -> None:
    mark = f"open({str(here / 'was-run')!r}, 'w').close()\n"
    for name in ("unrolled", "torch", "numpy", "json", "runpy", "sacrebleu", "jiwer"):
        (here / f"{name}.py").write_text(mark)
    (here / "leaky.py").write_text("import sacrebleu, jiwer\n" + KEPT)
    (here / "matplotlibrc").write_text("text.usetex: true\n")
    requested = (
        "--models",
        "leaky.Leaky",
        "--steps",
        "3",
        "--seeds",
        "1",
        "--hidden-size",
        "8",
        "--threads",
        "1",
        "--json",
    )
    result = unroll("compare", "days.txt", *requested)
    assert result.code == 0, result.err
    assert json.loads(result.out.splitlines()[0])["model"] == "leaky.Leaky"
    assert not (here / "was-run").exists()


def test_it_may_have_the_name_of_an_installed_module_and_neighbours(here: Path, unroll: Unroll) -> None:
    (here / "jiwer.py").write_text("from leaky import Leaky\n")
    for name in ("jiwer", "leaky"):
        sys.modules.pop(name, None)
    before = list(sys.path)
    assert unroll(*TRAIN, "--model", "jiwer.Leaky", "--out", "run").code == 0
    assert sys.path == before and sys.modules.pop("jiwer").__file__ == str(here / "jiwer.py")


def test_a_memory_that_breaks_a_law_is_refused_with_the_smallest_input(here: Path, unroll: Unroll) -> None:
    result = unroll(*TRAIN, "--model", "faulty.Runs", "--out", "run")
    assert result.code == 2 and not (here / "run").exists()
    assert "faulty.Runs breaks" in result.err and "smallest failing input: 2 rows of 0 and 1 steps" in result.err


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("lekay.Leaky", "no module 'lekay'"),
        ("leaky.Lekay", "Did you mean 'Leaky'?"),
        ("leaky.NamedTuple", "has no class 'NamedTuple'"),
        ("faulty.Lacks", "lacks step, unroll"),
        ("needs.Anything", "needs no_such_package"),
        ("wrong.Anything", "cannot be imported: SyntaxError"),
        ("leaky.Leaky:kept=1", "no option 'kept'. Did you mean 'keep'?"),
        ("..Leaky", "module.Class; got '..Leaky'"),
    ],
)
def test_a_wrong_memory_is_refused(here: Path, unroll: Unroll, model: str, words: str) -> None:
    result = unroll(*TRAIN, "--model", model, "--out", "run")
    assert result.code == 2 and words in result.err, result.err
    assert "Traceback" not in result.err and not (here / "run").exists()
