"""Decoding: greedy at temperature 0, samples with the right frequencies, whole characters, ends where requested."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from unrolled.data.vocabulary.base import ByteVocabulary, CharacterVocabulary
from unrolled.decoding.sampling import decode_stream, draw_token, probabilities, sample, stop_at
from unrolled.errors import OptionError, TrainingError
from unrolled.memory import build_stack
from unrolled.model.language import LanguageModel
from unrolled.seeds import make_generator

numbers = st.floats(-20, 20, allow_nan=False, width=32)
some_logits = st.lists(numbers, min_size=1, max_size=12).map(torch.tensor)


class Chain:
    """A model whose prediction depends on the last token alone; `read` records its inputs."""

    def __init__(self, logits: Tensor) -> None:  # (V, V), a row for each input token
        self.logits, self.read = logits, list[int]()

    def start(self, rows: int) -> Tensor:
        return torch.zeros(rows, 1)

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        assert not torch.is_grad_enabled()
        self.read += tokens.tolist()
        return self.logits[tokens], state


def chain(size: int = 8, seed: int = 0) -> Chain:
    logits = torch.randn(size, size, generator=make_generator(seed, "chain"))
    logits[:, 0] = -torch.inf  # never ends by itself
    return Chain(logits)


def write(model: Chain, seed: int = 0, length: int = 60, **how: Any) -> list[int]:
    return list(sample(model, [1], generator=make_generator(seed, "sample"), length=length, **how))


@pytest.mark.parametrize("how", [{"temperature": 0.0}, {"top_k": 1}, {"top_p": 1e-9}, {"temperature": 1e-300}])
def test_these_are_all_greedy(how: dict[str, Any]) -> None:
    model = chain()
    written = write(model, **how)
    assert len(written) == 60
    for before, after in pairwise([1, *written]):
        assert after == int(model.logits[before].argmax())


@pytest.mark.parametrize("how", [{"temperature": 0.0}, {"top_k": 1}, {"top_p": 1e-9}])
def test_greedy_takes_the_first_of_equal_tokens(how: dict[str, Any]) -> None:
    probs = probabilities(torch.tensor([0.0, 2.0, 1.0, 2.0, 2.0]), **how)
    assert probs.tolist() == [0, 1, 0, 0, 0]


def test_the_same_seed_gives_the_same_text_and_another_seed_another() -> None:
    assert write(chain(), seed=3) == write(chain(), seed=3)
    assert write(chain(), seed=3) != write(chain(), seed=4)


def test_greedy_does_not_use_the_generator() -> None:
    generator = make_generator(0, "generator")
    before = generator.get_state()
    list(sample(chain(), [], generator=generator, temperature=0, length=5))
    assert torch.equal(generator.get_state(), before)


@given(some_logits, st.floats(0, 5), st.none() | st.integers(1, 15), st.none() | st.floats(0.01, 1))
def test_probabilities_sum_to_one_and_only_rise_for_what_is_kept(
    logits: Tensor, temperature: float, top_k: int | None, top_p: float | None
) -> None:
    probs = probabilities(logits, temperature, top_k, top_p)
    assert probs.shape == logits.shape and probs.dtype == torch.float64
    assert float(probs.sum()) == pytest.approx(1, abs=1e-12)
    whole = probabilities(logits, temperature)
    kept = probs > 0
    assert bool((probs[kept] >= whole[kept] * (1 - 1e-12)).all())
    assert top_k is None or int(kept.sum()) <= top_k


@given(some_logits, st.floats(0.01, 0.999))
def test_top_p_keeps_the_smallest_set_that_reaches_p(logits: Tensor, top_p: float) -> None:
    whole = probabilities(logits)
    kept = probabilities(logits, top_p=top_p) > 0
    reached = float(whole[kept].sum())
    assert reached >= top_p - 1e-9  # together they reach p
    assert reached - float(whole[kept].min()) < top_p + 1e-9  # and would not without the least likely of them
    assert kept.all() or float(whole[kept].min()) >= float(whole[~kept].max())  # of the most probable tokens


def test_top_p_by_hand() -> None:
    logits = torch.tensor([0.1, 0.5, 0.15, 0.25]).log()
    assert probabilities(logits, top_p=0.7).tolist() == pytest.approx([0, 2 / 3, 0, 1 / 3], abs=1e-6)
    assert probabilities(logits, top_p=0.8).tolist() == pytest.approx([0, 5 / 9, 1 / 6, 5 / 18], abs=1e-6)
    assert probabilities(logits, top_k=2, top_p=0.6).tolist() == [
        0,
        1,
        0,
        0,
    ]  # 2/3 of the two tokens that top_k keeps
    assert probabilities(logits, top_k=9).tolist() == probabilities(logits).tolist()
    assert probabilities(logits, top_p=1.0).tolist() == probabilities(logits).tolist()


def test_temperature_by_hand() -> None:
    logits = torch.tensor([0.0, 1.0, 3.0])
    assert torch.allclose(probabilities(logits, 2.0), torch.softmax(logits.double() / 2, 0))


@pytest.mark.parametrize("how", [{}, {"temperature": 0.6}, {"top_k": 4}, {"top_p": 0.8}])
def test_tokens_are_as_frequent_as_their_probabilities(how: dict[str, Any]) -> None:
    logits = torch.tensor([-torch.inf, 1.0, 0.3, -0.5, 0.9, -2.0, 0.0])
    drawn = sample(Chain(logits.expand(7, 7)), [], generator=make_generator(1, "draws"), length=4000, **how)
    counts = np.bincount(list(drawn), minlength=7)
    expected = probabilities(logits, **how).numpy() * 4000
    assert not counts[expected == 0].any()
    possible = expected > 0
    chi_square = (((counts - expected) ** 2)[possible] / expected[possible]).sum()
    assert chi_square < 20.5  # 99.9% point at 5 degrees of freedom, at most 5 here; the seed is fixed


@pytest.mark.parametrize(("number", "token"), [(0.0, 1), (0.499, 1), (0.5, 3), (0.999, 3), (1.0, 3)])
def test_tokens_of_probability_zero_are_not_drawn(number: float, token: int, monkeypatch: pytest.MonkeyPatch) -> None:
    probs = torch.tensor([0.0, 0.5, 0.0, 0.5, 0.0], dtype=torch.float64)
    monkeypatch.setattr(torch, "rand", lambda *_, **__: torch.tensor(number, dtype=torch.float64))
    assert draw_token(probs, make_generator(0)) == token


def test_the_model_reads_the_eos_token_the_prompt_and_all_but_the_last_token() -> None:
    model = chain()
    written = list(sample(model, [3, 2], generator=make_generator(0), temperature=0.5, length=4))
    assert model.read == [0, 3, 2, *written[:3]]


def test_a_token_is_yielded_before_the_next_step() -> None:
    model = chain()
    writing = sample(model, [], generator=make_generator(0), length=9)
    assert model.read == []
    next(writing)
    assert len(model.read) == 1
    next(writing)
    assert len(model.read) == 2


def test_the_eos_token_ends_the_text_and_is_not_yielded() -> None:
    cycle = torch.full((4, 4), -9.0)
    for before, after in ((0, 2), (2, 1), (1, 3), (3, 0)):
        cycle[before, after] = 9.0
    assert list(sample(Chain(cycle), [], generator=make_generator(0), temperature=0, length=50)) == [2, 1, 3]
    assert list(sample(Chain(cycle), [3], generator=make_generator(0), temperature=0, length=50)) == []


def test_generated_tokens_are_those_that_unroll_predicts() -> None:
    torch.manual_seed(0)
    model = LanguageModel(9, 4, build_stack("lstm", 4, 12, 1, 0.0)).double()
    with torch.no_grad():
        model.output.weight.mul_(100)
    prompt = [2, 5]
    written = list(sample(model, prompt, generator=make_generator(0), temperature=0, length=20))
    text = torch.tensor([[0, *prompt, *written]])
    logits, _ = model.unroll(text, model.start(1))
    predicted = logits.argmax(2)[0, len(prompt) : -1].tolist()
    assert predicted == written


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"temperature": -0.1}, r"temperature is -0.1; it must be 0 .* or more"),
        ({"temperature": float("nan")}, r"temperature is nan"),
        ({"temperature": float("inf")}, r"temperature is inf"),
        ({"top_k": 0}, r"top_k is 0; .* give 1 or more"),
        ({"top_p": 0.0}, r"top_p is 0.0; .* above 0 and at most 1"),
        ({"top_p": 1.1}, r"top_p is 1.1; .* above 0 and at most 1"),
        ({"top_p": float("nan")}, r"top_p is nan"),
        ({"length": 0}, r"length is 0; .* give 1 or more"),
    ],
)
def test_invalid_arguments_are_refused_before_anything_is_read(how: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        sample(chain(), [], generator=make_generator(0), **{"length": 5, **how})


@pytest.mark.parametrize("token", [-1, 8])
def test_a_prompt_of_another_vocabulary_is_refused(token: int) -> None:
    with pytest.raises(OptionError, match=rf"prompt holds token {token}; this model has 8"):
        list(sample(chain(), [token], generator=make_generator(0), length=5))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_damaged_model_is_reported(bad: float) -> None:
    with pytest.raises(TrainingError, match="not a number"):
        write(Chain(torch.full((4, 4), bad)))


def spell(data: bytes) -> list[int]:
    return [byte + 1 for byte in data]


@given(st.binary(max_size=40) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace")))
def test_streamed_text_is_the_decoded_text(data: bytes) -> None:
    table = ByteVocabulary()
    assert "".join(decode_stream(table, spell(data))) == table.decode(spell(data)) == data.decode("utf-8", "replace")


def test_a_character_comes_with_its_last_byte() -> None:
    read: list[int] = []

    def ids() -> Iterator[int]:
        for token in spell("aé€😀b".encode()):
            read.append(token)
            yield token

    assert [(piece, len(read)) for piece in decode_stream(ByteVocabulary(), ids())] == [
        ("a", 1),
        ("é", 3),
        ("€", 6),
        ("😀", 10),
        ("b", 11),
    ]


def test_half_a_character_at_the_end_is_shown_as_broken() -> None:
    assert list(decode_stream(ByteVocabulary(), spell("a€".encode()[:-1]))) == ["a", "\N{REPLACEMENT CHARACTER}"]


def test_characters_stream_one_by_one() -> None:
    table = CharacterVocabulary("hello ", rarest="h")
    ids = table.encode("hello hell").tolist()
    assert list(decode_stream(table, [0, *ids])) == list("hello hell")


few_letters = st.text("ab", max_size=12)


@given(st.lists(few_letters, max_size=8), st.text("ab", min_size=1, max_size=4))
def test_stop_at_is_what_split_does(pieces: list[str], stop: str) -> None:
    assert "".join(stop_at(pieces, stop)) == "".join(pieces).split(stop)[0]


@given(st.lists(few_letters, max_size=8), st.text("ab", min_size=1, max_size=4))
def test_stop_at_holds_back_less_than_the_stop_text(pieces: list[str], stop: str) -> None:
    given_out = 0

    def counted() -> Iterator[str]:
        nonlocal given_out
        for piece in pieces:
            yield piece
            given_out += len(piece)  # when the next one is requested, this one was passed on
            assert given_out - len("".join(passed)) <= len(stop) - 1

    passed: list[str] = []
    for piece in stop_at(counted(), stop):
        assert piece
        passed.append(piece)


def test_stop_at_reads_no_further_than_the_stop() -> None:
    pieces = iter(["one. T", "he E", "nd. And", " more"])
    assert "".join(stop_at(pieces, "The End")) == "one. "
    assert list(pieces) == [" more"]
    assert list(stop_at(iter(["x"]), "much longer than the text")) == ["x"]


def test_an_empty_stop_is_refused() -> None:
    with pytest.raises(OptionError, match="text to stop at is empty"):
        stop_at(iter(["x"]), "")
