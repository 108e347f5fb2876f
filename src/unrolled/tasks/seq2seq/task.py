"""The seq2seq task: a text for each row of a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from unrolled.data.examples import Examples
from unrolled.data.items import PartItems
from unrolled.data.pairs import PairBatches, written_of
from unrolled.deadline import ENDLESS, Deadline
from unrolled.errors import OptionError, RunError
from unrolled.model.cross_attention import READERS
from unrolled.model.encoder_decoder import Taught
from unrolled.options import WritingSettings
from unrolled.registry import UNTRAINED, build
from unrolled.tasks.base import Baseline, Concluded, Reading, Started, Subject, Terms
from unrolled.tasks.build import build_taught, reader_of
from unrolled.tasks.dataset import (
    as_measured,
    but_unlike,
    check_rows,
    facts_of_rows,
    is_varied,
    read_rows,
    shown_row,
    spread,
    tables_of_rows,
)
from unrolled.tasks.record import ConclusionCost, TrainingRecord
from unrolled.tasks.seq2seq.generate import Scribe
from unrolled.tasks.seq2seq.summary import (
    GREEDY,
    MOST_JUDGED,
    figure_of,
    judge_writing,
    likest_texts,
    score_rows,
    shown,
)
from unrolled.tasks.trend import trend_of
from unrolled.training.planning_rows import RowTask, plan_row_minutes, plan_row_steps

if TYPE_CHECKING:
    from unrolled.rundir.folder import RunFolder
    from unrolled.training.loop import Batches, Lesson
    from unrolled.training.plan import Clock, Plan

SHOWN, SHOWN_SYMBOLS = 4, 60  # validation rows in the samples during training, and most tokens of each
LOOKED_AT = 16  # batches on which the share of padding is measured
CLOSING, CLOSING_SHARE = 2.0, 0.07  # seconds, and share of a budget, for selecting greedy or beam and for scores
WIDE = 27_720  # a width that is divisible by any number of heads up to 12


class Writings(Subject):
    """Rows of a table, each with a text to generate."""

    kind, data, settings_class = "writings", "table", WritingSettings
    baseline_share = 0.03
    settings: WritingSettings
    terms = Terms("nats per character", "tokens", "nearest neighbour", "wrote", "writes", "predict")

    def __init__(self, examples: Examples, settings: WritingSettings) -> None:
        self.examples, self.settings = examples, settings
        check_rows(examples, settings)
        check_writing(settings)
        self.written = written_of(examples)
        self.name = next(iter(examples.answers))
        self._symbols: dict[str, int] = {}

    @classmethod
    def read_again(cls, path: Path, settings: WritingSettings, tables: Mapping[str, Any]) -> Writings:
        return cls(read_rows(path, settings, tables), settings)

    @classmethod
    def read_measured(cls, path: Path, settings: WritingSettings, tables: Mapping[str, Any]) -> Writings:
        return cls(read_rows(path, as_measured(settings), tables, measured=True), settings)

    @property
    def description(self) -> str:
        return self.examples.description

    @property
    def fingerprints(self) -> dict[str, str]:
        return self.examples.fingerprints

    @property
    def trained(self) -> bool:
        return True

    @property
    def untrained(self) -> float:
        return self.written.output.untrained

    @property
    def weighed(self) -> str:
        return f"; cross-attention: {reader_of(self.settings)}"

    def items(self, part: str) -> int:
        if part not in self._symbols:
            rows = self.examples.parts[part]
            self._symbols[part] = int(self.written.target_lengths(rows, len(rows)).sum())
        return self._symbols[part]

    def facts(self) -> dict[str, Any]:
        return facts_of_rows(self.examples)

    def tables(self) -> dict[str, Any]:
        return tables_of_rows(self.examples)

    def make_plan(self, device: str, threads: int, seconds: float | None) -> Plan:
        intake, rows = self.examples.intake, self.examples.parts["training"]
        looked = rows[:200]
        steps = [len(intake.encode(self.examples.items[row])) for row in looked.tolist()]
        symbols = self.written.target_lengths(looked, len(looked))
        kind = "pieces" if self.written.output.table.kind in ("bpe", "word") else "letters"
        task = RowTask(
            len(rows),
            float(np.mean(steps)),
            kind,
            self._rehearse,
            self.padding_share,
            written=float(symbols.mean()),
        )
        if seconds is None:
            return plan_row_steps(self.settings, task, device, threads)
        return plan_row_minutes(self.settings, task, device, threads, seconds)

    def padding_share(self, batch: int) -> float:
        """The share of padding, in inputs and outputs, in batches of this many rows."""
        return PairBatches(self.examples, "training", batch, self.settings.seed).padding_share(LOOKED_AT)

    def _rehearse(self, plan: Plan) -> tuple[nn.Module, Lesson]:
        return self.make_model(plan), PairBatches(self.examples, "training", plan.batch_size, 0).batch(0)

    def make_model(self, plan: Plan) -> nn.Module:
        return build_taught(plan, self.settings, self.tables())

    @classmethod
    def model_of(cls, run: RunFolder, plan: Plan) -> nn.Module:
        settings: Any = run.settings
        return build_taught(plan, settings, run.read_symbols())

    def starting_components(self, source: RunFolder, theirs: type[Subject]) -> Started:
        return but_unlike(super().starting_components(source, theirs), self.examples, source)

    def make_batches(self, plan: Plan) -> Batches:
        varied = is_varied(self.examples, self.settings)
        return PairBatches(self.examples, "training", plan.batch_size, self.settings.seed, varied)

    def evaluate(self, model: nn.Module, part: str, limit: int, deadline: Deadline = ENDLESS) -> Reading:
        """Nats per character on rows with about `limit` tokens."""
        rows = self.examples.parts[part]
        some = spread(rows, max(1, len(rows) * limit // max(1, self.items(part))))
        nats, symbols, characters = self._scribe(model).cost(self.examples, some, deadline)
        return Reading(nats / max(1, characters), symbols)

    def write(self, model: nn.Module) -> str:
        rows = self.examples.parts["validation" if self.examples.count("validation") else "training"][:SHOWN]
        scribe = self._scribe(model)
        texts = scribe.write(list(PartItems(self.examples.items, rows)), GREEDY, length=SHOWN_SYMBOLS)
        return "\n".join(
            f"{shown_row(self.examples, row)} -> {in_line(scribe.spell(text))}"
            + (
                ""
                if scribe.spell(text) == self.written.texts[row]
                else f" (correct: {in_line(self.written.texts[row])})"
            )
            for row, text in zip(rows.tolist(), texts, strict=True)
        )

    def count_baseline(self, run: RunFolder, deadline: Deadline) -> Baseline:
        rows = spread(self.examples.parts["validation"], MOST_JUDGED)
        name, texts = likest_texts(self.examples, rows, deadline=deadline.share(0.8))
        score = score_rows(self.examples, rows[: len(texts)], texts, deadline.within(0.0))
        return Baseline(f"{name}, {shown(score, figure_of(self.examples))}", None, None)

    def kept_baselines(self, run: RunFolder) -> list[str]:
        return []

    def prepare(self, run: RunFolder, model: nn.Module, clock: Clock) -> ConclusionCost:
        return ConclusionCost(CLOSING + CLOSING_SHARE * (clock.budget or 0.0))

    def conclude(self, run: RunFolder, record: TrainingRecord, baseline: Baseline) -> Concluded:
        deadline, model = record.deadline.within(record.cost.seconds), record.plan.model
        summary = judge_writing(
            self.name, f"{model} with {reader_of(self.settings)}", self._scribe(record.model), self.examples,
            deadline, trend_of(run.read_reports()), baseline.name,
        )  # fmt: skip
        run.write_facts(left=[model], beam=summary.beam)
        return summary

    def fit_alone(self, run: RunFolder, clock: Clock) -> Baseline:
        raise RunError("Only nets generate texts; there is nothing to fit.")

    def conclude_alone(self, run: RunFolder, baseline: Baseline) -> Concluded:
        raise RunError("Only nets generate texts; nothing was fitted.")

    def _scribe(self, model: nn.Module) -> Scribe:
        if not isinstance(model, Taught):
            raise TypeError("an encoder-decoder was expected")
        return Scribe(model.writer, self.examples.intake, self.written.output)


def check_writing(settings: WritingSettings) -> None:
    """Raise OptionError for options that do not apply to seq2seq."""
    if settings.model in UNTRAINED or settings.mixed:
        raise OptionError(
            f"--model {settings.model}: the linear model predicts labels or numbers, the n-gram labels; "
            "the output here is a text.\n"
            "Try --model lstm, gru or transformer; or, if there are only a few different texts: --task classification."
        )
    if settings.bptt != "full":
        raise OptionError(
            f"--bptt {settings.bptt} backpropagates segment by segment; a generated text is one segment:\n"
            "all of it depends on the input. Leave it out."
        )
    with torch.device("meta"):  # checks the options without computing anything
        build("attention", READERS, reader_of(settings), WIDE, WIDE, settings.hidden_size or WIDE)


def in_line(text: str) -> str:
    """A text on one line."""
    return " ".join(text.split())
