"""An encoder that looks at an image through a fovea: the recurrent attention model of Mnih et al. (2014, arXiv
1406.6247). B images, C channels, H × W pixels, G glimpses, S scales, D features."""

from __future__ import annotations

from typing import Annotated, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.arguments import Count, checked_init
from unrolled.errors import TensorError
from unrolled.memory import build_stack
from unrolled.memory.base import at_least_float32, valid_steps
from unrolled.memory.noise import NoiseState
from unrolled.model.encoders.base import Encoded
from unrolled.model.encoders.locator import Gaze, Locator
from unrolled.model.encoders.retina import Retina
from unrolled.registry import build, parse_component
from unrolled.schema import Within
from unrolled.states import State

GLIMPSE = "glimpse"  # its name
GLIMPSED_SIDE = 256  # pixels on the longer side of images from files, at most
Glimpses: TypeAlias = Annotated[int, Within(1, 1000)]
Pixels: TypeAlias = Annotated[int, Within(1, 256)]
Scales: TypeAlias = Annotated[int, Within(1, 8)]
Spread: TypeAlias = Annotated[float, Within(0.001, 1.0)]


class GazeState(NamedTuple):
    """What a look at images starts from."""

    memory: State  # before the first glimpse
    noise: NoiseState  # (B, G, 2), from which places are drawn


class Glimpsed(NamedTuple):
    """What the glimpses at each image saw, and where. All of it is zero for rows of length 0."""

    features: Tensor  # (B, G, D) after each glimpse
    places: Tensor  # (B, G, 2), x and y from -1, the left or upper edge, to 1
    log_densities: Tensor  # (B, G) of the draws of places, see `Locator`
    baselines: Tensor  # (B, G), the reward predicted before each glimpse


class GlimpseEncoder(nn.Module):
    """Looks at a few squares of an image, one after the other. A memory keeps what was seen, and decides where to
    look next; the features of an image are its output after the last glimpse.

    The first glimpse is at the centre, unless places are random. The loss is not backpropagated through a place,
    unless the gaze is a spatial transformer: the locator learns by `policy_cost`. In training `draw_masks` draws the
    places; from a fresh state they are the means, or where they are random, the same for every image.
    """

    def __init__(
        self,
        channels: Count,
        glimpses: Glimpses = 6,
        size: Pixels = 8,
        scales: Scales = 1,
        gaze: Gaze = "learned",
        memory: str = "lstm",
        width: Annotated[int, Within(2, 65_536)] = 256,
        spread: Spread = 0.15,
    ) -> None:
        """size: pixels on a side of a glimpse. scales: squares of a glimpse, each twice as wide as the one before.
        memory: as for `build_stack`. width: its units. spread: standard deviation of a drawn place, where the image
        reaches from -1 to 1. Raises OptionError."""
        super().__init__()
        self.channels, self.glimpses, self.gaze, self.size = channels, glimpses, gaze, width
        self.retina = Retina(size, scales)
        self.what = nn.Linear(scales * channels * size * size, width // 2)
        self.where = nn.Linear(2, width // 2)
        self.glimpse = nn.Linear(2 * (width // 2), width)
        self.memory = build_stack(memory, width, width)
        self.locator = Locator(width, gaze, spread)
        places = torch.randn(glimpses, 2) if gaze == "random" else torch.zeros(glimpses, 2)
        self.register_buffer("fixed", places, persistent=gaze == "random")  # (G, 2), as draws

    def start(self, rows: int) -> GazeState:
        """The state from which places are not drawn."""
        fixed = self.get_buffer("fixed")
        return GazeState(self.memory.start(rows), NoiseState(fixed.expand(rows, -1, -1).clone()))

    def encode(self, images: Tensor, lengths: Tensor | None = None, state: GazeState | None = None) -> Encoded:
        """Images (B, C, H, W) -> features after the last glimpse (B, 1, D). Raises TensorError as `look`."""
        looked = self.look(images, lengths, state)
        lengths = torch.ones(len(images), dtype=torch.int64) if lengths is None else lengths.cpu()
        return Encoded(looked.features[:, -1:], lengths)

    def look(self, images: Tensor, lengths: Tensor | None = None, state: GazeState | None = None) -> Glimpsed:
        """Images (B, C, H, W) of any size -> what each glimpse saw. Rows of length 0 are padding. Raises TensorError
        for images of other channels or without pixels."""
        if images.dim() != 4 or images.shape[1] != self.channels or 0 in images.shape[2:]:
            raise TensorError(
                f"{type(self).__name__} reads images of shape (rows, {self.channels}, height, width); "
                f"got {tuple(images.shape)}."
            )
        state = self.start(len(images)) if state is None else state
        memory, reduced = state.memory, self.retina.reduced(images)
        hidden = images.new_zeros(len(images), self.size)  # (B, D)
        seen = []
        for number in range(self.glimpses):
            normal = state.noise.normal[:, number]
            if number or self.gaze == "random":
                place, log_density, baseline = self.locator(hidden, normal)
            else:
                place, log_density = torch.zeros_like(normal), normal.new_zeros(len(images))
                baseline = log_density
            output, memory = self.memory.step(self._glimpse(reduced, place), memory)
            hidden = at_least_float32(output)
            seen.append((hidden, place, log_density, baseline))
        parts = [torch.stack(part, 1) for part in zip(*seen, strict=True)]
        if lengths is not None:
            alive = valid_steps(lengths, 1, images.device)  # (B, 1)
            parts = [torch.where(alive.view(-1, *[1] * (part.dim() - 1)), part, 0.0) for part in parts]
        return Glimpsed(*parts)

    def _glimpse(self, reduced: list[Tensor], place: Tensor) -> Tensor:
        squares = self.retina.squares(reduced, place)  # (B, S, C, size, size)
        what, where = F.relu(self.what(squares.flatten(1))), F.relu(self.where(place))
        return at_least_float32(F.relu(self.glimpse(torch.cat([what, where], 1))))  # (B, D)


GlimpseEncoder.__init__ = checked_init(GlimpseEncoder.__init__)  # type: ignore[method-assign]


def is_glimpse(encoder: str | None) -> bool:
    """Whether an encoder's text names this one: "glimpse", "glimpse:glimpses=8"."""
    return encoder is not None and parse_component(encoder)[0] == GLIMPSE


def make_glimpse(text: str, channels: int) -> GlimpseEncoder:
    """The encoder of this name and options, "glimpse:glimpses=6,size=8,scales=1", for images of so many channels.
    Raises OptionError."""
    return build("encoder", {GLIMPSE: GlimpseEncoder}, text, channels)
