"""The n-gram model: known figures of the smoothing methods (NUMBERS), their definitions, and the three methods."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ngram_cases import V, count_slowly, documents_of, some_text
from safetensors.torch import load, save

from unrolled import states
from unrolled.errors import DataError, OptionError, RunError
from unrolled.model.ngram import counts as ngram_counts
from unrolled.model.ngram.counts import CountLimits, count_ngrams
from unrolled.model.ngram.model import NGram, NGramState, choose_order
from unrolled.model.ngram.table import find_discounts
from unrolled.model.ngram.text import Array

WITTEN_BELL = [3.34733, 2.485771, 2.049234, 1.773804, 1.668829, 1.698075, 1.779217, 1.875803]
KNESER_NEY = {3: 2.0381, 4: 1.7191, 5: 1.5612, 6: 1.5227, 7: 1.5165, 8: 1.5192}
SMOOTHINGS = ["kneser-ney", "witten-bell"]


def slow_probability(documents: list[list[int]], history: list[int], token: int, order: int, smoothing: str) -> float:
    """P(token | history) straight from the definition."""
    probability = 1 / V
    for k in range(1, min(order, len(history) + 1) + 1):
        table = count_slowly(documents, True, k)
        lower = smoothing == "kneser-ney" and k < order
        counts = {gram: row[1] if lower else row[0] for gram, row in table.items()}
        context = tuple(history[len(history) - k + 1 :])
        follows = {g[-1]: c for g, c in counts.items() if g[:-1] == context and c}
        if not follows:
            continue
        total, own = sum(follows.values()), follows.get(token, 0)
        if smoothing == "witten-bell":
            probability = (own + len(follows) * probability) / (total + len(follows))
        else:
            d = find_discounts(np.array(list(counts.values())))
            left = sum(d[min(c, 3)] for c in follows.values())
            probability = (own - d[min(own, 3)]) / total + left / total * probability
    return float(probability)


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_probabilities_are_those_of_the_definition(smoothing: str) -> None:
    text, order = some_text(300), 4
    documents = documents_of(text)
    model = NGram.count(text, V, order, smoothing, eos=0)
    read = some_text(80, seed=1)
    logits, _ = model.unroll(torch.from_numpy(read[None].astype(np.int64)), model.start(1))
    for t in range(len(read)):
        history = read[np.flatnonzero(read[: t + 1] == 0)[-1] : t + 1].tolist()
        slow = [slow_probability(documents, history, token, order, smoothing) for token in range(V)]
        np.testing.assert_allclose(logits[0, t].exp().numpy(), slow, rtol=1e-10)


def test_discounts_are_chen_and_goodmans_and_fall_back_where_they_cannot_be() -> None:
    counts = np.repeat([1, 2, 3, 4, 5, 9], [40, 20, 10, 5, 3, 2])
    y = 40 / 80
    expected = [0, 1 - 2 * y * 20 / 40, 2 - 3 * y * 10 / 20, 3 - 4 * y * 5 / 10]
    np.testing.assert_allclose(find_discounts(counts), expected)
    for hopeless in ([], [7, 8, 9], [1, 1, 1], [1, 2, *[3] * 12]):
        assert find_discounts(np.array(hopeless, dtype=np.int64)).tolist() == [0, 0.5, 1.0, 1.5]


def ragged() -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of tokens (4, 30) with BOS/EOS tokens in them and padding of 1000, and their lengths."""
    xs = torch.from_numpy(np.stack([some_text(40, seed)[seed : seed + 30] for seed in range(4)]).astype(np.int64))
    lengths = torch.tensor([30, 1, 17, 0])
    return torch.where(torch.arange(30) < lengths[:, None], xs, 1000), lengths


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("order", [1, 2, 5])
@pytest.mark.parametrize("eos", [None, 0])
def test_unrolled_equals_stepped_and_chunked_and_scored(smoothing: str, order: int, eos: int | None) -> None:
    model = NGram.count(some_text(), V, order, smoothing, eos=eos)
    xs, lengths = ragged()
    logits, after = model.unroll(xs, model.start(4), lengths)
    assert logits.shape == (4, 30, V) and logits.dtype == torch.float64
    for row, length in enumerate(lengths.tolist()):
        state, steps = model.start(1), []
        for x in xs[row, :length]:
            step, state = model.step(x[None], state)
            steps.append(step)
        assert not logits[row, length:].any() and torch.equal(after.contexts[row], state.contexts[0])
        torch.testing.assert_close(logits[row, :length], torch.cat([*steps, torch.zeros(0, V, dtype=torch.float64)]))
        nats = model.score(xs[row, :length].numpy())
        expected = -logits[row, : max(0, length - 1)].gather(1, xs[row, 1:length, None])[:, 0]
        torch.testing.assert_close(torch.from_numpy(nats[1:]), expected)
    for cut in (0, 1, 16, 30):
        first, state = model.unroll(xs[:, :cut], model.start(4), lengths.clamp(max=cut))
        second, state = model.unroll(xs[:, cut:], state, (lengths - cut).clamp(min=0))
        torch.testing.assert_close(torch.cat([first, second], 1), logits)
        assert torch.equal(state.contexts, after.contexts)
    torch.testing.assert_close(logits[0].exp().sum(1), torch.ones(30, dtype=torch.float64))


