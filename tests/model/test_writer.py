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
from unrolled.model.cross_attention import READERS, Dot, Looking
from unrolled.model.embeddings import BagInlet
from unrolled.model.encoder_decoder import Source, Writer, build_writer
from unrolled.model.encoders import Attending, Bidirectional, build_bidirectional
from unrolled.seeds import generator


class Texts(NamedTuple):
    inputs: Tensor
    lengths: Tensor
    targets: Tensor
    target_lengths: Tensor


def texts() -> Texts:
    dice = torch.Generator().manual_seed(1)
    inputs, targets = torch.randint(1, 20, (3, 4, 1), generator=dice), torch.randint(1, 11, (3, 5), generator=dice)
    return Texts(inputs, torch.tensor([4, 0, 2]), targets, torch.tensor([2, 5, 0]))


def make(model: str = "gru", reader: str = "additive", **how: Any) -> Writer:
    torch.manual_seed(0)
    how = {"embedding_size": 6, "hidden_size": 8, **how}
    return build_writer(BagInlet(20, how["embed"]), model, reader, 11, **how).double()


def chances(writer: Writer, row: int) -> list[Tensor]:
    """Log-probabilities of each token at each step of a text, by stepping over it alone."""
    lesson = texts()
    state = writer.start(Source(lesson.inputs[row : row + 1], lesson.lengths[row : row + 1]))
    logs, symbol = [], torch.tensor([0])
    for target in lesson.targets[row, : lesson.target_lengths[row]]:
        logits, state = writer.step(symbol, state)
        logs.append(logits[0].log_softmax(0))
        symbol = target[None]
    return logs


