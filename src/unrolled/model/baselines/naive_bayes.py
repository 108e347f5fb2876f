"""Naive Bayes with an n-gram model of each label's texts: counted, not fitted by gradient descent.

P(label | text) ∝ P(label) Π P(unit | the n - 1 before it, label), over a text's units and its end (Peng, Schuurmans &
Wang 2004). A unit is a character, or a word in lower case. Each P is interpolated (Witten & Bell 1991, with S = 1):

    P(w | h, label) = (c(h, w) + S d(h) P(w | h', label)) / (c(h) + S d(h))

where c are the counts in the label's texts, d(h) is the number of different units that followed h there, and h' is h
without its oldest unit. The unigrams back off to the same model of all texts, and that to 1/V. Histories do not cross
the beginning of a text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from unrolled.data.dataset.outputs import LabelOutput
from unrolled.data.modalities.base import Item
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.errors import RunError
from unrolled.model.baselines.ngram_features import UNITS, Hashes, mix_bits, windows

Ids = NDArray[np.int64]
Numbers = NDArray[np.float64]

ORDERS = {"characters": 4, "words": 3}  # docs/results/tables.md
STRENGTH = 4.0  # S: likewise
MOST = 10_000_000  # n-gram occurrences that are counted
SPEED = 400_000  # of them per second, about
FEWEST = 20_000  # of them that are counted even if the time is short
PROBABILITIES = 1 << 22  # units x labels that are evaluated together
EDGES = mix_bits(np.array([2, 3], np.uint64))  # the BOS and EOS units of a text


class UnitSequence(NamedTuple):
    """Concatenated texts, each with a BOS and an EOS unit: N units in all."""

    units: Hashes  # (N,)
    texts: Ids  # (N,) the index of each unit's text, sorted

    @classmethod
    def of(cls, units: str, texts: Sequence[str]) -> UnitSequence:
        """units: "characters" or "words"."""
        numbers, counts = UNITS[units](texts)
        lengths = np.array(counts, np.int64)
        stops = np.cumsum(lengths)
        places = np.stack([stops - lengths, stops], 1).ravel()
        return cls(
            np.insert(numbers, places, np.tile(EDGES, len(texts))), np.repeat(np.arange(len(texts)), lengths + 2)
        )

    def follows(self) -> NDArray[np.bool_]:
        """Mask (N,) of the units that follow another unit of the same text."""
        same: NDArray[np.bool_] = np.diff(self.texts, prepend=-1) == 0
        return same

    def windows(self, longest: int) -> list[Hashes]:
        """For n = 0, 1, … `longest`: (N,) hashes of the n-grams that end at each unit; 0 if the text is too short."""
        found = [np.ones(len(self.units), np.uint64)]
        for ends, numbers in windows(self.units, self.texts, longest):
            found.append(np.zeros(len(self.units), np.uint64))
            found[-1][ends] = numbers | np.uint64(1)
        return found


class LabelLevel(NamedTuple):
    """The F n-grams of one length, with an entry for each label in whose texts they occur: E in all."""

    keys: Hashes  # (F,) sorted
    starts: Ids  # (F + 1,) where the entries of each begin
    labels: Ids  # (E,)
    own: NDArray[np.float32]  # (E,) c(h, w) / (c(h) + S d(h)) of the n-gram h w
    back: NDArray[np.float32]  # (E,) S d(h) / (c(h) + S d(h)) of the n-gram as h; 1 if no unit followed it

    def find(self, keys: Hashes) -> Ids:
        """The index of each key; -1 if it was never seen."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, places, -1)

    def entries(self, nodes: Ids) -> tuple[Ids, Ids]:
        """All entries of nodes (T,), -1 for none, and the position of each entry's node, 0 to T - 1."""
        known = np.flatnonzero(nodes >= 0)
        first = self.starts[nodes[known]]
        counts = self.starts[nodes[known] + 1] - first
        skipped = first - (np.cumsum(counts) - counts)
        of_node = np.repeat(known, counts)
        return np.arange(len(of_node)) + np.repeat(skipped, counts), of_node


Nodes = list[tuple[Ids, Ids]]  # for n = 1, 2, …: indices (T,) of each unit's history, and of the history with it


