"""An encoder of the places of an image: each place by itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.arguments import Count
from unrolled.errors import TensorError
from unrolled.memory.base import valid_steps
from unrolled.memory.none import NoState
from unrolled.model.encoders.base import Encoded, Encoder
from unrolled.states import State

SMALL = 0.02  # standard deviation of the places' embeddings at the start


class PlaceEncoder(Encoder):
    """Projects the features of each place, and adds an embedding of the place, so that a reader knows where it looks.

    Places are no sequence: nothing passes from one to the next, unlike in a memory. Xu et al. (2015, arXiv
    1502.03044) attend to such a grid.
    """

    mixes = False

    def __init__(self, input_size: Count, size: Count, places: Count) -> None:
        """places: the most that an input has."""
        super().__init__()
        self.input_size, self.size, self.places = input_size, size, places
        self.project = nn.Linear(input_size, size)
        self.place = nn.Parameter(SMALL * torch.randn(places, size))

    def start(self, rows: int) -> NoState:
        return NoState()

    def encode(self, inputs: Tensor, lengths: Tensor | None = None, state: State | None = None) -> Encoded:
        """Encode inputs (B, S, D). Raises TensorError for more places than the encoder has embeddings."""
        rows, steps = inputs.shape[:2]
        if steps > self.places:
            raise TensorError(f"{type(self).__name__} has {self.places} places; got inputs of {steps}.")
        lengths = torch.full((rows,), steps) if lengths is None else lengths.cpu()
        features = F.relu(self.project(inputs)) + self.place[:steps]
        alive = valid_steps(lengths, steps, inputs.device)[..., None]
        return Encoded(torch.where(alive, features, 0.0), lengths)
