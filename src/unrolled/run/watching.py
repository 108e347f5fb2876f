"""What happens wherever a report is due: validation, the best kept, a sample, a checkpoint, the plan made anew."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypedDict

import torch

from unrolled.errors import RunError, TrainingError
from unrolled.model.weights import named_tensors
from unrolled.run.folder import RunFolder
from unrolled.run.mixing import FITTED_LOGITS
from unrolled.run.process import bytes_in_use
from unrolled.run.report import Report
from unrolled.run.selection import TELLING
from unrolled.run.subject import Subject
from unrolled.schema import check
from unrolled.training.checkpoint import drop_older, load_newest, save_checkpoint
from unrolled.training.plan import (
    NOT_FINITE,
    Clock,
    Plan,
    lower_rate,
    plan_at,
    progress_at,
    rate_at,
    replan,
)
from unrolled.training.statistics import estimate_statistics

if TYPE_CHECKING:
    from unrolled.training.loop import Batches, Learner

TRIES = 3  # times that training goes back from one checkpoint before it gives up
COPYING_SYMBOLS = 4_000_000  # a larger training text is looked through at the end alone,
COPYING_SHARE = 0.02  # and as much of it as this share of a budget in minutes has time for,
COPYING_SPEED = 30_000_000  # at so many symbols a second
LATE = 2.0  # times what it should have taken: then a report comes early, to plan again
BUSY = 1.7  # times the best pace: then other work has a core, and fewer threads do not wait for it
TRUCE = 10  # reports with fewer threads, until all are tried again
ONE_ROW = 2.6  # times slower is reading the test part, one row, than the validation part's rows side by side
TIMED_SYMBOLS = 20_000  # of the validation part, which tell how fast it is read
VALIDATION_SHARE = 0.0055  # of a budget in minutes, for each of about twelve validations
TEST_SHARE = 0.045  # of it, for the test part: with the n-gram's 3.5%, these three take at most 15%
FIT_SHARE = 0.03  # of it, for weighing a mixture's parts, which comes on top
FIT_SECONDS = 1e-6  # that a logit takes while weights are fitted, beside its reading
TRIAL_SHARE = 0.04  # of the time left, at most, for trying all threads again
TRIED_UPDATES = 20  # that have to fit into it, since one may take so many times as long
TOLERANCE = 0.01  # share of the time left by which a plan may be off before it is made anew


class Saved(TypedDict):
    """What a checkpoint keeps beside tensors; losses that are not finite are kept as they are."""

    nats: Any
    targets: int
    symbols: int
    best: Any
    validations: list[Any]
    last_sample: str | None


@dataclass
class Watch:
    """Looks after a training: `report` wherever one is due, `go_back` where a loss is not finite."""

    subject: Subject
    learner: Learner
    batches: Batches
    plans: list[Plan]
    clock: Clock
    follows: bool  # a recorded plan or --steps: nothing is planned again
    most_threads: int | None  # where another process is busy, half of them may be faster; None: the plan's, always
    folder: RunFolder = field(init=False)  # the run's, once it is born
    notes: list[str] = field(default_factory=list)
    validations: list[float] = field(default_factory=list)
    last_sample: str | None = None
    evaluation_speed: float = math.inf  # symbols a second
    mixing: float = 0.0  # seconds a symbol that a mixture takes beside its learnt part
    _since: tuple[float, int, int] = (0.0, 0, 0)  # seconds, step, symbols at the last report
    pace: float = 0.0  # seconds an update, of late
    _best_pace: float = math.inf
    _paces: dict[int, float] = field(default_factory=dict)  # by number of threads
    _truce: int = TRUCE
    _trial: float | None = None  # seconds until a report is due while all threads are tried again
    _reserve: float = 0.0  # seconds to keep for the end, as of the last report
    _overhead: float = 0.0  # seconds a validation takes, with its sample and checkpoint

    def is_due(self, plan: Plan) -> bool:
        """Whether to report after the learner's last update: on multiples, at the end, or when time runs away."""
        step = self.learner.step
        if step % plan.report_every == 0 or step == plan.steps:
            return True
        if self.follows:
            return False
        if self.clock.left < self._reserve:  # whatever was planned, from the first update on
            self.add_plan(replan(plan, step, step, "time"))
            return True
        if not self.pace:
            return False
        if self._trial is not None and time.monotonic() - self._since[0] > self._trial:
            return True
        return time.monotonic() - self._since[0] > LATE * plan.report_every * self.pace

    def report(self, plan: Plan) -> Report:
        """Does what is due after the learner's last update and tells of it."""
        learner = self.learner
        if learner.step == 0:
            plan = self._fit_validation(plan)
        last = learner.step == plan.steps
        self._measure_pace()
        speed = self._symbols_a_second()
        validation = written = share = longest = None
        before = time.monotonic()
        loss = self.subject.untrained if learner.step == 0 else learner.loss
        if learner.step % plan.validate_every == 0 or last or learner.step == 0:
            validation = self.validate(plan.validation)
            written = self.write_sample()
            if 0 < self.subject.copyable <= COPYING_SYMBOLS:
                longest, share = self.copied(written)
        learner.nats, learner.targets = 0.0, 0  # now: who stops a validation goes on from the last checkpoint
        report = Report(
            step=learner.step, steps=plan.steps, progress=progress_at(plan, learner.step),
            seconds=self.clock.used, seconds_left=self._seconds_left(plan), loss=loss,
            rate=rate_at(plan, learner.step), symbols=learner.symbols, symbols_a_second=speed,
            bytes_in_use=bytes_in_use(), validation=validation, best=learner.best if validation else None,
            sample=written, copied_longest=longest, copied_share=share, notes=self._take_notes(),
        )  # fmt: skip
        self.folder.append_report(learner.step, report.as_dict())
        if learner.step % plan.save_every == 0 or last:
            self.save()
        if validation is not None:
            self._overhead = time.monotonic() - before
        if not last:
            self.plan_again(plan)
        self._reserve = self.reserve()
        self._since = (time.monotonic(), learner.step, learner.symbols)
        return report

    def begin(self) -> None:
        """The clock of updates starts now: with the first of them, and again after a step back."""
        plan = plan_at(self.plans, self.learner.step)
        if torch.get_num_threads() != plan.threads:
            torch.set_num_threads(plan.threads)
        self._since = (time.monotonic(), self.learner.step, self.learner.symbols)
        self._reserve = self.reserve()  # as far as it is known before a report

    def validate(self, limit: int) -> float:
        """The score of the averaged weights on `limit` items of the validation part; the best are kept, or the last
        where the part is too small to tell."""
        estimate_statistics(self.learner, self.batches)
        started = time.monotonic()
        model = self.learner.optimiser.averaged
        score = self.subject.evaluate(model, "validation", limit, self.clock.deadline().share(0.5))
        self.evaluation_speed = score.items / max(1e-9, time.monotonic() - started)
        self.validations.append(score.nats)
        if score.nats < self.learner.best or self.subject.items("validation") < TELLING:
            self.learner.best = score.nats
            self.folder.write_model(named_tensors(model), {"step": self.learner.step, "nats": score.nats})
        return score.nats

    def write_sample(self) -> str:
        """What it does now, the same chance at every step, so that samples differ by what was learnt."""
        text = self.subject.write(self.learner.optimiser.averaged)
        self.folder.append_sample(self.learner.step, text)
        self.last_sample = text
        return text

    def copied(self, text: str) -> tuple[int, float]:
        """The longest run of `text` that stands in the training part, in symbols, and the share of its pieces."""
        return self.subject.copied(text, self.copying_limit())

    def copying_limit(self) -> int:
        """How many symbols of the training text are looked through for what a sample copies."""
        size = self.subject.copyable
        if self.clock.budget is None or size <= COPYING_SYMBOLS:
            return size
        return min(size, max(COPYING_SYMBOLS, int(COPYING_SHARE * self.clock.budget * COPYING_SPEED)))

    def save(self) -> None:
        """A checkpoint of all that training goes on from."""
        facts = self.learner.facts() | {"validations": self.validations, "last_sample": self.last_sample}
        save_checkpoint(self.folder.checkpoints, self.learner.step, self.learner.tensors(), facts)

    def restore(self) -> float:
        """Takes the learner back to the newest whole checkpoint; hands back the seconds used until then."""
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
        born = not self.validations  # nothing was reported yet, not even of step 0
        self.folder.cut(-1 if born else found.step, plans=not self.follows)
        if not self.follows:
            self.plans[:] = [plan for plan in self.plans if plan.from_step <= found.step]
        if found.fell_back:
            self.notes.append(found.fell_back)
        return self.folder.seconds_used()

    def go_back(self) -> None:
        """After a loss that is not finite: back to the newest checkpoint, at half the rate.

        Raises TrainingError after `TRIES` times from one checkpoint.
        """
        at = self.learner.step
        steps = plan_at(self.plans, at).steps
        self.restore()
        step = self.learner.step
        plan = replace(plan_at(self.plans, step), steps=steps)
        tries = sum(p.why == NOT_FINITE and p.from_step == step for p in self.plans)
        if tries >= TRIES:
            raise TrainingError(
                f"The loss was not finite {TRIES + 1} times after update {step:,}, at rates to {plan.rate:.2g}.\n"
                f"Try a --rate below that, or look for odd stretches in the text. The checkpoint in "
                f"{self.folder.path} is whole."
            )
        self.add_plan(lower_rate(plan, step))
        self.notes.append(
            f"The loss of update {at:,} was not finite: back to update {step:,}, "
            f"rate {plan.rate:.2g} -> {self.plans[-1].rate:.2g}."
        )
        self.begin()

    def add_plan(self, plan: Plan) -> None:
        """Writes a plan down, then uses it."""
        self.folder.append_plan(plan.from_step, plan.to_json())
        self.plans.append(plan)

    def plan_again(self, plan: Plan) -> None:
        """With a budget in minutes: if it would not end in time, or well before, another number of updates."""
        step, left = self.learner.step, self.clock.left - self.reserve()
        if self.follows or self.clock.budget is None:
            return
        if step == 0 or not self.pace:
            return
        threads = self._choose_threads(plan)
        self.pace = self._paces.get(threads, self.pace)
        validations = max(0.0, (plan.steps - step) / plan.validate_every)
        updating = max(left - validations * self._overhead, left / 2)
        steps = step + max(1, int(updating / self.pace))
        steps = steps if plan.most is None else min(steps, plan.most)
        if threads != plan.threads or abs(steps - plan.steps) * self.pace > max(0.3, TOLERANCE * abs(left)):
            self.add_plan(replace(replan(plan, step, steps, "pace"), threads=threads))

    def _choose_threads(self, plan: Plan) -> int:
        """Threads wait for each other: where another process has a core, fewer of them are faster."""
        most = self.most_threads or 1
        if most == 1:
            return plan.threads
        few = most // 2
        self._paces[plan.threads] = self.pace
        self._trial = None
        if plan.threads < most:
            self._truce -= 1
            trial = TRIAL_SHARE * self.clock.left
            if self._truce > 0 or trial < TRIED_UPDATES * self.pace:
                return plan.threads
            self._trial = trial
            return most
        best = min(self._paces.get(few, math.inf), BUSY * self._best_pace)
        self._best_pace = min(self._best_pace, self.pace)
        if self.pace <= best:
            return most
        self._truce = TRUCE
        return few

    def _fit_validation(self, plan: Plan) -> Plan:
        """With a budget in minutes, the plan that reads as much of the validation part each time as its share
        has time for; how much that is, a few thousand symbols tell."""
        if self.follows or self.clock.budget is None:
            return plan
        started = time.monotonic()
        deadline = self.clock.deadline().share(VALIDATION_SHARE)
        timed = self.subject.evaluate(self.learner.optimiser.averaged, "validation", TIMED_SYMBOLS, deadline)
        speed = timed.items / max(1e-9, time.monotonic() - started)
        limit = max(2_000, int(VALIDATION_SHARE * self.clock.budget * speed))
        if limit < plan.validation:
            plan = replace(plan, validation=limit, why="validation")
            self.add_plan(plan)
        return plan

    def reserve(self) -> float:
        """Seconds to keep for the end: the last validation, the test part, what is written, and the exit."""
        reading = self._seconds_a_symbol()
        test = self.test_limit() * self._seconds_a_test_symbol()
        fitting = self.fit_limit() * self._seconds_a_fitted_symbol() if self.mixing else 0.0
        large = self.subject.copyable > COPYING_SYMBOLS
        copying = self.copying_limit() / COPYING_SPEED if large else 0.0  # else each validation has its share of it
        ranking = min(self.subject.ranked, self.subject.items("validation")) * reading
        closing = self.subject.closing(self.clock.budget or 0.0)
        return self.clock.ending + 0.2 + self._overhead + fitting + test + ranking + copying + closing

    def test_limit(self) -> int:
        """How many symbols of the test part the budget allows to read: all, or what its share has time for."""
        size = self.subject.items("test")
        if self.clock.budget is None or not math.isfinite(self.evaluation_speed):
            return size
        return min(size, max(2_000, int(TEST_SHARE * self.clock.budget / self._seconds_a_test_symbol())))

    def fit_limit(self) -> int:
        """How many symbols of the validation part a mixture's parts are weighed on."""
        size = min(self.subject.items("validation"), max(1000, FITTED_LOGITS // self.subject.kinds))
        if self.clock.budget is None:
            return size
        return min(size, max(1000, int(FIT_SHARE * self.clock.budget / self._seconds_a_fitted_symbol())))

    def _seconds_a_symbol(self) -> float:
        """For the learnt part, or the mixture that it is part of, in one row."""
        return ONE_ROW / self.evaluation_speed + self.mixing

    def _seconds_a_test_symbol(self) -> float:
        """A mixture's test part is read by the whole and by its parts."""
        return self._seconds_a_symbol() * (2 if self.mixing else 1)

    def _seconds_a_fitted_symbol(self) -> float:
        return self._seconds_a_symbol() + FIT_SECONDS * self.subject.kinds

    def _measure_pace(self) -> None:
        seconds, step, _ = self._since
        if self.learner.step > step and seconds and step:  # the first updates make room for themselves
            pace = (time.monotonic() - seconds) / (self.learner.step - step)
            self.pace = pace if not self.pace else 0.7 * self.pace + 0.3 * pace

    def _symbols_a_second(self) -> float:
        seconds, _, symbols = self._since
        return (self.learner.symbols - symbols) / max(1e-9, time.monotonic() - seconds) if seconds else 0.0

    def _seconds_left(self, plan: Plan) -> float | None:
        if self.clock.budget is not None and not self.follows:
            return max(0.0, self.clock.left)
        return (plan.steps - self.learner.step) * self.pace if self.pace else None

    def _take_notes(self) -> tuple[str, ...]:
        notes, self.notes = tuple(self.notes), []
        return notes
