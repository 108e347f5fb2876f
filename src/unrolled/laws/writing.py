"""The laws of models that write about an input, which the laws of reading hold too, once they were told of one.

A writer has `blank(rows)`, what reading and writing begin from, `start(source, blank)`, and from there on the verbs
of a model that reads `symbols`. A source is a NamedTuple of `inputs` (B, S, …) and `lengths` (B,).
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
    LawError,
    Part,
    Trial,
    all_that_comes_of,
    demand_same,
    hostile_inputs,
    padding_of,
    shake,
)
from unrolled.memory import draw_masks
from unrolled.states import State

STEPS = 4  # of the texts that are tried
EACH_ITS_OWN = {"a_start_of_many_is_many_starts_of_one": "each row was told of an input of its own"}


class Told(nn.Module):
    """A writer that was told what to write about, row by row: a model that reads symbols."""

    def __init__(self, writer: Part, source: Any) -> None:
        """source: several unlike inputs of unequal lengths, one of no steps among them."""
        super().__init__()
        self.writer, self.symbols, self._source = writer, writer.symbols, source
        self.register_buffer("inputs", source.inputs, persistent=False)  # of the type of the weights and beside them
        own = [getattr(part, "excuses", {}) for part in writer.decoder.modules()]
        self.excuses = {name: why for excuses in own for name, why in excuses.items()} | EACH_ITS_OWN

    @property
    def source(self) -> Any:
        """What it was told of."""
        return self._source._replace(inputs=self.get_buffer("inputs"))

    def start(self, rows: int) -> State:
        """The state in which row r was told of input r, and after the last of the first again."""
        return self.writer.start(take_rows(self.source, torch.arange(rows) % len(self.source.lengths)))

    def step(self, symbols: Tensor, state: State) -> tuple[Tensor, State]:
        logits, state = self.writer.step(symbols, state)
        return logits, state

    def unroll(self, symbols: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        logits, state = self.writer.unroll(symbols, state, lengths)
        return logits, state


def take_rows(source: Any, rows: Tensor) -> Any:
    """The inputs with these numbers."""
    return source._replace(inputs=source.inputs[rows.to(source.inputs.device)], lengths=source.lengths[rows])


def telling(told: Part) -> Trial:
    """Texts, and what reading the sources begins from, with masks drawn."""
    generator = torch.Generator().manual_seed(0)
    shake(told, generator)
    rows = len(told.source.lengths)
    blank = draw_masks(told.writer.blank(rows), generator)
    return Trial(hostile_inputs(told, rows, STEPS, generator), torch.full((rows,), STEPS), blank)


def all_written(told: Part, trial: Trial, source: Any) -> dict[str, Tensor]:
    """Logits of the texts about this source, and all gradients, the encoder's among them."""

    def write(symbols: Tensor, blank: State, _: Tensor | None) -> tuple[Tensor, State]:
        return told.writer.unroll(symbols, told.writer.start(source, blank))[0], ()

    return all_that_comes_of(write, told, trial)


def padding_of_a_source_changes_nothing(told: Part) -> None:
    """No answer and no gradient hangs on what stands past an input's length, or on how much stands there."""
    trial, source = telling(told), told.source
    expected = all_written(told, trial, source)
    inputs, padding = source.inputs, padding_of(source.inputs, source.lengths)  # (B, S)
    across = padding.view(*padding.shape, *[1] * (inputs.dim() - 2))
    for value in (1e3, -1e3) if inputs.is_floating_point() else (int(inputs.max()), 0):
        loud = source._replace(inputs=torch.where(across, value, inputs))
        demand_same(all_written(told, trial, loud), expected, f"with padding of {value:g}")
        more = loud._replace(inputs=torch.cat([loud.inputs, torch.full_like(inputs[:, :2], value)], dim=1))
        demand_same(all_written(told, trial, more), expected, f"with two more places of {value:g}")


