"""A mixture of language models, such as a net and an n-gram, with weights that depend on each step's predictions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.deadline import UNLIMITED, Deadline
from unrolled.errors import OptionError, TrainingError
from unrolled.memory.base import at_least_float32, valid_steps
from unrolled.states import State

FEATURES = 2  # per member, besides a constant: its entropy, and the log-probability of its most probable token
RIDGE = 1.0  # penalty in nats, over all targets, of a feature's weight of 1: with few targets, weights stay constant
CONSTANT_RIDGE = 1e-3  # likewise, of the constant's distance from equal weights
MOST_STEPS = 50  # iterations of Newton's method; ten are usual
COLLECTING = 0.5  # share of the time for the forward passes over the data on which the weights are fitted
CHUNK = 1024  # steps of a forward pass, and targets of one sum, while fitting, at most
LOGITS = 1 << 22  # logits per member that are in memory at once then, at most


class TokenModel(Protocol):
    """A model of tokens: `LanguageModel`, `NGram`, or one of your own."""

    tokens: int

    def start(self, rows: int) -> State: ...

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]: ...

    def unroll(self, tokens: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]: ...


class FitData(NamedTuple):
    """Data on which the weights are fitted: N targets, P members, F features, V size of the vocabulary."""

    features: Tensor  # (N, F) float64
    logs: Tensor  # (N, P, V) float32: each member's log-probabilities
    targets: Tensor  # (N,) int64


class Fitted(NamedTuple):
    """The nats of each target of the data on which the weights were fitted."""

    ensemble: NDArray[np.float64]  # (N,) of the ensemble: each half with weights fitted on the other half
    members: NDArray[np.float64]  # (N, P) of each member alone
    in_time: bool = True  # False if the deadline stopped the fit


class Mixture(nn.Module):
    """p ∝ Π p_i^w_i of several models with one vocabulary; its state is the tuple of their states.

    The weights w_i are linear in two features of each member's distribution at this step: its entropy, and the
    log-probability of its most probable token, both divided by ln V. This is a product of experts (Hinton 2002) with
    weights as in logistic mixing (Mattern 2012), but fitted once, on text that no member was trained on. Until `fit`
    is called, the weights are equal.
    """

    def __init__(self, members: Sequence[TokenModel]) -> None:
        super().__init__()
        if len(members) < 2 or len({member.tokens for member in members}) > 1:
            sizes = ", ".join(str(member.tokens) for member in members) or "none"
            raise OptionError(
                f"A mixture needs two or more models with the same vocabulary; the vocabulary sizes are: {sizes}.\n"
                "Pass models that were trained with one vocabulary."
            )
        self.tokens = members[0].tokens
        self.members = tuple(members)
        # the trained members, which move with the mixture
        self.trained = nn.ModuleList(member for member in members if isinstance(member, nn.Module))
        gate = torch.zeros(len(members), 1 + FEATURES * len(members))
        gate[:, 0] = 1 / len(members)
        self.gate = nn.Parameter(gate)  # (P, F)

    def start(self, rows: int) -> tuple[State, ...]:
        """The state before the first token."""
        return tuple(member.start(rows) for member in self.members)

    def step(self, tokens: Tensor, state: tuple[State, ...]) -> tuple[Tensor, tuple[State, ...]]:
        """tokens (B,) -> logits (B, V) of the next token, and the state."""
        outputs = [member.step(tokens, own) for member, own in zip(self.members, state, strict=True)]
        return self.mix([logits for logits, _ in outputs]), tuple(after for _, after in outputs)

    def unroll(
        self, tokens: Tensor, state: tuple[State, ...], lengths: Tensor | None = None
    ) -> tuple[Tensor, tuple[State, ...]]:
        """tokens (B, T) -> logits (B, T, V), zero past a row's length, and the state at each row's end."""
        outputs, after = self.unroll_members(tokens, state, lengths)
        logits = self.mix(outputs)
        if lengths is not None:
            logits = torch.where(valid_steps(lengths, tokens.shape[1], logits.device)[..., None], logits, 0.0)
        return logits, after

    def unroll_members(
        self, tokens: Tensor, state: tuple[State, ...], lengths: Tensor | None = None
    ) -> tuple[list[Tensor], tuple[State, ...]]:
        """The logits (B, T, V) of each member, for `mix`, and the state at each row's end."""
        outputs = [member.unroll(tokens, own, lengths) for member, own in zip(self.members, state, strict=True)]
        return [logits for logits, _ in outputs], tuple(after for _, after in outputs)

    @torch.no_grad()
    def fit(self, rows: Iterable[tuple[NDArray[Any], NDArray[Any]]], deadline: Deadline = UNLIMITED) -> Fitted:
        """Fit the weights on segments (inputs, targets) that no member was trained on.

        The log-likelihood is concave in the weights, so Newton's method finds the one optimum, the same at each call.
        Returns the cross-fitted nats, an estimate of the ensemble's loss on other text. If the deadline passes, fewer
        targets and iterations are used, and one member alone is taken if that is better. Raises TrainingError, and
        leaves the weights unchanged, if a member's logits are not finite.
        """
        collecting = deadline.share(COLLECTING)
        collected: list[FitData] = []
        for inputs, targets in rows:
            if len(targets) and not (collected and collecting.passed()):
                collected.append(self._collect(inputs, targets, collecting))
        if not collected:
            return Fitted(np.zeros(0), np.zeros((0, len(self.members))))
        data = FitData(*(torch.cat(column) for column in zip(*collected, strict=True)))
        half = len(data.targets) // 2
        first, second = (FitData(*(values[some] for values in data)) for some in (slice(half), slice(half, None)))
        try:
            gate, in_time = _fit(data, deadline.share(0.5))
            halves = ((first, second), (second, first))
            nats = torch.cat([_nats(_fit(others, deadline.share(0.5))[0], some) for some, others in halves])
        except RuntimeError:  # a singular matrix
            nats = gate = torch.tensor(math.nan)
            in_time = False
        if not bool(gate.isfinite().all() and nats.isfinite().all()):
            raise TrainingError("The weights of the ensemble could not be fitted: a member's logits are not finite.")
        self.gate.copy_(gate)
        return Fitted(nats.numpy(), _nats_alone(data).numpy(), in_time)

    def _collect(self, inputs: NDArray[Any], targets: NDArray[Any], deadline: Deadline) -> FitData:
        """Run the members over a segment and collect features, log-probabilities and targets."""
        state = self.start(1)
        chunks: list[FitData] = []
        chunk = _chunk(self.tokens)
        for start in range(0, len(targets), chunk):
            if chunks and deadline.passed():
                break
            tokens = torch.from_numpy(inputs[None, start : start + chunk].astype(np.int64))
            outputs, state = self.unroll_members(tokens, state)
            logs = torch.stack([torch.log_softmax(logits[0].cpu().double(), -1) for logits in outputs], dim=1)
            chosen = torch.from_numpy(targets[start : start + chunk].astype(np.int64))
            chunks.append(FitData(gate_features(logs), logs.float(), chosen))
        return FitData(*(torch.cat(column) for column in zip(*chunks, strict=True)))

    def mix(self, outputs: Sequence[Tensor]) -> Tensor:
        """Combine the logits (…, V) of the members into the ensemble's."""
        logs = torch.stack([torch.log_softmax(at_least_float32(logits).to(self.gate), -1) for logits in outputs], -2)
        return _mixed(self.gate, gate_features(logs), logs)


