"""The memory of a process: its own peak, whichever process started it, and what it gives back."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import numpy as np
import pytest

from unrolled.environment import FreeMemory, bytes_in_use, peak_bytes


def test_the_peak_memory_is_that_of_this_process() -> None:
    held = np.ones(1 << 27)  # 1 GiB
    assert peak_bytes() > held.nbytes and bytes_in_use() > held.nbytes
    words = "from unrolled.environment import peak_bytes; print(peak_bytes())"
    child = subprocess.run([sys.executable, "-c", words], check=True, capture_output=True, text=True)
    assert 10_000_000 < int(child.stdout) < held.nbytes


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs glibc")
def test_freed_memory_between_blocks_in_use_is_given_back() -> None:
    memory = FreeMemory()
    memory.give_back(0)
    before = bytes_in_use()
    blocks = [bytes(3_000) for _ in range(100_000)]
    held = blocks[::100]
    del blocks
    assert not memory.give_back(1 << 40), "it has not grown by so much"
    assert bytes_in_use() - before > 2e8, "glibc keeps it: blocks in use are above it"
    assert memory.give_back(1 << 20)
    assert bytes_in_use() - before < 5e7
    assert not memory.give_back(1 << 20) and len(held) == 1_000
