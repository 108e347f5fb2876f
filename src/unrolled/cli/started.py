"""When this process began: a budget in minutes counts from there, not from when Python has imported what it needs."""

from __future__ import annotations

import os
import time
from pathlib import Path

MOST = 120.0  # seconds that getting to work may take; more means that the process does something else, too


def process_started() -> float:
    """When this process began, by time.monotonic(); now, where the system does not tell."""
    now = time.monotonic()
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return now
    return now - age if 0 <= age <= MOST else now
