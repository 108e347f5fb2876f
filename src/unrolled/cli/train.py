"""`unroll train` and `unroll resume`."""

from __future__ import annotations

import signal
from contextlib import closing
from pathlib import Path
from threading import current_thread, main_thread
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli.options import Json, Quiet, RunPath, any_number, takes, whole_number
from unrolled.cli.output import OutputLost, note, print_json, say
from unrolled.cli.terminal import open_view, start_facts
from unrolled.cli.view import View
from unrolled.errors import command, shell_quote
from unrolled.given import as_path
from unrolled.interrupts import STOPPED, STOPPING
from unrolled.options import TrainOptions

if TYPE_CHECKING:
    from unrolled.run import Training

LARGE = 50_000_000  # bytes of a text that is announced before it is read


@takes(TrainOptions)
def train(
    context: typer.Context,
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="a text file, a folder of them, or - ; a table (csv, tsv, jsonl, parquet, conllu) with targets",
        ),
    ],
    settings: TrainOptions,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train on a text or a table, within a budget of minutes.

    Reads the data, plans, trains, shows samples or predictions during training, and keeps the best model in a run
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
            train_folds(data, settings, interrupts, json, quiet)
            return
        training = Training(data, settings, started=context.obj)
        train_and_print(training, interrupts, json, quiet)


def resume(
    context: typer.Context,
    run: RunPath = None,
    minutes: Annotated[
        float | None,
        typer.Option(parser=any_number("--minutes"), help="minutes from start to exit (the rest of its budget)"),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(parser=whole_number("--steps"), help="number of further updates, instead of minutes"),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Resume a run where it stopped.

    A finished run is trained further for the given minutes or updates.

    \b
    Examples:
      unroll resume
      unroll resume runs/poems --minutes 10
    """
    TrainOptions(minutes=minutes, steps=steps).check()
    with Interrupts() as interrupts:
        from unrolled.run import Training

        training = Training.resume(run, minutes=minutes, steps=steps, started=context.obj)
        train_and_print(training, interrupts, json, quiet)


class Interrupts:
    """A context in which the first Ctrl-C, SIGTERM or SIGHUP (the terminal is gone) ends the training tidily, and
    the second ends it at once.

    Before the training has begun, the first ends at once: nothing is lost.
    """

    def __init__(self) -> None:
        self.training: Training | None = None
        self.view: View | None = None
        self._stop_requested = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        if current_thread() is not main_thread():  # Python receives signals only there
            return self
        for number in STOPPING:
            if signal.getsignal(number) is not signal.SIG_IGN:  # what nohup or the shell's & ignores stays ignored
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.training is None or self.view is None or self._stop_requested:
            handler = self._before[signal.Signals(number)]
            if callable(handler):  # such as the command's own
                handler(number, frame)
            raise KeyboardInterrupt
        self._stop_requested = True
        self.training.stop()
        self.view.stopping()


def train_and_print(training: Training, interrupts: Interrupts, json: bool, quiet: bool) -> None:
    """Trains, shows progress and prints the summary; after a stop prints how to resume and raises typer.Exit(130).

    Where the reader of the progress is gone, or standard output is full, the training ends tidily, then
    BrokenPipeError or OutputLost is raised.
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


def train_folds(data: str, settings: TrainOptions, interrupts: Interrupts, json: bool, quiet: bool) -> None:
    """Trains every unfinished fold, shows each, and prints one table; raises typer.Exit(130) if stopped."""
    from unrolled.run.cross_validation import Folds
    from unrolled.tasks.resolve import name_for

    folds = Folds(data, settings, f"{name_for(data)}-folds")
    for number, training in folds.trainings():
        note(f"Fold {number} of {folds.count}", quiet or json)
        train_and_print(training, interrupts, json, quiet)
    lines = folds.conclude()
    if json:
        print_json({"kind": "folds", "table": folds.table()})
    else:
        say("\n".join(lines))
    note(f"Saved to {folds.path}. To list its runs: {command('runs', '--under', folds.path)}", quiet or json)


def _conclude(training: Training, json: bool, quiet: bool) -> None:
    summary, fold = training.summary, training.options.fold
    if json:
        facts = summary.to_dict() if summary is not None else {}
        end: dict[str, object] = {"kind": "end", "stopped": training.stopped}
        end |= {} if fold is None else {"fold": fold}
        print_json(end | start_facts(training) | {"summary": facts})
    elif summary is not None:
        heading = [] if fold is None else [f"Fold {fold} of {training.options.folds}:"]
        say("\n".join([*heading, *summary.lines]))
    for line in training.closing_notes:
        note(line, quiet or json)
    if training.stopped:
        if fold is None:
            resume = command("resume", training.folder)
        else:
            resume = f"the same command again, with --out {shell_quote(training.folder.parent)}"
        note(f"Stopped. To resume: {resume}")
        raise typer.Exit(STOPPED)
    note(f"Saved to {training.folder}. Next: {command(training.terms.next_command, training.folder)}", quiet or json)
