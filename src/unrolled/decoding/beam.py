"""Greedy and beam search, over any model with a step and a state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled import states
from unrolled.data.vocabulary.base import EOS
from unrolled.decoding.sampling import Stepping
from unrolled.errors import OptionError, TrainingError

ALPHA = 0.6  # of the length penalty; Wu et al. (2016) found 0.6 to 0.7 best


class Hypothesis(NamedTuple):
    """A generated text."""

    tokens: tuple[int, ...]  # without the EOS token
    score: float  # sum of the log-probabilities of all tokens, the EOS token included
    normalised: float  # the score over the length penalty
    ended: bool  # by an EOS token; else it is cut off at the longest length
    fit: float = 0.0  # similarity to the captions of similar images, 0 to 1, where texts are ranked by it


class Candidate(NamedTuple):
    """An unfinished text in a beam: its first tokens."""

    row: int
    place: int  # row of the model's state that it goes on from
    tokens: tuple[int, ...]
    score: float


def length_penalty(steps: int, alpha: float) -> float:
    """((5 + steps) / 6)^alpha, the EOS token counted as a step: without it short texts win (Wu et al. 2016)."""
    return float(((5 + steps) / 6) ** alpha)


@torch.no_grad()
def beam_search(
    model: Stepping,
    state: Any,
    rows: int,
    *,
    width: int,
    length: int,
    alpha: float = ALPHA,
) -> list[list[Hypothesis]]:
    """For each of the state's rows up to `width` texts of at most `length` tokens, by normalised score, best first.

    The first input is the BOS token (the same token as EOS). At each step the most likely candidates of a row
    are kept, finished and unfinished ones; a finished one makes the beam narrower (Sutskever et al. 2014). So a beam
    of one is greedy, and a row's texts do not depend on the other rows. Tokens of probability 0 are never generated.
    alpha: of `length_penalty`; 0 ranks by score alone. Raises OptionError.
    """
    _check(width, length, alpha)
    live = [Candidate(row, row, (), 0.0) for row in range(rows)]
    done: list[list[Hypothesis]] = [[] for _ in range(rows)]
    last = torch.full((rows,), EOS)
    for _ in range(length):
        if not live:
            break
        logs, state = _step(model, last, state)  # (N, V), N unfinished texts
        going_on = []
        for one in _likeliest(live, logs, [width - len(found) for found in done]):
            if one.tokens[-1] == EOS:
                done[one.row].append(_hypothesis(one, alpha, ended=True))
            else:
                going_on.append(one)
        live = going_on
        state = states.take(state, torch.tensor([one.place for one in live], dtype=torch.int64))
        last = torch.tensor([one.tokens[-1] for one in live], dtype=torch.int64)
    for one in live:
        done[one.row].append(_hypothesis(one, alpha, ended=False))
    return [sorted(found, key=lambda one: -one.normalised) for found in done]


@torch.no_grad()
def greedy(model: Stepping, state: Any, rows: int, *, length: int, alpha: float = ALPHA) -> list[Hypothesis]:
    """For each of the state's rows the text of the most likely token at each step, at most `length` long.

    alpha: of the reported normalised score; it changes no text. Raises OptionError.
    """
    _check(1, length, alpha)
    live = [Candidate(row, row, (), 0.0) for row in range(rows)]
    found: dict[int, Hypothesis] = {}
    last = torch.full((rows,), EOS)
    for _ in range(length):
        if not live:
            break
        logs, state = _step(model, last, state)
        scores, tokens = logs.max(1)
        pairs = zip(live, scores.tolist(), tokens.tolist(), strict=True)
        live = [
            Candidate(one.row, place, (*one.tokens, token), one.score + score)
            for place, (one, score, token) in enumerate(pairs)
        ]
        found |= {one.row: _hypothesis(one, alpha, ended=True) for one in live if one.tokens[-1] == EOS}
        live = [one for one in live if one.tokens[-1] != EOS]
        state = states.take(state, torch.tensor([one.place for one in live], dtype=torch.int64))
        last = torch.tensor([one.tokens[-1] for one in live], dtype=torch.int64)
    found |= {one.row: _hypothesis(one, alpha, ended=False) for one in live}
    return [found[row] for row in range(rows)]


def _step(model: Stepping, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Log-probabilities (N, V) of the token after these tokens (N,), and the state after."""
    logits, state = model.step(tokens, state)
    if not bool(torch.isfinite(best := logits.max(1).values).all()):
        raise TrainingError(
            f"The model's output is not a number: the largest of a row's {logits.shape[1]} logits is "
            f"{best[~best.isfinite()][0].item()}. Its weights or its state are damaged; take an earlier checkpoint."
        )
    return logits.log_softmax(1), state


def _likeliest(live: Sequence[Candidate], logs: Tensor, places: Sequence[int]) -> list[Candidate]:
    """The most likely candidates of each row, one token longer, as many as the row has places left."""
    scores, tokens = (best.tolist() for best in logs.topk(min(max(places), logs.shape[1]), dim=1))
    longer: dict[int, list[Candidate]] = {}
    for place, one in enumerate(live):
        longer.setdefault(one.row, []).extend(
            Candidate(one.row, place, (*one.tokens, token), one.score + score)
            for score, token in zip(scores[place], tokens[place], strict=True)
            if score > -torch.inf
        )
    return [one for row, found in longer.items() for one in sorted(found, key=lambda one: -one.score)[: places[row]]]


def _hypothesis(one: Candidate, alpha: float, ended: bool) -> Hypothesis:
    tokens = one.tokens[:-1] if ended else one.tokens
    return Hypothesis(tokens, one.score, one.score / length_penalty(len(one.tokens), alpha), ended)


def _check(width: int, length: int, alpha: float) -> None:
    if width < 1:
        raise OptionError(f"width is {width}; it is the number of texts in the beam, so give 1 or more, such as 5.")
    if length < 1:
        raise OptionError(
            f"length is {length}; it is the number of tokens to generate, so give 1 or more, such as 100."
        )
    if not 0 <= alpha < torch.inf:
        raise OptionError(f"alpha is {alpha}; it is 0 (no length penalty) or more. Try 0.6.")
