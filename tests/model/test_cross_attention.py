"""Cross-attention compared with its formulas written out, place by place, and properties beyond the laws."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from unrolled.errors import OptionError
from unrolled.memory import Dropout, Stack, draw_masks
from unrolled.memory.blocks import block
from unrolled.model.cross_attention import (
    CROSS_ATTENTIONS,
    Additive,
    Context,
    CrossAttention,
    CrossAttentionMemory,
    Dot,
    Multihead,
    cross_attentions_of,
    with_source,
)
from unrolled.model.encoders import Encoded
from unrolled.seeds import make_generator


def looked_at() -> Encoded:
    return Encoded(torch.randn(3, 5, 6, dtype=torch.float64), torch.tensor([5, 2, 0]))


def make(name: str) -> CrossAttention:
    torch.manual_seed(0)
    return CROSS_ATTENTIONS[name](4, 6, 8).double()


def fits(cross_attention: CrossAttention, query: Tensor, feature: Tensor) -> list[Tensor]:
    """The score of a place, for each head of the result."""
    key = cross_attention.key(feature)
    if isinstance(cross_attention, Context):
        return [cross_attention.score(torch.tanh(key))[0]]
    if isinstance(cross_attention, Additive):
        return [cross_attention.score(torch.tanh(cross_attention.query(query) + key))[0]]
    assert isinstance(cross_attention, Dot | Multihead)
    parts = cross_attention.heads if isinstance(cross_attention, Multihead) else 1
    pairs = zip(cross_attention.query(query).chunk(parts), key.chunk(parts), strict=True)
    return [q @ k / math.sqrt(8 / parts) for q, k in pairs]


@pytest.mark.parametrize("name", CROSS_ATTENTIONS)
def test_it_is_the_mean_of_the_features_weighted_by_their_scores(name: str) -> None:
    cross_attention, source = make(name), looked_at()
    xs = torch.randn(3, 4, 4, dtype=torch.float64)
    state = cross_attention.start(source)
    outputs, _ = cross_attention.unroll(xs, state)
    weights = cross_attention.weights(xs, state)
    for row, length in enumerate(source.lengths.tolist()[:2]):
        places = source.features[row, :length]
        for t in range(4):
            scores = torch.stack(
                [torch.stack(fits(cross_attention, xs[row, t], place)) for place in places]
            )  # (S, heads)
            shares = scores.exp() / scores.exp().sum(0)
            values = cross_attention.value(places).view(length, shares.shape[1], -1)  # (S, heads, H / heads)
            expected = cross_attention.mix((shares[..., None] * values).sum(0).flatten())
            torch.testing.assert_close(outputs[row, t], expected)
            torch.testing.assert_close(weights[row, t, :length], shares.mean(1))
            assert not weights[row, t, length:].any()


@pytest.mark.parametrize("name", CROSS_ATTENTIONS)
def test_the_context_of_an_empty_source_is_zero(name: str) -> None:
    cross_attention, xs = make(name), torch.randn(3, 4, 4, dtype=torch.float64)
    state = cross_attention.start(looked_at())
    assert not cross_attention.unroll(xs, state)[0][2].any()
    assert not cross_attention.weights(xs, state)[2].any()
    empty = cross_attention.start(
        Encoded(torch.zeros(3, 0, 6, dtype=torch.float64), torch.zeros(3, dtype=torch.int64))
    )
    assert torch.equal(cross_attention.unroll(xs, empty)[0], torch.zeros(3, 4, 8, dtype=torch.float64))
    assert cross_attention.weights(xs, empty).shape == (3, 4, 0)


def test_a_context_is_the_same_at_every_step_and_others_are_not() -> None:
    xs = torch.randn(3, 4, 4, dtype=torch.float64)
    for name in CROSS_ATTENTIONS:
        cross_attention = make(name)
        outputs, _ = cross_attention.unroll(xs, cross_attention.start(looked_at()))
        assert torch.equal(outputs[0, :1].expand(4, 8), outputs[0]) == (name == "none")


def test_every_cross_attention_in_a_stack_gets_the_source_and_keeps_its_masks() -> None:
    torch.manual_seed(0)
    stack = Stack(
        [block([CrossAttentionMemory(Dot(8, 6, 8))], 0.5), Dropout(CrossAttentionMemory(Additive(8, 6, 8)), 0.5)]
    ).double()
    assert [type(cross_attention) for cross_attention in cross_attentions_of(stack)] == [Dot, Additive]
    masked = draw_masks(stack.start(3), make_generator(0, "dropout"))
    state: Any = with_source(stack, masked, source := looked_at())
    assert torch.equal(state[0].mask, masked[0].mask) and torch.equal(state[1].mask, masked[1].mask)
    dot, additive = cross_attentions_of(stack)
    assert torch.equal(state[0].inner[1].keys, dot.start(source).keys)
    assert torch.equal(state[1].inner.keys, additive.start(source).keys)
    xs = torch.randn(3, 2, 8, dtype=torch.float64)
    blind, _ = stack.unroll(xs, masked)
    assert not blind.any(), "the last reader looks at nothing yet"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"heads": 3}, "size 8 with 3 heads was requested; the number of heads must divide the size"),
        ({"source_size": 0}, "Multihead: source_size is a whole number of at least 1; got 0"),
    ],
)
def test_invalid_arguments_are_refused(how: dict[str, int], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        Multihead(**{"input_size": 4, "source_size": 6, "size": 8, **how})
