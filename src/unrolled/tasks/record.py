"""What passes between a training and its task: the cost of concluding, and the record it starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from unrolled.deadline import Deadline
    from unrolled.training.plan import Plan


class ConclusionCost(NamedTuple):
    """The time that concluding takes, beside a last validation and one pass over the test split."""

    seconds: float = 0.0
    ensemble: float | None = 0.0  # extra seconds per item of an ensemble, beside its net; None: no time for one


class ReadingLimits(NamedTuple):
    """How much data is processed at the end: all, or as much as the budget has time for."""

    test: int  # items of the test split
    fit: int  # items of the validation split that an ensemble's weights are fitted on
    memorisation: int  # tokens of the training text that a sample is compared with


@dataclass(frozen=True)
class TrainingRecord:
    """The result of the updates, from which a task concludes."""

    model: Any  # with the averaged weights that were best on validation
    plan: Plan  # the last plan
    deadline: Deadline  # for all of the conclusion
    cost: ConclusionCost  # as the task gave it before the first update
    limits: ReadingLimits
    best: float  # nats of `model` on the validation split
    untrained: float  # the same before the first update
    last_sample: str | None
