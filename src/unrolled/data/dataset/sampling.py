"""How often rows are drawn in training, by the labels that they have.

The frequencies of tags fall off steeply: a few tags are in most rows. Drawn as they are, they dominate the loss.
Mahajan et al. 2018 (Exploring the limits of weakly supervised pretraining, arXiv 1805.00932) repeat rows so that a
tag's share grows with the square root of its frequency; a row with several tags counts by its rarest. Here an epoch
has as many rows as the training split whatever the sampling, so budgets and learning rates mean the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.arguments import Count, checked
from unrolled.data.dataset.targets import LabelSetTargets, LabelTargets, Targets
from unrolled.data.modalities.base import Ids

Floats = NDArray[np.float64]


class Sampling(ABC):
    """How often a row is drawn, by the number of rows that have its label. A subclass is final."""

    @abstractmethod
    def weigh(self, counts: NDArray[Any]) -> Floats:
        """counts (K,): the training rows with each label, at least 1 -> (K,) relative numbers of draws of such a
        row."""


@checked
@dataclass(frozen=True)
class Natural(Sampling):
    """Every row once an epoch."""

    def weigh(self, counts: NDArray[Any]) -> Floats:
        return np.ones(len(counts))


@checked
@dataclass(frozen=True)
class SquareRoot(Sampling):
    """A label is drawn in proportion to the square root of its frequency: its rows in proportion to 1 / √rows."""

    def weigh(self, counts: NDArray[Any]) -> Floats:
        return np.asarray(1 / np.sqrt(counts), np.float64)


@checked
@dataclass(frozen=True)
class Capped(Sampling):
    """No label counts as if it were in more than `rows` rows. Which of its rows are drawn differs in every epoch."""

    rows: Count

    def weigh(self, counts: NDArray[Any]) -> Floats:
        return np.minimum(1.0, self.rows / np.asarray(counts))


SAMPLINGS: dict[str, type[Sampling]] = {"natural": Natural, "sqrt": SquareRoot, "capped": Capped}
"""By their names in `--sampling`."""


def row_shares(sampling: Sampling, targets: Sequence[Targets], rows: Ids) -> Floats:
    """(R,) relative numbers of draws of these rows: those of the rarest of a row's labels, over all outputs. Rows
    without a label count as if that were one more label. Raises TypeError for other targets."""
    shares = np.zeros(len(rows))
    for target in targets:
        if isinstance(target, LabelTargets) and not target.each:
            counts = np.bincount(target.all_ids[rows], minlength=len(target.all_names))
            own = sampling.weigh(np.maximum(counts, 1))[target.all_ids[rows]]
        elif isinstance(target, LabelSetTargets):
            own = _shares_of_sets(sampling, target, rows)
        else:
            raise TypeError(f"targets of kind {target.output.kind} have no labels to sample by")
        shares = np.maximum(shares, own)
    return shares


def _shares_of_sets(sampling: Sampling, target: LabelSetTargets, rows: Ids) -> Floats:
    nothing = len(target.all_names)  # stands for "no label"
    sets = [
        target.all_ids[target.starts[row] : target.starts[row + 1]].tolist() or [nothing] for row in rows.tolist()
    ]
    counts = np.bincount([label for labels in sets for label in labels], minlength=nothing + 1)
    weights = sampling.weigh(np.maximum(counts, 1))
    return np.array([weights[labels].max() for labels in sets])
