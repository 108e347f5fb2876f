"""What a modality is: a kind of input, with all that is particular to it.

To add one, write its file and enter it in `MODALITIES` of `table`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unrolled.data.cells.cell import Cell
from unrolled.errors import OptionError

Ids = NDArray[np.int64]
Item: TypeAlias = str | NDArray[Any]  # the input of a row: a text; or numbers, samples, pixels with any axes

STEP = "step"  # the axis of time


class Recipe(NamedTuple):
    """The default hyperparameters of a net that reads a kind of steps."""

    hidden_size: int  # units in a layer
    layers: int
    embedding_size: int
    batch_size: int
    learning_rate: float
    dropout: float
    epochs: float
    smoothing: float = 0.0  # label smoothing, for seq2seq and whole images
    twice: bool = False  # whether an update sees each row twice, where there is time for it
    matrix_learning_rate: float = 3.75  # times the rate
    blocks_rate: float = 0.5  # times the rate, for transformers and other memories in blocks


class FrozenNet(Protocol):
    """A pretrained net that stays as it is, and turns each image into a grid of features: S places of K numbers."""

    @property
    def width(self) -> int:
        """K."""

    @property
    def places(self) -> int:
        """S."""

    @property
    def size(self) -> int:
        """D, the size of a vector."""

    @property
    def has_end(self) -> bool:
        """Whether it has `early` features."""

    @property
    def early_width(self) -> int:
        """W: the numbers of a place in them."""

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float16]]:
        """The grid (S, K) of each image."""

    def early(self, images: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float16]]:
        """The features before its last layers (S, W) of each image."""

    def vectors(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """One vector for each image, (B, D)."""

    def frame_vectors(self, frames: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """The same (T, D) for frames, of which the vectors are stored, not the grids."""

    def facts(self) -> dict[str, Any]:
        """What it is made from, besides weights, as JSON."""


class WholeImages(NamedTuple):
    """How a net for images reads them: as a whole, not row by row."""

    size: int  # pixels on a side for which it was made
    scaling: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    """Mean and standard deviation of red, green and blue, between 0 and 1, that pretrained weights expect; images are
    then read in colour. None: measured."""
    make_frozen: Callable[[int], FrozenNet] | None = None
    """Makes the pretrained net that gives features of images with this many pixels on the longer side."""
    side: int = 0  # pixels on the longer side to which smaller images are enlarged; 0: they stay as they are
    frames: int | None = None  # of a video: --frames
    frame_side: int | None = None  # pixels on a side of each: --image-size
    clips: int = 0  # of a video, at most, for a net for video; 0: another model reads its frames


class InputSample(NamedTuple):
    """The first rows of a table's input columns, from which a modality is measured."""

    path: Path  # of the table
    names: tuple[str, ...]  # of the columns
    rows: Sequence[tuple[Cell, ...]]  # without empty cells, one at least; paths are resolved
    places: Sequence[str]  # file and row of each, for errors
    all_rows: Callable[[], Iterator[tuple[Cell, ...]]]  # every row of the table
    whole_images: WholeImages | None = None  # where a net reads images at once


class StepOptions(NamedTuple):
    """What was requested about the steps that an item becomes."""

    tokenizer: str = "auto"  # --tokenizer
    stem: str = "auto"  # --stem
    whole_images: WholeImages | None = None  # for the net of --encoder
    tagged: bool = False  # whether each step has a target of its own
    attended: bool = False  # whether steps are attended to, one by one, to generate a text


class Frame(NamedTuple):
    """The part of an image that a grid of places covers, in shares of the image's height and width from its top left
    corner. It may reach beyond the image."""

    top: float = 0.0
    left: float = 0.0
    bottom: float = 1.0
    right: float = 1.0


