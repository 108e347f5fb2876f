"""Texts from a run: about rows as they come, or about a table with the right texts, and which were furthest off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from unrolled.beam import Hypothesis
from unrolled.data.examples import Examples
from unrolled.data.intake import Ids
from unrolled.data.items import Item, PartItems
from unrolled.data.outputs import TextOutput
from unrolled.data.pairs import written_of
from unrolled.errors import DataError, RunError, command
from unrolled.run.asked import as_evaluated, read_again, read_subject
from unrolled.run.folder import RunFolder
from unrolled.run.giving import Given, Giving, NoItem, gathered, name_of
from unrolled.run.legs import load_best, recorded_plans
from unrolled.run.predicting import Answer, Text
from unrolled.run.rows import known_from_json, table_options, was_trained_on
from unrolled.run.writing import Choice, Scribe
from unrolled.run.writing_verdict import GREEDY, Cost, figure_of, likest_texts, sameness_of, score_rows, shown
from unrolled.run.writings import Writings, build_taught, in_line
from unrolled.settings import TrainSettings
from unrolled.text_scores import TextScore, chrf, count_characters
from unrolled.threads import ThreadChoice, one_thread, torch_threads

PROBED, PROBED_SYMBOLS = 16, 8  # rows, and symbols of each, by which numbers of threads are compared


@dataclass(frozen=True)
class WritingEvaluation:
    """The scores of a run's texts on a table, or on its own test part."""

    columns: ClassVar[tuple[str, ...]] = ("file", "row", "output", "right", "answer", "chrf", "text")

    part: str
    name: str  # the output
    way: str  # how texts were written
    score: TextScore
    cost: Cost
    beside: Mapping[str, TextScore]  # of the likest training row's text; empty where the training part is gone
    figure: str
    wrong: list[dict[str, Any]]  # texts that are not the right ones, the furthest off first
    sameness: str = ""  # that texts are empty or all the same, where they are

    @property
    def lines(self) -> list[str]:
        """What the command prints."""
        lines = [f"{self.name}, {self.part}, {self.way}: {self.score.told(self.figure == 'bleu')}; {self.cost.line}"]
        for one in self.score.by_length if self.figure == "bleu" else ():
            to = f"{one.shortest} to {one.longest}" if one.longest is not None else f"{one.shortest} and more"
            lines.append(f"  inputs of {to} words: BLEU {one.bleu:.1f} ({one.rows:,} rows)")
        lines += [self.sameness] if self.sameness else []
        lines += [f"Baseline: {name} {shown(score, self.figure)}" for name, score in self.beside.items()]
        return lines

    def as_dict(self) -> dict[str, Any]:
        """In plain names."""
        figures = {"nats": self.cost.nats, "perplexity": self.cost.perplexity, "written": self.way}
        return {
            "part": self.part,
            "outputs": {self.name: {**self.score.as_dict(), **figures}},
            "beside": {name: score.as_dict() for name, score in self.beside.items()},
        }


