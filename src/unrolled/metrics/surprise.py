"""Surprise: how well a model predicts a text, in nats per character with an interval; and line by line.

B rows, T steps, V tokens. A row is processed in chunks with the state carried over, so that memory use does not grow
with its length. Everything is computed in float32 (float64 where the model's weights are), without a gradient, and
summed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from unrolled.data.vocabulary.base import EOS, Vocabulary
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.errors import DataError, OptionError
from unrolled.options import DOCUMENT_KINDS
from unrolled.settings import check_choice
from unrolled.states import State, take

BLOCK = 1000.0  # characters of text, about: the scores of blocks count as independent
ROWS = 64  # segments in a batch, at most
HELD = 1 << 20  # tokens of text held to find segments of similar length, about
LOGITS = 1 << 22  # logits at a time, at most

Ids: TypeAlias = NDArray[Any]
Floats: TypeAlias = NDArray[np.float64]


class Unrolling(Protocol):
    """A model that predicts the next token at each step: `LanguageModel`, `NGram`, or one of your own."""

    def start(self, rows: int) -> State: ...

    def unroll(self, tokens: Tensor, state: State) -> tuple[Tensor, State]: ...


@dataclass(frozen=True)
class Score:
    """Nats per character and the accuracy of the next token, each with its 95% interval.

    The intervals take the text's blocks of about 1,000 characters as independent samples: ratio ± t · standard error
    over blocks, t of Student's distribution. They are too narrow where neighbouring blocks are similar (one subject
    for many pages). They describe how the score varies with the text, not with the seed of the training. A single
    block has no interval: nan.
    """

    nats: float
    low: float
    high: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    tokens: int
    characters: int

    @property
    def bits(self) -> float:
        """Bits per character."""
        return self.nats / math.log(2)

    @property
    def interval(self) -> str:
        """The interval of the nats as text, or that the text is too short for one."""
        if math.isnan(self.low):
            return "too little text for an interval"
        return f"95% interval {self.low:.3f}–{self.high:.3f}"

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, for JSON; a missing interval is null."""

        def interval(low: float, high: float, unit: float = 1.0) -> list[float] | None:
            return None if math.isnan(low) else [low / unit, high / unit]

        return {
            "nats": self.nats,
            "nats_interval": interval(self.low, self.high),
            "bits": self.bits,
            "bits_interval": interval(self.low, self.high, math.log(2)),
            "accuracy": self.accuracy,
            "accuracy_interval": interval(self.accuracy_low, self.accuracy_high),
            "tokens": self.tokens,
            "characters": self.characters,
        }


@dataclass(frozen=True)
class LineScore:
    """The surprise of a line, its line end included."""

    number: int  # from 1
    text: str
    nats: float  # per character
    characters: float  # the line end counts as one


def evaluate(
    model: Unrolling, rows: Iterable[tuple[Ids, Ids]], characters: Floats, chunk: int = 1024, batch: int = ROWS,
    deadline: Deadline = UNLIMITED, most: int | None = None,
) -> Score:  # fmt: skip
    """The score of a text: of segments (inputs, targets), each processed as one stream from a fresh state.

    `characters` (V,): the number of characters of each token; the score is all nats over all characters. Segments of
    similar length form batches, which changes only the time; with a `batch` of 1 they are processed in their order.
    `chunk` is in steps. Past the deadline, the score covers what was processed until then; `most`, the tokens of such
    a score, makes another model's score cover the same text. Raises DataError where there is nothing to predict.
    """
    blocks = _Blocks()
    before = 0.0  # characters of the segments so far
    for group in _groups(rows, HELD if batch > 1 else 1):
        lengths = [float(characters[targets].sum()) for _, targets in group]
        begins = before + np.cumsum([0.0, *lengths])
        before = float(begins[-1])
        order = sorted(range(len(group)), key=lambda row: -len(group[row][1]))
        for first in range(0, len(order), batch):
            some = order[first : first + batch]
            position = begins[some]  # (B,) characters before the chunk
            for scored in _run_over([group[row] for row in some], model, len(characters), chunk):
                if blocks.tokens and deadline.passed():
                    return blocks.score()
                char_counts = characters[scored.targets]  # (B, T)
                ends = position[: len(char_counts), None] + char_counts.cumsum(1)
                blocks.add(scored, char_counts, ends - char_counts)
                position = ends[:, -1]
                if most is not None and blocks.tokens >= most:
                    return blocks.score()
    return blocks.score()


