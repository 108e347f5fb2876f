"""The start time of this process: a budget in minutes counts from there, not from the end of Python's imports."""

from __future__ import annotations

import os
import time
from pathlib import Path

LONGEST_START = 120.0  # seconds; an older process did other work before


def process_started() -> float:
    """The start time of this process, by time.monotonic(); now, where the system does not report it."""
    now = time.monotonic()
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return now
    return now - age if 0 <= age <= LONGEST_START else now
