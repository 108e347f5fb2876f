"""What the estimators share: parameters, `fit`, and the run that it makes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from unrolled.errors import InputError
from unrolled.estimators.inputs import Inputs, read_inputs
from unrolled.rundir.locations import free_path, give_up

PARAMETERS = ("minutes", "steps", "model", "seed", "out", "threads")  # that are options of `unrolled.train`
SET_BY_FIT = ("task", "test", "progress", "input", "output")
TARGET = "y"  # name of the target column
ROW = re.compile(r"^(the data, row )([\d,]+)")  # where a message of data in memory begins


class Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What the estimators share. A subclass says by `task` what it predicts."""

    task: str
    run_path_: str
    reads_sequences = False  # whether lists of numbers are sequences from the start

    def __init__(
        self,
        minutes: float | None = None,
        steps: int | None = None,
        model: str | None = None,
        seed: int = 0,
        out: str | None = None,
        threads: int | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """minutes: of a training, ten if neither they nor steps are given. out: the run folder; None: a new one under
        runs/. Where it exists, a fit makes out-2, out-3, …: scikit-learn's tools fit an estimator many times.
        options: further options of `unrolled.train`, such as {"hidden_size": 64}."""
        self.minutes, self.steps, self.model, self.seed = minutes, steps, model, seed
        self.out, self.threads, self.options = out, threads, options

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Trains a run on inputs X and targets y. A tenth of the rows is held out for validation, none for a test.

        X: texts, a list of str or a column of them; numbers (rows, features); sequences (rows, steps, features), a
        list of arrays (steps, features) or of lists of words; or a table, whose columns are the inputs: a DataFrame,
        a Dataset, a dict of columns or a list of dicts. Raises ValueError for data or options that are refused,
        TrainingError where the training fails.
        """
        self._check_options()
        inputs = read_inputs(X, type(self).__name__, self.reads_sequences)
        target = next(
            name for name in (TARGET, *(f"{TARGET}{n}" for n in range(len(inputs.columns))))
            if name not in inputs.columns
        )  # fmt: skip
        data = inputs.columns | {target: self._targets(y)}
        self._train(data, input=",".join(inputs.columns), output=target)
        self.columns_, self.sequences_ = list(inputs.columns), inputs.sequences
        self.n_features_in_ = len(inputs.columns)
        if inputs.has_names:
            self.feature_names_in_ = np.array(list(inputs.columns), object)
        return self

    @property
    def run_(self) -> Any:
        """The run that was trained, an `unrolled.Run`. Raises RunError where its folder is gone."""
        check_is_fitted(self, "run_path_")
        if getattr(self, "_run", None) is None:
            import unrolled

            self._run = unrolled.load(self.run_path_, threads=self.threads)
        return self._run

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_run"}

    def _check_options(self) -> None:
        """Raises ValueError for options that are no dict, and for one that has a parameter of its own or that `fit`
        sets."""
        if not isinstance(self.options, Mapping | None):
            raise ValueError(f'options is a dict, such as {{"hidden_size": 64}}; got {self.options!r:.40}.')
        for name, value in (self.options or {}).items():
            if name in PARAMETERS:
                call = f"{type(self).__name__}({name}={value!r})"
                raise ValueError(f"options has '{name}', which is a parameter of its own. Give it there: {call}")
            if name in SET_BY_FIT:
                raise ValueError(f"options has '{name}', which fit sets itself. Leave it out.")

    def _train(self, data: Any, **chosen: str) -> None:
        """Trains a run, and keeps its path. chosen: options that depend on the data."""
        import unrolled

        self.__dict__.pop("run_path_", None)  # where it fails, the old run does not fit the new classes
        given = {name: value for name in PARAMETERS if (value := getattr(self, name)) is not None}
        with as_value_errors(), self._folder() as folder:
            self._run = unrolled.train(
                data,
                task=self.task,
                test="none",
                progress=False,
                **given | folder,
                **chosen,
                **dict(self.options or {}),
            )  # type: ignore[call-overload]
        self.run_path_ = str(Path(self._run.path).resolve())

    @contextmanager
    def _folder(self) -> Iterator[dict[str, str]]:
        """The option `out` of a new run: the parameter, or the first of out-2, out-3, … that does not exist."""
        if not isinstance(self.out, str | PathLike) or not (path := Path(self.out)).name:
            yield {}  # a new folder under runs/; an empty path is refused by `train`
            return
        path = free_path(path.name, path.parent)
        try:
            yield {"out": str(path)}
        finally:
            give_up(path)

    def _targets(self, y: Any) -> Any:
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        return y

    def _predicted(self, X: Any) -> list[Any]:  # noqa: N803
        """A `RowPrediction` for each row. Raises ValueError for a row without one."""
        check_is_fitted(self, "run_path_")
        columns = self._known_columns(read_inputs(X, type(self).__name__, self.reads_sequences or self.sequences_))
        with as_value_errors():
            found = list(self.run_.predict(columns))
        for row, one in enumerate(found):
            if one.error or one.empty or not all((*one.labels.values(), *one.tags.values(), *one.values.values())):
                raise ValueError(f"Row {row} of X {one.error or 'is empty or not a number'}. Leave it out.")
        return found

    def _known_columns(self, inputs: Inputs) -> dict[str, Any]:
        """The columns by the names that were fitted. X without names has its columns in the same order."""
        if len(inputs.columns) != self.n_features_in_:
            raise ValueError(
                f"X has {len(inputs.columns)} features, but {type(self).__name__} is expecting {self.n_features_in_} "
                "features as input."
            )
        if inputs.has_names and hasattr(self, "feature_names_in_"):
            return inputs.columns
        return dict(zip(self.columns_, inputs.columns.values(), strict=True))

    @property
    def _output(self) -> str:
        (name,) = self.run_.outputs
        return str(name)


@contextmanager
def as_value_errors() -> Iterator[None]:
    """Raises ValueError, as scikit-learn's tools expect, where data or options are refused."""
    try:
        yield
    except InputError as error:
        raise ValueError(_as_call(str(error))) from error


def _as_call(message: str) -> str:
    """A message of a run in the words of an estimator: rows count from 0, and an option stands in `options`."""
    message = ROW.sub(lambda found: f"{found[1]}{int(found[2].replace(',', '')) - 1}", message)
    return message.replace("with --skip-empty", 'with options={"skip_empty": True}')
