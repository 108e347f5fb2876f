"""What every memory, model, encoder, gradient and training keeps: laws, as functions named as sentences.

A law takes a part, tries it on hostile inputs (ragged rows, loud padding, shaken weights, float64), and
raises `LawError` with what it saw. `check(MyMemory)` says in words which laws a memory breaks, and
`check_gradient(MyGradient())` the same of a gradient; an empty list is the aim.

Where a part cannot keep a law by its nature, its class declares `excuses = {"name_of_law": "the reason"}`;
then it has to be seen to break that law.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from itertools import product
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from unrolled.arguments import checked
from unrolled.errors import OptionError
from unrolled.gradient import Gradient
from unrolled.laws.encoding import (
    an_encoding_depends_on_no_other_row,
    an_encoding_sees_the_whole_row,
    nothing_to_encode_is_allowed,
    padding_changes_no_encoding,
)
from unrolled.laws.gradients import (
    a_gradient_adds_to_what_is_there,
    a_gradient_hands_back_the_loss_and_state_of_reading_alone,
    a_truncated_gradient_is_that_of_the_graph_cut_where_it_says,
    an_exact_gradient_is_that_of_the_whole_loss,
    an_inexact_gradient_is_seen_to_be_inexact,
    nothing_to_read_has_no_gradient,
)
from unrolled.laws.reading import (
    a_row_depends_on_no_other_row,
    a_start_of_many_is_many_starts_of_one,
    a_state_goes_on_the_same_after_cutting_joining_and_saving,
    a_state_keeps_its_form,
    a_step_leaves_every_earlier_state_alone,
    a_tiny_batch_is_learnt_by_heart,
    chunks_equal_the_whole,
    no_output_depends_on_a_later_input,
    nothing_to_read_is_allowed,
    padding_changes_nothing,
    the_first_loss_is_about_ln_v,
    unrolled_equals_stepped,
)
from unrolled.laws.refusing import (
    a_memory_refuses_what_does_not_fit,
    a_part_is_made_of_nothing_but_what_it_says,
    a_reader_refuses_what_does_not_fit,
    an_encoder_refuses_what_does_not_fit,
)
from unrolled.laws.training import (
    Making,
    SmallTraining,
    a_prediction_depends_on_no_other_row_of_its_batch,
    a_resumed_training_ends_with_the_same_bytes,
    a_training_lowers_the_loss,
    statistics_of_averaged_weights_are_estimated_with_them,
)
from unrolled.laws.trials import LawError, Part, hostile_trial
from unrolled.laws.writing import (
    Told,
    a_text_hangs_on_every_step_of_its_source,
    a_text_hangs_on_no_other_source,
    a_tiny_batch_of_texts_is_learnt_by_heart,
    nothing_to_write_about_is_allowed,
    padding_of_a_source_changes_nothing,
)
from unrolled.memory import LSTM, Memory

Law = Callable[..., None]  # of a part, and where it reads one, of the lengths of a trial's rows
Made = TypeVar("Made", bound=nn.Module)
GradientLaw = Callable[[Gradient, Memory], None]

READING_LAWS: tuple[Law, ...] = (
    unrolled_equals_stepped,
    chunks_equal_the_whole,
    no_output_depends_on_a_later_input,
    a_row_depends_on_no_other_row,
    padding_changes_nothing,
    nothing_to_read_is_allowed,
    a_state_goes_on_the_same_after_cutting_joining_and_saving,
    a_step_leaves_every_earlier_state_alone,
    a_start_of_many_is_many_starts_of_one,
    a_state_keeps_its_form,
)
MEMORY_LAWS: tuple[Law, ...] = (
    *READING_LAWS,
    a_memory_refuses_what_does_not_fit,
    a_tiny_batch_is_learnt_by_heart,
)
MAKING_LAWS: tuple[Law, ...] = (a_part_is_made_of_nothing_but_what_it_says,)
"""Laws of what makes a part: a memory's class, say."""
MODEL_LAWS: tuple[Law, ...] = (*READING_LAWS, the_first_loss_is_about_ln_v)
WRITER_LAWS: tuple[Law, ...] = (
    *MODEL_LAWS,
    padding_of_a_source_changes_nothing,
    a_text_hangs_on_no_other_source,
    a_text_hangs_on_every_step_of_its_source,
    nothing_to_write_about_is_allowed,
    a_tiny_batch_of_texts_is_learnt_by_heart,
)
ENCODER_LAWS: tuple[Law, ...] = (
    an_encoding_depends_on_no_other_row,
    padding_changes_no_encoding,
    an_encoding_sees_the_whole_row,
    nothing_to_encode_is_allowed,
    an_encoder_refuses_what_does_not_fit,
)
TRAINING_LAWS: tuple[Callable[[Making], None], ...] = (
    a_training_lowers_the_loss,
    a_resumed_training_ends_with_the_same_bytes,
    a_prediction_depends_on_no_other_row_of_its_batch,
    statistics_of_averaged_weights_are_estimated_with_them,
)
READER_LAWS: tuple[Law, ...] = (a_reader_refuses_what_does_not_fit,)
SMALL = sorted(
    (lengths for rows in (1, 2, 3) for lengths in product(range(5), repeat=rows) if max(lengths)),
    key=lambda lengths: (len(lengths) * max(lengths), sum(lengths), lengths),
)
"""Lengths of rows from one row of one step up to three of four."""
GRADIENT_LAWS: tuple[GradientLaw, ...] = (
    a_gradient_hands_back_the_loss_and_state_of_reading_alone,
    a_gradient_adds_to_what_is_there,
    nothing_to_read_has_no_gradient,
)

