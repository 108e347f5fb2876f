"""Examples as the subject of a training: what is to be answered about each row of a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from unrolled import seeds
from unrolled.data.answers import Labels, count_labels
from unrolled.data.buckets import ExampleBatches, by_length, is_asked, make_batch
from unrolled.data.columns import columns_from_json, to_json
from unrolled.data.examples import LISTED, Asked, Examples, Known, read_examples
from unrolled.data.features import FEATURES, Features, Frames, Rows, features_from_json
from unrolled.data.outputs import output_from_json
from unrolled.data.pieces import table_from_json
from unrolled.data.symbols import symbols_before
from unrolled.data.tokens import SymbolTokens, Tokens, tokens_from_json
from unrolled.errors import DataError, OptionError, RunError
from unrolled.memory import Dropout, Memory, NoMemory, Stack, build_stack
from unrolled.memory.columns import build_columns
from unrolled.memory.pooling import POOLS
from unrolled.model.answerer import Net, Part
from unrolled.model.answering import Answering
from unrolled.model.blend import blend, fit_blend
from unrolled.model.encoders import build_bidirectional
from unrolled.model.heads import Head, balanced
from unrolled.model.inlets import BagInlet, PlainInlet
from unrolled.model.likelihoods import LIKELIHOODS
from unrolled.model.linear import LinearModel, fit_linear
from unrolled.run.answer_verdict import judge_answers, judge_linear
from unrolled.run.building import build_model
from unrolled.run.legs import best_weights, recorded_plans, set_weights
from unrolled.run.process import bytes_in_use
from unrolled.run.report import Report
from unrolled.run.subject import Baseline, Concluded, Reading, Subject, Terms
from unrolled.run.tellers import SHORT, nats_of, teller_of
from unrolled.settings import LINEAR, TrainSettings
from unrolled.training.checkpoint import load_tensors, save_tensors
from unrolled.training.planning_rows import RowTask, plan_row_minutes, plan_row_steps

if TYPE_CHECKING:
    from unrolled.run.folder import RunFolder
    from unrolled.run.watching import Watch
    from unrolled.training.loop import Batches, Lesson
    from unrolled.training.plan import Clock, Plan

SHOWN, SHOWN_CHARACTERS = 8, 60  # validation rows whose answers are shown on the way, and how much of each
FEW = 20_000  # sounds or pictures of the training part up to which each is read as one like it, another each time
LOOKED_AT = 16  # batches by which the share of padding is told
LANGUAGE = "language"  # the kind of a run that foresees a text
POOL = "attention"  # where none was asked for


class Answers(Subject):
    """Rows of a table and their answers; what is learnt stands beside a linear model."""

    kind, baseline_share = "answers", 0.08
    terms = Terms("nats an answer", "rows", "linear model", "answered", "answers", "To ask it: unroll predict ")

    def __init__(
        self, examples: Examples, settings: TrainSettings, began: str | None = None, embed: int | None = None
    ) -> None:
        """began: the kind of run that it started from, where that is another; embed: of the run it starts from."""
        self.examples, self.settings, self.began, self.embed = examples, settings, began, embed
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
    def read(
        cls, path: str | Path, settings: TrainSettings, tables: Mapping[str, Any] | None = None,
        source: RunFolder | None = None,
    ) -> Answers:  # fmt: skip
        """The table at `path`; by a run's tables where there are. source: a run whose weights are the start, of a
        language model too, whose symbols are then read."""
        table = None
        if source is not None and source.facts["kind"] == LANGUAGE:
            table = table_from_json(source.read_symbols())
        asked = Asked(
            settings.input, settings.output, settings.kind, settings.group, settings.valid, settings.test,
            settings.symbols, settings.seed, settings.skip_empty, settings.read, settings.sequence,
            settings.inlet == "patches", table,
            (settings.fold, settings.folds) if settings.fold and settings.folds else None,
        )  # fmt: skip
        examples = read_examples(path, asked, None if tables is None else known_from_json(tables))
        if tables is None and not examples.count("validation"):
            raise DataError(
                f"{path}: the validation part is empty, and on it the best weights and their sureness are chosen.\n"
                "Give it a share or a table: --valid 0.1"
            )
        if settings.balance and not all(isinstance(one, Labels) for one in examples.answers.values()):
            raise OptionError(
                "--balance makes labels count alike, and what is answered here are no labels, one each."
            )
        check_inlet(settings, examples.intake)
        began = LANGUAGE if table is not None else None if tables is None else tables.get("began")
        return cls(examples, settings, began, recorded_plans(source)[0].embed if source is not None else None)

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
    def untrained(self) -> float:
        return sum(untrained_nats(answered.output.to_json()) for answered in self.examples.answers.values())

    @property
    def varied(self) -> bool:
        """Whether each row is read as one like it, another each time."""
        few = self.items("training") <= FEW and self.examples.intake.varies
        return few if self.settings.augment == "auto" else self.settings.augment == "yes"

    @property
    def weighed(self) -> str:
        if self.settings.model is None:
            return "; at the end beside a linear model and weighed with it, and the best of the three is left"
        return "; at the end weighed with a linear model" if self.settings.mixed else ""

    def items(self, part: str) -> int:
        return self.examples.count(part)

    def facts(self) -> dict[str, Any]:
        examples = self.examples
        return {
            "form": examples.form,
            "columns": to_json(examples.columns),
            "read": examples.intake.kind,
            "rows": {name: answered.facts() for name, answered in examples.answers.items()},
            **{part: examples.count(part) for part in examples.parts},
            "left_out": examples.skipped,
            **({"unreadable": [one.splitlines()[0] for one in examples.bad[:LISTED]]} if examples.bad else {}),
            "repeated": examples.repeated,
        }

    def tables(self) -> dict[str, Any]:
        outputs = {name: answered.output.to_json() for name, answered in self.examples.answers.items()}
        intake = self.examples.intake.to_json()
        began = {} if self.began is None else {"began": self.began}
        return {"columns": to_json(self.examples.columns), "intake": intake, "outputs": outputs, **began}

    def make_plan(self, device: str, threads: int, seconds: float | None) -> Plan:
        settings, intake = self.settings.of_learnt(), self.examples.intake
        rows = self.examples.parts["training"]
        looked = [len(intake.encode(self.examples.items[row])) for row in rows[:200].tolist()]
        each = any(answered.each for answered in self.examples.answers.values())
        steps = "words" if isinstance(intake, Tokens) and intake.worded else intake.kind
        kind = "tags" if each else steps if steps in ("words", *FEATURES) else "symbols"
        task = RowTask(len(rows), float(np.mean(looked)), kind, self._rehearse, self.padding_share, self.embed)
        if seconds is None:
            return plan_row_steps(settings, task, device, threads)
        return plan_row_minutes(settings, task, device, threads, seconds)

    def padding_share(self, batch: int) -> float:
        """How much of what is read in batches of so many rows is padding."""
        return ExampleBatches(self.examples, "training", batch, self.settings.seed).padding_share(LOOKED_AT)

    def _rehearse(self, plan: Plan) -> tuple[nn.Module, Lesson]:
        return self.make_model(plan), ExampleBatches(self.examples, "training", plan.batch, 0, self.varied).batch(0)

    def make_model(self, plan: Plan) -> nn.Module:
        weights = None
        if self.settings.balance:
            weights = {
                name: balanced(count_labels(labels, self.examples.parts["training"]))
                for name, labels in self.examples.answers.items()
                if isinstance(labels, Labels)
            }
        return build_answering(plan, self.settings, self.tables(), weights)

    def starting_weights(self, source: RunFolder) -> list[Tensor]:
        if source.facts["kind"] != LANGUAGE:
            return super().starting_weights(source)
        plan = recorded_plans(source)[0]
        table = table_from_json(source.read_symbols())
        theirs: Any = build_model(plan, table.size, 0)
        set_weights(theirs, best_weights(source, theirs))
        mine: Any = self.make_model(replace(plan, dropout=0.0))
        set_weights(mine.memory, [weight.detach() for weight in theirs.memory.parameters()])
        intake = self.examples.intake
        if isinstance(intake, SymbolTokens):
            before = torch.from_numpy(symbols_before(table, intake.table))
            with torch.no_grad():
                mine.inlet.embedding.weight[1:] = theirs.embedding.weight[before]
        return [weight.detach() for weight in mine.parameters()]

    def make_batches(self, plan: Plan) -> Batches:
        return ExampleBatches(self.examples, "training", plan.batch, self.settings.seed, self.varied)

    def evaluate(self, model: nn.Module, part: str, limit: int) -> Reading:
        """Nats an answer at the temperature that suits the part: sureness is put right at the end."""
        said, answers = self._answers_of(model, part, limit)
        nats = 0.0
        for name, found in said.items():
            if len(found):
                output = self.examples.answers[name].output
                family = LIKELIHOODS[output.kind]
                whole = blend(family, [found], fit_blend(family, [found], answers[name]))
                nats += nats_of(output, whole, answers[name])
        return Reading(nats, min(limit, self.items(part)))

    @torch.no_grad()
    def _answers_of(self, model: Any, part: str, limit: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        found: dict[str, list[Tensor]] = {name: [] for name in self.examples.answers}
        right: dict[str, list[Tensor]] = {name: [] for name in self.examples.answers}
        for rows in by_length(self.examples, part, 128, limit):
            batch = make_batch(self.examples, rows, len(rows))
            for name, said in model.say(model.answer(batch.inputs, batch.lengths)).items():
                asked = is_asked(batch.answers[name])
                found[name].append(said.cpu()[asked])
                right[name].append(batch.answers[name][asked])
        return {n: torch.cat(parts) for n, parts in found.items()}, {n: torch.cat(p) for n, p in right.items()}

    def write(self, model: nn.Module) -> str:
        examples = self.examples
        rows = examples.parts["validation" if self.items("validation") else "training"][:SHOWN].tolist()
        found = Net(model, examples.intake).answer([examples.items[row] for row in rows])  # type: ignore[arg-type]
        lines: list[list[str]] = [[] for _ in rows]
        for name, said in found.items():
            answered, place = examples.answers[name], 0
            for number, row in enumerate(rows):
                places = answered.places(np.array([row]))
                own = said[place : place + len(places)]
                place += len(places)
                lines[number].append(
                    teller_of(answered.output).show(answered, int(places[0]), own) if len(own) else ""
                )
        texts = [examples.name(row) for row in rows]
        short = [" ".join(text[: SHOWN_CHARACTERS + 1].split()) for text in texts]
        short = [one if len(text) <= SHOWN_CHARACTERS else f"{one} …" for one, text in zip(short, texts, strict=True)]
        return "\n".join(f"{one} -> {'; '.join(answers)}" for one, answers in zip(short, lines, strict=True))

    def count_baseline(self, run: RunFolder, seconds: float | None) -> Baseline:
        linear = self._fit_linear(seconds)
        save_tensors(run.linear, linear.tensors(), linear.facts())
        return self._baseline(linear)

    def prepare(self, run: RunFolder, watch: Watch) -> None:
        """A linear model takes next to no time."""

    def conclude(self, run: RunFolder, watch: Watch, baseline: Baseline) -> Concluded:
        model: Any = watch.learner.optimiser.averaged
        linear = LinearModel.from_tensors(*load_tensors(run.linear), self.examples.intake)
        parts: dict[str, Part] = {watch.plans[-1].model: Net(model, self.examples.intake), LINEAR: linear}
        verdict, left = judge_answers(watch, self.examples, parts, self.settings, baseline.name)
        run.write_facts(**left.facts())
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
        verdict, left = judge_linear(self.examples, self._linear, baseline.name)
        run.write_facts(**left.facts())
        return verdict

    def _fit_linear(self, seconds: float | None) -> LinearModel:
        examples, intake = self.examples, self.examples.intake
        each = any(answered.each for answered in examples.answers.values())
        worded = isinstance(intake, Tokens) and intake.worded
        units = "numbers" if isinstance(intake, Features) else "neighbours" if each else "words" if worded else None
        training, validation = (
            (
                examples.part_items(part),
                {name: answered.of(examples.parts[part]) for name, answered in examples.answers.items()},
            )
            for part in ("training", "validation")
        )
        outputs = {name: answered.output for name, answered in examples.answers.items()}
        return fit_linear(units or "characters", training, validation, outputs, intake, self.settings.seed, seconds)

    def _baseline(self, linear: LinearModel) -> Baseline:
        rows = self.examples.parts["validation"]
        if not len(rows):
            return Baseline(linear.describe(), None, None)
        nats, words = 0.0, []
        for name, said in linear.answer(list(self.examples.part_items("validation"))).items():
            answered = self.examples.answers[name]
            teller = teller_of(answered.output)
            nats += nats_of(answered.output, said, torch.from_numpy(answered.of(rows)))
            score = teller.score(answered, rows, said.double(), ())
            words.append(f"{name} {SHORT[teller.figure].format(score.as_dict()[teller.figure])}")
        return Baseline(f"{linear.describe()}, {', '.join(words)}", nats, None)


def untrained_nats(output: Mapping[str, Any]) -> float:
    """What an untrained model's answer costs."""
    if output["kind"] == "value":
        return 0.5 * (1 + math.log(2 * math.pi)) * len(output["mean"])
    return math.log(2) * len(output["names"]) if output["kind"] == "labels" else math.log(len(output["names"]))


