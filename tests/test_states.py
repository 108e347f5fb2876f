"""Trees of tensors: operations on rows, names of leaves, and the checks of a saved state."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from unrolled import states
from unrolled.errors import RunError


class Inner(NamedTuple):
    hidden: Tensor  # (B, 3)
    clock: Tensor  # (B,)


class Outer(NamedTuple):
    inner: Inner
    mask: Tensor  # (B, 2, 2)


State = tuple[Outer, Tensor]


def made(rows: int, seed: int = 0) -> State:
    generator = torch.Generator().manual_seed(seed)
    inner = Inner(torch.randn(rows, 3, generator=generator), torch.randint(0, 99, (rows,), generator=generator))
    return Outer(inner, torch.randn(rows, 2, 2, generator=generator)), torch.randn(rows, 1, generator=generator)


def same(a: states.State, b: states.State) -> bool:
    ours, theirs = states.leaves(a), states.leaves(b)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_leaves_are_named_by_their_place() -> None:
    names = ["layer0.inner.hidden", "layer0.inner.clock", "layer0.mask", "layer1"]
    assert list(states.leaves(made(2))) == names
    assert list(states.leaves(torch.zeros(1))) == ["state"]
    assert list(states.leaves(made(2)[0])) == ["inner.hidden", "inner.clock", "mask"]


def test_a_tree_keeps_its_types() -> None:
    doubled = states.map_leaves(lambda leaf: 2 * leaf, made(2))
    assert type(doubled) is tuple and type(doubled[0]) is Outer and type(doubled[0].inner) is Inner
    with pytest.raises(ValueError, match="shorter"):
        states.map_leaves(torch.add, made(2), made(2)[:1])


@given(st.integers(0, 6), st.data())
def test_rows_taken_and_put_back_are_unchanged(rows: int, data: st.DataObject) -> None:
    state = made(rows)
    chosen = torch.tensor(data.draw(st.lists(st.sampled_from(range(rows)), unique=True) if rows else st.just([])))
    chosen = chosen.to(torch.int64)
    part = states.take(state, chosen)
    assert states.row_count(part) == len(chosen)
    assert same(states.put(state, chosen, part), state)
    swapped = states.put(state, chosen, states.take(made(rows, seed=1), chosen))
    assert same(states.take(swapped, chosen), states.take(made(rows, seed=1), chosen))
    assert same(state, made(rows)), "the given state is as it was"


@given(st.lists(st.integers(0, 3), min_size=1, max_size=4))
def test_joined_rows_are_separated_again(counts: list[int]) -> None:
    parts = [made(rows, seed) for seed, rows in enumerate(counts)]
    joined, start = states.join(parts), 0
    assert states.row_count(joined) == sum(counts)
    for part, rows in zip(parts, counts, strict=True):
        assert same(states.take(joined, torch.arange(start, start + rows)), part)
        start += rows


def test_a_row_may_be_taken_twice() -> None:
    twice = states.take(made(3), torch.tensor([2, 2]))
    assert same(states.take(twice, torch.tensor([0])), states.take(made(3), torch.tensor([2])))


def test_where_picks_row_by_row() -> None:
    mask = torch.tensor([True, False, True])
    picked = states.where(mask, made(3, 1), made(3, 2))
    for row, source in ((0, made(3, 1)), (1, made(3, 2)), (2, made(3, 1))):
        assert same(states.take(picked, torch.tensor([row])), states.take(source, torch.tensor([row])))


def test_gradients_flow_through_rows_taken_and_put() -> None:
    source = torch.ones(3, 2, requires_grad=True)
    part = states.take(source, torch.tensor([1])) * 5
    states.put(source, torch.tensor([0]), part).sum().backward()
    assert source.grad is not None
    assert source.grad.tolist() == [[0, 0], [6, 6], [1, 1]]
    assert not states.detach(source * 2).requires_grad


def test_bytes_and_rows_are_counted() -> None:
    assert states.row_count(made(4)) == 4
    assert states.count_bytes(made(4)) == 4 * (3 * 4 + 8 + 4 * 4 + 4)
    assert same(states.move(made(4), "cpu"), made(4))


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_a_saved_state_is_restored_for_any_number_of_rows(rows: int) -> None:
    state = made(rows)
    loaded = states.load(states.save(state), like=made(2))
    assert same(loaded, state) and type(loaded[0]) is Outer


def test_leaves_that_are_views_of_one_tensor_are_saved() -> None:
    whole = torch.randn(2, 6)
    state = (whole[:, :3], whole[:, 3:], whole)
    assert same(states.load(states.save(state), like=state), state)


def test_a_state_of_another_model_is_refused() -> None:
    saved = states.leaves(made(2))
    with pytest.raises(RunError, match=r"has the tensors layer0\.inner.*this model keeps state.*another model"):
        states.rebuild(torch.zeros(2, 1), saved)
    with pytest.raises(RunError, match=r"'layer1' is torch\.float32 \(2, 7\); this model keeps .* \('rows', 1\)"):
        states.rebuild(made(2), {**saved, "layer1": torch.zeros(2, 7)})
    with pytest.raises(RunError, match=r"'layer1' is torch\.float64"):
        states.rebuild(made(2), {**saved, "layer1": torch.zeros(2, 1, dtype=torch.float64)})
    with pytest.raises(RunError, match=r"'layer1' is torch\.float32"):
        states.rebuild(made(2), {**saved, "layer1": torch.zeros(())})


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_state_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(RunError, match=r"'layer1' has values that are not finite\. Start again"):
        states.rebuild(made(2), {**states.leaves(made(2)), "layer1": torch.full((2, 1), value)})


def test_states_with_different_numbers_of_rows_are_refused() -> None:
    with pytest.raises(RunError, match="have 2, 3 rows; equal numbers were expected"):
        states.rebuild(made(2), {**states.leaves(made(2)), "layer1": torch.zeros(3, 1)})


@given(st.integers(0, 200))
def test_damaged_bytes_are_refused(cut: int) -> None:
    data = states.save(made(2))
    with pytest.raises(RunError, match="its bytes are damaged"):
        states.load(data[: min(cut, len(data) - 1)], like=made(2))
