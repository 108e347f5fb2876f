"""The peak memory of a process is its own, whichever process started it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from unrolled.environment import bytes_in_use, peak_bytes


def test_the_peak_memory_is_that_of_this_process() -> None:
    held = np.ones(1 << 27)  # 1 GiB
    assert peak_bytes() > held.nbytes and bytes_in_use() > held.nbytes
    words = "from unrolled.environment import peak_bytes; print(peak_bytes())"
    child = subprocess.run([sys.executable, "-c", words], check=True, capture_output=True, text=True)
    assert 10_000_000 < int(child.stdout) < held.nbytes
