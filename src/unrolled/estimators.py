"""Models in scikit-learn's way: `fit`, `predict`, `predict_proba` and `score`. Extra `sklearn`.

An estimator's weights are those of a run folder, and it is pickled as the path of that folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import InputError, MissingExtra, OptionError, install_extra

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d
except ImportError:
    raise MissingExtra(
        f"The estimators need scikit-learn, which is not installed: {install_extra('sklearn')}. "
        "unrolled.train needs no extra."
    ) from None

LANGUAGE = "language-modeling"  # the task without targets
INPUT, TARGET = "x", "y"  # names of the columns, where X has none
Floats = NDArray[np.float64]


class Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What the estimators share. A subclass says by `task` what it predicts."""

    task: str

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
        runs/. options: further options of `unrolled.train`, such as {"hidden_size": 64}."""
        self.minutes, self.steps, self.model, self.seed = minutes, steps, model, seed
        self.out, self.threads, self.options = out, threads, options

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Trains a run on inputs X and targets y. A tenth of the rows is held out for validation, none for a test.

        X: texts, a list of str or a column of them; numbers (rows, features); sequences (rows, steps, features), a
        list of arrays (steps, features) or of lists of words; or a DataFrame, whose columns are the inputs. Raises
        ValueError for data or options that are refused, TrainingError where the training fails.
        """
        import unrolled

        columns = self._columns(X)
        target = next(
            name for name in (TARGET, *(f"{TARGET}{n}" for n in range(len(columns)))) if name not in columns
        )
        data = columns if self.task == LANGUAGE else columns | {target: self._targets(y)}
        given = {name: value for name in ("minutes", "steps", "model", "out", "threads")
                 if (value := getattr(self, name)) is not None}  # fmt: skip
        if self.task != LANGUAGE:
            given |= {"input": ",".join(columns), "output": target}
        with as_value_errors():
            if commas := next((name for name in columns if "," in name), None):
                raise OptionError(f"The name of the column '{commas}' has a comma. Rename it.")
            run = unrolled.train(
                data, task=self.task, seed=self.seed, test="none", progress=False, **given | dict(self.options or {})
            )  # type: ignore[call-overload]
        self.run_path_ = str(Path(run.path).resolve())
        self.n_features_in_ = len(columns)
        if hasattr(X, "columns"):
            self.feature_names_in_ = np.array(list(columns), object)
        self._run = run
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

    def _columns(self, X: Any) -> dict[str, Any]:  # noqa: N803
        """The inputs as columns: those of a frame or a dict, one for each feature of numbers, or one."""
        if hasattr(X, "tocsr"):
            raise TypeError("Sparse data was passed for X, but dense data is required. Use '.toarray()'.")
        if isinstance(X, Mapping) or hasattr(X, "columns"):
            return {str(name): X[name] for name in (X if isinstance(X, Mapping) else X.columns)}
        first = X[0] if isinstance(X, list | tuple) and len(X) else None
        if isinstance(first, str) or (hasattr(X, "dtype") and getattr(X, "ndim", 2) == 1 and holds_texts(X)):
            return {INPUT: list(X)}
        sequences = isinstance(first, list | tuple | np.ndarray) and (
            np.ndim(first[0] if len(first) else 0) > 0 or isinstance(first[0], str) or len(set(map(len, X))) > 1
        )
        if sequences or getattr(X, "ndim", 2) > 2:
            return {INPUT: list(X) if isinstance(X, tuple) else X}
        array = check_array(X, dtype="numeric", estimator=self)
        return {f"{INPUT}{place}": array[:, place] for place in range(array.shape[1])}

    def _targets(self, y: Any) -> Any:
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        return y

    def _predicted(self, X: Any) -> list[Any]:  # noqa: N803
        check_is_fitted(self, "run_path_")
        columns = self._columns(X)
        if len(columns) != self.n_features_in_:
            raise ValueError(
                f"X has {len(columns)} features, but {type(self).__name__} is expecting {self.n_features_in_} "
                "features as input."
            )
        with as_value_errors():
            found = list(self.run_.predict(columns))
        if wrong := next((row for row, one in enumerate(found) if one.error or one.empty), None):
            raise ValueError(f"Row {wrong} of X is empty or cannot be read: {found[wrong].error}")
        return found

    @property
    def _output(self) -> str:
        (name,) = self.run_.outputs
        return str(name)


def holds_texts(values: Any) -> bool:
    """Whether the values of a column are texts."""
    return len(values) > 0 and isinstance(next(iter(values)), str)


@contextmanager
def as_value_errors() -> Iterator[None]:
    """Raises ValueError, as scikit-learn's tools expect, where data or options are refused."""
    try:
        yield
    except InputError as error:
        raise ValueError(str(error)) from error


class Classifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """Predicts a label for each row. `classes_` has the labels, in the order of the columns of `predict_proba`."""

    task = "classification"

    def _targets(self, y: Any) -> Any:
        values = column_or_1d(super()._targets(y), warn=True)
        check_classification_targets(values)
        self.classes_ = np.unique(values)
        return [str(one) for one in values.tolist()]

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The most probable label of each row (N,), of the type that was fitted."""
        check_is_fitted(self, "run_path_")
        found: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(1)]
        return found

    def predict_proba(self, X: Any) -> Floats:  # noqa: N803
        """The probability of each label (N, labels)."""
        predicted = self._predicted(X)
        names = [str(one) for one in self.classes_.tolist()]
        probabilities = [dict(one.labels[self._output]) for one in predicted]
        return np.array([[row.get(name, 0.0) for name in names] for row in probabilities]).reshape(-1, len(names))


class Regressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """Predicts a number for each row."""

    task = "regression"

    def _targets(self, y: Any) -> Any:
        values = column_or_1d(super()._targets(y), warn=True)
        return check_array(values, ensure_2d=False, dtype="numeric", input_name="y")

    def predict(self, X: Any) -> Floats:  # noqa: N803
        """The predicted number of each row (N,)."""
        return np.array([one.values[self._output][0].value for one in self._predicted(X)])


class Tagger(Estimator):
    """Predicts a tag for each step. X: a list of lists of words; y: a list of lists of tags."""

    task = "tagging"

    def predict(self, X: Sequence[Sequence[str]]) -> list[list[str]]:  # noqa: N803
        """The most probable tag of each step of each row."""
        return [one.best_tags(self._output) for one in self._predicted(X)]

    def score(self, X: Sequence[Sequence[str]], y: Sequence[Sequence[str]]) -> float:  # noqa: N803
        """The share of all steps whose tag is right."""
        pairs = [
            pair for tags, right in zip(self.predict(X), y, strict=True) for pair in zip(tags, right, strict=True)
        ]
        return sum(tag == right for tag, right in pairs) / max(1, len(pairs))


class LanguageModel(Estimator):
    """A model of texts. `fit` takes a list of them, a document each."""

    task = LANGUAGE

    def score(self, X: Sequence[str], y: None = None) -> float:  # noqa: N803
        """Minus the nats per character of texts: higher is better."""
        with as_value_errors():
            return -float(self.run_.evaluate(list(X)).score.nats)

    def sample(self, prompt: str = "", length: int = 200, seed: int = 0) -> str:
        """A text that the model writes, which continues the prompt."""
        return "".join(self.run_.sample(prompt=prompt, length=length, seed=seed))