def gate_features(logs: Tensor) -> Tensor:
    """Features (…, 1 + 2 P) of log-probabilities (…, P, V): a constant, then entropies and maxima divided by ln V."""
    entropies = -(logs.exp() * logs).sum(-1)  # (…, P)
    figures = torch.cat([entropies, logs.max(-1).values], dim=-1) / math.log(max(2, logs.shape[-1]))
    return torch.cat([torch.ones_like(figures[..., :1]), figures], dim=-1)


def _mixed(gate: Tensor, features: Tensor, logs: Tensor) -> Tensor:
    """Log-probabilities (…, V) of the mixture, from features (…, F) and the members' log-probabilities (…, P, V)."""
    weights = features @ gate.T  # (…, P)
    return torch.log_softmax((weights[..., None] * logs).sum(-2), -1)


def _nats(gate: Tensor, data: FitData) -> Tensor:
    """The nats (N,) of the targets, float64."""
    found = [gate.new_zeros(0)]
    for features, logs, targets in _chunks(data):
        found.append(-_mixed(gate, features, logs.double()).gather(-1, targets[:, None])[:, 0])
    return torch.cat(found)


def _nats_alone(data: FitData) -> Tensor:
    """The nats (N, P) of the targets under each member alone, float64."""
    wanted = data.targets[:, None, None].expand(-1, data.logs.shape[1], 1)
    return -data.logs.gather(-1, wanted)[..., 0].double()


