"""Laws of memories, and of models that predict at every step."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled import states
from unrolled.laws.trials import (
    LENGTHS,
    Component,
    LawError,
    demand_same,
    hostile_inputs,
    hostile_trial,
    outputs_and_gradients,
    pad,
    padding_of,
)
from unrolled.memory import Memory, unroll_by_steps
from unrolled.states import State


def unrolled_equals_stepped(component: Component, lengths: Sequence[int] = LENGTHS) -> None:
    """Outputs, state and gradients of `unroll` are those of repeated calls of `step`."""

    def stepped(inputs: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
        return unroll_by_steps(component, inputs, state, lengths)

    trial = hostile_trial(component, lengths)
    expected = outputs_and_gradients(stepped, component, trial)
    demand_same(
        outputs_and_gradients(component.unroll, component, trial),
        expected,
        "unrolled over ragged rows, compared with stepping",
    )
    whole = hostile_trial(component, [max(lengths)] * len(lengths))  # without the large padding values
    expected = outputs_and_gradients(stepped, component, whole)
    demand_same(
        outputs_and_gradients(component.unroll, component, whole),
        expected,
        "unrolled over rows of equal length, compared with stepping",
    )
    lengthless = outputs_and_gradients(lambda inputs, state, _: component.unroll(inputs, state), component, whole)
    demand_same(lengthless, expected, "unrolled without lengths, compared with stepping")


def chunks_equal_the_whole(component: Component, lengths: Sequence[int] = LENGTHS) -> None:
    """A window cut in two at any step gives the outputs, state and gradients of the whole window."""
    trial = hostile_trial(component, lengths)
    whole = outputs_and_gradients(component.unroll, component, trial)
    for cut in range(1, trial.inputs.shape[1]):

        def chunked(inputs: Tensor, state: State, lengths: Tensor | None, cut: int = cut) -> tuple[Tensor, State]:
            first, state = component.unroll(inputs[:, :cut], state, trial.lengths.clamp(max=cut))
            second, state = component.unroll(inputs[:, cut:], state, (trial.lengths - cut).clamp(min=0))
            return torch.cat([first, second], dim=1), state

        demand_same(
            outputs_and_gradients(chunked, component, trial),
            whole,
            f"cut after step {cut}, compared with the whole window",
        )


def no_output_depends_on_a_later_input(component: Component, lengths: Sequence[int] = LENGTHS) -> None:
    """Inputs after a step do not change the outputs up to that step."""
    trial = hostile_trial(component, lengths)
    steps = trial.inputs.shape[1]
    others = hostile_inputs(component, trial.inputs.shape[0], steps, torch.Generator().manual_seed(1))
    outputs, _ = component.unroll(trial.inputs, trial.state)
    for t in range(1, steps):
        changed = torch.cat([trial.inputs[:, :t], others[:, t:]], dim=1)
        found, _ = component.unroll(changed, trial.state)
        demand_same({"outputs": found[:, :t]}, {"outputs": outputs[:, :t]}, f"with other inputs from step {t} on")


def a_row_depends_on_no_other_row(component: Component, lengths: Sequence[int] = LENGTHS) -> None:
    """The outputs and state of a row do not depend on the other rows, their order or their number."""
    trial = hostile_trial(component, lengths)
    outputs, after = component.unroll(trial.inputs, trial.state, trial.lengths)
    last, mixed = len(lengths) - 1, [*range(1, len(lengths), 2), *range(0, len(lengths), 2)]
    for rows in (mixed, [last, 0], [0], [last], [last, last]):
        some = torch.tensor(rows)
        found, state = component.unroll(trial.inputs[some], states.take(trial.state, some), trial.lengths[some])
        expected = {"outputs": outputs[some], **states.leaves(states.take(after, some))}
        demand_same({"outputs": found, **states.leaves(state)}, expected, f"rows {rows}, compared with all rows")
        found, state = component.step(trial.inputs[some, 0], states.take(trial.state, some))
        expected = {"output": component.step(trial.inputs[:, 0], trial.state)[0][some]}
        demand_same({"output": found}, expected, f"one step of rows {rows}, compared with all rows")


def padding_changes_nothing(component: Component, lengths: Sequence[int] = LENGTHS) -> None:
    """No output, state or gradient depends on values past a row's length; outputs there are zero."""
    trial = hostile_trial(component, lengths)
    expected = outputs_and_gradients(component.unroll, component, trial)
    if bool(expected["outputs"][padding_of(trial.inputs, trial.lengths)].any()):
        raise LawError("outputs past a row's length are not zero")
    for name, before in states.leaves(trial.state).items():
        if not torch.equal(expected[f"state '{name}'"][trial.lengths == 0], before[trial.lengths == 0]):
            raise LawError(f"a row of length 0 does not keep its state '{name}'")
    for value in (0.0, -1e3):
        quiet = trial._replace(inputs=pad(component, trial.inputs, trial.lengths, value))
        demand_same(outputs_and_gradients(component.unroll, component, quiet), expected, f"with padding of {value:g}")


