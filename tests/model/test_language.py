"""The language model: its first loss, which tokens a loss counts, and that it is as fast as torch's own modules."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from unrolled.errors import OptionError
from unrolled.memory import LSTM, build_stack
from unrolled.model.language import LanguageModel, summed_nats


@pytest.mark.parametrize("tokens", [4, 65, 1000])
def test_the_first_loss_is_ln_v(tokens: int) -> None:
    torch.manual_seed(0)
    model = LanguageModel(tokens, 256, build_stack("lstm", 256, 256, depth=2, dropout=0.3))
    read = torch.randint(0, tokens, (8, 65))
    logits, _ = model.unroll(read[:, :-1], model.start(8))
    assert summed_nats(logits, read[:, 1:]).item() / (8 * 64) == pytest.approx(math.log(tokens), rel=0.02)


def test_it_is_an_embedding_a_memory_and_an_output_layer() -> None:
    torch.manual_seed(0)
    memory = LSTM(6, 8)
    model = LanguageModel(10, 6, memory)
    read = torch.randint(0, 10, (3, 5))
    logits, after = model(read, model.start(3))
    hidden, expected = memory.unroll(model.embedding(read), memory.start(3))
    torch.testing.assert_close(logits, model.output(hidden))
    torch.testing.assert_close(tuple(after), tuple(expected))
    assert logits.shape == (3, 5, 10)
    assert model.embedding.weight.std().item() == pytest.approx(1, abs=0.2)
    assert model.output.weight.std().item() == pytest.approx(0.02, abs=0.005) and not model.output.bias.any()


def test_a_loss_counts_no_padding() -> None:
    logits = torch.randn(3, 4, 7, requires_grad=True)
    targets = torch.randint(0, 7, (3, 4))
    lengths = torch.tensor([4, 0, 2])
    found = summed_nats(logits, targets, lengths)
    expected = sum(
        F.cross_entropy(logits[row, :length], targets[row, :length], reduction="sum")
        for row, length in enumerate(lengths.tolist())
        if length
    )
    torch.testing.assert_close(found, expected)
    (gradient,) = torch.autograd.grad(found, logits)
    assert not gradient[1].any() and not gradient[2, 2:].any() and bool(gradient[2, :2].any())
    assert summed_nats(logits, targets, torch.zeros(3, dtype=torch.int64)).item() == 0
    assert summed_nats(logits[:, :0], targets[:, :0]).item() == 0


def test_logits_and_losses_are_float32_under_autocast_and_float64_where_the_weights_are() -> None:
    model = LanguageModel(10, 6, LSTM(6, 8))
    read = torch.randint(0, 10, (3, 5))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for logits in (model.unroll(read, model.start(3))[0], model.step(read[:, 0], model.start(3))[0]):
            assert logits.dtype == torch.float32
        assert summed_nats(model.unroll(read, model.start(3))[0], read).dtype == torch.float32
    model = model.double()
    assert summed_nats(model.unroll(read, model.start(3))[0], read).dtype == torch.float64


def test_an_embedding_of_another_width_is_refused() -> None:
    with pytest.raises(OptionError, match="takes 6 numbers per step, but the embeddings have 5"):
        LanguageModel(10, 5, LSTM(6, 8))


@pytest.mark.parametrize("lengths", [None, [16, 16]], ids=["without lengths", "equal lengths"])
def test_a_window_of_whole_rows_is_one_call_of_the_kernel(
    lengths: list[int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    kernel = torch.lstm

    def counted(*given: object, **named: object) -> object:
        calls.append(given)
        return kernel(*given, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(torch, "lstm", counted)
    model = LanguageModel(10, 6, LSTM(6, 8))
    read = torch.randint(0, 10, (2, 16))
    model.unroll(read, model.start(2), None if lengths is None else torch.tensor(lengths))
    assert len(calls) == 1
    model.unroll(read, model.start(2), torch.tensor([16, 9]))
    assert len(calls) == 3, "two chunks: both rows, then one"


def test_weights_are_named_by_their_component() -> None:
    model = LanguageModel(10, 6, build_stack("lstm", 6, 6, depth=2, dropout=0.1))
    assert list(dict(model.named_parameters()))[:2] == [
        "embedding.weight",
        "memory.memories.0.memory.weight_ih",
    ]
    assert isinstance(model.output, nn.Linear)
