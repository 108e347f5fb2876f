"""Laws of encoders, which process whole rows."""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled import states
from unrolled.laws.trials import (
    LENGTHS,
    Component,
    LawError,
    Trial,
    demand_same,
    hostile_inputs,
    outputs_and_gradients,
    pad,
    padding_of,
    perturb,
)
from unrolled.memory import draw_masks
from unrolled.states import State


def whole_rows(encoder: Component) -> Trial:
    """Draw ragged rows with large padding values, and a start state with dropout masks."""
    generator = torch.Generator().manual_seed(0)
    perturb(encoder, generator)
    lengths = torch.tensor(LENGTHS)
    inputs = hostile_inputs(encoder, len(LENGTHS), max(LENGTHS), generator)
    return Trial(pad(encoder, inputs, lengths, 1e3), lengths, draw_masks(encoder.start(len(LENGTHS)), generator))


def all_encoded(encoder: Component, trial: Trial) -> dict[str, Tensor]:
    """Compute the features and all gradients, by name."""

    def encode(inputs: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State]:
        return encoder.encode(inputs, lengths, state).features, ()

    return outputs_and_gradients(encode, encoder, trial)


def an_encoding_depends_on_no_other_row(encoder: Component) -> None:
    """The features of a row do not depend on the other rows, their order or their number."""
    trial = whole_rows(encoder)
    features = encoder.encode(trial.inputs, trial.lengths, trial.state).features
    for rows in ([3, 1, 4, 0, 2], [2, 0], [0], [1], [4, 4]):
        some = torch.tensor(rows)
        found = encoder.encode(trial.inputs[some], trial.lengths[some], states.take(trial.state, some))
        demand_same(
            {"features": found.features}, {"features": features[some]}, f"rows {rows}, compared with all rows"
        )


def padding_changes_no_encoding(encoder: Component) -> None:
    """No feature and no gradient depends on values past a row's length; features there are zero."""
    trial = whole_rows(encoder)
    expected = all_encoded(encoder, trial)
    if bool(expected["outputs"][padding_of(trial.inputs, trial.lengths)].any()):
        raise LawError("features past a row's length are not zero")
    for value in (0.0, -1e3):
        quiet = trial._replace(inputs=pad(encoder, trial.inputs, trial.lengths, value))
        demand_same(all_encoded(encoder, quiet), expected, f"with padding of {value:g}")


def an_encoding_sees_the_whole_row(encoder: Component) -> None:
    """Each feature depends on every step of its row, before it and after it; for an encoder that says it mixes no
    steps, on its own step alone."""
    trial = whole_rows(encoder)
    inputs, lengths = trial.inputs[:1].clone().requires_grad_(), trial.lengths[:1]  # the longest row
    features = encoder.encode(inputs, lengths, states.take(trial.state, torch.tensor([0]))).features
    for t in range(features.shape[1]):
        (gradient,) = torch.autograd.grad(features[0, t].cos().sum(), inputs, retain_graph=True)
        seen = (gradient[0] != 0).any(1)  # (T,)
        if encoder.mixes and not bool(seen.all()):
            raise LawError(f"the feature at step {t} does not depend on step {int((~seen).nonzero()[0])}")
        if not encoder.mixes and seen.nonzero().flatten().tolist() != [t]:
            raise LawError(f"the feature at step {t} depends on steps {seen.nonzero().flatten().tolist()}")


def an_empty_input_can_be_encoded(encoder: Component) -> None:
    """An input without steps or rows, or with lengths of 0 only, gives empty or zero features."""
    trial = whole_rows(encoder)
    rows, none = len(trial.inputs), torch.zeros(len(trial.inputs), dtype=torch.int64)
    for what, inputs, lengths in (
        ("no steps", trial.inputs[:, :0], None),
        ("lengths of 0", trial.inputs, none),
        ("no rows", trial.inputs[:0], None),
    ):
        encoded, shape = encoder.encode(inputs, lengths), (*inputs.shape[:2], encoder.size)
        if tuple(encoded.features.shape) != shape or bool(encoded.features.any()):
            raise LawError(f"{what}: features are {tuple(encoded.features.shape)}, not zeros {shape}")
        if encoded.lengths.shape != (len(inputs),):
            raise LawError(
                f"{what}: there are {tuple(encoded.lengths.shape)} lengths for {len(inputs)} of {rows} rows"
            )