def _chunks(data: FitData) -> Iterator[FitData]:
    chunk = _chunk(data.logs.shape[-1])
    for columns in zip(*(torch.split(values, chunk) for values in data), strict=True):
        yield FitData(*columns)


def _chunk(tokens: int) -> int:
    """Steps per chunk, for a vocabulary of this size."""
    return max(16, min(CHUNK, LOGITS // tokens))


def _fit(data: FitData, deadline: Deadline) -> tuple[Tensor, bool]:
    """Fit the gate (P, F), float64, by Newton's method with step halving. The second value is False if the deadline
    passed; the gate is then that of the best member alone if that has a lower loss."""
    members, columns = data.logs.shape[1], data.features.shape[1]
    equal = data.features.new_zeros(members, columns)
    equal[:, 0] = 1 / members
    ridge = torch.full_like(equal, RIDGE)
    ridge[:, 0] = CONSTANT_RIDGE
    gate = equal
    for _ in range(MOST_STEPS):
        if deadline.passed():
            return _or_alone(gate, data), False
        cost, slope, curvature = _derivatives(gate, data)
        cost, slope = cost + float((ridge * (gate - equal) ** 2).sum()), slope + 2 * ridge * (gate - equal)
        move = torch.linalg.solve(curvature + torch.diag(2 * ridge.flatten()), slope.flatten()).view_as(gate)
        gain = float((slope * move).sum())
        if gain < 1e-6:  # nats, over all targets
            break
        share = 1.0
        while share > 1e-6:
            tried = gate - share * move
            found = float(_nats(tried, data).sum() + (ridge * (tried - equal) ** 2).sum())
            if found <= cost - 1e-4 * share * gain:
                gate = tried
                break
            share /= 2
        else:
            break
    return gate, True


def _or_alone(gate: Tensor, data: FitData) -> Tensor:
    """The gate, or that of the best member alone if it gives the targets fewer nats."""
    alone = _nats_alone(data).sum(0).nan_to_num(math.inf)  # (P,)
    if float(_nats(gate, data).sum()) <= float(alone.min()):
        return gate
    gate = torch.zeros_like(gate)
    gate[alone.argmin(), 0] = 1.0
    return gate


def _derivatives(gate: Tensor, data: FitData) -> tuple[float, Tensor, Tensor]:
    """The nats of all targets, and their gradient (P, F) and Hessian (P F, P F) in the gate."""
    size, cost = gate.numel(), 0.0
    slope, curvature = torch.zeros_like(gate), gate.new_zeros(size, size)
    for features, short, targets in _chunks(data):
        logs = short.double()
        mixed = _mixed(gate, features, logs)  # (n, V)
        of_target = logs.gather(-1, targets[:, None, None].expand(-1, logs.shape[1], 1))[..., 0]  # (n, P)
        weighted = mixed.exp()[:, None] * logs  # (n, P, V)
        mean = weighted.sum(-1)  # (n, P)
        spread = weighted @ logs.transpose(1, 2) - mean[:, :, None] * mean[:, None]  # (n, P, P)
        cost -= float(mixed.gather(-1, targets[:, None]).sum())
        slope += (mean - of_target).T @ features
        curvature += torch.einsum("npq,nf,ng->pfqg", spread, features, features).reshape(size, size)
    return cost, slope, curvature
