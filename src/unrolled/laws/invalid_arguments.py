"""Laws of refusal: inputs and options that do not fit raise an error before any kernel runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from inspect import Parameter, signature
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled import states
from unrolled.errors import OptionError, TensorError
from unrolled.laws.trials import LENGTHS, Component, LawError, hostile_inputs, hostile_trial
from unrolled.states import State

Wrong = tuple[str, Any]  # a description of what is wrong, and the wrong value
SIZES = (4, 8)  # input size and output size of a component that is made for laws
NO_SIZES = (0, -3, 20.5, float("nan"), "8", None, True, [8])
NO_OPTIONS = (object(), [2], {"a": 1})  # values of types that no option has


class AttendedSource(NamedTuple):
    """Features that a cross-attention attends to, with the fields of `unrolled.model.encoders.Encoded`."""

    features: Tensor  # (B, S, D)
    lengths: Tensor  # (B,)


def demand_refused(
    method: str,
    call: Callable[[Any], object],
    wrong_values: Iterable[Wrong],
    kind: type[Exception] = TensorError,
) -> None:
    """Raise LawError unless each wrong value raises `kind`, a TensorError if left out."""
    for what, wrong in wrong_values:
        try:
            call(wrong)
        except kind:
            continue
        except Exception as problem:
            raise LawError(f"{method}, {what}: {type(problem).__name__}: {str(problem).splitlines()[0]}") from None
        raise LawError(f"{method}, {what}: no error was raised")


def wrong_inputs(inputs: Tensor) -> Iterator[Wrong]:
    """Yield these inputs with another width, other axes, another dtype or device, and as a list."""
    other = torch.float32 if inputs.dtype == torch.float64 else torch.float64
    yield "an input that is too narrow", inputs[..., :-1]
    yield "an input that is too wide", torch.cat([inputs, inputs], dim=-1)
    yield "an input with one axis less", inputs[0]
    yield "an input with one axis more", inputs[None]
    yield f"an input of dtype {other}", inputs.to(other)
    yield "an input of integers", inputs.long()
    yield "an input on another device", inputs.to("meta")
    yield "a sparse input", inputs.to_sparse()
    with warnings.catch_warnings(action="ignore"):  # torch announces that nested tensors may change
        yield "a nested input", torch.nested.nested_tensor(list(inputs))
    yield "an input that is a list", inputs.tolist()


def wrong_states(state: State, grows: bool = True) -> Iterator[Wrong]:
    """Yield this state with other rows, wider, of another dtype or device, and None; with more places too, unless
    the state grows with the steps."""
    yield "no state", None
    if not states.leaves(state):
        return  # an empty state has no rows
    rows = states.row_count(state)
    fewer = states.take(state, torch.arange(rows - 1))
    yield "a state with fewer rows", fewer
    yield "a state with one row", states.take(state, torch.tensor([0]))
    yield "a state with more rows", states.join([state, fewer])
    yield "a wider state", states.map_leaves(lambda leaf: torch.cat([leaf, leaf], dim=-1), state)
    if not grows and any(leaf.dim() > 2 for leaf in states.leaves(state).values()):
        yield "a state with more places", states.map_leaves(_with_more_places, state)
    yield "a state of another dtype", states.map_leaves(lambda leaf: leaf.to(torch.int32), state)
    yield "a sparse state", states.map_leaves(lambda leaf: leaf.to_sparse(), state)
    yield "a state on another device", states.move(state, "meta")
    yield "a state without field names", (state, *states.leaves(state).values())


def _with_more_places(leaf: Tensor) -> Tensor:
    """(B, S, …) -> (B, S + 3, …), the new ones zeros; a tensor of fewer axes is unchanged."""
    return torch.cat([leaf, leaf.new_zeros(len(leaf), 3, *leaf.shape[2:])], dim=1) if leaf.dim() > 2 else leaf


def wrong_lengths(lengths: Tensor, steps: int) -> Iterator[Wrong]:
    """Yield lengths past the input's end, below 0, for other rows, and of another type."""
    yield "a length past the end", lengths.clamp_min(steps + 1)
    yield "a length below 0", lengths - steps - 1
    yield "lengths of fewer rows than the input", lengths[1:]
    yield "lengths with two axes", lengths[:, None]
    yield "lengths with fractions", lengths / 2
    yield "sparse lengths", lengths.to_sparse()
    yield "lengths that are a list", lengths.tolist()


def a_memory_refuses_invalid_arguments(memory: Component) -> None:
    """A memory raises TensorError for an input whose width, dtype or device does not fit its weights, a state with
    other rows or of another component, and invalid lengths; it never returns an output or NaN, or crashes."""
    inputs, lengths, state = hostile_trial(memory)
    steps, grows = inputs.shape[1], "a_state_keeps_its_form" in getattr(memory, "excuses", {})
    demand_refused("unroll", lambda wrong: memory.unroll(wrong, state), wrong_inputs(inputs))
    demand_refused("unroll", lambda wrong: memory.unroll(inputs, wrong), wrong_states(state, grows))
    demand_refused("unroll", lambda wrong: memory.unroll(inputs, state, wrong), wrong_lengths(lengths, steps))
    demand_refused("step", lambda wrong: memory.step(wrong, state), wrong_inputs(inputs[:, 0]))
    demand_refused("step", lambda wrong: memory.step(inputs[:, 0], wrong), wrong_states(state, grows))


