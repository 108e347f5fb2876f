"""A run on rows of a table: how it reads inputs, and which rows it is evaluated on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unrolled.arguments import checked
from unrolled.data.dataset.dataset import Examples
from unrolled.data.dataset.outputs import Output
from unrolled.data.modalities.base import Item
from unrolled.errors import DataError, OptionError, command
from unrolled.given import as_texts, as_whole
from unrolled.rundir.folder import RunFolder
from unrolled.settings import check_share_sure
from unrolled.tasks.dataset import known_of, table_options, was_trained_on
from unrolled.tasks.frames import as_frame, is_frame, prediction_columns
from unrolled.tasks.generation import GenerationConfig
from unrolled.tasks.given_inputs import valid_texts
from unrolled.tasks.requests import InferenceInput, InputReader, MissingItem, batched, input_name
from unrolled.tasks.results import GeneratedText, RowPrediction
from unrolled.tasks.run import Data, PredictOptions, ReadAgain, Run

EMPTY: dict[str, tuple[str, Callable[[], Any]]] = {
    "classification": ("labels", list),
    "multilabel": ("sets", list),
    "tagging": ("tags", list),
    "regression": ("values", list),
    "seq2seq": ("texts", lambda: GeneratedText("", 0.0, None)),
}
"""Kind of output -> its field in `RowPrediction`, and the value for an empty input."""
OF_PICTURES = frozenset({"error_page", "show_attention"})  # options that runs on images take too
InferenceItems: TypeAlias = Callable[[Sequence[tuple[str, Item]], int], Iterator[RowPrediction]]
"""(name, item) of rows, and the number of rows before them -> a prediction for each, in order."""


class RowsRun(Run):
    """A run on rows of a table; `known` has the columns, featurizer and outputs of its training."""

    def __init__(self, folder: RunFolder, reread: ReadAgain, device: str = "cpu", threads: int | None = None) -> None:
        super().__init__(folder, reread, device, threads)
        self.known = known_of(folder)
        self.reader = InputReader(self.known, table_options(self.settings))
        if self.has_pictures:
            self.accepts = self.accepts | OF_PICTURES

    @property
    def outputs(self) -> Mapping[str, Output]:
        return self.known.outputs

    def read_input(self, source: str) -> Iterator[InferenceInput] | None:
        return self.reader.read_input(source)

    @property
    def has_pictures(self) -> bool:
        return self.known.featurizer.input.has_pictures

    @property
    def input_noun(self) -> str:
        return self.known.featurizer.input.noun

    def picture(self, given: InferenceInput | str, side: int) -> NDArray[np.uint8]:
        return self.reader.picture(given, side)

    @checked
    def predict(
        self,
        rows: object,
        *,
        top: int | None = None,
        every: bool = False,
        generation: GenerationConfig | None = None,
        show_attention: bool = False,
        hedge: bool = False,
        stop_when_sure: float | None = None,
    ) -> Any:
        options = PredictOptions(as_whole("top", top, 1), every, generation, show_attention, hedge, stop_when_sure)
        check_share_sure(stop_when_sure)
        self.check_options(**options._asdict())
        if is_frame(rows):
            if top is not None or every:
                raise OptionError(
                    f"{'every' if every else 'top'} applies to rows in a list; a frame gets the best of each row.\n"
                    "Leave it out, or give a list of dicts: frame.to_dict('records'), in polars frame.to_dicts()"
                )
            prediction_columns(self.outputs)  # before anything is read
        inputs = self.reader.read_data(rows)
        found = self._predict(
            valid_texts(as_texts(rows, (str, InferenceInput))) if inputs is None else inputs, options
        )
        types = self.facts["data"].get("label_types", {})
        return as_frame(rows, found, self.outputs, types) if is_frame(rows) else found

    @abstractmethod
    def _predict(self, rows: Iterator[InferenceInput | str], options: PredictOptions) -> Iterator[RowPrediction]:
        """As `predict`, with options that the task takes."""

    def _in_place(self, rows: Iterator[InferenceInput | str], prediction: InferenceItems) -> Iterator[RowPrediction]:
        """Predictions for each row in order, batched, including inputs that are empty or cannot be read."""
        number = 0
        groups = (group for waiting in batched(rows) for group in self.reader.take_in_turn(waiting))
        for waiting, taken in groups:
            pairs = zip(waiting, taken, strict=True)
            some = [(input_name(given), item) for given, item in pairs if not isinstance(item, MissingItem)]
            predictions = prediction(some, number) if some else iter(())
            number += len(some)
            for given, item in zip(waiting, taken, strict=True):
                if isinstance(item, MissingItem):
                    yield self._empty_prediction(input_name(given), item)
                else:
                    yield next(predictions)

    def _empty_prediction(self, name: str, item: MissingItem) -> RowPrediction:
        """The prediction for an input that is empty or cannot be read."""
        if item.error:
            return RowPrediction(name, error=item.error)
        nothing: dict[str, Any] = {}
        for out, output in self.outputs.items():
            field, make = EMPTY[output.kind]
            nothing.setdefault(field, {})[out] = make()
        return RowPrediction(name, **nothing, empty=True)

    def _split_of(self, examples: Examples, data: Data | None) -> tuple[str, str]:
        """The split of these rows to evaluate, and its printed name. Raises DataError if a run's own rows have
        none."""
        split = "training" if data is not None else "test" if examples.count("test") else "validation"
        if not examples.count(split):
            raise DataError(
                f"{self.path} has no test split and no validation split.\n"
                f"Name a table: {command('evaluate', self.path)} DATA"
            )
        if data is None:
            return split, split
        trained = was_trained_on(self.folder, examples)
        known = " (the run was trained on this table: it has seen most of these rows)" if trained else ""
        return split, f"{data}{examples.split_note}{known}"
