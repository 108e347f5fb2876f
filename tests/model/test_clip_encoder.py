"""A net for video as an encoder of clips: padding, means, maps, and a tiny batch that it overfits."""

from __future__ import annotations

import pytest
import torch

from unrolled.data.dataset.batches import RowBatch
from unrolled.memory.pooling import POOLS
from unrolled.model.embeddings import RawInput
from unrolled.model.encoders import ClipEncoder, clips
from unrolled.model.heads import Head
from unrolled.model.nets.table import VIDEO_NETS, is_video_net, make_video_net
from unrolled.model.row_net import PredictionNet

TINY = "r2plus1d-18:width=0.05,frames=4"


def drawn(rows: int, most: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, most, 3, 4, 32, 32, generator=torch.Generator().manual_seed(seed))


def predictor(net: str = TINY, labels: int = 2) -> PredictionNet:
    torch.manual_seed(0)
    encoder = ClipEncoder(make_video_net(net))
    pool = POOLS["mean"](encoder.size, encoder.size)
    return PredictionNet(RawInput(32), None, encoder, pool, {"label": Head(encoder.size, labels)})


def test_clips_past_the_end_of_a_row_change_nothing() -> None:
    one, other = (ClipEncoder(make_video_net(TINY)).train() for _ in range(2))
    other.load_state_dict(one.state_dict())
    inputs = drawn(3, 2)
    inputs[1, 1], inputs[2] = 1e3, 1e3
    found = other.encode(inputs, torch.tensor([2, 1, 0])).features
    alone = one.encode(torch.stack([inputs[0, 0], inputs[0, 1], inputs[1, 0]])[:, None]).features
    torch.testing.assert_close(torch.stack([found[0, 0], found[0, 1], found[1, 0]])[:, None], alone)
    assert not found[1, 1].any() and not found[2].any()
    assert all(torch.equal(a, b) for a, b in zip(one.buffers(), other.buffers(), strict=True))


def test_the_scores_of_the_clips_of_a_row_are_averaged() -> None:
    model, inputs = predictor().eval(), drawn(2, 3)
    with torch.no_grad():
        whole = model.predict(inputs, torch.tensor([3, 2]))["label"]
        each = model.predict(inputs.flatten(0, 1)[:, None], torch.ones(6, dtype=torch.int64))["label"].view(2, 3, 2)
    torch.testing.assert_close(whole[0], each[0].mean(0))
    torch.testing.assert_close(whole[1], each[1, :2].mean(0))


def test_few_clips_are_evaluated_at_once_and_one_can_be_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = ClipEncoder(make_video_net(TINY)).eval()
    with torch.no_grad():
        whole = encoder.encode(drawn(2, 3)).features
        monkeypatch.setattr(clips, "FRAMES_AT_ONCE", 8)
        torch.testing.assert_close(encoder.encode(drawn(2, 3)).features, whole)
        assert encoder.encode(drawn(1, 1), torch.zeros(1)).features.shape == (1, 1, encoder.size)
    assert encoder.train().encode(drawn(1, 1)).features.shape == (1, 1, encoder.size)


def test_maps_say_where_in_all_clips_a_score_is_raised() -> None:
    model = predictor().eval()
    encoder = model.memory
    assert isinstance(encoder, ClipEncoder)
    maps = model.activation_maps(drawn(2, 3), "label", 1)  # (B, K, t, h, w)
    assert maps.shape[:2] == (2, 3) and torch.allclose(maps.sum((1, 2, 3, 4)), torch.ones(2, dtype=torch.float64))
    assert bool((maps >= 0).all())
    weights = dict(model.heads.named_parameters())["0.output.weight"][1]  # of a linear head: CAM, by hand
    with torch.no_grad():
        places = encoder.net.grid(drawn(2, 3).flatten(0, 1)).double().unflatten(0, (2, 3))  # type: ignore[no-untyped-call]
        raised = torch.einsum("bkdthw,d->bkthw", places, weights.double()).clamp_min(0)
    torch.testing.assert_close(maps, raised / raised.sum((1, 2, 3, 4), keepdim=True), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["r2plus1d-18", pytest.param("r2d-18", marks=pytest.mark.slow),
                                  pytest.param("mc3-18", marks=pytest.mark.slow),
                                  pytest.param("r3d-18", marks=pytest.mark.slow)])  # fmt: skip
def test_a_tiny_batch_is_overfitted(name: str) -> None:
    assert is_video_net(name) and name in VIDEO_NETS
    model, labels = predictor(f"{name}:width=0.05,frames=4", labels=3), torch.tensor([0, 1, 2, 0])
    batch = RowBatch(
        drawn(4, 1), torch.ones(4, dtype=torch.int64), torch.ones(4, dtype=torch.bool), {"label": labels}
    )
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        loss, _ = model.loss(batch, model.start(4))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if float(loss.detach()) < 0.4:
            return
    pytest.fail(f"no overfit in 60 updates; the loss is {float(loss.detach()):.3f}")
