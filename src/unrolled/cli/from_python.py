"""The training of `unrolled.train`: progress in a terminal or a notebook, and a tidy end on Ctrl-C."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from unrolled.cli.notebook import NotebookView, in_notebook
from unrolled.cli.terminal import QuietView, is_terminal, open_view
from unrolled.cli.train import Interrupts
from unrolled.cli.view import View

if TYPE_CHECKING:  # torch is imported where a training is made
    from unrolled.run import Training


def train_and_show(path: Any, settings: dict[str, Any], progress: bool) -> Training:
    """Trains to the end, and shows progress in a notebook or a terminal, if `progress` is true.

    The first Ctrl-C or SIGTERM ends it tidily: the best weights and a checkpoint are saved, then KeyboardInterrupt
    is raised. The second, or one before the training has begun, raises it at once.
    """
    from unrolled.run import Training

    with Interrupts() as interrupts:
        training = Training(path, **settings)
        with closing(_view() if progress else QuietView()) as view:
            interrupts.training, interrupts.view = training, view
            view.begin(training)
            for report in training:
                view.show(report)
    if training.stopped:
        again = f"unrolled.Training.resume({str(training.folder)!r})"
        raise KeyboardInterrupt(f"Stopped; the run is saved in {training.folder}. To resume: {again}")
    return training


def _view() -> View:
    """The view for a notebook or a terminal; elsewhere nothing is shown."""
    if in_notebook():
        return NotebookView()
    return open_view(json=False, quiet=False) if is_terminal() else QuietView()
