"""`unroll demo training`, `context`, `attention` and `transformer`: nets that write texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unrolled.cli.demo_output import percent, record_facts, say_table
from unrolled.cli.options import Json, Quiet, Seed
from unrolled.cli.output import note, print_json, say

if TYPE_CHECKING:
    from unrolled.demos.translating import Translation

SHADES = " ░▒▓█"  # of weights from 0 to 1


def training(seed: Seed = 0, json: Json = False, quiet: Quiet = False) -> None:
    """Text: at first, train more, train more.

    Samples of a model of characters while it learns the text that comes with Python.

    \b
    Examples:
      unroll demo training
      unroll demo training --seed 1 --json
    """
    from unrolled.demos.learning_text import show_training

    note("Trains a language model, about half a minute.", quiet or json)
    samples = show_training(seed)
    for number, sample in enumerate(samples):
        if json:
            print_json(record_facts(sample))
            continue
        title = "at first" if number == 0 else "train more"
        say(f"{title}: after {sample.update} updates, {sample.nats:.2f} nats per character")
        say("\n".join(f"  {line}" for line in sample.text.split("\n")) + "\n")


def context(seed: Seed = 0, json: Json = False, quiet: Quiet = False) -> None:
    """One context vector against attention, by the length of the input.

    Words of random letters are to be written backwards.

    \b
    Examples:
      unroll demo context
      unroll demo context --seed 1 --json
    """
    from unrolled.demos.context import WORD_LENGTHS, show_context

    note("Trains two nets, about a minute.", quiet or json)
    rows = show_context(seed)
    if json:
        for row in rows:
            print_json(record_facts(row))
        return
    say("Words of random letters written backwards: the share without an error, by the number of letters.\n")
    say_table(
        ("decoder reads", "parameters", *(f"{length} letters" for length in WORD_LENGTHS)),
        [(row.kind, f"{row.parameters:,}", *(percent(row.right[length]) for length in WORD_LENGTHS)) for row in rows],
    )


def attention(seed: Seed = 0, json: Json = False, quiet: Quiet = False) -> None:
    """The alignment of a translation, found by attention.

    An lstm with attention learns numbers in words, from German into English.

    \b
    Examples:
      unroll demo attention
      unroll demo attention --seed 1 --json
    """
    from unrolled.demos.translating import show_attention

    note("Trains one net, about a quarter of a minute.", quiet or json)
    _show(show_attention(seed), json)


def transformer(seed: Seed = 0, json: Json = False, quiet: Quiet = False) -> None:
    """The same translation by a transformer: attention alone, no recurrence.

    \b
    Examples:
      unroll demo transformer
      unroll demo transformer --seed 1 --json
    """
    from unrolled.demos.translating import show_transformer

    note("Trains one net, about a quarter of a minute.", quiet or json)
    _show(show_transformer(seed), json)


def _show(found: Translation, json: bool) -> None:
    """Prints the translation of the example, with a cell for each pair of words, and the share of right ones."""
    if json:
        print_json(record_facts(found))
        return
    say(f"{found.model}, {found.parameters:,} parameters.")
    say(f"Of the numbers that it was not trained on, {percent(found.right)} are translated without an error.\n")
    say(f"{' '.join(found.source)}: {' '.join(found.target)}\n")
    say("Where each English word looks; what is missing to 100% looks at the beginning:\n")
    rows = [
        (word or "(end)", *(f"{SHADES[round(weight * (len(SHADES) - 1))] * 2}{weight:5.0%}" for weight in weights))
        for word, weights in zip([*found.target, ""], found.weights, strict=True)
    ]
    say_table(("", *found.source), rows)
