"""Confidence in a generated text: how often texts with such a probability were better than usual. N texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import RunError

Floats = NDArray[np.float64]

DOUBTFUL = 0.25  # a text with less confidence is hedged
FEWEST = 25  # texts of a group: an even share of so few is known to within 0.2
LEAST = 2 * FEWEST  # texts from which a confidence can be calibrated
MOST_GROUPS = 40


@dataclass(frozen=True)
class Confidence:
    """A rising map from a text's log-probability per token, or another figure of it, to the share of texts with such
    a figure whose score is above the median. Linear between its points, constant outside."""

    points: tuple[float, ...]  # (P,) points: figures, rising
    shares: tuple[float, ...]  # (P,) 0 to 1, never falling

    def of(self, figures: Sequence[float] | Floats) -> Floats:
        """The confidence (N,) of texts with these figures."""
        return np.interp(np.asarray(figures, np.float64), self.points, self.shares)

    @property
    def least(self) -> float:
        """The least confidence that a text can have."""
        return self.shares[0]

    def to_json(self) -> dict[str, Any]:
        """Return the map as JSON."""
        return {"points": list(self.points), "shares": list(self.shares)}

    @classmethod
    def from_json(cls, value: Any) -> Confidence:
        """Load what `to_json` returned. Raises RunError if it is damaged."""
        lists = [value.get(key) for key in ("points", "shares")] if isinstance(value, Mapping) else [None]
        if not all(isinstance(one, list) and all(type(x) in (int, float) for x in one) for one in lists):
            raise RunError("The confidence of this run is damaged. Train again.")
        points, shares = (np.array(one, np.float64) for one in lists)
        fits = len(points) == len(shares) > 0 and bool(np.isfinite(points).all() and (np.diff(points) > 0).all())
        if not fits or not bool(((shares >= 0) & (shares <= 1)).all() and (np.diff(shares) >= 0).all()):
            raise RunError("The confidence of this run is damaged: its numbers do not fit. Train again.")
        return cls(tuple(points.tolist()), tuple(shares.tolist()))


def fit_confidence(figures: Sequence[float] | Floats, scores: Sequence[float] | Floats) -> Confidence | None:
    """Fit the map to texts that were not trained on. figures (N,): of each; scores (N,): its metric. None with too
    few texts for two groups, or if a number is not finite.

    Isotonic regression by pooling adjacent violators (Ayer et al. 1955; Zadrozny & Elkan 2002), of groups of texts
    with similar figures: single texts at either end would give shares of 0 and 1. Texts with equal figures are in one
    group.
    """
    own, reached = np.asarray(figures, np.float64), np.asarray(scores, np.float64)
    if len(own) < LEAST or not bool(np.isfinite(own).all() and np.isfinite(reached).all()):
        return None
    order = np.argsort(own, kind="stable")
    own, above = own[order], (reached > np.median(reached))[order].astype(np.float64)
    starts = _group_starts(own)
    counts = np.diff([*starts, len(own)]).astype(np.float64)
    centres, shares = np.add.reduceat(own, starts) / counts, np.add.reduceat(above, starts) / counts
    return Confidence(tuple(centres.tolist()), tuple(isotonic(shares, counts).tolist()))


def _group_starts(rising: Floats) -> NDArray[np.int64]:
    """Where groups begin: of about equal numbers, at least FEWEST, with equal figures in one group."""
    groups = max(1, min(MOST_GROUPS, len(rising) // FEWEST))
    wanted = np.arange(groups) * len(rising) // groups
    return np.unique(np.searchsorted(rising, rising[wanted], side="left"))


def isotonic(values: Floats, weights: Floats) -> Floats:
    """The never falling numbers (P,) with the smallest weighted squared distance from values (P,)."""
    pools: list[tuple[float, float, int]] = []  # mean, weight and number of values of each
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, total, count = value, weight, 1
        while pools and pools[-1][0] >= mean:
            before, earlier, places = pools.pop()
            mean = (before * earlier + mean * total) / (earlier + total)
            total, count = total + earlier, count + places
        pools.append((mean, total, count))
    return np.repeat([mean for mean, _, _ in pools], [count for _, _, count in pools])


def hedge(text: str) -> str:
    """A text with a word of doubt before it: "A dog runs." is "perhaps a dog runs."."""
    first = text.split(maxsplit=1)[:1]
    lower = bool(first) and first[0][:1].isupper() and first[0] != "I" and not any(map(str.isupper, first[0][1:]))
    return f"perhaps {text[:1].lower() + text[1:] if lower else text}"
