"""Runs: train, load, sample, score, predict, evaluate.

Names are imported lazily: most of them need torch, and listing runs does not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unrolled.run.info import info_data as info_data
    from unrolled.run.loading import load as load
    from unrolled.run.training import Training as Training
    from unrolled.rundir.listing import runs as runs
    from unrolled.rundir.own_files import is_run as is_run
    from unrolled.rundir.report import Report as Report
    from unrolled.tasks.evaluation import Evaluation as Evaluation
    from unrolled.tasks.generation import GenerationConfig as GenerationConfig
    from unrolled.tasks.language_modeling.predictor import LanguageModelingEvaluation as LanguageModelingEvaluation
    from unrolled.tasks.language_modeling.predictor import LanguageModelingRun as LanguageModelingRun
    from unrolled.tasks.language_modeling.summary import LanguageModelingSummary as LanguageModelingSummary
    from unrolled.tasks.prediction.conllu import has_tags as has_tags
    from unrolled.tasks.prediction.conllu import tag_conllu as tag_conllu
    from unrolled.tasks.prediction.evaluation import PredictionEvaluation as PredictionEvaluation
    from unrolled.tasks.prediction.predictor import PredictionRun as PredictionRun
    from unrolled.tasks.requests import InferenceInput as InferenceInput
    from unrolled.tasks.results import RankedLine as RankedLine
    from unrolled.tasks.results import RowPrediction as RowPrediction
    from unrolled.tasks.run import Run as Run
    from unrolled.tasks.seq2seq.finding import FoundImage as FoundImage
    from unrolled.tasks.seq2seq.finding import FoundImages as FoundImages
    from unrolled.tasks.seq2seq.finding import ImageFinder as ImageFinder
    from unrolled.tasks.seq2seq.finding import find_images as find_images
    from unrolled.tasks.seq2seq.predictor import Seq2SeqEvaluation as Seq2SeqEvaluation
    from unrolled.tasks.seq2seq.predictor import Seq2SeqRun as Seq2SeqRun

HOMES = {
    "RowPrediction": "tasks.results",
    "PredictionEvaluation": "tasks.prediction.evaluation",
    "FoundImage": "tasks.seq2seq.finding",
    "FoundImages": "tasks.seq2seq.finding",
    "GenerationConfig": "tasks.generation",
    "ImageFinder": "tasks.seq2seq.finding",
    "Evaluation": "tasks.evaluation",
    "InferenceInput": "tasks.requests",
    "LanguageModelingEvaluation": "tasks.language_modeling.predictor",
    "LanguageModelingRun": "tasks.language_modeling.predictor",
    "PredictionRun": "tasks.prediction.predictor",
    "RankedLine": "tasks.results",
    "Report": "rundir.report",
    "Run": "tasks.run",
    "Seq2SeqRun": "tasks.seq2seq.predictor",
    "Training": "run.training",
    "LanguageModelingSummary": "tasks.language_modeling.summary",
    "Seq2SeqEvaluation": "tasks.seq2seq.predictor",
    "find_images": "tasks.seq2seq.finding",
    "has_tags": "tasks.prediction.conllu",
    "info_data": "run.info",
    "is_run": "rundir.own_files",
    "load": "run.loading",
    "runs": "rundir.listing",
    "tag_conllu": "tasks.prediction.conllu",
}
"""The module of each name."""


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"unrolled.{HOMES[name]}"), name)
