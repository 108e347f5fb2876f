"""What happens at a report: validation, saving the best weights, a sample, a checkpoint, a new plan."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypedDict

import torch

from unrolled.environment import bytes_in_use
from unrolled.errors import RunError, TrainingError
from unrolled.model.weights import named_tensors
from unrolled.run.pacing import Pacer
from unrolled.run.reserve import COPYING_SYMBOLS, Reserve
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.report import Report
from unrolled.schema import check
from unrolled.tasks.base import Subject
from unrolled.tasks.record import ConclusionCost, TrainingRecord
from unrolled.tasks.selection import TELLING
from unrolled.training.checkpoint import drop_older, load_newest, save_checkpoint
from unrolled.training.plan import NOT_FINITE, Clock, Plan, lower_rate, plan_at, progress_at, rate_at, replan
from unrolled.training.statistics import estimate_statistics

if TYPE_CHECKING:
    from unrolled.training.loop import Batches, Learner

TRIES = 3  # times that training goes back to one checkpoint before it gives up
TIMED_SYMBOLS = 20_000  # tokens of the validation split that measure the speed of validation
VALIDATION_SHARE = 0.0055  # of a budget in minutes, for each of about twelve validations
LEAST_VALIDATED = 2_000  # items of the validation split that each validation uses, whatever the budget


class Saved(TypedDict):
    """The facts of a checkpoint beside its tensors; losses may be infinite or NaN."""

    nats: Any
    targets: int
    symbols: int
    best: Any
    validations: list[Any]
    last_sample: str | None


@dataclass
class Monitor:
    """Watches a training: `report` where one is due, `go_back` where a loss is not finite."""

    subject: Subject
    learner: Learner
    batches: Batches
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
    _kept: float = 0.0  # seconds reserved for the end, as of the last report

    def __post_init__(self) -> None:
        self.pacer = Pacer(self.clock, self.most_threads)

    @property
    def follows(self) -> bool:
        """Whether a recorded plan or --steps gives the number of updates: then nothing is planned again."""
        return self.clock.budget is None

    @property
    def reserve(self) -> Reserve:
        """The time to reserve for the end, by the measurements so far."""
        return Reserve(self.subject, self.clock, self._speed, self.cost, self._validating)

    def begin(self) -> None:
        """Before the first update: measures the cost of the end, then starts timing updates."""
        self.cost = self.subject.prepare(self.folder, self.learner.optimiser.averaged, self.clock)
        self._start()

    def _start(self) -> None:
        plan = plan_at(self.plans, self.learner.step)
        if torch.get_num_threads() != plan.threads:
            torch.set_num_threads(plan.threads)
        self.pacer.start(self.learner.step, self.learner.symbols)
        self._kept = self.reserve.seconds

    def is_due(self, plan: Plan) -> bool:
        """Whether to report after the last update: on multiples, at the end, or when time runs out."""
        step = self.learner.step
        if step == plan.steps:
            return True
        if not self.follows and self.clock.left < self._kept + self.pacer.pace:  # no time for another update
            self.add_plan(replan(plan, step, step, "time"))
            return True
        return step % plan.report_every == 0 or (not self.follows and self.pacer.is_late(plan))

    def report(self, plan: Plan) -> Report:
        """Does what is due after the last update, and returns the report."""
        learner = self.learner
        first, last = learner.step == 0, learner.step == plan.steps
        if first:
            plan = self._fit_validation(plan)
        speed = self.pacer.measure(learner.step, learner.symbols)
        validation = written = share = longest = None
        started = self.clock.now()
        loss = self.subject.untrained if first else learner.loss
        if first or last or learner.step % plan.validate_every == 0:
            validation = self.validate(plan.validation)
            written = self.write_sample()
            if 0 < self.subject.copyable <= COPYING_SYMBOLS:
                longest, share = self.subject.copied(written, self.reserve.limits.memorisation)
        learner.nats, learner.targets = 0.0, 0  # only now: a stopped validation resumes from the last checkpoint
        report = Report(
            step=learner.step, steps=plan.steps, progress=progress_at(plan, learner.step),
            seconds=self.clock.used, seconds_left=self._seconds_left(plan), loss=loss,
            learning_rate=rate_at(plan, learner.step), symbols=learner.symbols, symbols_a_second=speed,
            bytes_in_use=bytes_in_use(), validation=validation, best=None if validation is None else learner.best,
            sample=written, copied_longest=longest, copied_share=share, notes=self._take_notes(),
        )  # fmt: skip
        self.folder.append_report(learner.step, report.as_dict())
        if learner.step % plan.save_every == 0 or last:
            self.save()
        if validation is not None:
            self._validating = self.clock.now() - started
        if not last:
            self.plan_again(plan)
        self._kept = self.reserve.seconds
        self.pacer.start(learner.step, learner.symbols)
        return report

    def _seconds_left(self, plan: Plan) -> float | None:
        if not self.follows:
            return max(0.0, self.clock.left)
        pace = self.pacer.pace
        return (plan.steps - self.learner.step) * pace if pace else None

    def _take_notes(self) -> tuple[str, ...]:
        notes, self.notes = tuple(self.notes), []
        return notes

    def record(self) -> TrainingRecord:
        """The record of the training for the task's conclusion; the model has its best weights."""
        return TrainingRecord(
            model=self.learner.optimiser.averaged, plan=self.plans[-1], deadline=self.clock.deadline(),
            cost=self.cost, limits=self.reserve.limits, best=self.learner.best, untrained=self.validations[0],
            last_sample=self.last_sample,
        )  # fmt: skip

    # The steps of a report

    def validate(self, limit: int) -> float:
        """The score of the averaged weights on `limit` items of the validation split. Saves the best weights, or the
        last where the split is too small to choose by."""
        estimate_statistics(self.learner, self.batches)
        started = self.clock.now()
        model = self.learner.optimiser.averaged
        score = self.subject.evaluate(model, "validation", limit, self.clock.deadline().share(0.5))
        self._speed = score.items / max(1e-9, self.clock.now() - started)
        self.validations.append(score.nats)
        if score.nats < self.learner.best or self.subject.items("validation") < TELLING:
            self.learner.best = score.nats
            self.folder.write_model(named_tensors(model), {"step": self.learner.step, "nats": score.nats})
        return score.nats

    def write_sample(self) -> str:
        """What the model does now, with the same random numbers each time, so that samples differ by the weights."""
        text = self.subject.write(self.learner.optimiser.averaged)
        self.folder.append_sample(self.learner.step, text)
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
        timed = self.subject.evaluate(self.learner.optimiser.averaged, "validation", TIMED_SYMBOLS, deadline)
        speed = timed.items / max(1e-9, self.clock.now() - started)
        limit = max(LEAST_VALIDATED, int(VALIDATION_SHARE * budget * speed))
        if limit < plan.validation:
            plan = replace(plan, validation=limit, why="validation")
            self.add_plan(plan)
        return plan

    # Plans

    def add_plan(self, plan: Plan) -> None:
        """Records a plan, then uses it."""
        self.folder.append_plan(plan.from_step, plan.to_json())
        self.plans.append(plan)

    def plan_again(self, plan: Plan) -> None:
        """With a budget in minutes: changes the number of updates if the plan would end too late or too early."""
        if self.follows:
            return
        left = self.clock.left - self.reserve.seconds
        again = self.pacer.replan(plan, self.learner.step, left, self._validating)
        if again is not None:
            self.add_plan(again)

    # Checkpoints

    def save(self) -> None:
        """Saves a checkpoint of the whole state of training."""
        facts = self.learner.facts() | {"validations": self.validations, "last_sample": self.last_sample}
        save_checkpoint(self.folder.checkpoints, self.learner.step, self.learner.tensors(), facts)

    def restore(self) -> float:
        """Restores the newest undamaged checkpoint; returns the seconds used until then."""
        found = load_newest(self.folder.checkpoints)
        check(found.facts, Saved, f"{self.folder.checkpoints}, step {found.step},")
        try:
            self.learner.load(found.step, found.tensors, found.facts)
        except (KeyError, RuntimeError) as error:
            raise RunError(
                f"{self.folder.path}: its checkpoint does not fit its plan ({error}). Train again."
            ) from None
        drop_older(self.folder.checkpoints, found.step)
        self.validations = list(found.facts["validations"])
        self.last_sample = found.facts["last_sample"]
        unreported = not self.validations  # not even step 0
        self.folder.cut(-1 if unreported else found.step, plans=not self.follows)
        if not self.follows:
            self.plans[:] = [plan for plan in self.plans if plan.from_step <= found.step]
        if found.fell_back:
            self.notes.append(found.fell_back)
        return self.folder.seconds_used()

    def go_back(self) -> None:
        """After a loss that is not finite: goes back to the newest checkpoint and halves the learning rate.

        Raises TrainingError after `TRIES` attempts from one checkpoint.
        """
        at = self.learner.step
        steps = plan_at(self.plans, at).steps
        self.restore()
        step = self.learner.step
        plan = replace(plan_at(self.plans, step), steps=steps)
        tries = sum(p.why == NOT_FINITE and p.from_step == step for p in self.plans)
        if tries >= TRIES:
            raise TrainingError(
                f"The loss was not finite {TRIES + 1} times after update {step:,}, at learning rates down to "
                f"{plan.learning_rate:.2g}.\nTry a --learning-rate below that, or look for unusual rows or passages in the data. The "
                f"checkpoint in {self.folder.path} is undamaged."
            )
        self.add_plan(lower_rate(plan, step))
        self.notes.append(
            f"The loss of update {at:,} was not finite: back to update {step:,}, "
            f"learning rate {plan.learning_rate:.2g} -> {self.plans[-1].learning_rate:.2g}."
        )
        self._start()
