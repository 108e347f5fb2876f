"""A text as the subject of a training: which symbol comes next."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from unrolled.copying import copied
from unrolled.data import Corpus, Table, make_batches, part_rows, read_corpus
from unrolled.decode import decode_stream, sample
from unrolled.errors import RunError
from unrolled.evaluate import evaluate
from unrolled.gradient import GRADIENTS
from unrolled.model.mixture import Mixture
from unrolled.model.ngram import NGram
from unrolled.parts import COUNTED, build
from unrolled.run.baseline import count_ngram, score_baseline, score_ngram
from unrolled.run.building import build_model
from unrolled.run.mixing import fit_mixture, load_counts, save_counts
from unrolled.run.process import bytes_in_use
from unrolled.run.report import Report
from unrolled.run.rows import table_options
from unrolled.run.subject import Baseline, Concluded, Reading, Subject, Terms
from unrolled.run.verdict import judge, judge_ngram, surprise_quantiles
from unrolled.seeds import generator
from unrolled.settings import TrainSettings
from unrolled.threads import one_thread
from unrolled.training.measure import rehearse_language, time_updates
from unrolled.training.planning import Task, plan_minutes, plan_steps

if TYPE_CHECKING:
    from unrolled.run.folder import RunFolder
    from unrolled.run.watching import Watch
    from unrolled.training.loop import Batches
    from unrolled.training.plan import Clock, Plan

SAMPLE_SYMBOLS = 300
RANKED_SYMBOLS = 20_000  # of the validation part, whose lines `score` ranks against
MIXED_SYMBOLS = 3_000  # of it, which tell what a mixture takes beside its learnt part


class Language(Subject):
    """A corpus, and a model that foresees it; of `lstm+ngram` also the n-gram that it is weighed against."""

    kind, baseline_share, ranked = "language", 0.035, RANKED_SYMBOLS
    terms = Terms("nats a character", "symbols", "n-gram", "wrote", "writes", "To hear it: unroll sample ")

    def __init__(self, corpus: Corpus, settings: TrainSettings) -> None:
        self.corpus, self.settings = corpus, settings
        self._ngram: NGram | None = None

    @classmethod
    def read(cls, path: str | Path, settings: TrainSettings, table: Table | None = None) -> Language:
        """The text at `path`; with a table of symbols that is there already."""
        corpus = read_corpus(
            path, settings.documents, settings.symbols, settings.seed, settings.valid, settings.test, table,
            settings.input, table_options(settings),
        )  # fmt: skip
        return cls(corpus, settings)

    @property
    def description(self) -> str:
        return self.corpus.description

    @property
    def fingerprints(self) -> dict[str, str]:
        return self.corpus.fingerprints

    @property
    def trained(self) -> bool:
        return self.settings.model != COUNTED

    @property
    def untrained(self) -> float:
        return math.log(self.kinds)

    @property
    def kinds(self) -> int:
        return self.corpus.table.size

    @property
    def weighed(self) -> str:
        return "; at the end weighed against the n-gram" if self.settings.mixed else ""

    @property
    def copyable(self) -> int:
        return self.corpus.targets("training")

    @property
    def task(self) -> Task:
        """What of the text a plan depends on."""
        return task_of(self.corpus)

    def items(self, part: str) -> int:
        return self.corpus.targets(part)

    def facts(self) -> dict[str, Any]:
        corpus = self.corpus
        return {
            "files": len(corpus.files),
            "skipped": len(corpus.skipped),
            "documents": corpus.document_count,
            "symbols": corpus.table.kind,
            "different_symbols": corpus.table.size - 1,
            **{part: corpus.targets(part) for part in corpus.parts},
            "unseen": corpus.unseen,
        }

    def tables(self) -> dict[str, Any]:
        return self.corpus.table.to_json()

    def make_plan(self, device: str, threads: int, seconds: float | None) -> Plan:
        settings = self.settings.of_learnt()
        if seconds is not None:
            return plan_minutes(settings, self.task, device, threads, seconds)
        plan = plan_steps(settings, self.task, device, threads)
        if plan.gradient != "full":  # one that cannot work on these shapes says so before there is a folder
            build("gradient", GRADIENTS, plan.gradient)
            next(time_updates(plan, rehearse_language(self.corpus.table.size)))
        return plan

    def make_model(self, plan: Plan) -> nn.Module:
        return build_model(plan, self.corpus.table.size, self.settings.seed)

    def make_batches(self, plan: Plan) -> Batches:
        return make_batches(self.corpus, "training", plan.batch, plan.window, self.settings.seed)

    def evaluate(self, model: nn.Module, part: str, limit: int) -> Reading:
        rows = part_rows(self.corpus, part, limit=limit)
        score = evaluate(model, rows, self.corpus.table.characters)  # type: ignore[arg-type]
        return Reading(score.nats, score.symbols)

    def write(self, model: nn.Module) -> str:
        table, seed = self.corpus.table, self.settings.seed
        symbols: list[int] = []
        while len(symbols) < SAMPLE_SYMBOLS:
            chance = generator(seed, "sample", len(symbols))
            more = sample(model, [], generator=chance, length=SAMPLE_SYMBOLS - len(symbols))  # type: ignore[arg-type]
            symbols += [*islice(more, SAMPLE_SYMBOLS), *table.encode("\n").tolist()[:1]]
        return "".join(decode_stream(table, symbols[:SAMPLE_SYMBOLS]))

    def copied(self, text: str, limit: int) -> tuple[int, float]:
        symbols = self.corpus.table.encode(text)
        found = copied(symbols, self.corpus.training_pieces(limit, overlap=len(symbols)))
        return found.longest, found.share

    def count_baseline(self, run: RunFolder, seconds: float | None) -> Baseline:
        ngram = count_ngram(self.corpus, seconds)
        if self.settings.mixed:  # kept before the baseline is known, which a resumption takes for done
            save_counts(run, ngram)
        return score_baseline(ngram, self.corpus, seconds)

    def prepare(self, run: RunFolder, watch: Watch) -> None:
        if not self.settings.mixed:
            return
        self._ngram = load_counts(run)
        if watch.clock.budget is None:
            return
        model: Any = watch.learner.optimiser.averaged
        rows, taken = list(part_rows(self.corpus, "validation", limit=MIXED_SYMBOLS)), []
        with one_thread():
            for timed in (Mixture([model, self._ngram]).to(next(model.parameters()).device), model):
                started = time.monotonic()
                symbols = evaluate(timed, rows, self.corpus.table.characters).symbols
                taken.append((time.monotonic() - started) / symbols)
        watch.mixing = max(1e-6, taken[0] - taken[1])

    def conclude(self, run: RunFolder, watch: Watch, baseline: Baseline) -> Concluded:
        if self._ngram is None:
            return self._conclude(run, watch, baseline, None)
        with one_thread():
            return self._conclude(run, watch, baseline, self._ngram)

    def _conclude(self, run: RunFolder, watch: Watch, baseline: Baseline, ngram: NGram | None) -> Concluded:
        model: Any = watch.learner.optimiser.averaged
        mixed = None
        if ngram is not None:
            mixed = fit_mixture(model, ngram, self.corpus, watch.fit_limit())
            run.write_facts(gate=mixed.model.gate.double().tolist())
        verdict = judge(watch, self.corpus, baseline, mixed)
        whole = model if mixed is None else mixed.model
        run.write_facts(ranks=surprise_quantiles(whole, self.corpus, limit=RANKED_SYMBOLS))
        return verdict

    def fit_alone(self, run: RunFolder, clock: Clock) -> tuple[Baseline, Iterator[Report]]:
        before = clock.sitting
        ngram = self._ngram = count_ngram(self.corpus)
        baseline = Baseline(ngram.describe(), score_ngram(ngram, self.corpus, "validation"), None)
        seconds, symbols = clock.sitting - before, self.corpus.targets("training")
        validation = baseline.validation or 0.0
        report = Report(
            step=1, steps=1, progress=1.0, seconds=clock.used, seconds_left=0.0, loss=validation, rate=0.0,
            symbols=symbols, symbols_a_second=symbols / max(seconds, 1e-9), bytes_in_use=bytes_in_use(),
            validation=validation, best=validation,
        )  # fmt: skip
        run.append_report(1, report.as_dict())
        run.write_model(ngram.to_tensors(), ngram.facts())
        return baseline, iter([report])

    def conclude_alone(self, run: RunFolder, baseline: Baseline) -> Concluded:
        ngram = self._ngram
        if ngram is None:
            raise RunError(f"{run.path} was not counted: `fit_alone` comes first.")
        verdict = judge_ngram(self.corpus, ngram, baseline)
        run.write_facts(ranks=surprise_quantiles(ngram, self.corpus, RANKED_SYMBOLS))
        return verdict


def task_of(corpus: Corpus) -> Task:
    """What of the text a plan depends on."""
    documents = max(1, corpus.document_count)
    return Task(corpus.table.size, corpus.targets("training"), len(corpus.symbols) / documents)
