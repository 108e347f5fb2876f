"""Training: from a path and settings to a run folder, as an iterator of reports."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from unrolled.data import make_batches, read_corpus, table_from_json
from unrolled.errors import RunError
from unrolled.gradient import GRADIENTS
from unrolled.memory import bring_named
from unrolled.model.ngram import NGram
from unrolled.run.asked import as_recorded, as_started_from, check_parts, keep_input, name_for, read_again, task_of
from unrolled.run.baseline import Baseline, count_ngram, score_baseline, score_ngram
from unrolled.run.building import build_model, differences, environment, find_device, processor_threads
from unrolled.run.folder import RunFolder, free_path, newest
from unrolled.run.legs import Leg, best_weights, recorded_plans, set_weights
from unrolled.run.mixing import fit_mixture, load_counts, one_thread, save_counts
from unrolled.run.process import bytes_in_use
from unrolled.run.report import Report
from unrolled.run.verdict import Verdict, judge, judge_ngram, surprise_quantiles
from unrolled.run.watching import RANKED_SYMBOLS, Watch
from unrolled.settings import DEFAULT_MINUTES, TrainSettings, build
from unrolled.training.loop import Learner, train
from unrolled.training.measure import time_updates
from unrolled.training.optimiser import Optimiser
from unrolled.training.plan import Clock, Plan, plan_at
from unrolled.training.planning import plan_minutes, plan_steps

BASELINE_SHARE = 0.035  # of a budget in minutes, at most, for counting the n-gram to beat
KIND = "language"


class Training:
    """A training that goes on while it is iterated over; its folder is a run at every moment.

    Making it reads the data, measures this machine where there is a budget in minutes, and writes the plan.
    Raises InputError where what was given is wrong, before a folder is made; TrainingError where work fails.
    """

    def __init__(
        self, path: str | Path, settings: TrainSettings | None = None, started: float | None = None, **asked: Any
    ) -> None:
        """Trains on the text at `path` ("-": standard input). `asked` are single settings: `steps=500`.

        started: time.monotonic() when the command began, which a budget in minutes counts from.
        """
        settings = TrainSettings(**asked) if settings is None else dataclasses.replace(settings, **asked)
        settings.check()
        settings = settings.in_order()
        bring_named(settings.model)  # what was typed; what a run names is not run for that
        recorded = RunFolder.open(settings.plan) if settings.plan else None
        if recorded is not None:
            settings = as_recorded(recorded, settings)
        check_parts(settings)
        source = RunFolder.open(settings.from_run) if settings.from_run else None
        if source is not None:
            settings = as_started_from(source, settings)
        self.settings = settings = settings.with_defaults()
        self.clock = Clock(settings.minutes * 60 if settings.minutes else None, started)
        self.device = find_device(settings.device)
        with tempfile.TemporaryDirectory() as aside:
            kept = keep_input(path, Path(aside))
            table = table_from_json(source.read_symbols()) if source else None
            self.corpus = read_corpus(
                kept or path,
                settings.documents,
                settings.symbols,
                settings.seed,
                settings.valid,
                settings.test,
                table,
            )
            threads = settings.threads or processor_threads()
            torch.set_num_threads(threads)
            plans = self._first_plans(recorded, threads)
            facts = self._facts(path, kept, threads)
            self._set_up(plans, follows=settings.minutes is None)
            if recorded is not None:
                self._watch().notes += differences(recorded.facts, self.device, settings.threads)
            if source:
                weights = best_weights(source, self.corpus.table.size)
                set_weights(self.learner.model, weights)
                set_weights(self.learner.optimiser.averaged, weights)
            out = Path(settings.out) if settings.out else free_path(name_for(path))
            self.run = RunFolder.create(out, facts, fill=lambda folder: self._fill(RunFolder(folder, {}), kept))
        if self.watch is not None:
            self.watch.folder = self.run

    @classmethod
    def resume(
        cls,
        run: str | Path | None = None,
        minutes: float | None = None,
        steps: int | None = None,
        started: float | None = None,
    ) -> Training:
        """Goes on where the run stopped (None: the newest under runs/), or adds a leg to a finished one.

        minutes, steps: a new budget; left out, what the run had left. Raises RunError where it cannot go on, and
        DataError where its text is gone or has changed.
        """
        folder = RunFolder.open(newest() if run is None else run)
        folder.lock()
        try:
            self = cls.__new__(cls)
            self._resume(folder, minutes, steps, started)
        except BaseException:
            folder.release()
            raise
        return self

    def _resume(self, folder: RunFolder, minutes: float | None, steps: int | None, started: float | None) -> None:
        facts = folder.facts
        asked = TrainSettings.from_json(facts["asked"])
        dataclasses.replace(asked, minutes=minutes, steps=steps, plan=None).check()
        if asked.model == "ngram":
            raise RunError(f"{folder.path} is a counted n-gram: there is nothing to go on with. Train again instead.")
        finished, given = facts["status"] == "finished", minutes is not None or steps is not None
        if finished and not given:
            raise RunError(
                f"{folder.path} is finished. To train it further give it a new budget:\n"
                f"unroll resume {folder.path} --minutes {asked.minutes or DEFAULT_MINUTES:g}"
            )
        self.settings, self.run = asked, folder
        self.device = find_device(asked.device)
        torch.set_num_threads(asked.threads or processor_threads())
        self.clock = Clock(None, started)
        self.corpus = read_again(folder, asked)
        plans = recorded_plans(folder, device=self.device)
        leg = Leg(minutes, steps) if given else Leg(**facts["legs"][-1])
        self._set_up(plans, follows=leg.minutes is None)
        watch = self._watch()
        watch.folder = folder
        used = watch.restore()
        leg = dataclasses.replace(leg, used=used) if given else leg
        self.clock.used_before, self.clock.budget = used, leg.seconds_left(used)
        watch.notes += differences(facts, self.device) if watch.follows else []
        if given:
            plan = plan_at(watch.plans, self.learner.step)
            speeds = [report["symbols_a_second"] for report in folder.read_reports()]
            watch.add_plan(leg.plan(plan, self.learner.step, self.clock.left, speeds, finished))
            folder.write_facts(legs=[*facts["legs"], dataclasses.asdict(leg)])
        folder.write_facts(status="training")

    # Setting up

    def _first_plans(self, recorded: RunFolder | None, threads: int) -> list[Plan]:
        if self.settings.model == "ngram":
            return []
        if recorded is not None:
            own = {"threads": self.settings.threads} if self.settings.threads else {}
            return recorded_plans(recorded, device=self.device, **own)
        task = task_of(self.corpus)
        if self.settings.steps is not None:
            plan = plan_steps(self.settings.of_learnt(), task, self.device, threads)
            if plan.gradient != "full":  # one that cannot work on these shapes says so before there is a folder
                next(time_updates(plan, task.symbols))
            return [plan]
        seconds = 0.85 * max(1.0, self.clock.left - 1.0)
        return [plan_minutes(self.settings.of_learnt(), task, self.device, threads, seconds)]

    def _facts(self, path: str | Path, kept: Path | None, threads: int) -> dict[str, Any]:
        data = {
            "path": "data.txt" if kept else str(Path(path).resolve()),
            "kept": kept is not None,
            "fingerprints": {} if kept else self.corpus.fingerprints,
            "description": self.corpus.description,
        }
        return {
            "kind": KIND, "status": "training", "asked": self.settings.to_json(), "data": data, "scores": {},
            "legs": [dataclasses.asdict(Leg(self.settings.minutes, self.settings.steps))],
            "environment": environment(self.device), "threads": threads,
            "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }  # fmt: skip

    def _fill(self, folder: RunFolder, kept: Path | None) -> None:
        """What a run is born with: its symbols, its plan, and a model and a checkpoint that have learnt nothing."""
        if kept:
            shutil.move(kept, folder.path / "data.txt")
        folder.write_symbols(self.corpus.table.to_json())
        if self.watch is not None:
            for plan in self.watch.plans:
                folder.append_plan(plan.from_step, plan.to_json())
            folder.write_model(dict(self.learner.optimiser.averaged.named_parameters()), {"step": 0})
            self.watch.folder = folder
            self.watch.save()

    def _set_up(self, plans: list[Plan], follows: bool) -> None:
        """The learner, its batches and its watch, where there is something to train."""
        self.baseline: Baseline | None = None
        self.verdict: Verdict | None = None
        self.stopped = self._stop = False
        self.watch: Watch | None = None
        if plans:
            seed, first = self.settings.seed, plans[0]
            model = build_model(first, self.corpus.table.size, seed)
            self.learner = Learner(model, Optimiser(model, first), model.start(first.batch))
            self.batches = make_batches(self.corpus, "training", first.batch, first.window, seed)
            most = None if self.settings.threads else processor_threads()
            self.watch = Watch(self.corpus, self.learner, plans, self.clock, seed, follows, most)

    def _watch(self) -> Watch:
        if self.watch is None:
            raise RunError(f"{self.run.path} is counted, not trained.")
        return self.watch

    # Going on

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.run.path

    @property
    def description(self) -> str:
        """What was understood of the data, in a line."""
        return self.corpus.description

    @property
    def plan_line(self) -> str:
        """What is about to be trained, in a line."""
        if self.watch is None:
            return "n-gram: counted, not trained"
        learnt = self.watch.plans[-1].line(sum(p.numel() for p in self.learner.model.parameters()))
        return f"{learnt}; at the end weighed against the n-gram" if self.settings.mixed else learnt

    @property
    def first_sample(self) -> tuple[int, str] | None:
        """(step, text) of the first sample that the run keeps; None while there is none."""
        return next(iter(self.run.read_samples()), None)

    def stop(self) -> None:
        """Asks for a tidy end: a checkpoint after the update that goes on, and no more."""
        self._stop = True

    def __iter__(self) -> Iterator[Report]:
        try:
            yield from self._count() if self.watch is None else self._train(self.watch)
        finally:
            self.run.release()

    def _count(self) -> Iterator[Report]:
        """`--model ngram`: counting is all there is to do."""
        before = self.clock.sitting
        ngram = count_ngram(self.corpus)
        self.baseline = Baseline(ngram.describe(), score_ngram(ngram, self.corpus, "validation"), None)
        seconds, symbols = self.clock.sitting - before, self.corpus.targets("training")
        validation = self.baseline.validation or 0.0
        report = Report(
            step=1, steps=1, progress=1.0, seconds=self.clock.used, seconds_left=0.0, loss=validation, rate=0.0,
            symbols=symbols, symbols_a_second=symbols / max(seconds, 1e-9), bytes_in_use=bytes_in_use(),
            validation=validation, best=validation,
        )  # fmt: skip
        self.run.append_report(1, report.as_dict())
        self.run.write_model(ngram.to_tensors(), ngram.facts())
        yield report
        self.verdict = judge_ngram(self.corpus, ngram, self.baseline)
        ranks = surprise_quantiles(ngram, self.corpus, RANKED_SYMBOLS)
        self.run.write_facts(ranks=ranks)
        self._close(self.verdict)

    def _train(self, watch: Watch) -> Iterator[Report]:
        self.baseline = self._count_baseline()
        ngram = load_counts(self.run) if self.settings.mixed else None
        if ngram is not None:
            with one_thread():
                watch.time_mixture(ngram)
        watch.begin()
        if not watch.validations:
            yield watch.report(watch.plans[0])
        strategy = build("gradient", GRADIENTS, watch.plans[0].gradient)
        due = train(
            self.learner, self.batches, strategy, watch.plans, self.settings.seed,
            lambda: self._stop, watch.is_due, watch.go_back,
        )  # fmt: skip
        for plan in due:
            yield watch.report(plan)
        if self.learner.step < plan_at(watch.plans, self.learner.step).steps:
            self.stopped = True
            watch.save()
            self.run.write_facts(status="stopped")
            return
        with nullcontext() if ngram is None else one_thread():
            self._finish(watch, self.baseline, ngram)

    def _count_baseline(self) -> Baseline:
        """The n-gram to beat, counted within a share of the budget; a resumption finds it in the run's facts."""
        known = self.run.facts.get("baseline")
        if known is not None:
            return Baseline.from_facts(known)
        seconds = BASELINE_SHARE * self.clock.budget if self.clock.budget else None
        ngram = count_ngram(self.corpus, seconds)
        if self.settings.mixed:  # kept before the baseline is known, which a resumption takes for done
            save_counts(self.run, ngram)
        baseline = score_baseline(ngram, self.corpus, seconds)
        self.run.write_facts(baseline=baseline.facts())
        return baseline

    def _finish(self, watch: Watch, baseline: Baseline, ngram: NGram | None) -> None:
        """Weighs a mixture's parts, reads the test part, once, with the best weights, and writes the verdict."""
        averaged = watch.learner.optimiser.averaged
        tensors, _ = self.run.read_model(dict(averaged.named_parameters()))
        averaged.load_state_dict(tensors)
        mixed = None if ngram is None else fit_mixture(averaged, ngram, self.corpus, watch.fit_limit())
        if mixed is not None:
            self.run.write_facts(gate=mixed.model.gate.double().tolist())
        self.verdict = judge(watch, baseline, mixed)
        whole = averaged if mixed is None else mixed.model
        ranks = surprise_quantiles(whole, self.corpus, limit=RANKED_SYMBOLS)
        self.run.write_facts(ranks=ranks)
        self._close(self.verdict)

    def _close(self, verdict: Verdict) -> None:
        self.run.write_facts(status="finished", scores=verdict.as_dict(), seconds=round(self.clock.used, 3))
