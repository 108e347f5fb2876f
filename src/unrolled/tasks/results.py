"""The predictions of a run for a row (labels, tags, numbers, texts) and the score of a line of text."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unrolled.data.modalities.base import Frame, StepGrid
from unrolled.registry import choose

WORD = re.compile(r"\S+")
Ranked: TypeAlias = list[tuple[str, float]]  # labels with their probabilities, the most probable first


class Estimate(NamedTuple):
    """A number, with the interval that holds 95% of the targets."""

    value: float
    low: float
    high: float


class AttentionWeights(NamedTuple):
    """The attention weights over the steps of an input, for each token of a generated text."""

    target_tokens: list[str]  # (T,) of the generated text; the last one is empty: the end
    source_tokens: list[str]  # (S,) of the input: its tokens, or the names of its steps
    weights: list[list[float]]  # (T, S), each row sums to 1; the mean over layers and heads
    grid: StepGrid | None = None  # where in an image the steps of the input are; None for other inputs

    def to_dict(self) -> dict[str, Any]:
        """The fields, for JSON. The grid as its rows, columns and frame, where there is one."""
        facts = {name: value for name, value in self._asdict().items() if name != "grid"}
        return facts if self.grid is None else {**facts, "grid": self.grid.to_dict()}

    def by_word(self) -> list[tuple[str, AttentionMap]]:
        """Each word of the text, with the mean map of its tokens. Raises TypeError without a grid."""
        if self.grid is None:
            raise TypeError("the steps of this input have no place in an image")
        ends = list(accumulate(map(len, self.target_tokens)))
        starts = [0, *ends[:-1]]
        found = []
        for word in WORD.finditer("".join(self.target_tokens)):
            own = [
                weights
                for weights, start, end in zip(self.weights, starts, ends, strict=True)
                if start < word.end() and end > word.start()
            ]
            mean = [sum(column) / len(own) for column in zip(*own, strict=True)]
            across = self.grid.columns
            rows = [mean[start : start + across] for start in range(0, len(mean), across)]
            found.append((word[0], AttentionMap("attention", word[0], rows, self.grid.frame)))
        return found


class AttentionMap(NamedTuple):
    """Where in an image a prediction looks, or in which frames of a video."""

    method: str
    """cam, hirescam: what raises the score of the label; rollout, pooling, attention: attention weights."""
    label: str  # the label or the word; "" where the weights are the same for all outputs
    weights: list[list[Any]]  # (h, w), or (T, h, w) of the frames of a video; not negative, sum 1
    frame: Frame = Frame()  # the part of the image that they cover
    frames: NDArray[np.uint8] | None = None  # (T, H, W, 3) the frames of a video

    def to_dict(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return {"method": self.method, "label": self.label, "weights": self.weights, "frame": list(self.frame)}


class GazePath(NamedTuple):
    """Where a fovea looked at an image, glimpse by glimpse."""

    places: list[
        tuple[float, float]
    ]  # x and y of the middle of each, in shares of the image from its upper left corner
    sides: list[tuple[float, float]]  # height and width of its squares, in shares of the image's; the finest first

    def to_dict(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return {"places": [list(place) for place in self.places], "sides": [list(side) for side in self.sides]}


class Alternative(NamedTuple):
    """One of the best texts for a row."""

    text: str
    score: float  # sum of the log-probabilities of its tokens and of its end, in nats
    word_probability: float | None  # see `word_probability`
    """None for a caption of another image; then `score` is its similarity to those of similar images, 0 to 1."""
    confidence: float | None = None  # see `metrics.confidence`; None where it was not calibrated

    def to_dict(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return {name: value for name, value in self._asdict().items() if name != "confidence" or value is not None}


class GeneratedText(NamedTuple):
    """A text that was generated for a row."""

    text: str
    score: float  # sum of the log-probabilities of its tokens and of its end, in nats; see `Alternative`
    word_probability: float | None  # see `word_probability`
    attention: AttentionWeights | None = None  # the attention weights, if requested
    alternatives: tuple[Alternative, ...] | None = None  # the best texts, this one first, if requested
    confidence: float | None = None  # see `Alternative`

    def to_dict(self) -> dict[str, Any]:
        """The fields, for JSON. What was not requested is left out."""
        facts: dict[str, Any] = {
            "prediction": self.text, "score": self.score, "word_probability": self.word_probability,
        }  # fmt: skip
        if self.confidence is not None:
            facts["confidence"] = self.confidence
        if self.attention is not None:
            facts["attention"] = self.attention.to_dict()
        if self.alternatives is not None:
            facts["alternatives"] = [one.to_dict() for one in self.alternatives]
        return facts


def word_probability(text: str, score: float, ended: bool = True) -> float:
    """The geometric mean of the probabilities of a text's words, of which its end is one: e^(score / words).

    So texts of different lengths can be compared. It does not depend on whether tokens are words or characters. Words
    are what white space separates. ended: False for a text that was cut off at the largest length.
    """
    return math.exp(score / max(1, len(text.split()) + ended))


@dataclass(frozen=True)
class RowPrediction:
    """The predictions of a run for one row."""

    text: str  # the input: a text itself, a path, or the place of a row
    labels: Mapping[str, Ranked] = field(default_factory=dict)  # of each output with one label
    tags: Mapping[str, list[Ranked]] = field(default_factory=dict)  # of each output with tags, step by step
    sets: Mapping[str, Ranked] = field(default_factory=dict)  # of each output with any number of labels
    values: Mapping[str, list[Estimate]] = field(default_factory=dict)  # of each output with numbers
    texts: Mapping[str, GeneratedText] = field(default_factory=dict)  # of an output with a text
    thresholds: Mapping[str, float] = field(default_factory=dict)  # of `sets`: predicted are labels above it
    maps: Mapping[str, AttentionMap] = field(default_factory=dict)  # of each output for an image, if requested
    gaze: GazePath | None = None  # of a net that looks by glimpses
    error: str = ""  # why there is no prediction: an audio file or an image that cannot be read
    empty: bool = False  # a cell or a line was empty, so every prediction is empty

    def best(self, output: str) -> str:
        """The most probable label of an output; "" if the input was empty."""
        ranked = choose("output of labels", self.labels, output)
        return ranked[0][0] if ranked else ""

    def best_tags(self, output: str) -> list[str]:
        """The most probable tag of each step, for an output with tags."""
        return [ranked[0][0] for ranked in choose("output of tags", self.tags, output)]

    def predicted_labels(self, output: str) -> list[str]:
        """The predicted labels, for an output with any number of them."""
        return [
            label
            for label, probability in choose("output of any number of labels", self.sets, output)
            if probability > self.thresholds[output]
        ]

    def to_dict(self) -> dict[str, Any]:
        """The fields, for JSON."""
        if self.error:
            return {"text": self.text, "error": self.error}
        if self.empty:
            names = [*self.labels, *self.tags, *self.sets, *self.values, *self.texts]
            return {"text": self.text, "outputs": {name: {"prediction": None} for name in names}}
        outputs: dict[str, Any] = {}
        for name, ranked in self.labels.items():
            outputs[name] = {"prediction": ranked[0][0], "probabilities": dict(ranked)}
        for name, words in self.tags.items():
            outputs[name] = {"prediction": self.best_tags(name), "probabilities": [dict(ranked) for ranked in words]}
        for name, ranked in self.sets.items():
            outputs[name] = {"prediction": self.predicted_labels(name), "probabilities": dict(ranked)}
        for name, found in self.values.items():
            values, intervals = [one.value for one in found], [[one.low, one.high] for one in found]
            one = len(found) == 1
            outputs[name] = {
                "prediction": values[0] if one else values,
                "interval": intervals[0] if one else intervals,
            }
        for name, written in self.texts.items():
            outputs[name] = written.to_dict()
        for name, found_map in self.maps.items():
            outputs[name]["attention"] = found_map.to_dict()
        gaze = {} if self.gaze is None else {"gaze": self.gaze.to_dict()}
        return {"text": self.text, "outputs": outputs, **gaze}


@dataclass(frozen=True)
class RankedLine:
    """A line's surprise, and its rank among the lines of the validation split."""

    number: int  # from 1
    text: str
    nats: float  # per character
    characters: float
    rank: float | None  # share of the validation lines with a lower surprise; None without such lines
    adapted: float | None = None  # nats per character of a copy that learns while it reads, if requested
