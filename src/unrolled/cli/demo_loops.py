"""`unroll demo loop`, `state`, `bptt` and `truncated`: the loop, its state, and the way back through time."""

from __future__ import annotations

from collections.abc import Sequence

from unrolled.cli.demo_output import percent, record_facts, say_table
from unrolled.cli.options import Json, Quiet, Seed
from unrolled.cli.output import note, print_json, say


def loop(seed: Seed = 0, json: Json = False, quiet: Quiet = False) -> None:
    """What a feed-forward net lacks; the loop and its unrolling.

    Both nets have to say whether a row of bits has an odd number of ones.

    \b
    Examples:
      unroll demo loop
      unroll demo loop --seed 1 --json
    """
    from unrolled.demos.loop import show_loop

    note("Trains six nets, about half a minute.", quiet or json)
    found = show_loop(seed)
    if json:
        print_json(record_facts(found))
        return
    say("Is the number of ones odd? Accuracy at the last bit, where guessing is right half of the time:\n")
    nets = {"none": "feed-forward", "rnn": "recurrent"}
    say_table(
        ("net", "bits", "accuracy", "updates"),
        [(nets[one.model], str(one.lag), percent(one.accuracy), str(one.updates)) for one in found.trainings],
    )
    apart = f"differ by at most {found.loop_difference:.0e}" if found.loop_difference else "give the same numbers"
    say(f"\nThe loop, {found.loop_steps} steps one by one, and the same net unrolled {apart}.")


def state(seed: Seed = 0, json: Json = False) -> None:
    """The update of a hidden state and the output, in numbers.

    A net of four units has learnt to spell "hello". Its steps are taken apart.

    \b
    Examples:
      unroll demo state
      unroll demo state --json
    """
    from unrolled.demos.state import show_state

    steps = show_state(seed)
    if json:
        for step in steps:
            print_json(record_facts(step))
        return
    say("h' = tanh(W x + U h + b); the output is a softmax over the next letter.\n")
    for step in steps:
        best = max(step.probabilities, key=lambda letter: step.probabilities[letter])
        say(f"reads {step.letter}")
        say(f"  h        {_numbers(step.before)}   the state before")
        say(f"  W x + b  {_numbers(step.from_input)}   from the letter")
        say(f"  U h      {_numbers(step.from_past)}   from the state")
        say(f"  h'       {_numbers(step.after)}   the new state")
        shares = "  ".join(f"{letter} {p:.3f}" for letter, p in step.probabilities.items())
        say(f"  output   {shares}   predicts {best}\n")


def bptt(seed: Seed = 0, json: Json = False) -> None:
    """What backpropagation through time costs in memory.

    One backward pass through an lstm: full, truncated and checkpointed, at four lengths.

    \b
    Examples:
      unroll demo bptt
      unroll demo bptt --json
    """
    from unrolled.demos.bptt import show_bptt

    passes = show_bptt(seed)
    if json:
        for one in passes:
            print_json(record_facts(one))
        return
    say("Bytes held for the backward pass, steps computed, and the error of the gradient:\n")
    say_table(
        ("strategy", "steps", "bytes", "steps computed", "error of the gradient"),
        [(one.bptt, f"{one.steps:,}", f"{one.bytes:,}", f"{one.computed:,}", f"{one.error:.4f}") for one in passes],
    )


def truncated(seed: Seed = 0, json: Json = False, quiet: Quiet = False) -> None:
    """A dependency past the cut is not learnt.

    A token has to be recalled some steps later, by full and by truncated backpropagation through time.

    \b
    Examples:
      unroll demo truncated
      unroll demo truncated --seed 1 --json
    """
    from unrolled.demos.truncated import CUT, MODEL, show_truncated

    note("Trains four nets, about half a minute.", quiet or json)
    trainings = show_truncated(seed)
    if json:
        for one in trainings:
            print_json(record_facts(one))
        return
    say(f"Recall a token that was marked. Truncated: a {MODEL} is cut every {CUT} steps.")
    say(f"Guessing is right in {trainings[0].chance:.1%}.\n")
    say_table(
        ("backpropagation", "recall after", "accuracy", "updates"),
        [(one.bptt, f"{one.lag} steps", percent(one.accuracy), str(one.updates)) for one in trainings],
    )


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:7.3f}" for value in values)
