"""The command `unroll`. This package alone prints and sets exit codes.

0 done, 1 failed while working, 2 the input was wrong, 130 stopped by the user, 143 ended by SIGTERM (129: SIGHUP).
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from unrolled.cli import (
    compare,
    demo,
    demo_careless,
    demo_films,
    demo_gaze,
    demo_loops,
    demo_nets,
    demo_texts,
    evaluate,
    find,
    info,
    nets,
    predict,
    sample,
    score,
    train,
)
from unrolled.cli.options import OptionalFiles, Panels
from unrolled.cli.output import note, redirect_to_null, say
from unrolled.cli.started import process_started
from unrolled.errors import (
    DONE,
    FAILED,
    WRONG_INPUT,
    InputError,
    OptionError,
    TrainingError,
    command,
    explained_shortage,
    nearest,
)
from unrolled.interrupts import MESSAGE, exit_code, interruptible
from unrolled.version import __version__

PATH_ERRORS = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP,
               errno.ENAMETOOLONG}  # fmt: skip
LONGEST_SHOWN = 80  # characters of a path
LONGEST_LINE = 2000  # of a message: what came, which it shows, may be of any length
UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # an unreadable command line

WELCOME = """\
unroll trains a sequence model on your own data, on this machine, in the minutes you have.
  unroll demo                             two minutes on the text that comes with Python: see it learn
  unroll train poems.txt --minutes 10     trains on a text, a folder, standard input (-), or a table with targets
  unroll sample --prompt "Once upon"      generates text, streaming, with the newest run
  unroll predict RUN new.txt              predicts for new texts, after unroll train reviews.csv
  unroll resume --minutes 10              resumes a training where it stopped, or trains longer
  unroll score, unroll find               unusual lines of a log, by their surprise; images, by a text or an image
  unroll evaluate, unroll compare         scores on data that the model has not seen; models side by side
  unroll info, unroll runs, unroll nets   describes a run, or a text and its plan; lists the runs here; image nets
Options and examples of each:  unroll COMMAND --help"""


class Commands(TyperGroup):
    """The commands; an unknown one is refused with the nearest name."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            offer = nearest(name, self.commands)
            if not offer and ctx.parent is None and os.path.exists(name):  # noqa: PTH110 - False for a name that is too long
                offer = f" To train on it: {command('train', name)}"
            raise OptionError(f"There is no command '{ctx.command_path} {name}'.{offer}\n"
                              f"There are: {', '.join(self.commands)}.")  # fmt: skip
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=Commands, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})
demo_app = typer.Typer(cls=Commands, rich_markup_mode=None)

app.command(cls=Panels)(train.train)
app.command()(train.resume)
app.command()(sample.sample)
app.command(cls=OptionalFiles)(predict.predict)
app.command()(find.find)
app.command()(score.score)
app.command()(evaluate.evaluate)
app.command()(compare.compare)
app.command(cls=Panels)(info.info)
app.command()(info.runs)
app.command()(nets.nets)
demo_app.callback(invoke_without_command=True)(demo.demo)
for shown in (
    demo_nets.convolution, demo_films.films, demo_nets.supervision, demo_careless.weak,
    demo_careless.noise, demo_careless.capacity, demo_nets.shapes, demo_loops.loop, demo.weather,
    demo_loops.state, demo.hello, demo_texts.training, demo_loops.bptt, demo_loops.truncated, demo_texts.context,
    demo_texts.attention, demo_gaze.gaze, demo_nets.looking, demo_texts.transformer,
):  # fmt: skip
    demo_app.command()(shown)
app.add_typer(demo_app, name="demo")


@app.callback(invoke_without_command=True)
def unroll(
    context: typer.Context,
    memories: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="MODULE.CLASS", help="A memory class of your own that the run uses."),
    ] = None,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Train a sequence model on your own data, watch it learn, sample from it, stop and resume it.

    \b
    Examples:
      unroll demo
      unroll train poems.txt --minutes 10
      unroll sample --prompt "Once upon"
    """
    if context.invoked_subcommand is not None:
        Path.cwd()  # in a deleted folder, libraries that torch loads would end the process
    if memories:
        from unrolled.memory import register

        for name in memories:
            register(name)
    if show_version:
        say(f"unrolled {__version__}")
    elif context.invoked_subcommand is None:
        say(WELCOME)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `unroll` with these arguments (None: the command line's) and returns its exit code."""
    if "_UNROLL_COMPLETE" in os.environ:  # the shell asks for completions
        app(prog_name="unroll")
    code = DONE
    try:
        try:
            with interruptible(), explained_shortage():
                _run(arguments)
        except typer.Exit as leaving:  # also how --help ends
            code = leaving.exit_code
        except UsageError as error:
            code = _refuse(_explain(error))
        except InputError as error:
            code = _refuse(str(error))
        except TrainingError as error:
            code = _refuse(str(error), FAILED)
        except BrokenPipeError:
            raise
        except OSError as error:
            code = _refuse(*_explain_system(error))
        except (KeyboardInterrupt, typer.Abort) as stop:
            note(MESSAGE)
            code = exit_code(stop)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output has closed it
        _discard_output()
    except OSError:  # such as the output of --help where standard output is full
        redirect_to_null(sys.stdout)
        code = code or FAILED
    return code


def _run(arguments: Sequence[str] | None) -> None:
    started = process_started() if arguments is None else time.monotonic()  # a budget of minutes counts from here
    command = typer.main.get_command(app)
    _write_any_character()
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    with command.make_context("unroll", arguments, obj=started) as context:
        command.invoke(context)


def _refuse(message: str, code: int = WRONG_INPUT) -> int:
    lines = f"unroll: {message}".split("\n")[:3]
    note("\n".join(line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} …" for line in lines))
    return code


def _explain(error: Any) -> str:
    """The message for a command line that typer cannot parse: what came, the nearest option, where the help is."""
    context = error.ctx
    path = context.command_path if context is not None else "unroll"
    where = f"\nOptions and examples: {path} --help"
    unknown = getattr(error, "option_name", None)
    if unknown is not None and hasattr(error, "possibilities"):
        known = [name for parameter in context.command.params for name in parameter.opts] if context else []
        return f"{path} has no option '{unknown}'.{nearest(unknown, known)}{where}"
    return " ".join(error.format_message().split()) + where


def _explain_system(error: OSError) -> tuple[str, int]:
    """The message for a system error, and an exit code: wrong input where the error names a path."""
    why = error.strerror or str(error)
    if error.filename is None:
        try:
            Path.cwd()
        except OSError:
            return "The current folder no longer exists. Change to one that does, then try again.", WRONG_INPUT
        return f"{why}.", FAILED
    path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
    shown = path if len(path) <= LONGEST_SHOWN else f"{path[:LONGEST_SHOWN]}…"
    if error.errno in PATH_ERRORS:
        return f"{shown}: {why}. Give a path that exists and that you may access.", WRONG_INPUT
    return f"{shown}: {why}.", FAILED


def _write_any_character() -> None:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without é shows ? instead of failing


def _discard_output() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            redirect_to_null(stream)
