"""Memories that contain memories: sums, masks, names of the state, and what is refused."""

from __future__ import annotations

import pytest
import torch

from unrolled import states
from unrolled.errors import OptionError
from unrolled.memory import GRU, LSTM, RNN, Dropout, DropoutState, Residual, Stack, build_stack, draw_masks
from unrolled.seeds import make_generator


def test_a_layer_of_a_stack_reads_the_layer_below() -> None:
    below, above = RNN(3, 4).double(), LSTM(4, 5).double()
    stack, xs = Stack([below, above]), torch.randn(2, 6, 3, dtype=torch.float64)
    outputs, after = stack.unroll(xs, stack.start(2))
    middle, _ = below.unroll(xs, below.start(2))
    torch.testing.assert_close(outputs, above.unroll(middle, above.start(2))[0])
    assert list(states.leaves(after)) == ["layer0.hidden", "layer1.hidden", "layer1.cell"]


def test_a_residual_adds_its_input() -> None:
    memory = GRU(4, 4)
    xs = torch.randn(2, 6, 4)
    outputs, _ = Residual(memory).unroll(xs, memory.start(2))
    torch.testing.assert_close(outputs, xs + memory.unroll(xs, memory.start(2))[0])


def test_a_build_stack_is_residual_from_the_second_layer_on() -> None:
    plain = build_stack("gru", 3, 4)
    assert [type(layer) for layer in plain.memories] == [GRU]
    deep = build_stack("gru", 3, 4, depth=3, dropout=0.2)
    assert [type(layer) for layer in deep.memories] == [Dropout, Residual, Residual]
    assert (deep.input_size, deep.size) == (3, 4)
    assert "layer2.inner.hidden" in states.leaves(deep.start(1))


def test_dropout_drops_nothing_until_masks_are_drawn() -> None:
    memory = GRU(3, 4)
    dropout, xs = Dropout(memory, 0.9), torch.randn(2, 5, 3)
    for mode in (dropout.train(), dropout.eval()):
        outputs, _ = mode.unroll(xs, dropout.start(2))
        assert torch.equal(outputs, memory.unroll(xs, memory.start(2))[0])


def test_masks_drop_their_share_per_row_and_scale_the_rest() -> None:
    dropout = Dropout(GRU(3, 400), 0.25)
    state = draw_masks(dropout.start(50), make_generator(0, "dropout", 1))
    assert isinstance(state, DropoutState)
    assert sorted(set(state.mask.flatten().tolist())) == pytest.approx([0.0, 4 / 3])
    dropped = (state.mask == 0).float()
    assert dropped.mean().item() == pytest.approx(0.25, abs=0.01)
    assert not torch.equal(dropped[0], dropped[1]), "each row has a mask of its own"
    outputs, after = dropout.unroll(torch.randn(50, 3, 3), state)
    assert torch.equal(outputs == 0, (state.mask == 0)[:, None].expand_as(outputs)), "the same at each step"
    assert torch.equal(after.mask, state.mask)


def test_masks_come_from_the_generator_alone() -> None:
    stack = build_stack("lstm", 3, 8, depth=2, dropout=0.5)
    start = stack.start(4)
    first, again, other = (draw_masks(start, make_generator(0, "dropout", update)) for update in (1, 1, 2))
    masks = [name for name in states.leaves(start) if name.endswith("mask")]
    assert masks == ["layer0.mask", "layer1.mask"]
    for name in masks:
        assert torch.equal(states.leaves(first)[name], states.leaves(again)[name])
        assert not torch.equal(states.leaves(first)[name], states.leaves(other)[name])
        assert bool((states.leaves(start)[name] == 1).all()), "the given state stays as it was"
    assert not torch.equal(first[0].mask, first[1].mask)


def test_a_state_without_masks_comes_back_as_it_is() -> None:
    start = build_stack("lstm", 3, 8, depth=2).start(4)
    drawn = draw_masks(start, make_generator(0, "dropout", 1))
    assert type(drawn) is tuple
    assert all(map(torch.equal, states.leaves(drawn).values(), states.leaves(start).values()))


def test_layers_that_do_not_fit_are_refused_with_what_would() -> None:
    with pytest.raises(OptionError, match=r"of input_size 5 is above a memory of size 4; make its input_size 4"):
        Stack([RNN(3, 4), RNN(5, 4)])
    with pytest.raises(OptionError, match="0 memories was requested; it needs at least 1"):
        Stack([])
    with pytest.raises(
        OptionError, match="adds 3 numbers per step to 4; it needs a memory whose input_size and size"
    ):
        Residual(RNN(3, 4))
    for rate in (-0.1, 1.0, float("nan")):
        with pytest.raises(OptionError, match="it is a share from 0 to below 1"):
            Dropout(RNN(3, 4), rate)
    with pytest.raises(OptionError, match=r"Unknown memory 'lstn'\. Did you mean 'lstm'\? Known: none, rnn, gru"):
        build_stack("lstn", 3, 4)
    with pytest.raises(OptionError, match="build_stack: size is a whole number of at least 1; got 0"):
        build_stack("lstm", 3, 0)
