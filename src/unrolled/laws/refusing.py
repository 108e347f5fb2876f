"""The laws of what is refused: what does not fit reaches no kernel, and gets no answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled import states
from unrolled.errors import TensorError
from unrolled.laws.trials import LENGTHS, LawError, Part, hostile_inputs, hostile_trial
from unrolled.states import State

Wrong = tuple[str, Any]  # what is wrong about it, and the thing itself


class Source(NamedTuple):
    """Features that a reader looks at, as `unrolled.model.encoders.Encoded` has them."""

    features: Tensor  # (B, S, D)
    lengths: Tensor  # (B,)


def demand_refused(verb: str, call: Callable[[Any], object], wrongs: Iterable[Wrong]) -> None:
    """LawError unless each of these ends in a TensorError."""
    for what, wrong in wrongs:
        try:
            call(wrong)
        except TensorError:
            continue
        except Exception as problem:
            raise LawError(f"{verb}, {what}: {type(problem).__name__}: {str(problem).splitlines()[0]}") from None
        raise LawError(f"{verb}, {what}: it was answered")


def wrong_inputs(inputs: Tensor) -> Iterator[Wrong]:
    """These inputs in another width, with other axes, of another type, elsewhere, and as no tensor."""
    other = torch.float32 if inputs.dtype == torch.float64 else torch.float64
    yield "an input that is too narrow", inputs[..., :-1]
    yield "an input that is too wide", torch.cat([inputs, inputs], dim=-1)
    yield "an input of one axis less", inputs[0]
    yield "an input of one axis more", inputs[None]
    yield f"an input of {other}", inputs.to(other)
    yield "an input of whole numbers", inputs.long()
    yield "an input elsewhere", inputs.to("meta")
    yield "an input that is a list", inputs.tolist()


def wrong_states(state: State) -> Iterator[Wrong]:
    """This state with other rows, wider, of another type, elsewhere, and none of it."""
    yield "no state", None
    if not states.leaves(state):
        return  # what keeps nothing has no rows to be wrong
    rows = states.row_count(state)
    fewer = states.take(state, torch.arange(rows - 1))
    yield "a state of fewer rows", fewer
    yield "a state of one row", states.take(state, torch.tensor([0]))
    yield "a state of more rows", states.join([state, fewer])
    yield "a wider state", states.map_leaves(lambda leaf: torch.cat([leaf, leaf], dim=-1), state)
    yield "a state of another type", states.map_leaves(lambda leaf: leaf.to(torch.int32), state)
    yield "a state elsewhere", states.move(state, "meta")
    yield "a state without its names", (state, *states.leaves(state).values())


def wrong_lengths(lengths: Tensor, steps: int) -> Iterator[Wrong]:
    """Lengths past the input's end, below 0, of other rows, of another kind."""
    yield "a length past the end", lengths.clamp_min(steps + 1)
    yield "a length below 0", lengths - steps - 1
    yield "lengths of fewer rows", lengths[1:]
    yield "lengths of two axes", lengths[:, None]
    yield "lengths with fractions", lengths / 2
    yield "lengths that are a list", lengths.tolist()


def a_memory_refuses_what_does_not_fit(memory: Part) -> None:
    """An input of another width, type or device than the weights', a state of other rows or of another part, lengths
    that are none: each ends in a TensorError, and never in an answer, in NaN or with the interpreter."""
    inputs, lengths, state = hostile_trial(memory)
    steps = inputs.shape[1]
    demand_refused("unroll", lambda wrong: memory.unroll(wrong, state), wrong_inputs(inputs))
    demand_refused("unroll", lambda wrong: memory.unroll(inputs, wrong), wrong_states(state))
    demand_refused("unroll", lambda wrong: memory.unroll(inputs, state, wrong), wrong_lengths(lengths, steps))
    demand_refused("step", lambda wrong: memory.step(wrong, state), wrong_inputs(inputs[:, 0]))
    demand_refused("step", lambda wrong: memory.step(inputs[:, 0], wrong), wrong_states(state))


def an_encoder_refuses_what_does_not_fit(encoder: Part) -> None:
    """The same of inputs that are read whole. No state is its start."""
    lengths, steps = torch.tensor(LENGTHS), max(LENGTHS)
    inputs = hostile_inputs(encoder, len(LENGTHS), steps, torch.Generator().manual_seed(0))
    given = [wrong for wrong in wrong_states(encoder.start(len(LENGTHS))) if wrong[1] is not None]
    demand_refused("encode", lambda wrong: encoder.encode(wrong), wrong_inputs(inputs))
    demand_refused("encode", lambda wrong: encoder.encode(inputs, wrong), wrong_lengths(lengths, steps))
    demand_refused("encode", lambda wrong: encoder.encode(inputs, None, wrong), given)


def a_reader_refuses_what_does_not_fit(reader: Part) -> None:
    """The same of what is looked at, and of what is given at each step while a text is written."""
    rows, steps, generator = len(LENGTHS), max(LENGTHS), torch.Generator().manual_seed(0)
    inputs, lengths = hostile_inputs(reader, rows, steps, generator), torch.tensor(LENGTHS)
    features = torch.randn(rows, steps, reader.source_size, generator=generator, dtype=torch.float64).to(inputs)
    state = reader.start(Source(features, lengths))
    demand_refused("start", lambda wrong: reader.start(Source(wrong, lengths)), wrong_inputs(features))
    demand_refused("start", lambda wrong: reader.start(Source(features, wrong)), wrong_lengths(lengths, steps))
    demand_refused("unroll", lambda wrong: reader.unroll(wrong, state), wrong_inputs(inputs))
    demand_refused("unroll", lambda wrong: reader.unroll(inputs, wrong), wrong_states(state))
    demand_refused("unroll", lambda wrong: reader.unroll(inputs, state, wrong), wrong_lengths(lengths, steps))
    demand_refused("step", lambda wrong: reader.step(wrong, state), wrong_inputs(inputs[:, 0]))
    demand_refused("step", lambda wrong: reader.step(inputs[:, 0], wrong), wrong_states(state))