@pytest.mark.parametrize("model", ["gru", "transformer"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_a_text_costs_what_its_symbols_cost_one_after_the_other(model: str, smoothing: float) -> None:
    writer, lesson = make(model, smoothing=smoothing), texts()
    with torch.no_grad():
        own = [
            sum((-log[target] for log, target in zip(chances(writer, row), lesson.targets[row], strict=False)), 0.0)
            for row in range(3)
        ]
        even = sum(-log.mean() for row in range(3) for log in chances(writer, row))
        loss, after = writer.loss(lesson, blank := writer.blank(3))
        torch.testing.assert_close(writer.nats(lesson), torch.tensor(own, dtype=torch.float64))
    assert float(loss) == pytest.approx(float((1 - smoothing) * sum(own) + smoothing * even))
    assert after is blank, "nothing of a text is carried into the next lesson"


def test_smoothing_is_torchs_own() -> None:
    writer, lesson = make(smoothing=0.2), texts()
    logits, _ = writer.unroll(
        nn.functional.pad(lesson.targets[:, :-1], (1, 0)), writer.start(Source(lesson.inputs, lesson.lengths))
    )
    expected = sum(
        nn.functional.cross_entropy(logits[row, :n], lesson.targets[row, :n], label_smoothing=0.2, reduction="sum")
        for row, n in enumerate([2, 5])
    )
    torch.testing.assert_close(writer.loss(lesson, writer.blank(3))[0], expected)


def test_dropout_is_drawn_in_what_a_lesson_begins_from() -> None:
    writer, lesson = make(dropout=0.5), texts()
    masked = draw_masks(writer.blank(3), generator(0, "dropout", 1))
    with torch.no_grad():
        first, again, whole = (writer.loss(lesson, blank)[0] for blank in (masked, masked, writer.blank(3)))
        nats = float(writer.nats(lesson).sum())
    assert float(first) == float(again) != float(whole)
    assert float(whole) == pytest.approx(nats), "nats are told with nothing dropped"


def test_tied_symbols_are_read_and_written_by_one_matrix() -> None:
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


@pytest.mark.parametrize(("model", "readers"), [("gru", 1), ("transformer", 2), ("lstm/attention", 1)])
def test_what_was_looked_at_while_a_text_was_written(model: str, readers: int) -> None:
    writer, lesson = make(model, depth=2), texts()
    state = writer.start(Source(lesson.inputs, lesson.lengths))
    before = writer.unroll(lesson.targets, state)[0]
    weights = writer.weights(lesson.targets, state)
    assert [one.shape for one in weights] == [(3, 5, 4)] * readers
    for one in weights:
        torch.testing.assert_close(one.sum(2), (lesson.lengths > 0).double()[:, None].expand(3, 5))
        assert not one[2, :, 2:].any()
    assert torch.equal(writer.unroll(lesson.targets, state)[0], before)
    alone = writer.weights(lesson.targets[:, :3], states.take(state, torch.tensor([0, 1, 2])))
    torch.testing.assert_close(alone[0], weights[0][:, :3])


def test_a_recurrent_writer_knows_from_the_start_what_it_writes_about() -> None:
    writer = make("gru", "context")
    (layer, _), (other, _) = (writer.start(Source(torch.tensor([[[n]]]), torch.tensor([1])))[0:2] for n in (3, 4))
    assert not torch.equal(layer.hidden, other.hidden)
    assert make("transformer").begin is None


def test_a_transformer_sees_the_whole_input_and_remembers_the_whole_text() -> None:
    writer = make("transformer", "multihead")
    assert isinstance(writer.encoder, Attending)
    spans = [part.span for part in make("transformer:heads=2").modules() if isinstance(part, Attention)]
    assert spans == [None]
    spans = [part.span for part in make("transformer:span=7").modules() if isinstance(part, Attention)]
    assert spans == [7]
    assert isinstance(make("mingru").encoder, Bidirectional)


def test_an_untrained_writer_gives_every_symbol_its_share() -> None:
    for tied in (False, True):
        writer = make("lstm", embed=64, size=64, tied=tied)
        lesson = texts()
        assert float(writer.nats(lesson).detach().sum()) / 7 == pytest.approx(math.log(11), rel=0.05)


def parts(decoder: Memory, **how: Any) -> Writer:
    front = NoMemory(6, 6, nn.RMSNorm(6))
    return Writer(BagInlet(9, 6), front, build_bidirectional("gru", 6, 8), decoder, symbols=9, embed=6, **how)


def test_what_cannot_be_is_refused() -> None:
    looking = Stack([LSTM(6, 8), Looking(Dot(8, 8, 8))])
    with pytest.raises(OptionError, match="The decoder takes 8 numbers per step, but embed is 6"):
        parts(Looking(Dot(8, 8, 8)))
    with pytest.raises(OptionError, match="no cross-attention: it would write without using the input"):
        parts(LSTM(6, 8))
    with pytest.raises(OptionError, match=r"embed is 6 and the decoder's size is 8\. Make the two equal"):
        parts(looking, tied=True)
    with pytest.raises(OptionError, match=r"label smoothing is 1\.0; it must be at least 0"):
        parts(looking, smoothing=1.0)
    with pytest.raises(OptionError, match="depth is a whole number of at least 1; got 0"):
        make(depth=0)
    with pytest.raises(OptionError, match=r"Unknown reader 'additiv'\. Did you mean 'additive'"):
        make(reader="additiv")
    with pytest.raises(OptionError, match="reader dot has no option 'heads'"):
        make(reader="dot:heads=2")


@pytest.mark.parametrize("model", ["gru", "mingru", "transformer"])
@pytest.mark.parametrize("reader", READERS)
def test_under_bfloat16_autocast_answers_are_near_and_states_float32(model: str, reader: str) -> None:
    writer, lesson = make(model, reader, depth=2, dropout=0.2, smoothing=0.1).float(), texts()
    blank = draw_masks(writer.blank(3), generator(0, "dropout", 1))
    source = Source(lesson.inputs, lesson.lengths)
    with torch.no_grad():
        exact = writer.loss(lesson, blank)[0]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            state = writer.start(source, blank)
            logits, after = writer.unroll(lesson.targets, state)
            stepped, _ = writer.step(lesson.targets[:, 0], state)
            loss = writer.loss(lesson, blank)[0]
    assert {leaf.dtype for leaf in states.leaves((state, after)).values()} <= {torch.float32, torch.int64}
    assert logits.dtype == stepped.dtype == loss.dtype == torch.float32
    torch.testing.assert_close(stepped, logits[:, 0], rtol=0.05, atol=0.02)
    torch.testing.assert_close(loss, exact, rtol=0.02, atol=0.0)


def test_a_text_of_no_symbols_costs_nothing() -> None:
    lesson = texts()._replace(targets=torch.zeros(3, 0, dtype=torch.int64), target_lengths=torch.zeros(3).long())
    writer = make(smoothing=0.1)
    assert float(writer.loss(lesson, writer.blank(3))[0].detach()) == 0.0
    assert writer.nats(lesson).tolist() == [0.0] * 3
