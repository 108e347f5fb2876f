"""Random numbers of a training as part of a state, so that stepping, resuming and recomputation see the same ones."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class NoiseState(NamedTuple):
    """Numbers that `draw_masks` draws from the standard normal distribution, one set per row. `start` puts there what
    an evaluation uses: zeros, where it uses means."""

    normal: Tensor  # (B, …)
