"""The demos without a training of a run: loop, state and the bytes of a backward pass."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from commands import Unroll

from unrolled.demos import bptt, loop, truncated
from unrolled.demos.state import RATE, SIZE, UPDATES, show_state
from unrolled.gradient.checkpointed import graph_bytes
from unrolled.memory import LSTM
from unrolled.model.hello import LETTERS, encode, learn_hello, make_hello

CHECKPOINTED = bptt.STRATEGIES[2]


@pytest.fixture(scope="module")
def passes() -> dict[tuple[str, int], bptt.BackwardPass]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bptt, "LENGTHS", (64, 1024))
        return {(one.bptt, one.steps): one for one in bptt.show_bptt(0)}


def test_full_backpropagation_grows_with_the_steps(passes: dict[tuple[str, int], bptt.BackwardPass]) -> None:
    assert passes["full", 1024].bytes == pytest.approx(16 * passes["full", 64].bytes, rel=0.1)
    for strategy in ("truncated:k1=64", CHECKPOINTED):
        assert passes[strategy, 1024].bytes < 0.7 * passes["full", 1024].bytes
    assert passes["truncated:k1=64", 1024].bytes < 1.5 * passes["truncated:k1=64", 64].bytes


def test_only_truncated_backpropagation_has_an_error(passes: dict[tuple[str, int], bptt.BackwardPass]) -> None:
    assert passes["truncated:k1=64", 1024].error > 0.01
    assert passes["truncated:k1=64", 64].error == 0 and passes["full", 1024].error == 0
    assert passes[CHECKPOINTED, 1024].error < 1e-5
    assert passes[CHECKPOINTED, 1024].computed > 1024 == passes["truncated:k1=64", 1024].computed


def test_the_bytes_are_those_that_the_strategies_count() -> None:
    memory, xs = LSTM(8, 8), torch.randn(2, 30, 8)
    held, computed, _ = bptt.backward(memory, xs, "full")

    def segment_loss(state: Any, a: int, b: int) -> tuple[torch.Tensor, Any]:
        outputs, state = memory.unroll(xs[:, a:b], state)
        return outputs.sum(), state

    assert held == pytest.approx(graph_bytes(segment_loss, memory.start(2), 30), rel=0.05)
    assert computed == 30


def test_bptt_prints_a_row_for_each_pass(unroll: Unroll, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bptt, "LENGTHS", (64, 128))
    rows = [json.loads(line) for line in unroll("demo", "bptt", "--json").out.splitlines()]
    assert [(row["bptt"], row["steps"]) for row in rows] == [(s, n) for n in (64, 128) for s in bptt.STRATEGIES]
    text = unroll("demo", "bptt").out
    assert all(f"{row['bytes']:,}" in text for row in rows)


def test_a_step_is_that_of_the_memory() -> None:
    model = make_hello(0, SIZE)
    *_, last = learn_hello(model, UPDATES, RATE)
    steps, state = show_state(0), model.start(1)
    assert last.generated == "ello"
    for step, token in zip(steps, encode("hell")[0], strict=True):
        with torch.no_grad():
            logits, state = model.step(token[None], state)
        assert step.after == pytest.approx(state.hidden[0].tolist(), abs=1e-6)
        assert list(step.probabilities.values()) == pytest.approx(logits[0].softmax(0).tolist(), abs=1e-6)
        sums = [a + b for a, b in zip(step.from_input, step.from_past, strict=True)]
        assert step.after == pytest.approx(torch.tensor(sums).tanh().tolist(), abs=1e-6)
    assert [step.before for step in steps[1:]] == [step.after for step in steps[:-1]]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_state_tells_the_two_letters_apart(unroll: Unroll, seed: int) -> None:
    steps = [json.loads(line) for line in unroll("demo", "state", "--json", "--seed", seed).out.splitlines()]
    assert [step["letter"] for step in steps] == list("hell")
    best = [max(LETTERS, key=lambda letter: step["probabilities"][letter]) for step in steps]
    assert "".join(best) == "ello"
    assert steps[2]["from_input"] == steps[3]["from_input"] and steps[2]["from_past"] != steps[3]["from_past"]
    assert unroll("demo", "state", "--seed", seed).out.count("predicts") == 4


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_loop_equals_its_unrolling(seed: int) -> None:
    assert 0 <= loop.loop_difference(seed) < 1e-6


def test_loop_and_truncated_print_their_trainings(unroll: Unroll, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "STEPS", 2)
    monkeypatch.setattr(loop, "BITS", (2,))
    monkeypatch.setattr(truncated, "STEPS", 2)
    monkeypatch.setattr(truncated, "LAGS", (2,))
    (facts,) = (json.loads(line) for line in unroll("demo", "loop", "--json").out.splitlines())
    assert [(one["model"], one["lag"], one["updates"]) for one in facts["trainings"]] == [
        ("none", 2, 2),
        ("rnn", 2, 2),
    ]
    text = unroll("demo", "loop", "--quiet")
    assert "feed-forward" in text.out and "recurrent" in text.out and text.err == ""
    rows = [json.loads(line) for line in unroll("demo", "truncated", "--json").out.splitlines()]
    assert [(one["bptt"], one["lag"]) for one in rows] == [
        (s, n) for n in truncated.LAGS for s in truncated.STRATEGIES
    ]
    shown = unroll("demo", "truncated")
    assert shown.out.count(" 2 steps") == 2 and "Trains four nets" in shown.err


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_feed_forward_net_does_not_learn_parity(seed: int) -> None:
    found = {(one.model, one.lag): one.accuracy for one in loop.show_loop(seed).trainings}
    assert found["none", 1] == found["rnn", 1] == 1
    for bits in loop.BITS[1:]:
        assert found["none", bits] < 0.6 and found["rnn", bits] > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_a_dependency_past_the_cut_is_not_learnt(seed: int) -> None:
    found = {(one.bptt, one.lag): one.accuracy for one in truncated.show_truncated(seed)}
    near, far = truncated.LAGS
    full, cut = truncated.STRATEGIES
    assert min(found[full, near], found[cut, near]) > 0.9 and found[full, far] > 0.6
    assert found[cut, far] < 0.3
