"""Random generators by name: each is made from (seed, its purpose), so none has to be saved."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # so that the command line starts without importing torch
    import numpy as np
    import torch


def number(seed: int, *names: str | int) -> int:
    """A number below 2⁶³ that depends only on the seed and the names."""
    text = "\0".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def make_generator(seed: int, *names: str | int) -> torch.Generator:
    """A torch generator (CPU) for one purpose: `make_generator(seed, "dropout", update)`."""
    import torch

    return torch.Generator().manual_seed(number(seed, *names))


def numpy_generator(seed: int, *names: str | int) -> np.random.Generator:
    """The same for numpy: `numpy_generator(seed, "epoch", 3)`."""
    import numpy as np

    return np.random.default_rng(number(seed, *names))
