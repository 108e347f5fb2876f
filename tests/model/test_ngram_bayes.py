"""The n-gram model of labels' texts: its probabilities follow its formula, text by text, and it is saved
completely."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.dataset.outputs import LabelOutput
from unrolled.deadline import Deadline
from unrolled.errors import RunError
from unrolled.model.baselines import naive_bayes as ngram_bayes
from unrolled.model.baselines.naive_bayes import ORDERS, STRENGTH, NGramBayes, UnitSequence, count_bayes

NAMES = ("north", "south", "east")
UNITS: dict[str, Callable[[str], list[str]]] = {
    "characters": list,
    "words": lambda text: re.findall(r"\w+|[^\w\s]", text.lower()),
}
TEXTS = ["abcab", "", "a", "Ünïcödé ☃", "abcab", "bcd" * 30, "The cat sat on the mat .", "the CAT", "cab, cab"]
LABELS = [0, 1, 1, 2, 0, 0, 1, -1, 0]


def made(units: str, texts: Sequence[str] = TEXTS, labels: Sequence[int] = LABELS) -> NGramBayes:
    return count_bayes(units, texts, {"side": np.array(labels, np.int64)}, {"side": LabelOutput(NAMES)}, seed=0)


class ByTheFormula:
    """The docstring's formula, word by word."""

    def __init__(self, units: str, texts: Sequence[str], labels: Sequence[int]) -> None:
        self.units, self.order = UNITS[units], ORDERS[units]
        self.counts: dict[Any, Counter[str]] = {}
        for text, label in zip(texts, labels, strict=True):
            for history, unit in self.pairs(text):
                for whose in {"all", label} - {-1}:
                    for n in range(min(self.order, len(history) + 1)):
                        self.counts.setdefault((whose, history[len(history) - n :]), Counter())[unit] += 1
        kinds = {unit for text in texts for _, unit in self.pairs(text)}
        self.unit_count, known = len(kinds) + 1, Counter(label for label in labels if label >= 0)
        self.prior = [(known[label] + 0.5) / (sum(known.values()) + 0.5 * len(NAMES)) for label in range(len(NAMES))]

    def pairs(self, text: str) -> list[tuple[tuple[str, ...], str]]:
        units = ("<", *self.units(text), "</")
        return [(units[max(0, at - self.order + 1) : at], units[at]) for at in range(1, len(units))]

    def chance(self, unit: str, history: tuple[str, ...], whose: Any) -> float:
        found = 1 / self.unit_count if whose == "all" else self.chance(unit, history, "all")
        for n in range(len(history) + 1):
            counted = self.counts.get((whose, history[len(history) - n :]))
            if counted:
                held = STRENGTH * len(counted)
                found = (counted[unit] + held * found) / (sum(counted.values()) + held)
        return found

    def say(self, text: str) -> list[float]:
        logs = [
            math.log(self.prior[label]) + sum(math.log(self.chance(unit, h, label)) for h, unit in self.pairs(text))
            for label in range(len(NAMES))
        ]
        whole = math.log(sum(math.exp(log - max(logs)) for log in logs)) + max(logs)
        return [log - whole for log in logs]


@pytest.mark.parametrize("units", ORDERS)
def test_probabilities_follow_the_formula(units: str) -> None:
    formula = ByTheFormula(units, TEXTS, LABELS)
    queries = [*TEXTS, "abx", "cat cab the", "x" * 5, "bcdbcdbcd"]
    found = made(units).predict(queries)["side"]
    assert torch.allclose(
        found, torch.tensor([formula.say(text) for text in queries], dtype=torch.float64), atol=1e-5
    )


@given(st.lists(st.tuples(st.text("ab ,"), st.integers(-1, 2)), max_size=12), st.text("abc ,"))
def test_probabilities_of_any_texts_follow_the_formula(rows: list[tuple[str, int]], query: str) -> None:
    texts, labels = [text for text, _ in rows], [label for _, label in rows]
    for units in ORDERS:
        found = made(units, texts, labels).predict([query])["side"][0]
        assert found.tolist() == pytest.approx(ByTheFormula(units, texts, labels).say(query), abs=1e-5)


