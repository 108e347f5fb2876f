"""What a feed-forward net lacks, and that the loop of a recurrent net is the same net unrolled."""

from __future__ import annotations

from typing import NamedTuple

import torch

from unrolled.demos.diagnosed import Diagnosed, train_on_task
from unrolled.memory import RNN, unroll_by_steps
from unrolled.seeds import make_generator, number

MODELS = ("none", "rnn")
BITS = (1, 4, 8)  # of a row, whose parity is asked for
STEPS, SIZE = 600, 32
ROWS, UNROLLED = 4, 50  # of the loop that is compared with its unrolling


class LoopDemo(NamedTuple):
    """Parity learnt with and without a memory, and the loop against its unrolling."""

    trainings: tuple[Diagnosed, ...]
    loop_steps: int  # steps of the rows with which the loop is compared
    loop_difference: float  # largest difference between an output of the loop and one of the unrolled net


def show_loop(seed: int = 0) -> LoopDemo:
    """Trains a feed-forward and a recurrent net to tell whether the ones so far are odd in number."""
    trainings = [train_on_task("parity", model, "full", bits, seed, STEPS, SIZE) for bits in BITS for model in MODELS]
    return LoopDemo(tuple(trainings), UNROLLED, loop_difference(seed))


@torch.no_grad()
def loop_difference(seed: int) -> float:
    """The largest difference between stepping a recurrent net in a loop and unrolling it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(number(seed, "demo loop"))
        memory = RNN(SIZE, SIZE)
    xs = torch.randn(ROWS, UNROLLED, SIZE, generator=make_generator(seed, "demo loop inputs"))  # (B, T, D)
    stepped, _ = unroll_by_steps(memory, xs, memory.start(ROWS))  # (B, T, H)
    unrolled, _ = memory.unroll(xs, memory.start(ROWS))
    return float((stepped - unrolled).abs().max())