def test_scoring_in_chunks_gives_the_same_score(monkeypatch: pytest.MonkeyPatch) -> None:
    model = NGram.count(some_text(), V, 5, eos=0)
    text = some_text(200, seed=3)
    whole = model.score(text)
    monkeypatch.setattr("unrolled.model.ngram.model.SCORED_AT_ONCE", 7)
    np.testing.assert_array_equal(model.score(text), whole)
    assert model.score(text[:0]).shape == (0,)


@pytest.mark.parametrize("eos", [None, 0])
def test_a_split_is_scored_segment_by_segment(eos: int | None) -> None:
    text = some_text(300, seed=4)
    model = NGram.count(text, V, 4, eos=eos)
    second = int(np.flatnonzero(text == 0)[3])
    segments = np.array([[0, second], [second, 200], [250, 300]])
    expected = []
    for (start, stop), opens in zip(segments, [False, False, text[250] != 0], strict=True):
        if eos is None:
            expected.append(model.score(text[start:stop]))
            continue
        closes = [0] if stop < len(text) and text[stop] == 0 else []
        expected.append(model.score(np.concatenate([[0] * int(opens), text[start:stop], closes]).astype(int))[1:])
    np.testing.assert_allclose(model.score_segments(text, segments), np.concatenate(expected))


def test_tokens_before_an_eos_token_change_nothing_after_it() -> None:
    model = NGram.count(some_text(), V, 5, eos=0)
    after = [model.unroll(torch.tensor([[*past, 0, 1, 2]]), model.start(1)) for past in ([3, 4, 1], [2, 2, 0])]
    torch.testing.assert_close(after[0][0][:, -3:], after[1][0][:, -3:])
    assert torch.equal(after[0][1].contexts, after[1][1].contexts)


def test_a_token_that_was_never_seen_is_possible() -> None:
    for smoothing in SMOOTHINGS:
        model = NGram.count(some_text(), 9, 4, smoothing, eos=0)
        logits, state = model.step(torch.tensor([8]), model.start(1))
        assert bool(logits.isfinite().all()) and not state.contexts.any()
        assert float(logits.exp().sum()) == pytest.approx(1.0)


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_a_saved_model_predicts_the_same(smoothing: str) -> None:
    model = NGram.count(some_text(), 300, 4, smoothing, eos=0, limits=CountLimits(most=400))
    again = NGram.from_tensors(load(save(model.to_tensors())), model.facts())
    text = some_text(100, seed=2)
    np.testing.assert_array_equal(again.score(text), model.score(text))
    assert again.describe() == model.describe() and again.facts() == model.facts()


def test_damaged_counts_are_refused() -> None:
    model = NGram.count(some_text(), V, 3, eos=0)

    def changed(name: str, value: torch.Tensor) -> dict[str, torch.Tensor]:
        return {**model.to_tensors(), name: value}

    tensors, facts = model.to_tensors(), model.facts()
    tokens, followers = tensors["level2.tokens"], tensors["level2.followers"]
    damaged: list[tuple[dict[str, torch.Tensor], dict[str, Any]]] = [
        (changed("level2.tokens", tokens.flip(0)), facts),
        (changed("level2.tokens", tokens[:-1]), facts),
        (changed("level2.tokens", tokens + V), facts),
        (changed("level2.followers", followers - 1), facts),
        (changed("level3.counts", -tensors["level3.counts"]), facts),
        (changed("level3.counts", tensors["level3.counts"].float()), facts),
        ({name: tensor for name, tensor in tensors.items() if name != "level1.counts"}, facts),
        (tensors, {**facts, "order": 4}),
        (tensors, {**facts, "order": 0}),
        (tensors, {**facts, "tokens": 2}),
        (tensors, {**facts, "eos": 7}),
        (tensors, {**facts, "smoothing": "kneser"}),
        (tensors, {}),
    ]
    for some_tensors, some_facts in damaged:
        with pytest.raises(RunError, match="The saved n-gram counts cannot be used"):
            NGram.from_tensors(some_tensors, some_facts)