def check_inlet(settings: TrainSettings, intake: Tokens | Features) -> None:
    """Raises OptionError where `--inlet` or `--augment` is of no use for what is read."""
    if settings.inlet == "patches" and intake.kind != "patches":
        raise OptionError(f"--inlet patches is of pictures, and what is read here is {intake.read_as}. Leave it out.")
    if settings.inlet == "conv" and not isinstance(intake, Frames | Rows):
        raise OptionError(f"--inlet conv is of sounds and pictures, and here are {intake.read_as}. Leave it out.")
    if settings.augment == "yes" and not intake.varies:
        raise OptionError(f"--augment is of sounds and pictures, and here are {intake.read_as}. Leave it out.")


def build_answering(
    plan: Plan, settings: TrainSettings, tables: Mapping[str, Any], weights: Mapping[str, list[float]] | None = None
) -> Answering:
    """An untrained model by a plan and a run's tables, the same for the same seed."""
    known = known_from_json(tables)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.number(settings.seed, "weights"))
        inlet, front = build_inlet(known.intake, plan.embed, settings.inlet, tables.get("began") == LANGUAGE)
        ahead = settings.direction == "ahead"
        build = build_stack if ahead else build_bidirectional
        memory = build(plan.model, plan.embed, plan.size, plan.depth, plan.dropout)
        pool = POOLS[settings.pool or POOL](plan.size, plan.size)
        heads = {
            name: Head(plan.size, output.width, output.kind, None if weights is None else weights[name])
            for name, output in known.outputs.items()
        }
        front, pool = (Dropout(part, plan.dropout) if plan.dropout else part for part in (front, pool))
        model = Answering(inlet, front, memory, pool, heads, known.each).to(plan.device)
    if settings.freeze == "encoder":
        for part in (model.inlet, model.front, model.memory):
            part.requires_grad_(False)
    return model


