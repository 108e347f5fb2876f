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
    from pathlib import Path

    from unrolled.keywords import AllKeywords, AnswerKeywords, LanguageKeywords, WritingKeywords
    from unrolled.run import Report, Run, Training

# rows of many lengths are many shapes; what is compiled for each (1,024 of them by default) took gigabytes
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")

__all__ = ["Report", "Run", "Training", "__version__", "load", "train"]


@overload
def train(
    path: str | PathLike[str],
    *,
    kind: Literal["language"],
    progress: bool = True,
    **options: Unpack[LanguageKeywords],
) -> Run: ...


@overload
def train(
    path: str | PathLike[str],
    *,
    kind: Literal["label", "labels", "tags", "value"],
    progress: bool = True,
    **options: Unpack[AnswerKeywords],
) -> Run: ...


@overload
def train(
    path: str | PathLike[str], *, kind: Literal["text"], progress: bool = True, **options: Unpack[WritingKeywords]
) -> Run: ...


@overload
def train(
    path: str | PathLike[str], *, kind: None = None, progress: bool = True, **options: Unpack[AllKeywords]
) -> Run: ...


def train(path: str | PathLike[str], *, progress: bool = True, **options: Any) -> Run:
    """Trains on the text or the table at `path` and hands back the run, its best weights loaded.

    progress: shown on standard error, where that is a terminal.
    options: those of `unroll train`, such as minutes=2, steps=500, model="gru", out="runs/poems"; kind="label" says
    what is learnt, as --as does. Raises InputError for what cannot be, TrainingError where work fails. Ctrl-C ends it
    tidily, the best weights and a checkpoint kept, and raises KeyboardInterrupt then.
    """
    from unrolled.cli.from_python import train_and_show

    return load(train_and_show(path, options, progress).folder)


def load(path: str | Path | None = None, device: str = "auto", threads: int | None = None) -> Run:
    """The run in a folder; None: the newest under runs/. Raises RunError where it is none, or damaged.

    threads: on how many processor threads it answers; left out, what is faster on this machine now.
    """
    from unrolled.run import load as load_run

    return load_run(path, device, threads)


def __getattr__(name: str) -> Any:
    if name in ("Report", "Run", "Training"):  # here torch is imported, where it is needed
        import unrolled.run

        return getattr(unrolled.run, name)
    raise AttributeError(f"module 'unrolled' has no attribute '{name}'")
