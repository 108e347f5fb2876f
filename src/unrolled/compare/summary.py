"""The summary of a comparison: the conclusions from its figures, and its table as text."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from unrolled.compare.cells import NO_BPTT
from unrolled.metrics.surprise import student_t

ComparisonRow = dict[str, Any]
LEARNT_ACCURACY = 0.9  # accuracy from which a task counts as learnt


def row_name(row: ComparisonRow) -> str:
    """A row's model, and its BPTT strategy unless that is `full`."""
    return row["model"] if row["bptt"] in (NO_BPTT, "full") else f"{row['model']} by {row['bptt']}"


def difference(better: ComparisonRow, worse: ComparisonRow) -> tuple[float, float]:
    """(mean, half of its 95% interval) of worse - better, paired by seed; the half is nan with one seed."""
    shared = [seed for seed in better["seeds"] if seed in worse["seeds"]]
    pairs = [(better["seeds"].index(seed), worse["seeds"].index(seed)) for seed in shared]
    differences = [worse["by_seed"][b] - better["by_seed"][a] for a, b in pairs]
    if len(differences) < 2:
        return (statistics.fmean(differences) if differences else math.nan), math.nan
    half = student_t(len(differences) - 1) * statistics.stdev(differences) / math.sqrt(len(differences))
    return statistics.fmean(differences), half


def sentences(rows: Sequence[ComparisonRow]) -> list[str]:
    """The conclusions of a comparison, in a few sentences; none where there is no result."""
    scored = [row for row in rows if "by_seed" in row]
    failed = [f"{row_name(row)} failed: {row['failed']}" for row in rows if "failed" in row]
    if not scored:
        return failed
    return (_on_a_text if "nats" in scored[0] else _on_a_task)(scored) + failed


def _on_a_text(rows: Sequence[ComparisonRow]) -> list[str]:
    best, *others = sorted(rows, key=lambda row: row["nats"])
    lines = [f"Best on validation: {row_name(best)}, {best['nats']:.3f} nats per character."]
    if not others:
        return lines
    if min(len(best["seeds"]), *(len(row["seeds"]) for row in others)) < 2:
        lines.append("With one seed, the random variation of these figures is unknown. Use --seeds 3 or more.")
        return lines
    significant: list[str] = []
    unclear: list[str] = []
    for row in others:
        mean, half = difference(best, row)
        (significant if mean - half > 0 else unclear).append(f"{row_name(row)} ({mean:+.3f} ± {half:.3f})")
    if significant:
        lines.append(f"Over these seeds, it is better than {', '.join(significant)}.")
    if unclear:
        lines.append(f"It does not differ significantly from {', '.join(unclear)}. Use more seeds.")
    lines.append("This holds for this text, budget and machine; another text or more time may change the order.")
    return lines


def _on_a_task(rows: Sequence[ComparisonRow]) -> list[str]:
    lines = []
    for name in dict.fromkeys(map(row_name, rows)):
        own = sorted((row for row in rows if row_name(row) == name), key=lambda row: row["lag"])
        learnt = [row["lag"] for row in own if row["accuracy"] >= LEARNT_ACCURACY]
        missed = [row["lag"] for row in own if row["accuracy"] < LEARNT_ACCURACY]
        if not missed:
            lines.append(f"{name} learnt the task at every lag, up to {own[-1]['lag']:,}.")
        elif not learnt:
            lines.append(f"{name} did not learn the task at any lag.")
        else:
            lines.append(f"{name} learnt the task at {_lags(learnt)} and not at {_lags(missed)}.")
    lines.append(
        f"Learnt means a mean accuracy of at least {LEARNT_ACCURACY:.0%} over seeds. A longer budget may change this."
    )
    return lines


def _lags(lags: Sequence[int]) -> str:
    return ("lag " if len(lags) == 1 else "lags ") + ", ".join(f"{lag:,}" for lag in lags)


TASK_COLUMNS = ("model", "lag", "accuracy", "spread", "parameters", "seconds")
COLUMNS = ("model", "nats", "interval", "spread", "parameters", "reach", "state", "ms/token", "tokens/s", "peak")


def columns(rows: Sequence[ComparisonRow]) -> tuple[str, ...]:
    """The column heads of the table for these rows."""
    return TASK_COLUMNS if rows and "lag" in rows[0] else COLUMNS


def row_line(row: ComparisonRow) -> dict[str, str]:
    """A row as text, by column."""
    if "lag" in row:
        return _task_line(row)
    if "nats" not in row:
        return {name: row_name(row) if name == "model" else "failed" if name == "nats" else "" for name in COLUMNS}
    state = row["state_bytes"]
    return {
        "model": row_name(row),
        "nats": f"{row['nats']:.3f}",
        "interval": "–".join(f"{end:.3f}" for end in row["nats_interval"] or ()) or "-",
        "spread": "–".join(f"{value:.3f}" for value in dict.fromkeys(row["spread"])),
        "parameters": f"{row['parameters']:,.0f}" if row.get("parameters") else "counted",
        "reach": f"{row['reach_tokens']:,.0f}",
        "state": " → ".join(f"{count:,} B" for count in dict.fromkeys(state.values())),
        "ms/token": f"{row['ms_per_token']:.2f}" if "ms_per_token" in row else "",
        "tokens/s": f"{row['tokens_per_second']:,.0f}" if "tokens_per_second" in row else "",
        "peak": f"{row['peak_bytes'] / 1e6:,.0f} MB" if "peak_bytes" in row else "",
    }


def _task_line(row: ComparisonRow) -> dict[str, str]:
    line = dict.fromkeys(TASK_COLUMNS, "") | {"model": row_name(row), "lag": f"{row['lag']:,}", "accuracy": "failed"}
    if "accuracy" not in row:
        return line
    return line | {
        "accuracy": f"{row['accuracy']:.1%}",
        "spread": "–".join(f"{value:.1%}" for value in dict.fromkeys(row["spread"])),
        "parameters": f"{row['parameters']:,.0f}",
        "seconds": f"{row['seconds']:.0f}",
    }