@dataclass(frozen=True)
class LabelCounts:
    """The n-grams of K labels' texts, counted separately for each label."""

    levels: tuple[LabelLevel, ...]  # of 0 units, then of 1 to n

    @property
    def label_count(self) -> int:
        """K: every label has an entry for the empty n-gram."""
        return len(self.levels[0].labels)

    @classmethod
    def of(cls, windows: Sequence[Hashes], follows: NDArray[np.bool_], labels: Ids, label_count: int) -> LabelCounts:
        """windows: of 0 to n units. labels (N,): the label of each unit's text, below 0 for none."""
        keys, starts, of_entry = windows[0][:1], np.array([0, label_count]), np.arange(label_count)
        own = np.zeros(label_count, np.float32)
        entry = labels  # (N,) of the history that ends at each unit
        levels = []
        for numbers in windows[1:]:
            at = np.flatnonzero((numbers > 0) & (labels >= 0))
            at = at[np.lexsort((labels[at], numbers[at]))]
            is_key = np.diff(numbers[at], prepend=np.uint64(0)) != 0
            is_entry = is_key | (np.diff(labels[at], prepend=-1) != 0)
            longer = np.full(len(labels), -1)
            longer[at] = np.cumsum(is_entry) - 1
            followed = at[follows[at]]  # all but BOS, which occurs only in histories
            times = np.bincount(longer[followed], minlength=int(is_entry.sum()))
            history = np.where(times > 0, entry[at[is_entry] - 1], 0)
            after = np.bincount(entry[followed - 1], minlength=len(own))
            different = STRENGTH * np.bincount(history[times > 0], minlength=len(own))
            whole = np.maximum(after + different, 1.0)
            back = np.where(after > 0, different / whole, 1.0).astype(np.float32)
            levels.append(LabelLevel(keys, starts, of_entry, own, back))
            keys, starts = numbers[at[is_key]], np.append(np.flatnonzero(is_key[is_entry]), len(times))
            own, of_entry, entry = (times / whole[history]).astype(np.float32), labels[at[is_entry]], longer
        levels.append(LabelLevel(keys, starts, of_entry, own, np.ones(len(own), np.float32)))
        return cls(tuple(levels))

    def nodes(self, windows: Sequence[Hashes], follows: NDArray[np.bool_]) -> Nodes:
        """The nodes of the T units that follow another unit of the same text."""
        found = [level.find(numbers) for level, numbers in zip(self.levels, windows, strict=True)]
        return [(shorter[:-1][follows[1:]], longer[follows]) for shorter, longer in pairwise(found)]

    def probabilities(self, nodes: Nodes, backoff: Numbers) -> Numbers:
        """The probability of each unit given each label (T, K). backoff (T, 1): the probability to back off to."""
        probabilities = np.array(np.broadcast_to(backoff, (len(backoff), self.label_count)), order="C")
        flat = probabilities.reshape(-1)
        for (shorter, longer), (history, itself) in zip(pairwise(self.levels), nodes, strict=True):
            entries, unit = shorter.entries(history)
            flat[unit * self.label_count + shorter.labels[entries]] *= shorter.back[entries]
            entries, unit = longer.entries(itself)
            flat[unit * self.label_count + longer.labels[entries]] += longer.own[entries]
        return probabilities

    def tensors(self, name: str) -> dict[str, Tensor]:
        """All arrays, by names with this prefix."""
        return {
            f"{name}.{n}.{field}": torch.from_numpy(array.view(np.int64) if field == "keys" else array)
            for n, level in enumerate(self.levels)
            for field, array in level._asdict().items()
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], name: str, label_count: int, order: int) -> LabelCounts:
        """Load the counts that `tensors` returned. Raises KeyError or ValueError if they do not fit."""
        levels = []
        for n in range(order + 1):
            level = LabelLevel(*(tensors[f"{name}.{n}.{field}"].numpy() for field in LabelLevel._fields))
            level = level._replace(keys=level.keys.view(np.uint64))
            size, entries = len(level.keys), len(level.labels)
            fits = bool((level.keys[1:] > level.keys[:-1]).all()) and level.starts.shape == (size + 1,)
            fits &= bool((np.diff(level.starts) > 0).all()) and level.starts[0] == 0 and level.starts[-1] == entries
            fits &= bool(((level.labels >= 0) & (level.labels < label_count)).all())
            for values in (level.own, level.back):
                fits &= values.shape == (entries,) and bool(((values >= 0) & (values <= 1)).all())
            if not fits:
                raise ValueError("the n-grams do not fit")
            levels.append(level)
        if len(levels[0].labels) != label_count:
            raise ValueError("the n-grams belong to other labels")
        return cls(tuple(levels))


