"""Arguments of a memory are checked before a kernel runs. The laws test this for every component; this file tests
the messages."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from unrolled.compare_options import CompareSettings
from unrolled.data.text.diagnostics import Diagnostic
from unrolled.errors import InputError, OptionError, TensorError
from unrolled.gradient import Truncated
from unrolled.memory import GRU, LSTM, RNN, Attention, Convolution, NoMemory, Stack, build_stack, register
from unrolled.memory.columns import ColumnConvolution
from unrolled.options import TrainOptions

XS = torch.randn(3, 7, 10, generator=torch.Generator().manual_seed(0))
WRONG: dict[str, tuple[Callable[[Any], Any], str]] = {
    "rows": (lambda m: m.unroll(XS, m.start(2)), r"LSTM\.unroll: .* hidden must be .* \(3, 20\) .* \(2, 20\)"),
    "one row": (lambda m: m.step(XS[:, 0], m.start(1)), r"LSTM\.step: .* \(3, 20\) .* \(1, 20\) .*\n.*start\(3\)"),
    "width": (lambda m: m.unroll(XS[..., :9], m.start(3)), r"a tensor \(rows, steps, 10\); got .* \(3, 7, 9\)"),
    "axes": (lambda m: m.step(XS, m.start(3)), r"LSTM\.step takes a tensor \(rows, 10\); got .* \(3, 7, 10\)"),
    "type": (lambda m: m.unroll(XS.double(), m.start(3)), r"takes torch\.float32, .* got torch\.float64"),
    "device": (lambda m: m.unroll(XS.to("meta"), m.start(3)), r"weights are on cpu, the input is on meta"),
    "length": (lambda m: m.unroll(XS, m.start(3), torch.tensor([7, 8, 1])), r"from 0 to 7, .* got 1 to 8"),
    "lengths": (lambda m: m.unroll(XS, m.start(3), torch.tensor([7, 1])), r"3 whole numbers, .* torch\.int64 \(2,\)"),
    "size": (lambda m: m.unroll(XS, LSTM(10, 12).start(3)), r"\(3, 20\) on cpu but is torch\.float32 \(3, 12\)"),
    "kind": (lambda m: m.unroll(XS, GRU(10, 20).start(3)), r"it must be a LSTMState of 2 but is a GRUState of 1"),
    "no names": (lambda m: m.step(XS[:, 0], tuple(m.start(3))), r"it must be a LSTMState of 2 but is a tuple of 2"),
    "no tensor": (lambda m: m.unroll([[1.0]], m.start(1)), r"takes a tensor \(rows, steps, 10\); got a list"),
}


@pytest.mark.parametrize("what", WRONG)
def test_an_argument_that_does_not_fit_is_refused_with_what_was_expected(what: str) -> None:
    call, words = WRONG[what]
    with pytest.raises(TensorError, match=words) as refused:
        call(LSTM(10, 20))
    assert isinstance(refused.value, InputError) and str(refused.value).count("\n") <= 2


def test_every_step_is_checked_again() -> None:
    memory = LSTM(10, 20)
    _, state = memory.step(XS[:, 0], memory.start(3))
    for wrong, words in (
        (memory.start(1), r"float32 \(3, 20\) on cpu but is torch.float32 \(1, 20\)"),
        (LSTM(10, 20).double().start(3), r"float32 \(3, 20\) on cpu but is torch.float64"),
    ):
        with pytest.raises(TensorError, match=words):
            memory.step(XS[:, 1], wrong)
    memory.step(XS[:, 1], state)
    memory.step(XS[:2, 1], memory.start(2))


def test_a_state_of_another_memory_of_the_same_size_is_refused() -> None:
    memory = GRU(10, 20)
    memory.step(XS[:, 0], memory.start(3))
    with pytest.raises(TensorError, match="must be a GRUState of 1 but is a RNNState of 1"):
        memory.step(XS[:, 0], RNN(10, 20).start(3))  # type: ignore[arg-type]


def test_a_convolution_of_width_1_refuses_the_state_of_another() -> None:
    memory, other = Convolution(10, 20, width=1), Convolution(10, 20)
    for verb, xs in ((memory.step, XS[:, 0]), (memory.unroll, XS)):
        with pytest.raises(TensorError, match=r"inputs must be .* \(3, 0, 10\) .* but is .* \(3, 3, 10\)"):
            verb(xs, other.start(3))


NOT_MADE: dict[str, tuple[Callable[[], Any], str]] = {
    "no units": (lambda: LSTM(10, 0), "LSTM: size is a whole number of at least 1; got 0"),
    "below none": (lambda: LSTM(10, -3), "LSTM: size is a whole number of at least 1; got -3"),
    "half a unit": (lambda: LSTM(10, 20.5), "LSTM: size is a whole number of at least 1; got 20.5"),  # type: ignore
    "a text": (lambda: LSTM("a", 3), "LSTM: input_size is a whole number of at least 1; got 'a'"),  # type: ignore
    "one size": (lambda: GRU(10), "GRU: missing a required argument: 'size'. It takes: input_size, size."),  # type: ignore
    "an option": (lambda: LSTM(3, 4, horison=5), "LSTM: .* 'horison'. Did you mean 'horizon'"),  # type: ignore
    "heads": (lambda: Attention(10, 20, heads="a"), "heads is a whole number of at least 1 or None; got 'a'"),  # type: ignore
    "dropout": (lambda: build_stack("rnn", 3, 4, dropout="x"), "dropout is a number; got 'x'"),  # type: ignore
    "no memories": (lambda: Stack([3]), "memories is a list, each a Memory; got a list that begins with 3"),  # type: ignore
    "names in a list": (lambda: build_stack(["nix"], 3, 4), "names is a text; got a list"),  # type: ignore
    "no name": (lambda: register(3), "register: name is a text; got 3"),  # type: ignore
    "no task": (lambda: Diagnostic("nix", 3, 4, 0), "Unknown task 'nix'. Known: copy"),
    "part of a lag": (lambda: Diagnostic("copy", 2.5, 4, 0), "Diagnostic: lag is a whole number; got 2.5"),  # type: ignore
    "part of a step": (lambda: Truncated(1.5), "Truncated: k1 is a whole number; got 1.5"),  # type: ignore
    "10^12 units": (lambda: LSTM(10, 10**12), r"LSTM: weights of these sizes cannot be made: .*\nGive smaller sizes"),
    "10^15 rows of weights": (lambda: GRU(10**9, 10**6), r"GRU: weights of these sizes cannot be made: "),
    "a setting": (lambda: TrainOptions(foo=1), "TrainOptions: .*'foo'"),  # type: ignore
    "a setting of compare": (lambda: CompareSettings(model="a"), "'model'. Did you mean 'models'"),  # type: ignore
}


@pytest.mark.parametrize("what", NOT_MADE)
def test_a_wrong_constructor_argument_is_refused_with_what_was_expected(what: str) -> None:
    make, words = NOT_MADE[what]
    with pytest.raises(OptionError, match=words) as refused:
        make()
    assert str(refused.value).count("\n") <= 2


def test_a_users_own_component_is_checked_by_its_declarations() -> None:
    class Own(GRU):
        def __init__(self, input_size: int, size: int, keep: float = 0.5) -> None:
            super().__init__(input_size, size)

    assert Own(np.int64(3), np.int64(4), keep=1).size == 4  # type: ignore[arg-type]
    for given, words in (((3, 0), "Own: size"), ((3, 4, "a"), "Own: keep is a number; got 'a'")):
        with pytest.raises(OptionError, match=words):
            Own(*given)


def test_a_moved_memory_is_checked_by_its_current_weights() -> None:
    memory = build_stack("lstm/attention", 10, 20)
    memory.unroll(XS, memory.start(3))
    twin = copy.deepcopy(memory).double()
    twin.unroll(XS.double(), twin.start(3))
    with pytest.raises(TensorError, match=r"takes torch\.float64"):
        twin.unroll(XS, twin.start(3))
    memory.load_state_dict(twin.state_dict(), assign=True)
    memory.unroll(XS.double(), memory.start(3))


def test_a_layer_with_a_wrong_output_size_is_caught() -> None:
    stack = Stack([NoMemory(10, 10, torch.nn.Linear(10, 9)), LSTM(10, 20)])
    with pytest.raises(TensorError, match=r"LSTM\.unroll takes a tensor \(rows, steps, 10\); got .* \(3, 7, 9\)"):
        stack.unroll(XS, stack.start(3))


def test_inputs_narrowed_by_autocast_are_accepted() -> None:
    memory = ColumnConvolution(5, 2, 3)
    with torch.autocast("cpu", torch.bfloat16):
        memory.unroll(XS.bfloat16(), memory.start(3))
    with pytest.raises(TensorError, match=r"got torch\.bfloat16"):
        memory.unroll(XS.bfloat16(), memory.start(3))


def test_fake_tensors_are_checked_too() -> None:
    with torch.device("meta"):
        memory = NoMemory(10, 20)
        lengths = torch.tensor([7, 1, 3])
        assert memory.unroll(torch.empty(3, 7, 10), memory.start(3), lengths)[0].shape == (3, 7, 20)
        with pytest.raises(TensorError, match=r"\(rows, steps, 10\)"):
            memory.unroll(torch.empty(3, 7, 9), memory.start(3))


def test_a_checked_step_compiles() -> None:
    memory = GRU(10, 20)
    expected, _ = memory.step(XS[:, 0], memory.start(3))

    def step(x: Tensor) -> Tensor:
        return memory.step(x, memory.start(3))[0]

    compiled: Callable[[Tensor], Tensor] = torch.compile(step, backend="eager")
    torch.testing.assert_close(compiled(XS[:, 0]), expected)


def test_a_users_own_memory_is_checked_automatically() -> None:
    class Own(GRU):
        def step(self, x: Tensor, state: Any) -> Any:
            return super().step(x, state)

    with pytest.raises(TensorError, match=r"Own\.step takes a tensor \(rows, 10\); got .* \(3, 4\)"):
        Own(10, 20).step(XS[:, 0, :4], GRU(10, 20).start(3))


@pytest.mark.parametrize("rows", [-1, 1.0, True, "3", None])
@pytest.mark.parametrize("name", ["lstm", "attention", "none", "lstm/attention"])
def test_a_state_starts_with_a_whole_number_of_rows(name: str, rows: Any) -> None:
    memory = build_stack(name, 10, 20)
    with pytest.raises(TensorError, match=r"\.start takes rows, a whole number of at least 0; got " + repr(rows)):
        memory.start(rows)
    assert memory.unroll(XS[:0], memory.start(0))[0].shape == (0, 7, 20)


@pytest.mark.parametrize("rows", [10**15, 2**62, 2**70])
def test_a_state_too_large_for_memory_is_refused(rows: int) -> None:
    with pytest.raises(TensorError, match=f"LSTM.start: a state of {rows:,} rows cannot be made"):
        LSTM(4, 4).start(rows)


def test_an_error_of_a_users_memory_is_not_reported_as_lack_of_memory() -> None:
    class Own(GRU):
        def __init__(self, input_size: int, size: int) -> None:
            super().__init__(input_size, size)
            raise RuntimeError("my own")

    with pytest.raises(RuntimeError, match="my own"):
        Own(10, 20)


def test_a_sparse_tensor_is_refused_with_what_makes_it_dense() -> None:
    memory, inputs = LSTM(4, 4), torch.randn(2, 3, 4)
    for given in (inputs.to_sparse(), inputs.to_sparse_csr()):
        with pytest.raises(TensorError, match=r"LSTM.unroll takes a dense tensor; .* Convert it with \.to_dense\(\)"):
            memory.unroll(given, memory.start(2))
    memory.unroll(inputs.to_sparse().to_dense(), memory.start(2))
    memory.step(inputs[:, 0], memory.start(2))
    with pytest.raises(TensorError, match=r"takes a dense tensor"):
        memory.step(inputs[:, 0].to_sparse(), memory.start(2))
