"""A language-model run: it samples, scores lines, evaluates on another text and measures its reach."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import repeat, tee
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.arguments import checked
from unrolled.data import Corpus, Vocabulary, split_rows, vocabulary_from_json
from unrolled.data.tables.open import is_table
from unrolled.data.vocabulary.base import EOS
from unrolled.decoding.sampling import decode_stream, probabilities, sample, stop_at
from unrolled.errors import InputError, OptionError, RunError, TrainingError
from unrolled.given import as_number, as_texts
from unrolled.metrics.reach import Reach, measure_reach
from unrolled.metrics.surprise import ROWS, Score, evaluate, score_lines
from unrolled.model.language import LanguageModel
from unrolled.model.mixture import Mixture
from unrolled.model.ngram.model import NGram
from unrolled.registry import COUNTED
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.sessions import load_best, recorded_plans
from unrolled.rundir.stored_reach import read_reach, write_reach
from unrolled.seeds import make_generator
from unrolled.settings import SampleSettings
from unrolled.tasks.build import build_model
from unrolled.tasks.evaluation import Evaluation
from unrolled.tasks.language_modeling.ensemble import (
    check_vocabulary,
    load_ensemble,
    load_ngram,
    score_members,
    selected_models,
)
from unrolled.tasks.language_modeling.task import LanguageModeling
from unrolled.tasks.results import RankedLine
from unrolled.tasks.run import Data, EvaluateOptions, ReadAgain, Run
from unrolled.threads import ThreadChoice, iterate_with_threads, torch_threads
from unrolled.training.adapting import Adaptation, AdaptingModel, choose_adapting, evaluate_adapted

PROBED = 32  # tokens per row with which numbers of threads are compared
READ_AT_ONCE = 256  # tokens of a text whose next token is predicted
REACH_READ = 100_000  # most validation tokens on which the reach is measured


@dataclass(frozen=True)
class LanguageModelingEvaluation(Evaluation):
    """The scores of a text: the run's own test split, or another text."""

    score: Score
    baseline: float | None  # nats per character of the n-gram, for the run's own test split
    baseline_name: str
    untrained: float | None  # nats per character before training
    members: dict[str, float] | None = None  # nats per character of each member of an ensemble, on the same text
    adapted: Score | None = None  # of a copy that learns while it reads, if requested
    learning_rate: float | None = None  # learning rate of that copy
    note: str = field(default="", kw_only=True)  # a remark on how the text was read

    @property
    def lines(self) -> list[str]:
        score, note = self.score, f" ({self.note})" if self.note else ""
        lines = [
            f"{self.split}{note}: {score.nats:.4f} nats ({score.bits:.4f} bits) per character, {score.interval}",
            f"Next-token accuracy: {score.accuracy:.1%} of {score.tokens:,} tokens",
        ]
        if self.baseline is not None:
            untrained = f"; untrained {self.untrained:.4f}" if self.untrained is not None else ""
            lines.append(f"Baseline: {self.baseline_name} {self.baseline:.4f}{untrained}")
        if self.members is not None:
            lines.append("Members alone: " + ", ".join(f"{name} {nats:.4f}" for name, nats in self.members.items()))
        if self.adapted is not None:
            lines.append(
                f"Adapting during evaluation: {self.adapted.nats:.4f} nats per character, {self.adapted.interval}, "
                f"at learning rate {self.learning_rate:g}; not comparable with models that do not adapt"
            )
        return lines

    def to_dict(self) -> dict[str, Any]:
        more: dict[str, Any] = {
            "baseline": self.baseline,
            "baseline_name": self.baseline_name,
            "untrained": self.untrained,
        }
        more |= {} if self.members is None else {"members": self.members}
        more |= (
            {}
            if self.adapted is None
            else {"adapted": self.adapted.to_dict() | {"learning_rate": self.learning_rate}}
        )
        more |= {"note": self.note} if self.note else {}
        return {"split": self.split, **self.score.to_dict(), **more}


