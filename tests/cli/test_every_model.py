"""Every memory and gradient by its name on the command line: trained, saved, loaded, used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import unrolled
from unrolled.gradient import BPTT_STRATEGIES
from unrolled.memory import MEMORIES

MODELS = (
    *MEMORIES,
    "lstm/attention:span=8",
    "attention:span=none",
    "transformer:span=8,heads=2",
    "lstm+ngram",
    "ngram+mingru",
)
GRADIENT_OPTIONS = {
    "full": "",
    "truncated": ":k1=4,k2=8",
    "checkpointed": ":slots=2,segment=4",
    "randomised": ":mean=8",
}


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "days.txt"
    path.write_text("".join(f"Day {n}: {('sun', 'rain', 'wind')[n % 3]} over the hill.\n" for n in range(400)))
    return path


def trained(days: Path, out: Path, **settings: Any) -> unrolled.Run:
    small: dict[str, Any] = {
        "hidden_size": 16,
        "layers": 2,
        "batch_size": 4,
        "window": 16,
        "steps": 6,
        "threads": 1,
        "dropout": 0.2,
    }
    unrolled.train(str(days), out=str(out), **small, **settings)
    return unrolled.load(str(out))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_run_of_every_memory_works(name: str, days: Path, tmp_path: Path) -> None:
    run = trained(days, tmp_path / "run", model=name)
    assert len("".join(run.sample(prompt="Day 3", length=40, seed=1))) <= 40
    assert run.evaluate().to_dict()["nats"] < 6
    assert [line.nats > 0 for line in run.score(["Day 7: sun over the hill.", "SEGFAULT"])] == [True, True]


@pytest.mark.parametrize("name", BPTT_STRATEGIES)
def test_a_run_with_every_bptt_strategy_works(name: str, days: Path, tmp_path: Path) -> None:
    assert trained(days, tmp_path / "run", bptt=name + GRADIENT_OPTIONS[name]).evaluate().to_dict()["nats"] < 6
