"""Properties of attention beyond the laws: its clock, its bytes, and what it refuses."""

from __future__ import annotations

import pytest
import torch

from unrolled import states
from unrolled.errors import OptionError
from unrolled.memory import Attention
from unrolled.memory.attention import SHORT, attend, rotate


def an_attention(span: int | None) -> Attention:
    torch.manual_seed(0)
    return Attention(6, 8, heads=2, span=span).requires_grad_(False)


@pytest.mark.parametrize("span", [1, 3, 7, None])
def test_it_is_softmax_over_the_last_steps(span: int | None) -> None:
    """Compared with attention written out, without a cache: each step attends to the last `span` steps, with
    rotated keys."""
    attention = an_attention(span).double()
    xs = torch.randn(1, 20, 6, dtype=torch.float64)
    outputs, _ = attention.unroll(xs, attention.start(1))
    at = torch.arange(20)[None]
    queries, keys = (rotate(of(xs), at, 2).view(20, 2, 4) for of in (attention.query, attention.key))
    values = attention.value(xs).view(20, 2, 4)
    for t in range(20):
        first = 0 if span is None else max(0, t - span + 1)
        heads = []
        for head in range(2):
            scores = keys[first : t + 1, head] @ queries[t, head] / 2.0  # √4
            heads.append(torch.softmax(scores, 0) @ values[first : t + 1, head])
        torch.testing.assert_close(outputs[0, t], attention.output(torch.cat(heads)))


def test_after_a_million_steps_it_works_as_at_the_start() -> None:
    """Only differences of positions matter; in float32 too, where a million radians are off by 0.03."""
    attention = an_attention(span=5)
    xs = torch.randn(2, 12, 6)
    outputs, _ = attention.unroll(xs, attention.start(2))
    later = attention.start(2)._replace(clock=torch.tensor([1_000_000, 5_000_003]))
    # the empty places of a start state would count as steps: far enough on, all of them have been replaced
    found, _ = attention.unroll(xs, later)
    torch.testing.assert_close(found[:, 5:], outputs[:, 5:], rtol=1e-5, atol=1e-5)


def test_bytes_stay_the_same_with_a_span_and_grow_without() -> None:
    sliding, growing = an_attention(span=4), an_attention(span=None)
    sizes: dict[str, list[int]] = {"sliding": [], "growing": []}
    for name, attention in (("sliding", sliding), ("growing", growing)):
        state = attention.start(1)
        for _ in range(3):
            _, state = attention.unroll(torch.randn(1, 50, 6), state)
            sizes[name].append(states.count_bytes(state))
    assert len(set(sizes["sliding"])) == 1
    assert sizes["growing"] == [50 * 64 + 8, 100 * 64 + 8, 150 * 64 + 8]


def test_states_that_have_grown_differently_are_joined() -> None:
    attention = an_attention(span=None).double()
    xs = torch.randn(2, 9, 6, dtype=torch.float64)
    _, long = attention.unroll(xs[:1, :7], attention.start(1))
    _, short = attention.unroll(xs[1:, :2], attention.start(1))
    joined = states.join([long, short])
    assert states.row_count(joined) == 2
    outputs, _ = attention.unroll(xs[:, 7:], joined)
    torch.testing.assert_close(outputs[:1], attention.unroll(xs[:1, 7:], long)[0])
    expected, _ = attention.unroll(xs[1:, 7:], short)
    torch.testing.assert_close(outputs[1:], expected)
    back = states.load(states.save(short), like=attention.start(1))
    torch.testing.assert_close(attention.unroll(xs[1:, 7:], back)[0], expected)


def test_invalid_arguments_are_refused() -> None:
    with pytest.raises(OptionError, match="span of 0"):
        Attention(4, 8, span=0)
    with pytest.raises(OptionError, match="the number of heads must divide the size"):
        Attention(4, 8, heads=3)


@pytest.mark.parametrize("places", [SHORT, SHORT + 1])
def test_bfloat16_attention_equals_the_fused_kernel(places: int) -> None:
    """Few keys are multiplied plainly under autocast, more are not; both are within bfloat16's precision of
    float32."""
    torch.manual_seed(0)
    sees = torch.ones(places, places, dtype=torch.bool).tril()

    def looked(fast: bool) -> list[torch.Tensor]:
        torch.manual_seed(1)
        parts = [torch.randn(2, 3, places, 8, dtype=torch.float32).requires_grad_() for _ in range(3)]
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            found = attend(parts[0], parts[1], parts[2], sees)
        found.float().square().sum().backward()  # type: ignore[no-untyped-call]
        return [found.detach().float(), *(part.grad for part in parts if part.grad is not None)]

    for fast, exact in zip(looked(fast=True), looked(fast=False), strict=True):
        assert (fast - exact).norm() < 0.02 * exact.norm()
