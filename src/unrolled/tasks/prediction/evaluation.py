"""The evaluation of a run's predictions: scores, confusion matrix and wrong predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from unrolled.data.cells.words import given_words
from unrolled.data.dataset.dataset import Examples
from unrolled.data.dataset.outputs import LabelOutput
from unrolled.data.dataset.targets import LabelTargets, ValueTargets, shown
from unrolled.data.modalities.base import Ids
from unrolled.figures import FORMATS
from unrolled.metrics.classification import LabelScore
from unrolled.metrics.regression import LabelSetScore, ValueScore
from unrolled.tasks.error_pages import WrongRow, name_files
from unrolled.tasks.evaluation import Evaluation
from unrolled.tasks.prediction.metrics import OutputScore, WrongPrediction, metric_of

MOST_SHOWN = 20  # most labels of a confusion matrix, to fit a terminal
LINE, SHORTEST_HEAD = 100, 8  # characters of its lines; fewest of a label's name in its head


@dataclass(frozen=True)
class UnknownLabels:
    """Targets with a label that a run does not know: they count as wrong, and have no nats."""

    count: int
    of: int  # number of targets, rows or steps
    labels: tuple[str, ...]
    nats: bool  # whether the score has nats, from which they are left out

    @property
    def line(self) -> str:
        """The line that reports them."""
        left_out = " and are left out of the nats" if self.nats else ""
        return (
            f"{self.count:,} of {self.of:,} have a label that the run does not know ({shown(self.labels)}): "
            f"they count as wrong{left_out}"
        )


def find_unknown(examples: Examples, rows: Ids) -> dict[str, UnknownLabels]:
    """The outputs for which these rows have labels that a run does not know."""
    found = {}
    for name, target in examples.targets.items():
        count, labels = target.count_unseen(rows)
        if count:
            one = isinstance(target, LabelTargets)
            of = int(target.has_target(rows).sum()) if isinstance(target, LabelTargets) else len(rows)
            found[name] = UnknownLabels(count, of, tuple(labels), nats=one)
    return found


@dataclass(frozen=True)
class PredictionEvaluation(Evaluation):
    """The scores of a run's predictions on a table, or on its own test split."""

    columns: ClassVar[tuple[str, ...]] = (
        "file",
        "row",
        "output",
        "word",
        "target",
        "prediction",
        "confidence",
        "error",
        "text",
    )
    order: ClassVar[str] = "the most confident"

    scores: Mapping[str, OutputScore]
    baselines: Mapping[str, tuple[str, float]] | None  # baselines of the summary, for the run's own test split
    unknown: Mapping[str, UnknownLabels]  # of outputs with labels that the run does not know

    def errors_line(self, path: str) -> str:
        if self.errors and all(isinstance(score, ValueScore) for score in self.scores.values()):
            return f"{len(self.errors):,} rows are in {path}, the largest error first."
        return super().errors_line(path)

    @property
    def score_lines(self) -> list[str]:
        return [f"{name}, {self.split}: {score.line}" for name, score in self.scores.items()]

    @property
    def lines(self) -> list[str]:
        lines = []
        for (name, score), line in zip(self.scores.items(), self.score_lines, strict=True):
            lines.append(line)
            if name in self.unknown:
                lines.append(f"  {self.unknown[name].line}")
            if isinstance(score, LabelScore):
                lines += confusion_lines(score)
            elif isinstance(score, LabelSetScore):
                pairs = sorted(zip(score.f1, score.labels, strict=True))[:MOST_SHOWN]
                lines += [f"  F1 {f1:.3f}  {label}" for f1, label in pairs]
        if self.baselines:
            others = ", ".join(
                f"{name} {FORMATS[kind].format(figure)}" for name, (kind, figure) in self.baselines.items()
            )
            lines.append(f"Others: {others}")
        return lines + self.unreadable_lines

    def to_dict(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"split": self.split}
        facts["outputs"] = {name: score.to_dict() | self._unknown(name) for name, score in self.scores.items()}
        if self.baselines is not None:
            facts["baselines"] = {name: figure for name, (_, figure) in self.baselines.items()}
        return facts | self.unreadable_facts

    def _unknown(self, name: str) -> dict[str, Any]:
        found = self.unknown.get(name)
        return {} if found is None else {"unknown": {"count": found.count, "labels": list(found.labels)}}


