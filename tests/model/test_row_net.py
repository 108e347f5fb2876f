"""Models that predict output columns: what a prediction depends on, the loss of a wrong one, the limits of whole
rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from unrolled.data.dataset.batches import RowBatch
from unrolled.data.dataset.targets import NO_TARGET
from unrolled.errors import OptionError
from unrolled.memory import Dropout, NoMemory, build_stack, draw_masks
from unrolled.memory.pooling import POOLS, AttentionPool, Mean
from unrolled.model.embeddings import BagEmbedding
from unrolled.model.encoders import build_bidirectional
from unrolled.model.heads import Head, balanced_weights
from unrolled.model.row_net import AGREEMENT, PredictionNet


def make(both: bool = True, pool: str = "attention", memory: str = "lstm", dropout: float = 0.0) -> PredictionNet:
    torch.manual_seed(0)
    stem = NoMemory(6, 6, nn.RMSNorm(6, eps=1e-5))
    build = build_bidirectional if both else build_stack
    outputs = {"mood": Head(8, 2), "side of it": Head(8, 3)}
    pooled = POOLS[pool](8, 8)
    between = build(memory, 6, 8, 1, dropout)
    model = PredictionNet(BagEmbedding(20, 6), Dropout(stem, dropout), between, Dropout(pooled, dropout), outputs)
    return model.double()


def rows(*lengths: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(1, 20, (len(lengths), max(lengths), 1), generator=generator), torch.tensor(lengths)


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("pool", ["mean", "attention"])
def test_a_prediction_depends_on_its_own_row_alone(both: bool, pool: str) -> None:
    model = make(both, pool)
    inputs, lengths = rows(5, 1, 3)
    targets = model.predict(inputs, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = model.predict(inputs[row : row + 1, :length], lengths[row : row + 1])
        for name, logits in alone.items():
            torch.testing.assert_close(logits[0], targets[name][row], rtol=0, atol=1e-12)
    loud = inputs.clone()
    loud[1, 1:] = 19
    torch.testing.assert_close(model.predict(loud, lengths)["mood"], targets["mood"], rtol=0, atol=0)


@pytest.mark.parametrize("pool", POOLS)
def test_a_causal_prediction_is_that_of_the_row_so_far(pool: str) -> None:
    model = make(both=False, pool=pool)
    inputs, _ = rows(6, 6)
    so_far, _ = model.unroll(inputs, model.start(2))
    for t in range(1, 7):
        predict = model.predict(inputs[:, :t], torch.tensor([t, t]))
        torch.testing.assert_close(so_far["mood"][:, t - 1], predict["mood"], rtol=0, atol=1e-12)


def test_nothing_is_pooled_where_every_head_predicts_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    def pool(*_: object) -> None:
        raise AssertionError("pooled")

    inputs, lengths = rows(5, 1, 3)
    whole = make(both=False, dropout=0.4)
    both = {"mood", "side of it"}
    tags = PredictionNet(whole.embedding, whole.stem, whole.memory, whole.pool, dict(whole._heads()), both)
    assert list(tags.state_dict()) == list(whole.state_dict()), "weights have the names that they had"
    for verb in ("step", "unroll"):
        monkeypatch.setattr(whole.pool, verb, pool)
    state = tags.start(3)
    targets = {name: torch.zeros(3, 5, dtype=torch.int64) for name in both}
    batch = RowBatch(inputs, lengths, torch.ones(3, dtype=torch.bool), targets, frozenset(both))
    _, after = tags.loss(batch, state)
    assert after.pool is state.pool
    logits, stepped = tags.unroll(inputs, state), state
    for t in range(5):
        step, stepped = tags.step(inputs[:, t], stepped)
        torch.testing.assert_close(step["mood"][0], logits[0]["mood"][0, t])
    assert tags.predict(inputs, lengths)["mood"].shape == (3, 5, 2)
    some = PredictionNet(whole.embedding, whole.stem, whole.memory, whole.pool, dict(whole._heads()), {"mood"})
    with pytest.raises(AssertionError, match="pooled"):
        some.predict(inputs, lengths)


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_the_losses_of_segments_add_up_to_the_loss(cut: int) -> None:
    model = make(both=False, dropout=0.4)
    inputs, lengths = rows(5, 1, 3, 1)
    lengths[3] = 0
    targets = {"mood": torch.tensor([0, 1, NO_TARGET, NO_TARGET]), "side of it": torch.tensor([2, 0, 1, NO_TARGET])}
    batch = RowBatch(inputs, lengths, torch.ones(4, dtype=torch.bool), targets)
    start = draw_masks(model.start(4), torch.Generator().manual_seed(0))
    whole, _ = model.loss(batch, start)
    first, state = model.loss(batch.cut(0, cut), start)
    second, _ = model.loss(batch.cut(cut, 5), state)
    torch.testing.assert_close(first + second, whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dropout", [0.4, 0.0])
def test_two_passes_over_a_row_are_trained_to_agree(dropout: float) -> None:
    model = make(dropout=dropout)
    for weight in model.heads.parameters():
        nn.init.normal_(weight)  # heads that are not zero
    inputs, lengths = rows(5, 1, 3)
    targets = {"mood": torch.tensor([0, 1, NO_TARGET]), "side of it": torch.tensor([2, NO_TARGET, 1])}
    once = RowBatch(inputs, lengths, torch.ones(3, dtype=torch.bool), targets)
    start = draw_masks(model.start(6), torch.Generator().manual_seed(0))

    def gradient(loss: Tensor) -> Tensor:
        return torch.cat([one.flatten() for one in torch.autograd.grad(loss, list(model.parameters()))])

    def apart() -> Tensor:
        """The predictions of the two passes over each row, separated by hand."""
        _, pooled, _ = model._encode(inputs.repeat(2, 1, 1), start, lengths.repeat(2))
        ends = pooled[torch.arange(6), lengths.repeat(2) - 1]
        mood, side = (head(ends).log_softmax(1) for head in model.heads)
        due = ((mood, [0, 1]), (side, [0, 2]))
        return torch.stack(
            [((p[row].exp() - p[3 + row].exp()) * (p[row] - p[3 + row])).sum() / 2 for p, on in due for row in on]
        ).sum()

    loss, _ = model.loss(once.doubled(), start)
    nats, _ = model.loss(once.doubled()._replace(twice=False), start)
    torch.testing.assert_close(loss, nats, rtol=0, atol=1e-12, msg="the value is nats alone")
    expected = gradient(nats) + AGREEMENT * gradient(apart())
    loss, _ = model.loss(once.doubled(), start)
    torch.testing.assert_close(gradient(loss), expected, rtol=0, atol=1e-10)
    assert bool(apart() > 1e-3) == bool(dropout), "without dropout the two are one"


def test_bidirectional_nets_predict_only_at_the_end() -> None:
    model = make(both=True)
    assert not model.streams
    with pytest.raises(OptionError, match=r"makes no prediction before the end of a row\.\n.*--direction causal"):
        model.step(torch.tensor([[3]]), model.start(1))
    with pytest.raises(OptionError, match=r"makes no prediction before the end of a row\.\n.*--direction causal"):
        model.unroll(torch.tensor([[[3]]]), model.start(1))


def test_the_first_loss_is_the_logarithm_of_all_labels() -> None:
    model = make()
    inputs, lengths = rows(4, 4, 4)
    targets = {"mood": torch.tensor([0, 1, 0]), "side of it": torch.tensor([2, 0, 1])}
    loss, _ = model.loss(RowBatch(inputs, lengths, torch.ones(3, dtype=torch.bool), targets), model.start(3))
    assert float(loss.detach()) / 3 == pytest.approx(math.log(6), abs=0.1)


def test_balanced_labels_count_alike() -> None:
    weights = balanced_weights([90, 9, 1])
    assert np.array(weights) * [90, 9, 1] == pytest.approx([100 / 3] * 3)
    head = Head(4, 3, weights=weights)
    logits = torch.zeros(3, 3)
    found = [float(head.loss(logits[:1], torch.tensor([label])).detach()) for label in range(3)]
    assert found == pytest.approx([weight * math.log(3) for weight in weights])
    assert "weights" not in head.state_dict(), "they are of training, not of the model that is kept"
    assert float(head.loss(logits[:1], torch.tensor([NO_TARGET])).detach()) == 0.0, "a missing target costs nothing"


def test_a_bag_is_the_sum_of_its_ids_whatever_their_number() -> None:
    embedding = BagEmbedding(50, 8)
    one = embedding(torch.tensor([[7, 0, 0]]))
    assert torch.allclose(one, embedding.embedding.weight[7])
    assert torch.allclose(embedding(torch.tensor([[7, 7, 7, 7]])), 2 * one)
    assert not embedding(torch.tensor([[0, 0]])).any()
    assert embedding(torch.tensor([[[7, 3], [0, 4]]])).shape == (1, 2, 8)


def test_pools_are_means_over_the_row() -> None:
    xs = torch.randn(2, 5, 8, dtype=torch.float64)
    mean, attend = Mean(8, 8).double(), AttentionPool(8, 8).double()
    outputs, _ = mean.unroll(xs, mean.start(2))
    torch.testing.assert_close(outputs[:, -1], xs.mean(1))
    first, _ = attend.unroll(xs, attend.start(2))
    torch.testing.assert_close(first, outputs, msg="before it has learnt what to look for it is the mean")
    nn.init.normal_(attend.query.weight)
    scores = torch.exp(8 * torch.tanh(attend.query(torch.tanh(attend.look(xs)))))
    looked, _ = attend.unroll(xs, attend.start(2))
    torch.testing.assert_close(looked[:, -1], (scores * xs).sum(1) / scores.sum(1))
    with pytest.raises(OptionError, match="A pool of 4 numbers per step gives 4, not 8"):
        Mean(4, 8)
