"""Videos: files, or parts of them, as the features that a pretrained net has of some frames, or as clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.data.cells.cell import Cell
from unrolled.data.media.clips import parse_clip
from unrolled.data.media.thumbnails import film_strip
from unrolled.data.media.video import VIDEO_ENDINGS, read_clips, read_frames, require_av
from unrolled.data.modalities.base import FrozenNet, InputSample, Modality, Recipe, StepOptions, check_whole_rows
from unrolled.data.modalities.files import CHECK_DECODING, MOST_EQUAL, TOLERANCE, are_paths, is_constant, path_of
from unrolled.data.modalities.scaling import Floats, NumericFeaturizer, Wide
from unrolled.data.modalities.video_clips import MOST_CLIPS, ClipFeaturizer
from unrolled.errors import RunError
from unrolled.schema import Within

FRAMES = 16  # of a video, unless --frames says otherwise
MOST_FRAMES = 1 << 10
SIDE = 224  # pixels on a side of a frame, unless --image-size says otherwise: those for which the net was made
MEASURED = 128  # videos, at most, from which the scaling is computed
ON_REQUEST = ".gif"  # files that are images, unless videos were asked for
VIEWS = 2  # of a video: itself, and mirrored

Side = Annotated[int, Within(32, 1 << 10)]


class FrameFeaturizer(NumericFeaturizer):
    """One frame per step: the pretrained net's vector of it, and the change since the frame before. D = twice the
    size of that vector. Augmented by mirroring."""

    kind, recipe = "frames", Recipe(128, 1, 128, 16, 2e-3, 0.5, 20, smoothing=0.1)

    def __init__(self, modality: VideoInput, mean: Wide | None = None, std: Wide | None = None) -> None:
        super().__init__(modality, mean, std)
        self.frozen: FrozenNet | None = None
        self.facts: Mapping[str, Any] = {}  # of the net
        self.width = len(self.mean)
        self.step_description = f"videos, as {modality.frames} frames of {modality.side} x {modality.side}"

    @classmethod
    def learn_from(cls, modality: VideoInput, frozen: FrozenNet, items: Sequence[Any]) -> Self:
        """Make the featurizer of a net, scaled by its features of some training items."""
        made = cls(modality)
        made.attach(frozen)
        made.width = 2 * frozen.size
        few = min(len(items), MEASURED)
        scaled = made.fitted(items[place * len(items) // few] for place in range(few))
        scaled.attach(frozen)
        return scaled

    def attach(self, frozen: FrozenNet) -> None:
        """Give it the net. Until then it has sizes, and cannot encode."""
        self.frozen, self.facts = frozen, frozen.facts()
        self.step_description += f" with features by {self.facts['weights']}"

    def unscaled(self, item: Any) -> Floats:
        if self.frozen is None:
            raise RunError("The pretrained net of this run is missing: features.safetensors. Train again.")
        vectors = self.frozen.frame_vectors(list(item))  # (T, D / 2)
        change = np.diff(vectors, axis=0, prepend=vectors[:1])  # 0 at the first frame
        return np.concatenate([vectors, change], 1)

    def augment(self, item: Any, generator: np.random.Generator) -> Floats:
        return self.encode(item if generator.integers(VIEWS) else item[:, :, ::-1])

    @property
    def gives_features(self) -> bool:
        return True

    def steps(self, items: Sequence[Any]) -> list[Floats]:
        """One step: the mean of all frames, and the mean size of the changes. Each half has one scale: that of each
        feature is not known from a few videos."""
        half = self.width // 2
        scales = [np.sqrt(np.square(std).mean()) for std in (self.std[:half], self.std[half:])]
        found = []
        for item in items:
            vectors, change = np.split(self.unscaled(item), 2, axis=1)
            means = vectors.mean(0) / scales[0], np.abs(change).mean(0) / scales[1]
            found.append(np.concatenate(means, dtype=np.float32)[None])
        return found

    def fits(self, options: StepOptions) -> bool:
        return True

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "net": dict(self.facts)}

    @classmethod
    def from_json(cls, modality: Modality, value: Mapping[str, Any]) -> Self:
        try:
            width, facts = len(value["mean"]), dict(value["net"])
        except (KeyError, TypeError, ValueError):
            raise RunError("The run's vocabulary.json is damaged: it lacks the net of the frames.") from None
        made = super().from_json(modality, value)
        made.width, made.facts = width, facts
        return made


@dataclass(frozen=True)
class VideoInput(Modality):
    """A path to a video, or film.mp4#t=12.5,20 for a part of it -> frames (T, side, side, 3) uint8, evenly spaced
    over its time; or clips (K, T, side, side, 3).

    clips: clips of a video, at most, of `frames` frames each; 0: the frames of all of it.
    """

    frames: Annotated[int, Within(1, MOST_FRAMES)]
    side: Side
    clips: Annotated[int, Within(0, MOST_CLIPS)] = 0
    name, noun, endings = "video", "videos", VIDEO_ENDINGS
    most_equal, if_equal, blank, pictures = MOST_EQUAL, CHECK_DECODING, "of one colour", 4

    @classmethod
    def matches(cls, cells: Sequence[Cell], as_text: bool) -> bool:
        return are_paths([cls.file_of(cell) if isinstance(cell, str) else cell for cell in cells], cls.endings)

    @classmethod
    def names_file(cls, name: str) -> bool:
        file = cls.file_of(name)
        return super().names_file(file) or file.lower().endswith(ON_REQUEST)

    @classmethod
    def file_of(cls, cell: str) -> str:
        return parse_clip(cell).file

    @classmethod
    def measure(cls, sample: InputSample) -> Self:
        require_av()  # its extra has all that videos need
        requested = sample.whole_images
        if requested is None:
            return cls(FRAMES, SIDE)
        return cls(requested.frames or FRAMES, requested.frame_side or SIDE, requested.clips)

    def learn_featurizer(self, items: Sequence[Any], options: StepOptions) -> NumericFeaturizer:
        check_whole_rows(self, options)
        if self.clips:
            return ClipFeaturizer.learn_from(self, options.whole_images, items)
        if options.whole_images is None or options.whole_images.make_frozen is None:
            raise RunError("Videos are read by a pretrained net, and there is none.")
        return FrameFeaturizer.learn_from(self, options.whole_images.make_frozen(self.side), items)

    def load_featurizer(self, value: Mapping[str, Any]) -> NumericFeaturizer:
        featurizer: type[NumericFeaturizer] = ClipFeaturizer if self.clips else FrameFeaturizer
        return featurizer.from_json(self, value)

    def count_equal(self, items: Sequence[Any]) -> tuple[int, str]:
        items = [item[0] for item in items] if self.clips else items  # their numbers of clips may differ
        middle = np.median(np.stack(items), axis=0)
        near = [int(np.abs(item - middle).max()) <= TOLERANCE for item in items]
        return sum(near), "nearly the same video"

    def is_blank(self, item: Any) -> bool:
        return is_constant(item)

    @property
    def has_pictures(self) -> bool:
        return True

    def picture(self, cells: Sequence[Cell], place: str, side: int) -> NDArray[np.uint8]:
        """Frames of the video side by side, as squares, as a model reads them."""
        tile = max(1, side // self.pictures)
        frames = VideoInput(self.pictures, tile).read_item(cells, place)
        return film_strip(list(frames), tile)

    def read_item(self, cells: Sequence[Cell], place: str, names: tuple[str, ...] = ()) -> NDArray[np.uint8]:
        clip = parse_clip(cells[0]) if isinstance(cells[0], str) else None
        path = path_of(cells[0] if clip is None else clip.file, place)
        start, end = (0.0, None) if clip is None else (clip.start, clip.end)
        if self.clips:
            return read_clips(path, self.clips, self.frames, self.side, self.side, start, end)
        return read_frames(path, self.frames, self.side, self.side, start, end)
