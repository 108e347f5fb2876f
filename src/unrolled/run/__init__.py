"""The run folder and what is done with it: train, load, sample, score, predict, evaluate.

A name is imported where it is first used: most of them need torch, and whoever lists runs does not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unrolled.run.answer_evaluation import AnswerEvaluation as AnswerEvaluation
    from unrolled.run.evaluation import Evaluation as Evaluation
    from unrolled.run.generation import Choice as Choice
    from unrolled.run.giving import Given as Given
    from unrolled.run.info import info_data as info_data
    from unrolled.run.language_run import LanguageModelEvaluation as LanguageModelEvaluation
    from unrolled.run.language_run import LanguageModelRun as LanguageModelRun
    from unrolled.run.listing import runs as runs
    from unrolled.run.loading import load as load
    from unrolled.run.own_files import is_run as is_run
    from unrolled.run.prediction_run import PredictionRun as PredictionRun
    from unrolled.run.report import Report as Report
    from unrolled.run.results import Answer as Answer
    from unrolled.run.results import RankedLine as RankedLine
    from unrolled.run.run import Run as Run
    from unrolled.run.seq2seq_run import Seq2SeqRun as Seq2SeqRun
    from unrolled.run.seq2seq_run import WritingEvaluation as WritingEvaluation
    from unrolled.run.tagging import has_tags as has_tags
    from unrolled.run.tagging import tag_conllu as tag_conllu
    from unrolled.run.training import Training as Training
    from unrolled.run.verdict import Verdict as Verdict

HOMES = {
    "Answer": "results",
    "AnswerEvaluation": "answer_evaluation",
    "Choice": "generation",
    "Evaluation": "evaluation",
    "Given": "giving",
    "LanguageModelEvaluation": "language_run",
    "LanguageModelRun": "language_run",
    "PredictionRun": "prediction_run",
    "RankedLine": "results",
    "Report": "report",
    "Run": "run",
    "Seq2SeqRun": "seq2seq_run",
    "Training": "training",
    "Verdict": "verdict",
    "WritingEvaluation": "seq2seq_run",
    "has_tags": "tagging",
    "info_data": "info",
    "is_run": "own_files",
    "load": "loading",
    "runs": "listing",
    "tag_conllu": "tagging",
}
"""The file of this room that each name stands in."""


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
