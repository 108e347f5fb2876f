"""Images: files, or arrays of bytes, as their rows or as patches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unrolled.data.cells.cell import Cell
from unrolled.data.media.images import (
    DEEPEST,
    IMAGE_ENDINGS,
    WHITE,
    ImageSource,
    inspect_image,
    measure_images,
    read_image,
)
from unrolled.data.media.pixels import image_rows, patches_of, shift_image, vary_images
from unrolled.data.media.thumbnails import read_thumbnail
from unrolled.data.modalities.base import (
    Frame,
    FrozenNet,
    InputSample,
    Modality,
    Recipe,
    StepGrid,
    StepOptions,
    check_whole_rows,
)
from unrolled.data.modalities.files import CHECK_DECODING, MOST_EQUAL, TOLERANCE, are_paths, is_constant
from unrolled.data.modalities.image_arrays import (
    are_images,
    as_image,
    measure_arrays,
    numbers_of,
)
from unrolled.data.modalities.image_files import image_file, is_array, measure_size, spread_evenly
from unrolled.data.modalities.image_grid import EARLY_GRID, GRID, EarlyGridFeaturizer, GridFeaturizer
from unrolled.data.modalities.scaling import Floats, NumericFeaturizer, Wide
from unrolled.errors import DataError, MediaError, RunError
from unrolled.schema import Within, find_fault

SIDE = 4  # pixels on a side of a patch
SHIFT = 0.125  # of a side, the largest shift of a whole image; four pixels of 32, as is usual for CIFAR-10
PATCHES = "patches"  # the stem, and the kind of its steps
PIXELS = "pixels"  # the kind of a whole image
Side: TypeAlias = Annotated[int, Within(0, 1 << 14)]


class PixelRowFeaturizer(NumericFeaturizer):
    """An image as its rows, from the top. Augmented by small shifts."""

    kind, spatial, recipe = "rows", True, Recipe(128, 1, 128, 64, 3e-3, 0.2, 12)

    def __init__(self, modality: ImageInput, mean: Wide | None = None, std: Wide | None = None) -> None:
        super().__init__(modality, mean, std)
        self.channels = 1 if modality.grey else 3
        self.width = modality.width * self.channels
        self.step_description = f"images of {modality.width} x {modality.height}, one row per step"

    @property
    def _has_one_unit(self) -> bool:
        return True

    def unscaled(self, item: Any) -> Floats:
        return image_rows(item)

    def step_grid(self, item: Any) -> StepGrid:
        return StepGrid(len(item), 1)

    def augment(self, item: Any, generator: np.random.Generator) -> Floats:
        return self.encode(shift_image(item, generator))

    def fits(self, options: StepOptions) -> bool:
        return options.stem != PATCHES and options.whole_images is None


class PatchFeaturizer(NumericFeaturizer):
    """An image as squares of four by four pixels, row by row. Augmented by small shifts."""

    kind, recipe = PATCHES, Recipe(128, 2, 128, 64, 3e-3, 0.1, 12)

    def __init__(self, modality: ImageInput, mean: Wide | None = None, std: Wide | None = None) -> None:
        super().__init__(modality, mean, std)
        self.width = SIDE * SIDE * (1 if modality.grey else 3)
        self.step_description = (
            f"images of {modality.width} x {modality.height}, one patch of {SIDE} x {SIDE} per step"
        )

    @property
    def _has_one_unit(self) -> bool:
        return True

    def unscaled(self, item: Any) -> Floats:
        return patches_of(item, SIDE)

    def step_grid(self, item: Any) -> StepGrid:
        height, width = item.shape[:2]
        down, across = -(-height // SIDE), -(-width // SIDE)  # the last ones may reach beyond the image
        return StepGrid(down, across, Frame(bottom=down * SIDE / height, right=across * SIDE / width))

    def augment(self, item: Any, generator: np.random.Generator) -> Floats:
        return self.encode(shift_image(item, generator))

    def fits(self, options: StepOptions) -> bool:
        return options.stem == PATCHES and options.whole_images is None


class PixelFeaturizer(NumericFeaturizer):
    """A whole image, for a net that reads all of it. Augmented by shifts; images in colour also by mirroring.

    Each channel has a mean and a standard deviation.
    """

    kind, recipe = PIXELS, Recipe(1, 1, 1, 64, 2e-3, 0.0, 160, smoothing=0.1)  # the net has sizes of its own
    fine_tuning = Recipe(1, 1, 1, 64, 2e-4, 0.0, 12, smoothing=0.1)  # of pretrained weights
    glimpses = Recipe(1, 1, 1, 128, 5e-3, 0.0, 160)  # of a fovea; docs/fovea.md has the trials
    axes: ClassVar[tuple[str, ...]] = ("channel", "height", "width")
    frozen: FrozenNet | None = None
    """The pretrained net whose features the linear model gets; None until it is attached, and without one."""
    facts: Mapping[str, Any] | None = None  # of that net
    side = 0
    """Pixels on the longer side to which the net enlarges smaller images. Items stay small."""

    def __init__(self, modality: ImageInput, mean: Wide | None = None, std: Wide | None = None) -> None:
        super().__init__(modality, mean, std)
        self.size = modality.height, modality.width
        self.channels, self.width = 1 if modality.grey else 3, modality.width
        self.step_description = f"images of {modality.width} x {modality.height}, as a whole"

    @property
    def scales(self) -> int:
        return self.channels

    def unscaled(self, item: Any) -> Floats:
        pixels: Floats = np.asarray(item.reshape(-1, self.channels) / 255, np.float32)  # (H · W, C)
        return pixels

    def encode(self, item: Any) -> Floats:
        return self.encode_all([item])[0]

    def encode_all(self, items: Sequence[Any], generator: np.random.Generator | None = None) -> list[Floats]:
        """Items (H, W, C) -> each (C, H, W). All at once: one by one took a tenth of the time of a small net."""
        if not len(items):
            return []
        images = np.stack(items)
        if generator is not None:  # digits and letters must not be mirrored
            images = vary_images(images, generator, SHIFT, mirror=self.channels == 3)
        levels = np.repeat(np.arange(256, dtype=np.uint8)[:, None], self.channels, 1)
        table = self._scaled(self.unscaled(levels))  # (256, C)
        scaled = np.empty((len(images), self.channels, *images.shape[1:3]), np.float32)
        for channel in range(self.channels):
            np.take(table[:, channel], images[..., channel], out=scaled[:, channel])
        return list(scaled)

    @property
    def step_width(self) -> int:
        return self.width * self.channels if self.frozen is None else self.frozen.size

    @property
    def gives_features(self) -> bool:
        return self.frozen is not None

    def steps(self, items: Sequence[Any]) -> list[Floats]:
        """A row of pixels per step; with a pretrained net, its vector is the only step."""
        if self.frozen is not None:
            return [vector[None] for vector in self.frozen.vectors(items)]
        return [self._scaled(self.unscaled(item)).reshape(self.size[0], -1) for item in items]

    def attach(self, frozen: FrozenNet) -> None:
        """Give it the pretrained net."""
        self.frozen, self.facts = frozen, frozen.facts()
        self.step_description += f", and as features by {self.facts['weights']}"

    def to_json(self) -> dict[str, Any]:
        net = {} if self.facts is None else {"net": dict(self.facts)}
        return super().to_json() | net | ({"side": self.side} if self.side else {})

    @classmethod
    def from_json(cls, modality: Modality, value: Mapping[str, Any]) -> Self:
        made = super().from_json(modality, value)
        made.facts, made.side = value.get("net"), value.get("side", 0)
        if find_fault(made.side, Side) is not None:
            raise RunError("The run's vocabulary.json is damaged: the size of its enlarged images. Train again.")
        return made

    def augment(self, item: Any, generator: np.random.Generator) -> Floats:
        return self.encode_all([item], generator)[0]

    def fits(self, options: StepOptions) -> bool:
        return options.whole_images is not None


@dataclass(frozen=True)
class ImageInput(Modality):
    """A path to an image, or an array or a nested list of its pixels -> (height, width, channels) uint8.

    low, high: the values that become 0 and 255, of 16-bit files and of arrays that are not bytes. ground: the grey
    background of transparent pixels.
    """

    height: Annotated[int, Within(1, 1 << 14)]
    width: Annotated[int, Within(1, 1 << 14)]
    grey: bool
    low: int = 0
    high: int = DEEPEST
    ground: int = WHITE
    name, noun, endings = "image", "images", IMAGE_ENDINGS
    stems = ("conv", "plain", "patches")
    most_equal, if_equal, blank = MOST_EQUAL, CHECK_DECODING, "of one colour"

    @classmethod
    def matches(cls, cells: Sequence[Cell], as_text: bool) -> bool:
        arrays = [cell for cell in cells if isinstance(cell, np.ndarray)]
        return are_images(arrays) if arrays else are_paths(cells, cls.endings)

    @classmethod
    def measure(cls, sample: InputSample) -> Self:
        first, source = [cells[0] for cells in sample.rows], str(sample.path)
        if is_array(first[0]):
            size = measure_size(first, source, sample.whole_images)
            some_arrays = spread_evenly(cells[0] for cells in sample.all_rows())
            (low, high), ground = measure_arrays(
                [one for cell in some_arrays if (one := numbers_of(cell)) is not None]
            )
            return cls(*size, low, high, ground)
        some = list[ImageSource]()
        cells = spread_evenly(_different(sample))
        for cell in cells:
            with suppress(MediaError):
                some.append(image_file(cell, source))
        found = measure_size(cells, source, sample.whole_images)
        height, width, grey = found
        for path in some if grey else ():
            with suppress(MediaError):
                grey &= inspect_image(path)[2]
        (low, high), ground = measure_images(some)
        return cls(height, width, grey, low, high, ground)

    def learn_featurizer(self, items: Sequence[Any], options: StepOptions) -> NumericFeaturizer:
        check_whole_rows(self, options)
        featurizer: type[NumericFeaturizer] = PatchFeaturizer if options.stem == PATCHES else PixelRowFeaturizer
        if options.whole_images is not None:
            make_frozen = options.whole_images.make_frozen
            frozen = None if make_frozen is None else make_frozen(max(self.height, self.width))
            if options.attended and frozen is not None:
                return GridFeaturizer.learn_from(self, frozen, items)
            if options.whole_images.scaling is not None:
                mean, std = (np.array(one, np.float32) for one in options.whole_images.scaling)
                pixels = PixelFeaturizer(self, mean, std)
                pixels.side = options.whole_images.side
                if frozen is not None:
                    pixels.attach(frozen)
                return pixels
            featurizer = PixelFeaturizer
        return featurizer.learn(self, items)

    def load_featurizer(self, value: Mapping[str, Any]) -> NumericFeaturizer:
        kinds: dict[str, type[NumericFeaturizer]] = {
            PATCHES: PatchFeaturizer,
            PIXELS: PixelFeaturizer,
            GRID: GridFeaturizer,
            EARLY_GRID: EarlyGridFeaturizer,
        }
        return kinds.get(value["kind"], PixelRowFeaturizer).from_json(self, value)

    @property
    def has_pictures(self) -> bool:
        return True

    def picture(self, cells: Sequence[Cell], place: str, side: int) -> NDArray[np.uint8]:
        cell = cells[0]
        if is_array(cell):
            return as_image(cell, place, (self.low, self.high), self.ground)
        return read_thumbnail(image_file(cell, place), side, (self.low, self.high), self.ground)

    def count_equal(self, items: Sequence[Any]) -> tuple[int, str]:
        middle = np.median(np.stack(items), axis=0)  # (H, W, C)
        near = [int(np.abs(item - middle).max()) <= TOLERANCE for item in items]
        return sum(near), f"nearly the same image, {_colour(middle)}"

    def is_blank(self, item: Any) -> bool:
        return is_constant(item)

    def read_item(self, cells: Sequence[Cell], place: str, names: tuple[str, ...] = ()) -> NDArray[np.uint8]:
        cell = cells[0]
        depth = (self.low, self.high)
        if not is_array(cell):
            return read_image(image_file(cell, place), self.height, self.width, self.grey, depth, self.ground)
        image = as_image(cell, place, depth, self.ground)
        if image.shape[2] == 1 and not self.grey:
            image = image.repeat(3, 2)
        expected = (self.height, self.width, 1 if self.grey else 3)
        if image.shape != expected:
            raise DataError(
                f"{place}: an image of shape {image.shape}; {expected} was expected, as in other rows.\n"
                "Files of images are resized, and so are pictures of Pillow: PIL.Image.fromarray(array).\n"
                "An array of one image alone needs a first axis, of rows: array[None]"
            )
        return image


def _different(sample: InputSample) -> Iterator[Cell]:
    """The cells that are not empty. A file that rows name again counts once."""
    named = set[str]()
    for (cell,) in sample.all_rows():
        if cell is None or (isinstance(cell, str) and cell in named):
            continue
        if isinstance(cell, str):
            named.add(cell)
        yield cell


def _colour(image: NDArray[np.float64]) -> str:
    low, high = image.min(), image.max()
    if high - low > TOLERANCE:
        return "of several colours"
    return (
        "black throughout" if high <= TOLERANCE else "white throughout" if low >= 255 - TOLERANCE else "of one colour"
    )
