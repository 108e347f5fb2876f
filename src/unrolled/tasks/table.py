"""The table of all tasks: the training of each, and the run that results."""

from __future__ import annotations

from typing import NamedTuple

from unrolled.tasks.base import Task
from unrolled.tasks.language_modeling.predictor import LanguageModelingRun
from unrolled.tasks.language_modeling.task import LanguageModeling
from unrolled.tasks.prediction.predictor import PredictionRun
from unrolled.tasks.prediction.task import Prediction
from unrolled.tasks.run import Run
from unrolled.tasks.seq2seq.predictor import Seq2SeqRun
from unrolled.tasks.seq2seq.task import Seq2Seq


class TaskEntry(NamedTuple):
    """One task; a new task is a line in TASKS."""

    task_class: type[Task]  # trains it
    run: type[Run]  # uses the trained model


TASKS = {
    task.run.kind: task
    for task in (
        TaskEntry(LanguageModeling, LanguageModelingRun),
        TaskEntry(Prediction, PredictionRun),
        TaskEntry(Seq2Seq, Seq2SeqRun),
    )
}
"""kind in run.json -> task"""
