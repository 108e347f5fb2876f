"""A mixture of models: what was learnt weighed against what was counted, anew at each symbol."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.deadline import ENDLESS, Deadline
from unrolled.errors import OptionError, TrainingError
from unrolled.memory.base import at_least_float32, reading
from unrolled.states import State

FEATURES = 2  # of each part, beside a constant: how spread its answer is, and how sure it is of its likeliest symbol
RIDGE = 1.0  # nats that a feature's weight of 1 costs, all targets together: fitted on few, weights stay constant
CONSTANT_RIDGE = 1e-3  # the same for the constant's distance from equal weights: what tells nothing stays equal
MOST_STEPS = 50  # of Newton's method; ten are usual
READING = 0.5  # share of the time for reading what the weights are fitted on
CHUNK = 1024  # steps read together, and targets summed over together, while fitting, at most
LOGITS = 1 << 22  # logits of each part that are held together then, at most


class Answering(Protocol):
    """A model over symbols: `LanguageModel`, `NGram`, or one of your own."""

    symbols: int

    def start(self, rows: int) -> State: ...

    def step(self, symbols: Tensor, state: State) -> tuple[Tensor, State]: ...

    def unroll(self, symbols: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]: ...


class Seen(NamedTuple):
    """What the weights are fitted on: N targets, P parts, F features, V symbols."""

    features: Tensor  # (N, F) float64
    logs: Tensor  # (N, P, V) float32: each part's log-chances
    targets: Tensor  # (N,) int64


class Fitted(NamedTuple):
    """What each target cost where weights were fitted, in nats."""

    whole: NDArray[np.float64]  # (N,) each half under weights that were fitted on the other half alone
    parts: NDArray[np.float64]  # (N, P) of each part alone
    in_time: bool = True  # False where the deadline cut the fit of the weights


class Mixture(nn.Module):
    """p ∝ Π p_i^w_i of several models over the same symbols, with the three verbs; its state is the tuple of theirs.

    The weights w_i are linear in what the parts' own answers tell at this symbol: the entropy of each and the
    log-chance of its likeliest symbol, both over ln V (a product of experts, Hinton 2002, weighed as in the logistic
    mixing of Mattern 2012, but fitted once, on text that no part was trained on). Until `fit` they are equal.
    """

    def __init__(self, parts: Sequence[Answering]) -> None:
        super().__init__()
        if len(parts) < 2 or len({part.symbols for part in parts}) > 1:
            sizes = ", ".join(str(part.symbols) for part in parts) or "none"
            raise OptionError(
                f"A mixture needs two or more models with the same vocabulary; the vocabulary sizes are: {sizes}.\n"
                "Pass models that were trained with one vocabulary."
            )
        self.symbols = parts[0].symbols
        self.parts = tuple(parts)
        self.learnt = nn.ModuleList(part for part in parts if isinstance(part, nn.Module))  # moves where this moves
        gate = torch.zeros(len(parts), 1 + FEATURES * len(parts))
        gate[:, 0] = 1 / len(parts)
        self.gate = nn.Parameter(gate)  # (P, F)

    def start(self, rows: int) -> tuple[State, ...]:
        """The state before anything was read."""
        return tuple(part.start(rows) for part in self.parts)

    def step(self, symbols: Tensor, state: tuple[State, ...]) -> tuple[Tensor, tuple[State, ...]]:
        """symbols (B,) -> logits (B, V) of the symbol after them, and the state."""
        answers = [part.step(symbols, of_part) for part, of_part in zip(self.parts, state, strict=True)]
        return self.mix([logits for logits, _ in answers]), tuple(after for _, after in answers)

    def unroll(
        self, symbols: Tensor, state: tuple[State, ...], lengths: Tensor | None = None
    ) -> tuple[Tensor, tuple[State, ...]]:
        """symbols (B, T) -> logits (B, T, V), zero past a row's length, and the state at each row's end."""
        answers, after = self.unroll_parts(symbols, state, lengths)
        logits = self.mix(answers)
        if lengths is not None:
            logits = torch.where(reading(lengths, symbols.shape[1], logits.device)[..., None], logits, 0.0)
        return logits, after

    def unroll_parts(
        self, symbols: Tensor, state: tuple[State, ...], lengths: Tensor | None = None
    ) -> tuple[list[Tensor], tuple[State, ...]]:
        """The logits (B, T, V) of each part, which `mix` weighs, and the state at each row's end."""
        answers = [part.unroll(symbols, of_part, lengths) for part, of_part in zip(self.parts, state, strict=True)]
        return [logits for logits, _ in answers], tuple(after for _, after in answers)

    @torch.no_grad()
    def fit(self, rows: Iterable[tuple[NDArray[Any], NDArray[Any]]], deadline: Deadline = ENDLESS) -> Fitted:
        """Fits the weights on stretches (inputs, targets) that no part was trained on.

        What the whole costs there is what it may be expected to cost elsewhere. The log-chance is concave in the
        weights, so there is one best, which Newton's method finds, the same at each call. Raises TrainingError where
        the parts' answers are such that none can be found; the weights are as before then.
        Where the deadline passes, the targets are the first of them, and Newton's steps fewer: then a part alone is
        taken where that is better.
        """
        reading = deadline.share(READING)
        read: list[Seen] = []
        for inputs, targets in rows:
            if len(targets) and not (read and reading.passed()):
                read.append(self._look(inputs, targets, reading))
        if not read:
            return Fitted(np.zeros(0), np.zeros((0, len(self.parts))))
        seen = Seen(*(torch.cat(column) for column in zip(*read, strict=True)))
        half = len(seen.targets) // 2
        first, second = (Seen(*(values[some] for values in seen)) for some in (slice(half), slice(half, None)))
        try:
            gate, in_time = _fit(seen, deadline.share(0.5))
            halves = ((first, second), (second, first))
            nats = torch.cat([_nats(_fit(others, deadline.share(0.5))[0], some) for some, others in halves])
        except RuntimeError:  # a matrix that has no inverse
            nats = gate = torch.tensor(math.nan)
            in_time = False
        if not bool(gate.isfinite().all() and nats.isfinite().all()):
            raise TrainingError("The weights of the ensemble could not be fitted: a member's logits are not finite.")
        self.gate.copy_(gate)
        return Fitted(nats.numpy(), _nats_alone(seen).numpy(), in_time)

    def _look(self, inputs: NDArray[Any], targets: NDArray[Any], deadline: Deadline) -> Seen:
        """What the weights of a stretch are fitted on."""
        state = self.start(1)
        seen: list[Seen] = []
        chunk = _chunk(self.symbols)
        for start in range(0, len(targets), chunk):
            if seen and deadline.passed():
                break
            symbols = torch.from_numpy(inputs[None, start : start + chunk].astype(np.int64))
            answers, state = self.unroll_parts(symbols, state)
            logs = torch.stack([torch.log_softmax(logits[0].cpu().double(), -1) for logits in answers], dim=1)
            wanted = torch.from_numpy(targets[start : start + chunk].astype(np.int64))
            seen.append(Seen(gate_features(logs), logs.float(), wanted))
        return Seen(*(torch.cat(column) for column in zip(*seen, strict=True)))

    def mix(self, answers: Sequence[Tensor]) -> Tensor:
        """Logits (…, V) of the whole from those of each part."""
        logs = [torch.log_softmax(at_least_float32(logits).to(self.gate), -1) for logits in answers]
        return _mixed(self.gate, gate_features(each := torch.stack(logs, dim=-2)), each)


