"""`unroll demo convolution`, `supervision`, `shapes` and `looking`: what is learnt, and from what."""

from __future__ import annotations

from unrolled.cli.demo_output import percent, record_facts, say_table
from unrolled.cli.options import Json, Quiet, Seed
from unrolled.cli.output import note, print_json, say


def convolution(seed: Seed = 0, json: Json = False, quiet: Quiet = False) -> None:
    """What convolution gains: digits at new places.

    A fully connected net and LeNet-5 learn digits at the same places. Both are tested there, and in between.

    \b
    Examples:
      unroll demo convolution
      unroll demo convolution --seed 1 --json
    """
    from unrolled.demos.convolution import ALL_PLACES, APART, ROWS, SEEN, show_convolution

    note("Trains two nets, about half a minute.", quiet or json)
    rows = show_convolution(seed)
    if json:
        for row in rows:
            print_json(record_facts(row))
        return
    say(f"{ROWS:,} images of digits, {APART} pixels apart: {len(SEEN)} of {len(ALL_PLACES)} places.")
    say("Accuracy on new images:\n")
    say_table(
        ("net", "parameters", "at these places", "between them"),
        [(row.net, f"{row.parameters:,}", percent(row.seen), percent(row.new)) for row in rows],
    )


def supervision(seed: Seed = 0, json: Json = False, quiet: Quiet = False) -> None:
    """Few labels, and many texts without labels.

    A language model learns from texts alone. Then classifiers learn from 20 labels: from random weights, and from it.

    \b
    Examples:
      unroll demo supervision
      unroll demo supervision --seed 1 --json
    """
    from unrolled.demos.supervision import LABELLED, TESTED, UNLABELLED, show_supervision

    note("Trains a language model and three classifiers, about half a minute.", quiet or json)
    rows = show_supervision(seed)
    if json:
        for row in rows:
            print_json(record_facts(row))
        return
    say(f"{LABELLED} reviews have labels, {UNLABELLED:,} have none. Accuracy on {TESTED} other reviews:\n")
    say_table(
        ("the classifier", "accuracy"),
        [(row.way, percent(row.accuracy)) for row in rows],
    )


def shapes(seed: Seed = 0, json: Json = False, quiet: Quiet = False) -> None:
    """One to one, one to many, many to one, many to many.

    Five tiny tasks. The example and the accuracy of each are of rows that were not trained on.

    \b
    Examples:
      unroll demo shapes
      unroll demo shapes --json
    """
    from unrolled.demos.shapes import show_shapes

    note("Trains five nets, about half a minute.", quiet or json)
    rows = show_shapes(seed)
    for row in rows:
        if json:
            print_json(record_facts(row))
            continue
        say(f"{row.shape}: {row.task}")
        for number, line in enumerate(row.source.split("\n")):
            say(f"  {'' if number else 'reads':10}{line}")
        say(f"  predicts  {row.predicted}")
        say(f"  right     {row.target}; {percent(row.right)} of the rows that were not trained on\n")


def looking(seed: Seed = 0, json: Json = False, quiet: Quiet = False) -> None:
    """A gaze that is learned, against others.

    Three foveas see four small squares of each image, a digit among scraps of others. One learns where to look.

    \b
    Examples:
      unroll demo looking
      unroll demo looking --seed 1 --json
    """
    from unrolled.demos.looking import ROWS, STEPS, TESTED, show_looking

    note("Trains three nets, about a minute.", quiet or json)
    rows = show_looking(seed)
    if json:
        for row in rows:
            print_json(record_facts(row))
        return
    say(f"{ROWS:,} images, {STEPS} updates each. Accuracy on {TESTED} other images:\n")
    say_table(("gaze", "accuracy"), [(row.gaze, percent(row.accuracy)) for row in rows])
