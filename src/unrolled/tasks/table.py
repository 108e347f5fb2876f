"""The tasks that there are: what is trained, and the run that comes of it."""

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
    """One task: a new one is a line in TASKS."""

    subject: type[Subject]  # its training
    run: type[Run]  # what is done with it afterwards


TASKS = {
    task.run.kind: task
    for task in (
        TaskEntry(Language, LanguageModelRun),
        TaskEntry(Answers, PredictionRun),
        TaskEntry(Writings, Seq2SeqRun),
    )
}
"""kind, as run.json has it -> the task."""
