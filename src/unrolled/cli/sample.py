"""`unroll sample`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from unrolled.cli.options import Device, Json, Quiet, RunPath, Threads, takes
from unrolled.cli.output import note, print_json, say
from unrolled.settings import SampleSettings

if TYPE_CHECKING:
    from unrolled.run import Run

MOST_PAIRS = 8  # replacements listed in a line


@takes(SampleSettings)
def sample(
    settings: SampleSettings,
    run: RunPath = None,
    device: Device = "auto",
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Generate text with a run's model, streaming.

    The same seed gives the same text. It ends where the model ends a document, before the text of --stop,
    or at --length.

    \b
    Examples:
      unroll sample
      unroll sample runs/poems --prompt "Once upon a time" --temperature 0.8
      unroll sample runs/names --count 20 --quiet
      unroll sample runs/poems --count 3 --json | head -1
    """
    from unrolled.run import load

    model = load(run, device, threads)
    model.check_can("sample")
    print_replacements(model.replacements(settings.prompt), "the prompt", quiet)
    for number in range(settings.count):
        if json:
            text = "".join(model.sample(settings, number))
            facts = {"number": number, "seed": settings.seed, "prompt": settings.prompt, "text": text}
            print_json(facts)
        else:
            if number:
                say()
            _stream(model, settings, number)


def _stream(model: Run, settings: SampleSettings, number: int) -> None:
    last = settings.prompt[-1:]
    say(settings.prompt, end="")
    for text in model.sample(settings, number):
        say(text, end="")
        last = text[-1:] or last
    if last != "\n":
        say()


def print_replacements(replacements: Mapping[str, str], where: str, quiet: bool) -> None:
    """Prints in one line which characters the model does not know, and their replacements."""
    if replacements:
        pairs = [f"{_show(character)} by {_show(other)}" for character, other in replacements.items()]
        more = f" and {len(pairs) - MOST_PAIRS:,} more" if len(pairs) > MOST_PAIRS else ""
        named = ", ".join(pairs[:MOST_PAIRS])
        note(
            f"Characters unknown to this model in {where} are replaced by the nearest known ones: {named}{more}.",
            quiet,
        )


def _show(character: str) -> str:
    return f"'{character}'" if character.isprintable() else repr(character)
