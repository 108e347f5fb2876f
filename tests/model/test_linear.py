"""The linear model: its features are all n-grams, it learns from them, and it is saved completely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from unrolled.data.dataset.outputs import LabelOutput
from unrolled.data.modalities.text import WordFeaturizer
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.errors import RunError
from unrolled.model.baselines.linear import LinearModel
from unrolled.model.baselines.linear_features import IndexedBagRows, indices_in, most_frequent
from unrolled.model.baselines.linear_fit import fit_linear
from unrolled.model.baselines.ngram_features import BAGS, BEGIN, END, Bags, character_bags, word_bags
from unrolled.model.ensemble import combine, combine_cross_fitted, fit_weights, fit_weights_in_time
from unrolled.model.likelihoods import LIKELIHOODS

LABEL = LIKELIHOODS["classification"]
WORDS = WordFeaturizer([])
OUTPUTS = {"side": LabelOutput(("left", "right", "middle")), "mood": LabelOutput(("gloomy", "cheerful"))}
TEXTS = ["abcab", "", "a", "Ünïcödé ☃", "abcab", "bcd" * 30]


def rows_of(bags: Bags) -> list[set[int]]:
    return [set(bags.hashes[a:b].tolist()) for a, b in zip(bags.starts, bags.starts[1:], strict=False)]


def grams(units: Sequence[str], longest: int) -> set[tuple[str, ...]]:
    return {tuple(units[i : i + n]) for n in range(1, longest + 1) for i in range(len(units) - n + 1)}


def test_every_ngram_of_characters_has_its_own_id() -> None:
    found = rows_of(character_bags(TEXTS))
    expected = [grams(BEGIN + text + END, 5) for text in TEXTS]
    assert [len(row) for row in found] == [len(row) for row in expected]
    assert len(set.union(*found)) == len(set.union(*expected)), "two n-grams share a number"
    assert found[0] == found[4]


def test_every_ngram_of_words_and_every_part_of_a_word_has_its_own_id() -> None:
    texts = ["The cat sat on the mat .", "the CAT", "", "don't"]
    words = [["the", "cat", "sat", "on", "the", "mat", "."], ["the", "cat"], [], ["don", "'", "t"]]
    expected = []
    for row in words:
        pieces = {("piece", f"<{w}>"[i : i + n]) for w in row for n in (3, 4, 5) for i in range(len(w) + 3 - n)}
        expected.append(grams(row, 3) | pieces)
    found = rows_of(word_bags(texts))
    assert [len(row) for row in found] == [len(row) for row in expected]
    assert found[1] <= found[0]


@pytest.mark.parametrize("units", ["characters", "words"])
def test_a_bag_does_not_depend_on_its_batch(units: str) -> None:
    together = rows_of(BAGS[units](TEXTS))
    assert [rows_of(BAGS[units]([text]))[0] for text in TEXTS] == together
    assert BAGS[units]([]).starts.tolist() == [0]


def test_positions_and_scales_come_from_the_training_split() -> None:
    bags = Bags(np.array([5, 9, 2, 7], np.uint64), np.array([0, 2, 2, 4]))
    places, starts, scale = indices_in(np.array([2, 5], np.uint64), bags)
    assert places.tolist() == [1, 0]
    assert starts.tolist() == [0, 1, 1]
    assert scale[:, 0].tolist() == pytest.approx([2**-0.5, 1.0, 2**-0.5])
    assert most_frequent(Bags(np.array([3, 1, 3, 2, 1, 3], np.uint64), np.array([0, 6])), 2).tolist() == [1, 3]


def batches(rows: int, seed: int) -> tuple[list[str], dict[str, np.ndarray]]:
    """A word at the beginning decides for one label, any word for the other."""
    generator = np.random.default_rng(seed)
    sides, moods = generator.integers(0, 3, rows), generator.integers(0, 2, rows)
    texts = []
    for side, mood in zip(sides, moods, strict=True):
        words = [f"word{number}" for number in generator.integers(0, 50, 6)]
        words[generator.integers(1, 6)] = ("gloomy", "cheerful")[mood]
        texts.append(" ".join([("left", "right", "middle")[side], *words]))
    return texts, {"side": sides, "mood": moods}


@pytest.fixture(scope="module")
def model() -> LinearModel:
    return fit_linear("words", batches(300, 0), batches(100, 1), OUTPUTS, WORDS, seed=0)


def test_it_learns_from_words(model: LinearModel) -> None:
    texts, targets = batches(200, 2)
    for name, logs in model.predict(texts).items():
        assert float((logs.argmax(1) == torch.from_numpy(targets[name])).float().mean()) > 0.98
        assert torch.allclose(logs.exp().sum(1), torch.ones(200))
    assert model.predict(["", "never met"])["mood"].shape == (2, 2)
    assert "n-grams of words" in model.describe()


def test_it_is_saved_and_loaded_unchanged(model: LinearModel) -> None:
    again = LinearModel.from_tensors(model.tensors(), model.facts(), WORDS)
    assert again.describe() == model.describe()
    assert torch.equal(again.predict(["left word1"])["side"], model.predict(["left word1"])["side"])


@pytest.mark.parametrize("damage", ["units", "known", "weights.0", "order", "nan"])
def test_a_damaged_one_is_refused(model: LinearModel, damage: str) -> None:
    tensors, facts = dict(model.tensors()), dict(model.facts())
    if damage == "units":
        facts["units"] = "atoms"
    elif damage == "order":
        tensors["known"] = tensors["known"].flip(0)
    elif damage == "nan":
        tensors["weights.0"] = tensors["weights.0"] * float("nan")
    else:
        tensors[damage] = tensors[damage][:-1]
    with pytest.raises(RunError, match="linear model of this run is damaged"):
        LinearModel.from_tensors(tensors, facts, WORDS)


def test_a_model_is_fitted_with_little_time_and_no_validation() -> None:
    none: tuple[list[str], dict[str, np.ndarray]] = (
        [],
        {"side": np.zeros(0, np.int64), "mood": np.zeros(0, np.int64)},
    )
    for validation, deadline in ((batches(50, 1), Deadline(0)), (none, UNLIMITED)):
        model = fit_linear("characters", batches(60, 0), validation, OUTPUTS, WORDS, 0, deadline)
        assert all(bool(one.weights.isfinite().all()) for _, one in model.outputs.values())


def test_too_many_ngrams_are_fitted_on_some_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.model.baselines.linear_fit.MOST", 3_000)
    model = fit_linear("words", batches(300, 0), batches(100, 1), OUTPUTS, WORDS, seed=0)
    assert "fitted on" in model.describe()


def test_an_ensemble_finds_the_better_member_and_its_temperature() -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(0, 3, (400,), generator=generator)
    noise = torch.randn(400, 3, generator=generator)
    knows = (torch.nn.functional.one_hot(targets, 3) * 2 + noise).log_softmax(1)
    guesses = torch.randn(400, 3, generator=generator).log_softmax(1)
    weights = fit_weights(LABEL, [knows, guesses], targets)
    assert weights[0] > 0.5
    assert abs(weights[1]) < 0.2
    (temperature,) = fit_weights(LABEL, [5 * knows], targets)
    assert temperature == pytest.approx(fit_weights(LABEL, [knows], targets)[0] / 5, rel=0.01)
    assert torch.allclose(combine(LABEL, [knows], [1.0]).exp().sum(1), torch.ones(400, dtype=torch.float64))


@pytest.mark.parametrize("knows", [0, 1])
def test_half_fitted_weights_are_not_worse_than_one_member(knows: int) -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(0, 100, (200,), generator=generator)
    right = (12 * torch.nn.functional.one_hot(targets, 100)).double().log_softmax(1)
    parts = [torch.zeros(200, 100).log_softmax(1), torch.zeros(200, 100).log_softmax(1)]
    parts[knows] = right
    weights, in_time = fit_weights_in_time(LABEL, parts, targets, Deadline(0.0))
    assert not in_time and min(weights) > 0 and weights[knows] == 1.0
    alone = LABEL.nats(right, targets).mean()
    assert LABEL.nats(combine(LABEL, parts, weights), targets).mean() == pytest.approx(float(alone), abs=1e-4)
    unseen = combine_cross_fitted(LABEL, parts, targets, Deadline(0.0))
    assert LABEL.nats(unseen, targets).mean() == pytest.approx(float(alone), abs=1e-4)
    assert fit_weights_in_time(LABEL, parts, targets, UNLIMITED)[1]


def test_half_fitted_weights_are_kept_where_the_ensemble_is_better() -> None:
    targets = torch.arange(40) % 4
    one, other = (6 * torch.nn.functional.one_hot(half, 2).double() for half in (targets % 2, targets // 2))
    parts = [one[:, [0, 1, 0, 1]].log_softmax(1), other[:, [0, 0, 1, 1]].log_softmax(1)]
    weights, in_time = fit_weights_in_time(LABEL, parts, targets, Deadline(0.0))
    assert weights == pytest.approx([0.5, 0.5]) and not in_time


def test_an_ensemble_without_targets_has_equal_weights() -> None:
    logs = torch.randn(4, 3).log_softmax(1)
    assert fit_weights(LABEL, [logs, logs], torch.full((4,), -1)) == [0.5, 0.5]
    assert fit_weights(LABEL, [torch.zeros(0, 3)] * 2, torch.zeros(0, dtype=torch.int64)) == [0.5, 0.5]


def test_predictions_of_many_labels_are_combined_in_chunks_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    logs = [torch.randn(50, 3, generator=generator).log_softmax(1) for _ in range(2)]
    targets = torch.randint(-1, 3, (50,), generator=generator)
    weights = fit_weights(LABEL, logs, targets)
    whole = combine(LABEL, logs, weights)
    monkeypatch.setattr("unrolled.model.ensemble.CELLS", 7)  # two rows
    seen: list[int] = []
    plain = type(LABEL).combine

    def watched(likelihood: Any, said: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        seen.append(said.shape[1])
        return plain(likelihood, said, shares)

    monkeypatch.setattr(type(LABEL), "combine", watched)
    assert torch.equal(combine(LABEL, logs, weights), whole)
    assert fit_weights(LABEL, logs, targets) == pytest.approx(weights)
    assert max(seen) == 2 and sum(seen[:25]) == 50


def test_each_half_is_weighted_by_the_other() -> None:
    generator = torch.Generator().manual_seed(0)
    logs = [torch.randn(50, 3, generator=generator).log_softmax(1) for _ in range(2)]
    targets = torch.randint(0, 3, (50,), generator=generator)
    whole = combine_cross_fitted(LABEL, logs, targets)
    changed = targets.clone()
    changed[::2] = (changed[::2] + 1) % 3
    assert torch.equal(combine_cross_fitted(LABEL, logs, changed)[::2], whole[::2])
    assert not torch.equal(combine_cross_fitted(LABEL, logs, changed)[1::2], whole[1::2])


def test_features_of_a_word_include_its_neighbours_and_their_side() -> None:
    bags = rows_of(BAGS["neighbours"](["the cat sat", "", "New York\nruns\n", "cat"]))
    assert len(bags) == 6
    alone = rows_of(BAGS["neighbours"](["the cat sat"]))
    assert alone == bags[:3]
    assert bags[1] & bags[5], "the word itself is in both"
    assert bags[1] != bags[5], "but its neighbours are not"
    others = rows_of(BAGS["neighbours"](["the cat sat down there now"]))
    assert others[0] == bags[0], "what is three words off is not looked at"
    assert others[1] != bags[1]


def test_tags_are_learnt_from_words_and_their_neighbours() -> None:
    generator = np.random.default_rng(0)

    def sentences(count: int) -> tuple[list[str], dict[str, np.ndarray]]:
        texts, tags = [], []
        for _ in range(count):
            words = generator.choice(["run", "runs", "cat", "the", "to"], 6).tolist()
            texts.append("\n".join(words))
            tags += [int(word == "run" and before == "to") for word, before in zip(words, ["", *words], strict=False)]
        return texts, {"verb": np.array(tags)}

    verb = {"verb": LabelOutput(("no", "yes"), each=True)}
    model = fit_linear("neighbours", sentences(200), sentences(50), verb, WordFeaturizer([], given=True), seed=0)
    texts, targets = sentences(50)
    assert float((model.predict(texts)["verb"].argmax(1).numpy() == targets["verb"]).mean()) == 1.0


def test_a_slope_by_ngrams_is_the_slope_by_rows() -> None:
    generator = torch.Generator().manual_seed(0)
    bags = indices_in(
        np.arange(9, dtype=np.uint64), Bags(np.array([5, 8, 2, 7, 2, 5], np.uint64), np.array([0, 2, 2, 5, 6]))
    )
    weights = torch.randn(9, 3, generator=generator, requires_grad=True)
    bias, slope = torch.randn(3, generator=generator), torch.randn(4, 3, generator=generator)
    found = []
    for rows in (bags, IndexedBagRows.of(bags, 9)):
        said = rows.apply(weights, bias)
        found.append((said, *torch.autograd.grad(said, weights, slope)))
    assert torch.allclose(found[0][0], found[1][0], atol=1e-6)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-6)
    nothing = indices_in(np.arange(9, dtype=np.uint64), Bags(np.zeros(0, np.uint64), np.array([0, 0])))
    said = IndexedBagRows.of(nothing, 9).apply(weights, bias)
    assert torch.equal(said, bias[None])
    assert not torch.autograd.grad(said.sum(), weights)[0].any()
    none = torch.zeros(0, 3, requires_grad=True)
    assert torch.autograd.grad(IndexedBagRows.of(nothing, 0).apply(none, bias).sum(), none)[0].shape == (0, 3)


def test_a_failed_fit_is_reported_and_predicts_the_same_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: Any, **_: Any) -> bool:
        given[3].data.fill_(torch.nan)
        return True

    monkeypatch.setattr("unrolled.model.baselines.linear_fit.minimise", fail)
    targets = {name: np.arange(6) % len(output.names) for name, output in OUTPUTS.items()}
    model = fit_linear("characters", (TEXTS, targets), (TEXTS, targets), OUTPUTS, WORDS, 0)
    assert model.describe().endswith("which could not be fitted for side, mood")
    assert all(bool((said == said[0]).all()) for said in model.predict(TEXTS).values())
    again = LinearModel.from_tensors(model.tensors(), model.facts(), WORDS)
    assert again.describe() == model.describe()
