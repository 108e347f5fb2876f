"""`unroll predict --show-attention FILE`: where in images a prediction looks, as a picture or as a page."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from unrolled.cli.new_files import check_new_file, is_page, write_new_file
from unrolled.errors import MediaError, OptionError
from unrolled.escaping import one_line

if TYPE_CHECKING:
    from unrolled.data.media.images import ImageArray
    from unrolled.run import InferenceInput, RowPrediction, Run

OPTION, PICTURE = "--show-attention", ".png"
LARGEST_PICTURE = 1024  # pixels on the longer side of a png
ON_PAGE, PER_WORD = 320, 160  # pixels on the longer side of a picture on a page, one per output or one per word
METHODS = {
    "cam": "class activation map",
    "hirescam": "class activation map (HiResCAM)",
    "rollout": "attention through all blocks",
    "pooling": "weights of the attention pool",
}
GAZE = "the path of the gaze"
COARSE = 7  # rows and columns of a printed map


class Looked(NamedTuple):
    """A picture of what a prediction looks at."""

    image: ImageArray
    lines: tuple[str, ...]  # below it
    is_map: bool  # not the picture itself


class AttentionFile:
    """Collects the maps of predictions for a file, and writes it at the end."""

    def __init__(self, path: str, model: Run) -> None:
        """Raises OptionError where the file exists, has another ending, or the model's input is no image."""
        from unrolled.data.media.images import require_pillow

        if not is_page(path) and not path.lower().endswith(PICTURE):
            raise OptionError(f"{OPTION} writes a picture, out.png, or a page, out.html; got {path}.")
        if not model.has_pictures:
            raise OptionError(
                f"{OPTION} {path} is for images, and this run reads {model.input_noun}. For numbers: --json {OPTION}"
            )
        check_new_file(OPTION, path, f"If it is the input, write it before {OPTION}.")
        require_pillow()
        self.path, self.model = path, model
        self._shown: list[tuple[str, list[Looked]]] = []  # name of an input, its maps
        self._given: deque[InferenceInput | str] = deque()  # inputs whose predictions have not come
        self._count = self._more = 0  # pictures, and inputs that are not shown
        self._names = set[str]()  # of inputs, each of which is shown once

    def inputs(self, given: Iterable[InferenceInput | str]) -> Iterator[InferenceInput | str]:
        """The same inputs, remembered until their predictions come. Raises OptionError, before the first, for several
        inputs and one picture."""
        waiting = iter(given)
        if not is_page(self.path):
            first = list(islice(waiting, 2))
            if len(first) > 1:
                raise OptionError(
                    f"{OPTION} {self.path} is one picture, and there are several inputs. A page shows all of them:\n"
                    f"{OPTION} {self.path[: -len(PICTURE)]}.html"
                )
            waiting = chain(first, waiting)
        return map(self._remember, waiting)

    def add_all(self, predictions: Iterable[RowPrediction]) -> Iterator[RowPrediction]:
        """The same predictions, one for each of the inputs in order, whose maps are kept for the file."""
        for prediction in predictions:
            given = self._given.popleft()
            if not prediction.error and not prediction.empty and prediction.text not in self._names:
                self._names.add(prediction.text)
                self._add(given, prediction)
            yield prediction

    def _remember(self, given: InferenceInput | str) -> InferenceInput | str:
        self._given.append(given)
        return given

    def _add(self, given: InferenceInput | str, prediction: RowPrediction) -> None:
        """Add an input and its prediction; those beyond the number on a page are counted."""
        from unrolled.pages.gallery import MOST_SHOWN

        side = LARGEST_PICTURE if not is_page(self.path) else PER_WORD if prediction.texts else ON_PAGE
        looked = maps_over(self.model, given, prediction, side) if self._count < MOST_SHOWN else []
        self._count += len(looked)
        if looked and self._count <= MOST_SHOWN:
            self._shown.append((prediction.text, looked))
        else:
            self._more += 1

    def write(self) -> str:
        """Writes the file; returns a note about it. Raises OptionError where that fails."""
        page = is_page(self.path)
        write_new_file(OPTION, self.path, self._page().encode() if page else self._png())
        more = f" {self._more:,} more inputs are not shown." if self._more else ""
        return f"The attention is shown in {self.path}.{more}"

    def _page(self) -> str:
        from unrolled.pages.gallery import GallerySection, Thumbnail, write_gallery

        sections = []
        for name, looked in self._shown:
            shown = [Thumbnail.of(one.image, one.lines, name, max(one.image.shape[:2])) for one in looked]
            sections.append(GallerySection(name, shown))
        more = [f"{self._more:,} more inputs are not shown."] if self._more else []
        gazes = any(line == GAZE for _, looked in self._shown for one in looked for line in one.lines)
        meaning = (
            "Squares are what each glimpse saw, from violet, the first, to yellow, the last."
            if gazes
            else "Bright places count most: black, violet, red, orange, yellow."
        )
        lines = [meaning, *more]
        return write_gallery(f"Where {self.model.path} looks", lines, sections)

    def _png(self) -> bytes:
        from unrolled.data.media.thumbnails import to_pillow
        from unrolled.pages.overlay import strip

        if not any(one.is_map for _, looked in self._shown for one in looked):
            raise OptionError(f"{OPTION} {self.path} was not written: there is no picture to show.")
        looked = [one for one in self._shown[0][1] if one.is_map]
        file = BytesIO()
        if len(looked) == 1 and len(looked[0].lines) > 1:  # not a word, which is written below its picture
            to_pillow(looked[0].image).save(file, "png")
            return file.getvalue()
        try:
            several = strip([one.image for one in looked], [one.lines[0] for one in looked])
        except ValueError as error:
            raise OptionError(
                f"{OPTION} {self.path}: one picture per word would be {error} wide. A page has room: "
                f"{OPTION} {self.path[: -len(PICTURE)]}.html"
            ) from None
        to_pillow(several).save(file, "png")
        return file.getvalue()


