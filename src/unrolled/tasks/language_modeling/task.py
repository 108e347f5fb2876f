"""The language-modelling task: predict the next token of a text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from unrolled.data import (
    Corpus,
    TableOptions,
    Vocabulary,
    make_batches,
    read_corpus,
    split_rows,
    vocabulary_from_json,
)
from unrolled.data.cells.column_kinds import MOST_KINDS
from unrolled.data.files.look import list_files
from unrolled.data.splits import SPLITS
from unrolled.data.tables.base import TableFile
from unrolled.data.tables.split_folders import check_mostly_readable, find_text_splits, labelled_files
from unrolled.data.tables.split_names import complete_splits
from unrolled.data.text.table_column import TextColumn
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.decoding.sampling import decode_stream, sample
from unrolled.errors import DataError, RunError, command
from unrolled.gradient import BPTT_STRATEGIES
from unrolled.metrics.surprise import evaluate
from unrolled.model.mixture import Mixture
from unrolled.model.ngram.model import NGram
from unrolled.options import LanguageModelingSettings
from unrolled.registry import COUNTED, build
from unrolled.seeds import make_generator
from unrolled.tasks.base import Baseline, Concluded, Evaluated, Task, Terms
from unrolled.tasks.build import build_model
from unrolled.tasks.language_modeling.baseline import count_ngram, evaluate_ngram, score_baseline
from unrolled.tasks.language_modeling.ensemble import (
    FITTED_LOGITS,
    SelectedModel,
    load_ngram,
    save_ngram,
    select_model,
)
from unrolled.tasks.language_modeling.summary import memorisation_of, summarise, summarise_ngram, surprise_quantiles
from unrolled.tasks.record import ConclusionCost, TrainingRecord
from unrolled.threads import single_thread
from unrolled.training.measure import rehearse_language, time_updates
from unrolled.training.planning import TextSize, plan_minutes, plan_steps

if TYPE_CHECKING:
    from unrolled.rundir.folder import RunFolder
    from unrolled.training.loop import BatchSource
    from unrolled.training.plan import Clock, Plan

SAMPLE_TOKENS = 300
RANKED_TOKENS = 20_000  # validation tokens by whose lines `score` ranks
COUNTED_SHARE = 0.8  # largest share of the n-gram's time for counting; the rest is for its score
COUNTED_ALONE = 0.6  # the same without a net to train
CHOSEN_SHARE, JUDGED_SHARE = 0.4, 0.85  # shares of the time left at the end, for selection and then for scores
TIMING_SHARE = 0.01  # largest share of a budget for each of two timings of an ensemble
MIXED_TOKENS = 3_000  # most tokens for timing what an ensemble takes beside its net
LEAST_MIXED = 6_000  # fewest tokens that an ensemble processes at the end
MIXED_SHARE = 0.12  # largest share of a budget for these tokens, unless an ensemble was requested


class LanguageModeling(Task):
    """A corpus, and a model that predicts its next token. If no model was requested, the best of net, n-gram and
    their ensemble is selected on validation."""

    kind, data, settings_class = "language-modeling", "text", LanguageModelingSettings
    baseline_share, ranked_items = 0.035, RANKED_TOKENS
    settings: LanguageModelingSettings
    terms = Terms("nats per character", "tokens", "n-gram", "wrote", "writes", "sample")

    def __init__(self, corpus: Corpus, settings: LanguageModelingSettings, note: str = "") -> None:
        """note: how a folder was understood, appended to the description."""
        self.corpus, self.settings, self.note = corpus, settings, note
        self._ngram: NGram | None = None  # of `fit_without_net`
        self._judged_by: Deadline = UNLIMITED  # likewise

    @classmethod
    def read(
        cls, path: str | Path, settings: LanguageModelingSettings, table: Vocabulary | None = None,
        opened: TableFile | None = None,
    ) -> LanguageModeling:  # fmt: skip
        """Read the text at `path`, with an existing vocabulary (`table`) if given. The folders train, valid and test
        are splits, unless --valid and --test are given. opened: the table with the texts, if it has no path. Raises
        DataError, OptionError."""
        path, note = Path(path), ""
        valid, test = settings.valid, settings.test
        if path.is_dir():
            splits = find_text_splits(path)
            note = _folder_note(path, splits, settings)
            path = splits.get("training", path)
            valid = str(splits["validation"]) if valid is None and "validation" in splits else valid
            test = str(splits["test"]) if test is None and "test" in splits else test
        corpus = read_corpus(
            path, settings.documents, settings.tokenizer, settings.seed, valid, test, table,
            _column_of(settings, opened),
        )  # fmt: skip
        if (table is None or settings.init_from is not None) and not corpus.targets("validation"):
            raise DataError(
                f"{path}: the validation split is empty, and the best weights are selected on it.\n"
                "Give it a share or a file: --valid 0.05"
            )
        if table is None and settings.task is None and path.is_dir():
            unread = [file for file in corpus.skipped if file.stat().st_size]
            check_mostly_readable(
                path, len(corpus.files), "texts", unread, " To train on the texts alone: --task language-modeling."
            )
        return cls(corpus, settings, note)

    @classmethod
    def read_again(cls, path: Path, run: RunFolder) -> LanguageModeling:
        settings: Any = run.settings
        return cls.read(path, settings, vocabulary_from_json(run.read_vocabulary()))

    @classmethod
    def read_for_evaluation(
        cls, path: Path, run: RunFolder, settings: Any, opened: TableFile | None = None
    ) -> LanguageModeling:
        splits = find_text_splits(path) if path.is_dir() else {}
        if opened is not None:
            opened = opened.splits.get("test") or opened.splits.get("validation") or opened
        corpus = read_corpus(
            splits.get("test") or splits.get("validation") or path, settings.documents, valid=0.0, test=0.0,
            vocabulary=vocabulary_from_json(run.read_vocabulary()), column=_column_of(settings, opened),
        )  # fmt: skip
        return cls(corpus, settings)

    @property
    def description(self) -> str:
        return self.corpus.description + self.note

    @property
    def fingerprints(self) -> dict[str, str]:
        return self.corpus.fingerprints

    @property
    def trained(self) -> bool:
        return self.settings.model != COUNTED

    @property
    def fallback_model(self) -> str | None:
        return COUNTED

    @property
    def untrained(self) -> float:
        return math.log(self.vocabulary_size)

    @property
    def vocabulary_size(self) -> int:
        return self.corpus.vocabulary.size

    @property
    def selection_note(self) -> str:
        if self.settings.model is None:
            return "; then the best on validation is selected: this net, the n-gram or their ensemble"
        return "; at the end combined with the n-gram" if self.settings.is_ensemble else ""

    @property
    def keeps_ngram(self) -> bool:
        """Whether the run keeps the n-gram besides its net."""
        return self.settings.model is None or self.settings.is_ensemble

    @property
    def memorisable(self) -> int:
        return self.corpus.targets("training")

    @property
    def task(self) -> TextSize:
        """The properties of the text on which a plan depends."""
        return size_of_text(self.corpus)

    def items(self, split: str) -> int:
        return self.corpus.targets(split)

    def facts(self) -> dict[str, Any]:
        corpus = self.corpus
        return {
            "files": len(corpus.files),
            "skipped": len(corpus.skipped),
            "documents": corpus.document_count,
            "tokenizer": corpus.vocabulary.kind,
            "vocabulary_size": corpus.vocabulary.size,
            **{split: corpus.targets(split) for split in corpus.splits},
            "unknown_characters": corpus.unknown_characters,
        }

    def tables(self) -> dict[str, Any]:
        return self.corpus.vocabulary.to_json()

    def make_plan(self, device: str, threads: int, seconds: float | None) -> Plan:
        settings = self.settings.trained_member_settings()
        if seconds is not None:
            return plan_minutes(settings, self.task, device, threads, seconds)
        plan = plan_steps(settings, self.task, device, threads)
        if plan.bptt != "full":  # fail before the run folder is made, if it cannot work on these shapes
            build("bptt", BPTT_STRATEGIES, plan.bptt)
            next(time_updates(plan, rehearse_language(self.corpus.vocabulary.size)))
        return plan

    def make_model(self, plan: Plan) -> nn.Module:
        return build_model(plan, self.corpus.vocabulary.size, self.settings.seed)

    @classmethod
    def model_of(cls, run: RunFolder, plan: Plan) -> nn.Module:
        return build_model(plan, vocabulary_from_json(run.read_vocabulary()).size, run.settings.seed)

    def make_batches(self, plan: Plan) -> BatchSource:
        return make_batches(self.corpus, "training", plan.batch_size, plan.window, self.settings.seed)

    def evaluate(self, model: nn.Module, split: str, limit: int, deadline: Deadline = UNLIMITED) -> Evaluated:
        rows = split_rows(self.corpus, split, limit=limit)
        score = evaluate(model, rows, self.corpus.vocabulary.characters, deadline=deadline)  # type: ignore[arg-type]
        return Evaluated(score.nats, score.tokens)

    def sample_outputs(self, model: nn.Module) -> str:
        table, seed = self.corpus.vocabulary, self.settings.seed
        tokens: list[int] = []
        while len(tokens) < SAMPLE_TOKENS:
            random = make_generator(seed, "sample", len(tokens))
            more = sample(model, [], generator=random, length=SAMPLE_TOKENS - len(tokens))  # type: ignore[arg-type]
            tokens += [*islice(more, SAMPLE_TOKENS), *table.encode("\n").tolist()[:1]]
        return "".join(decode_stream(table, tokens[:SAMPLE_TOKENS]))

    def memorisation(self, text: str, limit: int) -> tuple[int, float]:
        return memorisation_of(self.corpus, text, limit)

    def count_baseline(self, run: RunFolder, deadline: Deadline) -> Baseline:
        ngram = count_ngram(self.corpus, deadline.share(COUNTED_SHARE))
        if self.keeps_ngram:  # saved before the baseline's score, which marks this as done for `resume`
            save_ngram(run, ngram)
        return score_baseline(ngram, self.corpus, deadline)

    def kept_baselines(self, run: RunFolder) -> list[str]:
        return [COUNTED] if self.keeps_ngram else []

    def prepare(self, run: RunFolder, model: Any, clock: Clock) -> ConclusionCost:
        budget = clock.budget
        if not self.keeps_ngram or budget is None:
            return ConclusionCost()
        started = clock.now()
        ngram = load_ngram(run)  # loaded again at the end; not kept in memory during training
        loading = clock.now() - started
        limit = min(MIXED_TOKENS, max(MIXED_TOKENS // 20, FITTED_LOGITS // self.vocabulary_size // 4))
        rows, taken = list(split_rows(self.corpus, "validation", limit=limit)), []
        if not rows:
            return ConclusionCost(loading)
        with single_thread():
            for timed in (Mixture([model, ngram]).to(next(model.parameters()).device), model):
                started = clock.now()
                deadline = clock.deadline().within(TIMING_SHARE * budget)
                tokens = evaluate(timed, rows, self.corpus.vocabulary.characters, deadline=deadline).tokens
                taken.append((clock.now() - started) / tokens)
        mixing = max(1e-6, taken[0] - taken[1])
        weighs = self.settings.is_ensemble or mixing * LEAST_MIXED < MIXED_SHARE * budget
        return ConclusionCost(loading, mixing if weighs else None)

    def conclude(self, run: RunFolder, record: TrainingRecord, baseline: Baseline) -> Concluded:
        name = record.plan.model
        if not self.keeps_ngram:
            chosen = SelectedModel([name], record.model, {name: record.best}, 0, selected=False)
            return self._conclude(run, record, baseline, chosen, None)
        ngram, mixing = load_ngram(run), record.cost.ensemble
        in_time = mixing is not None and record.deadline.seconds_left > LEAST_MIXED * mixing
        with single_thread():
            chosen = select_model(
                record.model, ngram, self.corpus, record.limits.fit, self.settings.model, name, in_time,
                record.deadline.share(CHOSEN_SHARE),
            )  # fmt: skip
            if isinstance(chosen.model, Mixture):
                run.write_facts(gate=chosen.model.gate.double().tolist())
            return self._conclude(run, record, baseline, chosen, ngram)

    def _conclude(
        self, run: RunFolder, record: TrainingRecord, baseline: Baseline, chosen: SelectedModel, ngram: NGram | None
    ) -> Concluded:
        summary = summarise(run, record, self.corpus, baseline, chosen, ngram, record.deadline.share(JUDGED_SHARE))
        quantiles = surprise_quantiles(chosen.model, self.corpus, RANKED_TOKENS, record.deadline)
        run.write_facts(selected=chosen.members, surprise_quantiles=quantiles)
        return summary

    def fit_without_net(self, run: RunFolder, clock: Clock) -> Baseline:
        deadline = self._judged_by = clock.deadline()
        ngram = self._ngram = count_ngram(self.corpus, deadline.share(COUNTED_ALONE))
        nats = evaluate_ngram(ngram, self.corpus, "validation", deadline=deadline.share(0.3))
        run.write_model(ngram.to_tensors(), ngram.facts())
        return Baseline(ngram.describe(), nats, None)

    def conclude_without_net(self, run: RunFolder, baseline: Baseline) -> Concluded:
        ngram = self._ngram
        if ngram is None:
            raise RunError(f"{run.path} has no counts: call `fit_without_net` first.")
        path = run.path / run.facts["data"]["path"] if run.facts["data"]["kept"] else self.corpus.path
        net = command("train", path, *self.settings.net_options(longer=run.options.model is None))
        summary = summarise_ngram(self.corpus, ngram, baseline, net, self._judged_by.share(JUDGED_SHARE))
        quantiles = surprise_quantiles(ngram, self.corpus, RANKED_TOKENS, self._judged_by)
        run.write_facts(selected=[COUNTED], surprise_quantiles=quantiles)
        return summary


def size_of_text(corpus: Corpus) -> TextSize:
    """The properties of the text on which a plan depends."""
    documents = max(1, corpus.document_count)
    return TextSize(corpus.vocabulary.size, corpus.targets("training"), len(corpus.tokens) / documents)


def _column_of(settings: LanguageModelingSettings, opened: TableFile | None = None) -> TextColumn | None:
    """The column that holds the texts, if the data are a table."""
    if settings.input is None:
        return None
    return TextColumn(settings.input, TableOptions(header=not settings.no_header), opened)


def _folder_note(path: Path, splits: Mapping[str, Path], settings: LanguageModelingSettings) -> str:
    """How a folder is understood, with the option for another reading; "" if that is clear."""
    if splits:
        names = ", ".join(splits[split].name for split in SPLITS if split in splits)
        given = {"validation": settings.valid, "test": settings.test}
        left = "".join(
            f"; {splits[split].name} is not read, because --{option} is given"
            for split, option in (("validation", "valid"), ("test", "test"))
            if split in splits and given[split] is not None
        )
        return f"; the splits are the folders {names} (override: --valid --test){left}"
    files = list_files(path)
    labelled = labelled_files(path, files)
    if mixed := sorted(complete_splits(labelled.labels)):
        return f"; {' and '.join(mixed)} are part of the text; to use them as splits: --valid --test"
    if settings.task is None and len(labelled.files) == len(files) and 1 < len(labelled.labels) <= MOST_KINDS:
        return f"; if its {len(labelled.labels):,} folders are labels: --task classification"
    return ""