def an_empty_input_is_allowed(component: Component, lengths: Sequence[int] = LENGTHS) -> None:
    """An input without steps or rows, or with lengths of 0 only, gives empty or zero outputs and the same state."""
    trial = hostile_trial(component, lengths)
    rows, width = trial.inputs.shape[0], component.step(trial.inputs[:, 0], trial.state)[0].shape[1]
    none = torch.zeros(rows, dtype=torch.int64)
    cases: list[tuple[str, Tensor, State, Tensor | None]] = [
        ("no steps", trial.inputs[:, :0], trial.state, None),
        ("no steps, with lengths", trial.inputs[:, :0], trial.state, none),
        ("lengths of 0", trial.inputs, trial.state, none),
        ("no rows", trial.inputs[:0], component.start(0), None),
    ]
    for what, inputs, state, ends in cases:
        outputs, after = component.unroll(inputs, state, ends)
        if tuple(outputs.shape) != (*inputs.shape[:2], width) or bool(outputs.any()):
            raise LawError(f"{what}: outputs are {tuple(outputs.shape)}, not zeros {(*inputs.shape[:2], width)}")
        demand_same(states.leaves(after), states.leaves(state), f"{what}: the state afterwards")


def a_state_survives_cutting_joining_and_saving(component: Component, lengths: Sequence[int] = LENGTHS) -> None:
    """The state holds all of the past: cut into rows, joined, saved and loaded, it gives the same outputs."""
    trial = hostile_trial(component, lengths)
    step_output, _ = component.step(trial.inputs[:, 0], trial.state)
    outputs, _ = component.unroll(trial.inputs, trial.state, trial.lengths)
    rows = [states.take(trial.state, torch.tensor([row])) for row in range(trial.inputs.shape[0])]
    saved = states.save(trial.state)
    component.unroll(trial.inputs, component.start(trial.inputs.shape[0]))  # an unrelated call in between
    for what, state in [
        ("cut and joined", states.join(rows)),
        ("saved and loaded", states.load(saved, like=component.start(1))),
        ("inserted into another state", states.put(trial.state, torch.tensor([0]), rows[0])),
    ]:
        found = {"output": component.step(trial.inputs[:, 0], state)[0]}
        demand_same(found, {"output": step_output}, f"a step from a state {what}")
        found = {"outputs": component.unroll(trial.inputs, state, trial.lengths)[0]}
        demand_same(found, {"outputs": outputs}, f"unrolled from a state {what}")


def a_step_changes_no_earlier_state(component: Component, lengths: Sequence[int] = LENGTHS) -> None:
    """Neither `step` nor `unroll` changes a state or an input in place, given or returned before."""
    trial = hostile_trial(component, lengths)
    held: list[State] = [trial.state]
    copies = [states.map_leaves(Tensor.clone, trial.state)]
    inputs = trial.inputs.clone()
    for t in range(min(3, trial.inputs.shape[1])):
        held.append(component.step(trial.inputs[:, t], held[-1])[1])
        copies.append(states.map_leaves(Tensor.clone, held[-1]))
    held.append(component.unroll(trial.inputs, trial.state, trial.lengths)[1])
    copies.append(states.map_leaves(Tensor.clone, held[-1]))
    component.unroll(trial.inputs, trial.state)
    demand_same({"inputs": trial.inputs}, {"inputs": inputs}, "after step and unroll")
    for state, copied in zip(held, copies, strict=True):
        demand_same(states.leaves(state), states.leaves(copied), "an earlier state after later steps")


