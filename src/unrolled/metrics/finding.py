"""How well texts find their images among many: recall and ranks. Q texts, N images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FIRST = (1, 5, 10)  # ranks up to which an image counts as found


@dataclass(frozen=True)
class FindingScore:
    """How many texts find their image, each among all images."""

    texts: int
    images: int
    recall: tuple[float, ...]  # share of the texts whose image is among the first 1, 5 and 10
    median_rank: float  # 1 is the best

    @property
    def chance(self) -> tuple[float, ...]:
        """The recall of a random order."""
        return tuple(min(1.0, first / self.images) for first in FIRST)

    @property
    def line(self) -> str:
        """All figures as a line."""
        found = ", ".join(f"{share:.1%}" for share in self.recall)
        chance = ", ".join(f"{share:.1%}" for share in self.chance)
        firsts = " / ".join(map(str, FIRST))
        return (
            f"Finding: recall at {firsts} of {self.texts:,} captions among {self.images:,} images: {found} "
            f"(by chance {chance}); median rank {self.median_rank:g}."
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, for JSON."""
        recalls = {f"recall_at_{first}": share for first, share in zip(FIRST, self.recall, strict=True)}
        return {"texts": self.texts, "images": self.images, **recalls, "median_rank": self.median_rank}


def ranks_of(similarities: NDArray[np.floating[Any]], own: NDArray[np.int64]) -> NDArray[np.float64]:
    """The rank (Q,) of the right image of each text, from 1; ties share the mean of their ranks.

    similarities (Q, N); own (Q,): the index of the right image.
    """
    right = similarities[np.arange(len(own)), own][:, None]
    ranks: NDArray[np.float64] = 1 + (similarities > right).sum(1) + ((similarities == right).sum(1) - 1) / 2
    return ranks


def score_ranks(ranks: NDArray[np.float64] | Sequence[float], images: int) -> FindingScore:
    """The score of texts whose right images have these ranks (Q,), at least one, among so many images."""
    found = np.asarray(ranks, np.float64)
    return FindingScore(
        len(found), images, tuple(float((found <= first).mean()) for first in FIRST), float(np.median(found))
    )
