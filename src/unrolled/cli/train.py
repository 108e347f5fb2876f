"""`unroll train` and `unroll resume`."""

from __future__ import annotations

import signal
from contextlib import closing
from pathlib import Path
from threading import current_thread, main_thread
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli.bridge import Json, Quiet, RunPath, any_number, takes, whole_number
from unrolled.cli.output import OutputLost, note, print_json, say
from unrolled.cli.terminal import open_view, start_facts
from unrolled.cli.view import View
from unrolled.errors import command, typed
from unrolled.given import as_path
from unrolled.options import TrainOptions

if TYPE_CHECKING:
    from unrolled.run import Training

STOPPED = 130
STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
LARGE = 50_000_000  # bytes; a text that takes a while to read


@takes(TrainOptions)
def train(
    context: typer.Context,
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="a text file, a folder of them, or - ; a table (csv, tsv, jsonl, parquet, conllu) with answers",
        ),
    ],
    settings: TrainOptions,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train on a text, or on rows of a table, in the minutes there are.

    Reads the data, plans, trains, shows what it writes or predicts meanwhile, and keeps the best model in a run
    folder.

    \b
    Examples:
      unroll train poems.txt
      unroll train letters/ --minutes 30 --out runs/letters
      unroll train names.txt --documents line --model ngram
      unroll train reviews.csv --minutes 5
      unroll train digits.csv --group speaker --folds 6
      unroll train mails.jsonl --input body --output folder,urgent
      cat *.log | unroll train - --steps 2000 --json
    """
    with Interrupts() as interrupts:
        data = as_path(data)
        if data == "-" or (Path(data).is_file() and Path(data).stat().st_size > LARGE):
            note(f"Reading {'standard input' if data == '-' else data} …", quiet or json)
        from unrolled.run import Training

        if settings.folds is not None and settings.fold is None:
            follow_folds(data, settings, interrupts, json, quiet)
            return
        training = Training(data, settings, started=context.obj)
        follow(training, interrupts, json, quiet)


def resume(
    context: typer.Context,
    run: RunPath = None,
    minutes: Annotated[
        float | None,
        typer.Option(parser=any_number("--minutes"), help="minutes from start to exit (what it had left)"),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(parser=whole_number("--steps"), help="so many more updates, instead of minutes"),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Go on where a run stopped.

    A finished run goes on for the minutes or updates given.

    \b
    Examples:
      unroll resume
      unroll resume runs/poems --minutes 10
    """
    TrainOptions(minutes=minutes, steps=steps).check()
    with Interrupts() as interrupts:
        from unrolled.run import Training

        training = Training.resume(run, minutes=minutes, steps=steps, started=context.obj)
        follow(training, interrupts, json, quiet)


class Interrupts:
    """While it holds: the first Ctrl-C, SIGTERM or SIGHUP (the terminal is gone) asks the training for a tidy end,
    the second ends at once.

    Before there is a training, the first ends at once: nothing is lost by it.
    """

    def __init__(self) -> None:
        self.training: Training | None = None
        self.view: View | None = None
        self._asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        if current_thread() is not main_thread():  # Python hears no signals elsewhere
            return self
        for number in STOPPING:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup and the shell's & mean what they say
                self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.training is None or self.view is None or self._asked:
            raise KeyboardInterrupt
        self._asked = True
        self.training.stop()
        self.view.stopping()


def follow(training: Training, interrupts: Interrupts, json: bool, quiet: bool) -> None:
    """Trains and shows it; ends with the verdict, or with how to go on after a stop. Raises typer.Exit(130) then.

    Where whoever reads the progress goes away, or standard output is full, the training ends tidily, and that is
    raised: BrokenPipeError, OutputLost.
    """
    with closing(open_view(json, quiet)) as view:
        interrupts.training, interrupts.view = training, view
        view.begin(training)
        lost: BrokenPipeError | OutputLost | None = None
        for report in training:
            try:
                view.show(report)
            except (BrokenPipeError, OutputLost) as error:
                training.stop()
                view, lost = open_view(json=False, quiet=True), error
        if lost is not None:
            raise lost
    _conclude(training, json, quiet)


def follow_folds(data: str, settings: TrainOptions, interrupts: Interrupts, json: bool, quiet: bool) -> None:
    """Trains every fold that is not finished, shows each, and ends with one table; typer.Exit(130) if stopped."""
    from unrolled.run.cross_validation import Folds
    from unrolled.tasks.resolve import name_for

    folds = Folds(data, settings, f"{name_for(data)}-folds")
    for number, training in folds.trainings():
        note(f"Fold {number} of {folds.count}", quiet or json)
        follow(training, interrupts, json, quiet)
    lines = folds.conclude()
    if json:
        print_json({"kind": "folds", "table": folds.table()})
    else:
        say("\n".join(lines))
    note(f"All of it is in {folds.path}.", quiet or json)


def _conclude(training: Training, json: bool, quiet: bool) -> None:
    verdict, fold = training.verdict, training.options.fold
    if json:
        facts = verdict.as_dict() if verdict is not None else {}
        numbered = {} if fold is None else {"fold": fold}
        print_json(
            {"kind": "end", "stopped": training.stopped} | numbered | start_facts(training) | {"verdict": facts}
        )
    elif verdict is not None:
        heading = [] if fold is None else [f"Fold {fold} of {training.options.folds}:"]
        say("\n".join([*heading, *verdict.lines]))
    if training.stopped:
        again = fold is not None
        how = (
            f"the same command again, with --out {typed(training.folder.parent)}"
            if again
            else command("resume", training.folder)
        )
        note(f"Stopped. To go on: {how}")
        raise typer.Exit(STOPPED)
    note(f"Saved to {training.folder}. Next: {command(training.terms.use, training.folder)}", quiet or json)
