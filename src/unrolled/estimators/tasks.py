"""The estimators, one for each task."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, column_or_1d

from unrolled.estimators.base import Estimator, as_value_errors
from unrolled.estimators.inputs import texts_of
from unrolled.estimators.labels import check_none_missing, check_one_type, label_names, read_tags_of

Floats = NDArray[np.float64]


class Classifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """Predicts a label for each row. `classes_` has the labels, in the order of the columns of `predict_proba`.

    Raises ValueError for two labels that differ only by blanks around them or by their Unicode form.
    """

    task = "classification"

    def _targets(self, y: Any) -> Any:
        check_one_type(y)
        values = column_or_1d(super()._targets(y), warn=True)
        check_none_missing(y if isinstance(y, list | tuple) else values.tolist())
        check_classification_targets(values)
        classes = np.unique(values)
        name_of = {one: name for name, one in label_names(classes.tolist()).items()}
        self.classes_ = classes
        return [name_of[one] for one in values.tolist()]

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The most probable label of each row (N,), of the type that was fitted."""
        check_is_fitted(self, "run_path_")
        found: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(1)]
        return found

    def predict_proba(self, X: Any) -> Floats:  # noqa: N803
        """The probability of each label (N, labels). Raises ValueError for an empty row."""
        predicted = self._predicted(X)
        names = list(label_names(self.classes_.tolist()))
        probabilities = [dict(one.labels[self._output]) for one in predicted]
        return np.array([[row.get(name, 0.0) for name in names] for row in probabilities]).reshape(-1, len(names))


class Regressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """Predicts a number for each row."""

    task = "regression"

    def _targets(self, y: Any) -> Any:
        values = column_or_1d(super()._targets(y), warn=True)
        return check_array(values, ensure_2d=False, dtype="numeric", input_name="y")

    def predict(self, X: Any) -> Floats:  # noqa: N803
        """The predicted number of each row (N,). Raises ValueError for an empty row."""
        return np.array([one.values[self._output][0].value for one in self._predicted(X)])


class Tagger(Estimator):
    """Predicts a tag for each step. X: a list of lists of words or of numbers; y: a list of lists of tags.

    Tags keep their type. `classes_` has them, in the order of their names.
    """

    task = "tagging"
    reads_sequences = True

    def _targets(self, y: Any) -> Any:
        rows = read_tags_of(super()._targets(y))
        names = label_names(dict.fromkeys(tag for row in rows for tag in row))
        self.classes_ = np.empty(len(names), object)
        self.classes_[:] = [names[name] for name in sorted(names)]
        name_of = {tag: name for name, tag in names.items()}
        return [[name_of[tag] for tag in row] for row in rows]

    def predict(self, X: Any) -> list[list[Any]]:  # noqa: N803
        """The most probable tag of each step of each row. Raises ValueError for an empty row."""
        predicted = self._predicted(X)
        tag_of = label_names(self.classes_.tolist())
        return [[tag_of[name] for name in one.best_tags(self._output)] for one in predicted]

    def predict_proba(self, X: Any) -> list[Floats]:  # noqa: N803
        """The probabilities of the tags of each row (steps, tags), in the order of `classes_`. Raises ValueError for
        an empty row."""
        predicted = self._predicted(X)
        names = sorted(label_names(self.classes_.tolist()))
        steps = [[dict(step) for step in one.tags[self._output]] for one in predicted]
        return [np.array([[step.get(name, 0.0) for name in names] for step in row]) for row in steps]

    def score(self, X: Any, y: Any) -> float:  # noqa: N803
        """The share of all steps whose tag is right. Raises ValueError where y has not a tag for each step."""
        predicted, rows = self.predict(X), read_tags_of(y)
        if len(predicted) != len(rows):
            raise ValueError(f"X has {len(predicted)} rows, and y has {len(rows)}.")
        for number, (found, right) in enumerate(zip(predicted, rows, strict=True)):
            if len(found) != len(right):
                raise ValueError(f"Row {number} has {len(found)} steps in X, and {len(right)} tags in y.")
        pairs = [
            pair for found, right in zip(predicted, rows, strict=True) for pair in zip(found, right, strict=True)
        ]
        return sum(bool(tag == right) for tag, right in pairs) / len(pairs)


class LanguageModel(Estimator):
    """A model of texts. X: a list of them, or one column of them, a document each.

    It predicts the next token of each text: a character, a word or a part of one, as in its vocabulary. `classes_`
    has the tokens, in the order of the columns of `predict_proba`; "" is the end of the text. As scikit-learn's
    models of densities it also has `score_samples` and `sample`.
    """

    task = "language-modeling"

    def fit(self, X: Any, y: None = None) -> Self:  # noqa: N803
        """Trains a run on texts. A tenth of them is held out for validation. Raises ValueError for data or options
        that are refused, TrainingError where the training fails."""
        self._check_options()
        self._train(texts_of(X))
        self.n_features_in_ = 1
        self.classes_ = np.array(self.run_.tokens, object)
        return self

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """The most probable token after each text (N,). A text may be empty: then its first token."""
        found: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(1)]
        return found

    def predict_proba(self, X: Any) -> Floats:  # noqa: N803
        """The probability of each token to be the next one after each text (N, tokens)."""
        check_is_fitted(self, "run_path_")
        with as_value_errors():
            rows = [row.numpy() for row in self.run_.next_probabilities(texts_of(X))]
        return np.array(rows).reshape(-1, len(self.classes_))

    def score_samples(self, X: Any) -> Floats:  # noqa: N803
        """Minus the nats per character of each text (N,), its end included: higher is more probable."""
        check_is_fitted(self, "run_path_")
        texts = texts_of(X)
        if (empty := next((row for row, text in enumerate(texts) if not text), None)) is not None:
            raise ValueError(f"Row {empty} of X is an empty text. Leave it out.")
        with as_value_errors():
            return np.array([-one.nats for one in self.run_.score(texts, alone=True)])

    def score(self, X: Any, y: None = None) -> float:  # noqa: N803
        """Minus the nats per character of all texts: higher is better."""
        check_is_fitted(self, "run_path_")
        with as_value_errors():
            return -float(self.run_.evaluate(texts_of(X)).score.nats)

    def sample(self, prompt: str = "", length: int = 200, seed: int = 0) -> str:
        """A text that the model writes, which continues the prompt."""
        return "".join(self.run_.sample(prompt=prompt, length=length, seed=seed))
