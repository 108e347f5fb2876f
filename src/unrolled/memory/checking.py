"""What a memory, an encoder or a reader is given is checked here, before any kernel sees it.

A kernel trusts what it is given: torch's LSTM, beside a state of fewer rows, writes past the end of its buffers, and
of an input that is too narrow it reads what lies behind. So whatever is `Checked` refuses, by a TensorError, an input
of another width, type or device than its weights', a state of other rows or of another part, and wrong lengths.
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

Verb = Callable[..., Any]
WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
MANY_ROWS = 1 << 20  # from which on a state may be too large for any memory
MANY_UNITS = 1 << 12  # from which on weights may be too large for any memory
MOST_CAUSE = 200  # characters of what torch says about it
NARROWER = (torch.bfloat16, torch.float16)  # what autocast makes of float32


class Leaf(NamedTuple):
    """One tensor of a state, without its rows."""

    shape: tuple[int | None, ...]  # from the second axis on; None: any number
    dtype: torch.dtype
    device: torch.device


class Form(NamedTuple):
    """What a part reads, and what it keeps."""

    dtype: torch.dtype | None  # of the input, as the weights have it; None: no weights, so any kind of float
    device: torch.device | None
    state: Any  # a tree like the state's, with a Leaf for each tensor


class Checked(nn.Module, ABC):
    """A module whose verbs, `start`, `step`, `unroll` and `encode`, check what they are given, and that is made only
    of what its `__init__` declares: sizes are whole numbers of at least 1, options of their types.

    A class under it writes a verb as if all that comes were right: the check is put before it when the class is made.
    The verb as written stays as `unchecked_step` and so on, for parts that hold others and were checked themselves.
    """

    input_size: int  # D
    unchecked_step: Callable[..., tuple[Tensor, State]]
    unchecked_unroll: Callable[..., tuple[Tensor, State]]
    unchecked_encode: Callable[..., Any]
    _form: Form | None = None  # found at the first check
    _known: Any = None  # shapes and types of the last step that was right

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if "__init__" in cls.__dict__:
            cls.__init__ = _checked_init(cls.__init__)  # type: ignore[method-assign]
        for name, checked in VERBS.items():
            verb = cls.__dict__.get(name)
            if verb is not None and not getattr(verb, "__isabstractmethod__", False):
                setattr(cls, f"unchecked_{name}", verb)
                setattr(cls, name, checked(verb))

    @abstractmethod
    def blank(self) -> State:
        """A state of one row, to see what a state is like."""

    def check_within(self, verb: str, state: State) -> None:
        """Raises TensorError where the parts of a state, each of which is right, do not fit each other."""
        return

    def _apply(self, *how: Any, **more: Any) -> Any:
        """What `.to()` and its like call: the form is another then."""
        self._form = self._known = None
        return super()._apply(*how, **more)  # type: ignore[no-untyped-call]


def _is_large(value: Any) -> bool:
    return isinstance(value, Integral) and int(value) >= MANY_UNITS


def _checked_init(init: Callable[..., None]) -> Callable[..., None]:
    """What a part is made of is checked before it is made, and its sizes after: a class may call them as it likes."""
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


def _checked_step(verb: Verb) -> Verb:
    """Of a step no more is looked at than shapes and types, which torch would broadcast and convert in silence.

    A step of a small memory takes 40 µs, so that what was right is known again by one comparison. Where torch refuses
    the rest, the whole check says why.
    """

    @wraps(verb)
    def step(self: Checked, x: Tensor, state: State) -> tuple[Tensor, State]:
        try:
            given = _shown_by(x, state)
        except (AttributeError, TypeError):  # no tensor, or no state
            given = None
        if given is None or given != self._known:
            check(self, "step", x, state)
            self._known = given
        try:
            return verb(self, x, state)  # type: ignore[no-any-return]
        except Exception:
            check(self, "step", x, state)
            raise

    return step


def _checked_unroll(verb: Verb) -> Verb:
    @wraps(verb)
    def unroll(self: Checked, xs: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        check(self, "unroll", xs, state, lengths)
        return verb(self, xs, state, lengths)  # type: ignore[no-any-return]

    return unroll


def _checked_encode(verb: Verb) -> Verb:
    @wraps(verb)
    def encode(self: Checked, inputs: Tensor, lengths: Tensor | None = None, state: State | None = None) -> Any:
        check(self, "encode", inputs, state, lengths)
        return verb(self, inputs, lengths, state)

    return encode


def _checked_start(verb: Verb) -> Verb:
    """Of what starts by rows: a cross-attention or a writer starts from what it looks at, and checks that itself."""
    if next(islice(signature(verb).parameters, 1, None), None) != "rows":
        return verb

    @wraps(verb)
    def start(self: Checked, rows: Any) -> Any:
        if not isinstance(rows, int | Integral) or isinstance(rows, bool) or rows < 0:
            raise TensorError(f"{type(self).__name__}.start takes rows, a whole number of at least 0; got {rows!r}.")
        try:
            return verb(self, rows)
        except (RuntimeError, TypeError, OverflowError, MemoryError, IndexError) as error:
            if rows < MANY_ROWS:
                raise
            raise TensorError(
                f"{type(self).__name__}.start: a state of {rows:,} rows cannot be made. Is there memory for it?"
            ) from error

    return start


def _checked_weights(verb: Verb) -> Verb:
    """What is asked of a reader beside its answer, for a picture."""

    @wraps(verb)
    def weights(self: Checked, xs: Tensor, state: State) -> Any:
        check(self, "weights", xs, state)
        return verb(self, xs, state)

    return weights


VERBS = {
    "start": _checked_start,
    "step": _checked_step,
    "unroll": _checked_unroll,
    "encode": _checked_encode,
    "weights": _checked_weights,
}


def _shown_by(x: Tensor, state: State) -> tuple[Any, ...]:
    """What a step is known again by: the kind of its state, shapes and types. States of one tensor or two, as most
    are, are written out: a loop takes longer than all of it."""
    kind = type(state)
    try:
        if len(state) == 1:
            (one,) = state
            return kind, x.shape, x.dtype, x.layout, one.shape, one.dtype, one.layout
        if len(state) == 2 and kind is not tuple:
            one, two = state
            return (kind, x.shape, x.dtype, x.layout, one.shape, one.dtype, one.layout,
                    two.shape, two.dtype, two.layout)  # fmt: skip
    except AttributeError:  # one of them is a state of its own
        pass
    return kind, x.shape, x.dtype, x.layout, _shapes(state)


def _shapes(state: State) -> list[Any]:
    return [(leaf.shape, leaf.dtype, leaf.layout) if isinstance(leaf, Tensor) else _shapes(leaf) for leaf in state]


def check(part: Checked, verb: str, xs: Any, state: Any, lengths: Any = None) -> None:
    """TensorError unless xs, (B, D) for a step, else (B, T, D), its state and lengths (B,) are what `part` reads.

    state: None where an encoder begins at its start.
    """
    known, axes = part._form, ("rows",) if verb == "step" else ("rows", "steps")
    try:
        check_input(part, verb, xs, (*axes, part.input_size))
        if state is not None or verb != "encode":
            _check_state(part, verb, state, xs.shape[0])
    except TensorError:
        if known is None:
            raise
        part._form = None  # other weights may have been put in place of those that it was found by
        return check(part, verb, xs, state, lengths)
    if lengths is not None:
        check_lengths(part, verb, lengths, *xs.shape[:2])
    if state is not None:
        part.check_within(verb, state)
    return None


def check_input(part: Checked, verb: str, xs: Any, axes: tuple[str | int, ...]) -> None:
    """TensorError unless xs is a tensor of these axes, the last a number, of the weights' type and beside them."""
    name, form = f"{type(part).__name__}.{verb}", _form_of(part)
    if not isinstance(xs, Tensor) or xs.dim() != len(axes) or xs.shape[-1] != axes[-1]:
        raise TensorError(f"{name} reads a tensor ({', '.join(map(str, axes))}); got {_describe(xs)}.")
    if xs.layout is not torch.strided:
        raise TensorError(f"{name} reads a dense tensor; got one of layout {xs.layout}. Convert it by .to_dense().")
    if form.device is not None and xs.device != form.device:
        raise TensorError(f"{name}: the weights are on {form.device}, the input is on {xs.device}. Move one of them.")
    if not (xs.is_floating_point() if form.dtype is None else _is_of(xs, form.dtype)):
        wanted = form.dtype or torch.float32
        raise TensorError(f"{name} reads {wanted}, as its weights are; got {xs.dtype}. Convert it by .to({wanted}).")


