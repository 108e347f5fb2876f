"""Estimators in scikit-learn's way, and those of its own checks that make sense for texts and sequences."""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.model_selection import cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils import estimator_checks  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from unrolled.estimators import Classifier, LanguageModel, Regressor, Tagger  # noqa: E402

TINY: dict[str, Any] = {"steps": 12, "threads": 1, "model": "lstm"}
GOOD, BAD = ["fine", "lovely", "superb", "warm", "great"], ["awful", "dull", "poor", "cold", "bad"]

NOT_FOR_IT = {
    "check_classifiers_one_label": "one label everywhere is refused: there is nothing to learn",
    "check_fit2d_1sample": "a row cannot be split into training and validation, on which weights are selected",
    "check_classifiers_train": "wants the accuracy of a whole training, which takes minutes",
    "check_regressors_train": "wants the R2 of a whole training, which takes minutes",
}
"""Checks of scikit-learn that do not hold for these estimators, and why."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are made in the current folder."""
    monkeypatch.chdir(tmp_path)


def texts(count: int = 60) -> tuple[list[str], list[int]]:
    draw = random.Random(0)
    return [" ".join(draw.choices(GOOD if n % 2 else BAD, k=5)) for n in range(count)], [n % 2 for n in range(count)]


def test_texts_are_classified_and_labels_keep_their_type() -> None:
    x, y = texts()
    model = Classifier(**TINY).fit(x, y)
    assert model.score(x, y) > 0.9 and model.classes_.tolist() == [0, 1]
    found, shares = model.predict(x[:5]), model.predict_proba(x[:5])
    assert found.dtype.kind == "i" and shares.shape == (5, 2) and np.allclose(shares.sum(1), 1)
    assert (shares.argmax(1) == found).all()


def test_a_fitted_estimator_is_pickled_as_the_path_of_its_run() -> None:
    x, y = texts()
    model = Classifier(**TINY).fit(x, y)
    held = pickle.dumps(model)
    again = pickle.loads(held)
    assert len(held) < 2_000 and again.run_path_ == model.run_path_
    np.testing.assert_array_equal(again.predict_proba(x[:5]), model.predict_proba(x[:5]))
    assert not hasattr(clone(model), "run_path_")


def test_it_works_in_cross_validation_and_in_a_pipeline() -> None:
    x, y = texts()
    assert (cross_val_score(Classifier(**TINY), x, y, cv=2) > 0.8).all()
    numbers = np.random.default_rng(0).normal(size=(120, 3))
    target = numbers @ [1.0, 2.0, 3.0]
    model = make_pipeline(StandardScaler(), Regressor(steps=60, threads=1, model="lstm")).fit(numbers, target)
    assert model.score(numbers, target) > 0.8 and model.predict(numbers[:2]).shape == (2,)


def test_words_are_tagged_and_texts_are_modelled() -> None:
    x, _ = texts()
    words, tags = [one.split() for one in x], [[word[0] for word in one.split()] for one in x]
    tagger = Tagger(steps=40, threads=1, model="lstm").fit(words, tags)
    assert tagger.score(words, tags) > 0.8 and len(tagger.predict([["fine", "dull"]])[0]) == 2
    (found,) = tagger.predict_proba([["fine", "dull"]])
    assert found.shape == (2, len(tagger.classes_)) and np.allclose(found.sum(1), 1)
    assert [tagger.classes_[step] for step in found.argmax(1)] == tagger.predict([["fine", "dull"]])[0]
    model = LanguageModel(**TINY).fit(x * 4)
    assert -4 < model.score(x) < 0 and len(model.sample(length=20)) > 0


def test_sequences_of_numbers_of_equal_and_of_different_lengths_are_read() -> None:
    draw = np.random.default_rng(0)
    equal = draw.normal(size=(40, 6, 2)).astype(np.float32)
    y = np.arange(40) % 2
    assert Classifier(**TINY).fit(equal, y).predict(equal[:3]).shape == (3,)
    ragged = [one[: 2 + n % 4] for n, one in enumerate(equal)]
    assert Classifier(**TINY).fit(ragged, y).predict(ragged[:3]).shape == (3,)


def test_frames_are_read_by_their_columns() -> None:
    pandas = pytest.importorskip("pandas")
    x, y = texts()
    model = Classifier(**TINY).fit(pandas.DataFrame({"review": x}), pandas.Series(y, name="label"))
    assert model.feature_names_in_.tolist() == ["review"]
    assert model.score(pandas.DataFrame({"review": x}), y) > 0.9


def test_what_is_refused_is_a_value_error() -> None:
    x, y = texts()
    with pytest.raises(ValueError, match=r"Unknown model"):
        Classifier(model="no such model", steps=2).fit(x, y)
    with pytest.raises(ValueError, match="requires y to be passed"):
        Classifier(**TINY).fit(x)
    with pytest.raises(ValueError, match="NaN"):
        Classifier(**TINY).fit([[1.0, np.nan]] * 20, y[:20])
    model = Classifier(**TINY).fit(np.random.default_rng(0).random((40, 3)), np.arange(40) % 2)
    with pytest.raises(ValueError, match="X has 2 features, but Classifier is expecting 3 features"):
        model.predict(np.zeros((2, 2)))


