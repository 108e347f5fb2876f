"""The path of a gaze over a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unrolled.data.media.images import ImageArray
from unrolled.data.media.thumbnails import to_pillow
from unrolled.pages.overlay import COLOURS, enlarged

DARKEST = 0.25  # of the scale of colours, for the first glimpse: black would not show on a dark picture
THICKNESS = 120  # a line is the longer side over this many pixels wide


def draw_gaze(
    image: ImageArray, places: Sequence[tuple[float, float]], sides: Sequence[tuple[float, float]]
) -> ImageArray:
    """A picture (H, W, 1 or 3) with the squares of each glimpse and the way from one to the next, in red, green and
    blue. Colours go from violet, the first glimpse, to yellow, the last. A small picture is enlarged.

    places: x and y of the middle of each, sides: height and width of the squares of each, in shares of the picture.
    """
    from PIL import ImageDraw

    large = enlarged(image)
    height, width = large.shape[:2]
    made = to_pillow(np.ascontiguousarray(np.broadcast_to(large, (height, width, 3))))
    pen, thick = ImageDraw.Draw(made), max(1, max(height, width) // THICKNESS)
    at = np.linspace(DARKEST, 1.0, len(places)) if len(places) > 1 else np.ones(1)
    shades = np.stack([np.interp(at, np.linspace(0, 1, len(COLOURS)), band) for band in COLOURS.T], 1)
    middles = [(x * width, y * height) for x, y in places]
    for number, ((x, y), shade) in enumerate(zip(middles, np.rint(shades).astype(int).tolist(), strict=True)):
        if number:
            pen.line([middles[number - 1], (x, y)], tuple(shade), thick)
        for tall, broad in sides:
            half_height, half_width = tall * height / 2, broad * width / 2
            pen.rectangle(
                [x - half_width, y - half_height, x + half_width, y + half_height], None, tuple(shade), thick
            )
    return np.asarray(made)
