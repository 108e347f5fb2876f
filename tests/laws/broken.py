"""Planted faults of memories, encoders and models, each with the law that has to catch it. They show that the laws
detect faults."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled import laws
from unrolled.laws import Law
from unrolled.memory import LSTM, RNN, Convolution, ConvolutionState, LSTMState, Memory, RNNState, unroll_by_steps
from unrolled.memory.checking import check
from unrolled.model.cross_attention import CrossAttentionState, Dot
from unrolled.model.encoders import Bidirectional, DirectionStates, Encoded
from unrolled.states import State, detach, map_leaves


class SteppedRNN(RNN):
    """Keeps every law; the faults below change its step, and unroll follows."""

    def unroll(self, xs: Tensor, state: RNNState, lengths: Tensor | None = None) -> tuple[Tensor, RNNState]:
        return unroll_by_steps(self, xs, state, lengths)


class RunsIntoPadding(LSTM):
    breaks: ClassVar[Law] = laws.padding_changes_nothing

    def unroll(self, xs: Tensor, state: LSTMState, lengths: Tensor | None = None) -> tuple[Tensor, LSTMState]:
        return super().unroll(xs, state)


class SpeaksPastTheEnd(LSTM):
    """The state is right, but outputs continue through the padding."""

    breaks: ClassVar[Law] = laws.padding_changes_nothing

    def unroll(self, xs: Tensor, state: LSTMState, lengths: Tensor | None = None) -> tuple[Tensor, LSTMState]:
        return super().unroll(xs, state)[0], super().unroll(xs, state, lengths)[1]


class LeaksBetweenRows(SteppedRNN):
    """Centres its input over the batch, in the same way in step and unroll."""

    breaks: ClassVar[Law] = laws.a_row_depends_on_no_other_row

    def step(self, x: Tensor, state: RNNState) -> tuple[Tensor, RNNState]:
        return super().step(x - 0.01 * x.mean(dim=0), state)


class LooksAhead(SteppedRNN):
    breaks: ClassVar[Law] = laws.no_output_depends_on_a_later_input

    def unroll(self, xs: Tensor, state: RNNState, lengths: Tensor | None = None) -> tuple[Tensor, RNNState]:
        return super().unroll(xs + 0.01 * xs.roll(-1, dims=1), state, lengths)


class WritesIntoItsState(LSTM):
    breaks: ClassVar[Law] = laws.a_step_changes_no_earlier_state

    def step(self, x: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        output, after = super().step(x, state)
        with torch.no_grad():
            state.cell.copy_(after.cell)
        return output, LSTMState(after.hidden, state.cell)


class ReusesItsBuffer(LSTM):
    """Returns the same tensor as its state every time, as a fast loop might."""

    breaks: ClassVar[Law] = laws.a_step_changes_no_earlier_state
    buffer: Tensor | None = None

    def step(self, x: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        output, after = super().step(x, state)
        if self.buffer is None or self.buffer.shape != after.cell.shape:
            self.buffer = torch.empty_like(after.cell)
        self.buffer.data = self.buffer.data.copy_(after.cell.detach())
        return output, LSTMState(after.hidden, self.buffer)


class StartsByTheNumberOfRows(LSTM):
    breaks: ClassVar[Law] = laws.a_start_of_many_is_many_starts_of_one

    def start(self, rows: int) -> LSTMState:
        hidden, cell = super().start(rows)
        return LSTMState(hidden, cell + torch.arange(rows)[:, None])


class StartsAtRandom(LSTM):
    breaks: ClassVar[Law] = laws.a_start_of_many_is_many_starts_of_one

    def start(self, rows: int) -> LSTMState:
        return map_leaves(torch.rand_like, super().start(rows))  # type: ignore[no-any-return]


class StartsEachWindowAnew(LSTM):
    """Behaves as if the state were not passed from window to window; within a window everything is right."""

    breaks: ClassVar[Law] = laws.chunks_equal_the_whole

    def unroll(self, xs: Tensor, state: LSTMState, lengths: Tensor | None = None) -> tuple[Tensor, LSTMState]:
        return super().unroll(xs, self.start(xs.shape[0]), lengths)


class CountsFromTheWindow(SteppedRNN):
    """Computes positions from the length of its input."""

    breaks: ClassVar[Law] = laws.chunks_equal_the_whole

    def unroll(self, xs: Tensor, state: RNNState, lengths: Tensor | None = None) -> tuple[Tensor, RNNState]:
        positions = torch.arange(xs.shape[1]).to(xs)[None, :, None]
        return super().unroll(xs + 0.01 * positions, state, lengths)


class StateOfTheStepBefore(LSTM):
    """Outputs are right, but the state is one step behind."""

    breaks: ClassVar[Law] = laws.unrolled_equals_stepped

    def unroll(self, xs: Tensor, state: LSTMState, lengths: Tensor | None = None) -> tuple[Tensor, LSTMState]:
        lengths = torch.full((xs.shape[0],), xs.shape[1]) if lengths is None else lengths
        outputs, _ = super().unroll(xs, state, lengths)
        return outputs, super().unroll(xs, state, (lengths - 1).clamp(min=0))[1]


class LosesTheGradientOfItsStart(LSTM):
    """All values are right, but the gradient of the start state is lost."""

    breaks: ClassVar[Law] = laws.unrolled_equals_stepped

    def unroll(self, xs: Tensor, state: LSTMState, lengths: Tensor | None = None) -> tuple[Tensor, LSTMState]:
        return super().unroll(xs, detach(state), lengths)


class DrawsItsMaskEachStep(SteppedRNN):
    """Dropout as in torch.nn: another mask at each step, and none in the state."""

    breaks: ClassVar[Law] = laws.unrolled_equals_stepped

    def step(self, x: Tensor, state: RNNState) -> tuple[Tensor, RNNState]:
        output, after = super().step(x, state)
        return F.dropout(output, 0.3), after


class KeepsAClockOfItsOwn(SteppedRNN):
    """Part of the past is in the module, so no state contains it."""

    breaks: ClassVar[Law] = laws.a_state_survives_cutting_joining_and_saving
    steps_read = 0

    def step(self, x: Tensor, state: RNNState) -> tuple[Tensor, RNNState]:
        self.steps_read += 1
        return super().step(x + 0.01 * self.steps_read, state)


class RoundsItsState(LSTM):
    breaks: ClassVar[Law] = laws.a_state_keeps_its_form

    def step(self, x: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        output, after = super().step(x, map_leaves(lambda leaf: leaf.to(x.dtype), state))
        return output, map_leaves(lambda leaf: leaf.to(torch.bfloat16), after)


class ChokesOnNothing(SteppedRNN):
    breaks: ClassVar[Law] = laws.an_empty_input_is_allowed

    def unroll(self, xs: Tensor, state: RNNState, lengths: Tensor | None = None) -> tuple[Tensor, RNNState]:
        if not xs.shape[1]:
            return xs.new_zeros(xs.shape[0], 1, self.size), state
        return super().unroll(xs, state, lengths)


class RemembersNothing(SteppedRNN):
    """Keeps every other law, but keeps nothing of the past."""

    breaks: ClassVar[Law] = laws.a_tiny_batch_is_overfit

    def step(self, x: Tensor, state: RNNState) -> tuple[Tensor, RNNState]:
        return super().step(x, RNNState(0 * state.hidden))


class BelievesWhatItIsGiven(SteppedRNN):
    """Below, its methods are replaced by the unchecked originals, so nothing is checked."""

    breaks: ClassVar[Law] = laws.a_memory_refuses_invalid_arguments


class BelievesItsLengths(SteppedRNN):
    """Its unroll is replaced, and checks everything except the lengths."""

    breaks: ClassVar[Law] = laws.a_memory_refuses_invalid_arguments


class TakesNoUnits(SteppedRNN):
    """Given a size of 0 it silently uses 1."""

    breaks: ClassVar[Law] = laws.a_constructor_refuses_invalid_arguments

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__(inputs, max(1, units))


class TakesAnyOption(SteppedRNN):
    """Declares no type for its option, and does not check it."""

    breaks: ClassVar[Law] = laws.a_constructor_refuses_invalid_arguments

    def __init__(self, input_size: int, size: int, keep=0.5) -> None:  # type: ignore[no-untyped-def]
        super().__init__(input_size, size)
        self.keep = keep


class AnyPlacesState(NamedTuple):
    inputs: Tensor  # like a convolution's, but without a declared number of places


class TakesMorePlaces(Convolution):
    """Keeps nothing, and accepts a state of a wider convolution."""

    breaks: ClassVar[Law] = laws.a_memory_refuses_invalid_arguments

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__(input_size, size, width=1)

    def start(self, rows: int) -> Any:
        return AnyPlacesState(*super().start(rows))

    def step(self, x: Tensor, state: Any) -> Any:
        output, after = super().step(x, ConvolutionState(state.inputs[:, :0]))
        return output, AnyPlacesState(*after)

    def unroll(self, xs: Tensor, state: Any, lengths: Tensor | None = None) -> Any:
        outputs, after = super().unroll(xs, ConvolutionState(state.inputs[:, :0]), lengths)
        return outputs, AnyPlacesState(*after)


BROKEN_CONSTRUCTORS: tuple[Any, ...] = (TakesNoUnits, TakesAnyOption)

BROKEN_MEMORIES: tuple[type[Memory], ...] = (
    RunsIntoPadding,
    SpeaksPastTheEnd,
    LeaksBetweenRows,
    LooksAhead,
    WritesIntoItsState,
    ReusesItsBuffer,
    StartsByTheNumberOfRows,
    StartsAtRandom,
    StartsEachWindowAnew,
    CountsFromTheWindow,
    StateOfTheStepBefore,
    LosesTheGradientOfItsStart,
    DrawsItsMaskEachStep,
    KeepsAClockOfItsOwn,
    RoundsItsState,
    ChokesOnNothing,
    RemembersNothing,
    BelievesWhatItIsGiven,
    BelievesItsLengths,
    TakesMorePlaces,
)


class ReadsBothWays(Bidirectional):
    """Keeps every law; the faults below change its input."""

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__([(RNN(input_size, size // 2), RNN(input_size, size // 2))])


class CentresOverTheBatch(ReadsBothWays):
    breaks: ClassVar[Law] = laws.an_encoding_depends_on_no_other_row

    def encode(
        self, inputs: Tensor, lengths: Tensor | None = None, state: tuple[DirectionStates, ...] | None = None
    ) -> Encoded:
        first = inputs[:, :1].mean(dim=0, keepdim=True) if len(inputs) else 0.0
        return super().encode(inputs - 0.01 * first, lengths, state)


class BeginsAtThePadding(ReadsBothWays):
    """Reverses the whole rectangle, so that the backward direction begins in the padding."""

    breaks: ClassVar[Law] = laws.padding_changes_no_encoding

    def encode(
        self, inputs: Tensor, lengths: Tensor | None = None, state: tuple[DirectionStates, ...] | None = None
    ) -> Encoded:
        whole, own = super().encode(inputs, None, state), super().encode(inputs, lengths, state)
        return Encoded(torch.where(own.features == 0, 0.0, whole.features), own.lengths)


class ReadsOneWay(ReadsBothWays):
    breaks: ClassVar[Law] = laws.an_encoding_sees_the_whole_row

    def encode(
        self, inputs: Tensor, lengths: Tensor | None = None, state: tuple[DirectionStates, ...] | None = None
    ) -> Encoded:
        features, lengths = super().encode(inputs, lengths, state)
        return Encoded(torch.cat([features[..., : self.size // 2]] * 2, dim=2), lengths)


class ChokesOnNoRows(ReadsBothWays):
    breaks: ClassVar[Law] = laws.an_empty_input_can_be_encoded

    def encode(
        self, inputs: Tensor, lengths: Tensor | None = None, state: tuple[DirectionStates, ...] | None = None
    ) -> Encoded:
        features, lengths = super().encode(inputs, lengths, state)
        return Encoded(features, lengths if len(inputs) else torch.zeros(1))


class EncodesWhatItIsGiven(ReadsBothWays):
    """Its method is replaced below; its memories check their arguments, but not the type of the lengths."""

    breaks: ClassVar[Law] = laws.an_encoder_refuses_invalid_arguments


BROKEN_ENCODERS: tuple[Any, ...] = (
    CentresOverTheBatch,
    BeginsAtThePadding,
    ReadsOneWay,
    ChokesOnNoRows,
    EncodesWhatItIsGiven,
)


class BelievesItsSource(Dot):
    """Checks the arguments of each step, but not the source that it attends to."""

    breaks: ClassVar[Law] = laws.a_cross_attention_refuses_invalid_arguments

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__(input_size, 5, size)

    def start(self, source: Encoded) -> CrossAttentionState:
        keys = self.key(source.features)
        return CrossAttentionState(keys, self.value(source.features), source.lengths)


class BelievesItsState(Dot):
    """Checks each tensor of a state against its shape, but not against the other tensors."""

    breaks: ClassVar[Law] = laws.a_cross_attention_refuses_invalid_arguments

    def __init__(self, input_size: int, size: int) -> None:
        super().__init__(input_size, 5, size)

    def check_within(self, verb: str, state: State) -> None:
        """Checks nothing."""


BROKEN_CROSS_ATTENTIONS: tuple[Any, ...] = (BelievesItsSource, BelievesItsState)


def unroll_any_lengths(
    memory: BelievesItsLengths, xs: Tensor, state: RNNState, lengths: Tensor | None = None
) -> tuple[Tensor, RNNState]:
    check(memory, "unroll", xs, state)
    return memory.unchecked_unroll(xs, state, lengths)


for fault, verb, unchecked in (
    (BelievesWhatItIsGiven, "step", SteppedRNN.unchecked_step),
    (BelievesWhatItIsGiven, "unroll", SteppedRNN.unchecked_unroll),
    (BelievesItsLengths, "unroll", unroll_any_lengths),
    (EncodesWhatItIsGiven, "encode", ReadsBothWays.unchecked_encode),
):
    setattr(fault, verb, unchecked)


class LoudModel(nn.Module):
    """A language model whose output layer is initialised as large as its embedding."""

    breaks: ClassVar[Law] = laws.the_first_loss_is_about_ln_v

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.memory = 65, LSTM(8, 8)
        self.embedding, self.output = nn.Embedding(65, 8), nn.Embedding(65, 8)

    def start(self, rows: int) -> LSTMState:
        return self.memory.start(rows)

    def unroll(self, tokens: Tensor, state: LSTMState, lengths: Tensor | None = None) -> tuple[Tensor, LSTMState]:
        hidden, state = self.memory.unroll(10 * self.embedding(tokens), state, lengths)
        return 10 * hidden @ self.output.weight.T, state