def check_lengths(part: Checked, verb: str, lengths: Any, rows: int, steps: int) -> None:
    """TensorError unless lengths (B,) are whole numbers from 0 to `steps`; on a GPU they are waited for."""
    dense = isinstance(lengths, Tensor) and lengths.layout is torch.strided
    if dense and lengths.dtype in WHOLE and lengths.shape == (rows,):
        if lengths.device.type == "meta" or all(0 <= length <= steps for length in lengths.tolist()):
            return
        came = f"{min(lengths.tolist())} to {max(lengths.tolist())}"
    else:
        came = _describe(lengths)
    raise TensorError(
        f"{type(part).__name__}.{verb}: lengths are a tensor of {rows} whole numbers, one a row, from 0 to "
        f"{steps}, the steps of the input; got {came}."
    )


def _check_state(part: Checked, verb: str, state: Any, rows: int) -> None:
    if wrong := _difference(state, _form_of(part).state, rows, ""):
        raise TensorError(
            f"{type(part).__name__}.{verb}: the state is not one of this part for {rows} rows: {wrong}.\n"
            f"A state comes from start({rows}), or from an earlier step or unroll of the same rows."
        )


def _difference(state: Any, form: Any, rows: int, path: str) -> str | None:
    """In words where a state is not as the form has it."""
    if isinstance(form, Leaf):
        wanted = (rows, *form.shape)
        if (
            isinstance(state, Tensor)
            and state.dim() == len(wanted)
            and all(n in (size, None) for size, n in zip(state.shape, wanted, strict=True))
            and _is_of(state, form.dtype)
            and state.device == form.device
            and state.layout is torch.strided
        ):
            return None
        shape = ", ".join("any number" if n is None else str(n) for n in wanted)
        return f"{path or 'it'} is to be {form.dtype} ({shape}) on {form.device} and is {_describe(state)}"
    if type(state) is not type(form) or len(state) != len(form):
        return f"{path or 'it'} is to be a {type(form).__name__} of {len(form)} and is {_describe(state)}"
    names = getattr(form, "_fields", None) or [f"layer{i}" for i in range(len(form))]
    for name, branch, wanted in zip(names, state, form, strict=True):
        if wrong := _difference(branch, wanted, rows, f"{path}.{name}" if path else name):
            return wrong
    return None


