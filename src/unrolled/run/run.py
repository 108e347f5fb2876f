"""A run that has been trained: load it, sample it, score with it, evaluate it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat, tee
from pathlib import Path
from typing import Any

import torch

from unrolled.arguments import checked
from unrolled.data import Corpus, Table, part_rows, read_corpus, table_from_json
from unrolled.data.split_folders import find_text_splits
from unrolled.decode import decode_stream, sample, stop_at
from unrolled.errors import InputError, OptionError, RunError, TrainingError
from unrolled.evaluate import ROWS, Score, evaluate, score_lines
from unrolled.given import as_number, as_path, as_texts, as_whole
from unrolled.model.language import LanguageModel
from unrolled.model.mixture import Mixture
from unrolled.model.ngram import NGram
from unrolled.parts import COUNTED
from unrolled.reach import Reach, measure_reach
from unrolled.run.answer_evaluation import AnswerEvaluation
from unrolled.run.answers import Answers
from unrolled.run.asked import read_corpus_again
from unrolled.run.building import build_model, find_device
from unrolled.run.folder import RunFolder, newest
from unrolled.run.giving import Given
from unrolled.run.language import Language
from unrolled.run.legs import load_best, recorded_plans
from unrolled.run.mixing import check_symbols, load_counts, load_mixture, score_parts, selected_parts
from unrolled.run.predicting import Answer, Predictor
from unrolled.run.rows import table_options
from unrolled.run.text_predicting import TextPredictor, WritingEvaluation
from unrolled.run.writing import Choice
from unrolled.run.writings import Writings
from unrolled.seeds import generator
from unrolled.settings import DEFAULT_MODEL, SampleSettings
from unrolled.threads import ThreadChoice, by_threads, torch_threads
from unrolled.training.adapting import Adapting, Learning, choose_adapting, evaluate_adapted

PROBED = 32  # symbols of each row by which numbers of threads are compared
CAN_DO = {
    Language.kind: ("unroll sample, unroll score", "sample(), score(), evaluate(), reach()"),
    Answers.kind: ("unroll predict", "predict(), evaluate_answers()"),
    Writings.kind: ("unroll predict", "write(), evaluate_writings()"),
}
"""What a run of each kind can do: commands of its own, and methods of `Run`."""
REACH_READ = 100_000  # symbols of the validation part that the reach is measured on, at most


@dataclass(frozen=True)
class RankedLine:
    """A line's surprise, and how it ranks among the lines that the model was validated on."""

    number: int  # from 1
    text: str
    nats: float  # a character
    characters: float
    rank: float | None  # share of the validation's lines that surprised it less; None where there were none
    adapted: float | None = None  # nats a character to a copy that learns while it reads, where asked for


@dataclass(frozen=True)
class Evaluation:
    """The scores of a text: the run's own test part, or another text."""

    score: Score
    part: str  # "test", "validation", or the text's path
    baseline: float | None  # nats a character of the n-gram on the run's own test part
    baseline_name: str
    untrained: float | None  # nats a character before training
    parts: dict[str, float] | None = None  # of a mixture: nats a character of each alone, on the same text
    adapted: Score | None = None  # of a copy that learns while it reads, where asked for
    rate: float | None = None  # at which it learns

    @property
    def lines(self) -> list[str]:
        """What the command prints."""
        score = self.score
        lines = [
            f"{self.part}: {score.nats:.4f} nats ({score.bits:.4f} bits) per character, {score.interval}",
            f"Next token predicted right: {score.accuracy:.1%} of {score.symbols:,}",
        ]
        if self.baseline is not None:
            untrained = f"; untrained {self.untrained:.4f}" if self.untrained is not None else ""
            lines.append(f"Baseline: {self.baseline_name} {self.baseline:.4f}{untrained}")
        if self.parts is not None:
            lines.append("Its parts alone: " + ", ".join(f"{name} {nats:.4f}" for name, nats in self.parts.items()))
        if self.adapted is not None:
            lines.append(
                f"Adapting while it reads: {self.adapted.nats:.4f} nats per character, {self.adapted.interval}, "
                f"at learning rate {self.rate:g}; not to be compared with what does not adapt"
            )
        return lines

    def as_dict(self) -> dict[str, Any]:
        """In plain names."""
        beside: dict[str, Any] = {
            "baseline": self.baseline,
            "baseline_name": self.baseline_name,
            "untrained": self.untrained,
        }
        beside |= {} if self.parts is None else {"parts": self.parts}
        beside |= {} if self.adapted is None else {"adapted": self.adapted.as_dict() | {"rate": self.rate}}
        return {"part": self.part, **self.score.as_dict(), **beside}


