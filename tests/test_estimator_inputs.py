"""What the estimators take as X and y, in every form, and what they refuse, with the row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")
pandas = pytest.importorskip("pandas")

from unrolled.estimators import Classifier, LanguageModel, Regressor, Tagger  # noqa: E402

TINY: dict[str, Any] = {"steps": 3, "threads": 1, "model": "lstm"}
ROWS = 40
TEXTS = [f"{'good' if n % 2 else 'bad'} film {n}" for n in range(ROWS)]
LABELS = ["good" if n % 2 else "bad" for n in range(ROWS)]
NUMBERS = np.random.default_rng(0).normal(size=(ROWS, 3))
WORDS = [text.split() for text in TEXTS]
TAGS = [[0, 1, 0] for _ in TEXTS]


def with_row(rows: Any, row: int, value: Any) -> list[Any]:
    return [*rows[:row], value, *rows[row + 1 :]]


def objects(rows: list[Any]) -> Any:
    array = np.empty(len(rows), object)
    array[:] = rows
    return array


def dataset(columns: dict[str, Any]) -> Any:
    return pytest.importorskip("datasets").Dataset.from_dict(columns)


def polars() -> Any:
    return pytest.importorskip("polars")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are made in the current folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def classifier(folder: Path) -> Any:
    return Classifier(**TINY, out=str(folder / "classifier")).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def tagger(folder: Path) -> Any:
    return Tagger(**TINY | {"steps": 40}, out=str(folder / "tagger")).fit(
        WORDS, [[0, 1 + n % 2, 0] for n in range(ROWS)]
    )


@pytest.fixture(scope="module")
def language_model(folder: Path) -> Any:
    return LanguageModel(**TINY, out=str(folder / "language")).fit(TEXTS * 3)


TEXT_FORMS: dict[str, Callable[[], Any]] = {
    "series": lambda: pandas.Series(TEXTS),
    "categories": lambda: pandas.Series(TEXTS, dtype="category"),
    "frame": lambda: pandas.DataFrame({"t": TEXTS}),
    "dict of one column": lambda: {"t": TEXTS},
    "array": lambda: np.array(TEXTS),
    "tuple": lambda: tuple(TEXTS),
    "polars series": lambda: polars().Series(TEXTS),
    "polars frame": lambda: polars().DataFrame({"t": TEXTS}),
    "dataset": lambda: dataset({"t": TEXTS}),
}


@pytest.mark.parametrize("form", TEXT_FORMS)
def test_texts_are_read_in_every_form(form: str, classifier: Any, language_model: Any) -> None:
    given = TEXT_FORMS[form]()
    np.testing.assert_array_equal(classifier.predict_proba(given), classifier.predict_proba(TEXTS))
    assert language_model.score(given) == language_model.score(TEXTS)
    np.testing.assert_array_equal(language_model.score_samples(given), language_model.score_samples(TEXTS))


@pytest.mark.parametrize("form", ["polars series", "dataset"])
def test_texts_are_fitted_in_these_forms(form: str, classifier: Any) -> None:
    model = Classifier(**TINY).fit(TEXT_FORMS[form](), LABELS)
    np.testing.assert_array_equal(model.predict_proba(TEXTS), classifier.predict_proba(TEXTS))


def test_a_column_of_an_array_and_a_list_of_dicts_are_texts(classifier: Any) -> None:
    for given in (np.array(TEXTS)[:, None], [{"t": text} for text in TEXTS]):
        np.testing.assert_array_equal(classifier.predict(given), classifier.predict(TEXTS))


BOOLEANS: dict[str, Callable[[], Any]] = {
    "array": lambda: NUMBERS > 0,
    "frame": lambda: pandas.DataFrame(NUMBERS > 0, columns=["x0", "x1", "x2"]),
    "nullable": lambda: pandas.DataFrame(NUMBERS > 0, columns=["x0", "x1", "x2"]).astype("boolean"),
    "polars": lambda: polars().DataFrame(NUMBERS > 0, schema=["x0", "x1", "x2"]),
}


@pytest.mark.parametrize("form", BOOLEANS)
def test_true_and_false_are_one_and_zero(form: str) -> None:
    given = BOOLEANS[form]()
    expected = Classifier(**TINY).fit((NUMBERS > 0).astype(int), LABELS).predict_proba((NUMBERS > 0).astype(int))
    np.testing.assert_array_equal(Classifier(**TINY).fit(given, LABELS).predict_proba(given), expected)


def test_a_frame_and_an_array_have_columns_in_the_same_order() -> None:
    frame = pandas.DataFrame(NUMBERS, columns=list("abc"))
    model = Classifier(**TINY).fit(frame, LABELS)
    np.testing.assert_array_equal(model.predict_proba(NUMBERS), model.predict_proba(frame))
    np.testing.assert_array_equal(model.predict_proba(frame[["c", "a", "b"]]), model.predict_proba(frame))
    with pytest.raises(ValueError, match="has no column 'c'"):
        model.predict(frame.rename(columns={"c": "d"}))


WORD_FORMS: dict[str, Callable[[], Any]] = {
    "series": lambda: pandas.Series(WORDS),
    "objects": lambda: objects(WORDS),
    "polars": lambda: polars().Series(WORDS),
    "frame": lambda: pandas.DataFrame({"words": WORDS}),
}


@pytest.mark.parametrize("form", WORD_FORMS)
def test_lists_of_words_are_read_in_every_form(form: str, tagger: Any) -> None:
    assert tagger.predict(WORD_FORMS[form]()) == tagger.predict(WORDS)
    assert len(Tagger(**TINY).fit(WORD_FORMS[form](), TAGS).predict(WORDS[:2])) == 2


def test_lists_of_numbers_are_sequences_of_a_tagger_and_where_sequences_were_fitted() -> None:
    steps = [[1, 2, 3], [3, 2, 1]] * 20
    model = Tagger(**TINY).fit(steps, TAGS)
    assert model.predict(steps) == model.predict(np.array(steps))
    ragged = Classifier(**TINY).fit([row[: 2 + n % 2] for n, row in enumerate(steps)], LABELS)
    assert ragged.predict(steps[:4]).shape == (4,)


def test_tags_keep_their_type(tagger: Any) -> None:
    right = [[0, 1 + n % 2, 0] for n in range(ROWS)]
    assert tagger.classes_.tolist() == [0, 1, 2] and tagger.score(WORDS, right) > 0.6
    assert {type(tag) for row in tagger.predict(WORDS) for tag in row} == {int}
    assert tagger.score(WORDS, [np.array(row) for row in right]) == tagger.score(WORDS, right)


REFUSED: dict[str, tuple[Any, str]] = {
    "None in texts": (with_row(TEXTS, 3, None), r"Row 3 of X is None; a text was expected\. Fill it in"),
    "NaN in a series": (pandas.Series(with_row(TEXTS, 3, np.nan)), "Row 3 of X is nan; a text was expected"),
    "a number among texts": (with_row(TEXTS, 5, 7), "Row 5 of X is an int, 7; a text was expected"),
    "a text": ("good film", "X is a str, 'good film'; expected a list of texts"),
    "bytes": (b"good", "X is a bytes, b'good'; expected a list of texts"),
    "a list of bytes": ([b"good"] * ROWS, "Row 0 of X is a bytes, b'good'; expected a list of texts"),
    "nothing": (None, "X is None; expected a list of texts"),
    "no rows": ([], "X is empty; expected a list of texts"),
    "a number": (5, "X is of type int; expected a list of texts"),
    "a generator": ((text for text in TEXTS), r"X is of type generator; expected .*Give a list: list\(X\)"),
    "a text among lists": (with_row(WORDS, 2, "a"), "Row 2 of X is a str, 'a'; a list was expected"),
    "an empty list": (with_row(WORDS, 2, []), "Row 2 of X is empty; a row needs at least one step"),
    "columns of texts": (np.array([TEXTS, TEXTS]).T, r"X is an array of texts \(40, 2\). Give one column"),
    "None among numbers": ([[1.0, None]] * ROWS, "NaN"),
    "two columns of one name": (
        pandas.DataFrame(NUMBERS, columns=["a", "a", "b"]),
        "Two columns of the data are called 'a'. Rename one of them",
    ),
    "a comma": ({"a,b": TEXTS}, "The name of the column 'a,b' has a comma"),
    "no columns": (pandas.DataFrame(), "The data has no columns"),
    "splits": ({"train": pandas.DataFrame({"t": TEXTS})}, r"X is a dict of tables: train\. Give one of them"),
    "one axis": (np.arange(ROWS), "Expected 2D array, got 1D array"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_inputs_are_refused_with_what_was_expected(case: str) -> None:
    given, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        Classifier(**TINY).fit(given, LABELS)
    assert not Path("runs").exists()


NO_TEXTS: dict[str, tuple[Any, str]] = {
    "numbers": (NUMBERS, "Row 0 of X is a ndarray; a text was expected"),
    "None": ([*TEXTS, None], "Row 40 of X is None; a text was expected"),
    "two columns": (
        pandas.DataFrame({"t": TEXTS, "l": TEXTS}),
        r"X has the columns t, l; (.|\n)*Give one of them: X",
    ),
    "a text": ("hello", "X is a str, 'hello'; expected a list of texts, or one column of them"),
    "a generator": ((text for text in TEXTS), r"list\(X\)"),
}


@pytest.mark.parametrize("case", NO_TEXTS)
def test_a_language_model_refuses_what_is_no_list_of_texts(case: str, language_model: Any) -> None:
    given, message = NO_TEXTS[case]
    for call in (LanguageModel(**TINY).fit, language_model.score, language_model.score_samples):
        with pytest.raises(ValueError, match=message):
            call(given)


def test_a_row_without_a_prediction_is_refused(classifier: Any, tagger: Any, language_model: Any) -> None:
    for call in (classifier.predict, classifier.predict_proba):
        for row in ("", "  "):
            with pytest.raises(ValueError, match="Row 1 of X is empty"):
                call(["good", row])
    with pytest.raises(ValueError, match="Row 1 of X is empty"):
        classifier.predict(pandas.DataFrame({"t": ["good", None]}))
    frame = pandas.DataFrame(NUMBERS, columns=list("abc"))
    model = Regressor(**TINY).fit(frame, NUMBERS[:, 0])
    with pytest.raises(ValueError, match="Row 2 of X is empty or not a number"):
        model.predict(frame.where(np.arange(ROWS)[:, None] != 2 + np.zeros(3)))
    with pytest.raises(ValueError, match="Row 0 of X is empty"):
        Regressor(**TINY).fit(TEXTS, NUMBERS[:, 0]).predict(["", "good"])
    several: list[list[list[str]]] = [[[]], [["good"], []]]
    for rows in several:
        with pytest.raises(ValueError, match=f"Row {len(rows) - 1} of X is empty"):
            tagger.predict(rows)
    with pytest.raises(ValueError, match="Row 1 of X is an empty text"):
        language_model.score_samples(["good", ""])


LABELS_REFUSED: dict[str, tuple[Any, str]] = {
    "Unicode": (["\u00e9", "e\u0301"] * 20, r"The labels 'e\\u0301' and '\\xe9' would be one label"),
    "blanks": (["a", " a"] * 20, "The labels ' a' and 'a' would be one label, 'a'"),
    "blank": (["a", " "] * 20, "The label ' ' is blank"),
    "None": (with_row(LABELS, 2, None), "Row 2 of y is missing"),
    "NaN": (with_row(LABELS, 2, np.nan), "Row 2 of y is missing"),
    "NA": (pandas.Series(with_row(LABELS, 2, pandas.NA), dtype="string"), "Row 2 of y is missing"),
}


@pytest.mark.parametrize("case", LABELS_REFUSED)
def test_labels_that_a_run_cannot_tell_apart_are_refused(case: str) -> None:
    given, message = LABELS_REFUSED[case]
    with pytest.raises(ValueError, match=message):
        Classifier(**TINY).fit(TEXTS, given)


TAGS_REFUSED: dict[str, tuple[Any, str]] = {
    "texts": (["N V N"] * ROWS, "Row 0 of y is a str, 'N V N'; expected a list of tags"),
    "types": ([[1, "1", 1]] * ROWS, "The labels 1 and '1' would be one label, '1'"),
    "a missing one": (with_row(TAGS, 3, [0, None, 0]), "Row 3 of y has a missing tag"),
    "an empty row": (with_row(TAGS, 3, []), "Row 3 of y is empty"),
    "too few": (with_row(TAGS, 0, [0, 1]), "row 0: 3 words and 2 tags"),
    "None": (None, "requires y to be passed"),
}


@pytest.mark.parametrize("case", TAGS_REFUSED)
def test_tags_that_do_not_fit_are_refused(case: str) -> None:
    given, message = TAGS_REFUSED[case]
    with pytest.raises(ValueError, match=message):
        Tagger(**TINY).fit(WORDS, given)


def test_a_score_of_tags_needs_a_tag_for_each_step(tagger: Any) -> None:
    with pytest.raises(ValueError, match="X has 40 rows, and y has 39"):
        tagger.score(WORDS, TAGS[1:])
    with pytest.raises(ValueError, match="Row 1 has 3 steps in X, and 2 tags in y"):
        tagger.score(WORDS, with_row(TAGS, 1, [0, 1]))


@pytest.mark.parametrize("labels", [[1, "a"], [1, "1"], [True, 2], [np.bool_(True), 2.0, None]])
def test_labels_of_several_types_are_refused(labels: list[Any]) -> None:
    with pytest.raises(ValueError, match="y has labels of several types, such as"):
        Classifier(**TINY).fit(TEXTS, [labels[n % len(labels)] for n in range(ROWS)])


def test_options_that_are_no_dict_are_refused() -> None:
    with pytest.raises(ValueError, match=r"options is a dict, such as .*; got \['x'\]"):
        Classifier(steps=1, options=["x"]).fit(TEXTS, LABELS)  # type: ignore[arg-type]


def test_a_sparse_matrix_is_refused_with_what_makes_it_dense() -> None:
    scipy = pytest.importorskip("scipy.sparse")
    with pytest.raises(ValueError, match=r"X is a sparse matrix.*X\.toarray\(\)"):
        Classifier(**TINY).fit(scipy.csr_matrix(NUMBERS), LABELS)


def test_rows_of_the_data_count_from_0_and_options_have_their_name_in_an_estimator() -> None:
    with pytest.raises(ValueError, match=r"the data, row 3: 'x' is empty(.|\n)*options={\"skip_empty\": True}"):
        Classifier(**TINY).fit(with_row(TEXTS, 3, ""), LABELS)
