"""A stand-in for `unrolled.run` that trains nothing: what the command does with it is then quick to see.

Run as a script it is the command `unroll` with this module in the run room's place.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from unrolled.errors import DataError, TrainingError
from unrolled.options import TrainOptions
from unrolled.reach import Reach
from unrolled.settings import SampleSettings

STEPS = 5


def is_run(path: str | Path) -> bool:
    return (Path(path) / "run.json").exists()


@dataclass(frozen=True)
class Report:
    step: int
    steps: int = STEPS
    progress: float = 0.5
    seconds: float = 61.0
    seconds_left: float | None = 3723.0
    loss: float = 1.5
    rate: float = 0.01
    symbols_a_second: float = 41_000.0
    bytes_in_use: int = 312_000_000
    validation: float | None = None
    best: float | None = None
    sample: str | None = None
    copied_longest: int | None = None
    copied_share: float | None = None
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Baseline:
    name: str = "7-gram (Kneser–Ney)"
    validation: float = 1.517

    def facts(self) -> dict[str, Any]:
        return asdict(self)


class Terms(NamedTuple):
    unit: str
    items: str
    rival: str
    wrote: str
    writes: str
    use: str


class Verdict:
    lines = ("Test part: 1.400 nats a character.", "It beats the 7-gram.")

    def as_dict(self) -> dict[str, Any]:
        return {"nats": 1.4, "trend": float("nan")}


class Training:
    """Five reports; `slow` in the path: a second each. What it was asked is in `asked`."""

    asked: TrainOptions
    terms = Terms("nats a character", "symbols", "n-gram", "wrote", "writes", "sample")

    def __init__(self, path: str, settings: TrainOptions, started: float | None = None, **more: Any) -> None:
        if "absent" in path:
            raise DataError(f"{path}: no such file.")
        Training.asked = settings
        assert started is not None and 0 <= time.monotonic() - started < 60
        self.settings = settings
        self.path, self.folder = path, Path(more.get("out", settings.out) or "runs/fake")
        self.description = "5 characters of text"
        self.plan_line = "lstm, 8 wide"
        self.baseline: Baseline | None = None
        self.verdict: Verdict | None = None
        self.stopped = False
        self.first_sample: tuple[int, str] | None = None

    @classmethod
    def resume(cls, run: str | None, minutes: float | None, steps: int | None, started: float | None) -> Training:
        return cls("text", TrainOptions(minutes=minutes, steps=steps), started, out=run)

    def stop(self) -> None:
        self.stopped = True

    def __iter__(self) -> Iterator[Report]:
        yield Report(0, sample="qx\x1b[2Jz", validation=4.2)
        self.baseline = Baseline()
        for step in range(1, STEPS + 1):
            if "full" in self.path:
                raise TrainingError("The disk is full; the last checkpoint is whole.")
            if "slow" in self.path:
                time.sleep(1)
            if self.stopped:
                return
            written: dict[str, Any] = (
                {"sample": "to be", "copied_longest": 7, "copied_share": 0.25} if step == STEPS else {}
            )
            yield Report(step, validation=1.6, best=1.6, notes=("planned again",) if step == 2 else (), **written)
        self.verdict = Verdict()


@dataclass(frozen=True)
class RankedLine:
    number: int
    text: str
    nats: float
    characters: float
    rank: float | None
    adapted: float | None = None


class Evaluation:
    lines = ("test: 1.4000 nats a character",)

    def as_dict(self) -> dict[str, Any]:
        return {"nats": 1.4}


class Run:
    kind = "language"
    path = Path("runs/fake")

    def verbs(self) -> list[str]:
        return ["sample", "score", "reach", "stand_ins", "evaluate", "info"]

    def check_can(self, verb: str) -> None:
        assert verb in self.verbs()

    def check_options(self, **given: Any) -> None:
        pass

    def stand_ins(self, text: str) -> dict[str, str]:
        return {character: "?" for character in text if not character.isascii()}

    def sample(self, settings: SampleSettings, number: int = 0) -> Iterator[str]:
        yield from (f"{number}{settings.seed}", "abc", "\n" if settings.stop else "")

    def score(self, lines: Iterable[str], alone: bool = False, adapt: bool = False) -> Iterator[RankedLine]:
        for number, text in enumerate(lines, start=1):
            yield RankedLine(
                number, text, float(len(text)), len(text) + 1.0, None if alone else 0.5, 1.5 if adapt else None
            )

    def evaluate(
        self, data: str | None = None, *, errors: bool = False, skip_empty: bool = False, adapt: bool = False
    ) -> Evaluation:
        return Evaluation()

    def reach(self) -> Reach:
        return Reach((1, 2), (2.0, 1.5), 1.5, (0.0, 0.0), 2, 64, (), (), None)

    def info(self) -> dict[str, Any]:
        return {"path": "runs/fake", "asked": {"size": None, "steps": 2000}, "kept": True, "ranks": list(range(99))}


def load(path: str | None = None, device: str = "auto", threads: int | None = None) -> Run:
    return Run()


def free_path(name: str) -> Path:
    return Path("runs", name)


def info_data(path: str, settings: TrainOptions) -> dict[str, Any]:
    return {"path": path, "plan": {"minutes": settings.minutes}}


def runs(under: str = "runs") -> list[dict[str, Any]]:
    if under == "none":
        return []
    whole = {
        "path": "runs/poems",
        "data": "/a/poems.txt",
        "model": "lstm",
        "nats": 1.41,
        "scored": 0.34,
        "age": 7300.0,
    }
    return [
        whole | {"bytes": 1_234_567, "status": "finished"},
        {"path": "runs/odd", "status": "damaged: no JSON.\nTrain again."},
    ]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process may have it ignored
    for name in ("unrolled.run", "unrolled.run.folder"):
        sys.modules[name] = sys.modules["__main__"]
    from unrolled.cli import main

    sys.exit(main())
