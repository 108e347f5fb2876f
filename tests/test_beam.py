"""Beam search: greedy with one beam, optimal where it can be, a batch like single texts, correct scores."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unrolled import states
from unrolled.decoding.beam import Hypothesis, beam_search, greedy, length_penalty
from unrolled.decoding.sampling import sample_from
from unrolled.errors import OptionError, TrainingError
from unrolled.memory import build_stack
from unrolled.model.embeddings import BagEmbedding
from unrolled.model.encoder_decoder import EncoderDecoder, EncoderDecoderConfig, Source, build_encoder_decoder
from unrolled.model.language import LanguageModel
from unrolled.seeds import make_generator


def language_model(seed: int, tokens: int = 3) -> LanguageModel:
    torch.manual_seed(seed)
    model = LanguageModel(tokens, 4, build_stack("gru", 4, 6)).double()
    with torch.no_grad():
        model.output.weight.mul_(80)
    return model


def encoder_decoder(seed: int, model: str = "lstm", reader: str = "additive") -> EncoderDecoder:
    torch.manual_seed(seed)
    made = build_encoder_decoder(EncoderDecoderConfig(model, reader, 7, 6, 8), BagEmbedding(20, 6)).double()
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(2.5)
    return made


def about(rows: int, seed: int = 0) -> Source:
    generator = torch.Generator().manual_seed(seed)
    return Source(torch.randint(1, 20, (rows, 4, 1), generator=generator), torch.arange(rows) % 5)


def score_of(model: Any, state: Any, hypothesis: Hypothesis) -> float:
    """The sum of the steps' log-probabilities, by stepping over the text alone."""
    total, token = 0.0, 0
    for following in [*hypothesis.tokens, *[0] * hypothesis.ended]:
        logits, state = model.step(torch.tensor([token]), state)
        total += float(logits.detach()[0].log_softmax(0)[following])
        token = following
    return total


def all_texts(tokens: int, length: int) -> list[Hypothesis]:
    """Every possible text: those that end before `length` tokens, and those that are cut off there."""
    written = range(1, tokens)
    ended = [Hypothesis(text, 0.0, 0.0, True) for n in range(length) for text in product(written, repeat=n)]
    return ended + [Hypothesis(text, 0.0, 0.0, False) for text in product(written, repeat=length)]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
def test_a_beam_as_wide_as_all_texts_finds_them_all_the_best_first(seed: int, alpha: float) -> None:
    model, length = language_model(seed), 4
    texts = all_texts(3, length)
    scores = {(t.tokens, t.ended): score_of(model, model.start(1), t) for t in texts}
    assert sum(torch.tensor(list(scores.values())).exp().tolist()) == pytest.approx(1), "they are all there are"
    (found,) = beam_search(model, model.start(1), 1, width=len(texts), length=length, alpha=alpha)
    assert {(one.tokens, one.ended): pytest.approx(one.score) for one in found} == scores
    ranked = sorted(texts, key=lambda t: -scores[t.tokens, t.ended] / length_penalty(len(t.tokens) + t.ended, alpha))
    assert [one.tokens for one in found] == [one.tokens for one in ranked]
    assert [one.normalised for one in found] == sorted((one.normalised for one in found), reverse=True)


def test_a_wider_beam_finds_what_greedy_misses() -> None:
    missed = 0
    for seed in range(20):
        model = language_model(seed)
        (narrow,), (wide,) = (
            beam_search(model, model.start(1), 1, width=width, length=4, alpha=0.0) for width in (1, 100)
        )
        assert wide[0].score >= narrow[0].score - 1e-12
        missed += wide[0].score > narrow[0].score + 1e-6
    assert missed, "these models are too easy to tell"


@pytest.mark.parametrize("model", ["lstm", "transformer"])
@pytest.mark.parametrize("seed", range(4))
def test_a_beam_of_one_is_greedy(seed: int, model: str) -> None:
    made = encoder_decoder(seed, model)
    state = made.start(about(5))
    texts = greedy(made, state, 5, length=9)
    assert [[one] for one in texts] == beam_search(made, state, 5, width=1, length=9)
    for row, text in enumerate(texts):
        alone = states.take(state, torch.tensor([row]))
        drawn = sample_from(made, alone, generator=make_generator(0), temperature=0, length=9)
        assert tuple(drawn) == text.tokens
        assert text.ended == (len(text.tokens) < 9)


