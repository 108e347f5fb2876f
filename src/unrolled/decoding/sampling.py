"""Text from a model, token by token: greedy or sampled, over any model with start and step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from unrolled.data.vocabulary.base import EOS, Vocabulary
from unrolled.errors import OptionError, TrainingError


class Stepping(Protocol):
    """A model that predicts the next token from a state: also an `EncoderDecoder`, whose start takes its source."""

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]: ...


class Starting(Stepping, Protocol):
    """A model that starts by itself: `LanguageModel`, `NGram`, or one of your own."""

    def start(self, rows: int) -> Any: ...


def probabilities(
    logits: Tensor, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Tensor:
    """The distribution that `sample` draws from: float64 of shape (V,), on the CPU, summing to 1.

    In this order: logits over `temperature` (0: all on the most likely token, the first of equals); only the `top_k`
    most likely (all, where there are no more); of these the fewest that together reach `top_p`, the most likely
    first (nucleus sampling: Holtzman et al. 2020). All others get 0. Raises OptionError as `sample` does.
    """
    _check(temperature, top_k, top_p)
    logits = logits.detach().to("cpu", torch.float64)  # (V,)
    best = logits.max()
    if not torch.isfinite(best):
        raise TrainingError(
            f"The model's output is not a number: the largest of its {len(logits)} logits is {best.item()}. "
            "Its weights or its state are damaged; take an earlier checkpoint."
        )
    if temperature == 0:
        likeliest = torch.zeros_like(logits)  # (V,)
        likeliest[logits.argmax()] = 1.0
        return likeliest
    probs = torch.softmax((logits - best) / temperature, 0)  # (V,)
    if top_k is None and top_p is None:
        return probs
    ordered, order = torch.sort(probs, descending=True, stable=True)  # (V,)
    if top_k is not None:
        ordered[top_k:] = 0.0
    if top_p is not None and top_p < 1:
        reached = torch.cumsum(ordered, 0) / ordered.sum()  # (V,)
        ordered[1:][reached[:-1] >= top_p] = 0.0
    return torch.zeros_like(probs).scatter(0, order, ordered / ordered.sum())


def draw_token(probs: Tensor, generator: torch.Generator) -> int:
    """One token drawn with these probabilities (V,), by one random number: the same on every kind of processor."""
    reached = torch.cumsum(probs, 0)  # (V,)
    aim = torch.rand((), generator=generator, dtype=torch.float64) * reached[-1]
    token = int(torch.searchsorted(reached, aim, right=True))
    if token == len(probs):  # only where rounding brings the aim up to the sum itself
        token = int(torch.nonzero(probs)[-1])
    return token


def sample(
    model: Starting,
    prompt: Sequence[int],
    *,
    generator: torch.Generator,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    length: int,
) -> Iterator[int]:
    """Continue `prompt` from the model's initial state; otherwise as `sample_from`."""
    return sample_from(
        model,
        model.start(1),
        prompt,
        generator=generator,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        length=length,
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
) -> Iterator[int]:
    """Continue `prompt` from a state of one row, streaming tokens, until `length` tokens or the EOS token.

    The inputs are the BOS token (the same token as EOS), then the prompt; neither is yielded, nor is EOS.
    For `temperature`, `top_k` and `top_p` see `probabilities`; at temperature 0 the generator is not used.
    The same generator state gives the same text. Raises OptionError, before the model runs, for a temperature below
    0, a top_k below 1, a top_p outside (0, 1] and a length below 1.
    """
    _check(temperature, top_k, top_p)
    if length < 1:
        raise OptionError(
            f"length is {length}; it is the number of tokens to generate, so give 1 or more, such as 1000."
        )

    def generate(state: Any) -> Iterator[int]:
        logits, state = _step(model, EOS, state)
        for token in prompt:
            if not 0 <= token < len(logits):
                raise OptionError(
                    f"The prompt holds token {token}; this model has {len(logits)}, numbered from 0. "
                    "Encode the prompt with the model's own vocabulary."
                )
            logits, state = _step(model, token, state)
        for left in range(length, 0, -1):
            probs = probabilities(logits, temperature, top_k, top_p)  # (V,)
            token = int(probs.argmax()) if temperature == 0 else draw_token(probs, generator)
            if token == EOS:
                return
            yield token
            if left > 1:
                logits, state = _step(model, token, state)

    return generate(state)


def decode_stream(vocabulary: Vocabulary, ids: Iterable[int]) -> Iterator[str]:
    """Stream the text of `ids`, each character as soon as its last byte is there; joined, the chunks are
    `vocabulary.decode(ids)`."""
    return filter(None, vocabulary.decode_stream([token] for token in ids))


def stop_at(chunks: Iterable[str], stop: str) -> Iterator[str]:
    """Yield the chunks of a text until `stop` appears in it, also split over chunks; `stop` is left out.

    At most len(stop) - 1 characters, which may be the beginning of `stop`, are held back. Raises OptionError for an
    empty `stop`.
    """
    if not stop:
        raise OptionError("The text to stop at is empty. Give at least one character, or leave it out.")

    def pass_on() -> Iterator[str]:
        held = ""
        for chunk in chunks:
            held += chunk
            end = held.find(stop)
            if end >= 0:
                if end:
                    yield held[:end]
                return
            free = len(held) - _held_back(held, stop)
            if free:
                yield held[:free]
            held = held[free:]
        if held:
            yield held

    return pass_on()


def _held_back(text: str, stop: str) -> int:
    """The number of last characters of `text` that may be the beginning of `stop`."""
    longest = min(len(text), len(stop) - 1)
    return next((count for count in range(longest, 0, -1) if stop.startswith(text[-count:])), 0)


def _step(model: Stepping, token: int, state: Any) -> tuple[Tensor, Any]:
    """One step of one row, without a gradient: logits (V,) and the state after."""
    with torch.no_grad():
        logits, state = model.step(torch.tensor([token]), state)  # (1, V)
    return logits[0], state


def _check(temperature: float, top_k: int | None, top_p: float | None) -> None:
    if not (math.isfinite(temperature) and temperature >= 0):
        raise OptionError(
            f"temperature is {temperature}; it must be 0 (always the most likely token) or more, "
            "where 1 is the model's own distribution. Try 0.8."
        )
    if top_k is not None and top_k < 1:
        raise OptionError(
            f"top_k is {top_k}; it is the number of most likely tokens to draw from; give 1 or more, or leave it out."
        )
    if top_p is not None and not 0 < top_p <= 1:
        raise OptionError(
            f"top_p is {top_p}; it is the total probability of the tokens to keep, above 0 and at most 1. "
            "Try 0.9, or leave it out."
        )
