"""List the runs in a folder, from their small files: no weights are read, and torch is not imported."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from unrolled.errors import RunError
from unrolled.given import as_path
from unrolled.rundir.facts import recorded_metric
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.locations import bytes_of, find_runs, last_written


def runs(under: str | Path = "runs") -> list[dict[str, Any]]:
    """The runs in a folder, the last written first: path, data, model, score, scored share of the split, age in
    seconds, bytes, status."""
    rows: list[dict[str, Any]] = []
    for path in find_runs(as_path(under, "The folder of runs")):
        try:
            rows.append(_row(RunFolder.open(path, any_kind=True)))
        except RunError as error:
            rows.append({"path": str(path), "status": f"damaged: {error}"})
    return rows


def _row(folder: RunFolder) -> dict[str, Any]:
    path, unlocked = folder.path, not folder.in_training()
    facts = RunFolder.open(path, any_kind=True).facts  # once more: the training may have ended since
    status = "stopped" if facts["status"] == "training" and unlocked else facts["status"]
    model = folder.settings.model or "+".join(facts.get("selected", ())) or None
    return {
        "path": str(path), "data": facts["data"]["path"], "model": model, "status": status,
        **_score(facts["scores"], str(path)), "age": time.time() - last_written(path), "bytes": bytes_of(path),
    }  # fmt: skip


def _score(scores: dict[str, Any], source: str) -> dict[str, float | None]:
    """The score for the list: nats per character, or the main metric of the first output."""
    outputs = scores.get("outputs")
    if outputs:
        first = next(iter(outputs.values()))
        figure = first["metric"]
        share = _share(scores.get("rows"), scores.get("rows_of_split"))
        return {figure: recorded_metric(first, figure, source), "scored": share}
    scored = (scores.get("test") or {}).get("tokens")
    return {"nats": scores.get("nats"), "scored": _share(scored, scores.get("test_tokens"))}


def _share(scored: Any, whole: Any) -> float | None:
    """The share of a split that was scored; None for an older run or one without a score."""
    return scored / whole if type(scored) is int and type(whole) is int and whole > 0 else None
