"""Images as the grid of features that a pretrained net has of them: S places of K numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.modalities.base import FrozenNet, Modality, Recipe, StepGrid, StepOptions
from unrolled.data.modalities.scaling import Floats, NumericFeaturizer, Wide
from unrolled.errors import RunError

GRID, EARLY_GRID = "grid", "early-grid"  # the kinds of these steps
MEASURED = 128  # images, at most, from which the scaling is computed
VIEWS = 4  # of an image, itself among them: each has features that are computed once
KEPT = 7 / 8  # share of each side in a view that is cut out


class GridFeaturizer(NumericFeaturizer):
    """One place of an image per step, row by row from the top left. Places are attended to; they are no sequence.

    Augmented by a few views of the image: mirrored, and cut at opposite corners.
    """

    kind, recipe = GRID, Recipe(512, 1, 512, 80, 2e-3, 0.5, 12, 0.1, matrix_learning_rate=7.0, blocks_rate=1.0)

    def __init__(self, modality: Modality, mean: Wide | None = None, std: Wide | None = None) -> None:
        super().__init__(modality, mean, std)
        self.frozen: FrozenNet | None = None
        self.facts: Mapping[str, Any] = {}  # of the net
        self.places = 0
        self.width = len(self.mean)
        self.step_description = "images, as the features of a pretrained net"

    @classmethod
    def learn_from(cls, modality: Modality, frozen: FrozenNet, items: Sequence[Any]) -> Self:
        """Make the featurizer of a net, scaled by its features of some training items."""
        made = cls(modality)
        made.attach(frozen)
        made.width = frozen.width
        few = min(len(items), MEASURED)
        scaled = made.fitted(items[place * len(items) // few] for place in range(few))
        scaled.attach(frozen)
        return scaled

    def attach(self, frozen: FrozenNet) -> None:
        """Give it the net. Until then it has sizes, and cannot encode."""
        self.frozen, self.facts, self.places = frozen, frozen.facts(), frozen.places
        grid = f"{self.places} places with {frozen.width} features each"
        self.step_description = f"images, as {grid} by {self.facts['weights']}"

    def unscaled(self, item: Any) -> Floats:
        return self._grids([item])[0]

    def encode_all(self, items: Sequence[Any], generator: np.random.Generator | None = None) -> list[Floats]:
        if generator is not None:
            drawn = generator.integers(VIEWS, size=len(items)).tolist()
            items = [view_of(item, number) for item, number in zip(items, drawn, strict=True)]
        return [self._scaled(grid) for grid in self._grids(items)]

    def augment(self, item: Any, generator: np.random.Generator) -> Floats:
        return self.encode_all([item], generator)[0]

    def _grids(self, items: Sequence[Any]) -> list[Floats]:
        return [grid.astype("float32") for grid in self._net(items)]

    @property
    def _net(self) -> FrozenNet:
        if self.frozen is None:
            raise RunError("The pretrained net of this run is missing: features.safetensors. Train again.")
        return self.frozen

    def step_grid(self, item: Any) -> StepGrid | None:
        side = math.isqrt(self.places)  # the net gets square images
        return StepGrid(side, side) if side * side == self.places else None

    def fits(self, options: StepOptions) -> bool:
        whole = options.whole_images
        return whole is not None and (whole.make_frozen is not None or self.frozen is not None)

    @property
    def can_have_early(self) -> bool:
        """Whether `with_early` can be made."""
        return self.frozen is not None and self.frozen.has_end

    def with_early(self) -> EarlyGridFeaturizer:
        """The same for a model that has the net's last layers in it: items are the features before them. Raises
        RunError without the net."""
        made = EarlyGridFeaturizer(self.input, self.mean, self.std)
        made.attach(self._net)
        return made

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "net": dict(self.facts), "places": self.places}

    @classmethod
    def from_json(cls, modality: Modality, value: Mapping[str, Any]) -> Self:
        try:
            width, places, facts = len(value["mean"]), int(value["places"]), dict(value["net"])
        except (KeyError, TypeError, ValueError):
            raise RunError("The run's vocabulary.json is damaged: it lacks the net of the images.") from None
        made = super().from_json(modality, value)
        made.width, made.places, made.facts = width, places, facts
        return made


class EarlyGridFeaturizer(GridFeaturizer):
    """The features before the last layers of the net, which are in the model and are trained there. They are not
    scaled; mean and standard deviation are those of the features after these layers."""

    kind = EARLY_GRID

    def attach(self, frozen: FrozenNet) -> None:
        super().attach(frozen)
        self.width = frozen.early_width

    def _scaled(self, steps: Wide) -> Floats:
        return steps.astype(np.float32)

    def _grids(self, items: Sequence[Any]) -> list[Floats]:
        return [early.astype("float32") for early in self._net.early(items)]


def view_of(image: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """A view (h, w, 3) of an image (H, W, 3): 0 is the image itself, 1 is mirrored, 2 is cut on the right and below,
    3 is cut on the left and above, and mirrored."""
    down, across = (max(1, round(KEPT * side)) for side in image.shape[:2])
    if number == 2:
        image = image[:down, :across]
    elif number == 3:
        image = image[-down:, -across:]
    return image[:, ::-1] if number % 2 else image