def surprise(model: Unrolling, inputs: Ids, targets: Ids, state: State, chunk: int = 256) -> tuple[Floats, State]:
    """Nats (T,) of each target, given `state` (of one row) and the inputs (T,) up to it; and the state after."""
    nats: list[Floats] = []
    for start in range(0, len(targets), chunk):
        steps = slice(start, start + chunk)
        losses, _, state = _predict(model, inputs[None, steps], targets[None, steps], state)
        nats.append(losses[0])
    return np.concatenate([np.zeros(0), *nats]), state


def score_lines(
    model: Unrolling,
    vocabulary: Vocabulary,
    lines: Iterable[str],
    alone: bool = False,
    documents: str = "file",
    batch: int = 1,
    adapts: bool = False,
) -> Iterator[LineScore]:
    """Stream the surprise of each line, given the lines before it; `alone`: each line from a fresh state.

    `documents` is the unit that the model was trained on. "file": a line ends with a line feed, and the text goes on.
    "line", "row": it ends with the EOS token, so the next line starts from a fresh state whatever `alone` is.
    "blank": as "file", but blank lines end the document; they have no score, and a line's score follows once the
    next line has been read. Where lines start afresh, they are processed in batches of `batch`: the scores are the
    same, the first comes later. A model that `adapts` to the text gets one line at a time.
    Raises OptionError for other `documents` and a batch below 1.
    """
    check_choice("--documents", documents, DOCUMENT_KINDS)
    documents = "line" if documents == "row" else documents
    if batch < 1:
        raise OptionError(f"batch is {batch}; it is the number of lines in a batch, so give 1 or more.")
    ended = _with_ends(lines, documents)
    fresh = alone or documents == "line"
    state, last = model.start(1), EOS
    while group := list(islice(ended, batch if fresh else 1)):
        rows = [
            np.r_[vocabulary.encode(text), EOS] if ends else vocabulary.encode(f"{text}\n") for _, text, ends in group
        ]
        if fresh and not adapts:
            totals = _totals(model, rows, vocabulary.size)
        else:
            if fresh:
                state, last = model.start(1), EOS
            nats, state = surprise(model, np.r_[last, rows[0][:-1]], rows[0], state)
            totals, last = np.array([nats.sum()]), rows[0][-1]
            if group[0][2]:  # a document ends with this line
                state = model.start(1)
        for (number, text, _), row, total in zip(group, rows, totals.tolist(), strict=True):
            characters = float(vocabulary.characters[row].sum())
            yield LineScore(number, text, total / characters, characters)


@dataclass(frozen=True)
class _Scored:
    """The results of one chunk, all (B, T); `real` is false past a row's end."""

    targets: NDArray[np.int64]
    nats: Floats
    right: NDArray[np.bool_]
    real: NDArray[np.bool_]


class _Blocks:
    """Sums over blocks of about 1,000 characters: nats, characters, tokens, correctly predicted tokens."""

    def __init__(self) -> None:
        self.sums: Floats = np.zeros((4, 1024))
        self.tokens = 0  # tokens that were added

    def add(self, scored: _Scored, char_counts: Floats, position: Floats) -> None:
        """Adds a chunk; position (B, T): where each token begins in the text, in characters."""
        self.tokens += int(scored.real.sum())
        block = (position[scored.real] / BLOCK).astype(np.int64)
        first, after = int(block.min()), int(block.max()) + 1
        while after > self.sums.shape[1]:
            self.sums = np.concatenate([self.sums, np.zeros_like(self.sums)], 1)
        for row, values in enumerate((scored.nats, char_counts, scored.real, scored.right)):
            self.sums[row, first:after] += np.bincount(block - first, values[scored.real])

    def score(self) -> Score:
        """The score of all that was added."""
        sums = self.sums[:, self.sums[1] > 0]
        if not sums.size:
            raise DataError("There is no text to evaluate: it has no next character to predict. Give a longer text.")
        if sums.shape[1] > 1 and sums[1, -1] < BLOCK / 2:  # a short last block is merged into the one before it
            sums = np.c_[sums[:, :-2], sums[:, -2] + sums[:, -1]]
        nats, characters, tokens, right = sums
        return Score(
            *_interval(nats, characters),
            *_interval(right, tokens),
            tokens=round(float(tokens.sum())),
            characters=round(float(characters.sum())),
        )


