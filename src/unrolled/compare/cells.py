"""The cells of a comparison: each is one training of a model with a BPTT strategy and a seed."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import Any

from unrolled.compare_options import CompareSettings
from unrolled.errors import OptionError
from unrolled.gradient import BPTT_STRATEGIES
from unrolled.memory import register_named
from unrolled.options import TrainOptions
from unrolled.registry import build, parse_list
from unrolled.tasks.model_names import check_model_names

NO_BPTT = "counted"  # in the place of the BPTT strategy, which the n-gram does not have


@dataclass(frozen=True)
class ComparisonCell:
    """One training."""

    model: str
    bptt: str  # the BPTT strategy, or NO_BPTT
    seed: int
    lag: int | None = None  # in steps, of a diagnostic task

    @property
    def name(self) -> str:
        """The name of the cell's folder, unique to the cell."""
        lag = "" if self.lag is None else f" lag {self.lag}"
        text = f"{self.model} {self.bptt} seed {self.seed}{lag}"
        return re.sub(r"[^\w.=,+-]", lambda found: {"/": "~", ":": "@", " ": "_"}.get(found[0], "%"), text)

    @property
    def key(self) -> dict[str, Any]:
        """The fields that identify the cell, for JSON."""
        return asdict(self)


def cells_of(settings: CompareSettings, task: bool) -> list[ComparisonCell]:
    """The cells in the order of training: first every model with the first seed.

    Raises OptionError for an unknown model or BPTT strategy, and for the n-gram on a task.
    """
    models = parse_list("--models", settings.models)
    strategies = parse_list("--bptt", settings.bptt)
    for model in models:
        register_named(model)
        check_model_names(TrainOptions(model=model))
        if task and "ngram" in re.split(r"[+/]", model):
            raise OptionError("An n-gram cannot be fitted on a diagnostic task. Leave ngram out of --models.")
    for strategy in strategies:
        build("bptt", BPTT_STRATEGIES, strategy)
    lags = settings.lags() if task else [None]
    return [
        ComparisonCell(model, bptt, settings.seed + k, lag)
        for k in range(settings.seeds)
        for lag in lags
        for model in models
        for bptt in ([NO_BPTT] if model == "ngram" else strategies)
    ]


def train_settings(
    settings: CompareSettings, cell: ComparisonCell, sizes: dict[str, tuple[int, int]]
) -> TrainOptions:
    """The training options of a cell; `sizes` are the width and depth found for each model."""
    options = TrainOptions(
        model=cell.model, seed=cell.seed, documents=settings.documents, no_header=settings.no_header,
        task=settings.task, tokenizer=settings.tokenizer,
    )  # fmt: skip
    if cell.bptt == NO_BPTT:
        return options
    size, depth = sizes.get(cell.model, (settings.hidden_size, settings.layers))
    return replace(
        options, minutes=settings.minutes, steps=settings.steps, bptt=cell.bptt, hidden_size=size, layers=depth,
        threads=settings.threads, device=settings.device,
    )  # fmt: skip