def gate_features(logs: Tensor) -> Tensor:
    """A constant, and of each part's log-chances (…, P, V) their entropy and the largest, over ln V: (…, 1 + 2 P)."""
    entropies = -(logs.exp() * logs).sum(-1)  # (…, P)
    told = torch.cat([entropies, logs.max(-1).values], dim=-1) / math.log(max(2, logs.shape[-1]))
    return torch.cat([torch.ones_like(told[..., :1]), told], dim=-1)


def _mixed(gate: Tensor, features: Tensor, logs: Tensor) -> Tensor:
    """Log-chances (…, V) of the mixture, from features (…, F) and the parts' log-chances (…, P, V)."""
    weights = features @ gate.T  # (…, P)
    return torch.log_softmax((weights[..., None] * logs).sum(-2), -1)


def _nats(gate: Tensor, seen: Seen) -> Tensor:
    """The nats (N,) of the targets, float64."""
    found = [gate.new_zeros(0)]
    for features, logs, targets in _chunks(seen):
        found.append(-_mixed(gate, features, logs.double()).gather(-1, targets[:, None])[:, 0])
    return torch.cat(found)


def _nats_alone(seen: Seen) -> Tensor:
    """The nats (N, P) of the targets by each part alone, float64."""
    wanted = seen.targets[:, None, None].expand(-1, seen.logs.shape[1], 1)
    return -seen.logs.gather(-1, wanted)[..., 0].double()


