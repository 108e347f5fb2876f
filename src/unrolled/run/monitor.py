"""What happens at a report: validation, saving the best weights, a sample, a checkpoint, a new plan."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypedDict

import torch

from unrolled.environment import FreeMemory, bytes_in_use
from unrolled.errors import RunError, TrainingError
from unrolled.model.weights import named_tensors
from unrolled.run.pacing import Pacer
from unrolled.run.reserve import COPYING_TOKENS, Reserve
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.report import Report
from unrolled.schema import check_type
from unrolled.tasks.base import Task
from unrolled.tasks.record import ConclusionCost, TrainingRecord
from unrolled.tasks.selection import FEWEST_ITEMS
from unrolled.training.checkpoint import drop_older, load_newest, save_checkpoint
from unrolled.training.plan import NOT_FINITE, Clock, Plan, lower_rate, plan_at, progress_at, rate_at, replan
from unrolled.training.statistics import estimate_statistics

if TYPE_CHECKING:
    from unrolled.training.loop import BatchSource, TrainingState

MAX_RETRIES = 3  # times that training goes back to one checkpoint before it gives up
TIMED_TOKENS = 20_000  # tokens of the validation split that measure the speed of validation
VALIDATION_SHARE = 0.0055  # of a budget in minutes, for each of about twelve validations
LEAST_VALIDATED = 2_000  # items of the validation split that each validation uses, whatever the budget


class Saved(TypedDict):
    """The facts of a checkpoint beside its tensors; losses may be infinite or NaN."""

    nats: Any
    targets: int
    tokens: int
    best: Any
    validations: list[Any]
    last_sample: str | None


@dataclass
class Monitor:
    """Watches a training: makes a `report` where one is due, and goes back where a loss is not finite."""

    task: Task
    training_state: TrainingState
    batches: BatchSource
    plans: list[Plan]
    clock: Clock
    folder: RunFolder
    most_threads: int | None  # half of them may be faster beside a busy process; None: always the plan's
    notes: list[str] = field(default_factory=list)
    validations: list[float] = field(default_factory=list)
    last_sample: str | None = None
    cost: ConclusionCost = field(default_factory=ConclusionCost)
    pacer: Pacer = field(init=False)
    _speed: float = math.inf  # items per second of the last validation
    _validating: float = 0.0  # seconds of a validation, with its sample and checkpoint
    _reserved: float = 0.0  # seconds reserved for the end, as of the last report
    _memory: FreeMemory = field(default_factory=FreeMemory)

    def __post_init__(self) -> None:
        self.pacer = Pacer(self.clock, self.most_threads)

    @property
    def has_fixed_plan(self) -> bool:
        """Whether a recorded plan or --steps gives the number of updates: then nothing is planned again."""
        return self.clock.budget is None

    @property
    def reserve(self) -> Reserve:
        """The time to reserve for the end, by the measurements so far."""
        return Reserve(self.task, self.clock, self._speed, self.cost, self._validating)

    def begin(self) -> None:
        """Before the first update: measures the cost of the end, then starts timing updates."""
        self.cost = self.task.prepare(self.folder, self.training_state.optimiser.averaged, self.clock)
        self._start()

    def _start(self) -> None:
        plan = plan_at(self.plans, self.training_state.step)
        if torch.get_num_threads() != plan.threads:
            torch.set_num_threads(plan.threads)
        self.pacer.start(self.training_state.step, self.training_state.tokens)
        self._reserved = self.reserve.seconds

    def is_due(self, plan: Plan) -> bool:
        """Whether to report after the last update: on multiples, at the end, or when time runs out."""
        step = self.training_state.step
        if step == plan.steps:
            return True
        too_late = self.clock.left < self._reserved + self.pacer.pace  # for another update
        if not self.has_fixed_plan and too_late:
            self.add_plan(replan(plan, step, step, "time"))
            return True
        return step % plan.report_every == 0 or (not self.has_fixed_plan and self.pacer.is_late(plan))

    def report(self, plan: Plan) -> Report:
        """Does what is due after the last update, and returns the report."""
        training_state = self.training_state
        first, last = training_state.step == 0, training_state.step == plan.steps
        if first:
            plan = self._fit_validation(plan)
        speed = self.pacer.measure(training_state.step, training_state.tokens)
        validation = sample = share = longest = None
        started = self.clock.now()
        loss = self.task.untrained if first else training_state.loss
        if first or last or training_state.step % plan.validate_every == 0:
            validation = self.validate(plan.validation)
            sample = self.write_sample()
            if 0 < self.task.memorisable <= COPYING_TOKENS:
                longest, share = self.task.memorisation(sample, self.reserve.limits.memorisation)
        training_state.nats, training_state.targets = 0.0, 0  # only now: a stop above goes back to the checkpoint
        report = Report(
            step=training_state.step, steps=plan.steps, progress=progress_at(plan, training_state.step),
            seconds=self.clock.used, seconds_left=self._seconds_left(plan), loss=loss,
            learning_rate=rate_at(plan, training_state.step), tokens=training_state.tokens, tokens_per_second=speed,
            bytes_in_use=bytes_in_use(), validation=validation,
            best=None if validation is None else training_state.best,
            sample=sample, memorised_longest=longest, memorised_share=share, notes=self._take_notes(),
        )  # fmt: skip
        self.folder.log.append_report(training_state.step, report.to_dict())
        if training_state.step % plan.save_every == 0 or last:
            self.save()
        if validation is not None:
            self._validating = self.clock.now() - started
        if not last:
            self.plan_again(plan)
        self._memory.give_back()
        self._reserved = self.reserve.seconds
        self.pacer.start(training_state.step, training_state.tokens)
        return report

    def _seconds_left(self, plan: Plan) -> float | None:
        if not self.has_fixed_plan:
            return max(0.0, self.clock.left)
        pace = self.pacer.pace
        return (plan.steps - self.training_state.step) * pace if pace else None

    def _take_notes(self) -> tuple[str, ...]:
        notes, self.notes = tuple(self.notes), []
        return notes

    def record(self) -> TrainingRecord:
        """The record of the training for the task's conclusion; the model has its best weights. What only updates
        need is freed."""
        self.training_state.optimiser.forget_moments()
        self._memory.give_back(0)
        return TrainingRecord(
            model=self.training_state.optimiser.averaged, plan=self.plans[-1], deadline=self.clock.deadline(),
            cost=self.cost, limits=self.reserve.limits, best=self.training_state.best, untrained=self.validations[0],
            last_sample=self.last_sample,
        )  # fmt: skip

    # The steps of a report

    def validate(self, limit: int) -> float:
        """The score of the averaged weights on `limit` items of the validation split. Saves the best weights, or the
        last where the split is too small to choose by."""
        estimate_statistics(self.training_state, self.batches)
        started = self.clock.now()
        model = self.training_state.optimiser.averaged
        score = self.task.evaluate(model, "validation", limit, self.clock.deadline().share(0.5))
        self._speed = score.items / max(1e-9, self.clock.now() - started)
        self.validations.append(score.nats)
        if score.nats < self.training_state.best or self.task.items("validation") < FEWEST_ITEMS:
            self.training_state.best = score.nats
            self.folder.write_model(named_tensors(model), {"step": self.training_state.step, "nats": score.nats})
        return score.nats

    def write_sample(self) -> str:
        """What the model does now, with the same random numbers each time, so that samples differ by the weights."""
        text = self.task.sample_outputs(self.training_state.optimiser.averaged)
        self.folder.log.append_sample(self.training_state.step, text)
        self.last_sample = text
        return text

    def _fit_validation(self, plan: Plan) -> Plan:
        """With a budget in minutes, the plan with as many validation items as the share of time allows; the speed is
        measured on a few thousand items."""
        budget = self.clock.budget
        if budget is None:
            return plan
        started = self.clock.now()
        deadline = self.clock.deadline().share(VALIDATION_SHARE)
        timed = self.task.evaluate(self.training_state.optimiser.averaged, "validation", TIMED_TOKENS, deadline)
        speed = timed.items / max(1e-9, self.clock.now() - started)
        limit = max(LEAST_VALIDATED, int(VALIDATION_SHARE * budget * speed))
        if limit < plan.validation:
            plan = replace(plan, validation=limit, why="validation")
            self.add_plan(plan)
        return plan

    # Plans

    def add_plan(self, plan: Plan) -> None:
        """Records a plan, then uses it."""
        self.folder.log.append_plan(plan.from_step, plan.to_json())
        self.plans.append(plan)

    def plan_again(self, plan: Plan) -> None:
        """With a budget in minutes: changes the number of updates if the plan would end too late or too early."""
        if self.has_fixed_plan:
            return
        left = self.clock.left - self.reserve.seconds
        again = self.pacer.replan(plan, self.training_state.step, left, self._validating)
        if again is not None:
            self.add_plan(again)

    # Checkpoints

    def save(self) -> None:
        """Saves a checkpoint of the whole state of training."""
        facts = self.training_state.facts() | {"validations": self.validations, "last_sample": self.last_sample}
        save_checkpoint(self.folder.checkpoints, self.training_state.step, self.training_state.tensors(), facts)

    def restore(self) -> float:
        """Restores the newest undamaged checkpoint; returns the seconds used until then."""
        found = load_newest(self.folder.checkpoints)
        check_type(found.facts, Saved, f"{self.folder.checkpoints}, step {found.step},")
        try:
            self.training_state.load(found.step, found.tensors, found.facts)
        except (KeyError, RuntimeError) as error:
            raise RunError(
                f"{self.folder.path}: its checkpoint does not fit its plan ({error}). Train again."
            ) from None
        drop_older(self.folder.checkpoints, found.step)
        self.validations = list(found.facts["validations"])
        self.last_sample = found.facts["last_sample"]
        without_report = not self.validations  # not even of step 0
        self.folder.log.cut(-1 if without_report else found.step, plans=not self.has_fixed_plan)
        if not self.has_fixed_plan:
            self.plans[:] = [plan for plan in self.plans if plan.from_step <= found.step]
        if found.fell_back:
            self.notes.append(found.fell_back)
        return self.folder.log.seconds_used()

    def go_back(self) -> None:
        """After a loss that is not finite: goes back to the newest checkpoint and halves the learning rate.

        Raises TrainingError after `MAX_RETRIES` attempts from one checkpoint.
        """
        failed = self.training_state.step
        steps = plan_at(self.plans, failed).steps
        self.restore()
        step = self.training_state.step
        plan = replace(plan_at(self.plans, step), steps=steps)
        tries = sum(p.why == NOT_FINITE and p.from_step == step for p in self.plans)
        if tries >= MAX_RETRIES:
            raise TrainingError(
                f"The loss was not finite {MAX_RETRIES + 1} times after update {step:,}, at learning rates down to "
                f"{plan.learning_rate:.2g}.\nTry a --learning-rate below that, or look for unusual rows or passages "
                f"in the data. The checkpoint in {self.folder.path} is undamaged."
            )
        self.add_plan(lower_rate(plan, step))
        self.notes.append(
            f"The loss of update {failed:,} was not finite: back to update {step:,}, "
            f"learning rate {plan.learning_rate:.2g} -> {self.plans[-1].learning_rate:.2g}."
        )
        self._start()
