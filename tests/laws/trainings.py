"""Small trainings for the laws of training, and planted faults, each with the law that has to catch it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from batch_norm_encoder import NormedConvolution
from torch import Tensor, nn

from unrolled import laws
from unrolled.data.dataset.batches import RowBatch
from unrolled.data.dataset.targets import NO_TARGET
from unrolled.gradient import Full
from unrolled.laws import MakeTraining
from unrolled.memory import Dropout, NoMemory
from unrolled.memory.pooling import POOLS
from unrolled.model.embeddings import BagEmbedding, RawInput
from unrolled.model.encoders import ClipEncoder, Encoder, ImageEncoder, build_bidirectional, make_glimpse
from unrolled.model.heads import Head
from unrolled.model.nets.table import make_net, make_video_net
from unrolled.model.row_net import PredictionNet
from unrolled.model.weights import batch_norms
from unrolled.options import TrainOptions
from unrolled.training.loop import BatchSource, TrainingState, update
from unrolled.training.optimiser import Optimiser
from unrolled.training.planning import TextSize, plan_steps
from unrolled.training.statistics import BATCHES, estimate_statistics

ROWS, LABELS = 8, 3
HELD_OUT = 1_000  # the index after the last training batch


class Drawn:
    """Batch k is drawn from k: ragged rows of ids, one of them empty; each label has its own ids."""

    def batch(self, k: int) -> RowBatch:
        generator = torch.Generator().manual_seed(k)
        lengths = torch.randint(1, 8, (ROWS,), generator=generator)
        lengths[-1] = 0
        labels = torch.randint(0, LABELS, (ROWS,), generator=generator)
        inputs = torch.randint(1, 7, (ROWS, int(lengths.max()), 1), generator=generator) + 6 * labels[:, None, None]
        labels[-1] = NO_TARGET
        return RowBatch(inputs, lengths, torch.ones(ROWS, dtype=torch.bool), {"label": labels})


class LabelTraining:
    """A training of a classifier around an encoder."""

    estimated_on = BATCHES

    def __init__(self, encoder: Callable[[int, int], Encoder] = NormedConvolution) -> None:
        self.encoder = encoder
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model, self.batches = self.make_net(), self.make_batches()
        settings = TrainOptions(steps=30, hidden_size=8, batch_size=ROWS, window=8, learning_rate=0.02)
        self.plan = plan_steps(settings, TextSize(20, 1000, 8.0), "cpu", 1)
        self.training_state = TrainingState(model, Optimiser(model, self.plan), model.start(ROWS))

    def make_net(self) -> PredictionNet:
        stem = Dropout(NoMemory(6, 6, nn.RMSNorm(6, eps=1e-5)), 0.2)
        heads = {"label": Head(8, LABELS)}
        return PredictionNet(BagEmbedding(20, 6), stem, self.encoder(6, 8), POOLS["mean"](8, 8), heads)

    def make_batches(self) -> BatchSource:
        return Drawn()

    @property
    def model(self) -> nn.Module:
        return self.training_state.model  # type: ignore[no-any-return]

    @property
    def averaged(self) -> nn.Module:
        return self.training_state.optimiser.averaged  # type: ignore[no-any-return]

    def update(self, k: int) -> None:
        self.training_state.step = k
        update(self.training_state, self.batches.batch(k), Full(), self.plan, 0)

    @torch.no_grad()
    def forward(self, model: Any, k: int) -> None:
        batch = self.batches.batch(k)
        model.loss(batch, model.start(ROWS))

    def tensors(self) -> Mapping[str, Tensor]:
        return self.training_state.tensors()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        self.training_state.load(self.training_state.step, dict(tensors), self.training_state.facts())

    @torch.no_grad()
    def validate(self) -> float:
        self.estimate()
        averaged: Any = self.averaged
        batches = [self.batches.batch(k) for k in range(HELD_OUT, HELD_OUT + 8)]
        nats = sum(float(averaged.loss(batch, averaged.start(ROWS))[0]) for batch in batches)
        return nats / sum(batch.target_count for batch in batches)

    def estimate(self) -> None:
        estimate_statistics(self.training_state, self.batches)

    @torch.no_grad()
    def predict(self, rows: Sequence[int]) -> Tensor:
        batch: Any = self.batches.batch(HELD_OUT)
        some, averaged = torch.tensor(list(rows)), self.averaged
        found: Tensor = averaged.predict(batch.inputs[some], batch.lengths[some])["label"]  # type: ignore[operator]
        return found


class DrawnImages:
    """Batch k is drawn from k: images of one colour a label, with noise; the last row is padding."""

    def batch(self, k: int) -> RowBatch:
        generator = torch.Generator().manual_seed(k)
        labels = torch.randint(0, LABELS, (ROWS,), generator=generator)
        images = torch.randn(ROWS, LABELS, 8, 8, generator=generator)
        images[torch.arange(ROWS), labels] += 3.0
        lengths = torch.ones(ROWS, dtype=torch.int64)
        lengths[-1], images[-1], labels[-1] = 0, 1e3, NO_TARGET
        fresh = torch.ones(ROWS, dtype=torch.bool)
        return RowBatch(images, lengths, fresh, {"label": labels}, axes=("channel", "height", "width"))


class ImageTraining(LabelTraining):
    """A training of a net for whole images, with batch norm."""

    net = "resnet18:width=0.125"

    def make_net(self) -> PredictionNet:
        encoder = ImageEncoder(make_net(self.net))
        pool, heads = POOLS["last"](encoder.size, encoder.size), {"label": Head(encoder.size, LABELS)}
        return PredictionNet(RawInput(8), None, encoder, pool, heads)

    def make_batches(self) -> BatchSource:
        return DrawnImages()


class DroppingImageTraining(ImageTraining):
    """The same for a net with dropout, which draws from torch's own generator."""

    net = "alexnet:width=0.125"


