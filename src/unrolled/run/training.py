"""Training: from a path and settings to a run folder, as an iterator of reports."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import Any, Unpack

from unrolled.data.tables.in_memory import IN_MEMORY, KEPT_TABLE, MemoryTable
from unrolled.data.tables.python_data import data_and_splits
from unrolled.deadline import Stopped
from unrolled.environment import bytes_in_use, differences, environment, find_device
from unrolled.errors import OptionError, RunError, command, explained_shortage
from unrolled.given import as_path
from unrolled.gradient import BPTT_STRATEGIES
from unrolled.keywords import TrainingKeywords
from unrolled.memory import register_named
from unrolled.model.weights import copy_tensors, named_tensors
from unrolled.options import DEFAULT_MINUTES, TrainOptions, TrainSettings
from unrolled.registry import UNTRAINED, build
from unrolled.run.monitor import Monitor
from unrolled.run.starting import has_unasked_net, load_initial_weights, open_start, plan_in_time
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.locations import free_path, newest
from unrolled.rundir.report import Report
from unrolled.rundir.sessions import Session, best_weights, recorded_plans
from unrolled.tasks.base import Baseline, Concluded, Terms
from unrolled.tasks.inherited import options_of_plan, other_data
from unrolled.tasks.model_names import check_model_names, counted
from unrolled.tasks.resolve import KEPT, name_for, read_again, resolve
from unrolled.tasks.rows_task import RowTask
from unrolled.tasks.run import Run
from unrolled.threads import iterate_with_threads, threads_for, torch_threads
from unrolled.training.loop import TrainingState, train
from unrolled.training.optimiser import Optimiser
from unrolled.training.plan import Clock, Plan, plan_at

MOST_KEPT = 1 << 28  # bytes of data in memory that a run keeps a copy of
LEAST_LEFT = 0.15  # share of a budget in minutes that must be left to train a net, and
SETTING_UP = 1.0  # times the seconds that starting took: net, baselines and end take about as long


class Training:
    """A training; iterating over it trains and yields reports. Its folder is a valid run at every moment.

    The constructor reads the data, measures this machine's speed for a budget in minutes, and writes the plan.
    Raises InputError for wrong data or options, before a folder is made; TrainingError where the work fails.
    """

    monitor: Monitor | None = None  # None: an n-gram or a linear model has no updates
    _no_net = ""  # the reason why no net is trained, where reading has spent the budget

    def __init__(
        self,
        data: Any,
        options: TrainOptions | None = None,
        started: float | None = None,
        **keywords: Unpack[TrainingKeywords],
    ) -> None:
        """Trains on `data`: the path of a text or a table ("-": standard input), or data in memory, see
        `unrolled.train`. `keywords`: single options, such as `steps=500`.

        started: time.monotonic() when the command began; a budget in minutes counts from there.
        """
        given, settings = data_and_splits(data, keywords)
        self.options = TrainOptions.from_call(options, settings)
        path, table = (given, None) if isinstance(given, str) else (str(given), given)
        self.options.check()
        register_named(self.options.model)  # only the typed name: code that a run names is not imported
        recorded = RunFolder.open(self.options.plan) if self.options.plan else None
        effective = self.options if recorded is None else options_of_plan(recorded, self.options)
        check_model_names(effective)
        effective, start = open_start(effective)
        self.clock = Clock(effective.seconds, started)
        self.device = find_device(effective.device)
        threads = threads_for(effective.threads)
        with explained_shortage(), torch_threads(threads), ExitStack() as stack:
            kept: RunFolder | None = None
            if str(path) == "-":  # it can be read only once, so the run folder stores a copy
                kept = stack.enter_context(RunFolder.prepare(self._place(path)))
            try:
                self.task = resolve(
                    path,
                    effective,
                    start.source,
                    self.clock,
                    None if kept is None else kept.path / KEPT,
                    table,
                )
            except OptionError as error:
                if recorded is None:
                    raise
                raise other_data(recorded, path, str(error).removesuffix(" Leave it out.")) from error
            if recorded is not None and self.task.kind != recorded.facts["kind"]:
                raise other_data(recorded, path, f"{path} is read as {self.task.kind}.")
            self._leave_out_net()
            plans = self._first_plans(recorded, threads)
            facts = self._facts(path, kept is not None, threads)
            with torch_threads(plans[0].threads if plans else threads):  # initial weights depend on their number
                self._set_up(plans)
                notes = load_initial_weights(start, self.task, self.training_state) if plans else []
            self.run = kept or stack.enter_context(RunFolder.prepare(self._place(path)))
            if plans:
                self.monitor = self._make_monitor(plans)
                self.monitor.notes += notes
            if recorded is not None:
                self._monitor().notes += differences(recorded.facts, self.device, effective.threads)
            if table is not None:
                facts["data"] |= self._keep(table)
            self._fill(self.run)
            self.run.publish(facts)

    @classmethod
    def resume(
        cls,
        run: str | PathLike[str] | Run | None = None,
        minutes: float | None = None,
        steps: int | None = None,
        started: float | None = None,
    ) -> Training:
        """Resume a stopped run, or add a session to a finished one. run: a folder or a `Run`; None: the newest under
        runs/.

        minutes, steps: a new budget; left out, the rest of the run's own. Raises RunError where the run cannot be
        resumed, and DataError where its data is missing or has changed.
        """
        TrainOptions.from_call(None, {"minutes": minutes, "steps": steps}).check()
        given = run.path if isinstance(run, Run) else run
        folder = RunFolder.open(newest() if given is None else as_path(given, "A run"))
        folder.lock()
        try:
            self = cls.__new__(cls)
            with explained_shortage(), torch_threads():
                self._resume(folder, minutes, steps, started)
        except BaseException:
            folder.release()
            raise
        return self

    def _resume(self, folder: RunFolder, minutes: float | None, steps: int | None, started: float | None) -> None:
        facts, settings = folder.facts, folder.settings
        dataclasses.replace(settings, minutes=minutes, steps=steps, plan=None).check()
        finished, new_budget = facts["status"] == "finished", minutes is not None or steps is not None
        if settings.model in UNTRAINED and (finished or new_budget):
            raise RunError(
                f"{folder.path} is a {counted(settings.model)}: it cannot be trained further. Train again instead."
            )
        if finished and not new_budget:
            raise RunError(
                f"{folder.path} is finished. To train it further give it a new budget:\n"
                f"{command('resume', folder.path, '--minutes', format(settings.minutes or DEFAULT_MINUTES, 'g'))}"
            )
        self.options, self.run = folder.options, folder
        self.device = find_device(settings.device)
        self.clock = Clock(None, started)
        self.task = read_again(folder)
        has_baseline = facts.get("baseline") is not None  # else it is fitted again
        folder.check_resumable(self.task.kept_baselines(folder) if has_baseline else [])
        if settings.model in UNTRAINED:  # it was stopped: it is counted or fitted again
            self.clock.budget = settings.minutes * 60 if settings.minutes else None
            folder.log.cut(0)
            self._set_up([])
            folder.write_facts(status="training")
            return
        plans = recorded_plans(folder, device=self.device)
        best_weights(folder, plans[0], self.task.make_model)  # check their shapes before building the model
        session = Session(minutes, steps) if new_budget else Session.from_facts(facts["sessions"][-1])
        self._set_up(plans)
        self.clock.budget = session.seconds_left(session.used)  # until the checkpoint is read
        monitor = self.monitor = self._make_monitor(plans)
        used = monitor.restore()
        session = dataclasses.replace(session, used=used) if new_budget else session
        self.clock.used_before, self.clock.budget = used, session.seconds_left(used)
        monitor.notes += differences(facts, self.device) if monitor.has_fixed_plan else []
        if new_budget:
            plan = plan_at(monitor.plans, self.training_state.step)
            reports = folder.log.read_reports()
            monitor.add_plan(session.plan(plan, self.training_state.step, self.clock.left, reports, finished))
            folder.write_facts(sessions=[*facts["sessions"], dataclasses.asdict(session)])
        folder.write_facts(status="training")

    # Setting up

    def _place(self, path: str | Path) -> Path:
        return Path(self.options.out) if self.options.out else free_path(name_for(path))

    @property
    def settings(self) -> TrainSettings:
        """The options, resolved for the task."""
        return self.task.settings

    def _leave_out_net(self) -> None:
        """Where reading has spent the budget and no model was requested: an n-gram or a linear model alone."""
        model, budget = self.task.fallback_model, self.clock.budget
        if budget is None or model is None or self.settings.model is not None:
            return
        if self.settings.init_from and not has_unasked_net(self.task, self.options):
            return
        if self.clock.left < max(LEAST_LEFT * budget, SETTING_UP * self.clock.startup_seconds):
            self.task.settings = dataclasses.replace(self.settings, model=model)
            self._no_net = f"; after {self.clock.elapsed:.0f} of {budget:.0f} seconds there is no time for a net"

    def _first_plans(self, recorded: RunFolder | None, threads: int) -> list[Plan]:
        if not self.task.trained:
            return []
        if recorded is not None:
            own = {"threads": self.settings.threads} if self.settings.threads else {}
            return recorded_plans(recorded, device=self.device, **own)
        seconds = None if self.settings.steps is not None else 0.85 * max(1.0, self.clock.left - 1.0)
        plan, why = plan_in_time(self.task, self.options, self.device, threads, seconds)
        if plan is not None:
            return [plan]
        self.task.settings = dataclasses.replace(self.settings, model=self.task.fallback_model)
        self._no_net = f"; {why}"
        return []

    def _facts(self, path: str | Path, kept: bool, threads: int) -> dict[str, Any]:
        data = {
            "path": KEPT if kept else str(Path(path).resolve()),
            "kept": kept,
            "fingerprints": {} if kept else self.task.fingerprints,
            "description": self.task.description,
        }
        if self.task.unreadable:
            data["unreadable"] = list(self.task.unreadable)
        return {
            "kind": self.task.kind, "status": "training", "options": self.options.given(),
            "settings": self.settings.to_json(), "data": data, "scores": {},
            "sessions": [dataclasses.asdict(Session(self.settings.minutes, self.settings.steps))],
            "environment": environment(self.device), "threads": threads,
            "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }  # fmt: skip

    def _keep(self, table: MemoryTable) -> dict[str, Any]:
        """Keeps a copy of data in memory in the run, if it is small; returns what facts say of it."""
        kept = table.save(self.run.path / KEPT_TABLE, MOST_KEPT)
        if self.monitor is not None:
            self.monitor.notes.append(
                f"The run keeps a copy of the data ({KEPT_TABLE}), and can be resumed."
                if kept
                else f"The data takes more than {MOST_KEPT >> 20:,} MB: the run keeps no copy and cannot be resumed."
            )
        where = {"path": KEPT_TABLE, "kept": True, "fingerprints": {}} if kept else {"path": IN_MEMORY}
        outputs = self.task.examples.columns.outputs if isinstance(self.task, RowTask) else ()
        types = {name: found for name in outputs if (found := table.type_of(name)) is not None}
        return where | ({"label_types": types} if types else {})

    def _fill(self, folder: RunFolder) -> None:
        """Writes a run's first files: its vocabulary, its plan, an untrained model and a checkpoint of it."""
        folder.write_vocabulary(self.task.tables())
        self.task.save_files(folder)
        if self.monitor is not None:
            for plan in self.monitor.plans:
                folder.log.append_plan(plan.from_step, plan.to_json())
            folder.write_model(named_tensors(self.training_state.optimiser.averaged), {"step": 0})
            self.monitor.save()

    def _set_up(self, plans: list[Plan]) -> None:
        """Makes the model, its optimiser and the batches, where a net is trained."""
        self.baseline: Baseline | None = None
        self.summary: Concluded | None = None
        self.stopped = False
        if plans:
            first = plans[0]
            model: Any = self.task.make_model(first)
            self.training_state = TrainingState(model, Optimiser(model, first), model.start(first.rows))
            self.batches = self.task.make_batches(first)

    def _make_monitor(self, plans: list[Plan]) -> Monitor:
        most_threads = None if self.settings.threads else threads_for(None)
        return Monitor(self.task, self.training_state, self.batches, plans, self.clock, self.run, most_threads)

    def _monitor(self) -> Monitor:
        if self.monitor is None:
            raise RunError(f"{self.run.path} is a {counted(self.settings.model or '')}: it has no updates.")
        return self.monitor

    # Running

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.run.path

    @property
    def description(self) -> str:
        """The data as it was understood, in a line."""
        return self.task.description

    @property
    def terms(self) -> Terms:
        """The terms for printing reports."""
        return self.task.terms

    @property
    def plan_line(self) -> str:
        """The model and its plan, in a line."""
        if self.monitor is None:
            name, how = UNTRAINED[self.settings.model or ""]
            return f"{name}: {how}, not trained{self._no_net}{self.task.reading_note}"
        planned = self.monitor.plans[-1].line(sum(p.numel() for p in self.training_state.model.parameters()))
        return planned + self.task.reading_note + self.task.selection_note

    @property
    def closing_notes(self) -> list[str]:
        """What went wrong without ending the training, in a line each."""
        return self.task.closing_notes

    @property
    def first_sample(self) -> tuple[int, str] | None:
        """(step, text) of the run's first sample; None before it."""
        return next(iter(self.run.log.read_samples()), None)

    def stop(self) -> None:
        """Requests a clean stop: the current update ends, then a checkpoint is saved. Fitting or a validation in
        progress is given up, and done again when the run is resumed."""
        self.clock.stop()

    def __iter__(self) -> Iterator[Report]:
        try:
            reports = self._fit() if self.monitor is None else self._train(self.monitor)
            with explained_shortage():
                yield from iterate_with_threads(reports, self._threads)
        except Stopped:
            self._mark_stopped()
        finally:
            self.run.release()

    def _mark_stopped(self) -> None:
        self.stopped = True
        self.run.write_facts(status="stopped")

    def _threads(self) -> int:
        """The number of threads of the plan in force."""
        if self.monitor is None:
            return threads_for(self.settings.threads)
        return plan_at(self.monitor.plans, self.training_state.step).threads

    def _fit(self) -> Iterator[Report]:
        """`--model ngram`, `--model linear`: counts or fits the model, without updates."""
        started = self.clock.now()
        self.baseline = self.task.fit_without_net(self.run, self.clock)
        seconds, read = self.clock.now() - started, self.task.items("training")
        validation = self.baseline.validation or 0.0
        report = Report(
            step=1, steps=1, progress=1.0, seconds=self.clock.used, seconds_left=0.0, loss=validation,
            learning_rate=0.0, tokens=read, tokens_per_second=read / max(seconds, 1e-9),
            bytes_in_use=bytes_in_use(), validation=validation, best=validation,
        )  # fmt: skip
        self.run.log.append_report(1, report.to_dict())
        yield report
        self._close(self.task.conclude_without_net(self.run, self.baseline))

    def _train(self, monitor: Monitor) -> Iterator[Report]:
        self.baseline = self._make_baseline()
        if not monitor.validations:
            models = self.training_state.model, self.training_state.optimiser.averaged
            self.task.start_from_baseline(self.run, models)
        monitor.begin()
        if not monitor.validations:
            yield monitor.report(monitor.plans[0])
        strategy = build("bptt", BPTT_STRATEGIES, monitor.plans[0].bptt)
        plans_at_reports = train(
            self.training_state, self.batches, strategy, monitor.plans, self.settings.seed,
            lambda: self.clock.stopping, monitor.is_due, monitor.go_back,
        )  # fmt: skip
        for plan in plans_at_reports:
            yield monitor.report(plan)
        if self.training_state.step < plan_at(monitor.plans, self.training_state.step).steps:
            monitor.save()
            self._mark_stopped()
            return
        averaged = self.training_state.optimiser.averaged
        tensors, _ = self.run.read_model(named_tensors(averaged))
        copy_tensors(averaged, tensors)  # the best weights
        self._close(self.task.conclude(self.run, monitor.record(), self.baseline))

    def _make_baseline(self) -> Baseline:
        """The baseline, fitted within a share of the budget; a resumed run has it in its facts."""
        known = self.run.facts.get("baseline")
        if known is not None:
            return Baseline.from_facts(known)
        whole = self.clock.deadline()
        share = self.task.baseline_share * (self.clock.budget or 0.0)
        baseline = self.task.count_baseline(self.run, whole.within(min(share, whole.seconds_left / 2)))
        self.run.write_facts(baseline=baseline.facts())
        return baseline

    def _close(self, summary: Concluded) -> None:
        self.summary = summary
        self.run.write_facts(status="finished", scores=summary.to_dict(), seconds=round(self.clock.used, 3))
