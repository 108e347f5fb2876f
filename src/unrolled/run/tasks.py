"""The tasks that there are: what is trained, and the run that comes of it."""

from __future__ import annotations

from typing import NamedTuple

from unrolled.run.answers import Answers
from unrolled.run.language import Language
from unrolled.run.language_run import LanguageModelRun
from unrolled.run.prediction_run import PredictionRun
from unrolled.run.run import Run
from unrolled.run.seq2seq_run import Seq2SeqRun
from unrolled.run.subject import Subject
from unrolled.run.writings import Writings


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
