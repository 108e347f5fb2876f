"""Reach: how far back a model uses its context, by two measures on a text.

By the gradient: how much the token k steps back changes the loss now. By the score: how much worse the loss is where
the context is cut to the last k tokens. The first measures influence, the second usefulness; they may differ.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from unrolled.errors import DataError
from unrolled.metrics.surprise import Unrolling, student_t
from unrolled.model.language import LanguageModel
from unrolled.schema import check_type
from unrolled.seeds import numpy_generator

Ids: TypeAlias = NDArray[Any]
Floats: TypeAlias = NDArray[np.float64]

LONGEST = 4096  # tokens of context, at most
FEWEST = 64  # positions that must have as much context
ROWS = 32  # positions in a batch
GRADIENT_ROWS = 8  # positions in a batch for the gradient: all their steps are in memory
GRADIENT_STEPS = 1024  # steps of backpropagation, at most
GRADIENT_SHARE = 0.3  # of the time
LOGITS = 1 << 22  # logits at a time, at most
GAIN = 0.95
ROUNDING = 1e-6  # nats: a smaller difference counts as none


@dataclass(frozen=True)
class Reach:
    """How a model uses the past. Nats are per character; contexts are in tokens, the newest one included."""

    contexts: tuple[int, ...]  # 1, 2, 4, …
    nats: tuple[float, ...]  # of the same targets, with each context
    nats_full: float  # with the whole context
    loss_error: tuple[float, ...]  # half of the 95% interval of the loss of each cut, over positions
    reach: int  # the least of `contexts` with 95% of the whole context's gain over one token
    positions: int  # targets that were measured
    lags: tuple[int, ...]  # 0, 1, 2, 4, …: each stands for the lags from it to the next; empty for n-grams
    gradient_norms: tuple[float, ...]  # mean norm of the loss's gradient by the embedded token at that lag
    gradient_reach: int | None  # steps back that hold 95% of the sum of these norms

    @classmethod
    def from_json(cls, values: Any, source: str = "The reach") -> Reach:
        """The reach whose `to_dict` is `values`. Raises RunError, naming `source`, for anything else."""
        check_type(values, cls, source)
        read: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in values.items()}
        return cls(**read)

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, for JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @property
    def lines(self) -> list[str]:
        """The lines that a command prints."""
        gained = self.nats[0] - self.nats_full
        lines = [
            f"the last {self.reach:,} tokens give {GAIN:.0%} of what the whole context gains over one token "
            f"({gained:.3f} nats per character)"
        ]
        cuts = zip(self.contexts, self.nats, strict=True)
        lines.append("nats by tokens of context: " + ", ".join(f"{k:,}: {nats:.3f}" for k, nats in cuts))
        if self.gradient_reach is not None:
            lines.append(f"{GAIN:.0%} of the gradient comes from the last {self.gradient_reach:,} steps")
        return lines


def measure_reach(
    model: Unrolling, rows: Sequence[tuple[Ids, Ids]], characters: Floats, seconds: float = 10.0, seed: int = 0
) -> Reach:
    """Both measures of a model on segments (inputs, targets), each of which starts from a fresh state.

    `characters` (V,): the number of characters of each token. Positions are drawn by the seed, as many as there is
    time for, `ROWS` of them at least. Raises DataError where the text is too short for any context.
    """
    rows = [row for row in rows if len(row[1])]
    longest, positions = _draw_positions(rows, seed)
    started = time.monotonic()
    lags, gradient = _gradient_by_lag(model, rows, positions, min(longest, GRADIENT_STEPS), GRADIENT_SHARE * seconds)
    whole = _nats_of_stream(model, rows, len(characters))
    contexts = [2**i for i in range(longest.bit_length())]
    cut: list[Floats] = []  # (positions, contexts) each
    for first in range(0, len(positions), ROWS):
        batch = positions[first : first + ROWS]
        cut.append(np.stack([_nats_with_context(model, rows, batch, k, len(characters)) for k in contexts], axis=1))
        if time.monotonic() - started > seconds:
            break
    nats = np.concatenate(cut)
    seen = positions[: len(nats)]
    best = np.array([whole[row][at] for row, at in seen])
    char_count = np.array([characters[rows[row][1][at]] for row, at in seen]).sum()
    lost = nats - best[:, None]
    error = student_t(len(seen) - 1) * lost.std(0, ddof=1) * len(seen) ** 0.5 / char_count
    by_context, all_of_it = nats.sum(0) / char_count, float(best.sum() / char_count)
    allowed = all_of_it + (1 - GAIN) * max(0.0, by_context[0] - all_of_it) + ROUNDING
    reach = next((k for k, value in zip(contexts, by_context, strict=True) if value <= allowed), contexts[-1])
    return Reach(
        tuple(contexts), tuple(by_context.tolist()), all_of_it, tuple(error.tolist()), reach, len(seen),
        *_bin_lags(lags, gradient),
    )  # fmt: skip


def _draw_positions(rows: Sequence[tuple[Ids, Ids]], seed: int) -> tuple[int, list[tuple[int, int]]]:
    """The longest context to cut to, and positions (row, step) with as much before them, in random order."""
    longest = LONGEST
    while longest > 1 and sum(max(0, len(targets) - longest + 1) for _, targets in rows) < FEWEST:
        longest //= 2
    positions = [(row, at) for row, (_, targets) in enumerate(rows) for at in range(longest - 1, len(targets))]
    if len(positions) < 2:
        raise DataError("There is too little text to measure the reach on: give a longer one.")
    order = numpy_generator(seed, "reach").permutation(len(positions))[:LONGEST]
    return longest, [positions[k] for k in order]


@torch.no_grad()
def _nats_of_stream(model: Unrolling, rows: Sequence[tuple[Ids, Ids]], size: int) -> list[Floats]:
    """Nats of every target of each segment, processed as a stream."""
    scores = []
    for inputs, targets in rows:
        state, nats = model.start(1), []
        steps = max(1, min(1024, LOGITS // size))
        for start in range(0, len(targets), steps):
            tokens, following = (_tensor(ids[None, start : start + steps]) for ids in (inputs, targets))
            logits, state = model.unroll(tokens, state)
            nats.append(F.cross_entropy(logits[0].cpu().double(), following[0], reduction="none").numpy())
        scores.append(np.concatenate(nats))
    return scores


@torch.no_grad()
def _nats_with_context(
    model: Unrolling, rows: Sequence[tuple[Ids, Ids]], positions: Sequence[tuple[int, int]], context: int, size: int
) -> Floats:
    """Nats of the targets at these positions, given only the last `context` tokens."""
    tokens, targets = _windows(rows, positions, context)
    state, logits = model.start(len(positions)), torch.zeros(0)
    for chunk in tokens.split(max(1, LOGITS // (len(positions) * size)), dim=1):  # type: ignore[no-untyped-call]
        logits, state = model.unroll(chunk, state)
    nats: Floats = F.cross_entropy(logits[:, -1].cpu().double(), targets, reduction="none").numpy()
    return nats


def _windows(
    rows: Sequence[tuple[Ids, Ids]], positions: Sequence[tuple[int, int]], steps: int
) -> tuple[Tensor, Tensor]:
    """The last `steps` inputs up to each place (B, T), and the target there (B,)."""
    tokens = np.stack([rows[row][0][at + 1 - steps : at + 1] for row, at in positions])
    return _tensor(tokens), _tensor(np.array([rows[row][1][at] for row, at in positions]))


def _tensor(ids: Ids) -> Tensor:
    return torch.from_numpy(ids.astype(np.int64))


def _gradient_by_lag(
    model: Unrolling,
    rows: Sequence[tuple[Ids, Ids]],
    positions: Sequence[tuple[int, int]],
    steps: int,
    seconds: float,
) -> tuple[int, Floats]:
    """(positions, norms (steps,) summed over them) of the loss's gradient by the embedded token at each lag."""
    total, seen, started = np.zeros(steps), 0, time.monotonic()
    if not isinstance(model, LanguageModel):
        return 0, total
    device = model.embedding.weight.device
    while seen < len(positions) and (not seen or time.monotonic() - started < seconds):
        batch = positions[seen : seen + GRADIENT_ROWS]
        tokens, targets = _windows(rows, batch, steps)
        embedded = model.embedding(tokens.to(device)).detach().requires_grad_()  # (B, T, E)
        hidden, _ = model.memory.unroll(embedded, model.memory.start(len(batch)))
        loss = F.cross_entropy(model.output(hidden[:, -1]), targets.to(device), reduction="sum")
        (gradient,) = torch.autograd.grad(loss, embedded)
        total += gradient.norm(dim=2).sum(0).flip(0).cpu().double().numpy()
        seen += len(batch)
    return seen, total


def _bin_lags(seen: int, norms: Floats) -> tuple[tuple[int, ...], tuple[float, ...], int | None]:
    """Lags 0, 1, 2, 4, …, the mean norm from each to the next, and the number of steps that hold 95% of the sum."""
    if not seen or not norms.sum():
        return (), (), None
    lags = [0, *(2**i for i in range((len(norms) - 1).bit_length()))]
    means = [float(norms[a:b].mean()) / seen for a, b in zip(lags, [*lags[1:], len(norms)], strict=True)]
    return tuple(lags), tuple(means), int(np.searchsorted(norms.cumsum(), GAIN * norms.sum())) + 1