def test_a_state_continues_after_saving_and_that_of_another_model_is_refused() -> None:
    model = NGram.count(some_text(), V, 4, eos=0)
    xs, _ = ragged()
    _, state = model.unroll(xs[:1], model.start(1))
    assert isinstance(state, NGramState)
    again = states.load(states.save(state), model.start(1))
    torch.testing.assert_close(model.step(xs[0, :1], again)[0], model.step(xs[0, :1], state)[0])
    with pytest.raises(RunError, match="belongs to another model"):
        model.step(xs[0, :1], NGramState(state.contexts + 10**6))
    with pytest.raises(RunError, match="belongs to another model"):
        NGram.count(some_text(), V, 3).step(xs[0, :1], state)


def test_invalid_input_is_refused() -> None:
    text = some_text()
    with pytest.raises(OptionError, match=r"Unknown smoothing 'witten'; .* Did you mean 'witten-bell'"):
        NGram.count(text, V, 3, "witten")
    with pytest.raises(OptionError, match="n-gram order is 0"):
        NGram.count(text, V, 0)
    with pytest.raises(OptionError, match="order is 4; n-grams of 1 to 3"):
        NGram.smooth(count_ngrams(text, V, 3), order=4)
    with pytest.raises(OptionError, match="vocabulary size 5 or the EOS token 9 is invalid"):
        NGram.count(text, V, 3, eos=9)
    with pytest.raises(DataError, match="array of integers; got float64"):
        NGram.count(text.astype(float), V, 3)
    with pytest.raises(DataError, match="every segment of it, is empty"):
        NGram.count(text, V, 3, segments=np.zeros((0, 2), np.int64))
    with pytest.raises(DataError, match="the token 4, but the vocabulary has 4 tokens"):
        NGram.count(text, 4, 3)
    with pytest.raises(DataError, match="tokens range from 7 to 7; this model has 0 to 4"):
        NGram.count(text, V, 3).step(torch.tensor([7]), NGram.count(text, V, 3).start(1))


def test_the_order_that_predicts_best_is_chosen() -> None:
    text = some_text(4000)
    train, valid = np.array([[0, 3000]]), np.array([[3000, 4000]])
    for smoothing in SMOOTHINGS:
        chosen = choose_order(text, V, train, valid, smoothing=smoothing, longest=6)
        nats = [NGram.count(text, V, n, smoothing, train, 0).score_segments(text, valid).mean() for n in range(1, 7)]
        assert chosen.order == int(np.argmin(nats)) + 1 > 1
        apart = choose_order(text, V, train, np.array([[3000, 3500], [3600, 4000]]), smoothing=smoothing, eos=None)
        assert apart.order > 1 and apart.eos is None
        assert chosen.score_segments(text, valid).mean() == pytest.approx(min(nats), rel=1e-12)


def test_an_order_is_chosen_in_several_passes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    text = some_text(4000)
    train, valid = np.array([[0, 3000]]), np.array([[3000, 4000]])
    best = choose_order(text, V, train, valid, longest=6).order
    monkeypatch.setattr(ngram_counts, "LARGEST_CODE", 6**2)
    assert choose_order(text, V, train, valid, longest=6).order == best
    assert choose_order(text, V, train, valid, longest=2).order == 2
    assert choose_order(text, V, train, np.zeros((0, 2), np.int64), longest=4).order == 4
    with pytest.raises(DataError, match="no order can be chosen on it"):
        choose_order(text, V, train, valid[:, :1].repeat(2, 1))


def split(path: Path) -> tuple[Array, int]:
    """The tokens of Tiny Shakespeare, and the position where its last tenth begins."""
    data = np.frombuffer(path.read_bytes(), np.uint8)
    ranks = np.zeros(256, np.uint8)
    alphabet = np.unique(data)
    ranks[alphabet] = np.arange(len(alphabet))
    return ranks[data], int(0.9 * len(data))


def test_shakespeare_scores_as_the_smoothings_are_known_to(shakespeare: Path) -> None:
    text, cut = split(shakespeare)
    counts = count_ngrams(text[:cut], 65, 8)
    for n, nats in enumerate(WITTEN_BELL, 1):
        assert NGram.smooth(counts, "witten-bell", n).score(text[cut:]).mean() == pytest.approx(nats, abs=2e-6)
    for n, nats in KNESER_NEY.items():
        model = NGram.count(text, 65, n, segments=np.array([[0, cut]]))
        assert model.score(text[cut:]).mean() == pytest.approx(nats, abs=1e-4)
    chosen = choose_order(text, 65, np.array([[0, cut]]), np.array([[cut, len(text)]]), eos=None)
    assert chosen.describe() == "7-gram (Kneser–Ney)"


def test_shakespeare_is_counted_in_seconds_and_read_in_milliseconds(shakespeare: Path) -> None:
    text, _ = split(shakespeare)
    begin = time.process_time()
    model = NGram.count(text, 65, 7)
    assert time.process_time() - begin < 2.0
    state, begin = model.start(1), time.process_time()
    for token in text[:200].tolist():
        _, state = model.step(torch.tensor([token]), state)
    assert (time.process_time() - begin) / 200 < 0.002