class StepGrid(NamedTuple):
    """The places of an image that steps are, row by row from the top left."""

    rows: int
    columns: int
    frame: Frame = Frame()

    def to_dict(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return {"rows": self.rows, "columns": self.columns, "frame": list(self.frame)}


class Featurizer(ABC):
    """Turns an item into the array that a net reads. Subclasses are final."""

    kind: str  # its name in run folders
    step_description: str  # short description of a step, for display
    axes: ClassVar[tuple[str, ...]] = (STEP, "feature")
    """The axes of an encoded item. An item without a STEP axis is a single position."""
    leading_steps = 0  # steps at the start that have no target when every other step has one
    width: int | None = None  # length of the last axis; None where a step is a bag of ids
    places = 0  # of an image, each a step: they are the same for all images, and no sequence
    rows_at_once = 128  # rows that a net reads at once in evaluation, at most
    always_varies = False  # whether `augment` is used for many rows too
    spatial = False  # whether neighbouring features of a step are neighbours in space
    recipe: Recipe
    input: Modality

    @abstractmethod
    def encode(self, item: Any) -> NDArray[Any]:
        """An item as an array with `axes`: int64 ids, padded with 0, where `width` is None; else float32."""

    def step_names(self, item: Any) -> list[str]:
        """Names of an item's steps for display; by default their numbers from 1."""
        steps = len(self.encode(item)) if self.axes[0] == STEP else 1
        return [str(number + 1) for number in range(steps)]

    def step_grid(self, item: Any) -> StepGrid | None:
        """Where in a picture of an item its steps are; None where they have no place in one."""
        return None

    def augment(self, item: Any, generator: np.random.Generator) -> NDArray[Any]:
        """A randomly augmented copy of an item, encoded, for training on little data."""
        return self.encode(item)

    def encode_all(
        self, items: Sequence[Any], generator: np.random.Generator | None = None
    ) -> Sequence[NDArray[Any]]:
        """The items of a batch, encoded. With a generator they are augmented."""
        if generator is None:
            return [self.encode(item) for item in items]
        return [self.augment(item, generator) for item in items]

    @property
    def augments(self) -> bool:
        """Whether `augment` differs from `encode`."""
        return type(self).augment is not Featurizer.augment

    def fits(self, options: StepOptions) -> bool:
        """Whether its steps are those that `--stem` and `--encoder` ask for."""
        return options.whole_images is None

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Everything that is needed to build it again."""


class Modality(ABC):
    """A kind of input, with what was measured of it in the training data. Subclasses are final and dataclasses.

    The class says how cells of this kind are recognised and measured. An instance reads them.
    """

    name: ClassVar[str]  # in --input-type, and in run folders
    noun: ClassVar[str]  # in messages: "images"
    endings: ClassVar[tuple[str, ...]] = ()  # of files, in lower case; empty if cells are not paths
    is_text: ClassVar[bool] = False  # whether items are str
    several_columns: ClassVar[bool] = False  # whether several input columns can be one item
    stems: ClassVar[tuple[str, ...]] = ()  # values of --stem, besides auto
    most_equal: ClassVar[float] = 1.0  # share of equal rows from which there is nothing to learn
    if_equal: ClassVar[str] = "Choose another input column"  # advice in that case
    pictures: ClassVar[int] = 1  # in a picture of a row, side by side: frames of a video
    blank: ClassVar[str] = "empty"  # what items are for which `is_blank`

    @classmethod
    @abstractmethod
    def matches(cls, cells: Sequence[Cell], as_text: bool) -> bool:
        """Whether a column's first cells are of this kind, and of none that precedes it in `MODALITIES`.

        as_text: whether lists hold their numbers as text.
        """

    @classmethod
    @abstractmethod
    def measure(cls, sample: InputSample) -> Self:
        """The modality as measured on the first rows of a table. Raises DataError."""

    @abstractmethod
    def read_item(self, cells: Sequence[Cell], place: str, names: tuple[str, ...] = ()) -> Item:
        """The item of a row. place: file and row, for errors. names: of the columns, if known. Raises DataError, and
        MediaError for a file that cannot be read."""

    @abstractmethod
    def learn_featurizer(self, items: Sequence[Any], options: StepOptions) -> Featurizer:
        """Learn the featurizer of a training split's items. Raises OptionError for options that do not apply."""

    @abstractmethod
    def load_featurizer(self, value: Mapping[str, Any]) -> Featurizer:
        """Load the featurizer that `to_json` wrote. Raises RunError if it is damaged."""

    @classmethod
    def names_file(cls, name: str) -> bool:
        """Whether a name is that of a file of this kind, by its ending."""
        return Path(name).suffix.lower() in cls.endings

    @classmethod
    def file_of(cls, cell: str) -> str:
        """The file that a cell with a path is about, without what says which part of it."""
        return cell

    @property
    def has_pictures(self) -> bool:
        """Whether `picture` has something to show."""
        return False

    def picture(self, cells: Sequence[Cell], place: str, side: int) -> NDArray[np.uint8]:
        """The input of a row for people to look at: bytes (H, W, 1 or 3), upright, at most `side` pixels on a side
        where it is a file. Raises MediaError for a file that cannot be read, TypeError without pictures."""
        raise TypeError(f"{self.noun} are not shown as pictures")

    def count_equal(self, items: Sequence[Any]) -> tuple[int, str]:
        """Count the items that equal a typical one; also return a description of them."""
        return sum(np.array_equal(item, items[0]) for item in items), "the same numbers"

    def is_blank(self, item: Any) -> bool:
        """Whether an item of a file is silent, or of one colour."""
        return False

    def steps_of(self, item: Any) -> int | None:
        """Number of an item's steps that could have a target each; None if they cannot."""
        return None

    def to_json(self) -> dict[str, Any]:
        """The kind as it is saved with a run."""
        return {"kind": self.name, **asdict(self)}  # type: ignore[call-overload]


def check_no_tokenizer(modality: Modality, options: StepOptions) -> None:
    """Raise OptionError if a tokenizer was requested."""
    if options.tokenizer != "auto":
        raise OptionError(f"--tokenizer is for texts, but the input is of kind {modality.name}. Leave it out.")


def check_whole_rows(modality: Modality, options: StepOptions) -> None:
    """Raise OptionError if a tokenizer was requested, or each step needs a target."""
    check_no_tokenizer(modality, options)
    if options.tagged:
        raise OptionError(f"Tags need words or vectors as steps, but the input is of kind {modality.name}.")
