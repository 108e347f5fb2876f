"""How the demos of the lecture print: tables with columns of one width, and records as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unrolled.cli.output import say


def say_table(titles: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> None:
    """Prints rows below their titles. The first `texts` columns begin at the left, numbers end at the right."""
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        cells = [
            cell.ljust(width) if number < texts else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        say("  ".join(cells).rstrip())


def percent(share: float) -> str:
    """A share as percent."""
    return f"{share:.0%}"


def record_facts(record: Any) -> Any:
    """A record of a demo for JSON: named tuples as objects."""
    if hasattr(record, "_asdict"):
        return {name: record_facts(value) for name, value in record._asdict().items()}
    if isinstance(record, dict):
        return {name: record_facts(value) for name, value in record.items()}
    return [record_facts(value) for value in record] if isinstance(record, list | tuple) else record
