"""A replacement for `unrolled.run` that trains nothing, so that the terminal output can be tested quickly.

Run as a script, it is the command `unroll` with this module in place of `unrolled.run`.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from unrolled.errors import DataError, TrainingError
from unrolled.options import TrainOptions
from unrolled.rundir.own_files import is_run as is_run
from unrolled.rundir.report import Report
from unrolled.settings import SampleSettings

if TYPE_CHECKING:  # needs torch
    from unrolled.metrics.reach import Reach

STEPS = 5


def report(step: int, **more: Any) -> Report:
    """A report of half a training of five updates."""
    figures = {"progress": 0.5, "seconds": 61.0, "seconds_left": 3723.0, "loss": 1.5, "learning_rate": 0.01}
    speed = {"tokens": 0, "tokens_per_second": 41_000.0, "bytes_in_use": 312_000_000}
    return Report(step=step, steps=STEPS, **figures | speed | more)


class Baseline(NamedTuple):
    name: str = "7-gram (Kneser–Ney)"
    validation: float = 1.517

    def facts(self) -> dict[str, Any]:
        return self._asdict()


class LanguageModelingSummary:
    lines = ("Test: 1.400 nats per character.", "It beats the 7-gram.")

    def to_dict(self) -> dict[str, Any]:
        return {"nats": 1.4, "trend": float("nan")}


class Training:
    """Yields five reports; with `slow` in the path, one per second. Its arguments are in `requested`."""

    requested: TrainOptions
    terms = SimpleNamespace(unit="nats per character", items="tokens", baseline="n-gram", first_heading="wrote",
    newest_heading="writes",
                            next_command="sample")  # fmt: skip
    description, plan_line = "5 characters of text", "lstm, 8 wide"
    baseline: Baseline | None = None
    summary: LanguageModelingSummary | None = None
    first_sample: tuple[int, str] | None = None
    stopped = False
    closing_notes: tuple[str, ...] = ()

    def __init__(self, path: str, settings: TrainOptions, started: float | None = None, **more: Any) -> None:
        if "absent" in path:
            raise DataError(f"{path}: no such file.")
        assert started is not None and 0 <= time.monotonic() - started < 60
        Training.requested = self.options = self.settings = settings
        self.path, self.folder = path, Path(more.get("out", settings.out) or "runs/fake")

    @classmethod
    def resume(cls, run: str | None, minutes: float | None, steps: int | None, started: float | None) -> Training:
        return cls("text", TrainOptions(minutes=minutes, steps=steps), started, out=run)

    def stop(self) -> None:
        self.stopped = True

    def __iter__(self) -> Iterator[Report]:
        yield report(0, sample="qx\x1b[2Jz", validation=4.2)
        self.baseline = Baseline()
        for step in range(1, STEPS + 1):
            if "full" in self.path:
                raise TrainingError("The disk is full; the last checkpoint is whole.")
            if "slow" in self.path:
                time.sleep(1)
            if self.stopped:
                return
            more: dict[str, Any] = {"notes": ("planned again",)} if step == 2 else {}
            if step == STEPS:
                more = {"sample": "to be", "memorised_longest": 7, "memorised_share": 0.25}
            yield report(step, validation=1.6, best=1.6, **more)
        self.summary = LanguageModelingSummary()


class RankedLine(NamedTuple):
    number: int
    text: str
    nats: float
    characters: float
    rank: float | None
    adapted: float | None


class Evaluation:
    lines = ("test: 1.4000 nats per character",)

    def to_dict(self) -> dict[str, Any]:
        return {"nats": 1.4}


class Run:
    kind, path = "language-modeling", Path("runs/fake")

    def methods(self) -> list[str]:
        return ["sample", "score", "reach", "replacements", "evaluate", "info"]

    def check_can(self, verb: str) -> None:
        assert verb in self.methods()

    def check_options(self, **given: Any) -> None:
        pass

    def replacements(self, text: str) -> dict[str, str]:
        return {character: "?" for character in text if not character.isascii()}

    def sample(self, settings: SampleSettings, number: int = 0) -> Iterator[str]:
        yield from (f"{number}{settings.seed}", "abc", "\n" if settings.stop else "")

    def score(self, lines: Iterable[str], alone: bool = False, adapt: bool = False) -> Iterator[RankedLine]:
        rank, adapted = None if alone else 0.5, 1.5 if adapt else None
        for number, text in enumerate(lines, start=1):
            yield RankedLine(number, text, float(len(text)), len(text) + 1.0, rank, adapted)

    def evaluate(
        self,
        data: str | None = None,
        *,
        errors: bool = False,
        skip_empty: bool = False,
        adapt: bool = False,
        error_page: bool = False,
    ) -> Evaluation:
        time.sleep(60 if data == "slow" else 0)
        return Evaluation()

    def reach(self) -> Reach:
        from unrolled.metrics.reach import Reach

        return Reach((1, 2), (2.0, 1.5), 1.5, (0.0, 0.0), 2, 64, (), (), None)

    def info(self) -> dict[str, Any]:
        return {
            "path": "runs/fake",
            "options": {"hidden_size": None, "steps": 2000},
            "kept": True,
            "surprise_quantiles": list(range(99)),
        }


def load(path: str | None = None, device: str = "auto", threads: int | None = None) -> Run:
    return Run()


def free_path(name: str) -> Path:
    return Path("runs", name)


def info_data(path: str, settings: TrainOptions) -> dict[str, Any]:
    return {"path": path, "plan": {"minutes": settings.minutes}}


def runs(under: str = "runs") -> list[dict[str, Any]]:
    whole = {"path": "runs/poems", "data": "/a/poems.txt", "model": "lstm", "nats": 1.41, "scored": 0.34}
    whole |= {"age": 7300.0, "bytes": 1_234_567, "status": "finished"}
    odd = {"path": "runs/odd", "status": "damaged: no JSON.\nTrain again."}
    return [] if under == "none" else [whole, odd]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process may ignore it
    for name in ("unrolled.run", "unrolled.rundir.folder"):
        sys.modules[name] = sys.modules["__main__"]
    from unrolled.cli import main

    sys.exit(main())