def maps_over(model: Run, given: InferenceInput | str, prediction: RowPrediction, side: int) -> list[Looked]:
    """The picture of an input, then the map of each output or word over it; nothing where it cannot be read any more.
    side: pixels on the longer side of a picture, at most."""
    from unrolled.pages.gaze import draw_gaze
    from unrolled.pages.overlay import enlarged, overlay, overlay_frames

    looked = list[Looked]()
    for name, found in prediction.maps.items():
        if found.frames is not None:  # what the model saw of a video
            plain, mapped = overlay_frames(found.frames, found.weights)
            looked += [] if looked else [Looked(plain, (prediction.text,), False)]
            looked.append(Looked(mapped, (_shown(prediction, name), METHODS[found.method]), True))
    if looked:
        return looked
    try:
        image = model.picture(given, side)
    except MediaError:
        return []
    attentions = [one.attention for one in prediction.texts.values()]
    maps = [pair for attention in attentions if attention is not None for pair in attention.by_word()]
    named = [(_shown(prediction, name), found) for name, found in prediction.maps.items()]
    said = [one.text for one in prediction.texts.values()] or [prediction.text]
    looked.append(Looked(enlarged(image), tuple(said), False))
    for text, found in (*maps, *named):
        lines = (text,) if found.method == "attention" else (text, METHODS[found.method])
        looked.append(Looked(overlay(image, found.weights, found.frame), lines, True))
    if prediction.gaze is not None:
        drawn = draw_gaze(image, prediction.gaze.places, prediction.gaze.sides)
        looked.append(Looked(drawn, (_all_shown(prediction), GAZE), True))
    return looked


def map_lines(prediction: RowPrediction) -> list[str]:
    """The maps of a prediction as lines of percentages, of at most seven rows and columns; of a video a line with one
    for each frame; of a fovea the places that it looked at."""
    import numpy as np

    from unrolled.pages.overlay import coarse

    lines = []
    for name, found in prediction.maps.items():
        weights = np.asarray(found.weights, np.float64)
        of_frames = weights.ndim == 3  # as a single row
        shares = 100 * (weights.sum((1, 2))[None] if of_frames else coarse(weights, COARSE))
        lines.append(f"  {one_line(_shown(prediction, name))}: {METHODS[found.method]}, in percent")
        lines += ["  " + " ".join(f"{share:3.0f}" for share in row) for row in shares.tolist()]
    if prediction.gaze is not None:
        lines.append("  glimpses, in percent from the left and from the top: " + ", ".join(
            f"{100 * x:.0f} {100 * y:.0f}" for x, y in prediction.gaze.places))  # fmt: skip
    return lines


def _all_shown(prediction: RowPrediction) -> str:
    """The predictions of all outputs in a few words."""
    return "; ".join(_shown(prediction, name) for name in (*prediction.labels, *prediction.sets, *prediction.values))


def _shown(prediction: RowPrediction, name: str) -> str:
    """An output's prediction in a few words."""
    if name in prediction.values:
        text = " ".join(f"{one.value:.6g}" for one in prediction.values[name])
    else:
        label, probability = (prediction.labels.get(name) or prediction.sets[name])[0]
        text = f"{label} {probability:.3f}"
    return f"{name}: {text}" if len(prediction.maps) > 1 else text