def _chunks(seen: Seen) -> Iterator[Seen]:
    chunk = _chunk(seen.logs.shape[-1])
    for columns in zip(*(torch.split(values, chunk) for values in seen), strict=True):
        yield Seen(*columns)


def _chunk(symbols: int) -> int:
    """Steps that are taken together, of so many symbols."""
    return max(16, min(CHUNK, LOGITS // symbols))


def _fit(seen: Seen, deadline: Deadline) -> tuple[Tensor, bool]:
    """The gate (P, F), float64, that costs least: by Newton's method, a step halved until it is one down. And whether
    there was time for it; where not, it is that of the best part alone, if that costs less."""
    parts, columns = seen.logs.shape[1], seen.features.shape[1]
    equal = seen.features.new_zeros(parts, columns)
    equal[:, 0] = 1 / parts
    ridge = torch.full_like(equal, RIDGE)
    ridge[:, 0] = CONSTANT_RIDGE
    gate = equal
    for _ in range(MOST_STEPS):
        if deadline.passed():
            return _or_alone(gate, seen), False
        cost, slope, curvature = _look_around(gate, seen)
        cost, slope = cost + float((ridge * (gate - equal) ** 2).sum()), slope + 2 * ridge * (gate - equal)
        move = torch.linalg.solve(curvature + torch.diag(2 * ridge.flatten()), slope.flatten()).view_as(gate)
        gain = float((slope * move).sum())
        if gain < 1e-6:  # nats, all targets together
            break
        share = 1.0
        while share > 1e-6:
            tried = gate - share * move
            found = float(_nats(tried, seen).sum() + (ridge * (tried - equal) ** 2).sum())
            if found <= cost - 1e-4 * share * gain:
                gate = tried
                break
            share /= 2
        else:
            break
    return gate, True


def _or_alone(gate: Tensor, seen: Seen) -> Tensor:
    """The gate, or that of the best part alone where the targets cost less under it."""
    alone = _nats_alone(seen).sum(0).nan_to_num(math.inf)  # (P,)
    if float(_nats(gate, seen).sum()) <= float(alone.min()):
        return gate
    gate = torch.zeros_like(gate)
    gate[alone.argmin(), 0] = 1.0
    return gate


def _look_around(gate: Tensor, seen: Seen) -> tuple[float, Tensor, Tensor]:
    """The nats of all targets, and their slope (P, F) and curvature (P F, P F) in the gate."""
    size, cost = gate.numel(), 0.0
    slope, curvature = torch.zeros_like(gate), gate.new_zeros(size, size)
    for features, short, targets in _chunks(seen):
        logs = short.double()
        mixed = _mixed(gate, features, logs)  # (n, V)
        of_target = logs.gather(-1, targets[:, None, None].expand(-1, logs.shape[1], 1))[..., 0]  # (n, P)
        weighed = mixed.exp()[:, None] * logs  # (n, P, V)
        mean = weighed.sum(-1)  # (n, P)
        spread = weighed @ logs.transpose(1, 2) - mean[:, :, None] * mean[:, None]  # (n, P, P)
        cost -= float(mixed.gather(-1, targets[:, None]).sum())
        slope += (mean - of_target).T @ features
        curvature += torch.einsum("npq,nf,ng->pfqg", spread, features, features).reshape(size, size)
    return cost, slope, curvature