def a_start_of_many_is_many_starts_of_one(component: Component, lengths: Sequence[int] = LENGTHS) -> None:
    """`start(5)` equals five joined `start(1)`, on every call."""
    rows = len(lengths)
    many, one = component.start(rows), component.start(1)
    expected = states.leaves(states.join([one] * rows))
    demand_same(states.leaves(many), expected, f"start({rows}), compared with {rows} × start(1)")


def a_state_keeps_its_form(component: Component, lengths: Sequence[int] = LENGTHS) -> None:
    """A state keeps its names, dtypes and shapes from the start on: the weights' float32 or float64, or int64."""
    trial = hostile_trial(component, lengths)
    weights = {weight.dtype for weight in component.parameters()}
    allowed = {torch.int64, torch.float64 if torch.float64 in weights else torch.float32}
    start = states.leaves(component.start(len(lengths)))
    stepped = states.leaves(component.step(trial.inputs[:, 0], trial.state)[1])
    unrolled = states.leaves(component.unroll(trial.inputs, trial.state, trial.lengths)[1])
    for what, found in (("at the start", start), ("after a step", stepped), ("after unrolling", unrolled)):
        form = {name: (leaf.dtype, tuple(leaf.shape)) for name, leaf in found.items()}
        if form != {name: (leaf.dtype, tuple(leaf.shape)) for name, leaf in start.items()}:
            raise LawError(f"{what} the dtypes and shapes of the state have changed: {form}")
        if wrong := {name: kind for name, (kind, _) in form.items() if kind not in allowed}:
            raise LawError(f"{what} the state holds {wrong}, but the weights are {weights}")


def a_tiny_batch_is_overfit(memory: Memory) -> None:
    """Overfit four short rows, whose ends depend on their first token, to below 0.1 nats per token.

    The law checks that the memory keeps the first token, so the head has two layers, and smaller learning rates are
    tried if the first is too high.
    """
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, 3, (4, 8), generator=generator)
    rows[:, 0] = torch.arange(4)  # the rows differ in the first token
    weight = next(memory.parameters())
    embedding = torch.randn(4, memory.input_size, generator=generator, dtype=torch.float64).to(weight)
    rows = rows.to(weight.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        output = nn.Sequential(nn.Linear(memory.size, 32), nn.Tanh(), nn.Linear(32, 4)).to(weight)
    components, best = nn.ModuleList([memory, output]), math.inf
    untrained = copy.deepcopy(components.state_dict())
    for rate in (0.03, 0.01, 0.003):
        components.load_state_dict(untrained)
        optimiser = torch.optim.Adam(components.parameters(), lr=rate)
        for _ in range(600):
            outputs, _ = memory.unroll(embedding[rows[:, :-1]], memory.start(4))  # (B, T, H)
            loss = F.cross_entropy(output(outputs).flatten(0, 1), rows[:, 1:].flatten())
            best = min(best, loss.item())
            if best < 0.1:
                return
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    raise LawError(f"after 3 × 600 updates on the same 28 tokens the loss is still {best:.2f} nats")


def the_first_loss_is_about_ln_v(model: Component) -> None:
    """An untrained model is close to uniform over the V tokens: its loss is within 5% of ln V nats."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, model.tokens, (8, 33), generator=generator)
    logits, _ = model.unroll(tokens[:, :-1], model.start(8))  # (B, T, V)
    loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten().to(logits.device)).item()
    uniform = math.log(model.tokens)
    if abs(loss - uniform) > 0.05 * uniform:
        raise LawError(f"the first loss is {loss:.3f} nats per token; ln {model.tokens} = {uniform:.3f}")
