"""Laws of encoder-decoders. With a fixed source, the laws of models in `stepping.py` apply to them too.

An encoder-decoder has `initial_state(rows)`, the state of encoder and decoder before a source is read,
`start(source, initial_state)`, and the methods of a model of `tokens` tokens. A source is a NamedTuple of `inputs`
(B, S, …) and `lengths` (B,).
"""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled import states
from unrolled.laws.trials import (
    Component,
    LawError,
    Trial,
    demand_same,
    hostile_inputs,
    outputs_and_gradients,
    padding_of,
    perturb,
)
from unrolled.memory import draw_masks
from unrolled.states import State

STEPS = 4  # of the target texts
OWN_SOURCES = {"a_start_of_many_is_many_starts_of_one": "each row has a source of its own"}


class FixedSources(nn.Module):
    """An encoder-decoder with a fixed source for each row: a model of tokens."""

    def __init__(self, encoder_decoder: Component, source: Any) -> None:
        """source: several different inputs of unequal lengths, one of them with no steps."""
        super().__init__()
        self.encoder_decoder, self.tokens, self._source = encoder_decoder, encoder_decoder.tokens, source
        self.register_buffer("inputs", source.inputs, persistent=False)  # moves and casts with the weights
        excuses = [getattr(component, "excuses", {}) for component in encoder_decoder.decoder.modules()]
        self.excuses = {name: why for some in excuses for name, why in some.items()} | OWN_SOURCES

    @property
    def source(self) -> Any:
        """The fixed source."""
        return self._source._replace(inputs=self.get_buffer("inputs"))

    def start(self, rows: int) -> State:
        """The state in which row r has source r, modulo the number of sources."""
        return self.encoder_decoder.start(take_rows(self.source, torch.arange(rows) % len(self.source.lengths)))

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        logits, state = self.encoder_decoder.step(tokens, state)
        return logits, state

    def unroll(self, tokens: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        logits, state = self.encoder_decoder.unroll(tokens, state, lengths)
        return logits, state


OF_SOURCES = ("gradient of start 'stem", "gradient of start 'encoder")  # these have a row per source, not per text


def take_rows(source: Any, rows: Tensor) -> Any:
    """Select these rows of a source."""
    return source._replace(inputs=source.inputs[rows.to(source.inputs.device)], lengths=source.lengths[rows])


def text_trial(model: Component) -> Trial:
    """Draw target texts, and an initial state with dropout masks."""
    generator = torch.Generator().manual_seed(0)
    perturb(model, generator)
    rows = len(model.source.lengths)
    initial_state = draw_masks(model.encoder_decoder.initial_state(rows), generator)
    return Trial(hostile_inputs(model, rows, STEPS, generator), torch.full((rows,), STEPS), initial_state)


def all_logits(model: Component, trial: Trial, source: Any) -> dict[str, Tensor]:
    """Compute the logits of the texts for this source, and all gradients, the encoder's too."""

    def unroll(tokens: Tensor, initial_state: State, _: Tensor | None) -> tuple[Tensor, State]:
        return model.encoder_decoder.unroll(tokens, model.encoder_decoder.start(source, initial_state))[0], ()

    return outputs_and_gradients(unroll, model, trial)


def padding_of_a_source_changes_nothing(model: Component) -> None:
    """No output and no gradient depends on the values or the number of places past a source's length."""
    trial, source = text_trial(model), model.source
    expected = all_logits(model, trial, source)
    inputs, padding = source.inputs, padding_of(source.inputs, source.lengths)  # (B, S)
    across = padding.view(*padding.shape, *[1] * (inputs.dim() - 2))
    for value in (1e3, -1e3) if inputs.is_floating_point() else (int(inputs.max()), 0):
        loud = source._replace(inputs=torch.where(across, value, inputs))
        demand_same(all_logits(model, trial, loud), expected, f"with padding of {value:g}")
        more = loud._replace(inputs=torch.cat([loud.inputs, torch.full_like(inputs[:, :2], value)], dim=1))
        demand_same(all_logits(model, trial, more), expected, f"with two more padded places of {value:g}")


def a_text_depends_on_no_other_source(model: Component) -> None:
    """The outputs for a source are the same alone and at any place of a batch."""
    trial, source = text_trial(model), model.source
    logits = model.encoder_decoder.unroll(trial.inputs, model.encoder_decoder.start(source, trial.state))[0]
    last = len(source.lengths) - 1
    for rows in ([last, *range(last)], *([row] for row in range(last + 1)), [last, last]):
        some = torch.tensor(rows)
        own = take_rows(source, some)
        own = own._replace(inputs=own.inputs[:, : int(own.lengths.max())])
        found = model.encoder_decoder.unroll(
            trial.inputs[some], model.encoder_decoder.start(own, states.take(trial.state, some))
        )[0]
        demand_same({"logits": found}, {"logits": logits[some]}, f"inputs {rows}, compared with all inputs")


def texts_may_share_a_source(model: Component) -> None:
    """The outputs and gradients for texts about one source are the same whether it is given once or for each."""
    trial, source = text_trial(model), model.source
    last = len(source.lengths) - 1
    of_text = torch.tensor([*range(last), 0])  # the last text is about the first source
    once = take_rows(source, torch.arange(last))._replace(of_text=of_text)
    own = trial.state._replace(
        stem=states.take(trial.state.stem, of_text), encoder=states.take(trial.state.encoder, of_text)
    )  # with dropout, one draw for each source
    each = take_rows(source, of_text)
    expected, found = (
        {name: value for name, value in all_logits(model, one, given).items() if not name.startswith(OF_SOURCES)}
        for one, given in ((trial._replace(state=own), each), (trial, once))
    )
    demand_same(found, expected, "a source given once, compared with a copy for each text")


def a_text_depends_on_every_step_of_its_source(model: Component) -> None:
    """A change of the longest source at any step changes the outputs."""
    trial, source = text_trial(model), model.source
    row = int(source.lengths.argmax())
    some = torch.tensor([row])
    own, initial_state, tokens = take_rows(source, some), states.take(trial.state, some), trial.inputs[some]
    logits = model.encoder_decoder.unroll(tokens, model.encoder_decoder.start(own, initial_state))[0]
    for step in range(int(source.lengths[row])):
        inputs = own.inputs.clone()
        inputs[:, step] += 1
        if not inputs.is_floating_point():
            inputs[:, step] %= source.inputs.max() + 1  # a valid id
        other = model.encoder_decoder.unroll(
            tokens, model.encoder_decoder.start(own._replace(inputs=inputs), initial_state)
        )[0]
        if bool((other - logits).abs().max() < 1e-7):
            raise LawError(f"the text does not depend on step {step} of its input")


def an_empty_source_is_allowed(model: Component) -> None:
    """Sources of no steps, padded or not, and an empty batch have finite outputs."""
    trial, source = text_trial(model), model.source
    none = torch.zeros_like(source.lengths)
    padded = source._replace(lengths=none)
    logits = model.encoder_decoder.unroll(trial.inputs, model.encoder_decoder.start(padded, trial.state))[0]
    if not bool(logits.isfinite().all()):
        raise LawError("the output for an input of no steps is not finite")
    empty = padded._replace(inputs=source.inputs[:, :0])
    found = model.encoder_decoder.unroll(trial.inputs, model.encoder_decoder.start(empty, trial.state))[0]
    demand_same({"logits": found}, {"logits": logits}, "inputs of no places, compared with inputs of padding alone")
    no_rows = take_rows(source, torch.zeros(0, dtype=torch.int64))
    shape = tuple(model.encoder_decoder.unroll(trial.inputs[:0], model.encoder_decoder.start(no_rows))[0].shape)
    if shape != (0, STEPS, model.tokens):
        raise LawError(f"no inputs: the outputs are {shape}, not {(0, STEPS, model.tokens)}")


def a_tiny_batch_of_texts_is_overfit(model: Component) -> None:
    """Overfit one text per source, which only the source determines, to below 0.1 nats per token."""
    rows = len(model.source.lengths)
    texts = torch.randint(1, 4, (rows, 6), generator=torch.Generator().manual_seed(0)) % model.tokens
    texts[:, 0], texts[:, 1] = 0, torch.arange(rows) % model.tokens  # EOS, then a token that differs by row
    untrained, best = copy.deepcopy(model.state_dict()), math.inf
    for rate in (0.03, 0.01, 0.003):
        model.load_state_dict(untrained)
        optimiser = torch.optim.Adam(model.parameters(), lr=rate)
        for _ in range(300):
            logits, _ = model.unroll(texts[:, :-1], model.start(rows))  # (B, T, V)
            loss = F.cross_entropy(logits.flatten(0, 1), texts[:, 1:].flatten().to(logits.device))
            best = min(best, loss.item())
            if best < 0.1:
                return
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    raise LawError(f"after 3 × 300 updates on the same {rows} texts the loss is still {best:.2f} nats")