class TextPredictor:
    """The writer of a run about texts, ready to write."""

    def __init__(
        self, folder: RunFolder, settings: TrainSettings, device: str = "cpu", threads: int | None = None
    ) -> None:
        self.folder, self.settings, self.threads = folder, settings, ThreadChoice(threads)
        tables = folder.read_symbols()
        self.known = known_from_json(tables)
        self.giving = Giving(self.known, table_options(settings))
        self.name, output = next(iter(self.known.outputs.items()))
        plan = recorded_plans(folder, device=device)[0]
        taught = load_best(folder, plan, lambda plan: build_taught(plan, settings, tables))
        taught.requires_grad_(False)
        if not isinstance(output, TextOutput):
            raise RunError(f"{folder.path}/symbols.json is damaged: what is written there is no text. Train again.")
        self.parameters = sum(p.numel() for p in taught.parameters())
        self.scribe = Scribe(taught.writer, self.known.intake, output)
        # one that was stopped before its end writes greedily
        self.choice = Choice(folder.facts.get("beam", 1))

    def read_input(self, source: str) -> Iterator[Given] | None:
        """As `Giving.read_input`."""
        return self.giving.read_input(source)

    def predict(
        self, asked: Iterable[Given | str], choice: Choice | None = None, attention: bool = False
    ) -> Iterator[Answer]:
        """A text about each text, path or row of cells, in order, as they come: those that wait are taken together.
        What is empty has an empty answer in its place, and a sound or a picture that cannot be read one that says so.

        choice: how it is written; as validation preferred, where left out. attention: with what was looked at.
        """
        number, choice = 0, choice or self.choice
        groups = (group for waiting in gathered(asked) for group in self.giving.take_in_turn(waiting))
        for waiting, taken in groups:
            items = [item for item in taken if not isinstance(item, NoItem)]
            texts = iter(self._write(items, choice, number) if items else ())
            number += len(items)
            for given, item in zip(waiting, taken, strict=True):
                if isinstance(item, NoItem):
                    none = {} if item.error else {self.name: Text("", 0.0)}
                    yield Answer(name_of(given), {}, {}, texts=none, error=item.error, empty=not item.error)
                    continue
                text = next(texts)
                with one_thread():  # of one row
                    looked = self.scribe.attention(item, text) if attention else None
                written = Text(self.scribe.spell(text), text.score, looked)
                yield Answer(name_of(given), {}, {}, texts={self.name: written})

    def evaluate(
        self, data: str | Path | None, errors: bool, choice: Choice | None = None, skip_empty: bool = False
    ) -> WritingEvaluation:
        """The scores on a table, or on the run's own test part (validation where it has none). skip_empty: rows of
        the table with an empty cell are left out."""
        choice = choice or self.choice
        own = self._own(data)
        examples = own if data is None else self._read(data, skip_empty)
        if examples is None:
            raise RunError(
                f"{self.folder.path}: its table is gone. Name another: {command('evaluate', self.folder.path)} DATA"
            )
        part = "training" if data is not None else "test" if examples.count("test") else "validation"
        rows = examples.parts[part]
        if not len(rows):
            raise DataError(
                f"{self.folder.path} has no test part and no validation part.\n"
                f"Name a table: {command('evaluate', self.folder.path)} DATA"
            )
        written = self._write(list(PartItems(examples.items, rows)), choice)
        texts = [self.scribe.spell(text) for text in written]
        beside: dict[str, TextScore] = {}
        if own is not None:
            name, likest = likest_texts(examples, rows, own)
            beside[name] = score_rows(examples, rows, likest)
        named = f"{part} part" if data is None else f"{data}{examples.measured}"
        if data and was_trained_on(self.folder, examples):
            named += " (which it was trained on: it knows most of these rows)"
        return WritingEvaluation(
            named, self.name, choice.name, score_rows(examples, rows, texts),
            self._cost(examples, rows), beside, figure_of(examples),
            list_furthest(self.name, examples, rows, texts) if errors else [], sameness_of(texts),
        )  # fmt: skip

    def _write(self, items: Sequence[Item], choice: Choice, first: int = 0) -> list[Hypothesis]:
        """Texts about items, on as many threads as is faster."""

        def probe() -> object:
            return self.scribe.write(items[:PROBED], GREEDY, length=PROBED_SYMBOLS)

        with torch_threads(self.threads.settle(probe)):
            return self.scribe.write(items, choice, first)

    def _cost(self, examples: Examples, rows: Ids) -> Cost:
        """What the right texts of these rows cost, on the same threads."""
        some = list(PartItems(examples.items, rows[:PROBED]))
        with torch_threads(self.threads.settle(lambda: self.scribe.write(some, GREEDY, length=PROBED_SYMBOLS))):
            return Cost.of(*self.scribe.cost(examples, rows))

    def _own(self, data: str | Path | None) -> Examples | None:
        """The run's own rows; None where they are gone or changed, and another table was named."""
        try:
            subject = read_again(self.folder, self.settings)
        except DataError:
            if data is None:
                raise
            return None
        return subject.examples if isinstance(subject, Writings) else None

    def _read(self, data: str | Path, skip_empty: bool) -> Examples:
        subject = read_subject(data, as_evaluated(self.settings, skip_empty), self.folder, measured=True)
        if not isinstance(subject, Writings):
            raise RunError(f"{self.folder.path} writes about rows of a table, and {data} was read as a text.")
        return subject.examples


def list_furthest(name: str, examples: Examples, rows: Ids, texts: list[str]) -> list[dict[str, Any]]:
    """The rows whose text is not the right one, that with the least chrF first."""
    right = [written_of(examples).texts[row] for row in rows.tolist()]
    each = [chrf(counts) for counts in count_characters(texts, [[one] for one in right])]
    found = []
    for row, text, wanted, score in zip(rows.tolist(), texts, right, each, strict=True):
        if text.strip() != wanted.strip():
            item = examples.items[row]
            source = in_line(item) if isinstance(item, str) else ""
            file, number = examples.located(row)
            found.append({
                "file": file, "row": number, "output": name, "right": in_line(wanted), "answer": in_line(text),
                "chrf": round(score, 2), "text": source,
            })  # fmt: skip
    return sorted(found, key=lambda one: float(str(one["chrf"])))
