"""Encoder-decoders: the loss of a text, the attention weights, and what is refused."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from unrolled import states
from unrolled.errors import OptionError
from unrolled.memory import LSTM, Attention, Memory, NoMemory, Stack, draw_masks
from unrolled.model.cross_attention import CROSS_ATTENTIONS, CrossAttentionMemory, Dot
from unrolled.model.embeddings import BagEmbedding
from unrolled.model.encoder_decoder import (
    EncoderDecoder,
    EncoderDecoderConfig,
    Source,
    build_encoder_decoder,
    uncovered,
)
from unrolled.model.encoders import Bidirectional, SelfAttentionEncoder, build_bidirectional
from unrolled.seeds import make_generator


class Texts(NamedTuple):
    inputs: Tensor
    lengths: Tensor
    targets: Tensor
    target_lengths: Tensor
    of_text: Tensor | None = None


def texts() -> Texts:
    generator = torch.Generator().manual_seed(1)
    inputs, targets = (
        torch.randint(1, 20, (3, 4, 1), generator=generator),
        torch.randint(1, 11, (3, 5), generator=generator),
    )
    return Texts(inputs, torch.tensor([4, 0, 2]), targets, torch.tensor([2, 5, 0]))


def make(model: str = "gru", cross_attention: str = "additive", **how: Any) -> EncoderDecoder:
    torch.manual_seed(0)
    config = EncoderDecoderConfig(model, cross_attention, 11, **{"embed": 6, "size": 8, **how})
    return build_encoder_decoder(config, BagEmbedding(20, config.embed)).double()


def probabilities(encoder_decoder: EncoderDecoder, row: int) -> list[Tensor]:
    """Log-probabilities of each token at each step of a text, by stepping over it alone."""
    batch = texts()
    state = encoder_decoder.start(Source(batch.inputs[row : row + 1], batch.lengths[row : row + 1]))
    logs, token = [], torch.tensor([0])
    for target in batch.targets[row, : batch.target_lengths[row]]:
        logits, state = encoder_decoder.step(token, state)
        logs.append(logits[0].log_softmax(0))
        token = target[None]
    return logs


@pytest.mark.parametrize("model", ["gru", "transformer"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_loss_of_a_text_is_the_sum_over_its_tokens(model: str, smoothing: float) -> None:
    encoder_decoder, batch = make(model, smoothing=smoothing), texts()
    with torch.no_grad():
        own = [
            sum(
                (
                    -log[target]
                    for log, target in zip(probabilities(encoder_decoder, row), batch.targets[row], strict=False)
                ),
                0.0,
            )
            for row in range(3)
        ]
        even = sum(-log.mean() for row in range(3) for log in probabilities(encoder_decoder, row))
        loss, after = encoder_decoder.loss(batch, initial_state := encoder_decoder.initial_state(3))
        torch.testing.assert_close(encoder_decoder.nats(batch), torch.tensor(own, dtype=torch.float64))
    assert float(loss) == pytest.approx(float((1 - smoothing) * sum(own) + smoothing * even))
    assert after is initial_state, "nothing of a text is carried into the next batch"


def test_smoothing_is_torchs_own() -> None:
    encoder_decoder, batch = make(smoothing=0.2), texts()
    logits, _ = encoder_decoder.unroll(
        nn.functional.pad(batch.targets[:, :-1], (1, 0)), encoder_decoder.start(Source(batch.inputs, batch.lengths))
    )
    expected = sum(
        nn.functional.cross_entropy(logits[row, :n], batch.targets[row, :n], label_smoothing=0.2, reduction="sum")
        for row, n in enumerate([2, 5])
    )
    torch.testing.assert_close(encoder_decoder.loss(batch, encoder_decoder.initial_state(3))[0], expected)


def test_dropout_masks_are_drawn_in_the_initial_state() -> None:
    encoder_decoder, batch = make(dropout=0.5), texts()
    masked = draw_masks(encoder_decoder.initial_state(3), make_generator(0, "dropout", 1))
    with torch.no_grad():
        first, again, whole = (
            encoder_decoder.loss(batch, initial_state)[0]
            for initial_state in (masked, masked, encoder_decoder.initial_state(3))
        )
        nats = float(encoder_decoder.nats(batch).sum())
    assert float(first) == float(again) != float(whole)
    assert float(whole) == pytest.approx(nats), "nats are told with nothing dropped"


def test_tied_weights_are_one_matrix() -> None:
    tied, free = make(embed=8, tied=True), make(embed=8)
    assert sum(p.numel() for p in free.parameters()) - sum(p.numel() for p in tied.parameters()) == 11 * 8
    start = tied.start(Source(texts().inputs, texts().lengths))
    logits, _ = tied.step(torch.tensor([0, 3, 3]), start)
    with torch.no_grad():
        tied.embedding.weight[3] += 1.0
    other, _ = tied.step(torch.tensor([0, 3, 3]), start)
    assert (other - logits)[0].nonzero().flatten().tolist() == [3], "the first row wrote with it"
    assert bool((other - logits)[1].abs().min() > 0), "the second read it"
    vectors = make("lstm", embed=300, size=300, tied=True)._embed(torch.arange(11)).detach()
    assert float(vectors.std()) == pytest.approx(1, rel=0.1), "read as large as those that are not tied"


@pytest.mark.parametrize(("model", "cross_attentions"), [("gru", 1), ("transformer", 2), ("lstm/attention", 1)])
def test_attention_weights_are_returned_for_each_token(model: str, cross_attentions: int) -> None:
    encoder_decoder, batch = make(model, depth=2), texts()
    state = encoder_decoder.start(Source(batch.inputs, batch.lengths))
    before = encoder_decoder.unroll(batch.targets, state)[0]
    weights = encoder_decoder.weights(batch.targets, state)
    assert [one.shape for one in weights] == [(3, 5, 4)] * cross_attentions
    for one in weights:
        torch.testing.assert_close(one.sum(2), (batch.lengths > 0).double()[:, None].expand(3, 5))
        assert not one[2, :, 2:].any()
    assert torch.equal(encoder_decoder.unroll(batch.targets, state)[0], before)
    alone = encoder_decoder.weights(batch.targets[:, :3], states.take(state, torch.tensor([0, 1, 2])))
    torch.testing.assert_close(alone[0], weights[0][:, :3])


def test_the_first_state_of_a_recurrent_decoder_depends_on_the_source() -> None:
    encoder_decoder = make("gru", "none")
    (layer, _), (other, _) = (
        encoder_decoder.start(Source(torch.tensor([[[n]]]), torch.tensor([1])))[0:2] for n in (3, 4)
    )
    assert not torch.equal(layer.hidden, other.hidden)
    assert make("transformer").begin is None


def test_a_transformer_uses_the_whole_source_and_the_whole_text() -> None:
    encoder_decoder = make("transformer", "multihead")
    assert isinstance(encoder_decoder.encoder, SelfAttentionEncoder)
    spans = [part.span for part in make("transformer:heads=2").modules() if isinstance(part, Attention)]
    assert spans == [None]
    spans = [part.span for part in make("transformer:span=7").modules() if isinstance(part, Attention)]
    assert spans == [7]
    assert isinstance(make("mingru").encoder, Bidirectional)


def test_an_untrained_encoder_decoder_is_about_uniform() -> None:
    for tied in (False, True):
        encoder_decoder = make("lstm", embed=64, size=64, tied=tied)
        batch = texts()
        assert float(encoder_decoder.nats(batch).detach().sum()) / 7 == pytest.approx(math.log(11), rel=0.05)


def parts(decoder: Memory, **how: Any) -> EncoderDecoder:
    stem = NoMemory(6, 6, nn.RMSNorm(6))
    return EncoderDecoder(BagEmbedding(9, 6), stem, build_bidirectional("gru", 6, 8), decoder, tokens=9, **how)


def test_invalid_arguments_are_refused() -> None:
    looking = Stack([LSTM(6, 8), CrossAttentionMemory(Dot(8, 8, 8))])
    with pytest.raises(OptionError, match="no cross-attention: it would generate text without using the input"):
        parts(LSTM(6, 8))
    with pytest.raises(OptionError, match=r"input has 6 numbers per step and its output 8\. Make the two equal"):
        parts(looking, tied=True)
    with pytest.raises(OptionError, match=r"label smoothing is 1\.0; it must be at least 0"):
        parts(looking, smoothing=1.0)
    with pytest.raises(OptionError, match="depth is a whole number of at least 1; got 0"):
        make(depth=0)
    with pytest.raises(OptionError, match=r"Unknown attention 'additiv'\. Did you mean 'additive'"):
        make(cross_attention="additiv")
    with pytest.raises(OptionError, match="attention dot has no option 'heads'"):
        make(cross_attention="dot:heads=2")


@pytest.mark.parametrize("model", ["gru", "mingru", "transformer"])
@pytest.mark.parametrize("cross_attention", CROSS_ATTENTIONS)
def test_under_bfloat16_autocast_predictions_are_near_and_states_float32(model: str, cross_attention: str) -> None:
    encoder_decoder, batch = make(model, cross_attention, depth=2, dropout=0.2, smoothing=0.1).float(), texts()
    initial_state = draw_masks(encoder_decoder.initial_state(3), make_generator(0, "dropout", 1))
    source = Source(batch.inputs, batch.lengths)
    with torch.no_grad():
        exact = encoder_decoder.loss(batch, initial_state)[0]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            state = encoder_decoder.start(source, initial_state)
            logits, after = encoder_decoder.unroll(batch.targets, state)
            stepped, _ = encoder_decoder.step(batch.targets[:, 0], state)
            loss = encoder_decoder.loss(batch, initial_state)[0]
    assert {leaf.dtype for leaf in states.leaves((state, after)).values()} <= {torch.float32, torch.int64}
    assert logits.dtype == stepped.dtype == loss.dtype == torch.float32
    torch.testing.assert_close(stepped, logits[:, 0], rtol=0.05, atol=0.02)
    torch.testing.assert_close(loss, exact, rtol=0.02, atol=0.0)


def test_a_text_of_no_tokens_has_no_loss() -> None:
    batch = texts()._replace(targets=torch.zeros(3, 0, dtype=torch.int64), target_lengths=torch.zeros(3).long())
    encoder_decoder = make(smoothing=0.1)
    assert float(encoder_decoder.loss(batch, encoder_decoder.initial_state(3))[0].detach()) == 0.0
    assert encoder_decoder.nats(batch).tolist() == [0.0] * 3


def test_the_penalty_of_places_that_are_not_looked_at() -> None:
    weights = torch.tensor([[[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]], [[0.25, 0.75, 0.0], [0.0, 0.0, 0.0]]])
    alive = torch.tensor([[True, True], [True, False]])
    # row 1: totals 1.5, 0.5, 0 of three places; row 2: 0.25, 0.75 of two places
    expected = 0.5**2 + 0.5**2 + 1 + 0.75**2 + 0.25**2
    assert float(uncovered(weights, alive, torch.tensor([3, 2]))) == pytest.approx(expected)
    none = torch.zeros(2, 2, dtype=torch.bool)
    assert float(uncovered(weights, none, torch.tensor([3, 2]))) == 0.0  # rows of padding


def test_coverage_changes_the_gradient_and_not_the_loss() -> None:
    def make(coverage: float) -> EncoderDecoder:
        torch.manual_seed(0)
        config = EncoderDecoderConfig("lstm", "additive", 9, 6, 8, coverage=coverage, places=4)
        return build_encoder_decoder(config, nn.Identity())

    torch.manual_seed(1)
    inputs, targets = torch.randn(3, 4, 6), torch.randint(1, 9, (3, 5))
    batch = Texts(inputs, torch.tensor([4, 4, 0]), targets, torch.tensor([5, 3, 0]))
    losses, gradients = [], []
    for coverage in (0.0, 1.0):
        model = make(coverage)
        loss, _ = model.loss(batch, model.initial_state(3))
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(float(loss))
        gradients.append(torch.cat([one.grad.flatten() for one in model.parameters() if one.grad is not None]))
    assert losses[0] == pytest.approx(losses[1])
    assert (gradients[0] - gradients[1]).abs().max() > 1e-3
