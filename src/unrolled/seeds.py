"""Random numbers by name: a generator is made anew from (seed, what it is for), so none is ever saved."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a random generator should not cost the command line torch's start-up
    import numpy as np
    import torch


def number(seed: int, *names: str | int) -> int:
    """A number below 2⁶³ that depends on the seed and every name, and on nothing else."""
    text = "\0".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int) -> torch.Generator:
    """A torch generator (CPU) for one purpose: `generator(seed, "dropout", update)`."""
    import torch

    return torch.Generator().manual_seed(number(seed, *names))


def numpy_generator(seed: int, *names: str | int) -> np.random.Generator:
    """The same for numpy: `numpy_generator(seed, "epoch", 3)`."""
    import numpy as np

    return np.random.default_rng(number(seed, *names))