@pytest.mark.parametrize(
    ("model", "cross_attention"), [("lstm", "none"), ("gru", "dot"), ("transformer", "multihead")]
)
@pytest.mark.parametrize("width", [2, 5])
def test_a_batch_is_one_by_one_and_a_score_is_the_sum_of_its_steps(
    model: str, cross_attention: str, width: int
) -> None:
    made = encoder_decoder(1, model, cross_attention)
    state = made.start(about(6))
    together = beam_search(made, state, 6, width=width, length=8)
    for row, found in enumerate(together):
        alone = states.take(state, torch.tensor([row]))
        (own,) = beam_search(made, alone, 1, width=width, length=8)
        assert [one.tokens for one in own] == [one.tokens for one in found]
        assert len(found) == width
        for one, other in zip(own, found, strict=True):
            assert one.score == pytest.approx(other.score) == pytest.approx(score_of(made, alone, one))
            assert one.normalised == pytest.approx(one.score / length_penalty(len(one.tokens) + one.ended, 0.6))
    assert len({found[0].tokens for found in together}) > 1, "unlike sources, unlike texts"


class Chain:
    """A model whose prediction depends on the last token alone."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        return self.logits[tokens], state


chains = st.lists(st.floats(-5, 5, width=32), min_size=16, max_size=16).map(
    lambda numbers: torch.tensor(numbers, dtype=torch.float64).view(4, 4)
)


@given(chains, st.integers(1, 6), st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_no_text_is_found_twice_and_none_is_longer_than_allowed(logits: Tensor, width: int, length: int) -> None:
    (found,) = beam_search(Chain(logits), torch.zeros(1, 1), 1, width=width, length=length, alpha=0.0)
    assert len({(one.tokens, one.ended) for one in found}) == len(found) <= width
    for one in found:
        assert len(one.tokens) + one.ended <= length
        assert 0 not in one.tokens
        assert one.ended or len(one.tokens) == length


def test_a_finished_text_frees_its_beam() -> None:
    probabilities = torch.tensor([[0.6, 0.4, 0.0], [0.9, 0.05, 0.05], [1.0, 0.0, 0.0]], dtype=torch.float64)
    (found,) = beam_search(Chain(probabilities.log()), torch.zeros(1, 1), 1, width=2, length=5, alpha=0.0)
    assert [one.tokens for one in found] == [(), (1,)], "0.6, then 0.4 × 0.9; nothing is followed beyond"
    assert [one.score for one in found] == pytest.approx(torch.tensor([0.6, 0.36]).log().tolist())


def test_tokens_of_probability_zero_are_not_generated() -> None:
    never = torch.tensor([[-torch.inf, 0.0, -torch.inf], [0.0, -torch.inf, -torch.inf], [0.0, 0.0, 0.0]])
    (found,) = beam_search(Chain(never), torch.zeros(1, 1), 1, width=3, length=5)
    assert found == [Hypothesis((1,), 0.0, 0.0, True)]


def test_a_longer_text_wins_with_length_normalisation() -> None:
    probabilities = torch.tensor([[0.4, 0.6, 0.0], [0.4, 0.1, 0.5], [0.9, 0.05, 0.05]], dtype=torch.float64)
    assert length_penalty(1, 0.6) == 1.0
    texts = {}
    for alpha in (0.0, 2.0):
        (found,) = beam_search(Chain(probabilities.log()), torch.zeros(1, 1), 1, width=4, length=6, alpha=alpha)
        texts[alpha] = found[0].tokens
    assert texts == {0.0: (), 2.0: (1, 2)}


def test_zero_rows_give_zero_texts() -> None:
    assert beam_search(Chain(torch.zeros(3, 3)), torch.zeros(0, 1), 0, width=2, length=3) == []
    assert greedy(Chain(torch.zeros(3, 3)), torch.zeros(0, 1), 0, length=3) == []


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"width": 0}, "width is 0; it is the number of texts"),
        ({"length": 0}, "length is 0; it is the number of tokens"),
        ({"alpha": -0.1}, r"alpha is -0\.1; it is 0 \(no length penalty\) or more"),
        ({"alpha": float("nan")}, "alpha is nan"),
    ],
)
def test_invalid_arguments_are_refused(how: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        beam_search(Chain(torch.zeros(3, 3)), torch.zeros(1, 1), 1, **{"width": 2, "length": 3, **how})


def test_a_damaged_model_is_reported() -> None:
    damaged = Chain(torch.full((3, 3), float("nan")))
    for search in (lambda: greedy(damaged, torch.zeros(1, 1), 1, length=3),
                   lambda: beam_search(damaged, torch.zeros(1, 1), 1, width=2, length=3)):  # fmt: skip
        with pytest.raises(TrainingError, match=r"not a number: the largest of a row's 3 logits is nan"):
            search()
