"""The fovea: what its retina sees, what moves its gaze, and that rows do not depend on each other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled import states
from unrolled.data.dataset.batches import RowBatch
from unrolled.errors import OptionError, TensorError
from unrolled.memory import draw_masks
from unrolled.memory.pooling import POOLS
from unrolled.model.embeddings import RawInput
from unrolled.model.encoders import GazeState, GlimpseEncoder, make_glimpse
from unrolled.model.encoders.locator import Locator, policy_cost
from unrolled.model.encoders.retina import Retina
from unrolled.model.heads import Head
from unrolled.model.row_net import PredictionNet

GAZES = ("learned", "transformer", "random", "centre")


def made(gaze: str = "learned", **options: object) -> GlimpseEncoder:
    """A small fovea, with places that depend on what it sees."""
    torch.manual_seed(0)
    words = {"glimpses": 4, "size": 3, "scales": 2, "width": 12, "gaze": gaze} | options
    encoder = make_glimpse("glimpse:" + ",".join(f"{name}={value}" for name, value in words.items()), 2)
    if encoder.locator.place is not None:
        torch.nn.init.normal_(encoder.locator.place.weight)
    return encoder


def images(rows: int = 5, high: int = 9, wide: int = 7) -> Tensor:
    return torch.randn(rows, 2, high, wide, generator=torch.Generator().manual_seed(1))


def drawn(encoder: GlimpseEncoder, rows: int = 5) -> GazeState:
    state: GazeState = draw_masks(encoder.start(rows), torch.Generator().manual_seed(2))
    return state


def test_the_first_square_is_a_part_of_the_image() -> None:
    retina, image = Retina(4, 1), images(1, 10, 12)
    place = torch.tensor([[2 * 5 / 12 - 1, 2 * 6 / 10 - 1]])  # between the pixels: 5 from the left, 6 from above
    (square,) = retina.squares(retina.reduced(image), place)
    torch.testing.assert_close(square[0], image[0, :, 4:8, 3:7])
    assert retina.sides(10, 12) == [(0.4, 4 / 12)]


def test_the_next_square_is_twice_as_wide_at_half_the_resolution() -> None:
    retina, image = Retina(2, 3), images(1, 8, 8)
    (squares,) = retina.squares(retina.reduced(image), torch.zeros(1, 2))
    torch.testing.assert_close(squares[0], image[0, :, 3:5, 3:5])
    torch.testing.assert_close(squares[1], F.avg_pool2d(image, 2)[0, :, 1:3, 1:3])
    torch.testing.assert_close(squares[2], F.avg_pool2d(image, 4)[0])


def test_beyond_the_image_its_edge_continues() -> None:
    retina, image = Retina(6, 2), images(1, 3, 2)
    squares = retina.squares(retina.reduced(image), torch.tensor([[-1.0, -1.0]]))  # the upper left corner
    assert squares.shape == (1, 2, 2, 6, 6) and bool(squares.isfinite().all())
    torch.testing.assert_close(squares[0, 0, :, :4, :4], image[0, :, :1, :1].expand(2, 4, 4))


def test_reinforce_follows_the_gradient_of_the_mean_reward() -> None:
    """The reward is -(x - 0.3)² - (y + 0.2)²: around a mean m its mean has the gradient -2 (m - …)."""
    best, rows = torch.tensor([0.3, -0.2]).double(), 400_000
    locator = Locator(1, "learned", 0.2).double()
    assert locator.place is not None and locator.reward is not None
    locator.place.weight.data.zero_()
    locator.place.bias.data.copy_(torch.tensor([0.1, 0.1]))
    normal = torch.randn(rows, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    places, log_densities, baselines = locator(torch.zeros(rows, 1).double(), normal)
    rewards = -(places - best).square().sum(1)
    (policy_cost(log_densities[:, None], baselines[:, None], rewards[:, None]) / rows).backward()  # type: ignore[no-untyped-call]
    mean = torch.tensor([0.1, 0.1]).double().tanh()
    expected = 2 * (mean - best) * (1 - mean**2)
    found = locator.place.bias.grad
    assert found is not None
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.005)
    assert locator.reward.bias.grad == pytest.approx(-2 * float(rewards.mean()))


def test_a_draw_is_credited_with_the_rewards_from_its_glimpse_on() -> None:
    log_densities, baselines = torch.zeros(1, 3, requires_grad=True), torch.tensor([[0.5, 0.25, 0.0]])
    policy_cost(log_densities, baselines, torch.tensor([[0.0, 1.0, 1.0]])).backward()  # type: ignore[no-untyped-call]
    assert log_densities.grad is not None
    assert log_densities.grad[0].tolist() == pytest.approx([0.5 - 2 / 3, 0.25 - 1, 0 - 1])


@pytest.mark.parametrize("gaze", GAZES)
def test_only_a_transformer_backpropagates_through_places(gaze: str) -> None:
    encoder = made(gaze)
    encoder.encode(images(), None, drawn(encoder)).features.square().sum().backward()  # type: ignore[no-untyped-call]
    moved = [name for name, weight in encoder.locator.named_parameters() if weight.grad is not None]
    assert moved == (["place.weight", "place.bias"] if gaze == "transformer" else [])


def test_the_cost_of_a_gaze_moves_the_locator_alone() -> None:
    encoder = made()
    looked = encoder.look(images(), None, drawn(encoder))
    policy_cost(looked.log_densities, looked.baselines, torch.rand(5, 4)).backward()  # type: ignore[no-untyped-call]
    moved = {name for name, weight in encoder.named_parameters() if weight.grad is not None}
    assert moved == {f"locator.{name}" for name, _ in encoder.locator.named_parameters()}


@pytest.mark.parametrize("gaze", GAZES)
def test_rows_do_not_depend_on_each_other(gaze: str) -> None:
    """In evaluation and, with the draws of the state, in training."""
    encoder = made(gaze).double()
    some = images().double()
    for state in (encoder.start(5), drawn(encoder)):
        whole = encoder.look(some, None, state)
        for rows in ([3, 1, 4], [2], [0, 0]):
            taken = torch.tensor(rows)
            part = encoder.look(some[taken], None, states.take(state, taken))
            for own, all_rows in zip(part, whole, strict=True):
                torch.testing.assert_close(own, all_rows[taken], rtol=0, atol=1e-12)


@pytest.mark.parametrize("gaze", GAZES)
def test_padding_rows_are_zero(gaze: str) -> None:
    encoder, some = made(gaze), images()
    some[3:] = 1e3
    looked = encoder.look(some, torch.tensor([1, 1, 1, 0, 0]), drawn(encoder))
    assert all(not part[3:].any() for part in looked)
    assert looked.features[:3].any()
    assert encoder.encode(some[:0]).features.shape == (0, 1, 12)


def test_places_are_drawn_in_training_alone() -> None:
    encoder, some = made(), images()
    fresh, one, other = (encoder.look(some, None, state) for state in (None, drawn(encoder), drawn(encoder)))
    assert torch.equal(one.places, other.places) and not torch.equal(one.places, fresh.places)
    assert not fresh.log_densities.any() and one.log_densities[:, 1:].all()
    assert not one.places[:, 0].any(), "the first glimpse is at the centre"
    assert float(one.places.abs().max()) <= 1.0


def test_a_random_gaze_is_even_in_training_and_the_same_for_all_images_otherwise() -> None:
    encoder = made("random", glimpses=50)
    places = encoder.look(images(200), None, drawn(encoder, 200)).places
    assert float(places.mean().abs()) < 0.02 and float(places.square().mean()) == pytest.approx(1 / 3, abs=0.02)
    fixed = encoder.look(images(3)).places
    assert torch.equal(fixed[0], fixed[1]) and len(set(map(tuple, fixed[0].tolist()))) == 50
    assert "fixed" in encoder.state_dict() and "fixed" not in made("learned").state_dict()
    assert not made("centre").look(images()).places.any()


@pytest.mark.parametrize(
    ("gaze", "kind"),
    [*((gaze, "classification") for gaze in GAZES), ("learned", "multilabel"), ("learned", "regression")],
)
def test_a_fovea_overfits_a_batch(gaze: str, kind: str) -> None:
    encoder = made(gaze, glimpses=3, size=4, scales=1, width=32, spread=0.05)
    targets = {
        "classification": torch.tensor([0, 1, 2, 0, 1]),
        "multilabel": torch.tensor([[1.0, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 0], [0, 0, 1]]),
        "regression": torch.tensor([[0.5], [-1.0], [1.0], [0.0], [2.0]]),
    }[kind]
    head = Head(32, 2 if kind == "regression" else 3, kind)
    model = PredictionNet(RawInput(7), None, encoder, POOLS["last"](32, 32), {"answer": head})
    some = images()
    batch = RowBatch(some, torch.ones(5).long(), torch.ones(5, dtype=torch.bool), {"answer": targets},
                     axes=("channel", "height", "width"))  # fmt: skip
    optimiser, generator = torch.optim.Adam(model.parameters(), lr=0.01), torch.Generator().manual_seed(0)
    for _ in range(100):
        optimiser.zero_grad()
        start = model.start(5)  # places that are random are others in evaluation, so these are learnt
        loss, _ = model.loss(batch, start if gaze == "random" else draw_masks(start, generator))
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    said = model.to_predictions(model.predict(some, batch.lengths))["answer"].detach()
    right = {
        "classification": lambda: said.argmax(1) == targets,
        "multilabel": lambda: (said > 0) == (targets > 0),
        "regression": lambda: (said[:, :1] - targets).abs() < 0.3,
    }[kind]()
    assert bool(right.all()), said


def test_the_loss_is_that_after_the_last_glimpse() -> None:
    encoder = made()
    model = PredictionNet(RawInput(7), None, encoder, POOLS["last"](12, 12), {"answer": Head(12, 3)})
    labels = torch.tensor([0, 1, 2, -100, 1])
    batch = RowBatch(images(), torch.tensor([1, 1, 1, 0, 1]), torch.ones(5, dtype=torch.bool), {"answer": labels},
                     axes=("channel", "height", "width"))  # fmt: skip
    loss, _ = model.loss(batch, model.start(5))
    known = labels >= 0
    logits = model.predict(batch.inputs, batch.lengths)["answer"][known]
    nats = F.cross_entropy(logits.detach(), labels[known], reduction="sum")
    assert float(loss.detach()) == pytest.approx(float(nats))
    by_glimpse, places = model.predict_by_glimpse(batch.inputs, batch.lengths)
    assert torch.equal(by_glimpse["answer"][known, -1], logits) and places.shape == (5, 4, 2)


@pytest.mark.parametrize("memory", ["rnn", "gru", "mingru", "transformer"])
def test_any_memory_keeps_what_was_seen(memory: str) -> None:
    encoder = made(memory=memory, width=16)
    features = encoder.look(images(), None, drawn(encoder)).features
    assert features.shape == (5, 4, 16) and bool(features.isfinite().all())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("glimpse:glimpses=0", "glimpses is a whole number from 1 to 1000; got 0"),
        ("glimpse:size=0", "size is a whole number from 1 to 256; got 0"),
        ("glimpse:scales=9", "scales is a whole number from 1 to 8; got 9"),
        ("glimpse:gaze=left", "gaze is 'learned' or 'transformer' or 'random' or 'centre'; got 'left'"),
        ("glimpse:spread=0", "spread is a number from 0.001 to 1; got 0"),
        ("glimpse:memory=lstn", "Did you mean 'lstm'"),
        ("glimpse:widht=3", "Did you mean 'width'"),
        ("glimpse:size=big", "glimpse:size is a whole number; got 'big'"),
    ],
)
def test_wrong_options_are_refused(text: str, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        make_glimpse(text, 1)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 8, 8), (2, 2, 0, 8)])
def test_wrong_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(TensorError, match=r"GlimpseEncoder reads images of shape \(rows, 2, height, width\); got"):
        made().encode(torch.zeros(shape))
