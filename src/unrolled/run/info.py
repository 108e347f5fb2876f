"""What a path holds and what would be trained on it, with nothing spent but a look."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from unrolled.data import read_corpus
from unrolled.errors import OptionError
from unrolled.memory import bring_named
from unrolled.run.asked import check_parts, keep_input, task_of
from unrolled.run.building import find_device, processor_threads
from unrolled.settings import TrainSettings
from unrolled.training.planning import plan_minutes, plan_steps


def info_data(path: str | Path, settings: TrainSettings | None = None) -> dict[str, Any]:
    """What the text at `path` is, in plain names; with a budget in `settings`, also the plan that it would get."""
    settings = settings or TrainSettings()
    settings.check()
    bring_named(settings.model)
    check_parts(settings)
    planned = settings.steps is not None or settings.minutes is not None
    if planned and settings.model == "ngram":
        raise OptionError("The n-gram has no plan: it is counted, not trained. Leave out --minutes or --model ngram.")
    with tempfile.TemporaryDirectory() as aside:
        kept = keep_input(path, Path(aside))
        corpus = read_corpus(
            kept or path, settings.documents, settings.symbols, settings.seed, settings.valid, settings.test
        )
    facts: dict[str, Any] = {
        "path": str(path),
        "description": corpus.description,
        "files": len(corpus.files),
        "skipped": len(corpus.skipped),
        "documents": corpus.document_count,
        "symbols": corpus.table.kind,
        "different_symbols": corpus.table.size - 1,
        **{part: corpus.targets(part) for part in corpus.parts},
        "unseen": corpus.unseen,
    }
    device, threads = find_device(settings.device), settings.threads or processor_threads()
    if settings.steps is not None:
        facts["plan"] = plan_steps(settings.of_learnt(), task_of(corpus), device, threads).to_json()
    elif settings.minutes is not None:
        seconds = 0.85 * 60 * settings.minutes
        facts["plan"] = plan_minutes(settings.of_learnt(), task_of(corpus), device, threads, seconds).to_json()
    return facts
