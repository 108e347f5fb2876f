"""The run folder and what is done with it: train, load, sample, score, predict, evaluate."""

from unrolled.run.answer_evaluation import AnswerEvaluation
from unrolled.run.info import info_data
from unrolled.run.predicting import Answer, Given
from unrolled.run.report import Report
from unrolled.run.run import Evaluation, RankedLine, Run, load, runs
from unrolled.run.training import Training
from unrolled.run.verdict import Verdict

__all__ = [
    "Answer",
    "AnswerEvaluation",
    "Evaluation",
    "Given",
    "RankedLine",
    "Report",
    "Run",
    "Training",
    "Verdict",
    "info_data",
    "load",
    "runs",
]
