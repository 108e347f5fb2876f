"""States as trees of tensors: the functions that select, join, move and save what a memory retains of the past.

A state is a tensor, a NamedTuple of states, or a plain tuple of states (a stack's layers). The first axis of every
leaf is the row, so all operations on rows are here, and no memory implements its own. A leaf that starts with no
places, (B, 0, …), grows with time: rows with fewer places than others are padded with zeros at the end, which the
memory treats as empty. No function here changes its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor
from torch.nn import functional as F

from unrolled.errors import RunError

State: TypeAlias = Any  # Tensor | NamedTuple of State | tuple[State, ...]; each memory names its own type


def map_leaves(function: Callable[..., Tensor], *states: State) -> State:
    """The tree of `function(leaf, leaf of the second, …)` over states of equal structure."""
    first = states[0]
    if isinstance(first, Tensor):
        return function(*states)
    branches = [map_leaves(function, *branch) for branch in zip(*states, strict=True)]
    return type(first)(*branches) if hasattr(first, "_fields") else tuple(branches)


def leaves(state: State) -> dict[str, Tensor]:
    """The tensors of a state by name: `hidden`, `layer0.hidden`; a bare tensor is `state`."""
    return dict(_named_leaves(state, ""))


def _named_leaves(state: State, path: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(state, Tensor):
        yield path or "state", state
        return
    names = getattr(state, "_fields", None) or [f"layer{i}" for i in range(len(state))]
    for name, branch in zip(names, state, strict=True):
        yield from _named_leaves(branch, f"{path}.{name}" if path else name)


def rebuild(like: State, leaves_by_name: Mapping[str, Tensor]) -> State:
    """A state with the structure of `like` from named leaves, each checked; any number of rows.

    Raises RunError where a leaf is missing, unknown, of another shape or type, not finite, or of other rows.
    """
    expected = leaves(like)
    if wrong := sorted(expected.keys() ^ leaves_by_name.keys()):
        raise RunError(
            f"A saved state has the tensors {', '.join(sorted(leaves_by_name)) or 'none'}; this model keeps "
            f"{', '.join(sorted(expected))} (different: {', '.join(wrong)}). It belongs to another model."
        )
    rows = {tensor.shape[0] if tensor.dim() else None for tensor in leaves_by_name.values()}
    for name, model_leaf in expected.items():
        _check_leaf(name, leaves_by_name[name], model_leaf)
    if len(rows) > 1:
        raise RunError(
            f"The tensors of a saved state have {', '.join(map(str, rows))} rows; equal numbers were expected."
        )
    names = iter(expected)
    return map_leaves(lambda leaf: leaves_by_name[next(names)].to(leaf.device), like)


def _check_leaf(name: str, leaf: Tensor, like: Tensor) -> None:
    fixed = 2 if like.dim() > 1 and like.shape[1] == 0 else 1  # from this axis on
    if leaf.dtype != like.dtype or leaf.dim() != like.dim() or leaf.shape[fixed:] != like.shape[fixed:]:
        raise RunError(
            f"A saved state's '{name}' is {leaf.dtype} {tuple(leaf.shape)}; this model keeps {like.dtype} "
            f"{('rows', *like.shape[1:])}. It belongs to another model."
        )
    if leaf.is_floating_point() and not bool(leaf.isfinite().all()):
        raise RunError(f"A saved state's '{name}' has values that are not finite. Start again without it.")


def save(state: State) -> bytes:
    """The state as safetensors bytes, leaves by name; `load` reads them back."""
    return save_tensors({name: leaf.detach().cpu().clone() for name, leaf in leaves(state).items()})


def load(data: bytes, like: State) -> State:
    """The state that `save` wrote, on the device of `like` and checked against it (see `rebuild`)."""
    try:
        saved = load_tensors(data)
    except SafetensorError as problem:
        raise RunError(f"A saved state cannot be read ({problem}): its bytes are damaged.") from None
    return rebuild(like, saved)


def where(mask: Tensor, chosen: State, otherwise: State) -> State:
    """Row by row: `chosen` where mask (B,) is true, else `otherwise`."""

    def pick(a: Tensor, b: Tensor) -> Tensor:
        a, b = _pad_to_longest(a, b)
        return torch.where(mask.to(a.device).view(-1, *[1] * (a.dim() - 1)), a, b)

    return map_leaves(pick, chosen, otherwise)


def take(state: State, rows: Tensor) -> State:
    """The rows with these numbers (N,), in this order; numbers may repeat."""
    return map_leaves(lambda leaf: leaf.index_select(0, rows.to(leaf.device)), state)


def put(state: State, rows: Tensor, new: State) -> State:
    """A copy in which the rows with these numbers (N,) are replaced by `new`; gradients flow through both."""

    def place(leaf: Tensor, replacement: Tensor) -> Tensor:
        leaf, replacement = _pad_to_longest(leaf, replacement)
        return leaf.index_copy(0, rows.to(leaf.device), replacement.to(leaf.dtype))

    return map_leaves(place, state, new)


def join(states: Sequence[State]) -> State:
    """One state with the rows of all, in order."""
    return map_leaves(lambda *tensors: torch.cat(_pad_to_longest(*tensors)), *states)


def _pad_to_longest(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Leaves padded to the places of the longest one."""
    if tensors[0].dim() < 2 or len({tensor.shape[1] for tensor in tensors}) == 1:
        return tensors
    longest = max(tensor.shape[1] for tensor in tensors)
    return tuple(F.pad(tensor, (0, 0) * (tensor.dim() - 2) + (0, longest - tensor.shape[1])) for tensor in tensors)


def detach(state: State) -> State:
    """The same values, detached from the graph."""
    return map_leaves(Tensor.detach, state)


def move(state: State, device: torch.device | str) -> State:
    """The same state on another device."""
    return map_leaves(lambda leaf: leaf.to(device), state)


def row_count(state: State) -> int:
    """The number of rows of the state."""
    return next(leaf.shape[0] for leaf in leaves(state).values())


def count_bytes(state: State) -> int:
    """Bytes of the state, over all rows."""
    return sum(leaf.numel() * leaf.element_size() for leaf in leaves(state).values())