def build_inlet(intake: Tokens | Features, embed: int, asked: str, as_is: bool) -> tuple[nn.Module, Memory]:
    """What stands between steps and a memory that reads `embed` numbers: of bags of ids a normed vector, or the
    vector as it is; of sounds and pictures two convolutions, unless they are asked for plain; of other numbers a
    layer."""
    if isinstance(intake, Tokens):
        if as_is:
            return BagInlet(intake.size, embed), NoMemory(embed, embed, PlainInlet(embed))
        return BagInlet(intake.size, embed), NoMemory(embed, embed, nn.RMSNorm(embed, eps=1e-5))
    if isinstance(intake, Frames | Rows) and asked != "plain":
        places = intake.width // intake.channels
        return PlainInlet(intake.width), Stack(build_columns(places, intake.channels, embed))
    return PlainInlet(intake.width), NoMemory(intake.width, embed, nn.Linear(intake.width, embed))


def known_from_json(tables: Mapping[str, Any]) -> Known:
    """What `tables` says of columns, steps and outputs. Raises RunError where it is damaged."""
    try:
        columns = columns_from_json(tables["columns"])
        facts = tables["intake"] if "intake" in tables else tables["tokens"]  # an older run reads texts
        intake = features_from_json(facts) if facts.get("kind") in FEATURES else tokens_from_json(facts)
        if "outputs" in tables:
            outputs = {str(name): output_from_json(name, output) for name, output in tables["outputs"].items()}
        else:  # an older run answers with labels
            kinds = {True: "tags", False: "label"}
            outputs = {
                str(name): output_from_json(name, {"kind": kinds[name in tables["each"]], "names": labels})
                for name, labels in tables["labels"].items()
            }
    except (KeyError, TypeError, AttributeError):
        raise RunError("The run's symbols.json is damaged: columns, steps or outputs are missing.") from None
    if set(outputs) != set(columns.outputs):
        raise RunError("The run's symbols.json is damaged: its outputs are not those of its columns.")
    return Known(columns, intake, outputs)
