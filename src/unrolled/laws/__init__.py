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
from unrolled.laws.encoder_decoders import (
    FixedSources,
    a_text_depends_on_every_step_of_its_source,
    a_text_depends_on_no_other_source,
    a_tiny_batch_of_texts_is_overfit,
    an_empty_source_is_allowed,
    padding_of_a_source_changes_nothing,
    texts_may_share_a_source,
)
from unrolled.laws.encoders import (
    an_empty_input_can_be_encoded,
    an_encoding_depends_on_no_other_row,
    an_encoding_sees_the_whole_row,
    padding_changes_no_encoding,
)
from unrolled.laws.gradients import (
    a_gradient_adds_to_what_is_there,
    a_strategy_returns_the_loss_and_state_of_a_forward_pass,
    a_truncated_gradient_is_that_of_the_graph_cut_at_k1_and_k2,
    an_exact_gradient_is_that_of_the_whole_loss,
    an_inexact_gradient_is_seen_to_be_inexact,
    zero_steps_have_no_gradient,
)
from unrolled.laws.invalid_arguments import (
    a_constructor_refuses_invalid_arguments,
    a_cross_attention_refuses_invalid_arguments,
    a_memory_refuses_invalid_arguments,
    an_encoder_refuses_invalid_arguments,
)
from unrolled.laws.stepping import (
    a_row_depends_on_no_other_row,
    a_start_of_many_is_many_starts_of_one,
    a_state_keeps_its_form,
    a_state_survives_cutting_joining_and_saving,
    a_step_changes_no_earlier_state,
    a_tiny_batch_is_overfit,
    an_empty_input_is_allowed,
    chunks_equal_the_whole,
    no_output_depends_on_a_later_input,
    padding_changes_nothing,
    the_first_loss_is_about_ln_v,
    unrolled_equals_stepped,
)
from unrolled.laws.training import (
    MakeTraining,
    SmallTraining,
    a_prediction_depends_on_no_other_row_of_its_batch,
    a_resumed_training_ends_with_the_same_bytes,
    a_training_lowers_the_loss,
    statistics_of_averaged_weights_are_estimated_with_them,
)
from unrolled.laws.trials import Component, LawError, hostile_trial
from unrolled.memory import LSTM, Memory

Law = Callable[..., None]  # takes a component; a law in STEPPING_LAWS also takes the lengths of the trial's rows
Made = TypeVar("Made", bound=nn.Module)
GradientLaw = Callable[[BPTTStrategy, Memory], None]

STEPPING_LAWS: tuple[Law, ...] = (
    unrolled_equals_stepped,
    chunks_equal_the_whole,
    no_output_depends_on_a_later_input,
    a_row_depends_on_no_other_row,
    padding_changes_nothing,
    an_empty_input_is_allowed,
    a_state_survives_cutting_joining_and_saving,
    a_step_changes_no_earlier_state,
    a_start_of_many_is_many_starts_of_one,
    a_state_keeps_its_form,
)
MEMORY_LAWS: tuple[Law, ...] = (
    *STEPPING_LAWS,
    a_memory_refuses_invalid_arguments,
    a_tiny_batch_is_overfit,
)
CONSTRUCTOR_LAWS: tuple[Law, ...] = (a_constructor_refuses_invalid_arguments,)
"""Laws of a constructor, such as a memory's class."""
MODEL_LAWS: tuple[Law, ...] = (*STEPPING_LAWS, the_first_loss_is_about_ln_v)
ENCODER_DECODER_LAWS: tuple[Law, ...] = (
    *MODEL_LAWS,
    padding_of_a_source_changes_nothing,
    a_text_depends_on_no_other_source,
    a_text_depends_on_every_step_of_its_source,
    texts_may_share_a_source,
    an_empty_source_is_allowed,
    a_tiny_batch_of_texts_is_overfit,
)
ENCODER_LAWS: tuple[Law, ...] = (
    an_encoding_depends_on_no_other_row,
    padding_changes_no_encoding,
    an_encoding_sees_the_whole_row,
    an_empty_input_can_be_encoded,
    an_encoder_refuses_invalid_arguments,
)
TRAINING_LAWS: tuple[Callable[[MakeTraining], None], ...] = (
    a_training_lowers_the_loss,
    a_resumed_training_ends_with_the_same_bytes,
    a_prediction_depends_on_no_other_row_of_its_batch,
    statistics_of_averaged_weights_are_estimated_with_them,
)
CROSS_ATTENTION_LAWS: tuple[Law, ...] = (a_cross_attention_refuses_invalid_arguments,)
SMALL = sorted(
    (lengths for rows in (1, 2, 3) for lengths in product(range(5), repeat=rows) if max(lengths)),
    key=lambda lengths: (len(lengths) * max(lengths), sum(lengths), lengths),
)
"""Row lengths of small batches: from one row of one step to three rows of four steps."""
GRADIENT_LAWS: tuple[GradientLaw, ...] = (
    a_strategy_returns_the_loss_and_state_of_a_forward_pass,
    a_gradient_adds_to_what_is_there,
    zero_steps_have_no_gradient,
)

