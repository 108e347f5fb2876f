"""The report of a training in progress."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Report:
    """The state of a training at one update. Every report has a loss; only some have a validation and a sample."""

    step: int  # updates done
    steps: int  # updates planned in all
    progress: float  # share of the schedule done, 0 to 1
    seconds: float  # used so far, earlier sessions included
    seconds_left: float | None  # until the end; None while unknown
    loss: float  # mean nats per token or row since the last report
    learning_rate: float
    tokens: int  # tokens or rows trained on so far
    tokens_per_second: float  # or rows
    bytes_in_use: int  # of this process
    validation: float | None = None  # nats, in the unit of the task: per character, per prediction
    best: float | None = None  # the best validation so far
    sample: str | None = None  # a generated text, or predictions for a few rows
    memorised_longest: int | None = None  # tokens of the sample's longest verbatim copy from the training text
    memorised_share: float | None = None  # share of the sample's 50-token segments that occur there
    notes: tuple[str, ...] = ()  # messages for the user: a new plan, going back to a checkpoint

    def to_dict(self) -> dict[str, Any]:
        """The report as in log.jsonl and --json; missing values are left out."""
        values = {name: value for name, value in asdict(self).items() if value is not None and value != ()}
        return {name: round(v, 6) if isinstance(v, float) and math.isfinite(v) else v for name, v in values.items()}
