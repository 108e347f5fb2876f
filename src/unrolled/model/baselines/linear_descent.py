"""How the weights of a linear model come down to their least cost, within a deadline and within memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.deadline import Deadline
from unrolled.model.baselines.linear_features import Bagged, Looked, Sloped
from unrolled.model.likelihoods import is_known
from unrolled.model.optimisers import LBFGS

MANY_LABELS = 200  # from which on a look at all rows takes long and holds much
SURE_LOOKS, SURE_PRODUCTS = 12, 300_000_000  # that are made however late it is: so many looks, of so much in all
HELD = 1 << 24  # of rows times labels, about: more rows are looked at piece by piece
HELD_MANY = 1 << 20  # of them: a slope holds several numbers for each


@dataclass(frozen=True)
class Rows:
    """Rows as a linear model sees them, and their answers."""

    seen: Looked
    answers: dict[str, Tensor]  # of each output (R,) below 0 where not known, or (R, K)


class _TooLate(Exception):
    """The deadline passed while a slope was computed."""


@dataclass(frozen=True)
class Piece:
    """Some rows as they are descended on, and their answers."""

    seen: Looked
    answers: Tensor
    share: float  # of all that is known


def in_pieces(lessons: Rows, name: str, size: int, width: int) -> list[Piece]:
    """Rows in pieces of which each holds about so many numbers as are to be held at once."""
    answers, seen = lessons.answers[name], lessons.seen
    rows, known = len(answers), max(1, int(is_known(answers).sum()))
    held = HELD if width <= MANY_LABELS else HELD_MANY
    step = max(1, held // width) if rows * width > 2 * held else max(1, rows)
    found = []
    for start in range(0, rows, step):
        some = answers[start : start + step]
        part = seen if step >= rows else seen.cut(start, start + step)
        share = int(is_known(some).sum()) / known
        if share or step >= rows:
            found.append(Piece(Sloped.of(part, size) if isinstance(part, Bagged) else part, some, share))
    return found


def misfit_of(kind: str, found: Tensor, answers: Tensor) -> Tensor:
    """Mean nats of labels; half the squared distance of values."""
    if kind in ("label", "tags"):
        return F.cross_entropy(found, answers, ignore_index=-1)
    known = is_known(answers)
    found, answers = found[known], answers[known].to(found.dtype)
    if kind == "labels":
        return F.binary_cross_entropy_with_logits(found, answers, reduction="none").sum(1).mean()
    return 0.5 * (found - answers).square().sum(1).mean()


def descend(
    pieces: Sequence[Piece], kind: str, scale: Tensor, weights: Tensor, bias: Tensor, penalty: float,
    iterations: int, deadline: Deadline,
) -> bool:  # fmt: skip
    """Moves weights and bias to the least of the mean misfit and the penalty, by L-BFGS; whether it came to its end.

    Where the deadline passes, they are those that cost least of all that were tried.
    """
    rows = sum(len(piece.answers) for piece in pieces)
    work = max(1, weights.shape[1] * sum(piece.seen.held for piece in pieces))
    sure, looks = max(2, min(SURE_LOOKS, SURE_PRODUCTS // work)), 0
    optimiser = LBFGS(
        [weights, bias], max_iter=iterations, history_size=8, line_search_fn="strong_wolfe", tolerance_change=1e-7
    )
    least, kept = math.inf, (weights.detach().clone(), bias.detach().clone())

    def loss() -> Tensor:
        nonlocal least, kept, looks
        looks += 1
        optimiser.zero_grad()
        whole = torch.zeros(())
        for piece in pieces:
            if deadline.passed() and looks > sure:
                raise _TooLate
            misfit = misfit_of(kind, piece.seen.apply(weights * scale, bias), piece.answers)
            if len(pieces) == 1:
                whole = misfit + penalty / (2 * rows) * (weights**2).sum()
                whole.backward()  # type: ignore[no-untyped-call]
            else:
                (piece.share * misfit).backward()  # type: ignore[no-untyped-call]
                whole = whole + piece.share * misfit.detach()
        if len(pieces) > 1:
            ridge = penalty / (2 * rows) * (weights**2).sum()
            ridge.backward()  # type: ignore[no-untyped-call]
            whole = whole + ridge.detach()
        if not deadline.endless and (cost := float(whole.detach())) < least:
            least, kept = cost, (weights.detach().clone(), bias.detach().clone())
        return whole

    try:
        optimiser.step(loss)  # type: ignore[no-untyped-call]
    except _TooLate:
        with torch.no_grad():
            weights.copy_(kept[0])
            bias.copy_(kept[1])
        return False
    finally:  # it is in a circle of references: some twenty times the weights would be held through later tries
        optimiser.zero_grad()
        optimiser.state.clear()
    return True