__all__ = [
    "CONSTRUCTOR_LAWS",
    "CROSS_ATTENTION_LAWS",
    "ENCODER_DECODER_LAWS",
    "ENCODER_LAWS",
    "GRADIENT_LAWS",
    "MEMORY_LAWS",
    "MODEL_LAWS",
    "STEPPING_LAWS",
    "TRAINING_LAWS",
    "FixedSources",
    "GradientLaw",
    "Law",
    "LawError",
    "MakeTraining",
    "SmallTraining",
    "a_constructor_refuses_invalid_arguments",
    "a_cross_attention_refuses_invalid_arguments",
    "a_gradient_adds_to_what_is_there",
    "a_memory_refuses_invalid_arguments",
    "a_prediction_depends_on_no_other_row_of_its_batch",
    "a_resumed_training_ends_with_the_same_bytes",
    "a_row_depends_on_no_other_row",
    "a_start_of_many_is_many_starts_of_one",
    "a_state_keeps_its_form",
    "a_state_survives_cutting_joining_and_saving",
    "a_step_changes_no_earlier_state",
    "a_strategy_returns_the_loss_and_state_of_a_forward_pass",
    "a_text_depends_on_every_step_of_its_source",
    "a_text_depends_on_no_other_source",
    "a_tiny_batch_is_overfit",
    "a_tiny_batch_of_texts_is_overfit",
    "a_training_lowers_the_loss",
    "a_truncated_gradient_is_that_of_the_graph_cut_at_k1_and_k2",
    "an_empty_input_can_be_encoded",
    "an_empty_input_is_allowed",
    "an_empty_source_is_allowed",
    "an_encoder_refuses_invalid_arguments",
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
    "make_for_laws",
    "no_output_depends_on_a_later_input",
    "padding_changes_no_encoding",
    "padding_changes_nothing",
    "padding_of_a_source_changes_nothing",
    "statistics_of_averaged_weights_are_estimated_with_them",
    "texts_may_share_a_source",
    "the_first_loss_is_about_ln_v",
    "unrolled_equals_stepped",
    "zero_steps_have_no_gradient",
]


@checked
def check(memory_class: Callable[..., Memory]) -> list[str]:
    """List the laws of memories that `memory_class(input_size, size)` breaks, one sentence per law.

    Each sentence names the difference on the smallest input that shows it; `hostile_trial(memory, lengths)` draws
    that input again. Raises OptionError if `memory_class` does not make a memory.
    """
    made = None if _makes_another(memory_class) else make_for_laws(memory_class)
    if not isinstance(made, Memory):
        raise OptionError(
            f"check takes a subclass of unrolled.memory.Memory, or a function that makes one; got {memory_class!r}."
        )
    of_made = {law: broken(law, lambda: make_for_laws(memory_class)) for law in MEMORY_LAWS}
    of_making = [broken(law, lambda: memory_class) for law in CONSTRUCTOR_LAWS]
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
    sentences = (broken(law, lambda: make_for_laws(memory_class)) for law in laws)
    return [sentence for sentence in sentences if sentence]


def laws_of_gradient(strategy: BPTTStrategy) -> tuple[GradientLaw, ...]:
    """Select the laws for this strategy by its `exact` and `k1` attributes."""
    if strategy.exact:
        return (*GRADIENT_LAWS, an_exact_gradient_is_that_of_the_whole_loss)
    if hasattr(strategy, "k1"):
        return (
            *GRADIENT_LAWS,
            an_inexact_gradient_is_seen_to_be_inexact,
            a_truncated_gradient_is_that_of_the_graph_cut_at_k1_and_k2,
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
    if law not in STEPPING_LAWS or law.__name__ in getattr(make_for_laws(memory_class), "excuses", {}):
        return None
    for lengths in SMALL:
        on_small = wraps(law)(partial(law, lengths=lengths))
        if sentence := broken(on_small, lambda: make_for_laws(memory_class)):
            rows = "1 row" if len(lengths) == 1 else f"{len(lengths)} rows"
            steps = f"{' and '.join(map(str, lengths))} step{'s' if lengths != (1,) else ''}"
            return f"{sentence.removesuffix('.')}; smallest failing input: {rows} of {steps}."
    return None


def make_for_laws(make: Callable[[int, int], Made], dtype: torch.dtype = torch.float64, device: str = "cpu") -> Made:
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