__all__ = [
    "ENCODER_LAWS",
    "GRADIENT_LAWS",
    "MAKING_LAWS",
    "MEMORY_LAWS",
    "MODEL_LAWS",
    "READER_LAWS",
    "READING_LAWS",
    "TRAINING_LAWS",
    "WRITER_LAWS",
    "GradientLaw",
    "Law",
    "LawError",
    "Making",
    "SmallTraining",
    "Told",
    "a_gradient_adds_to_what_is_there",
    "a_gradient_hands_back_the_loss_and_state_of_reading_alone",
    "a_memory_refuses_what_does_not_fit",
    "a_part_is_made_of_nothing_but_what_it_says",
    "a_prediction_depends_on_no_other_row_of_its_batch",
    "a_reader_refuses_what_does_not_fit",
    "a_resumed_training_ends_with_the_same_bytes",
    "a_row_depends_on_no_other_row",
    "a_start_of_many_is_many_starts_of_one",
    "a_state_goes_on_the_same_after_cutting_joining_and_saving",
    "a_state_keeps_its_form",
    "a_step_leaves_every_earlier_state_alone",
    "a_text_hangs_on_every_step_of_its_source",
    "a_text_hangs_on_no_other_source",
    "a_tiny_batch_is_learnt_by_heart",
    "a_tiny_batch_of_texts_is_learnt_by_heart",
    "a_training_lowers_the_loss",
    "a_truncated_gradient_is_that_of_the_graph_cut_where_it_says",
    "an_encoder_refuses_what_does_not_fit",
    "an_encoding_depends_on_no_other_row",
    "an_encoding_sees_the_whole_row",
    "an_exact_gradient_is_that_of_the_whole_loss",
    "an_inexact_gradient_is_seen_to_be_inexact",
    "broken",
    "check",
    "check_gradient",
    "chunks_equal_the_whole",
    "hostile_trial",
    "laws_of_gradient",
    "made_for_laws",
    "no_output_depends_on_a_later_input",
    "nothing_to_encode_is_allowed",
    "nothing_to_read_has_no_gradient",
    "nothing_to_read_is_allowed",
    "nothing_to_write_about_is_allowed",
    "padding_changes_no_encoding",
    "padding_changes_nothing",
    "padding_of_a_source_changes_nothing",
    "statistics_of_averaged_weights_are_estimated_with_them",
    "the_first_loss_is_about_ln_v",
    "unrolled_equals_stepped",
]


