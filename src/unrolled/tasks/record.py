"""What passes between a training and its task: what concluding takes, and what it is done from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from unrolled.deadline import Deadline
    from unrolled.training.plan import Plan


class ConclusionCost(NamedTuple):
    """What concluding takes beside a last validation and one reading of the test split."""

    seconds: float = 0.0
    ensemble: float | None = 0.0  # seconds per item that an ensemble takes beside its net; None: no time for one


class ReadingLimits(NamedTuple):
    """How much is read at the end: all, or what the budget has time for."""

    test: int  # items of the test split
    fit: int  # items of the validation split that an ensemble's weights are fitted on
    memorisation: int  # tokens of the training text that a sample is compared with


@dataclass(frozen=True)
class TrainingRecord:
    """What a task concludes from once its updates are done."""

    model: Any  # with the averaged weights that were best on the validation split
    plan: Plan  # the last
    deadline: Deadline  # for all of it
    cost: ConclusionCost  # as the task gave it before the first update
    limits: ReadingLimits
    best: float  # nats of `model` on the validation split
    untrained: float  # the same before the first update
    last_sample: str | None
