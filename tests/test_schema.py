"""The type of a value read from a file is checked; the message names the place, what was found and what was
expected."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from kills import FACTS

from unrolled.errors import RunError
from unrolled.options import TrainOptions
from unrolled.rundir.facts import Facts
from unrolled.schema import Within, check_type
from unrolled.training.plan import MOST_STEPS, Plan


class Session(TypedDict):
    minutes: Annotated[float, Within(0, 9)] | None
    name: NotRequired[str]


@dataclass(frozen=True)
class Size:
    width: Annotated[int, Within(1, 9)]
    way: Literal["both", "ahead"] = "both"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1, int), (1, float), (0.5, float), (True, bool), ("a", str), ([1, 2], list[int]), ({}, Any),
        ([[0.5], []], list[list[float]]), ([1, "a"], tuple[int, str]), ({"a": 1}, dict[str, int]),
        ({"minutes": None, "more": [1]}, Session), ({"minutes": 9, "name": "a"}, Session), (None, Session | None),
        ({"width": 3}, Size), ({"width": 9, "way": "ahead"}, Size),
    ],
)  # fmt: skip
def test_a_value_of_the_right_type_is_returned(value: Any, kind: Any) -> None:
    assert check_type(value, kind, "a.json") is value


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        (True, int, "it is true, where a whole number was expected"),
        (1.0, int, "it is 1.0, where a whole number was expected"),
        (2**63, int, "it is 9223372036854775808, where a whole number"),
        (10**400, float, "where a number was expected"),
        (float("nan"), float, "it is nan, where a number was expected"),
        (1, str, "it is 1, where a text was expected"),
        ("a" * 99, int, r"it is 'a{39} …, where a whole number was expected"),
        ([1, "a"], list[int], r"'\[1\]' is 'a', where a whole number was expected"),
        ([1], tuple[int, str], "it is a list of 1, where a list of 2 was expected"),
        ({"a": {"b": None}}, dict[str, dict[str, int]], "'a.b' is null, where a whole number was expected"),
        ({}, Session, "'minutes' is missing, where a number or null was expected"),
        ({"minutes": 10}, Session, "'minutes' is 10, where a number from 0 to 9 was expected"),
        ({"minutes": 1, "name": None}, Session, "'name' is null, where a text was expected"),
        ([], Session | None, r"it is \[\], where an object or null was expected"),
        ({"width": 0}, Size, "'width' is 0, where a number from 1 to 9 was expected"),
        ({"width": 1, "way": "back"}, Size, "'way' is 'back', where one of both, ahead was expected"),
        ({"width": 1, "wat": 1}, Size, "'wat' is present, where no such name was expected"),
    ],
)
def test_a_header_that_does_not_fit_is_reported(value: Any, kind: Any, said: str) -> None:
    with pytest.raises(RunError, match=rf"^a.json is damaged: .*{said}.* Use another run, or train again\.$"):
        check_type(value, kind, "a.json")


PLAN = Plan(
    model="lstm", hidden_size=4, layers=1, embedding_size=4, batch_size=4, window=16, steps=3, learning_rate=0.01,
    matrix_learning_rate=1.0, warmup=1,
    dropout=0.0, decay=0.0, matrix_decay=0.0, clip=1.0, average=0.9, bptt="full", precision="float32",
    device="cpu", threads=1, report_every=1, validate_every=1, save_every=1,
)  # fmt: skip


def test_settings_and_plans_are_restored_from_json() -> None:
    assert Plan.from_json(PLAN.to_json()) == PLAN
    assert TrainOptions.from_json(TrainOptions(minutes=3, model="gru").to_json()).minutes == 3
    assert check_type(FACTS | {"format": 2}, Facts, "run.json")


@pytest.mark.parametrize(
    ("name", "value"),
    [("hidden_size", 0), ("hidden_size", 10**9), ("layers", "1"), ("window", 1.5), ("warmup", 0), ("validate_every",
    0),
     ("learning_rate", -1.0), ("precision", "float8"), ("twice", None), ("hiden_size", 3)],
)  # fmt: skip
def test_an_invalid_plan_is_refused(name: str, value: Any) -> None:
    with pytest.raises(RunError, match=rf"^plan.jsonl, line 1, is damaged: '{name}' is "):
        Plan.from_json(PLAN.to_json() | {name: value}, "plan.jsonl, line 1,")


def test_an_absurd_number_of_updates_is_refused() -> None:
    with pytest.raises(RunError, match=r"an update of 1,048,576 rows x 65,536 steps, and at most 16,777,216"):
        Plan.from_json(replace(PLAN, batch_size=1 << 20, window=1 << 16).to_json())
    assert Plan.from_json(replace(PLAN, batch_size=1 << 10, window=MOST_STEPS >> 10).to_json()).batch_size == 1 << 10