@checked
def check(memory_class: Callable[..., Memory]) -> list[str]:
    """The laws of memories that `memory_class(input_size, size)` breaks, a sentence each.

    Each says how, by the smallest input that shows it: `hostile_trial(memory, lengths)` draws that again.
    Raises OptionError for what makes no memory.
    """
    made = None if _makes_another(memory_class) else made_for_laws(memory_class)
    if not isinstance(made, Memory):
        raise OptionError(
            f"check takes a class under unrolled.memory.Memory, or what makes one; got {memory_class!r}."
        )
    of_made = {law: broken(law, lambda: made_for_laws(memory_class)) for law in MEMORY_LAWS}
    of_making = [broken(law, lambda: memory_class) for law in MAKING_LAWS]
    sentences = [smallest(law, memory_class) or said for law, said in of_made.items() if said]
    return sentences + [said for said in of_making if said]


def _makes_another(thing: Any) -> bool:
    return isinstance(thing, type) and not issubclass(thing, Memory)


@checked
def check_gradient(strategy: Gradient, memory_class: Callable[[int, int], Memory] = LSTM) -> list[str]:
    """The laws of gradients that a strategy breaks over a memory, a sentence each.

    One that says `exact = False` has to be seen to be inexact over seven steps, so cut it short of that. Raises
    OptionError for what is no gradient.
    """
    if not (callable(strategy) and hasattr(strategy, "exact")) or isinstance(strategy, type):
        raise OptionError(f"check_gradient takes a gradient, such as Full(); got {strategy!r}.")
    laws = (wraps(law)(partial(law, strategy)) for law in laws_of_gradient(strategy))
    sentences = (broken(law, lambda: made_for_laws(memory_class)) for law in laws)
    return [sentence for sentence in sentences if sentence]


def laws_of_gradient(strategy: Gradient) -> tuple[GradientLaw, ...]:
    """The laws that hold for this strategy, by what it says of itself."""
    if strategy.exact:
        return (*GRADIENT_LAWS, an_exact_gradient_is_that_of_the_whole_loss)
    if hasattr(strategy, "k1"):
        return (
            *GRADIENT_LAWS,
            an_inexact_gradient_is_seen_to_be_inexact,
            a_truncated_gradient_is_that_of_the_graph_cut_where_it_says,
        )
    return (*GRADIENT_LAWS, an_inexact_gradient_is_seen_to_be_inexact)


def broken(law: Law, make: Callable[[], Part]) -> str | None:
    """How a newly made part breaks this law, in a sentence; None where it keeps it, or is rightly excused."""
    part, name = make(), law.__name__
    excuse = getattr(part, "excuses", {}).get(name)
    try:
        law(part)
    except LawError as problem:
        return None if excuse else f"{name.replace('_', ' ')}: {problem}."
    except Exception as problem:
        return f"{name.replace('_', ' ')}: {type(problem).__name__}: {problem}"
    return f"{name.replace('_', ' ')}: is kept, though excused ({excuse})." if excuse else None


def smallest(law: Law, memory_class: Callable[[int, int], Memory]) -> str | None:
    """How a law is broken on the smallest input that shows it; None where no small one does, or none is read."""
    if law not in READING_LAWS or law.__name__ in getattr(made_for_laws(memory_class), "excuses", {}):
        return None
    for lengths in SMALL:
        on_small = wraps(law)(partial(law, lengths=lengths))
        if said := broken(on_small, lambda: made_for_laws(memory_class)):
            rows = "a row" if len(lengths) == 1 else f"{len(lengths)} rows"
            steps = f"{' and '.join(map(str, lengths))} step{'s' if lengths != (1,) else ''}"
            return f"{said.removesuffix('.')}; seen from {rows} of {steps} on."
    return None


def made_for_laws(make: Callable[[int, int], Made], dtype: torch.dtype = torch.float64, device: str = "cpu") -> Made:
    """A part of 4 inputs and 8 outputs, the same each time; torch's own draws are untouched. Its batch norms are in
    evaluation mode: in training they couple rows, which no law about rows allows."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = make(4, 8)
    if not isinstance(made, nn.Module):
        raise OptionError(f"check takes a class under unrolled.memory.Memory; what it was given makes {made!r:.80}.")
    for layer in made.modules():
        if isinstance(layer, _BatchNorm):
            layer.eval()
    return made.to(device=device, dtype=dtype)