def an_encoder_refuses_invalid_arguments(encoder: Component) -> None:
    """The same for encoders of whole rows. Without a state, `encode` uses the start state."""
    lengths, steps = torch.tensor(LENGTHS), max(LENGTHS)
    inputs = hostile_inputs(encoder, len(LENGTHS), steps, torch.Generator().manual_seed(0))
    given = [wrong for wrong in wrong_states(encoder.start(len(LENGTHS))) if wrong[1] is not None]
    demand_refused("encode", lambda wrong: encoder.encode(wrong), wrong_inputs(inputs))
    demand_refused("encode", lambda wrong: encoder.encode(inputs, wrong), wrong_lengths(lengths, steps))
    demand_refused("encode", lambda wrong: encoder.encode(inputs, None, wrong), given)


def a_cross_attention_refuses_invalid_arguments(cross_attention: Component) -> None:
    """The same for a cross-attention: for the features of the source, and for the inputs at each step."""
    rows, steps, generator = len(LENGTHS), max(LENGTHS), torch.Generator().manual_seed(0)
    inputs, lengths = hostile_inputs(cross_attention, rows, steps, generator), torch.tensor(LENGTHS)
    features = torch.randn(rows, steps, cross_attention.source_size, generator=generator, dtype=torch.float64).to(
        inputs
    )
    state = cross_attention.start(AttendedSource(features, lengths))
    demand_refused(
        "start", lambda wrong: cross_attention.start(AttendedSource(wrong, lengths)), wrong_inputs(features)
    )
    demand_refused(
        "start", lambda wrong: cross_attention.start(AttendedSource(features, wrong)), wrong_lengths(lengths, steps)
    )
    demand_refused("unroll", lambda wrong: cross_attention.unroll(wrong, state), wrong_inputs(inputs))
    demand_refused("unroll", lambda wrong: cross_attention.unroll(inputs, wrong), wrong_states(state))
    demand_refused(
        "unroll", lambda wrong: cross_attention.unroll(inputs, state, wrong), wrong_lengths(lengths, steps)
    )
    demand_refused("unroll", lambda wrong: cross_attention.unroll(inputs, wrong), wrong_sources(state))
    demand_refused("weights", lambda wrong: cross_attention.weights(wrong, state), wrong_inputs(inputs))
    demand_refused("weights", lambda wrong: cross_attention.weights(inputs, wrong), wrong_states(state))
    demand_refused("weights", lambda wrong: cross_attention.weights(inputs, wrong), wrong_sources(state))
    demand_refused("start", cross_attention.start, [("features without lengths", features), ("None", None)])
    demand_refused("step", lambda wrong: cross_attention.step(wrong, state), wrong_inputs(inputs[:, 0]))
    demand_refused("step", lambda wrong: cross_attention.step(inputs[:, 0], wrong), wrong_states(state))


def wrong_sources(state: State) -> Iterator[Wrong]:
    """Yield this state of a cross-attention with keys, values and lengths that do not fit each other."""
    yield "a length past the keys", state._replace(lengths=state.lengths + state.keys.shape[1])
    yield "a length below 0", state._replace(lengths=-1 - state.lengths)
    yield "fewer values than keys", state._replace(values=state.values[:, :-1])
    yield "fewer keys than values", state._replace(keys=state.keys[:, :-1])


def a_constructor_refuses_invalid_arguments(make: Callable[..., Component], sizes: Sequence[int] = SIZES) -> None:
    """A constructor raises OptionError for a size that is not an integer of at least 1, and for an option of a wrong
    type. `make` takes as many sizes as `sizes`, of which it may ignore the first; its options come after."""

    parameters = [one for one in signature(make).parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
    for place, size in enumerate(sizes):
        if place == 0 and _ignores_first_size(make, sizes):
            continue
        name, rest = parameters[place].name, (sizes[:place], sizes[place + 1 :])
        make_with = partial(_make_of, make, *rest)
        demand_refused("made", make_with, [(f"{name} of {wrong!r}", wrong) for wrong in NO_SIZES], OptionError)
        make_with(size)
    for option in parameters[len(sizes) :]:
        wrong_values = [
            (f"{option.name} of type {type(wrong).__name__}", {option.name: wrong}) for wrong in NO_OPTIONS
        ]
        demand_refused("made", lambda named: make(*sizes, **named), wrong_values, OptionError)


def _make_of(make: Callable[..., Component], before: Sequence[int], after: Sequence[int], size: Any) -> Component:
    return make(*before, size, *after)


def _ignores_first_size(make: Callable[..., Component], sizes: Sequence[int]) -> bool:
    """Whether the input size of a component is independent of the first size."""
    try:
        return bool(make(sizes[0] + 1, *sizes[1:]).input_size == make(*sizes).input_size)
    except OptionError:
        return False
