"""Synthetic tasks that each measure one thing: what does a memory still hold `lag` steps later?

A task generates rows of tokens; some steps have a target that depends on tokens about `lag` steps earlier. Batch k is
a pure function of (seed, k). Chance is the accuracy of the best guess without those tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from unrolled.arguments import Count, checked
from unrolled.data.text.batches import TextBatch
from unrolled.errors import OptionError
from unrolled.registry import choose
from unrolled.seeds import numpy_generator
from unrolled.settings import check_seed

Ids: TypeAlias = NDArray[np.int64]
Draw: TypeAlias = Callable[[Generator, int, int], tuple[Ids, Ids]]
"""(random generator, rows, lag) -> inputs, targets (B, T)."""

NO_TARGET = -100  # a step without a target
KEPT_TOKENS = 8  # different tokens to remember
BLANK, CUE = 2 * KEPT_TOKENS, 2 * KEPT_TOKENS + 1
COPY_LENGTH = 5  # tokens to copy
EARLY = 10  # steps; the token to remember is among them
PAIRS = 4  # of a key and a value
DIGITS = 10


@checked
@dataclass(frozen=True)
class Diagnostic:
    """One task at one lag, as batches for training. Raises OptionError for an unknown task, or a lag below 1."""

    task: str
    lag: int
    rows: Count
    seed: int

    def __post_init__(self) -> None:
        choose("task", DIAGNOSTICS, self.task)
        check_seed(self.seed)
        if self.lag < 1:
            raise OptionError(f"--lag is in steps, whole numbers of at least 1; got {self.lag}.")

    @property
    def tokens(self) -> int:
        """Number of different tokens, of inputs and targets."""
        return 2 * DIGITS if self.task == "adding" else CUE + 1

    @property
    def steps(self) -> int:
        """Steps of a row."""
        return int(self.batch(0).inputs.shape[1])

    def batch(self, k: int) -> TextBatch:
        """Batch k: rows that start from the initial state; targets are NO_TARGET where there is none."""
        draw, _ = DIAGNOSTICS[self.task]
        generator = numpy_generator(self.seed, "diagnostic", self.task, self.lag, k)
        inputs, targets = (torch.from_numpy(ids) for ids in draw(generator, self.rows, self.lag))
        full = torch.full((self.rows,), inputs.shape[1])
        return TextBatch(inputs, targets, full, torch.ones(self.rows, dtype=torch.bool))


def copy(generator: Generator, rows: int, lag: int) -> tuple[Ids, Ids]:
    """Copy five tokens, in order, after `lag` - 5 blanks (or none) and a cue."""
    kept = generator.integers(0, KEPT_TOKENS, (rows, COPY_LENGTH))
    waiting = np.full((rows, max(0, lag - COPY_LENGTH)), BLANK)
    inputs = np.concatenate([kept, waiting, np.full((rows, COPY_LENGTH), CUE)], 1)
    targets = np.full(inputs.shape, NO_TARGET)
    targets[:, -COPY_LENGTH:] = kept
    return inputs, targets


def recall(generator: Generator, rows: int, lag: int) -> tuple[Ids, Ids]:
    """Recall the one marked token among others, `lag` steps after it."""
    inputs = generator.integers(0, KEPT_TOKENS, (rows, EARLY + lag))
    marked = generator.integers(0, EARLY, rows)
    every = np.arange(rows)
    kept = inputs[every, marked]
    inputs[every, marked] += KEPT_TOKENS
    inputs[every, marked + lag] = CUE
    targets = np.full(inputs.shape, NO_TARGET)
    targets[every, marked + lag] = kept
    return inputs, targets


def adding(generator: Generator, rows: int, lag: int) -> tuple[Ids, Ids]:
    """Add two marked digits, the first `lag` steps before the end, the second later.

    After Hochreiter & Schmidhuber (1997), with digits instead of real numbers. The target is the sum, 0 to 18, at the
    last step, which may be the second marked one.
    """
    digits = generator.integers(0, DIGITS, (rows, lag + 1))
    second = generator.integers(1, lag + 1, rows)
    every, inputs = np.arange(rows), digits.copy()
    inputs[:, 0] += DIGITS
    inputs[every, second] += DIGITS
    targets = np.full(inputs.shape, NO_TARGET)
    targets[:, -1] = digits[:, 0] + digits[every, second]
    return inputs, targets


def parity(generator: Generator, rows: int, lag: int) -> tuple[Ids, Ids]:
    """Parity of the ones so far, at each of `lag` bits."""
    bits = generator.integers(0, 2, (rows, lag))
    return bits, bits.cumsum(1) % 2


def associative(generator: Generator, rows: int, lag: int) -> tuple[Ids, Ids]:
    """Recall the value of a key, `lag` steps after it, from four pairs of a key and a value, after blanks."""
    keys = generator.permuted(np.tile(np.arange(KEPT_TOKENS), (rows, 1)), axis=1)[:, :PAIRS]
    values = generator.integers(0, KEPT_TOKENS, (rows, PAIRS))
    pairs = np.stack([keys, KEPT_TOKENS + values], 2).reshape(rows, 2 * PAIRS)
    queried = generator.integers(0, PAIRS, rows)
    every = np.arange(rows)
    inputs = np.concatenate([pairs, np.full((rows, lag), BLANK)], 1)
    at = np.maximum(2 * PAIRS, 2 * queried + 1 + lag)  # a short lag waits for the last pair
    inputs[every, at] = keys[every, queried]
    targets = np.full(inputs.shape, NO_TARGET)
    targets[every, at] = values[every, queried]
    return inputs, targets


DIAGNOSTICS: dict[str, tuple[Draw, float]] = {
    "copy": (copy, 1 / KEPT_TOKENS),
    "recall": (recall, 1 / KEPT_TOKENS),
    "adding": (adding, 1 / DIGITS),
    "parity": (parity, 1 / 2),
    "associative": (associative, 1 / KEPT_TOKENS),
}
"""Each task with its chance: the accuracy of the best guess."""
