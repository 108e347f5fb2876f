"""The scores of a run's answers, told: figures, which labels are taken for which, and what was wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from unrolled.data.examples import Examples
from unrolled.data.tokens import given_words
from unrolled.scores import LabelScore

MOST_SHOWN = 20  # labels of a confusion matrix that fits a terminal


@dataclass(frozen=True)
class AnswerEvaluation:
    """The scores of a run's answers on a table, or on its own test part."""

    part: str
    scores: Mapping[str, LabelScore]
    beside: Mapping[str, float] | None  # shares right that the verdict put beside the run's own test part
    wrong: list[dict[str, Any]]  # what was answered wrongly, the surest first

    @property
    def lines(self) -> list[str]:
        """What the command prints."""
        lines = []
        for name, score in self.scores.items():
            lines.append(f"{name}, {self.part}: {score.line}")
            lines += confusion_lines(score)
        if self.beside:
            beside = ", ".join(f"{name} {share:.1%}" for name, share in self.beside.items())
            lines.append(f"Beside it, right: {beside}")
        return lines

    def as_dict(self) -> dict[str, Any]:
        """In plain names."""
        facts: dict[str, Any] = {"part": self.part}
        facts["outputs"] = {name: score.as_dict() for name, score in self.scores.items()}
        return facts | ({} if self.beside is None else {"beside": dict(self.beside)})


def confusion_lines(score: LabelScore) -> list[str]:
    """The confusion matrix as lines, a row a true label; of many labels the pairs that are confused most."""
    names = score.labels
    if len(names) > MOST_SHOWN:
        pairs = [
            (count, true, said)
            for true, row in enumerate(score.confusion[: len(names)])
            for said, count in enumerate(row)
            if true != said and count
        ]
        pairs.sort(reverse=True)
        return [f"  {count:6,} x {names[true]} taken for {names[said]}" for count, true, said in pairs[:10]]
    rows = [*zip(names, score.confusion, strict=False)]
    if any(score.confusion[len(names)]):
        rows.append(("(not known)", score.confusion[len(names)]))
    width = max(len(name) for name, _ in rows)
    cell = max(4, *(len(f"{count:,}") for _, row in rows for count in row), *(len(name[:8]) for name in names))
    lines = ["  " + "answered:".rjust(width) + "  " + " ".join(name[:8].rjust(cell) for name in names)]
    lines += [f"  {name.rjust(width)}  " + " ".join(f"{count:,}".rjust(cell) for count in row) for name, row in rows]
    return lines


def list_errors(
    examples: Examples, part: str, found: Mapping[str, torch.Tensor], names: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The rows that are answered wrongly, those answered surest first."""
    wrong = []
    rows = examples.parts[part]
    for name, logs in found.items():
        labels = examples.answers[name]
        places = labels.places(rows)
        row_of = np.repeat(rows, labels.starts[rows + 1] - labels.starts[rows])
        chances, answered = logs.exp().max(1)
        for at in torch.nonzero(answered != torch.from_numpy(labels.ids[places])).flatten().tolist():
            row, place = int(row_of[at]), int(places[at])
            text = examples.texts[row]
            facts = {"place": examples.place(row), "output": name}
            if labels.each:
                facts["word"] = given_words(text)[place - int(labels.starts[row])]
            said = {"right": labels.name(place), "answer": names[name][int(answered[at])]}
            wrong.append({**facts, **said, "chance": float(chances[at]), "text": " ".join(text.split("\n")).rstrip()})
    return sorted(wrong, key=lambda one: -float(str(one["chance"])))