class DrawnClips:
    """Batch k is drawn from k: clips whose brightness changes over time by their label, with noise, up to two of a
    row; the last row is padding."""

    def batch(self, k: int) -> RowBatch:
        generator = torch.Generator().manual_seed(k)
        labels = torch.randint(0, LABELS, (ROWS,), generator=generator)
        clips = torch.randn(ROWS, 2, 3, 2, 32, 32, generator=generator)
        rising = torch.linspace(-1, 1, 2).outer(torch.arange(LABELS) - 1.0)  # (T, labels)
        clips += 2 * rising[:, labels].T[:, None, None, :, None, None]
        lengths = torch.randint(1, 3, (ROWS,), generator=generator)
        lengths[-1], clips[-1], labels[-1] = 0, 1e3, NO_TARGET
        clips[lengths == 1, 1] = 1e3
        return RowBatch(clips, lengths, torch.ones(ROWS, dtype=torch.bool), {"label": labels})


class ClipTraining(LabelTraining):
    """A training of a net for video, with batch norm."""

    def make_net(self) -> PredictionNet:
        encoder = ClipEncoder(make_video_net("r3d-18:width=0.03,frames=2"))
        pool, heads = POOLS["mean"](encoder.size, encoder.size), {"label": Head(encoder.size, LABELS)}
        return PredictionNet(RawInput(32), None, encoder, pool, heads)

    def make_batches(self) -> BatchSource:
        return DrawnClips()


class GlimpseTraining(ImageTraining):
    """A training of a fovea, which draws the places that it looks at."""

    gaze = "learned"

    def make_net(self) -> PredictionNet:
        encoder = make_glimpse(f"glimpse:glimpses=3,size=3,scales=2,width=16,gaze={self.gaze}", LABELS)
        pool, heads = POOLS["last"](encoder.size, encoder.size), {"label": Head(encoder.size, LABELS)}
        return PredictionNet(RawInput(8), None, encoder, pool, heads)


class TransformerTraining(GlimpseTraining):
    """The same with a differentiable reader."""

    gaze = "transformer"


class RandomGazeTraining(GlimpseTraining):
    """The same with a gaze that is not learnt."""

    gaze = "random"


class LosesStatistics(LabelTraining):
    """A checkpoint has only parameters."""

    breaks: ClassVar[Callable[[MakeTraining], None]] = laws.a_resumed_training_ends_with_the_same_bytes

    def tensors(self) -> Mapping[str, Tensor]:
        return {name: tensor for name, tensor in super().tensors().items() if "running" not in name}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        super().load(self.training_state.tensors() | dict(tensors))


class PredictsByTheBatch(LabelTraining):
    """Batch norm stays in training mode."""

    breaks: ClassVar[Callable[[MakeTraining], None]] = laws.a_prediction_depends_on_no_other_row_of_its_batch

    def predict(self, rows: Sequence[int]) -> Tensor:
        self.averaged.train()
        return super().predict(rows)


class KeepsRunningStatistics(LabelTraining):
    """The averaged weights are validated with the statistics of the weights in training."""

    breaks: ClassVar[Callable[[MakeTraining], None]] = laws.statistics_of_averaged_weights_are_estimated_with_them

    def estimate(self) -> None:
        pass


class ForgetsEarlierBatches(LabelTraining):
    """A running mean instead of the plain mean: the last batches have the largest weight."""

    breaks: ClassVar[Callable[[MakeTraining], None]] = laws.statistics_of_averaged_weights_are_estimated_with_them

    def estimate(self) -> None:
        for layer in batch_norms(self.averaged).values():
            layer.train()
        for k in range(BATCHES):
            self.forward(self.averaged, k)
        self.averaged.eval()


class LearnsNothing(LabelTraining):
    breaks: ClassVar[Callable[[MakeTraining], None]] = laws.a_training_lowers_the_loss

    def update(self, k: int) -> None:
        self.training_state.step = k


TRAINING_CASES: dict[str, MakeTraining] = {
    "convolutions with batch norm": LabelTraining,
    "a net for images": ImageTraining,
    "a net for images with dropout": DroppingImageTraining,
    "a net for video": ClipTraining,
    "a fovea": GlimpseTraining,
    "a fovea with a differentiable reader": TransformerTraining,
    "a fovea with a random gaze": RandomGazeTraining,
    "both ways, gru": lambda: LabelTraining(lambda inputs, size: build_bidirectional("gru", inputs, size)),
}
BROKEN_TRAININGS: list[Any] = [
    LosesStatistics,
    PredictsByTheBatch,
    KeepsRunningStatistics,
    ForgetsEarlierBatches,
    LearnsNothing,
]