@pytest.mark.parametrize("labels", [("a b", " c "), ("e\u0301", "z"), (1.0, 2.0), (True, False), ("1.0", "2")])
def test_labels_come_back_as_they_were_given(labels: tuple[Any, Any]) -> None:
    x, y = texts()
    given = [labels[one] for one in y]
    model = Classifier(**TINY).fit(x, given)
    assert set(model.classes_.tolist()) == set(labels) and model.score(x, given) > 0.9
    assert np.allclose(model.predict_proba(x).sum(1), 1)


@pytest.mark.parametrize("name", ["minutes", "steps", "model", "seed", "out", "threads"])
def test_an_option_with_a_parameter_of_its_own_is_refused(name: str) -> None:
    x, y = texts()
    with pytest.raises(ValueError, match=rf"options has '{name}', which is a parameter .*: Classifier\({name}=7\)"):
        Classifier(**TINY, options={name: 7}).fit(x, y)


@pytest.mark.parametrize("name", ["task", "test", "progress", "input", "output"])
def test_an_option_that_fit_sets_is_refused(name: str) -> None:
    x, y = texts()
    with pytest.raises(ValueError, match=f"options has '{name}', which fit sets itself. Leave it out"):
        Classifier(**TINY, options={name: "none"}).fit(x, y)
    with pytest.raises(ValueError, match=f"options has '{name}'"):
        LanguageModel(**TINY, options={name: "none"}).fit(x)


@pytest.mark.slow
def test_every_fit_makes_a_folder_of_its_own() -> None:
    x, y = texts()
    model = Classifier(**TINY, out="cv/mine")
    paths = [Path(model.fit(x, y).run_path_) for _ in range(3)]
    assert [path.relative_to(Path.cwd()).as_posix() for path in paths] == ["cv/mine", "cv/mine-2", "cv/mine-3"]
    assert model.out == "cv/mine" and (cross_val_score(model, x, y, cv=2) > 0.8).all()
    with pytest.raises(ValueError, match="Unknown model"):
        Classifier(model="no such model", steps=2, out="other/mine").fit(x, y)
    assert not Path("other").exists()
    with pytest.raises(ValueError, match="--out is named by a path; got an empty one"):
        Classifier(**TINY, out="").fit(x, y)


@pytest.mark.slow
def test_fits_in_several_processes_get_folders_of_their_own() -> None:
    x, y = texts()
    for out in (None, "mine"):
        cross_val_score(
            Classifier(steps=2, model="lstm", threads=1, out=out), x, y, cv=3, n_jobs=2, error_score="raise"
        )
    assert sorted(path.name for path in Path("runs").iterdir()) == ["data", "data-2", "data-3"]
    assert len(list(Path().glob("mine*/run.json"))) == 3


def test_a_fit_that_fails_leaves_no_older_run_behind_new_classes() -> None:
    x, y = texts()
    model = Classifier(**TINY).fit(x, y)
    model.set_params(model="no such model")
    with pytest.raises(ValueError, match="Unknown model"):
        model.fit(x, ["a", "b"] * 30)
    with pytest.raises(NotFittedError):
        model.predict(x)


def test_the_log_densities_of_texts_average_to_the_score() -> None:
    x, _ = texts()
    model = LanguageModel(**TINY).fit(x * 4)
    each, weights = model.score_samples(x), [len(text) + 1 for text in x]  # the end counts as a character
    assert each.shape == (60,) and np.average(each, weights=weights) == pytest.approx(model.score(x), rel=1e-4)
    assert model.score_samples(["fine lovely"])[0] > model.score_samples(["qqq zzz"])[0]


def test_a_language_model_predicts_the_next_token_of_each_text() -> None:
    x, _ = texts()
    model = LanguageModel(**TINY).fit(x * 4)
    found, log_density = model.predict_proba(["", "fi"]), model.score_samples(["f"])[0]
    assert found.shape == (2, len(model.classes_)) and np.allclose(found.sum(1), 1)
    assert model.classes_[0] == "" and model.predict(["fi"]).tolist() == [model.classes_[found[1].argmax()]]
    first, end = list(model.classes_).index("f"), model.predict_proba(["f"])[0, 0]
    assert (np.log(found[0, first]) + np.log(end)) / 2 == pytest.approx(log_density, rel=1e-4)


@pytest.mark.parametrize("estimator", [Tagger(), LanguageModel()], ids=["tagger", "language model"])
@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
        estimator_checks.check_no_attributes_set_in_init,
    ],
)
def test_the_checks_that_fit_nothing_hold_for_tags_and_texts(check: Any, estimator: Any) -> None:
    check(type(estimator).__name__, estimator)


@pytest.mark.slow
@parametrize_with_checks(  # type: ignore[untyped-decorator]  # it has no types
    [Classifier(steps=2, threads=1, model="lstm"), Regressor(steps=2, threads=1, model="lstm")],
    expected_failed_checks=lambda _: NOT_FOR_IT,
)
def test_the_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)
