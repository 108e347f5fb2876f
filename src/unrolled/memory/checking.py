"""Checks of the arguments of memories, encoders and cross-attention, before any kernel runs.

Kernels do not check their arguments: torch's LSTM, with a state of fewer rows, writes past the end of its buffers,
and with an input that is too narrow it reads past its end. So every `Checked` module refuses, with a TensorError, an
input of the wrong width, type or device, a state of other rows or of another module, and wrong lengths.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import wraps
from inspect import signature
from itertools import chain, islice
from numbers import Integral
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unrolled.arguments import check_sizes, checked_init
from unrolled.errors import OptionError, TensorError
from unrolled.states import State

Method = Callable[..., Any]
WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
MANY_ROWS = 1 << 20  # rows from which on a state may be too large for the machine
MANY_UNITS = 1 << 12  # units from which on weights may be too large for the machine
MOST_CAUSE = 200  # most characters of torch's message that are quoted
NARROWER = (torch.bfloat16, torch.float16)  # types to which autocast converts float32


class Leaf(NamedTuple):
    """Shape, type and device of one tensor of a state, without its rows."""

    shape: tuple[int | None, ...]  # from the second axis on; None: any number
    dtype: torch.dtype
    device: torch.device


class Form(NamedTuple):
    """The input and the state that a module takes."""

    dtype: torch.dtype | None  # of the input, the same as of the weights; None: no weights, so any floating type
    device: torch.device | None
    state: Any  # a tree of the state's structure, with a Leaf for each tensor


class Checked(nn.Module, ABC):
    """A module whose methods `start`, `step`, `unroll` and `encode` check their arguments, and whose `__init__`
    accepts only what it declares: sizes are whole numbers of at least 1, options have their types.

    A subclass writes its methods without checks; they are wrapped when the class is created. The original methods
    stay available as `unchecked_step` and so on, for modules that contain others and have checked the arguments.
    """

    input_size: int  # D
    unchecked_step: Callable[..., tuple[Tensor, State]]
    unchecked_unroll: Callable[..., tuple[Tensor, State]]
    unchecked_encode: Callable[..., Any]
    _form: Form | None = None  # found at the first check
    _known: Any = None  # shapes and types of the last step that passed the check

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = _checked_init(cls.__init__)  # type: ignore[method-assign]
        for name, checked in CHECKED_METHODS.items():
            method = cls.__dict__.get(name)
            if method is not None and not getattr(method, "__isabstractmethod__", False):
                setattr(cls, f"unchecked_{name}", method)
                setattr(cls, name, checked(method))

    @abstractmethod
    def blank(self) -> State:
        """A state of one row, from which the structure of states is taken."""

    def check_within(self, method: str, state: State) -> None:
        """Raise TensorError where the leaves of a state, each valid by itself, do not fit each other."""
        return

    def _apply(self, *args: Any, **kwargs: Any) -> Any:
        """Called by `.to()` and similar methods, after which type and device may differ."""
        self._form = self._known = None
        return super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]


def _is_large(value: Any) -> bool:
    return isinstance(value, Integral) and int(value) >= MANY_UNITS


def _checked_init(init: Callable[..., None]) -> Callable[..., None]:
    """Check the arguments of `__init__` before it runs, and the module's sizes after it, whatever they are called."""
    made = checked_init(init)

    @wraps(init)
    def make(self: Checked, *given: Any, **named: Any) -> None:
        try:
            made(self, *given, **named)
        except (RuntimeError, OverflowError, MemoryError) as error:
            if not any(map(_is_large, (*given, *named.values()))):
                raise
            cause = str(error).splitlines()[0][:MOST_CAUSE] if str(error) else "no memory"
            raise OptionError(
                f"{type(self).__name__}: weights of these sizes cannot be made: {cause}.\nGive smaller sizes."
            ) from error
        check_sizes(self)

    return make


def _checked_step(method: Method) -> Method:
    """Check only shapes and types of a step, which torch would broadcast and convert silently.

    A step of a small memory takes 40 µs, so shapes and types that have passed once are recognised by one comparison.
    If torch refuses anything else, the full check explains it.
    """

    @wraps(method)
    def step(self: Checked, x: Tensor, state: State) -> tuple[Tensor, State]:
        try:
            given = _signature_of(x, state)
        except (AttributeError, TypeError, RuntimeError):  # no tensor, a nested one, or no state
            given = None
        if given is None or given != self._known:
            check(self, "step", x, state)
            self._known = given
        try:
            return method(self, x, state)  # type: ignore[no-any-return]
        except Exception:
            check(self, "step", x, state)
            raise

    return step


