"""A stream of 20,000 steps: its bytes do not grow, and however it is cut into pieces it comes to the same.

`benchmarks/streaming.py` does it with a million.
"""

from __future__ import annotations

import runpy

import pytest
import torch
from conftest import REPOSITORY

from unrolled.memory import MEMORIES

STEPS = 20_000
follow = runpy.run_path(str(REPOSITORY / "benchmarks" / "streaming.py"))["follow"]


@pytest.mark.parametrize("name", MEMORIES)
def test_a_long_stream_neither_grows_nor_drifts(name: str) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    found = follow(name, STEPS, size=16)
    torch.set_num_threads(threads)
    assert len(set(found["bytes"])) == 1, "bytes of the state, at each tenth of the way"
    assert max(found["apart"]) < 1e-4, "the largest difference of outputs in each tenth of the way"
    assert found["apart"][-1] <= 10 * max(*found["apart"][:5], 1e-7), "no more at the end than before"
    assert found["states_apart"] < 1e-4
