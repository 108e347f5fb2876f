"""Laws of training, for nets that keep more than weights: the running statistics of a batch norm."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from unrolled.laws.trials import LawError, demand_same

UPDATES = 6
STOPPED = 3  # updates before a training is interrupted
LEARNT = 0.8  # a trained net's loss is below this share of an untrained net's


class SmallTraining(Protocol):
    """A small training, the same each time it is made, and the predictions of its averaged weights."""

    estimated_on: int  # training batches on which a batch norm's statistics are re-estimated

    @property
    def model(self) -> nn.Module:
        """The model that is trained."""

    @property
    def averaged(self) -> nn.Module:
        """The model with averaged weights, which is validated and saved."""

    def update(self, k: int) -> None:
        """Run update k, counted from 0."""

    def forward(self, model: Any, k: int) -> None:
        """Run a model of this training's kind forward on training batch k."""

    def tensors(self) -> Mapping[str, Tensor]:
        """The tensors of a checkpoint."""

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what `tensors` returned."""

    def validate(self) -> float:
        """Compute the validation loss of the averaged weights, with all that must run before it."""

    def predict(self, rows: Sequence[int]) -> Tensor:
        """Predictions (B, …) of the averaged weights for these rows, in one batch. There are five rows or more."""


MakeTraining = Callable[[], SmallTraining]


def a_training_lowers_the_loss(make: MakeTraining) -> None:
    """Updates lower the validation loss of the averaged weights."""
    training = make()
    before = training.validate()
    train(training, 0, 5 * UPDATES)
    after = training.validate()
    if not after < LEARNT * before:
        raise LawError(f"after {5 * UPDATES} updates the loss is {after:.3g}; before, it was {before:.3g}")


def a_resumed_training_ends_with_the_same_bytes(make: MakeTraining) -> None:
    """A training that is saved, loaded and continued ends with the same tensors as an uninterrupted one."""
    whole, first, second = make(), make(), make()
    train(whole, 0, UPDATES)
    train(first, 0, STOPPED)
    train(second, 0, 1)  # other tensors, all of which `load` has to replace
    second.load({name: tensor.detach().clone() for name, tensor in first.tensors().items()})
    train(second, STOPPED, UPDATES)
    demand_equal(everything(second), everything(whole), f"stopped after {STOPPED} of {UPDATES} updates")
    if (found := second.validate()) != (expected := whole.validate()):
        raise LawError(f"the loss of the resumed training is {found}; of the uninterrupted one it is {expected}")
    demand_equal(everything(second), everything(whole), "after a validation")


def a_prediction_depends_on_no_other_row_of_its_batch(make: MakeTraining) -> None:
    """The prediction for a row is the same alone, in a batch with others, and in any order."""
    training = trained(make)
    expected = training.predict(range(5))
    for rows in ([3, 1, 4, 0, 2], [2, 0], [0], [1], [4, 4]):
        demand_same(
            {"prediction": training.predict(rows)},
            {"prediction": expected[rows]},
            f"rows {rows}, compared with all rows",
        )


def statistics_of_averaged_weights_are_estimated_with_them(make: MakeTraining) -> None:
    """They equal those of torch's `update_bn` for the averaged weights on the same training batches."""
    training = trained(make)
    twin = copy.deepcopy(training.averaged)
    update_bn(range(training.estimated_on), _ForwardPasses(training, twin))
    demand_same(kept(training.averaged), kept(twin), "on the first training batches")
    if any(layer.training for layer in training.averaged.modules()):
        raise LawError("the averaged model is left in training mode")


class _ForwardPasses(nn.Module):
    """A model of a training, as `update_bn` calls it."""

    def __init__(self, training: SmallTraining, model: nn.Module) -> None:
        super().__init__()
        self.small_training, self.model = training, model  # the name `training` is a flag of every module

    def forward(self, k: int) -> None:
        self.small_training.forward(self.model, k)


def train(training: SmallTraining, start: int, stop: int) -> None:
    """The updates from `start` to `stop` - 1."""
    for k in range(start, stop):
        training.update(k)


def trained(make: MakeTraining) -> SmallTraining:
    """Make a training and run some updates and a validation."""
    training = make()
    train(training, 0, UPDATES)
    training.validate()
    return training


def everything(training: SmallTraining) -> dict[str, Tensor]:
    """All tensors of both models and of a checkpoint."""
    models = {"model": training.model, "averaged": training.averaged}
    found = {f"{which}.{name}": tensor for which, model in models.items() for name, tensor in kept(model).items()}
    return found | {f"checkpoint.{name}": tensor for name, tensor in training.tensors().items()}


def kept(model: nn.Module) -> dict[str, Tensor]:
    """Copies of all tensors in a model's state_dict."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def demand_equal(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], when: str) -> None:
    """Raise LawError if the two differ in a name or in any bit."""
    demand_same(found, expected, when)
    if wrong := [name for name, value in found.items() if not torch.equal(value, expected[name])]:
        raise LawError(f"{when}: {wrong[0]} differs in its last bits")
