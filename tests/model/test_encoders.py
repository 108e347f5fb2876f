"""Encoders, bidirectional and by attention, compared with references written out by hand, and what is refused."""

from __future__ import annotations

import pytest
import torch

from unrolled.errors import OptionError
from unrolled.memory import LSTM, RNN, Memory, draw_masks
from unrolled.memory.attention import rotate
from unrolled.model.encoders import Bidirectional, SelfAttentionEncoder, build_bidirectional
from unrolled.model.encoders.self_attention import SelfAttention
from unrolled.seeds import make_generator


def test_each_direction_is_a_memory_from_its_own_end() -> None:
    ahead, back = RNN(3, 4).double(), LSTM(3, 5).double()
    xs, lengths = torch.randn(2, 6, 3, dtype=torch.float64), torch.tensor([6, 4])
    features, _ = Bidirectional([(ahead, back)]).encode(xs, lengths)
    assert features.shape == (2, 6, 9)
    for row, length in enumerate(lengths.tolist()):
        own = xs[row : row + 1, :length]
        torch.testing.assert_close(features[row, :length, :4], ahead.unroll(own, ahead.start(1))[0][0])
        backward, _ = back.unroll(own.flip(1), back.start(1))
        torch.testing.assert_close(features[row, :length, 4:], backward[0].flip(0))


def test_a_layer_reads_both_directions_of_the_one_below_and_is_residual() -> None:
    deep = build_bidirectional("gru", 3, 8, depth=2).double()
    below = Bidirectional([deep._layers()[0]])
    above = Bidirectional([deep._layers()[1]])
    xs, lengths = torch.randn(2, 5, 3, dtype=torch.float64), torch.tensor([5, 2])
    middle = below.encode(xs, lengths).features
    expected = middle + above.encode(middle, lengths).features
    torch.testing.assert_close(deep.encode(xs, lengths).features, expected)


def test_dropout_uses_the_masks_of_its_state_alone() -> None:
    encoder, xs = build_bidirectional("gru", 3, 40, dropout=0.5), torch.randn(2, 5, 3)
    assert bool((encoder.encode(xs).features != 0).all())
    masked = draw_masks(encoder.start(2), make_generator(0, "dropout", 1))
    dropped = encoder.encode(xs, state=masked).features == 0
    assert 0.3 < dropped.float().mean().item() < 0.7
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped)), "the same at each step"


def test_invalid_arguments_are_refused() -> None:
    with pytest.raises(OptionError, match="size 7 was requested; the size must be even"):
        build_bidirectional("lstm", 3, 7)
    with pytest.raises(OptionError, match="build_bidirectional: depth is a whole number of at least 1; got 0"):
        build_bidirectional("lstm", 3, 8, depth=0)
    with pytest.raises(OptionError, match="of 0 layers"):
        Bidirectional([])
    with pytest.raises(OptionError, match="take 3 and 4 numbers per step; both must take 3"):
        Bidirectional([(RNN(3, 4), RNN(4, 4))])


def test_self_attention_is_softmax_over_the_whole_row() -> None:
    """A block written out: norms, rotated queries and keys, head by head, and the feed-forward layer."""
    torch.manual_seed(0)
    encoder = SelfAttentionEncoder(8, 8, heads=2).double()
    xs = torch.randn(1, 5, 8, dtype=torch.float64)
    (looking,), (thinking,), at = encoder.looking, encoder.thinking, torch.arange(5)[None]
    assert isinstance(looking, SelfAttention) and isinstance(thinking, Memory)
    normed = looking.norm(xs)
    queries, keys = (rotate(of(normed), at, 2).view(5, 2, 4) for of in (looking.query, looking.key))
    values = looking.value(normed).view(5, 2, 4)
    looked = torch.empty(5, 2, 4, dtype=torch.float64)
    for step in range(5):
        for head in range(2):
            shares = torch.softmax(keys[:, head] @ queries[step, head] / 2, 0)
            looked[step, head] = shares @ values[:, head]
    middle = xs + looking.output(looked.view(1, 5, 8))
    expected = encoder.norm(thinking.unroll(middle, thinking.start(1))[0])
    torch.testing.assert_close(encoder.encode(xs).features, expected)


def test_dropout_of_self_attention_uses_the_masks_of_its_state_alone() -> None:
    encoder, xs = SelfAttentionEncoder(8, 8, dropout=0.5), torch.randn(2, 5, 8)
    masked = draw_masks(encoder.start(2), make_generator(0, "dropout", 1))
    once, again, whole = (encoder.encode(xs, state=state).features for state in (masked, masked, None))
    assert torch.equal(once, again)
    assert not torch.allclose(once, whole)


def test_self_attention_refuses_invalid_arguments() -> None:
    with pytest.raises(OptionError, match="SelfAttentionEncoder: depth is a whole number of at least 1; got 0"):
        SelfAttentionEncoder(8, 8, depth=0)
    with pytest.raises(OptionError, match=r"dropout is 1\.0"):
        SelfAttentionEncoder(8, 8, dropout=1.0)
    with pytest.raises(OptionError, match="the number of heads must divide the size"):
        SelfAttentionEncoder(8, 8, heads=3)
