"""Device, versions and processor, on which a result depends beside plan, seed and data; and memory in use."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Mapping
from typing import Any

import torch

from unrolled.errors import OptionError
from unrolled.settings import check_choice
from unrolled.version import __version__


def find_device(requested: str) -> str:
    """The requested device; for "auto" the fastest available one. Raises OptionError."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if requested == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if available[name])
    check_choice("--device", requested, ("auto", *available))
    if not available[requested]:
        known = ", ".join(name for name, usable in available.items() if usable)
        raise OptionError(f"--device {requested} is not available on this machine; available: {known}.")
    return requested


def environment(device: str) -> dict[str, Any]:
    """Versions and processor, on which a result depends beside plan, seed and data."""
    from importlib.metadata import version

    return {
        "unrolled": __version__,
        "torch": torch.__version__,
        "numpy": version("numpy"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": torch.cuda.get_device_name() if device == "cuda" else processor_name(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def differences(recorded: Mapping[str, Any], device: str, threads: int | None = None) -> list[str]:
    """One line where a recorded plan is repeated in another environment, so results may differ; else none.

    threads: the requested ones; None: those of the plan, which are equal by definition.
    """
    then, now = dict(recorded["environment"]), environment(device)
    if threads is not None:
        then, now = then | {"threads": recorded["threads"]}, now | {"threads": threads}
    changed = [f"{name} {then.get(name)} then, {now[name]} now" for name in now if then.get(name) != now[name]]
    return [f"Not bit-identical: {'; '.join(changed)}."] if changed else []


def processor_name() -> str:
    """The processor's name, as the system reports it."""
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def bytes_in_use() -> int:
    """Bytes of memory in use (Linux); elsewhere the peak so far."""
    try:
        with open("/proc/self/statm") as file:  # noqa: PTH123
            pages = int(file.read().split()[1])
    except OSError:
        return peak_bytes()
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_bytes() -> int:
    """Peak bytes of memory so far.

    On Linux, of this program alone: `getrusage` also counts the process that started it, if that was larger.
    """
    try:
        with open("/proc/self/status") as file:  # noqa: PTH123
            return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource  # not available on Windows

        unit = 1 if sys.platform == "darwin" else 1024
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class FreeMemory:
    """Gives freed memory back to the system. glibc holds what is freed between blocks that are in use, so a training
    with batches of many sizes held two to three times the memory that it used."""

    def __init__(self) -> None:
        self._kept = 0  # bytes in use after the last time
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
        self._trim = trim

    def give_back(self, growth: int = 1 << 27) -> bool:
        """Give it back if the program has grown by so many bytes since the last time, with 0 in any case; returns
        whether it was tried.

        It takes about a tenth of a second.
        """
        if self._trim is None or (growth and bytes_in_use() < self._kept + growth):
            return False
        self._trim(0)
        self._kept = bytes_in_use()
        return True
