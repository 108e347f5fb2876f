"""The run folder and what is done with it: train, load, sample, score, predict, evaluate."""

from unrolled.run.answer_evaluation import AnswerEvaluation
from unrolled.run.giving import Given
from unrolled.run.info import info_data
from unrolled.run.own_files import is_run
from unrolled.run.predicting import Answer
from unrolled.run.report import Report
from unrolled.run.run import Evaluation, RankedLine, Run, load, runs
from unrolled.run.text_predicting import WritingEvaluation
from unrolled.run.training import Training
from unrolled.run.verdict import Verdict
from unrolled.run.writing import Choice

__all__ = [
    "Answer",
    "AnswerEvaluation",
    "Choice",
    "Evaluation",
    "Given",
    "RankedLine",
    "Report",
    "Run",
    "Training",
    "Verdict",
    "WritingEvaluation",
    "info_data",
    "is_run",
    "load",
    "runs",
]
