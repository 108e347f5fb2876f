"""Each memory compared with torch.nn's, with its weights; parameter counts; starts; ragged segments; bfloat16."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unrolled import states
from unrolled.errors import OptionError
from unrolled.memory import GRU, IN_BLOCKS, LSTM, MEMORIES, RNN, Memory, build_stack, reset_rows, unroll_by_steps

ROWS, STEPS, INPUTS, SIZE = 5, 9, 4, 6
TORCH: dict[str, Any] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
CELLS: dict[str, Any] = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}


def beside_torch(name: str) -> tuple[Memory, nn.Module]:
    """One memory of ours and one of torch's, both with torch's weights."""
    torch.manual_seed(1)
    theirs = TORCH[name](INPUTS, SIZE, batch_first=True).double()
    ours = MEMORIES[name](INPUTS, SIZE).double()
    ours.load_state_dict({key.removesuffix("_l0"): weight for key, weight in theirs.state_dict().items()})
    return ours, theirs


def read_by_torch(theirs: nn.Module, xs: Tensor, state: Any) -> tuple[Tensor, Tensor]:
    """Outputs (B, T, H) and the tensors of the state, of both."""
    start = tuple(leaf[None] for leaf in state)
    outputs, after = theirs(xs, start if len(start) > 1 else start[0])
    return outputs, torch.cat(after if isinstance(after, tuple) else (after,), dim=-1)[0]


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("stepped", [False, True], ids=["unrolled", "stepped"])
def test_outputs_states_and_gradients_are_those_of_torch(name: str, stepped: bool) -> None:
    ours, theirs = beside_torch(name)
    xs = torch.randn(ROWS, STEPS, INPUTS, dtype=torch.float64)
    state = states.map_leaves(lambda leaf: torch.randn_like(leaf).requires_grad_(), ours.start(ROWS))
    outputs, after = unroll_by_steps(ours, xs, state) if stepped else ours.unroll(xs, state)
    their_outputs, their_after = read_by_torch(theirs, xs, state)
    torch.testing.assert_close(outputs, their_outputs)
    torch.testing.assert_close(torch.cat(tuple(after), dim=-1), their_after)

    sources = [*ours.parameters(), *state]
    their_sources = [*theirs.parameters(), *state]
    found = torch.autograd.grad((outputs**2).sum() + torch.cat(tuple(after), -1).sum(), sources)
    expected = torch.autograd.grad((their_outputs**2).sum() + their_after.sum(), their_sources)
    for gradient, their_gradient in zip(found, expected, strict=True):
        torch.testing.assert_close(gradient, their_gradient)


@pytest.mark.parametrize("name", CELLS)
def test_the_weights_of_a_torch_cell_load(name: str) -> None:
    cell = CELLS[name](INPUTS, SIZE)
    ours = MEMORIES[name](INPUTS, SIZE)
    ours.load_state_dict(cell.state_dict())
    x = torch.randn(ROWS, INPUTS)
    after = cell(x)
    torch.testing.assert_close(ours.step(x, ours.start(ROWS))[0], after[0] if isinstance(after, tuple) else after)


@pytest.mark.parametrize(("name", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
@pytest.mark.parametrize(("inputs", "size"), [(4, 6), (65, 128)])
def test_the_number_of_parameters_of_one_layer(name: str, gates: int, inputs: int, size: int) -> None:
    assert count(MEMORIES[name](inputs, size)) == gates * size * (inputs + size + 2)


def test_two_layers_of_lstm_from_256_to_512_have_3678208_parameters() -> None:
    assert count(build_stack("lstm", 256, 512, depth=2)) == 3_678_208
    assert count(build_stack("lstm", 256, 512, depth=2, dropout=0.3)) == 3_678_208


def count(memory: Memory) -> int:
    return sum(weight.numel() for weight in memory.parameters())


@pytest.mark.parametrize("name", CELLS)
def test_each_gate_reads_the_past_by_an_orthogonal_matrix(name: str) -> None:
    memory: Any = MEMORIES[name](INPUTS, SIZE)
    for block in memory.weight_hh.view(-1, SIZE, SIZE):
        torch.testing.assert_close(block @ block.T, torch.eye(SIZE))
    bound = (6 / (INPUTS + memory.weight_ih.shape[0])) ** 0.5
    assert 0.5 * bound < memory.weight_ih.abs().max().item() <= bound


def test_biases_start_at_zero_and_the_forget_gate_open() -> None:
    for memory in (RNN(INPUTS, SIZE), GRU(INPUTS, SIZE), LSTM(INPUTS, SIZE)):
        assert not memory.bias_hh.any()
    lstm = LSTM(INPUTS, SIZE)
    expected = torch.zeros(4, SIZE)
    expected[1] = 1.0
    assert torch.equal(lstm.bias_ih.view(4, SIZE), expected)
    _, after = lstm.step(torch.zeros(1, INPUTS), lstm.start(1)._replace(cell=torch.ones(1, SIZE)))
    torch.testing.assert_close(after.cell, torch.full((1, SIZE), 1 / (1 + torch.e**-1)))  # sigmoid of 1


def test_a_horizon_opens_each_forget_gate_for_a_time_of_its_own() -> None:
    torch.manual_seed(0)
    lstm = LSTM(INPUTS, 2000, horizon=100)
    enter, forget, new, leave = lstm.bias_ih.view(4, 2000)
    held = forget.exp()  # steps, about
    assert 1 <= held.min() < 3 and 97 < held.max() <= 99 and abs(held.mean() - 50) < 2
    assert torch.equal(enter, -forget) and not new.any() and not leave.any()
    with pytest.raises(OptionError, match="horizon of 2 was requested; it is in steps, at least 3"):
        LSTM(INPUTS, SIZE, horizon=2)


@pytest.mark.parametrize("name", IN_BLOCKS)
def test_blocks_under_bfloat16_autocast_come_near_and_keep_float32_states(name: str) -> None:
    torch.manual_seed(3)
    memory, xs = build_stack(name, 32, 64, depth=2), torch.randn(3, 16, 32)
    meant, _ = memory.unroll(xs, memory.start(3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs, after = memory.unroll(xs, memory.start(3))
    torch.testing.assert_close(outputs.float(), meant, atol=0.1, rtol=0)
    assert {leaf.dtype for leaf in states.leaves(after).values()} <= {torch.float32, torch.int64}


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(
    "lengths", [[9, 1, 4, 0, 6], [0, 0, 0, 0, 0], [3, 3, 3, 3, 3], [9, 9, 9, 9, 9], [0, 0, 9, 0, 0]]
)
def test_segments_of_ragged_rows_equal_steps(name: str, lengths: list[int]) -> None:
    torch.manual_seed(2)
    memory = MEMORIES[name](INPUTS, SIZE).double()
    xs = torch.randn(ROWS, STEPS, INPUTS, dtype=torch.float64)
    state = states.map_leaves(torch.randn_like, memory.start(ROWS))
    outputs, after = memory.unroll(xs, state, torch.tensor(lengths))
    meant, meant_after = unroll_by_steps(memory, xs, state, torch.tensor(lengths))
    torch.testing.assert_close(outputs, meant)
    torch.testing.assert_close(tuple(after), tuple(meant_after))


@pytest.mark.parametrize("name", CELLS)
def test_padding_that_is_not_a_number_touches_nothing(name: str) -> None:
    memory = MEMORIES[name](INPUTS, SIZE)
    xs = torch.randn(2, 5, INPUTS)
    xs[0, 2:] = torch.nan
    outputs, after = memory.unroll(xs, memory.start(2), torch.tensor([2, 5]))
    outputs.sum().backward()  # type: ignore[no-untyped-call]
    assert bool(outputs.isfinite().all()) and bool(after.hidden.isfinite().all())
    assert all(bool(weight.grad.isfinite().all()) for weight in memory.parameters() if weight.grad is not None)


@pytest.mark.parametrize("name", CELLS)
def test_a_window_of_no_steps_leaves_the_state(name: str) -> None:
    memory = MEMORIES[name](INPUTS, SIZE)
    state = states.map_leaves(torch.randn_like, memory.start(ROWS))
    outputs, after = memory.unroll(torch.zeros(ROWS, 0, INPUTS), state)
    assert outputs.shape == (ROWS, 0, SIZE)
    assert states.leaves(after).keys() == states.leaves(state).keys()
    assert all(map(torch.equal, states.leaves(after).values(), states.leaves(state).values()))


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("lengths", [None, [16, 3, 0]], ids=["whole", "ragged"])
def test_under_bfloat16_autocast_outputs_are_near_and_states_float32(name: str, lengths: list[int] | None) -> None:
    torch.manual_seed(3)
    memory, xs = MEMORIES[name](32, 64), torch.randn(3, 16, 32)
    ends = None if lengths is None else torch.tensor(lengths)
    meant, meant_after = memory.unroll(xs, memory.start(3), ends)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs, after = memory.unroll(xs, memory.start(3), ends)
        stepped, stepped_after = unroll_by_steps(memory, xs, memory.start(3), ends)
    assert outputs.dtype == torch.bfloat16, "the fast kernel was not taken in bfloat16"
    for found, found_after in ((outputs, after), (stepped, stepped_after)):
        torch.testing.assert_close(found.float(), meant, atol=0.03, rtol=0)
        for leaf, meant_leaf in zip(found_after, meant_after, strict=True):
            assert leaf.dtype == torch.float32
            torch.testing.assert_close(leaf, meant_leaf, atol=0.05, rtol=0)
    outputs.float().sum().backward()  # type: ignore[no-untyped-call]
    assert all(weight.grad is not None and weight.grad.dtype == torch.float32 for weight in memory.parameters())


@pytest.mark.parametrize("name", CELLS)
def test_gradients_do_not_depend_on_train_or_eval(name: str) -> None:
    memory = MEMORIES[name](INPUTS, SIZE)
    xs, found = torch.randn(2, 3, INPUTS), []
    for memory_in_mode in (memory.train(), memory.eval()):
        outputs, _ = memory_in_mode.unroll(xs, memory.start(2))
        found.append(torch.autograd.grad(outputs.sum(), list(memory.parameters())))
    assert all(map(torch.equal, *found))


def test_reset_rows_starts_fresh_rows_again() -> None:
    memory = build_stack("lstm", INPUTS, SIZE, depth=2)
    state = states.map_leaves(torch.randn_like, memory.start(3))
    after = states.leaves(reset_rows(memory, state, torch.tensor([False, True, False])))
    for name, leaf in states.leaves(state).items():
        assert not after[name][1].any()
        assert torch.equal(after[name][[0, 2]], leaf[[0, 2]])


def test_one_class_is_one_type_of_state() -> None:
    made: list[tuple[Callable[[int, int], Memory], list[str]]] = [
        (RNN, ["hidden"]),
        (GRU, ["hidden"]),
        (LSTM, ["hidden", "cell"]),
    ]
    for make, names in made:
        assert list(states.leaves(make(INPUTS, SIZE).start(1))) == names
