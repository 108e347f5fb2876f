"""The laws of training, which matter where a net keeps more than weights: a batch norm's running statistics."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from unrolled.laws.trials import LawError, demand_same

UPDATES = 6
STOPPED = 3  # updates after which a training is left off
LEARNT = 0.8  # times what an untrained net's loss is: below it, something was learnt


class SmallTraining(Protocol):
    """A small training, the same each time it is made, and what its averaged weights predict."""

    estimated_on: int  # training batches that a batch norm's statistics are re-estimated on

    @property
    def model(self) -> nn.Module:
        """The one that trains."""

    @property
    def averaged(self) -> nn.Module:
        """The one that is validated and kept."""

    def update(self, k: int) -> None:
        """The update with number k, counted from 0."""

    def read(self, model: Any, k: int) -> None:
        """Has a model like this one's read the training batch with number k."""

    def tensors(self) -> Mapping[str, Tensor]:
        """What a checkpoint keeps."""

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes back what `tensors` gave."""

    def validate(self) -> float:
        """The loss of the averaged weights, whatever has to be done before it is known."""

    def predict(self, rows: Sequence[int]) -> Tensor:
        """What the averaged weights predict (B, …) of these of its rows, read side by side. It has five or more."""


Making = Callable[[], SmallTraining]


def a_training_lowers_the_loss(make: Making) -> None:
    """The averaged weights are better after some updates than before."""
    training = make()
    before = training.validate()
    train(training, 0, 5 * UPDATES)
    after = training.validate()
    if not after < LEARNT * before:
        raise LawError(f"after {5 * UPDATES} updates the loss is {after:.3g}, and was {before:.3g}")


def a_resumed_training_ends_with_the_same_bytes(make: Making) -> None:
    """One that is saved, loaded into a new one and continued has the tensors of one that was never stopped."""
    whole, first, second = make(), make(), make()
    train(whole, 0, UPDATES)
    train(first, 0, STOPPED)
    train(second, 0, 1)  # it has a past of its own, of which nothing may stay
    second.load({name: tensor.detach().clone() for name, tensor in first.tensors().items()})
    train(second, STOPPED, UPDATES)
    demand_equal(everything(second), everything(whole), f"stopped after {STOPPED} of {UPDATES} updates")
    if (found := second.validate()) != (expected := whole.validate()):
        raise LawError(f"the loss of the resumed training is {found}, and {expected} of the other")
    demand_equal(everything(second), everything(whole), "after a validation")


def a_prediction_depends_on_no_other_row_of_its_batch(make: Making) -> None:
    """A row is predicted the same alone, among others, and in any order."""
    training = trained(make)
    expected = training.predict(range(5))
    for rows in ([3, 1, 4, 0, 2], [2, 0], [0], [1], [4, 4]):
        demand_same(
            {"prediction": training.predict(rows)}, {"prediction": expected[rows]}, f"rows {rows}, beside all"
        )


def statistics_of_averaged_weights_are_estimated_with_them(make: Making) -> None:
    """They are what torch's `update_bn` finds for the averaged weights on the same training batches."""
    training = trained(make)
    twin = copy.deepcopy(training.averaged)
    update_bn(range(training.estimated_on), Reads(training, twin))
    demand_same(kept(training.averaged), kept(twin), "on the first training batches")
    if any(layer.training for layer in training.averaged.modules()):
        raise LawError("the averaged model is left in training mode")


class Reads(nn.Module):
    """A model of a training, as `update_bn` calls it."""

    def __init__(self, training: SmallTraining, model: nn.Module) -> None:
        super().__init__()
        self.trains, self.model = training, model  # `training` is a flag of every module

    def forward(self, k: int) -> None:
        self.trains.read(self.model, k)


def train(training: SmallTraining, start: int, stop: int) -> None:
    """The updates from `start` to `stop` - 1."""
    for k in range(start, stop):
        training.update(k)


def trained(make: Making) -> SmallTraining:
    """A training after some updates and a validation."""
    training = make()
    train(training, 0, UPDATES)
    training.validate()
    return training


def everything(training: SmallTraining) -> dict[str, Tensor]:
    """All tensors of both models, and what a checkpoint keeps."""
    models = {"model": training.model, "averaged": training.averaged}
    found = {f"{which}.{name}": tensor for which, model in models.items() for name, tensor in kept(model).items()}
    return found | {f"checkpoint.{name}": tensor for name, tensor in training.tensors().items()}


def kept(model: nn.Module) -> dict[str, Tensor]:
    """Copies of all tensors that a model keeps."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def demand_equal(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], when: str) -> None:
    """LawError where the two differ in a name or in a bit."""
    demand_same(found, expected, when)
    if wrong := [name for name, value in found.items() if not torch.equal(value, expected[name])]:
        raise LawError(f"{when}: {wrong[0]} differs in its last digits")