@pytest.mark.parametrize("beginning", ["", "the"])
@pytest.mark.parametrize("units", ORDERS)
def test_the_probabilities_of_all_units_after_a_history_sum_to_one(units: str, beginning: str) -> None:
    (counted,) = made(units).outputs.values()
    every = sorted({unit for text in TEXTS for unit in UNITS[units](text)})
    texts = [beginning, *(f"{beginning} {unit}" if units == "words" else beginning + unit for unit in [*every, "☂"])]
    probabilities = []  # for the end, for each unit, and for an unseen unit
    for text in texts:
        line = UnitSequence.of(units, [text])
        windows, follows = line.windows(counted.order), line.follows()
        below = np.full((int(follows.sum()), 1), 1 / counted.unit_count)
        for counts in (counted.of_all, counted.of_each):
            below = counts.probabilities(counts.nodes(windows, follows), below)
        probabilities.append(below[len(UNITS[units](beginning))])
    assert np.sum(probabilities, 0) == pytest.approx(np.ones(len(NAMES)), abs=1e-5)


@pytest.mark.parametrize("units", ORDERS)
def test_a_text_is_predicted_the_same_in_any_batch(units: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = made(units)
    together = model.predict(TEXTS)["side"]
    assert torch.equal(torch.cat([model.predict([text])["side"] for text in TEXTS]), together)
    monkeypatch.setattr(ngram_bayes, "PROBABILITIES", 7)
    assert torch.allclose(model.predict(TEXTS)["side"], together, rtol=1e-12)
    assert model.predict([])["side"].shape == (0, 3)


def test_it_learns_from_letters() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 300)
    texts = ["".join(generator.choice(list(("abc", "bcd", "cde")[label]), 8)) for label in labels]
    found = made("characters", texts[:200], labels[:200].tolist()).predict(texts[200:])["side"]
    assert float((found.argmax(1).numpy() == labels[200:]).mean()) > 0.9
    assert torch.allclose(found.exp().sum(1), torch.ones(100, dtype=torch.float64))


def test_a_label_that_no_text_had_is_the_least_likely() -> None:
    found = made("characters", ["ab", "ba"], [0, 1]).predict(["ab"])["side"][0]
    assert int(found.argmin()) == 2


def test_too_many_ngrams_and_too_little_time_are_counted_in_some_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["abcdefgh"] * 100
    whole = made("characters", texts, [0] * 100)
    assert whole.describe() == "naive Bayes on 4-grams of characters"
    outputs = {"side": LabelOutput(NAMES)}
    targets = {"side": np.zeros(100, np.int64)}
    monkeypatch.setattr(ngram_bayes, "FEWEST", 400)
    hasty = count_bayes("characters", texts, targets, outputs, 0, Deadline(0))
    assert hasty.describe() == "naive Bayes on 4-grams of characters of 10 of 100 texts"
    monkeypatch.setattr(ngram_bayes, "MOST", 800)
    some = made("characters", texts, [0] * 100)
    assert some.describe() == "naive Bayes on 4-grams of characters of 20 of 100 texts"


def test_it_is_saved_and_loaded_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    for units in tuple(ORDERS):
        model = made(units)
        monkeypatch.setitem(ORDERS, units, 1)  # a later change of the order does not affect a saved model
        again = NGramBayes.from_tensors(model.tensors(), model.facts())
        assert again.describe() == model.describe()
        assert torch.equal(again.predict(TEXTS)["side"], model.predict(TEXTS)["side"])


DAMAGE: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    "units": lambda tensors, facts: facts.update(units="atoms"),
    "length": lambda tensors, facts: facts.update(order=5),
    "no length": lambda tensors, facts: facts.update(order=0),
    "other labels": lambda tensors, facts: tensors.update({"0.prior": tensors["0.prior"].repeat(2)}),
    "order": lambda tensors, facts: tensors.update({"0.each.2.keys": tensors["0.each.2.keys"].flip(0)}),
    "lacking": lambda tensors, facts: tensors.pop("0.all.1.own"),
    "labels": lambda tensors, facts: tensors.update({"0.each.1.labels": tensors["0.each.1.labels"] + 3}),
    "starts": lambda tensors, facts: tensors.update({"0.each.1.starts": tensors["0.each.1.starts"] * 2}),
    "nan": lambda tensors, facts: tensors.update({"0.each.1.own": tensors["0.each.1.own"] * float("nan")}),
    "back": lambda tensors, facts: tensors.update({"0.each.1.back": tensors["0.each.1.back"] + 2}),
    "prior": lambda tensors, facts: tensors.update({"0.prior": tensors["0.prior"] * float("inf")}),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_one_is_refused(case: str) -> None:
    model = made("characters")
    tensors, facts = dict(model.tensors()), dict(model.facts())
    DAMAGE[case](tensors, facts)
    with pytest.raises(RunError, match="n-grams of this run are damaged"):
        NGramBayes.from_tensors(tensors, facts)
