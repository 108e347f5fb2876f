"""Answers from a run: of texts as they come, of a table with its right answers, and which of those were wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any, TypeAlias

import torch

from unrolled.data.buckets import gather_steps
from unrolled.data.columns import no_cell, spell_input
from unrolled.data.conllu import CONLLU, ConlluTable, word_of
from unrolled.data.tables import open_table
from unrolled.data.texts import iterate
from unrolled.data.tokens import given_words, join_words, tokens_from_json
from unrolled.errors import DataError, RunError
from unrolled.model.answerer import Answerer, Net, Part
from unrolled.model.answering import Answering
from unrolled.model.linear import LinearModel
from unrolled.run.answer_evaluation import AnswerEvaluation, list_errors
from unrolled.run.answer_verdict import score_part
from unrolled.run.answers import Answers, build_answering, known_from_json
from unrolled.run.asked import read_again, read_subject
from unrolled.run.folder import RunFolder
from unrolled.run.legs import recorded_plans
from unrolled.settings import DEFAULT_MODEL, LINEAR, TrainSettings
from unrolled.training.checkpoint import load_tensors

TOGETHER = 2_000  # texts that are answered together where many are waiting

Ranked: TypeAlias = list[tuple[str, float]]  # labels and their chances, the likeliest first


@dataclass(frozen=True)
class Answer:
    """What a run says about one text."""

    text: str
    labels: Mapping[str, Ranked]  # of each output that is a label
    tags: Mapping[str, list[Ranked]]  # of each output that is tags, word by word

    def best(self, output: str) -> str:
        """The likeliest label of an output."""
        return self.labels[output][0][0]

    def best_tags(self, output: str) -> list[str]:
        """The likeliest tag of each word, of an output that is tags."""
        return [ranked[0][0] for ranked in self.tags[output]]

    def as_dict(self) -> dict[str, Any]:
        """In plain names."""
        outputs: dict[str, Any] = {}
        for name, ranked in self.labels.items():
            outputs[name] = {"answer": ranked[0][0], "chances": dict(ranked)}
        for name, words in self.tags.items():
            outputs[name] = {"answer": self.best_tags(name), "chances": [dict(ranked) for ranked in words]}
        return {"text": self.text, "outputs": outputs}


class Predictor:
    """The models of a run about examples, ready to answer."""

    def __init__(self, folder: RunFolder, settings: TrainSettings, device: str = "cpu") -> None:
        self.folder, self.settings = folder, settings
        tables = folder.read_symbols()
        self.known = known_from_json(tables)
        # one that was stopped before its end answers by its net as it is
        self.left: list[str] = folder.facts.get("left") or [settings.of_learnt().model or DEFAULT_MODEL]
        weights: dict[str, list[float]] = folder.facts.get("weights") or {name: [1.0] for name in self.known.names}
        self.net: Answering | None = None
        parts: list[Part] = []
        for name in self.left:
            if name == LINEAR:
                parts.append(LinearModel.from_tensors(*load_tensors(folder.linear)))
                continue
            plan = recorded_plans(folder, device=device)[0]
            self.net = build_answering(plan, settings, tables)
            tensors, _ = folder.read_model(dict(self.net.named_parameters()))
            self.net.load_state_dict(tensors)
            self.net.requires_grad_(False)
            parts.append(Net(self.net, tokens_from_json(tables["tokens"])))
        if set(weights) != set(self.known.names) or any(len(each) != len(parts) for each in weights.values()):
            raise RunError(
                f"{folder.path}/run.json is damaged: its weights do not fit. Resume the run, or train again."
            )
        self.answerer = Answerer(parts, weights)

    @property
    def parameters(self) -> int:
        """Weights of the net."""
        return 0 if self.net is None else sum(p.numel() for p in self.net.parameters())

    def read_column(self, path: str | Path) -> Iterator[str]:
        """The texts of a table's input column, as they are read. Raises DataError where one is missing."""
        table, name = open_table(path), self.known.columns.input
        if name not in table.columns:
            known = ", ".join(table.columns)
            raise DataError(f"{path} has no column '{name}', which this run reads; it has: {known}.")
        for row in table.rows([name]):
            if row.cells[0] is None:
                raise no_cell(table, name, row)
            yield spell_input(row.cells[0])

    def predict(self, texts: Iterable[str], top: int | None = None) -> Iterator[Answer]:
        """An answer for each text, in order, as texts come: those that wait are answered together.

        top: only so many labels of each output, the likeliest first; all if left out.
        """
        for waiting in gathered(texts):
            ranked = {}
            for name, logs in self.answerer.answer(waiting).items():
                chances, order = logs.exp().sort(1, descending=True)
                pairs = zip(order[:, :top].tolist(), chances[:, :top].tolist(), strict=True)
                ranked[name] = iter([self._named(name, *pair) for pair in pairs])
            for text in waiting:
                labels, tags = {}, {}
                for name, found in ranked.items():
                    if name in self.known.each:
                        tags[name] = list(islice(found, len(given_words(text))))
                    else:
                        labels[name] = next(found)
                yield Answer(text, labels, tags)

    def _named(self, output: str, order: Sequence[int], chances: Sequence[float]) -> Ranked:
        names = self.known.names[output]
        return [(names[label], chance) for label, chance in zip(order, chances, strict=True)]

    def tag_conllu(self, path: str | Path) -> Iterator[str]:
        """The lines of a CoNLL-U file with the run's outputs in their columns; all else is as it was."""
        table = ConlluTable.open(Path(path))
        places = {CONLLU.index(name): name for name in sorted(self.known.each) if name in CONLLU}
        if not places:
            raise DataError(
                f"{path} has no column for {', '.join(sorted(self.known.each))}, which this run answers.\n"
                "To have its tags as lines: unroll predict RUN FILE --json"
            )

        def texts() -> Iterator[str]:
            for _, lines in table.sentences():
                yield join_words(word[1] for line in lines if (word := word_of(line)) is not None)

        # read twice: a thread reads ahead in the one
        for (_, lines), answer in zip(table.sentences(), self.predict(texts(), 1), strict=True):
            tags = {place: iter(answer.best_tags(name)) for place, name in places.items()}
            for line in lines:
                fields = word_of(line)
                if fields is not None:
                    for place, found in tags.items():
                        fields[place] = next(found)
                yield line if fields is None else "\t".join(fields)
            yield ""

    @torch.no_grad()
    def answer_as_read(self, text: str, top: int | None = None) -> Iterator[Answer]:
        """The net's answer after each step of a text, in constant bytes; the `top` likeliest labels, or all. Raises
        RunError where it has none before a row's end."""
        net = self.net
        if net is None or not net.streams or len(self.answerer.parts) > 1:
            raise RunError(
                f"{self.folder.path} answers at a row's end alone: it is {'+'.join(self.left)}, "
                f"{'read both ways' if net is not None and not net.streams else 'of whole rows'}.\n"
                "To answer at every step: unroll train DATA --model lstm --direction ahead"
            )
        inputs, lengths = gather_steps(self.known.tokens, [text])
        state = net.start(1)
        for t in range(int(lengths[0])):
            logits, state = net.step(inputs[:, t], state)
            labels = {}
            for name, found in logits.items():
                chances, order = (self.answerer.weights[name][0] * found[0]).softmax(0).sort(descending=True)
                labels[name] = self._named(name, order[:top].tolist(), chances[:top].tolist())
            yield Answer(text, labels, {})

    def evaluate(self, data: str | Path | None, errors: bool) -> AnswerEvaluation:
        """The scores on a table, or on the run's own test part (validation where it has none)."""
        if data is None:
            subject = read_again(self.folder, self.settings)
        else:
            skip, kind = self.settings.skip_empty, self.settings.kind
            asked = TrainSettings(kind=kind, skip_empty=skip, valid="none", test="none")
            subject = read_subject(data, asked, self.folder)
        if not isinstance(subject, Answers):
            raise RunError(f"{self.folder.path} answers about rows of a table, and {data} was read as a text.")
        examples = subject.examples
        part = "training" if data is not None else "test" if examples.count("test") else "validation"
        if not examples.count(part):
            raise DataError(
                f"{self.folder.path} has no test part and no validation part. Name a table: unroll evaluate RUN DATA"
            )
        found: dict[str, list[torch.Tensor]] = {name: [] for name in self.known.names}
        for texts in iterate(examples.part_texts(part), TOGETHER):
            for name, logs in self.answerer.answer(texts).items():
                found[name].append(logs)
        whole = {name: torch.cat(each) for name, each in found.items()}
        scores = {name: score_part(examples, part, name, logs) for name, logs in whole.items()}
        beside = None if data is not None else self._beside()
        wrong = list_errors(examples, part, whole, self.known.names) if errors else []
        named = part if data is None else str(data)
        if data and set(examples.fingerprints.values()) & set(self.folder.facts["data"]["fingerprints"].values()):
            named += " (which it was trained on: it knows most of these rows)"
        return AnswerEvaluation(named, scores, beside, wrong)

    def _beside(self) -> dict[str, float]:
        """What the verdict put beside the run."""
        beside: dict[str, float] = {}
        for name, facts in self.folder.facts["scores"].get("outputs", {}).items():
            prefix = f"{name}: " if len(self.known.names) > 1 else ""
            beside |= {prefix + other: score["accuracy"] for other, score in facts["beside"].items()}
            frequent = facts["most_frequent"]
            beside[f"{prefix}always '{frequent['label']}'"] = frequent["accuracy"]
        return beside


def gathered(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts in their order: one that comes alone at once, those that wait together, up to `TOGETHER`.

    They are read ahead by a thread, so that a slow giver is not waited for longer than its next text takes.
    """
    ahead: Queue[str | BaseException | None] = Queue(2 * TOGETHER)
    enough = Event()

    def read() -> None:
        try:
            for text in texts:
                if enough.is_set():
                    return
                ahead.put(text)
            ahead.put(None)
        except BaseException as error:  # it is raised where the texts are asked for
            ahead.put(error)

    Thread(target=read, daemon=True).start()
    try:
        while True:
            waiting: list[str] = []
            found = ahead.get()
            while isinstance(found, str):
                waiting.append(found)
                if len(waiting) == TOGETHER:
                    break
                try:
                    found = ahead.get_nowait()
                except Empty:
                    break
            if waiting:
                yield waiting
            if isinstance(found, BaseException):
                raise found
            if found is None:
                return
    finally:  # whoever asked may have had enough: then the thread is let go
        enough.set()
        with suppress(Empty):
            while True:
                ahead.get_nowait()