@dataclass(frozen=True)
class OutputCounts:
    """The counts of one output of K labels."""

    of_all: LabelCounts
    of_each: LabelCounts
    prior: Tensor  # (K,) float64, log-probabilities

    @property
    def order(self) -> int:
        """n."""
        return len(self.of_all.levels) - 1

    @property
    def unit_count(self) -> int:
        """V: the number of different units, plus one for all unseen units."""
        return int((self.of_all.levels[1].own > 0).sum()) + 1

    @classmethod
    def of(cls, sequence: UnitSequence, targets: Ids, label_count: int, order: int) -> OutputCounts:
        """targets: the label of each text; if below 0, not known, the text counts in `of_all` only. order: n."""
        windows, follows, labels = sequence.windows(order), sequence.follows(), targets[sequence.texts]
        return cls(
            LabelCounts.of(windows, follows, np.zeros_like(labels), 1),
            LabelCounts.of(windows, follows, labels, label_count),
            torch.from_numpy(np.bincount(targets[targets >= 0], minlength=label_count) + 0.5).log().log_softmax(0),
        )

    def predict(self, sequence: UnitSequence) -> Tensor:
        """The log-probabilities (R, K) of the labels of texts 0 to R - 1; the sequence holds at least EOS of each."""
        windows, follows = sequence.windows(self.order), sequence.follows()
        texts, label_count, uniform = sequence.texts[follows], self.of_each.label_count, 1 / self.unit_count
        found = np.zeros((int(texts[-1]) + 1 if len(texts) else 0, label_count))
        all_nodes, each_nodes = (counts.nodes(windows, follows) for counts in (self.of_all, self.of_each))
        for start in range(0, len(texts), step := max(1, PROBABILITIES // label_count)):
            some = slice(start, start + step)
            nodes = [(history[some], itself[some]) for history, itself in all_nodes]
            backoff = self.of_all.probabilities(nodes, np.full((len(texts[some]), 1), uniform))
            nodes = [(history[some], itself[some]) for history, itself in each_nodes]
            probabilities = self.of_each.probabilities(nodes, backoff)
            first = np.flatnonzero(np.diff(texts[some], prepend=-1))
            found[texts[some][first]] += np.add.reduceat(np.log(probabilities), first)
        return F.log_softmax(torch.from_numpy(found) + self.prior, 1)


class NGramBayes:
    """A naive Bayes model of each output. Made by `count_bayes`."""

    def __init__(self, units: str, outputs: Mapping[str, OutputCounts], about: str) -> None:
        """units: "characters" or "words"."""
        self.units, self.outputs, self.about = units, dict(outputs), about

    def describe(self) -> str:
        """Describe the model in a few words."""
        return f"naive Bayes on {self.order}-grams of {self.units}{self.about}"

    @property
    def order(self) -> int:
        """n, the same for all outputs."""
        return next(iter(self.outputs.values())).order

    def predict(self, items: Sequence[Item]) -> dict[str, Tensor]:
        """Texts -> log-probabilities (R, K) of each output's labels."""
        sequence = UnitSequence.of(self.units, [str(item) for item in items])
        return {name: one.predict(sequence) for name, one in self.outputs.items()}

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of the model, for a file."""
        kept: dict[str, Tensor] = {}
        for number, one in enumerate(self.outputs.values()):
            kept |= one.of_all.tensors(f"{number}.all") | one.of_each.tensors(f"{number}.each")
            kept[f"{number}.prior"] = one.prior
        return kept

    def facts(self) -> dict[str, Any]:
        """All that `from_tensors` needs besides the tensors, as JSON."""
        return {"units": self.units, "order": self.order, "outputs": list(self.outputs), "about": self.about}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> NGramBayes:
        """Load the model from `tensors` and `facts`. Raises RunError if they do not fit."""
        try:
            order, outputs = int(facts["order"]), {}
            if facts["units"] not in UNITS or order < 1:
                raise ValueError("the units or the order do not fit")
            for number, name in enumerate(facts["outputs"]):
                prior = tensors[f"{number}.prior"]
                if prior.dim() != 1 or not bool(prior.isfinite().all()):
                    raise ValueError("the prior does not fit")
                of_all = LabelCounts.from_tensors(tensors, f"{number}.all", 1, order)
                of_each = LabelCounts.from_tensors(tensors, f"{number}.each", len(prior), order)
                outputs[str(name)] = OutputCounts(of_all, of_each, prior)
            return cls(facts["units"], outputs, str(facts["about"]))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            raise RunError("The n-grams of this run are damaged: their tensors do not fit. Train again.") from None


def count_bayes(
    units: str, texts: Sequence[Any], targets: Mapping[str, Ids], outputs: Mapping[str, LabelOutput], seed: int,
    deadline: Deadline = UNLIMITED,
) -> NGramBayes:  # fmt: skip
    """Count the n-grams of texts for each label of each output; of a random sample if time or memory is short.

    units: "characters" or "words". targets: the labels of each output, below 0 if not known.
    """
    drawn = np.random.default_rng(seed).permutation(len(texts))
    some = UnitSequence.of(units, [str(texts[row]) for row in drawn[:1000].tolist()])
    grams = MOST if deadline.unlimited else max(FEWEST, min(MOST, int(SPEED * deadline.seconds_left)))
    most = int(grams * min(1000, len(texts)) / max(1, ORDERS[units] * len(some.units)))
    rows = np.sort(drawn[:most]) if most < len(texts) else np.arange(len(texts))
    sequence = UnitSequence.of(units, [str(texts[row]) for row in rows.tolist()])
    counted = {}
    for name, output in outputs.items():
        deadline.check()
        counted[name] = OutputCounts.of(sequence, targets[name][rows], len(output.names), ORDERS[units])
    about = "" if most >= len(texts) else f" of {most:,} of {len(texts):,} texts"
    return NGramBayes(units, counted, about)