def a_text_hangs_on_no_other_source(told: Part) -> None:
    """What is written about an input is what is written about it alone, wherever it stands in a batch."""
    trial, source = telling(told), told.source
    logits = told.writer.unroll(trial.inputs, told.writer.start(source, trial.state))[0]
    last = len(source.lengths) - 1
    for rows in ([last, *range(last)], *([row] for row in range(last + 1)), [last, last]):
        some = torch.tensor(rows)
        own = take_rows(source, some)
        own = own._replace(inputs=own.inputs[:, : int(own.lengths.max())])
        found = told.writer.unroll(trial.inputs[some], told.writer.start(own, states.take(trial.state, some)))[0]
        demand_same({"logits": found}, {"logits": logits[some]}, f"inputs {rows}, beside all")


def a_text_hangs_on_every_step_of_its_source(told: Part) -> None:
    """Another input at any one step changes the answers: the longest input is tried."""
    trial, source = telling(told), told.source
    row = int(source.lengths.argmax())
    some = torch.tensor([row])
    own, blank, symbols = take_rows(source, some), states.take(trial.state, some), trial.inputs[some]
    logits = told.writer.unroll(symbols, told.writer.start(own, blank))[0]
    for step in range(int(source.lengths[row])):
        inputs = own.inputs.clone()
        inputs[:, step] += 1
        if not inputs.is_floating_point():
            inputs[:, step] %= source.inputs.max() + 1  # an id that there is
        other = told.writer.unroll(symbols, told.writer.start(own._replace(inputs=inputs), blank))[0]
        if bool((other - logits).abs().max() < 1e-7):
            raise LawError(f"the text does not hang on step {step} of its input")


def nothing_to_write_about_is_allowed(told: Part) -> None:
    """Inputs of no steps, and no inputs, have finite answers, with padding or without."""
    trial, source = telling(told), told.source
    none = torch.zeros_like(source.lengths)
    padded = source._replace(lengths=none)
    logits = told.writer.unroll(trial.inputs, told.writer.start(padded, trial.state))[0]
    if not bool(logits.isfinite().all()):
        raise LawError("an input of no steps has an answer that is not finite")
    empty = padded._replace(inputs=source.inputs[:, :0])
    found = told.writer.unroll(trial.inputs, told.writer.start(empty, trial.state))[0]
    demand_same({"logits": found}, {"logits": logits}, "inputs of no places, beside such of padding alone")
    nobody = take_rows(source, torch.zeros(0, dtype=torch.int64))
    shape = tuple(told.writer.unroll(trial.inputs[:0], told.writer.start(nobody))[0].shape)
    if shape != (0, STEPS, told.symbols):
        raise LawError(f"no inputs: the answers are {shape}, not {(0, STEPS, told.symbols)}")


def a_tiny_batch_of_texts_is_learnt_by_heart(told: Part) -> None:
    """A text for each input, told apart by the input alone, is learnt to below 0.1 nats a symbol."""
    rows = len(told.source.lengths)
    texts = torch.randint(1, 4, (rows, 6), generator=torch.Generator().manual_seed(0)) % told.symbols
    texts[:, 0], texts[:, 1] = 0, torch.arange(rows) % told.symbols  # the border, then what tells them apart
    untrained, best = copy.deepcopy(told.state_dict()), math.inf
    for rate in (0.03, 0.01, 0.003):
        told.load_state_dict(untrained)
        optimiser = torch.optim.Adam(told.parameters(), lr=rate)
        for _ in range(300):
            logits, _ = told.unroll(texts[:, :-1], told.start(rows))  # (B, T, V)
            loss = F.cross_entropy(logits.flatten(0, 1), texts[:, 1:].flatten().to(logits.device))
            best = min(best, loss.item())
            if best < 0.1:
                return
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    raise LawError(f"after 3 × 300 updates on the same {rows} texts the loss is still {best:.2f} nats")
