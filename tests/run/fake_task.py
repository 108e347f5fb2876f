"""A fake task and a fake clock: time passes only where the test says so."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from unrolled.deadline import UNLIMITED, Deadline
from unrolled.gradient import Full
from unrolled.options import TrainOptions
from unrolled.run.monitor import Monitor
from unrolled.run.reserve import MARGIN
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.report import Report
from unrolled.tasks.base import Evaluated
from unrolled.tasks.record import ConclusionCost
from unrolled.training.loop import TrainingState, train
from unrolled.training.optimiser import Optimiser
from unrolled.training.plan import Clock, Plan
from unrolled.training.planning import TextSize, plan_steps

ENDING = 1.0 + MARGIN  # seconds reserved for the end of a task that concludes at once


@dataclass
class Time:
    """The time that the clock shows."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Point(nn.Module):
    """One weight, which is trained towards 1."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def start(self, rows: int) -> Tensor:
        return torch.zeros(rows, 1)

    def loss(self, batch: Update, state: Tensor) -> tuple[Tensor, Tensor]:
        return batch.factor * (self.weight - 1).square().sum(), state


@dataclass
class Update:
    """A batch of one row and one step; its loss is not finite if its factor is not."""

    factor: float = 1.0
    steps, target_count = 1, 1
    lengths, fresh = torch.ones(1, dtype=torch.int64), torch.zeros(1, dtype=torch.bool)

    def to(self, device: torch.device) -> Update:
        return self

    def cut(self, a: int, b: int) -> Update:
        return self


@dataclass
class FakeTask:
    """A task whose updates and validations take as long as the test says."""

    time: Time
    pace: float = 0.5  # seconds per update
    slower: dict[int, float] = field(default_factory=dict)  # another speed from this update on
    bad: Counter[int] = field(default_factory=Counter)  # updates with a loss that is not finite, and how many times
    scores: list[float] = field(default_factory=list)  # scores of the validations; then 1.0
    sizes: dict[str, int] = field(default_factory=lambda: {"validation": 1_000, "test": 0})
    seconds_an_item: float = 0.0
    cost: ConclusionCost = field(default_factory=ConclusionCost)
    memorisable: int = 0
    ranked_items, vocabulary_size, untrained = 0, 2, 0.7

    def batch(self, k: int) -> Update:
        self.pace = self.slower.get(k, self.pace)
        self.time.seconds += self.pace
        self.bad[k] -= 1
        return Update(math.nan if self.bad[k] >= 0 else 1.0)

    def items(self, split: str) -> int:
        return self.sizes[split]

    def prepare(self, run: RunFolder, model: nn.Module, clock: Clock) -> ConclusionCost:
        return self.cost

    def evaluate(self, model: nn.Module, split: str, limit: int, deadline: Deadline = UNLIMITED) -> Evaluated:
        read = min(limit, self.sizes[split])
        self.time.seconds += read * self.seconds_an_item
        return Evaluated(self.scores.pop(0) if self.scores else 1.0, read)

    def sample_outputs(self, model: Point) -> str:
        return f"weight {float(model.weight):.3f}"


@dataclass
class Bench:
    """A training of the fake task: `train` does what `Training` does with a monitor."""

    folder: RunFolder
    task: FakeTask
    budget: float | None
    plan: Plan

    def __post_init__(self) -> None:
        model, task = Point(), cast(Any, self.task)
        training_state = TrainingState(model, Optimiser(model, self.plan), model.start(1))
        self.clock = Clock(self.budget, now=self.task.time)
        self.monitor = Monitor(task, training_state, task, [], self.clock, self.folder, most_threads=None)
        self.monitor.add_plan(self.plan)
        self.monitor.save()

    def train(self) -> list[Report]:
        self.monitor.begin()
        reports = [self.monitor.report(self.plan)]
        due = train(
            self.monitor.training_state, self.task, Full(),
            self.monitor.plans, 0, lambda: False, self.monitor.is_due, self.monitor.go_back,
        )  # fmt: skip
        return reports + [self.monitor.report(plan) for plan in due]

    def plans(self) -> list[tuple[int, int, str]]:
        """(from step, number of updates, why) of each plan that was recorded after the first."""
        return [(plan["from_step"], plan["steps"], plan["why"]) for plan in self.folder.log.read_plans()[1:]]


def plan_of(steps: int, every: int, **changes: Any) -> Plan:
    """A plan of this number of updates; a report, a validation and a checkpoint after every given number."""
    plan = plan_steps(TrainOptions(steps=steps, hidden_size=8), TextSize(10, 1_000, 1_000.0), "cpu", 1)
    times = dict.fromkeys(("report_every", "validate_every", "save_every"), every)
    return dataclasses.replace(plan, **times | changes)
