"""Minimisation of a linear model's loss by L-BFGS, within a deadline and with bounded memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.deadline import Deadline
from unrolled.model.baselines.linear_features import BagRows, FeatureRows, IndexedBagRows
from unrolled.model.likelihoods import is_known
from unrolled.model.optimisers import LBFGS

MANY_LABELS = 200  # above this, one evaluation on all rows takes long and needs much memory
SURE_EVALUATIONS = 12  # that are made even after the deadline
SURE_PRODUCTS = 300_000_000  # in all of these
HELD = 1 << 24  # rows times labels, about: more rows are processed in chunks
HELD_MANY = 1 << 20  # likewise, with many labels: a gradient needs several numbers for each


@dataclass(frozen=True)
class FeatureExamples:
    """The features of rows, and their targets."""

    features: FeatureRows
    targets: dict[str, Tensor]  # output -> (R,), below 0 if not known, or (R, K)


class _TooLate(Exception):
    """The deadline passed while a gradient was computed."""


@dataclass(frozen=True)
class FeatureChunk:
    """The features of a chunk of rows, for the descent, and their targets."""

    features: FeatureRows
    targets: Tensor
    share: float  # of all known targets


def split_into_chunks(examples: FeatureExamples, name: str, size: int, width: int) -> list[FeatureChunk]:
    """Cut rows into chunks of about as many numbers as may be in memory at once."""
    targets, features = examples.targets[name], examples.features
    rows, known = len(targets), max(1, int(is_known(targets).sum()))
    held = HELD if width <= MANY_LABELS else HELD_MANY
    step = max(1, held // width) if rows * width > 2 * held else max(1, rows)
    chunks = []
    for start in range(0, rows, step):
        some = targets[start : start + step]
        chunk = features if step >= rows else features.cut(start, start + step)
        share = int(is_known(some).sum()) / known
        if share or step >= rows:
            indexed = IndexedBagRows.of(chunk, size) if isinstance(chunk, BagRows) else chunk
            chunks.append(FeatureChunk(indexed, some, share))
    return chunks


def mean_loss(kind: str, outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean nats of labels, or half the mean squared error of values."""
    if kind in ("classification", "tagging"):
        return F.cross_entropy(outputs, targets, ignore_index=-1)
    known = is_known(targets)
    outputs, targets = outputs[known], targets[known].to(outputs.dtype)
    if kind == "multilabel":
        return F.binary_cross_entropy_with_logits(outputs, targets, reduction="none").sum(1).mean()
    if kind == "multilabel-softmax":
        return F.cross_entropy(outputs, targets / targets.sum(1, keepdim=True).clamp_min(1))
    return 0.5 * (outputs - targets).square().sum(1).mean()


def minimise(
    chunks: Sequence[FeatureChunk], kind: str, scale: Tensor, weights: Tensor, bias: Tensor, penalty: float,
    iterations: int, deadline: Deadline,
) -> bool:  # fmt: skip
    """Minimise the mean loss and the penalty over weights and bias, in place, by L-BFGS; True at its end.

    False if the deadline passed first: then weights and bias are the best that were tried.
    """
    rows = sum(len(chunk.targets) for chunk in chunks)
    work = max(1, weights.shape[1] * sum(chunk.features.entry_count for chunk in chunks))
    sure, evaluations = max(2, min(SURE_EVALUATIONS, SURE_PRODUCTS // work)), 0
    optimiser = LBFGS(
        [weights, bias], max_iter=iterations, history_size=8, line_search_fn="strong_wolfe", tolerance_change=1e-7
    )
    least, kept = math.inf, (weights.detach().clone(), bias.detach().clone())

    def loss() -> Tensor:
        nonlocal least, kept, evaluations
        evaluations += 1
        optimiser.zero_grad()
        whole = torch.zeros(())
        for chunk in chunks:
            if deadline.passed() and evaluations > sure:
                raise _TooLate
            misfit = mean_loss(kind, chunk.features.apply(weights * scale, bias), chunk.targets)
            if len(chunks) == 1:
                whole = misfit + penalty / (2 * rows) * (weights**2).sum()
                whole.backward()  # type: ignore[no-untyped-call]
            else:
                (chunk.share * misfit).backward()  # type: ignore[no-untyped-call]
                whole = whole + chunk.share * misfit.detach()
        if len(chunks) > 1:
            ridge = penalty / (2 * rows) * (weights**2).sum()
            ridge.backward()  # type: ignore[no-untyped-call]
            whole = whole + ridge.detach()
        if not deadline.unlimited and (cost := float(whole.detach())) < least:
            least, kept = cost, (weights.detach().clone(), bias.detach().clone())
        return whole

    try:
        optimiser.step(loss)  # type: ignore[no-untyped-call]
    except _TooLate:
        with torch.no_grad():
            weights.copy_(kept[0])
            bias.copy_(kept[1])
        return False
    finally:  # it is in a reference cycle, which would keep some twenty copies of the weights through later fits
        optimiser.zero_grad()
        optimiser.state.clear()
    return True
