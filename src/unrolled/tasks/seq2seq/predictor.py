"""A seq2seq run: it generates texts for inputs, streaming, or for a table with reference texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from unrolled.data.examples import Examples
from unrolled.data.intake import Ids
from unrolled.data.items import Item, PartItems
from unrolled.data.outputs import TextOutput
from unrolled.data.pairs import written_of
from unrolled.decoding.beam import Hypothesis
from unrolled.errors import DataError, RunError
from unrolled.metrics.text import TextScore, chrf, count_characters
from unrolled.options import DEFAULT_MODEL
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.sessions import load_best, recorded_plans
from unrolled.tasks.build import build_taught
from unrolled.tasks.evaluation import Evaluation
from unrolled.tasks.generation import Choice
from unrolled.tasks.requests import Given
from unrolled.tasks.results import Answer, Text
from unrolled.tasks.rows_run import RowsRun
from unrolled.tasks.run import EvaluateOptions, PredictOptions, Reread
from unrolled.tasks.seq2seq.generate import Scribe
from unrolled.tasks.seq2seq.summary import GREEDY, Cost, figure_of, likest_texts, sameness_of, score_rows, shown
from unrolled.tasks.seq2seq.task import Writings, in_line
from unrolled.threads import one_thread, torch_threads

PROBED, PROBED_SYMBOLS = 16, 8  # rows, and tokens per row, with which numbers of threads are compared


@dataclass(frozen=True)
class WritingEvaluation(Evaluation):
    """The scores of a run's generated texts on a table, or on its own test split."""

    columns: ClassVar[tuple[str, ...]] = ("file", "row", "output", "right", "answer", "chrf", "text")
    order: ClassVar[str] = "the lowest chrF"

    name: str  # the output
    way: str  # how texts were generated
    score: TextScore
    cost: Cost
    beside: Mapping[str, TextScore]  # of the nearest-neighbour baseline; empty if the training rows are gone
    figure: str
    sameness: str = ""  # a sentence if texts are empty or all the same

    @property
    def lines(self) -> list[str]:
        lines = [f"{self.name}, {self.part}, {self.way}: {self.score.told(self.figure == 'bleu')}; {self.cost.line}"]
        for one in self.score.by_length if self.figure == "bleu" else ():
            to = f"{one.shortest} to {one.longest}" if one.longest is not None else f"{one.shortest} and more"
            lines.append(f"  inputs of {to} words: BLEU {one.bleu:.1f} ({one.rows:,} rows)")
        lines += [self.sameness] if self.sameness else []
        lines += [f"Baseline: {name} {shown(score, self.figure)}" for name, score in self.beside.items()]
        return lines

    def as_dict(self) -> dict[str, Any]:
        figures = {"nats": self.cost.nats, "perplexity": self.cost.perplexity, "written": self.way}
        return {
            "part": self.part,
            "outputs": {self.name: {**self.score.as_dict(), **figures}},
            "beside": {name: score.as_dict() for name, score in self.beside.items()},
        }


class Seq2SeqRun(RowsRun):
    """A run of the seq2seq task: one output, a text, and its encoder-decoder."""

    kind, does = Writings.kind, "generates texts"
    takes = frozenset({"errors", "skip_empty", "beam", "temperature", "seed", "generation", "show_attention"})

    def __init__(self, folder: RunFolder, reread: Reread, device: str = "cpu", threads: int | None = None) -> None:
        super().__init__(folder, reread, device, threads)
        self.left = [self.settings.model or DEFAULT_MODEL]
        self.name, output = next(iter(self.outputs.items()))
        tables = folder.read_symbols()
        plan = recorded_plans(folder, device=self.device)[0]
        taught = load_best(folder, plan, lambda plan: build_taught(plan, self.settings, tables))
        taught.requires_grad_(False)
        if not isinstance(output, TextOutput):
            raise RunError(f"{folder.path}/symbols.json is damaged: its output is not a text. Train again.")
        self._parameters = sum(p.numel() for p in taught.parameters())
        self.scribe = Scribe(taught.writer, self.known.intake, output)
        # a run that was stopped early generates greedily
        self.preferred = Choice(folder.facts.get("beam", 1))

    @property
    def parameters(self) -> int:
        return self._parameters

    def _predict(self, rows: Iterator[Given | str], options: PredictOptions) -> Iterator[Answer]:
        return self._in_place(rows, lambda some, first: self._answers(some, first, options))

    def _answers(self, some: Sequence[tuple[str, Item]], first: int, options: PredictOptions) -> Iterator[Answer]:
        """A text for each (name, item). first: the number of the first item, which seeds sampling."""
        texts = self._write([item for _, item in some], options.generation or self.preferred, first)
        for (name, item), text in zip(some, texts, strict=True):
            with one_thread():  # a single row
                attention = self.scribe.attention(item, text) if options.attention else None
            yield Answer(name, texts={self.name: Text(self.scribe.spell(text), text.score, attention)})

    def _write(self, items: Sequence[Item], choice: Choice, first: int = 0) -> list[Hypothesis]:
        """Texts for items, on the faster number of threads."""
        with torch_threads(self._settled(items)):
            return self.scribe.write(items, choice, first)

    def _settled(self, items: Sequence[Item]) -> int:
        """The faster number of threads for such items."""
        return self.threads.settle(lambda: self.scribe.write(items[:PROBED], GREEDY, length=PROBED_SYMBOLS))

    def _evaluate(self, data: str | None, options: EvaluateOptions) -> WritingEvaluation:
        own: Examples | None
        if data is None:
            examples = own = self._read(Writings, None).examples
        else:
            examples, own = self._read(Writings, data, options.skip_empty).examples, self._own()
        part, called = self._part_of(examples, data)
        rows = examples.parts[part]
        items = list(PartItems(examples.items, rows))
        texts = [self.scribe.spell(text) for text in self._write(items, self.preferred)]
        with torch_threads(self._settled(items)):
            cost = Cost.of(*self.scribe.cost(examples, rows))
        beside: dict[str, TextScore] = {}
        if own is not None:
            name, likest = likest_texts(examples, rows, own)
            beside[name] = score_rows(examples, rows, likest)
        return WritingEvaluation(
            called, self.name, self.preferred.name,
            score_rows(examples, rows, texts), cost, beside, figure_of(examples), sameness_of(texts),
            wrong=list_furthest(self.name, examples, rows, texts) if options.errors else [],
        )  # fmt: skip

    def _own(self) -> Examples | None:
        """The run's own rows; None if they are missing or have changed."""
        try:
            return self._read(Writings, None).examples
        except DataError:
            return None


def list_furthest(name: str, examples: Examples, rows: Ids, texts: list[str]) -> list[dict[str, Any]]:
    """The rows whose text differs from the reference, the lowest chrF first."""
    references = [written_of(examples).texts[row] for row in rows.tolist()]
    each = [chrf(counts) for counts in count_characters(texts, [[one] for one in references])]
    found = []
    for row, text, reference, score in zip(rows.tolist(), texts, references, each, strict=True):
        if text.strip() != reference.strip():
            item = examples.items[row]
            source = in_line(item) if isinstance(item, str) else ""
            file, number = examples.located(row)
            found.append({
                "file": file, "row": number, "output": name, "right": in_line(reference), "answer": in_line(text),
                "chrf": round(score, 2), "text": source,
            })  # fmt: skip
    return sorted(found, key=lambda one: float(str(one["chrf"])))
