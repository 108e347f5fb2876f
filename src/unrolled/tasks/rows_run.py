"""A run on rows of a table: how it reads inputs, and which rows it is evaluated on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from unrolled.arguments import checked
from unrolled.data.examples import Examples
from unrolled.data.items import Item
from unrolled.data.outputs import Output
from unrolled.errors import DataError, command
from unrolled.given import as_texts, as_whole
from unrolled.rundir.folder import RunFolder
from unrolled.tasks.dataset import known_from_json, table_options, was_trained_on
from unrolled.tasks.generation import Choice
from unrolled.tasks.requests import Given, Giving, NoItem, gathered, name_of
from unrolled.tasks.results import Answer, Text
from unrolled.tasks.run import PredictOptions, Reread, Run

NOTHING: dict[str, tuple[str, Callable[[], Any]]] = {
    "label": ("labels", list),
    "labels": ("sets", list),
    "tags": ("tags", list),
    "value": ("values", list),
    "text": ("texts", lambda: Text("", 0.0)),
}
"""Kind of output -> its field in `Answer`, and the value for an empty input."""
AnswerItems: TypeAlias = Callable[[Sequence[tuple[str, Item]], int], Iterator[Answer]]
"""(name, item) of rows, and the number of rows before them -> a prediction for each, in order."""


class RowsRun(Run):
    """A run on rows of a table; `known` has the columns, featurizer and outputs of its training."""

    def __init__(self, folder: RunFolder, reread: Reread, device: str = "cpu", threads: int | None = None) -> None:
        super().__init__(folder, reread, device, threads)
        self.known = known_from_json(folder.read_symbols())
        self.giving = Giving(self.known, table_options(self.settings))

    @property
    def outputs(self) -> Mapping[str, Output]:
        return self.known.outputs

    def read_input(self, source: str) -> Iterator[Given] | None:
        return self.giving.read_input(source)

    @checked
    def predict(
        self,
        rows: Iterable[Given | str],
        *,
        top: int | None = None,
        every: bool = False,
        generation: Choice | None = None,
        attention: bool = False,
    ) -> Iterator[Answer]:
        options = PredictOptions(as_whole("top", top, 1), every, generation, attention)
        self.check_options(**options._asdict())
        return self._predict(as_texts(rows, (str, Given)), options)

    @abstractmethod
    def _predict(self, rows: Iterator[Given | str], options: PredictOptions) -> Iterator[Answer]:
        """As `predict`, with options that the task takes."""

    def _in_place(self, rows: Iterator[Given | str], answer: AnswerItems) -> Iterator[Answer]:
        """Predictions for each row in order, batched, including inputs that are empty or cannot be read."""
        number = 0
        groups = (group for waiting in gathered(rows) for group in self.giving.take_in_turn(waiting))
        for waiting, taken in groups:
            some = [
                (name_of(given), item)
                for given, item in zip(waiting, taken, strict=True)
                if not isinstance(item, NoItem)
            ]
            answers = answer(some, number) if some else iter(())
            number += len(some)
            for given, item in zip(waiting, taken, strict=True):
                yield self._none(name_of(given), item) if isinstance(item, NoItem) else next(answers)

    def _none(self, name: str, item: NoItem) -> Answer:
        """The prediction for an input that is empty or cannot be read."""
        if item.error:
            return Answer(name, error=item.error)
        nothing: dict[str, Any] = {}
        for out, output in self.outputs.items():
            field, make = NOTHING[output.kind]
            nothing.setdefault(field, {})[out] = make()
        return Answer(name, **nothing, empty=True)

    def _part_of(self, examples: Examples, data: str | None) -> tuple[str, str]:
        """The split of these rows to evaluate, and its printed name. Raises DataError if a run's own rows have
        none."""
        part = "training" if data is not None else "test" if examples.count("test") else "validation"
        if not examples.count(part):
            raise DataError(
                f"{self.path} has no test split and no validation split.\n"
                f"Name a table: {command('evaluate', self.path)} DATA"
            )
        if data is None:
            return part, part
        trained = was_trained_on(self.folder, examples)
        known = " (the run was trained on this table: it has seen most of these rows)" if trained else ""
        return part, f"{data}{examples.measured}{known}"
