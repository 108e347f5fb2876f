"""The run folder and what is done with it: train, load, sample, score, predict, evaluate.

A name is imported where it is first used: most of them need torch, and whoever lists runs does not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unrolled.run.answer_evaluation import AnswerEvaluation as AnswerEvaluation
    from unrolled.run.giving import Given as Given
    from unrolled.run.info import info_data as info_data
    from unrolled.run.listing import runs as runs
    from unrolled.run.own_files import is_run as is_run
    from unrolled.run.predicting import Answer as Answer
    from unrolled.run.report import Report as Report
    from unrolled.run.run import Evaluation as Evaluation
    from unrolled.run.run import RankedLine as RankedLine
    from unrolled.run.run import Run as Run
    from unrolled.run.run import load as load
    from unrolled.run.text_predicting import WritingEvaluation as WritingEvaluation
    from unrolled.run.training import Training as Training
    from unrolled.run.verdict import Verdict as Verdict
    from unrolled.run.writing import Choice as Choice

HOMES = {
    "Answer": "predicting",
    "AnswerEvaluation": "answer_evaluation",
    "Choice": "writing",
    "Evaluation": "run",
    "Given": "giving",
    "RankedLine": "run",
    "Report": "report",
    "Run": "run",
    "Training": "training",
    "Verdict": "verdict",
    "WritingEvaluation": "text_predicting",
    "info_data": "info",
    "is_run": "own_files",
    "load": "run",
    "runs": "listing",
}
"""The file of this room that each name stands in."""


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
