"""Examples as the subject of a training: what is to be answered about each row of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from unrolled import seeds
from unrolled.data.buckets import NOT_ASKED, ExampleBatches, by_length, make_batch
from unrolled.data.columns import Columns, to_json
from unrolled.data.examples import Asked, Examples, Known, Labels, count_labels, read_examples
from unrolled.data.tokens import Ids, tokens_from_json
from unrolled.errors import DataError, OptionError, RunError
from unrolled.memory import Dropout, Memory, NoMemory, build_stack
from unrolled.memory.pooling import POOLS
from unrolled.model.answerer import Net, Part
from unrolled.model.answering import Answering
from unrolled.model.blend import blend, fit_blend
from unrolled.model.encoders import build_bidirectional
from unrolled.model.heads import LabelHead, balanced
from unrolled.model.inlets import BagInlet
from unrolled.model.linear import LinearModel, fit_linear
from unrolled.run.answer_verdict import judge_answers, judge_linear
from unrolled.run.process import bytes_in_use
from unrolled.run.report import Report
from unrolled.run.subject import Baseline, Concluded, Reading, Subject, Terms
from unrolled.settings import LINEAR, TrainSettings
from unrolled.training.checkpoint import load_tensors, save_tensors
from unrolled.training.planning_rows import RowTask, plan_row_minutes, plan_row_steps

if TYPE_CHECKING:
    from unrolled.run.folder import RunFolder
    from unrolled.run.watching import Watch
    from unrolled.training.loop import Batches, Lesson
    from unrolled.training.plan import Clock, Plan

SHOWN, SHOWN_CHARACTERS = 8, 60  # validation rows whose answers are shown on the way, and how much of each
SHOWN_TAGS = 12
POOL = "attention"  # where none was asked for


class Answers(Subject):
    """Rows of a table and their answers; what is learnt stands beside a linear model on bags of n-grams."""

    kind, baseline_share = "answers", 0.08
    terms = Terms("nats an answer", "rows", "linear model", "answered", "answers", "To ask it: unroll predict ")

    def __init__(self, examples: Examples, settings: TrainSettings) -> None:
        self.examples, self.settings = examples, settings
        if settings.folds is not None and settings.fold is None:
            raise OptionError("One training is one fold of --folds: name it with --fold, or use unrolled.run.folds.")
        if settings.pool == "last" and settings.direction != "ahead":
            raise OptionError(
                "--pool last takes what stands at a row's end, where a reading both ways has its other beginning.\n"
                "With --direction ahead it is what was read; both ways take mean or attention."
            )
        if settings.direction != "ahead" and settings.gradient != "full":
            raise OptionError(
                f"--gradient {settings.gradient} carries a loss back piece by piece, and rows read both ways are one "
                "piece.\nLeave it out, or read ahead alone: --direction ahead."
            )

    @classmethod
    def read(cls, path: str | Path, settings: TrainSettings, tables: Mapping[str, Any] | None = None) -> Answers:
        """The table at `path`; by a run's tables where there are."""
        asked = Asked(
            settings.input, settings.output, settings.kind, settings.group, settings.valid, settings.test,
            settings.symbols, settings.seed, settings.skip_empty,
            (settings.fold, settings.folds) if settings.fold and settings.folds else None,
        )  # fmt: skip
        examples = read_examples(path, asked, None if tables is None else known_from_json(tables))
        if tables is None and not examples.count("validation"):
            raise DataError(
                f"{path}: the validation part is empty, and on it the best weights and their sureness are chosen.\n"
                "Give it a share or a table: --valid 0.1"
            )
        return cls(examples, settings)

    @property
    def description(self) -> str:
        return self.examples.description

    @property
    def fingerprints(self) -> dict[str, str]:
        return self.examples.fingerprints

    @property
    def trained(self) -> bool:
        return self.settings.model != LINEAR

    @property
    def kinds(self) -> int:
        return int(np.prod([len(labels.names) for labels in self.examples.answers.values()]))

    @property
    def weighed(self) -> str:
        if self.settings.model is None:
            return "; at the end beside a linear model and weighed with it, and the best of the three is left"
        return "; at the end weighed with a linear model" if self.settings.mixed else ""

    def items(self, part: str) -> int:
        return self.examples.count(part)

    def facts(self) -> dict[str, Any]:
        examples = self.examples
        counts = {
            name: dict(zip(labels.given, np.bincount(labels.given_ids).tolist(), strict=True))
            for name, labels in examples.answers.items()
        }
        return {
            "form": examples.form,
            "columns": to_json(examples.columns),
            "symbols": examples.tokens.kind,
            "rows": counts,
            **{part: examples.count(part) for part in examples.parts},
            "left_out": examples.skipped,
            "repeated": examples.repeated,
        }

    def tables(self) -> dict[str, Any]:
        names = {name: list(labels.names) for name, labels in self.examples.answers.items()}
        each = [name for name, labels in self.examples.answers.items() if labels.each]
        tokens = self.examples.tokens.to_json()
        return {"columns": to_json(self.examples.columns), "tokens": tokens, "labels": names, "each": each}

    def make_plan(self, device: str, threads: int, seconds: float | None) -> Plan:
        settings = self.settings.of_learnt()
        rows = self.examples.parts["training"]
        looked = [len(self.examples.tokens.encode(self.examples.texts[row])) for row in rows[:200].tolist()]
        each = any(labels.each for labels in self.examples.answers.values())
        task = RowTask(len(rows), float(np.mean(looked)), self.examples.tokens.worded, each, self._rehearse)
        if seconds is None:
            return plan_row_steps(settings, task, device, threads)
        return plan_row_minutes(settings, task, device, threads, seconds)

    def _rehearse(self, plan: Plan) -> tuple[nn.Module, Lesson]:
        return self.make_model(plan), ExampleBatches(self.examples, "training", plan.batch, 0).batch(0)

    def make_model(self, plan: Plan) -> nn.Module:
        weights = None
        if self.settings.balance:
            weights = {
                name: balanced(count_labels(labels, self.examples.parts["training"]))
                for name, labels in self.examples.answers.items()
            }
        return build_answering(plan, self.settings, self.tables(), weights)

    def make_batches(self, plan: Plan) -> Batches:
        return ExampleBatches(self.examples, "training", plan.batch, self.settings.seed)

    def evaluate(self, model: nn.Module, part: str, limit: int) -> Reading:
        """Nats an answer at the temperature that suits the part: sureness is put right at the end."""
        logs, answers = self._answers_of(model, part, limit)
        nats = 0.0
        for name, found in logs.items():
            if len(found):
                whole = blend([found], fit_blend([found], answers[name]))
                nats -= float(whole[torch.arange(len(found)), answers[name]].mean())
        return Reading(nats, min(limit, self.items(part)))

    @torch.no_grad()
    def _answers_of(self, model: Any, part: str, limit: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        logs: dict[str, list[Tensor]] = {name: [] for name in self.examples.answers}
        right: dict[str, list[Tensor]] = {name: [] for name in self.examples.answers}
        for rows in by_length(self.examples, part, 128, limit):
            batch = make_batch(self.examples, rows, len(rows))
            for name, logits in model.answer(batch.inputs, batch.lengths).items():
                asked = batch.answers[name] != NOT_ASKED
                logs[name].append(logits.log_softmax(-1).cpu()[asked])
                right[name].append(batch.answers[name][asked])
        return {n: torch.cat(parts) for n, parts in logs.items()}, {n: torch.cat(p) for n, p in right.items()}

    def write(self, model: nn.Module) -> str:
        rows = self.examples.parts["validation" if self.items("validation") else "training"][:SHOWN].tolist()
        texts = [self.examples.texts[row] for row in rows]
        found = Net(model, self.examples.tokens).answer(texts)  # type: ignore[arg-type]
        said: list[list[str]] = [[] for _ in rows]
        for name, logs in found.items():
            labels, place = self.examples.answers[name], 0
            for number, row in enumerate(rows):
                right = labels.of(np.array([row]))
                chances = logs[place : place + len(right)].exp()
                place += len(right)
                said[number].append(_shown(labels, chances, right, row))
        short = [" ".join(text[: SHOWN_CHARACTERS + 1].split()) for text in texts]
        short = [one if len(text) <= SHOWN_CHARACTERS else f"{one} …" for one, text in zip(short, texts, strict=True)]
        return "\n".join(f"{one} -> {'; '.join(answers)}" for one, answers in zip(short, said, strict=True))

    def count_baseline(self, run: RunFolder, seconds: float | None) -> Baseline:
        linear = self._fit_linear(seconds)
        save_tensors(run.linear, linear.tensors(), linear.facts())
        return self._baseline(linear)

    def prepare(self, run: RunFolder, watch: Watch) -> None:
        """A linear model takes next to no time."""

    def conclude(self, run: RunFolder, watch: Watch, baseline: Baseline) -> Concluded:
        model: Any = watch.learner.optimiser.averaged
        linear = LinearModel.from_tensors(*load_tensors(run.linear))
        parts: dict[str, Part] = {watch.plans[-1].model: Net(model, self.examples.tokens), LINEAR: linear}
        verdict, left, weights = judge_answers(watch, self.examples, parts, self.settings, baseline.name)
        run.write_facts(left=left, weights=weights)
        return verdict

    def fit_alone(self, run: RunFolder, clock: Clock) -> tuple[Baseline, Iterator[Report]]:
        before = clock.sitting
        self._linear = linear = self._fit_linear(None)
        baseline = self._baseline(linear)
        save_tensors(run.linear, linear.tensors(), linear.facts())
        seconds, validation = clock.sitting - before, baseline.validation or 0.0
        report = Report(
            step=1, steps=1, progress=1.0, seconds=clock.used, seconds_left=0.0, loss=validation, rate=0.0,
            symbols=self.items("training"), symbols_a_second=self.items("training") / max(seconds, 1e-9),
            bytes_in_use=bytes_in_use(), validation=validation, best=validation,
        )  # fmt: skip
        run.append_report(1, report.as_dict())
        return baseline, iter([report])

    def conclude_alone(self, run: RunFolder, baseline: Baseline) -> Concluded:
        verdict, weights = judge_linear(self.examples, self._linear, baseline.name)
        run.write_facts(left=[LINEAR], weights=weights)
        return verdict

    def _fit_linear(self, seconds: float | None) -> LinearModel:
        each = any(labels.each for labels in self.examples.answers.values())
        units = "neighbours" if each else "words" if self.examples.tokens.worded else "characters"
        answers = self.examples.answers
        parts = {
            part: (
                self.examples.part_texts(part),
                {name: labels.of(self.examples.parts[part]) for name, labels in answers.items()},
            )
            for part in ("training", "validation")
        }
        kinds = {name: len(labels.names) for name, labels in answers.items()}
        return fit_linear(units, parts["training"], parts["validation"], kinds, self.settings.seed, seconds)

    def _baseline(self, linear: LinearModel) -> Baseline:
        rows = self.examples.parts["validation"]
        if not len(rows):
            return Baseline(linear.describe(), None, None)
        nats, right = 0.0, []
        for name, logs in linear.answer(list(self.examples.part_texts("validation"))).items():
            answers = torch.from_numpy(self.examples.answers[name].of(rows))
            asked = answers >= 0
            nats -= float(logs[asked, answers[asked]].mean()) if bool(asked.any()) else 0.0
            right.append(f"{float((logs.argmax(1) == answers).double().mean()):.1%} of {name}")
        return Baseline(f"{linear.describe()}, {', '.join(right)} right", nats, None)


def _shown(labels: Labels, chances: Tensor, right: Ids, row: int) -> str:
    """An answer and whether it is right; of tags the first ones, those in question marks that are not."""
    best = chances.argmax(1).tolist()
    if labels.each:
        marked = [labels.names[b] if b == r else f"{labels.names[b]}?" for b, r in zip(best, right, strict=True)]
        return " ".join(marked[:SHOWN_TAGS]) + (" …" if len(marked) > SHOWN_TAGS else "")
    verdict = "right" if best[0] == right[0] else f"{labels.name(row)} is right"
    return f"{labels.names[best[0]]} ({float(chances[0, best[0]]):.0%}, {verdict})"


def build_answering(
    plan: Plan, settings: TrainSettings, tables: Mapping[str, Any], weights: Mapping[str, list[float]] | None = None
) -> Answering:
    """An untrained model by a plan and a run's tables, the same for the same seed."""
    tokens = tokens_from_json(tables["tokens"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.number(settings.seed, "weights"))
        inlet = BagInlet(tokens.size, plan.embed)
        front: Memory = NoMemory(plan.embed, plan.embed, nn.RMSNorm(plan.embed, eps=1e-5))
        ahead = settings.direction == "ahead"
        build = build_stack if ahead else build_bidirectional
        memory = build(plan.model, plan.embed, plan.size, plan.depth, plan.dropout)
        pool = POOLS[settings.pool or POOL](plan.size, plan.size)
        heads = {
            name: LabelHead(plan.size, len(names), None if weights is None else weights[name])
            for name, names in tables["labels"].items()
        }
        front, pool = (Dropout(part, plan.dropout) if plan.dropout else part for part in (front, pool))
        return Answering(inlet, front, memory, pool, heads, tables["each"]).to(plan.device)


def known_from_json(tables: Mapping[str, Any]) -> Known:
    """What `tables` says of columns, tokens and labels. Raises RunError where it is damaged."""
    try:
        columns = Columns(tables["columns"]["input"], tuple(tables["columns"]["outputs"]), tables["columns"]["group"])
        names = {str(name): [str(label) for label in labels] for name, labels in tables["labels"].items()}
        tokens, each = tokens_from_json(tables["tokens"]), frozenset(tables["each"])
    except (KeyError, TypeError, AttributeError):
        raise RunError("The run's symbols.json is damaged: columns, tokens or labels are missing.") from None
    if set(names) != set(columns.outputs) or not all(len(labels) > 1 for labels in names.values()):
        raise RunError("The run's symbols.json is damaged: its labels are not those of its columns.")
    return Known(columns, tokens, names, each)
