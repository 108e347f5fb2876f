"""Text from a model, symbol by symbol: the likeliest, or drawn, over anything with start and step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from unrolled.data.symbols import Table
from unrolled.errors import OptionError, TrainingError


class Stepping(Protocol):
    """A model that goes on from a state: also a `Writer`, whose start takes what it writes about."""

    def step(self, symbols: Tensor, state: Any) -> tuple[Tensor, Any]: ...


class Answering(Stepping, Protocol):
    """A model that answers as it reads: `LanguageModel`, `NGram`, or one of your own."""

    def start(self, rows: int) -> Any: ...


def probabilities(
    logits: Tensor, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Tensor:
    """What `sample` draws from: float64 of shape (V,), on the CPU, summing to 1.

    In this order: logits over `temperature` (0: all on the likeliest symbol, the first of equals); the `top_k`
    likeliest alone (all, where there are no more); of these the fewest that together reach `top_p`, the
    likeliest first (nucleus sampling: Holtzman et al. 2020). What is left out gets 0. Refuses what `sample` does.
    """
    _check(temperature, top_k, top_p)
    logits = logits.detach().to("cpu", torch.float64)  # (V,)
    best = logits.max()
    if not torch.isfinite(best):
        raise TrainingError(
            f"The model's answer is not a number: the largest of its {len(logits)} logits is {best.item()}. "
            "Its weights or its state are damaged; take an earlier checkpoint."
        )
    if temperature == 0:
        likeliest = torch.zeros_like(logits)  # (V,)
        likeliest[logits.argmax()] = 1.0
        return likeliest
    chances = torch.softmax((logits - best) / temperature, 0)  # (V,)
    if top_k is None and top_p is None:
        return chances
    ordered, order = torch.sort(chances, descending=True, stable=True)  # (V,)
    if top_k is not None:
        ordered[top_k:] = 0.0
    if top_p is not None and top_p < 1:
        reached = torch.cumsum(ordered, 0) / ordered.sum()  # (V,)
        ordered[1:][reached[:-1] >= top_p] = 0.0
    return torch.zeros_like(chances).scatter(0, order, ordered / ordered.sum())


def choose(chances: Tensor, generator: torch.Generator) -> int:
    """One symbol drawn with these chances (V,), by one random number: the same on every kind of processor."""
    reached = torch.cumsum(chances, 0)  # (V,)
    aim = torch.rand((), generator=generator, dtype=torch.float64) * reached[-1]
    symbol = int(torch.searchsorted(reached, aim, right=True))
    if symbol == len(chances):  # only where rounding brings the aim up to the sum itself
        symbol = int(torch.nonzero(chances)[-1])
    return symbol


def sample(
    model: Answering,
    prompt: Sequence[int],
    *,
    generator: torch.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    length: int,
    border: int = 0,
) -> Iterator[int]:
    """Writes on after `prompt` from the model's start; all else is as `sample_from` has it."""
    return sample_from(
        model,
        model.start(1),
        prompt,
        generator=generator,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        length=length,
        border=border,
    )


def sample_from(
    model: Stepping,
    state: Any,
    prompt: Sequence[int] = (),
    *,
    generator: torch.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    length: int,
    border: int = 0,
) -> Iterator[int]:
    """Writes on after `prompt` from a state of one row, a symbol as soon as it is chosen, until `length` symbols or a
    document's end.

    The model reads the border, then the prompt; neither is handed out, nor is the border that ends the text.
    `probabilities` says what `temperature`, `top_k` and `top_p` do; at temperature 0 the generator is not used.
    The same generator state gives the same text. Refuses, with an OptionError before anything is read, a
    temperature below 0, a top_k below 1, a top_p outside (0, 1] and a length below 1.
    """
    _check(temperature, top_k, top_p)
    if length < 1:
        raise OptionError(f"length is {length}; it counts the symbols to write, so give 1 or more, such as 1000.")

    def write(state: Any) -> Iterator[int]:
        logits, state = _read(model, border, state)
        for symbol in prompt:
            if not 0 <= symbol < len(logits):
                raise OptionError(
                    f"The prompt holds symbol {symbol}; this model has {len(logits)}, numbered from 0. "
                    "Encode the prompt with the model's own table."
                )
            logits, state = _read(model, symbol, state)
        for left in range(length, 0, -1):
            chances = probabilities(logits, temperature, top_k, top_p)  # (V,)
            symbol = int(chances.argmax()) if temperature == 0 else choose(chances, generator)
            if symbol == border:
                return
            yield symbol
            if left > 1:
                logits, state = _read(model, symbol, state)

    return write(state)


def decode_stream(table: Table, ids: Iterable[int]) -> Iterator[str]:
    """The text of `ids`, each character as soon as its last byte is there; joined, it is `table.decode(ids)`."""
    return filter(None, table.decode_stream([symbol] for symbol in ids))


def stop_at(pieces: Iterable[str], stop: str) -> Iterator[str]:
    """Hands the pieces of a text on until `stop` appears in it, also split over pieces; `stop` is left out.

    Only what may be the beginning of `stop` waits: never more than len(stop) - 1 characters. Refuses an empty
    `stop` with an OptionError.
    """
    if not stop:
        raise OptionError("The text to stop at is empty, and that is everywhere. Give some, or leave it out.")

    def pass_on() -> Iterator[str]:
        held = ""
        for piece in pieces:
            held += piece
            end = held.find(stop)
            if end >= 0:
                if end:
                    yield held[:end]
                return
            free = len(held) - _waiting(held, stop)
            if free:
                yield held[:free]
            held = held[free:]
        if held:
            yield held

    return pass_on()


def _waiting(text: str, stop: str) -> int:
    """How many of the last characters of `text` may be the beginning of `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((count for count in range(longest, 0, -1) if stop.startswith(text[-count:])), 0)


def _read(model: Stepping, symbol: int, state: Any) -> tuple[Tensor, Any]:
    """One step of one row, without a gradient: logits (V,) and the state after."""
    with torch.no_grad():
        logits, state = model.step(torch.tensor([symbol]), state)  # (1, V)
    return logits[0], state


def _check(temperature: float, top_k: int | None, top_p: float | None) -> None:
    if not (math.isfinite(temperature) and temperature >= 0):
        raise OptionError(
            f"temperature is {temperature}; it must be 0 (always the likeliest symbol) or more, "
            "1 being the model's own chances. Try 0.8."
        )
    if top_k is not None and top_k < 1:
        raise OptionError(
            f"top_k is {top_k}; it counts the likeliest symbols to choose among, so give 1 or more, or leave it out."
        )
    if top_p is not None and not 0 < top_p <= 1:
        raise OptionError(
            f"top_p is {top_p}; it is the share of the chances to keep, above 0 and at most 1. "
            "Try 0.9, or leave it out."
        )
