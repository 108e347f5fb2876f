"""`unroll demo`: the text that comes with Python, the list of topics, and the lecture's two first examples."""

from __future__ import annotations

from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unrolled.cli.options import Json, Quiet, Seed, any_number
from unrolled.cli.output import note, print_json, say
from unrolled.cli.train import Interrupts, train_and_print
from unrolled.errors import OptionError, command
from unrolled.options import TrainOptions

if TYPE_CHECKING:
    from unrolled.model.hello import Progress
    from unrolled.model.markov import MarkovChain

DEMO_MINUTES = 2.0
TEXT = Path("runs", "python-topics.txt")
RUN = "demo"  # under runs/, with a number appended where it exists
SAMPLED_DAYS, DAYS_A_LINE = 365, 73
SOME_DAYS = ("SSSRRS", "RRRRRR")
SHOWN_STEPS = (0, 5, 10, 20, 40, 60, 80)  # of hello; the last step is shown too


def demo(
    context: typer.Context,
    minutes: Annotated[
        float, typer.Option(parser=any_number("--minutes"), help="minutes from start to exit")
    ] = DEMO_MINUTES,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
    list_topics: Annotated[
        bool, typer.Option("--list", help="list the topics of the lecture; trains nothing")
    ] = False,
) -> None:
    """Two minutes on the text that comes with Python.

    Trains on the help texts of the Python language and saves a run in runs/demo.

    The others are demos of a lecture, each of which takes a second to a minute. --list has them in its order.

    \b
    Examples:
      unroll demo
      unroll demo --minutes 0.5
      unroll demo --list
      unroll demo hello
    """
    if context.invoked_subcommand is not None:
        if any((minutes != DEMO_MINUTES, seed, json, quiet, list_topics)):
            name = context.invoked_subcommand
            raise OptionError(f"Options of {name} come after its name. See: unroll demo {name} --help")
        return
    if list_topics:
        if minutes != DEMO_MINUTES or seed or quiet:
            raise OptionError("--list trains nothing. Leave out --minutes, --seed and --quiet.")
        print_topics(json)
        return
    settings = TrainOptions(minutes=minutes, seed=seed)
    settings.check()
    write_topics(TEXT)
    with Interrupts() as interrupts:
        note(f"The text: the help texts of the Python language (pydoc_data.topics), saved to {TEXT}.", quiet or json)
        from unrolled.run import Training
        from unrolled.rundir.locations import unused_path

        training = Training(str(TEXT), settings, started=context.obj, out=str(unused_path(RUN)))
        train_and_print(training, interrupts, json, quiet)
    if not json:
        say(f"\nThree commands to try next:\n"
              f"  {command('sample', training.folder, '--prompt', 'The statement', '--temperature', 0.7)}\n"
              f"  {command('score', training.folder, TEXT, '--top', 10)}\n"
              f"  unroll train YOUR-TEXT.txt --minutes 10")  # fmt: skip


def print_topics(json: bool) -> None:
    """Prints the topics of the lecture, each with the command that shows it."""
    from unrolled.demos.topics import LEFT_OUT, TOPICS

    if json:
        for topic in TOPICS:
            print_json(topic._asdict())
        return
    width = max(len(topic.command) for topic in TOPICS)
    for topic in TOPICS:
        say(f"{topic.command:{width}}  {topic.title}")
    say(f"\n{LEFT_OUT}\nEach topic with what its command prints: docs/lecture.md")


def write_topics(path: Path) -> None:
    """Writes the text of the demo to a file, unless the file has it already. Raises InputError as `python_topics`."""
    from unrolled.demos.python_help import python_topics
    from unrolled.fileio import write_atomically

    data = python_topics().encode()
    if not (path.is_file() and path.read_bytes() == data):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)


