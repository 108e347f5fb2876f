"""What training tells while it goes on."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Report:
    """One look at a training that goes on. Every report has a loss; only some have a validation and a sample."""

    step: int
    steps: int  # updates planned in all
    progress: float  # share of the schedule done, 0 to 1
    seconds: float  # used so far, earlier legs before a resumption included
    seconds_left: float | None  # until the end; None where not known yet
    loss: float  # nats a symbol, on what was trained on since the last report
    rate: float  # learning rate
    symbols: int  # read in training so far
    symbols_a_second: float
    bytes_in_use: int  # of this process
    validation: float | None = None  # nats a character
    best: float | None = None  # the best validation so far
    sample: str | None = None  # what it writes now
    copied_longest: int | None = None  # symbols of the sample's longest run that stands in the training text
    copied_share: float | None = None  # share of the sample's 50-symbol pieces that stand there
    notes: tuple[str, ...] = ()  # what a person should know: a new plan, a step back

    def as_dict(self) -> dict[str, Any]:
        """The report in plain names, as log.jsonl and --json have it; what is not there is left out."""
        values = {name: value for name, value in asdict(self).items() if value is not None and value != ()}
        return {name: round(v, 6) if isinstance(v, float) and math.isfinite(v) else v for name, v in values.items()}
