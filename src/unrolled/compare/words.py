"""What a comparison's figures allow to say, and what not."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from unrolled.compare.cells import COUNTED
from unrolled.metrics.surprise import student_t

Row = dict[str, Any]
KEPT = 0.9  # share of answers right from which a task counts as learnt


def name_of(row: Row) -> str:
    """A row's model, and its gradient where that is not the whole one."""
    return row["model"] if row["gradient"] in (COUNTED, "full") else f"{row['model']} by {row['gradient']}"


def difference(better: Row, worse: Row) -> tuple[float, float]:
    """(mean, half of its 95% interval) of worse - better, seed by seed; the half is nan with one seed alone."""
    shared = [seed for seed in better["seeds"] if seed in worse["seeds"]]
    pairs = [(better["seeds"].index(seed), worse["seeds"].index(seed)) for seed in shared]
    off = [worse["by_seed"][b] - better["by_seed"][a] for a, b in pairs]
    if len(off) < 2:
        return (statistics.fmean(off) if off else math.nan), math.nan
    return statistics.fmean(off), student_t(len(off) - 1) * statistics.stdev(off) / math.sqrt(len(off))


def sentences(rows: Sequence[Row]) -> list[str]:
    """The verdict on a comparison, in a sentence or a few; none where nothing came out."""
    scored = [row for row in rows if "by_seed" in row]
    failed = [f"{name_of(row)} failed: {row['failed']}" for row in rows if "failed" in row]
    if not scored:
        return failed
    return (_on_a_text if "nats" in scored[0] else _on_a_task)(scored) + failed


def _on_a_text(rows: Sequence[Row]) -> list[str]:
    best, *others = sorted(rows, key=lambda row: row["nats"])
    lines = [f"Best on validation: {name_of(best)}, {best['nats']:.3f} nats a character."]
    if not others:
        return lines
    if min(len(best["seeds"]), *(len(row["seeds"]) for row in others)) < 2:
        lines.append("With one seed these figures do not say how far chance moves them: take --seeds 3 or more.")
        return lines
    surely: list[str] = []
    maybe: list[str] = []
    for row in others:
        mean, half = difference(best, row)
        (surely if mean - half > 0 else maybe).append(f"{name_of(row)} ({mean:+.3f} ± {half:.3f})")
    if surely:
        lines.append(f"Over these seeds it is better than {', '.join(surely)}.")
    if maybe:
        lines.append(f"They do not tell it from {', '.join(maybe)}: take more seeds.")
    lines.append(
        "All this holds for this text, this budget and this machine; another text or more time may turn the order."
    )
    return lines


def _on_a_task(rows: Sequence[Row]) -> list[str]:
    lines = []
    for name in dict.fromkeys(map(name_of, rows)):
        own = sorted((row for row in rows if name_of(row) == name), key=lambda row: row["lag"])
        kept = [row["lag"] for row in own if row["accuracy"] >= KEPT]
        lost = [row["lag"] for row in own if row["accuracy"] < KEPT]
        if not lost:
            lines.append(f"{name} learnt it at every lag, up to {own[-1]['lag']:,}.")
        elif not kept:
            lines.append(f"{name} learnt it at no lag.")
        else:
            lines.append(f"{name} learnt it at {_lags(kept)} and not at {_lags(lost)}.")
    lines.append(f"Learnt is {KEPT:.0%} right in the mean over seeds. In a longer budget more may.")
    return lines


def _lags(lags: Sequence[int]) -> str:
    return ("lag " if len(lags) == 1 else "lags ") + ", ".join(f"{lag:,}" for lag in lags)


TASK_COLUMNS = ("model", "lag", "right", "spread", "parameters", "seconds")
COLUMNS = ("model", "nats", "interval", "spread", "parameters", "reach", "state", "ms/symbol", "symbols/s", "peak")


def columns(rows: Sequence[Row]) -> tuple[str, ...]:
    """The heads of the table that fits these rows."""
    return TASK_COLUMNS if rows and "lag" in rows[0] else COLUMNS


def row_line(row: Row) -> dict[str, str]:
    """A row as words, by column."""
    if "lag" in row:
        return _task_line(row)
    if "nats" not in row:
        return {name: name_of(row) if name == "model" else "failed" if name == "nats" else "" for name in COLUMNS}
    state = row["state_bytes"]
    return {
        "model": name_of(row),
        "nats": f"{row['nats']:.3f}",
        "interval": "–".join(f"{end:.3f}" for end in row["nats_interval"] or ()) or "-",
        "spread": "–".join(f"{value:.3f}" for value in dict.fromkeys(row["spread"])),
        "parameters": f"{row['parameters']:,.0f}" if row.get("parameters") else "counted",
        "reach": f"{row['reach_symbols']:,.0f}",
        "state": " → ".join(f"{count:,} B" for count in dict.fromkeys(state.values())),
        "ms/symbol": f"{row['ms_a_symbol']:.2f}" if "ms_a_symbol" in row else "",
        "symbols/s": f"{row['symbols_a_second']:,.0f}" if "symbols_a_second" in row else "",
        "peak": f"{row['peak_bytes'] / 1e6:,.0f} MB" if "peak_bytes" in row else "",
    }


def _task_line(row: Row) -> dict[str, str]:
    line = dict.fromkeys(TASK_COLUMNS, "") | {"model": name_of(row), "lag": f"{row['lag']:,}", "right": "failed"}
    if "accuracy" not in row:
        return line
    return line | {
        "right": f"{row['accuracy']:.1%}",
        "spread": "–".join(f"{value:.1%}" for value in dict.fromkeys(row["spread"])),
        "parameters": f"{row['parameters']:,.0f}",
        "seconds": f"{row['seconds']:.0f}",
    }