def hello(seed: Seed = 0, json: Json = False) -> None:
    """A net of 8 units learns to spell "hello".

    Its inputs are h, e, l, l; its targets are e, l, l, o.

    \b
    Examples:
      unroll demo hello
      unroll demo hello --seed 3 --json
    """
    from unrolled.model.hello import INPUTS, TARGETS, train_hello

    updates = list(train_hello(seed))
    if json:
        for update in updates:
            print_json(update._asdict())
        return
    say(f"A recurrent net reads {' '.join(INPUTS)} and has to predict {' '.join(TARGETS)}.")
    say("The first l is followed by another l, the second by o: it has to remember which one it read.\n")
    say("update   loss (nats per letter)   writes after h")
    for update in updates:
        if update.step in SHOWN_STEPS or update is updates[-1]:
            say(f"{update.step:6}   {update.loss:6.4f} {'▇' * round(13 * update.loss):18}    {update.generated}")
    say("\nProbability of the next letter, untrained:\n")
    say(table(updates[0]))
    say("\nand trained; the next letter is in brackets:\n")
    say(table(updates[-1]))
    say(f"\nAfter h it writes {updates[-1].generated}.")


def table(update: Progress) -> str:
    """The lecture's drawing: one column per step, headed by its input letter; one row per possible next letter."""
    from unrolled.model.hello import INPUTS, LETTERS, TARGETS

    lines = ["  reads " + "".join(f"   {letter}    " for letter in INPUTS)]
    for letter, row in zip(LETTERS, update.probabilities, strict=True):
        cells = [f" [{p:.3f}]" if letter == target else f"  {p:.3f} " for p, target in zip(row, TARGETS, strict=True)]
        lines.append(f"      {letter} " + "".join(cells))
    return "\n".join(lines)


def weather(seed: Seed = 0, json: Json = False) -> None:
    """Weather as a Markov chain.

    Forecasts for one day ahead, for ten days, and for the long run.

    \b
    Examples:
      unroll demo weather
      unroll demo weather --json
    """
    from unrolled.model.markov import weather
    from unrolled.seeds import numpy_generator

    chain = weather()
    days = chain.sample(SAMPLED_DAYS, numpy_generator(seed, "weather"))
    if json:
        print_json(_weather_facts(chain, days))
        return
    say("Tomorrow's weather depends only on today's. Each column is today's weather:\n")
    for steps, title in ((1, "tomorrow"), (2, "in two days"), (10, "in ten days: today is almost forgotten")):
        say(f"{title}\n{_matrix(chain, steps)}\n")
    shares = ", ".join(f"{name} {p:.4f}" for name, p in zip(chain.states, chain.stationary(), strict=True))
    runs = ", ".join(f"{name} {length:g}" for name, length in chain.mean_run_lengths().items())
    nats = chain.entropy_rate()
    say(f"Share of days, long run        {shares}")
    say(f"Days in a row, on average      {runs}")
    say(f"Surprise per day               {nats:.4f} nats = {nats / log(2):.4f} bits (a coin: 1 bit)")
    for week in SOME_DAYS:
        likelihood = chain.log_likelihood([_in_full(day, chain) for day in week])
        say(f"Log-likelihood of {week}       {likelihood:.4f} nats")
    letters = "".join(day[0] for day in days)
    say("\nA sampled year:")
    for start in range(0, len(letters), DAYS_A_LINE):
        say(f"  {letters[start : start + DAYS_A_LINE]}")
    fitted = chain.fit([days])
    say(f"\nand the chain fitted to it:\n{_matrix(fitted, 1)}")


def _matrix(chain: MarkovChain[str], steps: int) -> str:
    lines = [" " * 10 + "".join(f"{'from ' + name:>12}" for name in chain.states)]
    for name, row in zip(chain.states, chain.after(steps).tolist(), strict=True):
        lines.append(f"  to {name:6}" + "".join(f"{p:12.4f}" for p in row))
    return "\n".join(lines)


def _in_full(letter: str, chain: MarkovChain[str]) -> str:
    return next(name for name in chain.states if name.startswith(letter))


def _weather_facts(chain: MarkovChain[str], days: list[str]) -> dict[str, object]:
    """The figures of the demo; matrices are lists of rows, their columns are "from"."""
    nats = chain.entropy_rate()
    return {
        "states": chain.states,
        **{f"after_{steps}": chain.after(steps).tolist() for steps in (1, 2, 10)},
        "stationary": chain.stationary().tolist(),
        "entropy_rate_nats": nats,
        "entropy_rate_bits": nats / log(2),
        "mean_run_lengths": chain.mean_run_lengths(),
        "log_likelihood_nats": {week: chain.log_likelihood([_in_full(d, chain) for d in week]) for week in SOME_DAYS},
        "days": days,
    }
