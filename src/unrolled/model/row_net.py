"""A model that predicts outputs of rows: embedding -> stem -> memory or encoder -> pool -> heads. B rows, T steps.

Where an encoder reads whole images or clips, there is no stem.

A head predicts a row output from the pooled features, or a step output from the features of each step. If
all heads predict step outputs, nothing is pooled. A step is given as P ids, or as D numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from unrolled.errors import OptionError
from unrolled.memory import Dropout
from unrolled.memory.base import Memory, ragged, valid_steps
from unrolled.memory.none import NoState
from unrolled.memory.pooling import AttentionPool
from unrolled.model.encoders import ClipEncoder, Encoder, GlimpseEncoder, ImageEncoder
from unrolled.model.encoders.locator import policy_cost
from unrolled.model.heads import Head
from unrolled.states import State

Logits = dict[str, Tensor]  # output -> numbers of its head
POLICY = 0.01  # weight of the cost of a gaze, which has gradients of its own and matters by the norm's limit alone
AGREEMENT = 2.0  # weight of the divergence between two dropout passes over a row, in nats


class PredictionNetState(NamedTuple):
    stem: State
    memory: State  # of the memory; the start state of an encoder
    pool: State


class PredictionBatch(Protocol):
    """A batch of rows and their targets, with the fields of `unrolled.data.dataset.batches.RowBatch`."""

    @property
    def inputs(self) -> Tensor: ...

    @property
    def lengths(self) -> Tensor: ...

    @property
    def targets(self) -> Mapping[str, Tensor]: ...

    @property
    def twice(self) -> bool: ...  # whether the second half repeats the rows of the first


class PredictionNet(nn.Module):
    """Predicts logits for each of its outputs; with a memory, a prediction so far at every step.

    With an encoder of whole rows there is no prediction before the end of a row, so the model does not step.
    """

    def __init__(
        self,
        embedding: nn.Module,
        stem: Memory | None,
        memory: Memory | Encoder | ImageEncoder | ClipEncoder | GlimpseEncoder,
        pool: Memory,
        heads: Mapping[str, Head],
        step_outputs: Collection[str] = (),
    ) -> None:
        """stem: None for an encoder of whole images or clips. step_outputs: the names of the outputs that are
        predicted at every step, such as tags."""
        super().__init__()
        self.embedding, self.stem, self.memory, self.pool = embedding, stem, memory, pool
        self.names, self.step_outputs = tuple(heads), frozenset(step_outputs)
        self.pools = not self.step_outputs.issuperset(heads)  # whether there is a row output
        self.heads = nn.ModuleList(heads.values())  # a list, because an output's name may not be a valid module name

    @property
    def streams(self) -> bool:
        """Whether it can predict at every step, before the end of a row."""
        return isinstance(self.memory, Memory)

    @property
    def components(self) -> dict[str, str]:
        """Component -> prefix of the names of its tensors."""
        memory = "memory" if self.streams else "encoder"
        prefixes = {"embedding": "embedding.", "stem": "stem.", memory: "memory.", "pool": "pool."}
        if isinstance(self.memory, ImageEncoder | ClipEncoder | GlimpseEncoder):
            prefixes = {memory: "memory."}
        return prefixes | {head_name(name): f"heads.{place}." for place, name in enumerate(self.names)}

    def start(self, rows: int) -> PredictionNetState:
        """The state before the first step."""
        stem = NoState() if self.stem is None else self.stem.start(rows)
        return PredictionNetState(stem, self.memory.start(rows), self.pool.start(rows))

    def step(self, inputs: Tensor, state: PredictionNetState) -> tuple[Logits, PredictionNetState]:
        """inputs (B, P) -> numbers (B, O) of each output given all steps so far, and the state."""
        stepping, before = self._stepping()
        x, stem = before.step(self.embedding(inputs.to(self._device)), state.stem)  # (B, D)
        hidden, memory = stepping.step(x, state.memory)  # (B, H)
        pooled, pool = self.pool.step(hidden, state.pool) if self.pools else (hidden, state.pool)
        return self._logits(hidden, pooled), PredictionNetState(stem, memory, pool)

    def unroll(
        self, inputs: Tensor, state: PredictionNetState, lengths: Tensor | None = None
    ) -> tuple[Logits, PredictionNetState]:
        """inputs (B, T, P) -> numbers (B, T, O) of each output, zero past a row's length, and the state."""
        self._stepping()
        features, pooled, state = self._encode(inputs, state, lengths)  # (B, T, H)
        outputs, steps = self._logits(features, pooled), inputs.shape[1]
        if (lengths := ragged(lengths, steps)) is not None:
            alive = valid_steps(lengths, steps, pooled.device)[..., None]
            outputs = {name: torch.where(alive, logits, 0.0) for name, logits in outputs.items()}
        return outputs, state

    def forward(
        self, inputs: Tensor, state: PredictionNetState, lengths: Tensor | None = None
    ) -> tuple[Logits, PredictionNetState]:
        """The same as `unroll`."""
        return self.unroll(inputs, state, lengths)

    def predict(self, inputs: Tensor, lengths: Tensor) -> Logits:
        """Whole rows, inputs (B, T, P) of these lengths -> numbers (B, O) of each row output, and (B, T, O) of each
        step output."""
        features, pooled, _ = self._encode(inputs, self.start(len(inputs)), lengths)
        return self._logits(features, at_end(pooled, lengths))

    def predict_by_glimpse(self, images: Tensor, lengths: Tensor) -> tuple[Logits, Tensor]:
        """Images (B, C, H, W) -> numbers (B, G, O) of each output after each glimpse, and where the glimpses were,
        (B, G, 2), see `Glimpsed`. Raises TypeError for an encoder that does not look by glimpses."""
        if not isinstance(self.memory, GlimpseEncoder):
            raise TypeError(f"an encoder of kind {type(self.memory).__name__} has no glimpses")
        looked = self.memory.look(self.embedding(images.to(self._device)), lengths)
        return self._logits(looked.features, looked.features), looked.places

    @property
    def pool_attends(self) -> bool:
        """Whether row outputs are predicted from an attention-weighted mean of the steps."""
        return self.pools and isinstance(self._pool, AttentionPool)

    @torch.no_grad()
    def pool_weights(self, inputs: Tensor) -> Tensor:
        """The weight of each step in that mean: whole rows (B, T, P) without padding -> (B, T), sum 1. Raises
        TypeError for another pool."""
        if not isinstance(self._pool, AttentionPool):
            raise TypeError(f"a pool of kind {type(self._pool).__name__} has no weights")
        features, _, _ = self._encode(inputs, self.start(len(inputs)), None)
        return self._pool.shares(features)

    def activation_maps(self, images: Tensor, output: str, number: int) -> Tensor:
        """Where in images (B, C, H, W) is what raises a number of an output, such as the logit of a label: maps
        (B, h, w), see `Net.maps`; of clips (B, K, C, T, H, W) maps (B, K, t, h, w). Raises TypeError unless the
        encoder reads whole images or clips."""
        if not isinstance(self.memory, ImageEncoder | ClipEncoder):
            raise TypeError(f"a memory of kind {type(self.memory).__name__} reads no whole images")
        head = dict(self._heads())[output]
        images = self.embedding(images.to(self._device))
        return self.memory.maps(images, lambda vectors: head(vectors)[:, number])

    def to_predictions(self, outputs: Logits) -> Logits:
        """Turn logits into predictions: log-probabilities, log-odds, or means and log standard deviations."""
        return {name: head.likelihood.to_predictions(outputs[name]) for name, head in self._heads()}

    def loss(self, batch: PredictionBatch, state: PredictionNetState) -> tuple[Tensor, PredictionNetState]:
        """Nats of the known targets, summed over rows and outputs, and the state after.

        If the batch holds each row twice, the two passes have different dropout masks, and their divergence is a
        penalty (R-Drop: Liang et al. 2021). The gradient includes the penalty; the value is the nats alone.
        """
        if isinstance(self.memory, GlimpseEncoder):
            return self._loss_of_glimpses(self.memory, batch, state), state
        features, pooled, state = self._encode(batch.inputs, state, batch.lengths)
        logits = self._logits(features, at_end(pooled, batch.lengths))
        nats = torch.stack([head.loss(logits[name], batch.targets[name]) for name, head in self._heads()]).sum()
        if not batch.twice:
            return nats, state
        divergences = [head.divergence(logits[name], batch.targets[name]) for name, head in self._heads()]
        cost = AGREEMENT * torch.stack(divergences).sum()
        return nats + cost - cost.detach(), state

    def _loss_of_glimpses(self, encoder: GlimpseEncoder, batch: PredictionBatch, state: PredictionNetState) -> Tensor:
        """The nats after the last glimpse. The gradient is that of the mean nats after each glimpse, so that a
        prediction is of use whenever the gaze stops, and of the cost of the places looked at."""
        looked = encoder.look(self.embedding(batch.inputs.to(self._device)), batch.lengths, state.memory)
        nats, cost = [], []
        for name, head in self._heads():
            logits, targets = head(looked.features), batch.targets[name]  # (B, G, O)
            after_each = [head.loss(some, targets) for some in logits.unbind(1)]
            nats.append(after_each[-1])
            cost.append(torch.stack(after_each).mean())
            if encoder.gaze == "learned":
                rewards = head.rewards(logits, targets)
                cost.append(POLICY * policy_cost(looked.log_densities, looked.baselines, rewards))
        trained = torch.stack(cost).sum()
        return torch.stack(nats).sum().detach() + trained - trained.detach()

    def _encode(
        self, inputs: Tensor, state: PredictionNetState, lengths: Tensor | None
    ) -> tuple[Tensor, Tensor, PredictionNetState]:
        xs, stem = self.embedding(inputs.to(self._device)), state.stem
        if self.stem is not None:
            xs, stem = self.stem.unroll(xs, stem, lengths)  # (B, T, D)
        if isinstance(self.memory, ImageEncoder | ClipEncoder):
            features, memory = self.memory.encode(xs, lengths).features, state.memory  # (B, 1 or K, H)
        elif isinstance(self.memory, Encoder | GlimpseEncoder):
            features, memory = self.memory.encode(xs, lengths, state.memory).features, state.memory
        else:
            features, memory = self.memory.unroll(xs, state.memory, lengths)  # (B, T, H)
        if not self.pools:
            return features, features, PredictionNetState(stem, memory, state.pool)
        pooled, pool = self.pool.unroll(features, state.pool, lengths)
        return features, pooled, PredictionNetState(stem, memory, pool)

    def _logits(self, features: Tensor, pooled: Tensor) -> Logits:
        return {name: head(features if name in self.step_outputs else pooled) for name, head in self._heads()}

    def _heads(self) -> list[tuple[str, Head]]:
        pairs = zip(self.names, self.heads, strict=True)
        return [(name, head) for name, head in pairs if isinstance(head, Head)]

    def _stepping(self) -> tuple[Memory, Memory]:
        """The memory, and the stem below it. Raises OptionError for an encoder of whole rows."""
        if not isinstance(self.memory, Memory) or self.stem is None:
            raise OptionError(
                "This model has an encoder of whole rows: it makes no prediction before the end of a row.\n"
                "Train a causal model: --direction causal."
            )
        return self.memory, self.stem

    @property
    def _pool(self) -> Memory:
        return self.pool.memory if isinstance(self.pool, Dropout) else self.pool

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device


def head_name(output: str) -> str:
    """The name of the component that predicts an output."""
    return f"head '{output}'"


def at_end(outputs: Tensor, lengths: Tensor) -> Tensor:
    """outputs (B, T, H) -> (B, H) at each row's last step; at the first step for a row of length 0."""
    last = (lengths - 1).clamp_min(0).to(outputs.device)  # (B,)
    return outputs[torch.arange(len(outputs), device=outputs.device), last]
