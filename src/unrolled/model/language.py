"""The language model: next-token prediction with any memory."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.errors import OptionError
from unrolled.memory.base import Memory, at_least_float32, ragged, valid_steps
from unrolled.states import State


class LanguageBatch(Protocol):
    """A batch of windows of a text, with the fields of `unrolled.data.text.batches.TextBatch`."""

    @property
    def inputs(self) -> Tensor: ...

    @property
    def targets(self) -> Tensor: ...

    @property
    def lengths(self) -> Tensor: ...


class LanguageModel(nn.Module):
    """Language model: logits over the next token at each step. B rows, T steps, V size of the vocabulary.

    Its state is the memory's. Logits are float32 (float64 where the weights are). The output layer starts
    small, so that an untrained model's loss is ln V nats per token.
    """

    def __init__(self, tokens: int, embed: int, memory: Memory) -> None:
        super().__init__()
        if memory.input_size != embed:
            raise OptionError(
                f"The memory takes {memory.input_size} numbers per step, but the embeddings have {embed}; "
                "the two must be equal."
            )
        self.tokens = tokens
        self.embedding = nn.Embedding(tokens, embed)  # normal, standard deviation 1
        self.memory = memory
        self.output = nn.Linear(memory.size, tokens)
        nn.init.normal_(self.output.weight, std=0.02)
        nn.init.zeros_(self.output.bias)

    @property
    def components(self) -> dict[str, str]:
        """Component -> prefix of the names of its tensors."""
        return {"embedding": "embedding.", "memory": "memory.", "head": "output."}

    def start(self, rows: int) -> State:
        """The state before the first token."""
        return self.memory.start(rows)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """tokens (B,) -> logits (B, V) of the next token, and the state."""
        hidden, state = self.memory.step(self.embedding(tokens.to(self.embedding.weight.device)), state)  # (B, H)
        return at_least_float32(self.output(hidden)), state

    def unroll(self, tokens: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """tokens (B, T) -> logits (B, T, V), zero past a row's length, and the state at each row's end."""
        tokens = tokens.to(self.embedding.weight.device)
        steps, lengths = tokens.shape[1], ragged(lengths, tokens.shape[1])
        hidden, state = self.memory.unroll(self.embedding(tokens), state, lengths)  # (B, T, H)
        logits = at_least_float32(self.output(hidden))  # (B, T, V)
        if lengths is not None:
            logits = torch.where(valid_steps(lengths, steps, logits.device)[..., None], logits, 0.0)
        return logits, state

    def loss(self, batch: LanguageBatch, state: State) -> tuple[Tensor, State]:
        """Nats of all targets of a batch, summed, and the state after it."""
        logits, state = self.unroll(batch.inputs, state, batch.lengths)
        return summed_nats(logits, batch.targets, batch.lengths), state

    def forward(self, tokens: Tensor, state: State, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """The same as `unroll`."""
        return self.unroll(tokens, state, lengths)


def summed_nats(logits: Tensor, targets: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Nats of targets (B, T) under logits (B, T, V), summed over the steps within `lengths` (B,)."""
    steps = targets.shape[1]
    if (lengths := ragged(lengths, steps)) is not None:
        targets = torch.where(valid_steps(lengths, steps, targets.device), targets, -100)  # -100: not counted
    return F.cross_entropy(
        at_least_float32(logits).flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="sum"
    )