class Run:
    """A run folder's model, ready to answer. Made by `load`.

    A run about a text has a `table` of symbols and a `model`, and samples and scores; one about examples has a
    `predictor`, and predicts; one about texts about rows has a `writer`, and writes. What a run cannot do raises
    RunError.
    """

    def __init__(self, folder: RunFolder, device: str = "cpu", threads: int | None = None) -> None:
        """threads: on how many it answers, at most all cores; what is faster where left out."""
        self.folder = folder
        self._alone, self._together = ThreadChoice(threads), ThreadChoice(threads)  # of one row, of many
        self.settings = folder.asked
        self.kind: str = folder.facts["kind"]
        if self.kind == Writings.kind:
            self.writer = TextPredictor(folder, self.settings, device, threads)
            return
        if self.kind == Answers.kind:
            self.predictor = Predictor(folder, self.settings, device, threads)
            return
        self.table: Table = table_from_json(folder.read_symbols())
        self.left = selected_parts(folder, self.settings)  # names of the parts that it predicts with
        self.model: LanguageModel | NGram | Mixture = self._load_model(device)

    def __repr__(self) -> str:
        """Where it is, what it is and what it learnt from, in a line."""
        data = self.facts["data"]
        source = "standard input" if data["kept"] else Path(data["path"]).name
        model = "+".join(self.facts.get("left") or [self.settings.model or DEFAULT_MODEL])
        return f"<unrolled.Run {str(self.path)!r}: {model} of {source}, kind '{self.kind}', {self.facts['status']}>"

    def check_kind(self, kind: str) -> None:
        """Raises RunError unless the run is of this kind."""
        if self.kind != kind:
            commands, methods = CAN_DO[self.kind]
            raise RunError(
                f"{self.path} holds a run of kind '{self.kind}'; this needs one of kind '{kind}'.\n"
                f"What it can do: {commands}, unroll evaluate, unroll info.\nFrom Python: {methods}, info()."
            )

    def predict(self, texts: Iterable[Given | str], top: int | None = None) -> Iterator[Answer]:
        """An answer for each text, in order, as they come; the `top` likeliest labels of each, or all.
        One text alone is one text.

        >>> [answer.best("label") for answer in load("runs/reviews").predict(["a fine film"])]  # doctest: +SKIP
        """
        self.check_kind(Answers.kind)
        return self.predictor.predict(as_texts(texts, (str, Given)), as_whole("top", top, 1))

    def evaluate_answers(
        self, data: str | Path | None = None, errors: bool = False, skip_empty: bool = False
    ) -> AnswerEvaluation:
        """The scores of answers on the run's own test part, or on a table; with `errors`, what was wrong too.

        skip_empty: rows of the table with an empty cell are left out. Raises OptionError where none is named.
        """
        _check_skipping(skip_empty, data)
        self.check_kind(Answers.kind)
        return self.predictor.evaluate(data if data is None else as_path(data), errors, skip_empty)

    @checked
    def write(
        self, texts: Iterable[Given | str], choice: Choice | None = None, attention: bool = False
    ) -> Iterator[Answer]:
        """A text about each text, in order, as they come; choice: greedy, a beam, or drawn, else as validation chose.

        >>> [one.texts["en"].text for one in load("runs/de-en").write(["ein hund"])]  # doctest: +SKIP
        """
        self.check_kind(Writings.kind)
        return self.writer.predict(as_texts(texts, (str, Given)), choice, attention)

    def evaluate_writings(
        self, data: str | Path | None = None, errors: bool = False, skip_empty: bool = False
    ) -> WritingEvaluation:
        """The scores of texts on the run's own test part, or on a table; with `errors`, those furthest off too.

        skip_empty: as of `evaluate_answers`.
        """
        _check_skipping(skip_empty, data)
        self.check_kind(Writings.kind)
        return self.writer.evaluate(data if data is None else as_path(data), errors, skip_empty=skip_empty)

    def _load_model(self, device: str) -> LanguageModel | NGram | Mixture:
        if self.left == [COUNTED]:
            alone = self.settings.model == COUNTED
            ngram = NGram.from_tensors(*self.folder.read_model()) if alone else load_counts(self.folder)
            check_symbols(self.folder, ngram, self.table.size)
            return ngram
        plan = recorded_plans(self.folder, device=device)[0]
        model = load_best(self.folder, plan, lambda plan: build_model(plan, self.table.size, self.settings.seed))
        whole = load_mixture(self.folder, model) if COUNTED in self.left else model
        return whole.requires_grad_(False)

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.folder.path

    @property
    def facts(self) -> dict[str, Any]:
        """What run.json says."""
        return self.folder.facts

    def stand_ins(self, text: str) -> dict[str, str]:
        """The characters of `text` that the model has never met, and what it reads in their place."""
        self.check_kind(Language.kind)
        return self.table.unseen(next(as_texts([text], str)))

    @checked
    def sample(self, settings: SampleSettings | None = None, number: int = 0, **asked: Any) -> Iterator[str]:
        """Writes, piece by piece as text comes; `number` is which of several samples with one seed.

        >>> print("".join(load("runs/poems").sample(prompt="O ", length=200)))  # doctest: +SKIP
        """
        self.check_kind(Language.kind)
        settings = SampleSettings.from_call(settings, asked)
        settings.check()
        symbols = sample(
            self.model, self.table.encode(settings.prompt).tolist(),
            generator=generator(settings.seed, "sample", number), temperature=settings.temperature,
            top_k=settings.top_k, top_p=settings.top_p, length=settings.length,
        )  # fmt: skip
        pieces = decode_stream(self.table, symbols)
        return by_threads(stop_at(pieces, settings.stop) if settings.stop else pieces, self._threads_alone)

    def _threads_alone(self) -> int:
        """On how many threads one row is read."""
        return self._alone.settle(lambda: self._read(1))

    def _read(self, rows: int) -> None:
        """Reads a few symbols, so many rows side by side: by it numbers of threads are compared."""
        symbols = torch.arange(rows * PROBED).view(rows, PROBED) % self.table.size
        model: Any = self.model
        with torch.no_grad():
            model.unroll(symbols, model.start(rows))

    @checked
    def score(self, lines: Iterable[str], alone: bool = False, adapt: bool = False) -> Iterator[RankedLine]:
        """The surprise of each line as it comes, the state carried over them unless `alone`.

        adapt: beside it, the surprise to a copy that learns from each line once it was scored.
        """
        self.check_kind(Language.kind)
        return by_threads(self._score(as_texts(lines, str), alone, adapt), self._threads_alone)

    def _score(self, lines: Iterable[str], alone: bool, adapt: bool) -> Iterator[RankedLine]:
        ranks: list[float] = self.facts.get("ranks", [])
        learning = Learning(*self._adapting()) if adapt else None
        lines, again = tee(lines)
        documents = self.settings.documents
        learnt = score_lines(learning, self.table, again, alone, documents, learns=True) if learning else repeat(None)
        for line, adapted in zip(score_lines(self.model, self.table, lines, alone, documents), learnt, strict=False):
            rank = bisect_left(ranks, line.nats) / len(ranks) if ranks else None
            nats = None if adapted is None else adapted.nats
            yield RankedLine(line.number, line.text, line.nats, line.characters, rank, nats)

    def evaluate(self, data: str | Path | None = None, adapt: bool = False) -> Evaluation:
        """The score on the run's own test part (validation where it has none), or on all of the text `data`.

        adapt: beside it, the score of a copy that learns while it reads; the run stays as it is.
        """
        self.check_kind(Language.kind)
        data = data if data is None else as_path(data)
        with torch_threads(self._together.settle(lambda: self._read(ROWS))):
            return self._evaluate(data, adapt)

    def _evaluate(self, data: str | Path | None, adapt: bool) -> Evaluation:
        baseline = self.facts.get("baseline") or {}
        if data is None:
            corpus, part = read_corpus_again(self.folder, self.settings), "test"
            part = "test" if corpus.targets("test") else "validation"
        else:
            splits = find_text_splits(Path(data)) if Path(data).is_dir() else {}
            data = splits.get("test") or splits.get("validation") or data
            corpus = read_corpus(
                data, self.settings.documents, valid=0.0, test=0.0, table=self.table, column=self.settings.input,
                options=table_options(self.settings),
            )  # fmt: skip
            part = "training"
        score = evaluate(self.model, part_rows(corpus, part), self.table.characters)
        scores, parts = self.facts["scores"], None
        if isinstance(self.model, Mixture):
            parts = score_parts(self.model, self.left, corpus, part)
        return Evaluation(
            score,
            part if data is None else str(data),
            baseline.get(part) if data is None and self.left != [COUNTED] else None,
            baseline.get("name", ""),
            scores.get("untrained") if data is None else None,
            parts,
            *self._evaluate_adapted(corpus, part, adapt),
        )

    def reach(self, seconds: float = 10.0) -> Reach:
        """How far back the model looks, measured on the validation part in about so many seconds.

        Kept in the run, for as long as its weights stay the same. Raises DataError where there is no such part.
        """
        self.check_kind(Language.kind)
        seconds = as_number("seconds", seconds)
        mark = f"{self.folder.model_mark()} {'+'.join(self.left)}"
        if (known := self.folder.read_reach(mark)) is not None:
            return known
        corpus = read_corpus_again(self.folder, self.settings)
        rows = list(part_rows(corpus, "validation", REACH_READ))
        with torch_threads(self._together.settle(lambda: self._read(ROWS))):
            figures = measure_reach(self.model, rows, self.table.characters, seconds, self.settings.seed)
        with suppress(InputError, TrainingError):  # a run that cannot be written to is measured each time
            self.folder.write_reach(mark, figures)
        return figures

    def _adapting(self) -> tuple[torch.nn.Module, Adapting]:
        """The model and how it learns while it reads, chosen on the run's validation part. Raises InputError."""
        if not isinstance(self.model, torch.nn.Module):
            raise OptionError(
                f"{self.path} predicts with a counted n-gram, which has no weights to adapt. Leave out --adapt."
            )
        adapting = choose_adapting(self.model, read_corpus_again(self.folder, self.settings), self.settings.seed)
        if adapting is None:
            raise RunError(f"{self.path} has no validation part to choose a rate on. Leave out --adapt.")
        return self.model, adapting

    def _evaluate_adapted(self, corpus: Corpus, part: str, adapt: bool) -> tuple[Score | None, float | None]:
        if not adapt:
            return None, None
        model, adapting = self._adapting()
        rows = list(part_rows(corpus, part))
        return evaluate_adapted(model, adapting, rows, self.table.characters), adapting.rate

    def info(self) -> dict[str, Any]:
        """What the run is, in plain names."""
        plans = self.folder.read_plans()
        parameters = 0
        if self.kind == Answers.kind:
            parameters = self.predictor.parameters
        elif self.kind == Writings.kind:
            parameters = self.writer.parameters
        elif isinstance(self.model, torch.nn.Module):
            parameters = sum(p.numel() for p in self.model.parameters())
        checked = {} if self.folder.checked else {"checksums": "none: an older version made it, damage is not seen"}
        facts = {"path": str(self.path), "parameters": parameters, **self.facts, **checked}
        return facts | {"plan": plans[-1] if plans else None}


def _check_skipping(skip_empty: bool, data: str | Path | None) -> None:
    """Raises OptionError where rows with an empty cell are to be skipped of a part that is settled."""
    if skip_empty and data is None:
        raise OptionError(
            "--skip-empty is of a table that is named; the run's own test part is what it was. Leave it out."
        )


def load(path: str | Path | None = None, device: str = "auto", threads: int | None = None) -> Run:
    """The run in a folder (None: the newest under runs/). Raises RunError where it is none, or damaged.

    threads: on how many it answers, never more than there are cores; left out, what is faster on this machine now.
    """
    threads = as_whole("--threads", threads, 1)
    folder = RunFolder.open(newest() if path is None else as_path(path, "A run"))
    return Run(folder, find_device(device), threads)
