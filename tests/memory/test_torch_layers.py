"""Weights of torch's recurrent layers in our memories, and memories called without a state, as in torch.nn."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from unrolled.errors import OptionError, TensorError
from unrolled.memory import GRU, LSTM, RNN, Memory, Stack

KINDS: dict[type[Memory], tuple[Any, Any]] = {
    RNN: (nn.RNN, nn.RNNCell), GRU: (nn.GRU, nn.GRUCell), LSTM: (nn.LSTM, nn.LSTMCell)
}  # fmt: skip


@pytest.mark.parametrize("memory", KINDS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_memory_with_the_weights_of_a_layer_computes_the_same(memory: Any, bias: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer = KINDS[memory][0](5, 7, bias=bias, batch_first=True).to(dtype)
    made, xs = memory.from_torch(layer), torch.randn(3, 6, 5, dtype=dtype)
    assert type(made) is memory and made.weight_ih.dtype == dtype
    expected, after = layer(xs)
    outputs, state = made(xs)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(state.hidden, after[0][0] if memory is LSTM else after[0])
    with torch.no_grad():
        layer.weight_ih_l0.zero_()
    torch.testing.assert_close(made(xs)[0], outputs), "the weights are a copy"


@pytest.mark.parametrize("memory", KINDS)
def test_a_memory_with_the_weights_of_a_cell_steps_as_it_does(memory: Any) -> None:
    torch.manual_seed(0)
    cell = KINDS[memory][1](5, 7)
    made, x = memory.from_torch(cell), torch.randn(3, 5)
    state = made.start(3)
    output, _ = made.step(x, state)
    after = cell(x)
    torch.testing.assert_close(output, after[0] if memory is LSTM else after)


@pytest.mark.parametrize("memory", KINDS)
def test_a_stack_takes_all_layers(memory: Any) -> None:
    torch.manual_seed(0)
    layers = KINDS[memory][0](5, 7, num_layers=3, batch_first=True)
    made, xs = Stack.from_torch(layers), torch.randn(2, 4, 5)
    assert [type(one) for one in made.memories] == [memory] * 3
    torch.testing.assert_close(made(xs)[0], layers(xs)[0])
    with pytest.raises(OptionError, match=r"the module has 3\. Take all: Stack\.from_torch\(layer\)"):
        memory.from_torch(layers)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.LSTM(3, 4, bidirectional=True), "the module is bidirectional"),
        (nn.LSTM(3, 4, proj_size=2), "no projection of its output"),
        (nn.GRU(3, 4), r"takes a torch\.nn\.LSTM or torch\.nn\.LSTMCell; got GRU"),
        (nn.Linear(3, 4), "got Linear"),
    ],
)
def test_what_the_lstm_does_not_have_is_refused(layer: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        LSTM.from_torch(layer)


def test_another_nonlinearity_dropout_between_layers_and_another_module_are_refused() -> None:
    with pytest.raises(OptionError, match="RNN has tanh; the layer has relu"):
        RNN.from_torch(nn.RNN(3, 4, nonlinearity="relu"))
    with pytest.raises(OptionError, match=r"drops 0\.5 of the outputs between its layers"):
        Stack.from_torch(nn.LSTM(3, 4, num_layers=2, dropout=0.5))
    with pytest.raises(OptionError, match=r"takes a torch\.nn\.RNN, GRU or LSTM with all its layers; got LSTMCell"):
        Stack.from_torch(nn.LSTMCell(3, 4))  # type: ignore[arg-type]


@pytest.mark.parametrize("memory", [LSTM(5, 7), Stack([GRU(5, 6), RNN(6, 7)])])
def test_without_a_state_a_memory_begins_at_its_start(memory: Memory) -> None:
    xs, lengths = torch.randn(3, 6, 5), torch.tensor([6, 2, 4])
    torch.testing.assert_close(memory(xs, lengths=lengths)[0], memory.unroll(xs, memory.start(3), lengths)[0])
    for wrong in (torch.randn(3, 6, 4), torch.randn(3, 5), None):
        with pytest.raises(TensorError):
            memory(wrong)


@pytest.mark.parametrize("memory", KINDS)
def test_frozen_weights_and_the_mode_of_a_layer_are_kept(memory: Any) -> None:
    layer = KINDS[memory][0](5, 7).eval()
    layer.weight_ih_l0.requires_grad_(False)
    made = memory.from_torch(layer)
    assert not made.training and not Stack.from_torch(layer).training
    assert not made.weight_ih.requires_grad and made.weight_hh.requires_grad
