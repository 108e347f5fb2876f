"""A stream of thousands of steps: the state does not grow, and any division into chunks gives the same result.

`benchmarks/streaming.py` does this with a million steps.
"""

from __future__ import annotations

import runpy

import pytest
from conftest import REPOSITORY

from unrolled.memory import MEMORIES
from unrolled.threads import single_thread

STEPS = [2_000, pytest.param(20_000, marks=pytest.mark.slow)]
follow = runpy.run_path(str(REPOSITORY / "benchmarks" / "streaming.py"))["follow"]


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("name", MEMORIES)
def test_a_long_stream_neither_grows_nor_drifts(name: str, steps: int) -> None:
    with single_thread():
        found = follow(name, steps, size=16)
    assert len(set(found["bytes"])) == 1, "bytes of the state, at each tenth of the way"
    assert max(found["apart"]) < 1e-4, "the largest difference of outputs in each tenth of the way"
    assert found["apart"][-1] <= 10 * max(*found["apart"][:5], 1e-7), "no more at the end than before"
    assert found["states_apart"] < 1e-4
