"""Answers from a run: about rows as they come, a table with its right answers, and which of those were wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from unrolled.data.buckets import gather_steps
from unrolled.data.conllu import CONLLU, ConlluTable, word_of
from unrolled.data.items import Item, iterate
from unrolled.data.outputs import LabelOutput, LabelSetOutput, ValueOutput
from unrolled.data.words import given_words, join_words
from unrolled.errors import DataError, RunError, command
from unrolled.model.answerer import Answerer, Net, Part
from unrolled.model.answering import Answering
from unrolled.model.likelihoods import LIKELIHOODS
from unrolled.parts import UNTRAINED, choose
from unrolled.run.answer_evaluation import AnswerEvaluation, find_unknown, list_errors
from unrolled.run.answers import Answers, build_answering
from unrolled.run.asked import as_evaluated, check_labels, read_again, read_subject
from unrolled.run.folder import RunFolder
from unrolled.run.giving import TOGETHER, Given, Giving, NoItem, gathered, name_of
from unrolled.run.legs import load_best, recorded_plans
from unrolled.run.rivals import load_rival
from unrolled.run.rows import known_from_json, table_options, was_trained_on
from unrolled.run.tellers import THERE, Reach, ValueTeller, teller_of
from unrolled.run.writing import Attention
from unrolled.settings import DEFAULT_MODEL, TrainSettings
from unrolled.threads import ThreadChoice, one_thread, torch_threads
from unrolled.value_scores import NORMAL

PROBED = 32  # items by which numbers of threads are compared

Ranked: TypeAlias = list[tuple[str, float]]  # labels and their chances, the likeliest first


class Estimate(NamedTuple):
    """A number, and the interval that holds 95% of right ones."""

    value: float
    low: float
    high: float


class Text(NamedTuple):
    """A text that was written about a row."""

    text: str
    score: float  # nats below zero: the sum of the log-chances of its symbols, the end's among them
    attention: Attention | None = None  # what was looked at, where that was asked for


@dataclass(frozen=True)
class Answer:
    """What a run says about one row."""

    text: str  # what it was asked about: a text itself, a path, or where a row stands
    labels: Mapping[str, Ranked]  # of each output that is a label
    tags: Mapping[str, list[Ranked]]  # of each output that is tags, step by step
    sets: Mapping[str, Ranked] = field(default_factory=dict)  # of each output that is any number of labels
    values: Mapping[str, list[Estimate]] = field(default_factory=dict)  # of each output that is numbers
    texts: Mapping[str, Text] = field(default_factory=dict)  # of an output that is a text
    error: str = ""  # why there is no answer: a sound or a picture that cannot be read
    empty: bool = False  # a cell or a line was empty: there is nothing to answer about, and every answer is empty

    def best(self, output: str) -> str:
        """The likeliest label of an output; nothing where the answer is empty."""
        ranked = choose("output of labels", self.labels, output)
        return ranked[0][0] if ranked else ""

    def best_tags(self, output: str) -> list[str]:
        """The likeliest tag of each step, of an output that is tags."""
        return [ranked[0][0] for ranked in choose("output of tags", self.tags, output)]

    def chosen(self, output: str) -> list[str]:
        """The labels that are there, of an output that is any number of them."""
        return [
            label for label, chance in choose("output of any number of labels", self.sets, output) if chance > THERE
        ]

    def as_dict(self) -> dict[str, Any]:
        """In plain names."""
        if self.error:
            return {"text": self.text, "error": self.error}
        if self.empty:
            names = [*self.labels, *self.tags, *self.sets, *self.values, *self.texts]
            return {"text": self.text, "outputs": {name: {"answer": None} for name in names}}
        outputs: dict[str, Any] = {}
        for name, ranked in self.labels.items():
            outputs[name] = {"answer": ranked[0][0], "chances": dict(ranked)}
        for name, words in self.tags.items():
            outputs[name] = {"answer": self.best_tags(name), "chances": [dict(ranked) for ranked in words]}
        for name, ranked in self.sets.items():
            outputs[name] = {"answer": self.chosen(name), "chances": dict(ranked)}
        for name, found in self.values.items():
            values, intervals = [one.value for one in found], [[one.low, one.high] for one in found]
            one = len(found) == 1
            outputs[name] = {"answer": values[0] if one else values, "interval": intervals[0] if one else intervals}
        for name, written in self.texts.items():
            attention = {} if written.attention is None else {"attention": written.attention.as_dict()}
            outputs[name] = {"answer": written.text, "score": written.score, **attention}
        return {"text": self.text, "outputs": outputs}


class Predictor:
    """The models of a run about examples, ready to answer."""

    def __init__(
        self, folder: RunFolder, settings: TrainSettings, device: str = "cpu", threads: int | None = None
    ) -> None:
        self.folder, self.settings, self.threads = folder, settings, ThreadChoice(threads)
        tables = folder.read_symbols()
        self.known = known_from_json(tables)
        self.giving = Giving(self.known, table_options(settings))
        outputs = self.known.outputs
        # one that was stopped before its end answers by its net as it is
        self.left: list[str] = folder.facts.get("left") or [settings.of_learnt().model or DEFAULT_MODEL]
        weights: dict[str, list[float]] = folder.facts.get("weights") or {name: [1.0] for name in outputs}
        self.reaches: dict[str, Reach] = folder.facts.get("reaches") or {}
        self.net: Answering | None = None
        parts: list[Part] = []
        for name in self.left:
            if name in UNTRAINED:
                parts.append(load_rival(folder, name, self.known.intake))
                continue
            plan = recorded_plans(folder, device=device)[0]
            self.net = load_best(folder, plan, lambda plan: build_answering(plan, settings, tables))
            self.net.requires_grad_(False)
            parts.append(Net(self.net, self.known.intake))
        if set(weights) != set(outputs) or any(len(each) != len(parts) for each in weights.values()):
            raise RunError(
                f"{folder.path}/run.json is damaged: its weights do not fit. Resume the run, or train again."
            )
        self.answerer = Answerer(parts, weights, {name: LIKELIHOODS[one.kind] for name, one in outputs.items()})

    @property
    def parameters(self) -> int:
        """Weights of the net."""
        return 0 if self.net is None else sum(p.numel() for p in self.net.parameters())

    def read_input(self, source: str) -> Iterator[Given] | None:
        """As `Giving.read_input`."""
        return self.giving.read_input(source)

    def predict(self, asked: Iterable[Given | str], top: int | None = None) -> Iterator[Answer]:
        """An answer for each text, path or row of cells, in order, as they come: those that wait are answered
        together. What is empty has an empty answer in its place, and a sound or a picture that cannot be read one
        that says so.

        top: only so many labels of each output, the likeliest first; all if left out.
        """
        groups = (group for waiting in gathered(asked) for group in self.giving.take_in_turn(waiting))
        for waiting, taken in groups:
            items = [item for item in taken if not isinstance(item, NoItem)]
            said = self._answer(items) if items else {}
            places = dict.fromkeys(said, 0)
            for given, item in zip(waiting, taken, strict=True):
                if isinstance(item, NoItem):
                    yield self._none(name_of(given), item)
                    continue
                own = {}
                for name, found in said.items():
                    count = self._count(item) if name in self.known.each else 1
                    own[name] = found[places[name] : places[name] + count]
                    places[name] += count
                yield self._told(name_of(given), own, top)

    def _answer(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """What is said of items, on as many threads as is faster."""
        with torch_threads(self.threads.settle(lambda: self.answerer.answer(items[:PROBED]))):
            return self.answerer.answer(items)

    def _count(self, item: Item) -> int:
        """Steps of an item that an answer for each is about."""
        return len(given_words(item)) if isinstance(item, str) else len(item)

    def _told(self, name: str, said: Mapping[str, Tensor], top: int | None) -> Answer:
        """What is said of a row, (A, O) of each output, as an answer."""
        labels, tags, sets, values = {}, {}, {}, {}
        for out, found in said.items():
            output = self.known.outputs[out]
            if isinstance(output, LabelOutput):
                chances, order = found.exp().sort(1, descending=True)
                ranked = [
                    self._named(output.names, *pair)
                    for pair in zip(order[:, :top].tolist(), chances[:, :top].tolist(), strict=True)
                ]
                if output.each:
                    tags[out] = ranked
                else:
                    labels[out] = ranked[0]
            elif isinstance(output, LabelSetOutput):
                chances, order = found[0].sigmoid().sort(descending=True)
                kept = max(top or len(chances), int((chances > THERE).sum()))
                sets[out] = self._named(output.names, order[:kept].tolist(), chances[:kept].tolist())
            elif isinstance(output, ValueOutput):
                means, deviations = ValueTeller(output).in_units(found)
                reached = deviations[0] * torch.tensor(list(self.reaches.get(out) or [NORMAL])).double()
                pairs = zip(means[0].tolist(), reached.tolist(), strict=True)
                values[out] = [Estimate(mean, mean - reach, mean + reach) for mean, reach in pairs]
        return Answer(name, labels, tags, sets, values)

    def _none(self, name: str, item: NoItem) -> Answer:
        """The answer in the place of one that there is not."""
        if item.error:
            return Answer(name, {}, {}, error=item.error)
        of: dict[type, dict[str, list[Any]]] = {LabelSetOutput: {}, ValueOutput: {}}
        labels: dict[str, Ranked] = {}
        tags: dict[str, list[Ranked]] = {}
        for out, output in self.known.outputs.items():
            of.get(type(output), tags if output.each else labels)[out] = []
        return Answer(name, labels, tags, of[LabelSetOutput], of[ValueOutput], empty=True)

    def _named(self, names: Sequence[str], order: Sequence[int], chances: Sequence[float]) -> Ranked:
        return [(names[label], chance) for label, chance in zip(order, chances, strict=True)]

    def tag_conllu(self, path: str | Path) -> Iterator[str]:
        """The lines of a CoNLL-U file with the run's outputs in their columns; all else is as it was."""
        table = ConlluTable.open(Path(path))
        places = {CONLLU.index(name): name for name in sorted(self.known.each) if name in CONLLU}
        if not places:
            raise DataError(
                f"{path} has no column for {', '.join(sorted(self.known.each))}, which this run answers.\n"
                f"To have its tags as lines: {command('predict', self.folder.path, path, '--json')}"
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
    def answer_as_read(self, given: Given | str, top: int | None = None) -> Iterator[Answer]:
        """The net's answer after each step of a row, in constant bytes; the `top` likeliest labels, or all. Raises
        RunError where it has none before a row's end."""
        net = self.net
        if net is None or not net.streams or len(self.answerer.parts) > 1:
            raise RunError(
                f"{self.folder.path} answers at a row's end alone: it is {'+'.join(self.left)}, "
                f"{'read both ways' if net is not None and not net.streams else 'of whole rows'}.\n"
                "To answer at every step: unroll train DATA --model lstm --direction ahead"
            )
        (item,) = self.giving.take_all([given])
        if isinstance(item, NoItem):
            yield self._none(name_of(given), item)
            return
        inputs, lengths = gather_steps(self.known.intake, [item])
        state = net.start(1)
        for t in range(int(lengths[0])):
            with one_thread():  # a step of one row is too little to share
                outputs, state = net.step(inputs[:, t], state)
            said = {
                name: self.answerer.likelihoods[name].blend(
                    found[None].double(), torch.tensor(self.answerer.weights[name])
                )
                for name, found in net.say(outputs).items()
            }
            yield self._told(name_of(given), said, top)

    def evaluate(self, data: str | Path | None, errors: bool, skip_empty: bool = False) -> AnswerEvaluation:
        """The scores on a table, or on the run's own test part (validation where it has none). skip_empty: rows of
        the table with an empty cell are left out."""
        if data is None:
            subject = read_again(self.folder, self.settings)
        else:
            subject = read_subject(data, as_evaluated(self.settings, skip_empty), self.folder, measured=True)
        if not isinstance(subject, Answers):
            raise RunError(f"{self.folder.path} answers about rows of a table, and {data} was read as a text.")
        examples = subject.examples
        if data is not None:
            check_labels(examples, str(self.folder.path), "every answer would be wrong", "name another run")
        part = "training" if data is not None else "test" if examples.count("test") else "validation"
        if not examples.count(part):
            raise DataError(
                f"{self.folder.path} has no test part and no validation part.\n"
                f"Name a table: {command('evaluate', self.folder.path)} DATA"
            )
        found: dict[str, list[Tensor]] = {name: [] for name in self.known.outputs}
        for items in iterate(examples.part_items(part), TOGETHER):
            for name, said in self._answer(items).items():
                found[name].append(said)
        whole = {name: torch.cat(each) for name, each in found.items()}
        rows = examples.parts[part]
        scores = {
            name: teller_of(self.known.outputs[name]).score(
                examples.answers[name], rows, said, self.reaches.get(name) or ()
            )
            for name, said in whole.items()
        }
        beside = None if data is not None else self._beside()
        wrong = list_errors(examples, part, whole) if errors else []
        named = part if data is None else f"{data}{examples.measured}"
        if data and was_trained_on(self.folder, examples):
            named += " (which it was trained on: it knows most of these rows)"
        return AnswerEvaluation(named, scores, beside, wrong, find_unknown(examples, rows))

    def _beside(self) -> dict[str, tuple[str, float]]:
        """What the verdict put beside the run: a figure and its name."""
        beside: dict[str, tuple[str, float]] = {}
        for name, facts in self.folder.facts["scores"].get("outputs", {}).items():
            prefix = f"{name}: " if len(self.known.outputs) > 1 else ""
            figure = facts.get("figure", "accuracy")
            beside |= {prefix + other: (figure, score[figure]) for other, score in facts["beside"].items()}
            if "constant" in facts:
                beside[prefix + facts["constant"]["answer"]] = figure, facts["constant"][figure]
            else:  # an older run
                frequent = facts["most_frequent"]
                beside[f"{prefix}always '{frequent['label']}'"] = figure, frequent["accuracy"]
        return beside
