"""Likelihoods: nats are those of the named distributions, ensembles are p ∝ Π p_i^w_i, and probabilities are
calibrated. Also the linear model on numbers, which has the same kinds of outputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, Normal, kl_divergence

from unrolled.data.dataset.outputs import LabelOutput, MultilabelOutput, Output, ValueOutput
from unrolled.data.modalities.base import StepOptions
from unrolled.data.modalities.scaling import NumericFeaturizer
from unrolled.data.modalities.text import WordFeaturizer
from unrolled.data.modalities.vectors import VectorInput
from unrolled.deadline import Deadline
from unrolled.errors import RunError, TrainingError
from unrolled.model.baselines.linear import LinearModel
from unrolled.model.baselines.linear_fit import fit_linear
from unrolled.model.ensemble import combine, combine_cross_fitted, fit_weights
from unrolled.model.heads import Head, balanced_weights
from unrolled.model.likelihoods import LABEL_SETS, LIKELIHOODS, MAX_LOG_STD, is_known

LABEL, SETS, VALUE = LIKELIHOODS["classification"], LIKELIHOODS["multilabel"], LIKELIHOODS["regression"]
NOBODY = torch.ones(4)  # class weights with which all labels count the same


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def integers(most: int, *shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, most, shape, generator=torch.Generator().manual_seed(seed))


def test_nats_are_those_of_the_distributions() -> None:
    outputs, labels = normal(9, 4), integers(4, 9)
    said = LABEL.to_predictions(outputs)
    expected = -Categorical(logits=outputs).log_prob(labels)  # type: ignore[no-untyped-call]
    assert torch.allclose(LABEL.nats(said, labels), expected)
    there = integers(2, 9, 4).double()
    of_sets = -Bernoulli(logits=outputs).log_prob(there).sum(1)  # type: ignore[no-untyped-call]
    assert torch.allclose(SETS.nats(SETS.to_predictions(outputs), there), of_sets)
    numbers = 3 * normal(9, 2, seed=1)
    means, spreads = outputs[:, :2], MAX_LOG_STD * torch.tanh(outputs[:, 2:] / MAX_LOG_STD)
    of_values = -Normal(means, spreads.exp()).log_prob(numbers).sum(1)  # type: ignore[no-untyped-call]
    assert torch.allclose(VALUE.nats(VALUE.to_predictions(outputs), numbers), of_values)


def test_the_standard_deviation_has_a_lower_limit() -> None:
    said = VALUE.to_predictions(torch.tensor([[5.0, -1e4], [5.0, 1e4], [5.0, 0.25]]))
    assert said[:, 0].tolist() == [5, 5, 5], "and its mean is as it is"
    assert said[:2, 1].tolist() == pytest.approx([-MAX_LOG_STD, MAX_LOG_STD])
    assert said[2, 1] == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize("kind", ["classification", "multilabel", "multilabel-softmax", "regression"])
def test_a_loss_ignores_missing_targets(kind: str) -> None:
    family = LIKELIHOODS[kind]
    outputs = normal(6, 4).requires_grad_(True)
    targets = integers(4, 6) if kind == "classification" else integers(2, 6, 4 if kind in LABEL_SETS else 2).double()
    nothing = -100 if kind == "classification" else math.nan
    known = targets.clone()
    known[1] = nothing
    if kind == "classification":
        known[4] = nothing
    else:
        known[4, 0] = nothing
    due = [0, 2, 3, 5]
    loss = family.loss(outputs, known, NOBODY.double())
    said = family.to_predictions(outputs[due])
    assert torch.allclose(loss, family.nats(said, targets[due]).sum())
    loss.backward()  # type: ignore[no-untyped-call]
    assert outputs.grad is not None
    assert bool(outputs.grad.isfinite().all())
    assert (outputs.grad.abs().sum(1) > 0).tolist() == [row in due for row in range(6)]
    none = torch.full_like(known, nothing)
    assert float(family.loss(outputs.detach(), none, NOBODY.double())) == 0


def test_two_passes_differ_by_their_jeffreys_divergence() -> None:
    first, second = normal(9, 4), normal(9, 4, seed=1)

    def jeffreys(make: Callable[[Tensor], Distribution]) -> Tensor:
        one, other = make(first), make(second)
        there, back = kl_divergence(one, other), kl_divergence(other, one)
        found: Tensor = 0.5 * (there + back)
        return found if found.dim() == 1 else found.sum(1)

    def values(outputs: Tensor) -> Distribution:
        return Normal(outputs[:, :2], (MAX_LOG_STD * torch.tanh(outputs[:, 2:] / MAX_LOG_STD)).exp())

    assert torch.allclose(LABEL.divergence(first, second), jeffreys(lambda x: Categorical(logits=x)))
    assert torch.allclose(SETS.divergence(first, second), jeffreys(lambda x: Bernoulli(logits=x)))
    assert torch.allclose(VALUE.divergence(first, second), jeffreys(values))


def test_missing_targets_are_told_apart() -> None:
    assert is_known(torch.tensor([0, -1, 3, -100])).tolist() == [True, False, True, False]
    assert is_known(torch.tensor([[1.0, 2.0], [math.nan, 2.0]])).tolist() == [True, False]


def test_labels_count_by_their_weights() -> None:
    outputs, labels = normal(8, 2), torch.tensor([0, 0, 0, 0, 0, 0, 1, 1])
    weights = balanced_weights([6, 2])
    assert weights == pytest.approx([8 / 12, 2])
    loss = LABEL.loss(outputs, labels, torch.tensor(weights, dtype=torch.float64))
    nats = LABEL.nats(LABEL.to_predictions(outputs), labels)
    assert torch.allclose(loss, nats[:6].sum() * weights[0] + nats[6:].sum() * weights[1])


def test_the_gradient_of_a_number_is_weighted_by_its_std_and_its_loss_is_nats() -> None:
    outputs, numbers = normal(7, 4), 2 * normal(7, 2, seed=1)
    grown = [outputs.clone().requires_grad_(True) for _ in range(2)]
    loss = VALUE.loss(grown[0], numbers, NOBODY)
    nats = VALUE.nats(VALUE.to_predictions(grown[1]), numbers).sum()
    assert torch.allclose(loss, nats)
    loss.backward()  # type: ignore[no-untyped-call]
    nats.backward()  # type: ignore[no-untyped-call]
    stds = VALUE.to_predictions(outputs)[:, 2:].exp()
    assert grown[0].grad is not None
    assert grown[1].grad is not None
    assert torch.allclose(grown[0].grad, grown[1].grad * stds.repeat(1, 2))
    assert not torch.allclose(grown[0].grad, grown[1].grad)


@pytest.mark.parametrize("spread", [-1e3, -20.0, 20.0, 1e3])
def test_the_gradient_of_a_number_is_always_finite(spread: float) -> None:
    outputs = torch.tensor([[1e3, spread], [-1e3, spread], [0.0, spread]], requires_grad=True)
    loss = VALUE.loss(outputs, torch.zeros(3, 1), NOBODY)
    loss.backward()  # type: ignore[no-untyped-call]
    assert bool(loss.isfinite())
    assert outputs.grad is not None
    assert bool(outputs.grad.isfinite().all())


@pytest.mark.parametrize(
    ("kind", "nats"),
    [("classification", math.log(4)), ("multilabel", 4 * math.log(2)), ("multilabel-softmax", math.log(4)),
     ("regression", 1.838)],
)  # fmt: skip
def test_an_untrained_head_predicts_the_prior(kind: str, nats: float) -> None:
    torch.manual_seed(0)
    head = Head(6, 4, kind)
    outputs = head(1e-6 * torch.randn(5, 6))
    targets = integers(4, 5) if kind == "classification" else torch.zeros(5, 4 if kind in LABEL_SETS else 2)
    if kind == "multilabel-softmax":
        targets[:, 1:3] = 1
    assert float(head.loss(outputs, targets).detach()) / 5 == pytest.approx(nats, abs=1e-3)


def test_label_smoothing_changes_the_gradient_alone() -> None:
    outputs = normal(5, 4).float().requires_grad_()
    targets, weights = torch.tensor([0, 3, -100, 1, 2]), torch.tensor([1.0, 2.0, 0.5, 1.0])
    plain, smooth = LABEL.loss(outputs, targets, weights), LABEL.smoothed(0.1).loss(outputs, targets, weights)
    assert torch.allclose(plain, smooth), "the value is in nats"
    known = targets >= 0
    logs = outputs[known].log_softmax(1)
    share = torch.nn.functional.one_hot(targets[known], 4) * 0.9 + 0.1 / 4
    expected = torch.autograd.grad(-(share * weights * logs).sum(), outputs)[0]
    assert torch.allclose(torch.autograd.grad(smooth, outputs)[0], expected, atol=1e-5)
    assert SETS.smoothed(0.1) is SETS and VALUE.smoothed(0.1) is VALUE
    assert LABEL.loss(outputs, targets, weights) == plain, "and the table's own has none"


# ensembles


def test_an_ensemble_of_normal_distributions_is_their_product() -> None:
    said, weights = normal(3, 4, 2), [0.7, 0.2, 1.6]
    grid = torch.linspace(-40, 40, 80_001, dtype=torch.float64)
    whole = combine(VALUE, list(said), weights)
    for row in range(4):
        logs = torch.zeros_like(grid)
        for part, weight in zip(said, weights, strict=True):
            one = Normal(part[row, 0], part[row, 1].exp())
            logs += weight * one.log_prob(grid)  # type: ignore[no-untyped-call]
        density = logs.exp() / torch.trapezoid(logs.exp(), grid)
        found = Normal(whole[row, 0], whole[row, 1].exp())
        assert torch.allclose(found.log_prob(grid).exp(), density, atol=1e-6)  # type: ignore[no-untyped-call]


def test_an_ensemble_of_numbers_combines_each_separately() -> None:
    said, weights = normal(2, 5, 6), [0.3, 0.9]
    whole = combine(VALUE, list(said), weights)
    for number in range(3):
        alone = combine(VALUE, [part[:, [number, 3 + number]] for part in said], weights)
        assert torch.allclose(whole[:, [number, 3 + number]], alone)


def test_ensembles_of_labels_are_products() -> None:
    said, weights = normal(3, 5, 4).log_softmax(2), [0.7, -0.2, 1.6]
    product = torch.stack([part.exp() ** weight for part, weight in zip(said, weights, strict=True)]).prod(0)
    expected = product / product.sum(1, keepdim=True)
    assert torch.allclose(combine(LABEL, list(said), weights).exp(), expected)
    odds = normal(3, 5, 4, seed=1)
    there, not_there = (
        torch.stack([(sign * part).sigmoid() ** weight for part, weight in zip(odds, weights, strict=True)]).prod(0)
        for sign in (1, -1)
    )
    assert torch.allclose(combine(SETS, list(odds), weights).sigmoid(), there / (there + not_there))


def test_labels_under_softmax_share_their_targets() -> None:
    """Against the cross-entropy of torch to the distribution that has 1/k at each of k labels."""
    family = LABEL_SETS["multilabel-softmax"]
    outputs, targets = (
        normal(5, 4),
        torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 1]]),
    )
    shares = targets / targets.sum(1, keepdim=True)
    expected = torch.nn.functional.cross_entropy(outputs, shares.double(), reduction="none")
    torch.testing.assert_close(family.nats(family.to_predictions(outputs), targets), expected)
    torch.testing.assert_close(family.loss(outputs, targets.double(), torch.ones(4)), expected.sum())
    best = family.to_predictions((1e-9 + shares.double()).log())
    least = targets.sum(1).double().log()
    torch.testing.assert_close(family.nats(best, targets), least, atol=1e-6, rtol=0)
    assert (family.found(best) == (targets > 0)).all(), "k labels with 1/k each are all predicted"


def test_labels_with_over_half_of_the_largest_probability_are_predicted() -> None:
    family = LABEL_SETS["multilabel-softmax"]
    predicted = torch.tensor([[0.4, 0.21, 0.19, 0.2], [0.97, 0.01, 0.01, 0.01]], dtype=torch.float64).log()
    assert family.found(predicted).tolist() == [[True, True, False, False], [True, False, False, False]]
    assert family.confidence(predicted).tolist() == pytest.approx([0.61, 0.97])
    assert LABEL_SETS["multilabel"].found(torch.tensor([[0.1, -0.1, 3.0]])).tolist() == [[True, False, True]]


ROWS = 4_000


def sure_labels() -> tuple[Tensor, Tensor]:
    true = 2 * normal(ROWS, 3)
    targets = torch.multinomial(true.softmax(1), 1, generator=torch.Generator().manual_seed(1))[:, 0]
    return (4 * true).log_softmax(1), targets


def sure_sets() -> tuple[Tensor, Tensor]:
    true = 2 * normal(ROWS, 3)
    return 4 * true, (true.sigmoid() > torch.rand(true.shape, generator=torch.Generator().manual_seed(1))).double()


def sure_values() -> tuple[Tensor, Tensor]:
    means = normal(ROWS, 2)
    said = torch.cat([means, torch.full_like(means, math.log(0.5))], 1)
    return said, means + 2 * normal(ROWS, 2, seed=1)


def sure_shared_labels() -> tuple[Tensor, Tensor]:
    said, targets = sure_labels()
    return said, torch.nn.functional.one_hot(targets, 3).double()


OVER_SURE: dict[str, tuple[Callable[[], tuple[Tensor, Tensor]], float]] = {
    "classification": (sure_labels, 1 / 4),
    "multilabel": (sure_sets, 1 / 4),
    "multilabel-softmax": (sure_shared_labels, 1 / 4),
    "regression": (sure_values, 1 / 16),  # a precision four times too large
}


@pytest.mark.parametrize("kind", OVER_SURE)
def test_an_overconfident_prediction_is_calibrated(kind: str) -> None:
    make, temperature = OVER_SURE[kind]
    said, targets = make()
    family = LIKELIHOODS[kind]
    (weight,) = fit_weights(family, [said], targets)
    assert weight == pytest.approx(temperature, rel=0.1)
    true = family.nats(combine(family, [said], [weight]), targets).mean()
    assert true < family.nats(said.double(), targets).mean() - 0.1
    if kind == "regression":
        targets[::2, 1] = math.nan
        again = fit_weights(family, [said], targets)
        assert again == fit_weights(family, [said[1::2]], targets[1::2]), "what is not known does not count"
    unseen = combine_cross_fitted(family, [said[1::2]], targets[1::2])
    assert family.nats(unseen, targets[1::2]).mean() == pytest.approx(float(true), rel=0.1)


@pytest.mark.parametrize("kind", OVER_SURE)
def test_the_better_member_has_the_larger_weight(kind: str) -> None:
    said, targets = OVER_SURE[kind][0]()
    guess = said[torch.randperm(len(said), generator=torch.Generator().manual_seed(3))]
    knows, guesses = fit_weights(LIKELIHOODS[kind], [said, guess], targets)
    assert knows > 5 * abs(guesses)


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("kind", OVER_SURE)
def test_few_targets_do_not_lead_to_extreme_weights(kind: str, rows: int) -> None:
    family = LIKELIHOODS[kind]
    for seed in range(8):
        if kind == "classification":
            parts, targets = (
                [family.to_predictions(9 * normal(rows, 3, seed=seed + k)) for k in (0, 50)],
                integers(3, rows),
            )
        elif kind == "multilabel-softmax":
            parts = [family.to_predictions(9 * normal(rows, 3, seed=seed + k)) for k in (0, 50)]
            targets = torch.nn.functional.one_hot(integers(3, rows), 3).double()
        elif kind == "multilabel":
            parts, targets = [9 * normal(rows, 3, seed=seed + k) for k in (0, 50)], integers(2, rows, 3).double()
        else:
            parts = [normal(rows, 4, seed=seed + k) for k in (0, 50)]
            parts[1] = parts[0] + 1e-3 * parts[1]  # nearly equal: without the limit to positive weights, sums diverge
            targets = 5 * normal(rows, 2, seed=seed + 99)
        weights = fit_weights(family, parts, targets)
        assert all(map(math.isfinite, weights))
        assert max(map(abs, weights)) < 50
        whole = combine(family, parts, weights)
        assert bool(whole.isfinite().all())
        assert (
            family.nats(whole, targets).mean()
            <= family.nats(combine(family, parts, [0.5, 0.5]), targets).mean() + 1e-6
        )
        assert min(weights) > 0
        if kind == "regression":
            means = torch.stack(parts)[:, :, :2]
            assert bool((whole[:, :2] >= means.amin(0) - 1e-9).all())
            assert bool((whole[:, :2] <= means.amax(0) + 1e-9).all())


def test_a_member_that_is_wrong_on_few_rows_is_not_inverted() -> None:
    said, targets = torch.tensor([[0.9, 0.1]] * 10).log(), torch.tensor([1] * 8 + [0] * 2)
    (alone,) = fit_weights(LABEL, [said], targets)
    assert 0 < alone < 0.5, "it is believed less"
    assert combine(LABEL, [said], [alone]).argmax(1).tolist() == [0] * 10
    other = normal(10, 2).log_softmax(1)
    assert min(fit_weights(LABEL, [said, other], targets)) > 0


@pytest.mark.parametrize("kind", ["multilabel", "regression"])
def test_without_targets_members_have_equal_weights(kind: str) -> None:
    said = normal(3, 4)
    assert fit_weights(LIKELIHOODS[kind], [said, said], torch.full((3, 2), math.nan)) == [0.5, 0.5]


def test_predictions_that_are_not_finite_have_no_weights() -> None:
    said = torch.randn(8, 3).log_softmax(1)
    with pytest.raises(TrainingError, match=r"weights could not be fitted: a member's predictions are not finite"):
        fit_weights(LABEL, [said, said * math.nan], torch.arange(8) % 3)


# the linear model on numbers

OUTPUTS: dict[str, Output] = {
    "value": ValueOutput((0.0, 0.0), (1.0, 1.0)),
    "label": LabelOutput(("a", "b", "c")),
    "labels": MultilabelOutput(("left", "up")),
}
CENTRES = np.array([[4.0, 0, 0], [0, 4, 0], [0, 0, 4]])
MAP = np.array([[0.5, -1], [0, 0.25], [2, 1]])
NOISE = 0.1


def batches(rows: int, seed: int) -> tuple[list[Any], dict[str, Any]]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, rows)
    points = CENTRES[labels] + generator.normal(size=(rows, 3))
    values = points @ MAP + 1 + NOISE * generator.normal(size=(rows, 2))
    sets = (points[:, :2] > 1).astype(np.float64)
    items = [point.reshape(1, 3).astype(np.float32) for point in points]
    return items, {"value": values, "label": labels, "labels": sets}


@pytest.fixture(scope="module")
def featurizer() -> NumericFeaturizer:
    return VectorInput(3).learn_featurizer(batches(300, 0)[0], StepOptions())


@pytest.fixture(scope="module")
def model(featurizer: NumericFeaturizer) -> LinearModel:
    return fit_linear("numbers", batches(300, 0), batches(100, 1), OUTPUTS, featurizer, seed=0)


def test_numbers_are_learnt_from_numbers(model: LinearModel) -> None:
    items, targets = batches(200, 2)
    said = model.predict(items)
    assert model.describe() == "linear on 3 numbers per row"
    means, spreads = said["value"].numpy()[:, :2], said["value"].numpy()[:, 2:]
    assert np.abs(means - targets["value"]).mean() < 1.5 * NOISE
    assert np.exp(spreads) == pytest.approx(np.full_like(spreads, NOISE), rel=0.3), "and how far off it may be"
    assert float((said["label"].argmax(1).numpy() == targets["label"]).mean()) > 0.93
    assert torch.allclose(said["label"].exp().sum(1), torch.ones(200))
    assert float(((said["labels"].numpy() > 0) == targets["labels"]).mean()) > 0.95


def test_a_row_is_predicted_the_same_alone(model: LinearModel) -> None:
    items, _ = batches(5, 3)
    together = model.predict(items)
    for row, item in enumerate(items):
        for name, said in model.predict([item]).items():
            assert torch.allclose(said[0], together[name][row], atol=1e-5)
    assert model.predict([])["value"].shape == (0, 4)


def test_it_is_saved_and_loaded(model: LinearModel, featurizer: NumericFeaturizer) -> None:
    again = LinearModel.from_tensors(model.tensors(), model.facts(), featurizer)
    items, _ = batches(20, 3)
    assert again.describe() == model.describe()
    assert all(torch.equal(said, again.predict(items)[name]) for name, said in model.predict(items).items())


Damage = Callable[[dict[str, Tensor], dict[str, Any]], object]
DAMAGE: dict[str, Damage] = {
    "another look": lambda tensors, facts: facts.update(units="summary"),
    "a look of texts": lambda tensors, facts: facts.update(units="words"),
    "more steps": lambda tensors, facts: facts.update(steps=2),
    "steps in words": lambda tensors, facts: facts.update(steps="many"),
    "no mean": lambda tensors, facts: tensors.pop("mean"),
    "a mean that is none": lambda tensors, facts: tensors.update(mean=tensors["mean"] * math.nan),
    "a deviation of 0": lambda tensors, facts: tensors.update(std=tensors["std"] * 0),
    "fewer deviations": lambda tensors, facts: tensors.update(std=tensors["std"][:-1]),
    "a value without its spread": lambda tensors, facts: tensors.pop("spread.0"),
    "a label with a spread": lambda tensors, facts: tensors.update({"spread.1": torch.zeros(3)}),
    "fewer spreads": lambda tensors, facts: tensors.update({"spread.0": torch.zeros(1)}),
    "a spread that is none": lambda tensors, facts: tensors.update({"spread.0": torch.full((2,), math.nan)}),
    "fewer weights": lambda tensors, facts: tensors.update({"weights.0": tensors["weights.0"][:-1]}),
    "endless weights": lambda tensors, facts: tensors.update({"weights.2": tensors["weights.2"] / 0}),
    "no kinds": lambda tensors, facts: facts.pop("kinds"),
    "one output more": lambda tensors, facts: facts["outputs"].append("more"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_one_on_numbers_is_refused(case: str, model: LinearModel, featurizer: NumericFeaturizer) -> None:
    tensors, facts = dict(model.tensors()), dict(model.facts())
    DAMAGE[case](tensors, facts)
    with pytest.raises(RunError, match="linear model of this run is damaged"):
        LinearModel.from_tensors(tensors, facts, featurizer)


def test_a_linear_model_on_numbers_refuses_texts(model: LinearModel) -> None:
    with pytest.raises(RunError, match="linear model of this run is damaged"):
        LinearModel.from_tensors(model.tensors(), model.facts(), WordFeaturizer([]))


def test_intervals_exist_without_a_validation_split(featurizer: NumericFeaturizer) -> None:
    none: tuple[list[Any], dict[str, Any]] = ([], {"value": np.zeros((0, 2))})
    items, targets = batches(300, 0)
    value = {"value": OUTPUTS["value"]}
    model = fit_linear("numbers", (items, targets), none, value, featurizer, seed=0, deadline=Deadline(0))
    assert model.predict(items[:1])["value"][0, 2:].exp().tolist() == pytest.approx([NOISE, NOISE], rel=0.3)
    exact = {"value": np.concatenate(items) @ MAP}
    model = fit_linear("numbers", (items, exact), (items, exact), value, featurizer, seed=0)
    assert bool(model.predict(items)["value"].isfinite().all()), (
        "a value that is predicted exactly does not make the certainty infinite"
    )


def test_rows_of_unlike_length_are_summed_up() -> None:
    generator = np.random.default_rng(0)

    def series(rows: int) -> tuple[list[Any], dict[str, Any]]:
        items = [
            generator.normal(generator.normal(), 1, (generator.integers(3, 9), 2)).astype(np.float32)
            for _ in range(rows)
        ]
        found = np.array([[item[:, 0].max(), item[-1, 1]] for item in items])
        return items, {"value": found}

    training, test = series(300), series(50)
    featurizer = VectorInput(2).learn_featurizer(training[0], StepOptions())
    model = fit_linear("numbers", training, series(50), {"value": OUTPUTS["value"]}, featurizer, seed=0)
    assert model.describe() == "linear on 13 statistics of the steps"
    assert np.abs(model.predict(test[0])["value"].numpy()[:, :2] - test[1]["value"]).mean() < 0.05
    again = LinearModel.from_tensors(model.tensors(), model.facts(), featurizer)
    assert torch.equal(again.predict(test[0])["value"], model.predict(test[0])["value"])


def test_a_step_is_predicted_from_its_neighbours() -> None:
    generator = np.random.default_rng(0)

    def sequences(rows: int) -> tuple[list[Any], dict[str, Any]]:
        items = [
            generator.normal(size=(int(length), 1)).astype(np.float32) for length in generator.integers(1, 7, rows)
        ]
        after = [np.append(item[1:, 0], 0) > np.append(0, item[:-1, 0]) for item in items]
        return items, {"tag": np.concatenate(after).astype(np.int64)}

    training, test = sequences(300), sequences(60)
    featurizer = VectorInput(1).learn_featurizer(training[0], StepOptions())
    tag = {"tag": LabelOutput(("no", "yes"), each=True)}
    model = fit_linear("numbers", training, sequences(60), tag, featurizer, seed=0)
    assert model.describe() == "linear on 5 numbers per window"
    said = model.predict(test[0])["tag"]
    assert float((said.argmax(1).numpy() == test[1]["tag"]).mean()) > 0.95
    assert torch.allclose(said[: len(test[0][0])], model.predict(test[0][:1])["tag"], atol=1e-5)