def _checked_unroll(method: Method) -> Method:
    @wraps(method)
    def unroll(self: Checked, xs: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        check(self, "unroll", xs, state, lengths)
        return method(self, xs, state, lengths)  # type: ignore[no-any-return]

    return unroll


def _checked_encode(method: Method) -> Method:
    @wraps(method)
    def encode(self: Checked, inputs: Tensor, lengths: Tensor | None = None, state: State | None = None) -> Any:
        check(self, "encode", inputs, state, lengths)
        return method(self, inputs, lengths, state)

    return encode


def _checked_start(method: Method) -> Method:
    """Check a `start(rows)`. Cross-attention and encoder-decoder start from a source, which they check themselves."""
    if next(islice(signature(method).parameters, 1, None), None) != "rows":
        return method

    @wraps(method)
    def start(self: Checked, rows: Any) -> Any:
        if not isinstance(rows, int | Integral) or isinstance(rows, bool) or rows < 0:
            raise TensorError(f"{type(self).__name__}.start takes rows, a whole number of at least 0; got {rows!r}.")
        try:
            return method(self, rows)
        except (RuntimeError, TypeError, OverflowError, MemoryError, IndexError) as error:
            if rows < MANY_ROWS:
                raise
            raise TensorError(
                f"{type(self).__name__}.start: a state of {rows:,} rows cannot be made; it may be too large."
            ) from error

    return start


def _checked_weights(method: Method) -> Method:
    """Check the arguments of `weights`, the attention weights for a plot."""

    @wraps(method)
    def weights(self: Checked, xs: Tensor, state: State) -> Any:
        check(self, "weights", xs, state)
        return method(self, xs, state)

    return weights


CHECKED_METHODS = {
    "start": _checked_start,
    "step": _checked_step,
    "unroll": _checked_unroll,
    "encode": _checked_encode,
    "weights": _checked_weights,
}


def _signature_of(x: Tensor, state: State) -> tuple[Any, ...]:
    """Key of a step's arguments: kind of state, shapes and types. States of one or two tensors, the most frequent
    ones, are written out, because a loop would take longer than everything else here."""
    kind = type(state)
    try:
        if len(state) == 1:
            (one,) = state
            return kind, x.shape, x.dtype, x.layout, one.shape, one.dtype, one.layout
        if len(state) == 2 and kind is not tuple:
            one, two = state
            return (kind, x.shape, x.dtype, x.layout, one.shape, one.dtype, one.layout,
                    two.shape, two.dtype, two.layout)  # fmt: skip
    except AttributeError:  # a nested state
        pass
    return kind, x.shape, x.dtype, x.layout, _shapes(state)


def _shapes(state: State) -> list[Any]:
    return [(leaf.shape, leaf.dtype, leaf.layout) if isinstance(leaf, Tensor) else _shapes(leaf) for leaf in state]


def check(component: Checked, method: str, xs: Any, state: Any, lengths: Any = None) -> None:
    """Raise TensorError unless xs, (B, D) for a step, else (B, T, D), state and lengths (B,) are valid for
    `component`.

    state: None where an encoder begins at its start state.
    """
    known, axes = component._form, ("rows",) if method == "step" else ("rows", "steps")
    try:
        check_input(component, method, xs, (*axes, component.input_size))
        if state is not None or method != "encode":
            _check_state(component, method, state, xs.shape[0])
    except TensorError:
        if known is None:
            raise
        component._form = None  # the weights may have been replaced since it was determined
        return check(component, method, xs, state, lengths)
    if lengths is not None:
        check_lengths(component, method, lengths, *xs.shape[:2])
    if state is not None:
        component.check_within(method, state)
    return None


def check_input(component: Checked, method: str, xs: Any, axes: tuple[str | int, ...]) -> None:
    """Raise TensorError unless xs is a tensor of these axes, the last a number, of the weights' type and device."""
    name, form = f"{type(component).__name__}.{method}", _form_of(component)
    if not isinstance(xs, Tensor) or xs.is_nested or xs.dim() != len(axes) or xs.shape[-1] != axes[-1]:
        raise TensorError(f"{name} takes a tensor ({', '.join(map(str, axes))}); got {describe(xs)}.")
    if xs.layout is not torch.strided:
        raise TensorError(f"{name} takes a dense tensor; got layout {xs.layout}. Convert it with .to_dense().")
    if form.device is not None and xs.device != form.device:
        raise TensorError(f"{name}: the weights are on {form.device}, the input is on {xs.device}. Move one of them.")
    if not (xs.is_floating_point() if form.dtype is None else has_dtype(xs, form.dtype)):
        wanted = form.dtype or torch.float32
        raise TensorError(
            f"{name} takes {wanted}, the type of its weights; got {xs.dtype}. Convert it with .to({wanted})."
        )


def check_lengths(component: Checked, method: str, lengths: Any, rows: int, steps: int) -> None:
    """Raise TensorError unless lengths (B,) are whole numbers from 0 to `steps`. On a GPU this synchronises."""
    dense = isinstance(lengths, Tensor) and not lengths.is_nested and lengths.layout is torch.strided
    if dense and lengths.dtype in WHOLE and lengths.shape == (rows,):
        if lengths.device.type == "meta" or all(0 <= length <= steps for length in lengths.tolist()):
            return
        given = f"{min(lengths.tolist())} to {max(lengths.tolist())}"
    else:
        given = describe(lengths)
    raise TensorError(
        f"{type(component).__name__}.{method}: lengths must be a tensor of {rows} whole numbers, one per row, from 0 "
        f"to {steps}, the number of steps; got {given}."
    )


def _check_state(component: Checked, method: str, state: Any, rows: int) -> None:
    if wrong := _difference(state, _form_of(component).state, rows, ""):
        raise TensorError(
            f"{type(component).__name__}.{method}: the state does not fit this module with {rows} rows: {wrong}.\n"
            f"Take the state from start({rows}), or from an earlier step or unroll of the same rows."
        )


def _difference(state: Any, form: Any, rows: int, path: str) -> str | None:
    """Describe the first difference between a state and the expected form; None if there is none."""
    if isinstance(form, Leaf):
        wanted = (rows, *form.shape)
        if (
            isinstance(state, Tensor)
            and not state.is_nested
            and state.dim() == len(wanted)
            and all(n in (size, None) for size, n in zip(state.shape, wanted, strict=True))
            and has_dtype(state, form.dtype)
            and state.device == form.device
            and state.layout is torch.strided
        ):
            return None
        shape = ", ".join("any number" if n is None else str(n) for n in wanted)
        return f"{path or 'it'} must be {form.dtype} ({shape}) on {form.device} but is {describe(state)}"
    if type(state) is not type(form) or len(state) != len(form):
        return f"{path or 'it'} must be a {type(form).__name__} of {len(form)} but is {describe(state)}"
    names = getattr(form, "_fields", None) or [f"layer{i}" for i in range(len(form))]
    for name, branch, wanted in zip(names, state, form, strict=True):
        if wrong := _difference(branch, wanted, rows, f"{path}.{name}" if path else name):
            return wrong
    return None


def _form_of(component: Checked) -> Form:
    if component._form is None:
        weights = (
            weight for weight in chain(component.parameters(), component.buffers()) if weight.is_floating_point()
        )
        weight = next(weights, None)
        with torch.no_grad():
            state = _leaves_of(component.blank())
        component._form = Form(None, None, state) if weight is None else Form(weight.dtype, weight.device, state)
    return component._form


def _leaves_of(state: State, may_grow: bool = True) -> Any:
    """The state with a Leaf for each tensor. An axis of length 0, (B, 0, …), may grow, unless the state's class has
    `grows = False`."""
    if isinstance(state, Tensor):
        grows = may_grow and state.dim() > 2 and state.shape[1] == 0
        return Leaf((None, *state.shape[2:]) if grows else tuple(state.shape[1:]), state.dtype, state.device)
    branches = [_leaves_of(branch, getattr(state, "grows", True)) for branch in state]
    return type(state)(*branches) if hasattr(state, "_fields") else tuple(branches)


def has_dtype(tensor: Tensor, dtype: torch.dtype) -> bool:
    """Whether a tensor has this type, or the type is float32 and autocast made it narrower."""
    return tensor.dtype is dtype or (
        dtype is torch.float32 and tensor.dtype in NARROWER and torch.is_autocast_enabled(tensor.device.type)
    )


def describe(given: Any) -> str:
    """A description of what was given in place of a tensor."""
    if isinstance(given, Tensor) and given.is_nested:
        return f"a nested tensor of {given.dtype}"
    if isinstance(given, Tensor):
        layout = "" if given.layout is torch.strided else f"{given.layout}, "
        return f"{layout}{given.dtype} {tuple(given.shape)} on {given.device}"
    many = f" of {len(given)}" if isinstance(given, tuple) else ""
    return f"a {type(given).__name__}{many}"