class LanguageModelingRun(Run):
    """A language-model run: its vocabulary (`table`) and its `model` of the next token."""

    kind, does = LanguageModeling.kind, "predicts the next token of a text"
    accepts = frozenset({"adapt"})

    def __init__(self, folder: RunFolder, reread: ReadAgain, device: str = "cpu", threads: int | None = None) -> None:
        super().__init__(folder, reread, device, threads)
        self._alone = ThreadChoice(threads)
        self.table: Vocabulary = vocabulary_from_json(folder.read_vocabulary())
        self.selected = selected_models(folder, self.settings)
        self.model: LanguageModel | NGram | Mixture = self._load_model()

    def _load_model(self) -> LanguageModel | NGram | Mixture:
        if self.selected == [COUNTED]:
            alone = self.settings.model == COUNTED
            ngram = NGram.from_tensors(*self.folder.read_model()) if alone else load_ngram(self.folder)
            check_vocabulary(self.folder, ngram, self.table.size)
            return ngram
        plan = recorded_plans(self.folder, device=self.device)[0]
        model = load_best(self.folder, plan, lambda plan: build_model(plan, self.table.size, self.settings.seed))
        whole = load_ensemble(self.folder, model) if COUNTED in self.selected else model
        return whole.requires_grad_(False)

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.model.parameters()) if isinstance(self.model, torch.nn.Module) else 0

    def replacements(self, text: str) -> dict[str, str]:
        return self.table.replacements(next(as_texts([text], str)))

    @checked
    def sample(self, settings: SampleSettings | None = None, number: int = 0, **requested: Any) -> Iterator[str]:
        settings = SampleSettings.from_call(settings, requested)
        settings.check()
        tokens = sample(
            self.model, self.table.encode(settings.prompt).tolist(),
            generator=make_generator(settings.seed, "sample", number), temperature=settings.temperature,
            top_k=settings.top_k, top_p=settings.top_p, length=settings.length,
        )  # fmt: skip
        texts = decode_stream(self.table, tokens)
        return iterate_with_threads(stop_at(texts, settings.stop) if settings.stop else texts, self._threads_alone)

    def _threads_alone(self) -> int:
        """The number of threads for a single row; for batches it can differ."""
        return self._alone.choose(lambda: self._probe(1))

    def _probe(self, rows: int) -> None:
        """Process a few tokens of this many rows, to compare numbers of threads."""
        tokens = torch.arange(rows * PROBED).view(rows, PROBED) % self.table.size
        model: Any = self.model
        with torch.no_grad():
            model.unroll(tokens, model.start(rows))

    @property
    def tokens(self) -> list[str]:
        """The text of each token of the vocabulary (V,); "" for the end of a text. A token of bytes that are only a
        part of a character is "\ufffd"."""
        return [self.table.decode([token]) for token in range(self.table.size)]

    @checked
    def next_probabilities(self, texts: Iterable[str]) -> Iterator[Tensor]:
        """For each text, streaming: the probability of each token to be the next one, float64 (V,), in the order of
        `tokens`."""
        return iterate_with_threads(map(self._probabilities_after, as_texts(texts, str)), self._threads_alone)

    def _probabilities_after(self, text: str) -> Tensor:
        tokens = torch.from_numpy(np.r_[EOS, self.table.encode(text)].astype(np.int64))[None]  # (1, T)
        model: Any = self.model
        state = model.start(1)
        with torch.no_grad():
            for piece in torch.split(tokens, READ_AT_ONCE, 1):
                logits, state = model.unroll(piece, state)  # (1, T, V)
        return probabilities(logits[0, -1])

    @checked
    def score(self, lines: Iterable[str], alone: bool = False, adapt: bool = False) -> Iterator[RankedLine]:
        return iterate_with_threads(self._score(as_texts(lines, str), alone, adapt), self._threads_alone)

    def _score(self, lines: Iterable[str], alone: bool, adapt: bool) -> Iterator[RankedLine]:
        quantiles: list[float] = self.facts.get("surprise_quantiles", [])
        learning = AdaptingModel(*self._adapting()) if adapt else None
        lines, again = tee(lines)
        documents = self.settings.documents
        learnt = score_lines(learning, self.table, again, alone, documents, adapts=True) if learning else repeat(None)
        for line, adapted in zip(score_lines(self.model, self.table, lines, alone, documents), learnt, strict=False):
            rank = bisect_left(quantiles, line.nats) / len(quantiles) if quantiles else None
            nats = None if adapted is None else adapted.nats
            yield RankedLine(line.number, line.text, line.nats, line.characters, rank, nats)

    def _evaluate(self, data: Data | None, options: EvaluateOptions) -> LanguageModelingEvaluation:
        with torch_threads(self.threads.choose(lambda: self._probe(ROWS))):
            corpus, split, called = self._open_split(data)
            score = evaluate(self.model, split_rows(corpus, split), self.table.characters)
            members = (
                score_members(self.model, self.selected, corpus, split) if isinstance(self.model, Mixture) else None
            )
            adapted = self._evaluate_adapted(corpus, split) if options.adapt else (None, None)
        baseline = self.facts.get("baseline") or {}
        own = data is None
        return LanguageModelingEvaluation(
            called,
            score,
            baseline.get(split) if own and self.selected != [COUNTED] else None,
            baseline.get("name", ""),
            self.facts["scores"].get("untrained") if own else None,
            members,
            *adapted,
            note="" if own else self._note(corpus),
        )

    def reach(self, seconds: float = 10.0) -> Reach:
        seconds = as_number("seconds", seconds)
        mark = f"{self.folder.weights_hash()} {'+'.join(self.selected)}"
        if (known := read_reach(self.path, mark)) is not None:
            return known
        rows = list(split_rows(self.read_corpus(), "validation", REACH_READ))
        with torch_threads(self.threads.choose(lambda: self._probe(ROWS))):
            figures = measure_reach(self.model, rows, self.table.characters, seconds, self.settings.seed)
        with suppress(InputError, TrainingError):  # in a read-only run the reach is measured each time
            write_reach(self.path, mark, figures)
        return figures

    def read_corpus(self) -> Corpus:
        """Read the run's own text again. Raises DataError if it is missing or has changed."""
        return self._read(LanguageModeling, None).corpus

    def _open_split(self, data: Data | None) -> tuple[Corpus, str, str]:
        """The text to evaluate, its split, and the printed name."""
        if data is None:
            corpus = self.read_corpus()
            split = "test" if corpus.targets("test") else "validation"
            return corpus, split, split
        corpus = self._read(LanguageModeling, data).corpus
        return corpus, "training", str(corpus.path)

    def _note(self, corpus: Corpus) -> str:
        """A remark on another text: that a table is read as plain text, for example."""
        if self.settings.input is None and is_table(corpus.path):
            return "a table, read as plain text: its header and its separators are scored too"
        return "; ".join(corpus.notes)

    def _adapting(self) -> tuple[torch.nn.Module, Adaptation]:
        """The model, and settings for adapting selected on the run's validation split. Raises InputError."""
        if not isinstance(self.model, torch.nn.Module):
            raise OptionError(
                f"{self.path} predicts with a counted n-gram, which has no weights to adapt. Leave out --adapt."
            )
        adapting = choose_adapting(self.model, self.read_corpus(), self.settings.seed)
        if adapting is None:
            raise RunError(
                f"{self.path} has no validation split on which to choose a learning rate. Leave out --adapt."
            )
        return self.model, adapting

    def _evaluate_adapted(self, corpus: Corpus, split: str) -> tuple[Score, float]:
        model, adapting = self._adapting()
        rows = list(split_rows(corpus, split))
        return evaluate_adapted(model, adapting, rows, self.table.characters), adapting.rate
