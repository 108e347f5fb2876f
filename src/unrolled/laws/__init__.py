"""Laws: invariants of every memory, model, encoder, BPTT strategy and training, as functions named as sentences.

A law runs a component on hostile inputs (ragged rows, large padding values, perturbed weights, float64) and raises
`LawError` with the difference that it found. `check(MyMemory)` lists the laws that a memory breaks, and
`check_gradient(MyGradient())` those that a BPTT strategy breaks. An empty list means that all laws hold.

A component that cannot keep a law by design declares `excuses = {"name_of_law": "the reason"}` in its class. It is
then checked that the component does break that law.
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
from unrolled.gradient import BPTTStrategy
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
    a_tiny_batch_is_overfit,
    chunks_equal_the_whole,
    no_output_depends_on_a_later_input,
    nothing_to_read_is_allowed,
    padding_changes_nothing,
    the_first_loss_is_about_ln_v,
    unrolled_equals_stepped,
)
from unrolled.laws.refusing import (
    a_cross_attention_refuses_what_does_not_fit,
    a_memory_refuses_what_does_not_fit,
    a_part_is_made_of_nothing_but_what_it_says,
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
from unrolled.laws.trials import Component, LawError, hostile_trial
from unrolled.laws.writing import (
    Told,
    a_text_hangs_on_every_step_of_its_source,
    a_text_hangs_on_no_other_source,
    a_tiny_batch_of_texts_is_overfit,
    nothing_to_write_about_is_allowed,
    padding_of_a_source_changes_nothing,
)
from unrolled.memory import LSTM, Memory

Law = Callable[..., None]  # takes a component; a law in READING_LAWS also takes the lengths of the trial's rows
Made = TypeVar("Made", bound=nn.Module)
GradientLaw = Callable[[BPTTStrategy, Memory], None]

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
    a_tiny_batch_is_overfit,
)
MAKING_LAWS: tuple[Law, ...] = (a_part_is_made_of_nothing_but_what_it_says,)
"""Laws of a constructor, such as a memory's class."""
MODEL_LAWS: tuple[Law, ...] = (*READING_LAWS, the_first_loss_is_about_ln_v)
ENCODER_DECODER_LAWS: tuple[Law, ...] = (
    *MODEL_LAWS,
    padding_of_a_source_changes_nothing,
    a_text_hangs_on_no_other_source,
    a_text_hangs_on_every_step_of_its_source,
    nothing_to_write_about_is_allowed,
    a_tiny_batch_of_texts_is_overfit,
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
CROSS_ATTENTION_LAWS: tuple[Law, ...] = (a_cross_attention_refuses_what_does_not_fit,)
SMALL = sorted(
    (lengths for rows in (1, 2, 3) for lengths in product(range(5), repeat=rows) if max(lengths)),
    key=lambda lengths: (len(lengths) * max(lengths), sum(lengths), lengths),
)
"""Row lengths of small batches: from one row of one step to three rows of four steps."""
GRADIENT_LAWS: tuple[GradientLaw, ...] = (
    a_gradient_hands_back_the_loss_and_state_of_reading_alone,
    a_gradient_adds_to_what_is_there,
    nothing_to_read_has_no_gradient,
)

__all__ = [
    "CROSS_ATTENTION_LAWS",
    "ENCODER_DECODER_LAWS",
    "ENCODER_LAWS",
    "GRADIENT_LAWS",
    "MAKING_LAWS",
    "MEMORY_LAWS",
    "MODEL_LAWS",
    "READING_LAWS",
    "TRAINING_LAWS",
    "GradientLaw",
    "Law",
    "LawError",
    "Making",
    "SmallTraining",
    "Told",
    "a_cross_attention_refuses_what_does_not_fit",
    "a_gradient_adds_to_what_is_there",
    "a_gradient_hands_back_the_loss_and_state_of_reading_alone",
    "a_memory_refuses_what_does_not_fit",
    "a_part_is_made_of_nothing_but_what_it_says",
    "a_prediction_depends_on_no_other_row_of_its_batch",
    "a_resumed_training_ends_with_the_same_bytes",
    "a_row_depends_on_no_other_row",
    "a_start_of_many_is_many_starts_of_one",
    "a_state_goes_on_the_same_after_cutting_joining_and_saving",
    "a_state_keeps_its_form",
    "a_step_leaves_every_earlier_state_alone",
    "a_text_hangs_on_every_step_of_its_source",
    "a_text_hangs_on_no_other_source",
    "a_tiny_batch_is_overfit",
    "a_tiny_batch_of_texts_is_overfit",
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
    """List the laws of memories that `memory_class(input_size, size)` breaks, one sentence per law.

    Each sentence names the difference on the smallest input that shows it; `hostile_trial(memory, lengths)` draws
    that input again. Raises OptionError if `memory_class` does not make a memory.
    """
    made = None if _makes_another(memory_class) else made_for_laws(memory_class)
    if not isinstance(made, Memory):
        raise OptionError(
            f"check takes a subclass of unrolled.memory.Memory, or a function that makes one; got {memory_class!r}."
        )
    of_made = {law: broken(law, lambda: made_for_laws(memory_class)) for law in MEMORY_LAWS}
    of_making = [broken(law, lambda: memory_class) for law in MAKING_LAWS]
    sentences = [smallest(law, memory_class) or sentence for law, sentence in of_made.items() if sentence]
    return sentences + [sentence for sentence in of_making if sentence]


def _makes_another(thing: Any) -> bool:
    return isinstance(thing, type) and not issubclass(thing, Memory)


@checked
def check_gradient(strategy: BPTTStrategy, memory_class: Callable[[int, int], Memory] = LSTM) -> list[str]:
    """List the laws of BPTT strategies that `strategy` breaks over a memory, one sentence per law.

    A strategy with `exact = False` must differ from the exact gradient over seven steps, so give it a window of fewer
    steps. Raises OptionError if `strategy` is not a BPTT strategy.
    """
    if not (callable(strategy) and hasattr(strategy, "exact")) or isinstance(strategy, type):
        raise OptionError(f"check_gradient takes a gradient strategy, such as Full(); got {strategy!r}.")
    laws = (wraps(law)(partial(law, strategy)) for law in laws_of_gradient(strategy))
    sentences = (broken(law, lambda: made_for_laws(memory_class)) for law in laws)
    return [sentence for sentence in sentences if sentence]


def laws_of_gradient(strategy: BPTTStrategy) -> tuple[GradientLaw, ...]:
    """Select the laws for this strategy by its `exact` and `k1` attributes."""
    if strategy.exact:
        return (*GRADIENT_LAWS, an_exact_gradient_is_that_of_the_whole_loss)
    if hasattr(strategy, "k1"):
        return (
            *GRADIENT_LAWS,
            an_inexact_gradient_is_seen_to_be_inexact,
            a_truncated_gradient_is_that_of_the_graph_cut_where_it_says,
        )
    return (*GRADIENT_LAWS, an_inexact_gradient_is_seen_to_be_inexact)


def broken(law: Law, make: Callable[[], Component]) -> str | None:
    """Describe how a newly made component breaks this law; None if it keeps the law or is rightly excused."""
    component, name = make(), law.__name__
    excuse = getattr(component, "excuses", {}).get(name)
    try:
        law(component)
    except LawError as problem:
        return None if excuse else f"{name.replace('_', ' ')}: {problem}."
    except Exception as problem:
        return f"{name.replace('_', ' ')}: {type(problem).__name__}: {problem}"
    return f"{name.replace('_', ' ')}: the law holds although it is excused ({excuse})." if excuse else None


def smallest(law: Law, memory_class: Callable[[int, int], Memory]) -> str | None:
    """Describe how a law is broken on the smallest input that shows it; None if no small input does."""
    if law not in READING_LAWS or law.__name__ in getattr(made_for_laws(memory_class), "excuses", {}):
        return None
    for lengths in SMALL:
        on_small = wraps(law)(partial(law, lengths=lengths))
        if sentence := broken(on_small, lambda: made_for_laws(memory_class)):
            rows = "1 row" if len(lengths) == 1 else f"{len(lengths)} rows"
            steps = f"{' and '.join(map(str, lengths))} step{'s' if lengths != (1,) else ''}"
            return f"{sentence.removesuffix('.')}; smallest failing input: {rows} of {steps}."
    return None


def made_for_laws(make: Callable[[int, int], Made], dtype: torch.dtype = torch.float64, device: str = "cpu") -> Made:
    """Make a component with input size 4 and output size 8, the same on each call; torch's random state is kept.

    Batch norms are put in evaluation mode: in training mode they couple the rows of a batch.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = make(4, 8)
    if not isinstance(made, nn.Module):
        raise OptionError(f"check takes a subclass of unrolled.memory.Memory; the given function makes {made!r:.80}.")
    for layer in made.modules():
        if isinstance(layer, _BatchNorm):
            layer.eval()
    return made.to(device=device, dtype=dtype)
