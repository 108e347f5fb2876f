"""unrolled: train a sequence model on your own data, on your own machine, and see what it remembers.

>>> import unrolled
>>> run = unrolled.train("poems.txt", minutes=2)  # doctest: +SKIP
>>> print("".join(run.sample(prompt="O ")))  # doctest: +SKIP
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from unrolled.version import __version__

if TYPE_CHECKING:
    from os import PathLike

    from unrolled.estimators import Classifier, LanguageModel, Regressor, Tagger
    from unrolled.keywords import AllKeywords, LanguageModelingKeywords, PredictionKeywords, Seq2SeqKeywords
    from unrolled.run import Report, Run, Training

# rows of many lengths have many shapes; the kernels compiled for each (cache of 1,024 by default) took gigabytes
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")

__all__ = [
    "Classifier", "LanguageModel", "Regressor", "Report", "Run", "Tagger", "Training", "__version__", "load", "train",
]  # fmt: skip


@overload
def train(
    data: Any,
    *,
    task: Literal["language-modeling"],
    progress: bool = True,
    **options: Unpack[LanguageModelingKeywords],
) -> Run: ...


@overload
def train(
    data: Any,
    *,
    task: Literal["classification", "multilabel", "tagging", "regression"],
    progress: bool = True,
    **options: Unpack[PredictionKeywords],
) -> Run: ...


@overload
def train(
    data: Any, *, task: Literal["seq2seq"], progress: bool = True, **options: Unpack[Seq2SeqKeywords]
) -> Run: ...


@overload
def train(data: Any, *, task: None = None, progress: bool = True, **options: Unpack[AllKeywords]) -> Run: ...


def train(data: Any, *, progress: bool = True, **options: Any) -> Run:
    """Trains on a text or a table and returns the run with its best weights loaded.

    data: its path; or data in memory: a DataFrame of pandas or polars, a Dataset of Hugging Face, a dict of columns,
    a list of dicts, a list of texts (a language model), or a pair (x, y) of arrays, tensors or lists.
    progress: whether to show progress on standard error, where that is a terminal.
    options: those of `unroll train`, such as minutes=2, steps=500, model="gru", out="runs/poems";
    task="classification" corresponds to --task. Raises InputError for invalid data or options, TrainingError where
    the training fails. Ctrl-C ends it tidily: the best weights and a checkpoint are saved, then KeyboardInterrupt is
    raised.
    """
    from unrolled.cli.from_python import train_and_show

    return load(train_and_show(data, options, progress).folder)


def load(path: str | PathLike[str] | None = None, device: str = "auto", threads: int | None = None) -> Run:
    """The run in a folder; None: the newest under runs/. Raises RunError for a missing or damaged run.

    threads: number of processor threads for predictions; left out, the faster choice on this machine now.
    """
    from unrolled.run import load as load_run

    return load_run(path, device, threads)


ESTIMATORS = ("Classifier", "LanguageModel", "Regressor", "Tagger")


def __getattr__(name: str) -> Any:
    if name in ESTIMATORS:  # of the extra sklearn
        import unrolled.estimators

        return getattr(unrolled.estimators, name)
    if name in ("Report", "Run", "Training"):  # imported on first use, because it imports torch
        import unrolled.run

        return getattr(unrolled.run, name)
    raise AttributeError(f"module 'unrolled' has no attribute '{name}'")
