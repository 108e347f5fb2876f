"""Bytes that this process holds in memory."""

from __future__ import annotations

import os
import sys


def bytes_in_use() -> int:
    """Bytes held now (Linux); the most so far where only that is known."""
    try:
        with open("/proc/self/statm") as file:  # noqa: PTH123
            pages = int(file.read().split()[1])
    except OSError:
        return peak_bytes()
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_bytes() -> int:
    """The most bytes held so far.

    On Linux of this program alone: what `getrusage` says counts whoever started it too, if that was larger.
    """
    try:
        with open("/proc/self/status") as file:  # noqa: PTH123
            return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource  # not to be had on Windows

        unit = 1 if sys.platform == "darwin" else 1024
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