def _form_of(part: Checked) -> Form:
    if part._form is None:
        weights = (weight for weight in chain(part.parameters(), part.buffers()) if weight.is_floating_point())
        weight = next(weights, None)
        with torch.no_grad():
            state = _leaves_of(part.blank())
        part._form = Form(None, None, state) if weight is None else Form(weight.dtype, weight.device, state)
    return part._form


def _leaves_of(state: State, may_grow: bool = True) -> Any:
    """The state with a Leaf for each tensor. An axis of no places, (B, 0, …), is one that grows, unless the state's
    class says `grows = False`."""
    if isinstance(state, Tensor):
        grows = may_grow and state.dim() > 2 and state.shape[1] == 0
        return Leaf((None, *state.shape[2:]) if grows else tuple(state.shape[1:]), state.dtype, state.device)
    branches = [_leaves_of(branch, getattr(state, "grows", True)) for branch in state]
    return type(state)(*branches) if hasattr(state, "_fields") else tuple(branches)


def _is_of(tensor: Tensor, dtype: torch.dtype) -> bool:
    """Whether it has this type, or is float32 that autocast made narrower."""
    return tensor.dtype is dtype or (
        dtype is torch.float32 and tensor.dtype in NARROWER and torch.is_autocast_enabled(tensor.device.type)
    )


def _describe(given: Any) -> str:
    if isinstance(given, Tensor):
        layout = "" if given.layout is torch.strided else f"{given.layout}, "
        return f"{layout}{given.dtype} {tuple(given.shape)} on {given.device}"
    many = f" of {len(given)}" if isinstance(given, tuple) else ""
    return f"a {type(given).__name__}{many}"
