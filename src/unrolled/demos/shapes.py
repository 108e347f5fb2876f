"""One to one, one to many, many to one, many to many: five tiny tasks, each learnt in seconds."""

from __future__ import annotations

from typing import NamedTuple

from unrolled.demos.shape_tasks import SHAPE_TASKS, ShapeTask
from unrolled.demos.temporary import trained
from unrolled.run import RowPrediction

SIZE = 64


class ShapeRow(NamedTuple):
    """A task of one shape, and what was learnt of it."""

    shape: str
    task: str
    source: str  # an example that was not trained on
    target: str  # what is right for it
    predicted: str
    right: float  # the share of all rows that were not trained on that are predicted without an error


def show_shapes(seed: int = 0) -> tuple[ShapeRow, ...]:
    """Trains a model of each shape, and predicts for rows that it was not trained on."""
    return tuple(learn_shape(make(seed), seed) for make in SHAPE_TASKS)


def learn_shape(task: ShapeTask, seed: int) -> ShapeRow:
    """Trains on a task's rows, and predicts for its other rows."""
    source, target = task.training[0]
    with trained(
        task.training, input=source, output=target, seed=seed, layers=1, hidden_size=SIZE, test="none", **task.options
    ) as run:
        rows = [{source: row[source]} for row in task.others]
        predicted = [text_of(prediction, target) for prediction in run.predict(rows)]
    wanted = [row[target] for row in task.others]
    texts = [" ".join(one) if isinstance(one, list) else one for one in wanted]
    right = sum(a == b for a, b in zip(predicted, texts, strict=True)) / len(texts)
    return ShapeRow(task.shape, task.title, task.show(task.others[0][source]), texts[0], predicted[0], right)


def text_of(prediction: RowPrediction, output: str) -> str:
    """The predicted text, tags or label."""
    if prediction.texts:
        return prediction.texts[output].text
    return " ".join(prediction.best_tags(output)) if prediction.tags else prediction.best(output)
