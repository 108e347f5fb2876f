"""The prediction task: labels, tags or numbers for each row of a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from unrolled import seeds
from unrolled.data.answers import Labels, count_labels
from unrolled.data.buckets import ExampleBatches, by_length, is_asked, make_batch
from unrolled.data.examples import Examples
from unrolled.data.features import FEATURES
from unrolled.data.pieces import table_from_json
from unrolled.data.symbols import symbols_before
from unrolled.data.tokens import Tokens
from unrolled.deadline import ENDLESS, Deadline
from unrolled.errors import OptionError
from unrolled.model.heads import balanced
from unrolled.model.predictor import Net, Part
from unrolled.model.word_vectors import cooccurrence_vectors
from unrolled.options import AnswerSettings
from unrolled.registry import COUNTED, LINEAR, UNTRAINED
from unrolled.tasks.base import Baseline, Concluded, Reading, Started, Subject, Terms
from unrolled.tasks.build import LANGUAGE, build_answering
from unrolled.tasks.dataset import (
    as_measured,
    but_unlike,
    check_rows,
    facts_of_rows,
    is_varied,
    read_rows,
    shown_row,
    tables_of_rows,
)
from unrolled.tasks.prediction.baselines import (
    best_baseline,
    check_rivals,
    fit_rivals,
    load_rival,
    rivals_of,
    save_rivals,
)
from unrolled.tasks.prediction.metrics import suited_nats, teller_of
from unrolled.tasks.prediction.rows import AT_ONCE, most_rows
from unrolled.tasks.prediction.summary import FITTING, READING, WEIGHING, judge_alone, judge_answers
from unrolled.tasks.record import ConclusionCost, TrainingRecord
from unrolled.tasks.trend import trend_of
from unrolled.training.planning_rows import RowTask, plan_row_minutes, plan_row_steps

if TYPE_CHECKING:
    from unrolled.data.corpus import Corpus
    from unrolled.rundir.folder import RunFolder
    from unrolled.training.loop import Batches, Lesson
    from unrolled.training.plan import Clock, Plan

CLOSING, CLOSING_SHARE = 0.3, 0.08  # seconds, and largest share of a budget, for selecting and scoring
SECONDS_A_ROW, MANY_LABELS = 0.0002, 200  # seconds to score a row; twice as many with this many labels
FITTED_ALONE = 0.5  # largest share of the time for fitting, without a net to train
SHOWN = 8  # validation rows in the samples during training
LOOKED_AT = 16  # batches on which the share of padding is measured


class Answers(Subject):
    """Rows of a table with targets; the net is compared with baselines."""

    kind, data, settings_class = "answers", "table", AnswerSettings
    baseline_share = 0.08
    settings: AnswerSettings
    _judging = 0.0  # seconds of the baselines for `AT_ONCE` rows, with scores
    terms = Terms("nats per prediction", "rows", "linear model", "predicted", "predicts", "predict")

    def __init__(
        self, examples: Examples, settings: AnswerSettings, began: str | None = None, embed: int | None = None,
        read_text: Callable[[], Corpus] | None = None,
    ) -> None:  # fmt: skip
        """began: the kind of the run that it started from, if another kind. embed: embedding width of that run.
        read_text: reads the text of the language model, if its word vectors (not its memory) are the start."""
        self.examples, self.settings, self.began, self.embed = examples, settings, began, embed
        self._read_text = read_text
        check_rows(examples, settings)
        check_rivals(examples, settings.model)
        if settings.class_weights and not all(isinstance(one, Labels) for one in examples.answers.values()):
            raise OptionError(
                "--balance gives each label the same weight; the outputs here are not single labels. Leave it out."
            )
        if settings.pool == "last" and settings.direction != "causal":
            raise OptionError(
                "--pool last needs --direction causal: in a bidirectional encoder the last step has read almost\n"
                "nothing backwards. Add --direction causal, or pool by mean or attention."
            )
        if settings.direction != "causal" and settings.bptt != "full":
            raise OptionError(
                f"--bptt {settings.bptt} backpropagates segment by segment; a bidirectional encoder needs "
                "whole rows.\nLeave it out, or add --direction causal."
            )

    @classmethod
    def read_again(cls, path: Path, settings: AnswerSettings, tables: Mapping[str, Any]) -> Answers:
        return cls(read_rows(path, settings, tables), settings, tables.get("began"))

    @classmethod
    def read_measured(cls, path: Path, settings: AnswerSettings, tables: Mapping[str, Any]) -> Answers:
        return cls(read_rows(path, as_measured(settings), tables, measured=True), settings, tables.get("began"))

    @property
    def description(self) -> str:
        return self.examples.description

    @property
    def fingerprints(self) -> dict[str, str]:
        return self.examples.fingerprints

    @property
    def trained(self) -> bool:
        return self.settings.model not in UNTRAINED

    @property
    def without_net(self) -> str | None:
        return LINEAR

    @property
    def untrained(self) -> float:
        return sum(answered.output.untrained for answered in self.examples.answers.values())

    @property
    def varied(self) -> bool:
        """Whether training rows are augmented at random."""
        return is_varied(self.examples, self.settings)

    @property
    def weighed(self) -> str:
        if self.settings.model is None:
            baselines = " and ".join(f"the {UNTRAINED[name][0]}" for name in rivals_of(self.examples))
            return f"; at the end combined with {baselines}, and the best on validation is selected"
        return f"; at the end combined as {self.settings.model}" if self.settings.mixed else ""

    def items(self, part: str) -> int:
        return self.examples.count(part)

    def facts(self) -> dict[str, Any]:
        return facts_of_rows(self.examples)

    def tables(self) -> dict[str, Any]:
        return tables_of_rows(self.examples) | ({} if self.began is None else {"began": self.began})

    def make_plan(self, device: str, threads: int, seconds: float | None) -> Plan:
        settings, intake = self.settings.of_learnt(), self.examples.intake
        rows = self.examples.parts["training"]
        looked = [len(intake.encode(self.examples.items[row])) for row in rows[:200].tolist()]
        each = any(answered.each for answered in self.examples.answers.values())
        # with a language model's memory, words need as many epochs as characters (docs/results/pretraining.md)
        worded = isinstance(intake, Tokens) and intake.worded and self.began is None
        kind = "tags" if each else intake.kind if intake.kind in FEATURES else "words" if worded else "symbols"
        task = RowTask(len(rows), float(np.mean(looked)), kind, self._rehearse, self.padding_share, self.embed)
        if seconds is None:
            return plan_row_steps(settings, task, device, threads)
        return plan_row_minutes(settings, task, device, threads, seconds)

    def padding_share(self, batch: int) -> float:
        """The share of padding in batches of this many rows."""
        return ExampleBatches(self.examples, "training", batch, self.settings.seed).padding_share(LOOKED_AT)

    def _rehearse(self, plan: Plan) -> tuple[nn.Module, Lesson]:
        return self.make_model(plan), self._batches(plan, 0).batch(0)

    def _batches(self, plan: Plan, seed: int) -> ExampleBatches:
        return ExampleBatches(self.examples, "training", plan.batch_size, seed, self.varied, plan.twice)

    def make_model(self, plan: Plan) -> nn.Module:
        weights = None
        if self.settings.class_weights:
            weights = {
                name: balanced(count_labels(labels, self.examples.parts["training"]))
                for name, labels in self.examples.answers.items()
                if isinstance(labels, Labels)
            }
        return build_answering(plan, self.settings, self.tables(), weights)

    @classmethod
    def model_of(cls, run: RunFolder, plan: Plan) -> nn.Module:
        settings: Any = run.settings
        return build_answering(plan, settings, run.read_symbols())

    def starting_components(self, source: RunFolder, theirs: type[Subject]) -> Started:
        started = super().starting_components(source, theirs)
        if source.facts["kind"] != LANGUAGE:
            return but_unlike(started, self.examples, source)
        intake: Any = self.examples.intake
        components = {"memory": started.components["memory"]}
        vectors = started.components["embedding"]["weight"]  # (V, E)
        if self._read_text is not None:
            components = {}
            vectors = cooccurrence_vectors(
                self._read_text(), vectors.shape[1], seeds.number(self.settings.seed, "vectors")
            )
        before = torch.from_numpy(symbols_before(table_from_json(source.read_symbols()), intake.table))
        padded = torch.cat([torch.zeros_like(vectors[:1]), vectors[before]])
        return Started({"embedding": {"embedding.weight": padded}} | components)

    def make_batches(self, plan: Plan) -> Batches:
        return self._batches(plan, self.settings.seed)

    def evaluate(self, model: nn.Module, part: str, limit: int, deadline: Deadline = ENDLESS) -> Reading:
        """Nats per prediction, at the best temperature for the split."""
        predictions, targets, read = self._predictions_of(model, part, limit, deadline)
        nats = [
            suited_nats(self.examples.answers[name].output, found, targets[name], deadline)
            for name, found in predictions.items()
        ]
        return Reading(sum(nats), read)

    @torch.no_grad()
    def _predictions_of(
        self, model: Any, part: str, limit: int, deadline: Deadline
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], int]:
        read = 0
        found: dict[str, list[Tensor]] = {name: [] for name in self.examples.answers}
        right: dict[str, list[Tensor]] = {name: [] for name in self.examples.answers}
        for rows in by_length(self.examples, part, AT_ONCE, min(limit, most_rows(self.examples, part))):
            if read and deadline.passed():
                break
            read += len(rows)
            batch = make_batch(self.examples, rows, len(rows))
            for name, predictions in model.say(model.answer(batch.inputs, batch.lengths)).items():
                asked = is_asked(batch.answers[name])
                found[name].append(predictions.cpu()[asked])
                right[name].append(batch.answers[name][asked])
        joined = {n: torch.cat(parts) for n, parts in found.items()}
        return joined, {n: torch.cat(parts) for n, parts in right.items()}, read

    def write(self, model: nn.Module) -> str:
        examples = self.examples
        rows = examples.parts["validation" if self.items("validation") else "training"][:SHOWN].tolist()
        found = Net(model, examples.intake).answer([examples.items[row] for row in rows])  # type: ignore[arg-type]
        lines: list[list[str]] = [[] for _ in rows]
        for name, predictions in found.items():
            answered, place = examples.answers[name], 0
            for number, row in enumerate(rows):
                places = answered.places(np.array([row]))
                own = predictions[place : place + len(places)]
                place += len(places)
                lines[number].append(
                    teller_of(answered.output).show(answered, int(places[0]), own) if len(own) else ""
                )
        return "\n".join(
            f"{shown_row(examples, row)} -> {'; '.join(shown)}" for row, shown in zip(rows, lines, strict=True)
        )

    def count_baseline(self, run: RunFolder, deadline: Deadline) -> Baseline:
        rivals = fit_rivals(self.examples, rivals_of(self.examples), self.settings.seed, deadline)
        save_rivals(run, rivals)
        started = time.monotonic()
        best, rows = best_baseline(self.examples, rivals, deadline)
        self._judging = (time.monotonic() - started) * min(1.0, AT_ONCE / max(1, rows))
        return best

    def prepare(self, run: RunFolder, model: nn.Module, clock: Clock) -> ConclusionCost:
        if clock.budget is None:
            return ConclusionCost()
        widest = max(answered.output.width for answered in self.examples.answers.values())
        validation, test = (min(self.items(part), most_rows(self.examples, part)) for part in ("validation", "test"))
        started = time.monotonic()
        *_, read = self._predictions_of(model, "validation", AT_ONCE, clock.deadline())
        reading = (time.monotonic() - started) * AT_ONCE / max(1, read) + self._judging
        scoring = (validation + test) * SECONDS_A_ROW * (1 + widest / MANY_LABELS)
        all_rows = reading / AT_ONCE * max(validation / WEIGHING, (validation + test / READING) / (1 - FITTING))
        least = 2 * reading  # this many validation and test rows are scored however little time is left
        return ConclusionCost(max(least, min(CLOSING_SHARE * clock.budget, CLOSING + scoring + all_rows)))

    def kept_baselines(self, run: RunFolder) -> list[str]:
        names = rivals_of(self.examples)
        if run.rival(COUNTED).exists():
            return names
        return [name for name in names if name != COUNTED]  # the run is older than the n-grams of labels

    def conclude(self, run: RunFolder, record: TrainingRecord, baseline: Baseline) -> Concluded:
        deadline = record.deadline
        names, intake = rivals_of(self.examples), self.examples.intake
        if COUNTED in names and COUNTED not in self.kept_baselines(run):
            save_rivals(run, fit_rivals(self.examples, [COUNTED], self.settings.seed, deadline.share(0.2)))
        parts: dict[str, Part] = {record.plan.model: Net(record.model, intake)}
        parts |= {name: load_rival(run, name, intake) for name in names}
        trend = trend_of(run.read_reports())
        summary, selected = judge_answers(self.examples, parts, self.settings, trend, baseline.name, deadline)
        run.write_facts(**selected.facts())
        return summary

    def fit_alone(self, run: RunFolder, clock: Clock) -> Baseline:
        deadline = self._judged_by = clock.deadline()
        names = [self.settings.model or LINEAR]
        self._alone = fit_rivals(self.examples, names, self.settings.seed, deadline.share(FITTED_ALONE))
        baseline, _ = best_baseline(self.examples, self._alone, deadline.share(0.3))
        save_rivals(run, self._alone)
        return baseline

    def conclude_alone(self, run: RunFolder, baseline: Baseline) -> Concluded:
        summary, selected = judge_alone(self.examples, self._alone, self.settings, baseline.name, self._judged_by)
        run.write_facts(**selected.facts())
        return summary
