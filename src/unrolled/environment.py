"""What a result depends on beside plan, seed and data: device, versions, processor; and the bytes in use."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from typing import Any

import torch

from unrolled.errors import OptionError
from unrolled.settings import check_choice
from unrolled.version import __version__


def find_device(asked: str) -> str:
    """The device to use: the one asked for, or for "auto" the fastest there is. Raises OptionError."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if asked == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    check_choice("--device", asked, ("auto", *there))
    if not there[asked]:
        known = ", ".join(name for name, is_there in there.items() if is_there)
        raise OptionError(f"--device {asked} is not to be had here. There is: {known}.")
    return asked


def environment(device: str) -> dict[str, Any]:
    """What a result depends on beside plan, seed and data: versions and processor."""
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
    """A line where a run's plan is followed on what its bytes depend on and is another now; none where nothing is.

    threads: where they were asked for; otherwise the plan's are taken, which are the same.
    """
    there, here = dict(recorded["environment"]), environment(device)
    if threads is not None:
        there, here = there | {"threads": recorded["threads"]}, here | {"threads": threads}
    changed = [f"{name} {there.get(name)} then, {here[name]} now" for name in here if there.get(name) != here[name]]
    return [f"Not bit for bit: {'; '.join(changed)}."] if changed else []


def processor_name() -> str:
    """The processor's name, as the system states it."""
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


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
