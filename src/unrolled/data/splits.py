"""The three splits of any data, and what --valid and --test accept."""

from __future__ import annotations

from unrolled.errors import OptionError

SPLITS = ("training", "validation", "test")


def parse_share(name: str, value: str | float | None, default: float) -> float | str:
    """Parse --valid or --test: a share of the text (0 to 0.5), "none" (0), or a path, which is returned."""
    if value is None:
        return default
    if isinstance(value, str):
        try:
            value = float(0 if value == "none" else value)
        except ValueError:
            return str(value)
    if not 0 <= value <= 0.5:
        raise OptionError(f"--{name} takes a share of the text from 0 to 0.5, a file, or none; got {value}.")
    return value
