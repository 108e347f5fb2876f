"""Run folders that were changed by hand, with checksums that fit again: checks other than the checksums have to
find the fault."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unrolled.fileio import CHECKSUM, own_digest, to_json, with_checksum
from unrolled.rundir.folder import FIXED


def change_facts(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes values of run.json, and makes its checksums fit."""
    facts = json.loads((run / "run.json").read_text())
    change(facts)
    (run / "run.json").write_text(json.dumps(facts))
    seal(run)


def seal(run: Path) -> None:
    """Makes the checksums of a run fit again, if it has any and its files can be read."""
    for name in ("plan.jsonl", "log.jsonl"):
        with contextlib.suppress(ValueError, AttributeError, FileNotFoundError):
            lines = [_without(json.loads(line)) for line in (run / name).read_text().splitlines()]
            (run / name).write_text("".join(to_json(with_checksum(line)) + "\n" for line in lines))
    with contextlib.suppress(ValueError, AttributeError, OSError):
        facts = _without(json.loads((run / "run.json").read_text()))
        if isinstance(facts.get("checksums"), dict):
            facts["checksums"] |= {name: own_digest(run / name) for name in FIXED if (run / name).is_file()}
            (run / "run.json").write_text(json.dumps(with_checksum(facts)))


def _without(value: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in value.items() if name != CHECKSUM}
