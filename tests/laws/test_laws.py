"""Every law × every component; the table of components is complete, and every law catches its planted fault."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, ClassVar

import pytest
import torch
from batch_norm_encoder import NormedConvolution
from broken import (
    BROKEN_CONSTRUCTORS,
    BROKEN_CROSS_ATTENTIONS,
    BROKEN_ENCODERS,
    BROKEN_MEMORIES,
    LeaksBetweenRows,
    LooksAhead,
    LoudModel,
    ReadsBothWays,
    RunsIntoPadding,
    SteppedRNN,
)
from broken_bptt import BROKEN_GRADIENTS, BeginsWithAClearedGradient
from broken_encoder_decoders import BROKEN_ENCODER_DECODERS, SmallEncoderDecoder
from cases import (
    CONSTRUCTOR_CASES,
    CROSS_ATTENTION_CASES,
    ENCODER_CASES,
    ENCODER_DECODER_CASES,
    GRADIENT_CASES,
    GRADIENT_MEMORIES,
    MEMORY_CASES,
    MODEL_CASES,
    bags,
)
from trainings import BROKEN_TRAININGS, TRAINING_CASES

from unrolled import laws, memory
from unrolled.errors import OptionError
from unrolled.gradient import BPTT_STRATEGIES, BPTTStrategy
from unrolled.laws import (
    CONSTRUCTOR_LAWS,
    CROSS_ATTENTION_LAWS,
    ENCODER_DECODER_LAWS,
    ENCODER_LAWS,
    MEMORY_LAWS,
    MODEL_LAWS,
    TRAINING_LAWS,
    FixedSources,
    GradientLaw,
    Law,
    LawError,
    MakeTraining,
)
from unrolled.memory import LSTM, MEMORIES, Memory
from unrolled.memory.pooling import POOLS
from unrolled.model import encoders
from unrolled.model.cross_attention import CROSS_ATTENTIONS, cross_attentions_of

GRADIENT_TABLE = [
    pytest.param(law, strategy, id=f"{law.__name__}-{name}")
    for name, strategy in GRADIENT_CASES.items()
    for law in laws.laws_of_gradient(strategy)
]


NUMBERS = [
    pytest.param((torch.float64, "cpu"), id="float64"),
    pytest.param((torch.float32, "cpu"), id="float32"),
    pytest.param((torch.float64, "cuda"), id="gpu-float64", marks=pytest.mark.gpu),
    pytest.param((torch.float32, "cuda"), id="gpu-float32", marks=pytest.mark.gpu),
]
Numbers = tuple[torch.dtype, str]


def in_numbers(*slow: str) -> list[Any]:
    """The number types in which a law is tested; those in `slow` only run in `make test-slow`."""
    return [
        pytest.param(*each.values, id=each.id, marks=[*each.marks, *[pytest.mark.slow] * (each.id in slow)])
        for each in NUMBERS
    ]


def in_all_numbers(held: tuple[Law, ...]) -> list[Any]:
    """Laws × number types. Overfitting takes longer than all else: it is slow here, and fast where sound memories
    are checked and where pairs of components generate texts."""
    return [
        pytest.param(law, *numbers.values, id=f"{law.__name__}-{numbers.id}", marks=numbers.marks)
        for law in held
        for numbers in in_numbers(*["float64", "float32"] if law in OVERFIT_LAWS else [])
    ]


OVERFIT_LAWS = (laws.a_tiny_batch_is_overfit, laws.a_tiny_batch_of_texts_is_overfit)


@pytest.mark.parametrize("name", MEMORY_CASES)
@pytest.mark.parametrize(("law", "numbers"), in_all_numbers(MEMORY_LAWS))
def test_every_memory_keeps_every_law(law: Law, name: str, numbers: Numbers) -> None:
    assert laws.broken(law, lambda: laws.make_for_laws(MEMORY_CASES[name], *numbers)) is None


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("name", MODEL_CASES)
@pytest.mark.parametrize("law", MODEL_LAWS, ids=lambda law: law.__name__)
def test_every_model_keeps_every_law(law: Law, name: str, numbers: Numbers) -> None:
    dtype, device = numbers
    torch.manual_seed(0)
    assert laws.broken(law, lambda: MODEL_CASES[name]().to(device=device, dtype=dtype)) is None


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("name", ENCODER_CASES)
@pytest.mark.parametrize("law", ENCODER_LAWS, ids=lambda law: law.__name__)
def test_every_encoder_keeps_every_law(law: Law, name: str, numbers: Numbers) -> None:
    assert laws.broken(law, lambda: laws.make_for_laws(ENCODER_CASES[name], *numbers)) is None


@pytest.mark.parametrize("numbers", NUMBERS)
@pytest.mark.parametrize("name", CROSS_ATTENTION_CASES)
@pytest.mark.parametrize("law", CROSS_ATTENTION_LAWS, ids=lambda law: law.__name__)
def test_every_cross_attention_keeps_every_law(law: Law, name: str, numbers: Numbers) -> None:
    assert laws.broken(law, lambda: laws.make_for_laws(CROSS_ATTENTION_CASES[name], *numbers)) is None


@pytest.mark.parametrize("name", CONSTRUCTOR_CASES)
@pytest.mark.parametrize("law", CONSTRUCTOR_LAWS, ids=lambda law: law.__name__)
def test_every_constructor_keeps_every_law(law: Law, name: str) -> None:
    make, sizes = CONSTRUCTOR_CASES[name]
    with_sizes = wraps(law)(partial(law, sizes=sizes))
    assert laws.broken(with_sizes, lambda: make) is None


@pytest.mark.parametrize("name", ENCODER_DECODER_CASES)
@pytest.mark.parametrize(("law", "numbers"), in_all_numbers(ENCODER_DECODER_LAWS))
def test_every_encoder_decoder_keeps_every_law(law: Law, name: str, numbers: Numbers) -> None:
    dtype, device = numbers
    torch.manual_seed(0)
    assert laws.broken(law, lambda: ENCODER_DECODER_CASES[name]().to(device=device, dtype=dtype)) is None


@pytest.mark.parametrize("numbers", in_numbers("float32"))
@pytest.mark.parametrize("name", GRADIENT_MEMORIES)
@pytest.mark.parametrize(("law", "strategy"), GRADIENT_TABLE)
def test_every_bptt_strategy_keeps_every_law_over_every_memory(
    law: GradientLaw, strategy: BPTTStrategy, name: str, numbers: Numbers
) -> None:
    named = wraps(law)(partial(law, strategy))
    assert laws.broken(named, lambda: laws.make_for_laws(GRADIENT_MEMORIES[name], *numbers)) is None


@pytest.mark.parametrize("name", TRAINING_CASES)
@pytest.mark.parametrize("law", TRAINING_LAWS, ids=lambda law: law.__name__)
def test_every_training_keeps_every_law(law: Callable[[MakeTraining], None], name: str) -> None:
    assert laws.broken(law, lambda: TRAINING_CASES[name]) is None


def test_every_memory_has_a_row() -> None:
    assert set(MEMORIES) <= set(MEMORY_CASES), "a memory in MEMORIES has no line in tests/laws/cases.py"
    assert set(MEMORIES) <= set(GRADIENT_MEMORIES)
    held = {type(component) for make in MEMORY_CASES.values() for component in make(4, 8).modules()}
    for name, kind in vars(memory).items():
        if inspect.isclass(kind) and issubclass(kind, Memory) and not inspect.isabstract(kind):
            assert kind in held, f"{name} has no line in tests/laws/cases.py"


def test_every_pool_has_a_row() -> None:
    held = {type(component) for make in MEMORY_CASES.values() for component in make(4, 8).modules()}
    assert {type(pool(8, 8)) for pool in POOLS.values()} <= held, "a pool has no line in tests/laws/cases.py"


def test_every_bptt_strategy_has_a_row() -> None:
    kinds = {type(strategy) for strategy in GRADIENT_CASES.values()}
    assert kinds == set(BPTT_STRATEGIES.values()), "a strategy in BPTT_STRATEGIES has no line in tests/laws/cases.py"


def test_every_encoder_has_a_row() -> None:
    held = {type(make(4, 8)) for make in ENCODER_CASES.values()}
    kinds = {kind for kind in vars(encoders).values() if inspect.isclass(kind) and issubclass(kind, encoders.Encoder)}
    assert held - {NormedConvolution} == kinds - {encoders.Encoder}, "an encoder has no line in tests/laws/cases.py"


def test_every_cross_attention_has_a_row() -> None:
    held = {
        type(cross_attention)
        for make in ENCODER_DECODER_CASES.values()
        for cross_attention in cross_attentions_of(make())
    }
    assert held == set(CROSS_ATTENTIONS.values()), (
        "a cross-attention in CROSS_ATTENTIONS has no line in tests/laws/cases.py"
    )
    assert CROSS_ATTENTIONS.keys() == CROSS_ATTENTION_CASES.keys()


def test_every_law_catches_a_planted_fault() -> None:
    components = [
        *BROKEN_MEMORIES,
        *BROKEN_CONSTRUCTORS,
        *BROKEN_ENCODERS,
        *BROKEN_CROSS_ATTENTIONS,
        *BROKEN_ENCODER_DECODERS,
        LoudModel,
    ]
    components += BROKEN_TRAININGS
    caught = {fault.breaks.__name__ for fault in [*components, *BROKEN_GRADIENTS, BeginsWithAClearedGradient]}
    strategies = [law for strategy in GRADIENT_CASES.values() for law in laws.laws_of_gradient(strategy)]
    kinds = (
        *MEMORY_LAWS,
        *CONSTRUCTOR_LAWS,
        *ENCODER_DECODER_LAWS,
        *ENCODER_LAWS,
        *CROSS_ATTENTION_LAWS,
        *TRAINING_LAWS,
    )
    assert caught == {law.__name__ for law in (*kinds, *strategies)}


@pytest.mark.parametrize("fault", BROKEN_MEMORIES, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_caught_by_the_law_it_names(fault: Any) -> None:
    with pytest.raises(LawError):
        fault.breaks(laws.make_for_laws(fault))
    name = fault.breaks.__name__.replace("_", " ")
    assert any(sentence.startswith(name) for sentence in laws.check(fault))


@pytest.mark.parametrize("fault", BROKEN_CONSTRUCTORS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_of_a_constructor_is_caught_by_the_law_it_names(fault: Any) -> None:
    with pytest.raises(LawError):
        fault.breaks(fault)
    (sentence,) = laws.check(fault)
    assert sentence.startswith(fault.breaks.__name__.replace("_", " "))


@pytest.mark.parametrize("fault", BROKEN_ENCODERS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_of_an_encoder_is_caught_by_the_law_it_names(fault: Any) -> None:
    for law in ENCODER_LAWS:
        law(laws.make_for_laws(ReadsBothWays))
    with pytest.raises(LawError):
        fault.breaks(laws.make_for_laws(fault))


@pytest.mark.parametrize("fault", BROKEN_CROSS_ATTENTIONS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_of_a_cross_attention_is_caught_by_the_law_it_names(fault: Any) -> None:
    with pytest.raises(LawError):
        fault.breaks(laws.make_for_laws(fault))


@pytest.mark.parametrize("fault", BROKEN_ENCODER_DECODERS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_of_an_encoder_decoder_is_caught_by_the_law_it_names(fault: Any) -> None:
    torch.manual_seed(0)
    sound, broken = FixedSources(SmallEncoderDecoder(), bags()).double(), FixedSources(fault(), bags()).double()
    fault.breaks(sound)
    with pytest.raises(LawError):
        fault.breaks(broken)


@pytest.mark.parametrize("fault", BROKEN_TRAININGS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_of_a_training_is_caught_by_the_law_it_names(fault: Any) -> None:
    with pytest.raises(LawError):
        fault.breaks(fault)


def test_a_planted_fault_of_a_model_is_caught() -> None:
    with pytest.raises(LawError, match=r"ln 65 = 4\.174"):
        LoudModel.breaks(LoudModel())


@pytest.mark.parametrize("fault", BROKEN_GRADIENTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_of_a_bptt_strategy_is_caught_by_the_law_it_names(fault: Any) -> None:
    with pytest.raises(LawError):
        fault.breaks(fault(), laws.make_for_laws(LSTM))


def test_a_bptt_strategy_that_overwrites_gradients_is_caught() -> None:
    lstm = laws.make_for_laws(LSTM)
    with pytest.raises(LawError, match="after two calls"):
        BeginsWithAClearedGradient.breaks(BeginsWithAClearedGradient(lstm), lstm)


@pytest.mark.parametrize("make", [SteppedRNN, *MEMORIES.values()], ids=lambda make: make.__name__)
def test_check_finds_nothing_in_a_sound_memory(make: Callable[[int, int], Memory]) -> None:
    assert laws.check(make) == []


def test_check_describes_what_is_broken() -> None:
    sentences = laws.check(RunsIntoPadding)
    assert any(re.match(r"padding changes nothing: outputs past a row's length are not zero", s) for s in sentences)
    assert len(sentences) < len(MEMORY_LAWS), "one fault does not break every law"


def test_check_shows_a_fault_by_the_smallest_input_that_has_it() -> None:
    said = {sentence.partition(":")[0]: sentence for sentence in laws.check(RunsIntoPadding)}
    assert "smallest failing input: 2 rows of 0 and 1 steps" in said["padding changes nothing"]
    (leak,) = (s for s in laws.check(LeaksBetweenRows) if s.startswith("a row depends on no other row"))
    assert leak.endswith("smallest failing input: 2 rows of 0 and 1 steps.")
    (ahead,) = (s for s in laws.check(LooksAhead) if s.startswith("no output depends on a later input"))
    assert ahead.endswith("smallest failing input: 1 row of 2 steps.")


@pytest.mark.parametrize("lengths", laws.SMALL, ids=str)
def test_a_sound_memory_keeps_its_laws_on_every_small_input(lengths: tuple[int, ...]) -> None:
    for law in laws.STEPPING_LAWS:
        on_small = wraps(law)(partial(law, lengths=lengths))
        assert laws.broken(on_small, lambda: laws.make_for_laws(LSTM)) is None


def test_check_of_a_memory_that_raises_says_what_it_raised() -> None:
    class Raises(LSTM):
        def start(self, rows: int) -> Any:
            raise KeyError("no start")

    assert "KeyError" in laws.check(Raises)[0]


@pytest.mark.parametrize(
    "no_memory",
    [3, "lstm", None, dict, list, lambda inputs, size: {}],
    ids=["number", "text", "None", "dict", "list", "lambda"],
)
def test_check_refuses_what_is_no_memory_class(no_memory: Any) -> None:
    with pytest.raises(OptionError, match=r"^check(:| takes) "):
        laws.check(no_memory)
    with pytest.raises(OptionError, match="takes a gradient"):
        laws.check_gradient(no_memory)


def test_check_gradient_describes_what_is_broken() -> None:
    assert laws.check_gradient(GRADIENT_CASES["truncated:k1=2,k2=5"]) == []
    said_exact = next(fault for fault in BROKEN_GRADIENTS if fault.__name__ == "SaysItIsExact")
    assert [s.partition(":")[0] for s in laws.check_gradient(said_exact())] == [
        "an exact gradient is that of the whole loss"
    ]


def test_an_excuse_is_checked() -> None:
    class Anticipates(LooksAhead):
        excuses: ClassVar[dict[str, str]] = {
            "no_output_depends_on_a_later_input": "it reads one step ahead",
            "unrolled_equals_stepped": "a step cannot read ahead",
            "chunks_equal_the_whole": "a chunk ends before the step ahead",
            "padding_changes_nothing": "it looks into the padding",
        }

    class ExcusedForNothing(LSTM):
        excuses: ClassVar[dict[str, str]] = {"chunks_equal_the_whole": "it says so"}

    assert laws.check(Anticipates) == []
    assert laws.check(ExcusedForNothing) == [
        "chunks equal the whole: the law holds although it is excused (it says so)."
    ]