def confusion_lines(score: LabelScore) -> list[str]:
    """The confusion matrix as lines, one row per true label; with many labels the most frequent confusions."""
    names = [cut_name(name, LINE) for name in score.labels]
    if len(names) > MOST_SHOWN:
        return [
            f"  {count:6,} x {names[true]} predicted as {names[found]}" for count, true, found in score.mistakes[:10]
        ]
    rows = [*zip(names, score.confusion, strict=False)]
    if any(score.confusion[len(names)]):
        rows.append(("(unknown)", score.confusion[len(names)]))
    width = max(len("predicted:"), *(len(name) for name, _ in rows))
    numbers = max(4, *(len(f"{count:,}") for _, row in rows for count in row))
    fits = (LINE - width) // len(names) - 1
    heads = [cut_name(name, max(fits, SHORTEST_HEAD)) for name in names]
    cell = max(numbers, *map(len, heads))
    lines = ["  " + "predicted:".rjust(width) + "  " + " ".join(head.rjust(cell) for head in heads)]
    lines += [f"  {name.rjust(width)}  " + " ".join(f"{count:,}".rjust(cell) for count in row) for name, row in rows]
    return lines


def cut_name(name: str, most: int) -> str:
    """A name in at most `most` characters, with … at a cut."""
    return name if len(name) <= most else name[: most - 1] + "…"


def list_errors(examples: Examples, split: str, predictions: Mapping[str, torch.Tensor]) -> list[WrongRow]:
    """The wrong predictions, the most confident first; for numbers all rows, the largest error first."""
    found: list[tuple[float, WrongRow]] = []
    rows = examples.splits[split]
    for name, one in predictions.items():
        target = examples.targets[name]
        places, row_of, first = target.indices(rows), rows, rows
        kind = "error" if isinstance(target, ValueTargets) else "confidence"
        if target.each and isinstance(target, LabelTargets):
            first = target.starts
            row_of = np.repeat(rows, first[rows + 1] - first[rows])
        for wrong in metric_of(target.output).wrong(target, rows, one):
            row, place = int(row_of[wrong.at]), int(places[wrong.at])
            item = examples.items[row]
            file, number = examples.located(row)
            facts: dict[str, Any] = {"file": file, "row": number, "output": name}
            if target.each:
                step = place - int(first[row])
                facts["word"] = given_words(item)[step] if isinstance(item, str) else str(step + 1)
            text = " ".join(item.split("\n")).rstrip() if isinstance(item, str) else ""
            facts |= {"target": target.as_written(place), "prediction": wrong.prediction, kind: wrong.severity}
            lines, group = _shown(facts, wrong, isinstance(target.output, LabelOutput))
            prefix = f"{name}: " if len(predictions) > 1 else ""
            found.append((wrong.severity, WrongRow(row, facts | {"text": text}, lines, prefix + group)))
    return name_files(examples, [one for _, one in sorted(found, key=lambda pair: -pair[0])])


def _shown(facts: Mapping[str, Any], wrong: WrongPrediction, has_labels: bool) -> tuple[tuple[str, ...], str]:
    """The lines below the picture of a wrong prediction, and what was confused."""
    target, prediction = facts["target"] or "none", wrong.prediction or "none"
    if "error" in facts:
        return (prediction, f"target: {target}", f"error: {wrong.severity:.2f} standard deviations"), ""
    lines = f"{prediction} {wrong.severity:.3f}", f"target: {target}"
    if wrong.target_probability is not None:
        lines = lines[0], f"{lines[1]} {wrong.target_probability:.3f}"
    elif has_labels:
        lines = lines[0], f"{lines[1]}, which the run does not know"
    return lines, f"{target} → {prediction}"