def _interval(numerators: Floats, denominators: Floats) -> tuple[float, float, float]:
    """The ratio of the sums over blocks, and its 95% interval (Cochran 1977, section 6.3, linearised)."""
    count, ratio = len(numerators), float(numerators.sum() / denominators.sum())
    if count < 2 or not math.isfinite(ratio):
        return ratio, math.nan, math.nan
    off = numerators - ratio * denominators
    error = math.sqrt(count / (count - 1) * float(off @ off)) / float(denominators.sum())
    half = student_t(count - 1) * error
    return ratio, max(ratio - half, 0.0), ratio + half


def student_t(degrees: int) -> float:
    """The 97.5% point of Student's t with these degrees of freedom, to 0.001: a table, then Fisher's expansion
    (Abramowitz & Stegun 26.7.5)."""
    table = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
    if degrees <= len(table):
        return table[degrees - 1]
    z = 1.959964
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3


def _groups(rows: Iterable[tuple[Ids, Ids]], most: int) -> Iterator[list[tuple[Ids, Ids]]]:
    """Segments that are not empty, in order, in groups of about `most` tokens."""
    group: list[tuple[Ids, Ids]] = []
    held = 0
    for inputs, targets in rows:
        if len(targets):
            group.append((inputs, targets))
            held += len(targets)
        if held >= most:
            yield group
            group, held = [], 0
    if group:
        yield group


def _run_over(rows: Sequence[tuple[Ids, Ids]], model: Unrolling, size: int, chunk: int) -> Iterator[_Scored]:
    """Runs the model over a batch of rows, the longest first, from a fresh state, chunk by chunk.

    A chunk ends where half of its rows have ended; these rows are dropped. So at most half of a batch is padding, and
    it comes after a row's last target: no lengths are needed, and a fast kernel gets a full rectangle.
    """
    lengths = np.array([len(targets) for _, targets in rows])
    state, start = model.start(len(rows)), 0
    while alive := int((lengths > start).sum()):
        if alive < len(rows):
            rows, lengths, state = rows[:alive], lengths[:alive], take(state, torch.arange(alive))
        steps = max(1, min(chunk, LOGITS // (alive * size), int(lengths[alive // 2]) - start))
        inputs, targets = (_padded([row[side][start : start + steps] for row in rows], steps) for side in (0, 1))
        nats, right, state = _predict(model, inputs, targets, state)
        yield _Scored(targets, nats, right, np.arange(start, start + steps) < lengths[:, None])
        start += steps


def _padded(rows: Sequence[Ids], steps: int) -> NDArray[np.int64]:
    return np.stack([np.pad(row.astype(np.int64), (0, steps - len(row))) for row in rows])


def _predict(model: Unrolling, inputs: Ids, targets: Ids, state: State) -> tuple[Floats, NDArray[np.bool_], State]:
    """Nats and whether the most likely token was right, both (B, T), and the state after."""
    tokens, following = (torch.from_numpy(ids.astype(np.int64)) for ids in (inputs, targets))  # (B, T)
    with torch.no_grad(), torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
        logits, state = model.unroll(tokens, state)  # (B, T, V)
        following = following.to(logits.device)
        nats = F.cross_entropy(logits.flatten(0, 1), following.flatten(), reduction="none")
        right = logits.argmax(2) == following
    return nats.view(following.shape).cpu().double().numpy(), right.cpu().numpy(), state


def _totals(model: Unrolling, targets: Sequence[Ids], size: int) -> Floats:
    """Nats of each row, processed as one batch from a fresh state. Rows are not empty."""
    order = sorted(range(len(targets)), key=lambda row: -len(targets[row]))
    rows = [(np.concatenate([[EOS], targets[row][:-1]]), targets[row]) for row in order]
    totals = np.zeros(len(rows))
    for scored in _run_over(rows, model, size, 256):
        totals[: len(scored.nats)] += np.where(scored.real, scored.nats, 0.0).sum(1)
    return totals[np.argsort(order)]


def _with_ends(lines: Iterable[str], documents: str) -> Iterator[tuple[int, str, bool]]:
    """(number, text without its line end, whether a document ends with it) of each line that has a score."""
    bare = (line.removesuffix("\n").removesuffix("\r") for line in lines)
    numbered = enumerate(bare, start=1)
    if documents != "blank":
        return ((number, text, documents == "line") for number, text in numbered)
    return (
        (number, text, not after.strip())
        for (number, text), (_, after) in pairwise(chain(numbered, [(0, "")]))
        if text.strip()
    )
