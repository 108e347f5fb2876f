"""The table of all tasks: the training of each, and the run that results."""

from __future__ import annotations

from typing import NamedTuple

from unrolled.tasks.base import Subject
from unrolled.tasks.language_modeling.predictor import LanguageModelRun
from unrolled.tasks.language_modeling.task import Language
from unrolled.tasks.prediction.predictor import PredictionRun
from unrolled.tasks.prediction.task import Answers
from unrolled.tasks.run import Run
from unrolled.tasks.seq2seq.predictor import Seq2SeqRun
from unrolled.tasks.seq2seq.task import Writings


class TaskEntry(NamedTuple):
    """One task; a new task is a line in TASKS."""

    subject: type[Subject]  # trains it
    run: type[Run]  # uses the trained model


TASKS = {
    task.run.kind: task
    for task in (
        TaskEntry(Language, LanguageModelRun),
        TaskEntry(Answers, PredictionRun),
        TaskEntry(Writings, Seq2SeqRun),
    )
}
"""kind in run.json -> task"""
