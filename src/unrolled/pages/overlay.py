"""Maps of attention over pictures. H × W pixels, h × w places of a map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unrolled.data.media.images import ImageArray, require_pillow
from unrolled.data.media.thumbnails import film_strip, to_pillow
from unrolled.data.modalities.base import Frame

COLOURS = np.array([(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)], np.float64)
"""From the least to the most: black, violet, red, orange, pale yellow; brightness rises all the way."""
WHOLE = Frame()  # the map covers the picture
OPACITY = 0.55  # of the colours over the picture
SMALLEST = 224  # pixels on the longer side, at least: smaller pictures are enlarged first
MOST_FRAMES, FRAME_SIDE = 16, 112  # frames of a video that are shown, and pixels on the longer side of each
GAP, TEXT_HEIGHT = 8, 24  # pixels between the pictures of a strip, and below each for its text
LONGEST_STRIP = 1 << 14  # pixels across


def overlay(
    image: ImageArray, weights: Sequence[Sequence[float]], frame: Frame = WHOLE, highest: float | None = None
) -> ImageArray:
    """A picture (H, W, 1 or 3) with a map (h, w) over it in colours, in red, green and blue. The largest weight has
    the brightest colour. frame: the part of the picture that the map covers. highest: the largest weight, of several
    pictures. A small picture is enlarged."""
    large = enlarged(image)
    places = np.asarray(weights, np.float64)
    highest = places.max() if highest is None else highest
    heat = resampled(places / (highest or 1.0), large.shape[0], large.shape[1], frame)  # (H, W)
    colour = np.stack([np.interp(heat, np.linspace(0, 1, len(COLOURS)), band) for band in COLOURS.T], 2)
    grounded = np.broadcast_to(large, (*large.shape[:2], 3))
    return np.rint((1 - OPACITY) * grounded + OPACITY * colour).astype(np.uint8)


def overlay_frames(frames: ImageArray, weights: Sequence[Sequence[Sequence[float]]]) -> tuple[ImageArray, ImageArray]:
    """Frames (T, H, W, 3) as a film strip, and the same with the map of each frame, of (T, h, w), over it. Of many
    frames some are shown, spread evenly, each with the sum of the maps of those around it."""
    maps = np.asarray(weights, np.float64)
    shown = min(len(frames), MOST_FRAMES)
    starts = np.arange(shown) * len(frames) // shown
    maps = np.add.reduceat(maps, starts, 0)
    some = [
        frames[start + size // 2] for start, size in zip(starts, np.diff(starts, append=len(frames)), strict=True)
    ]
    highest = float(maps.max())
    over = [overlay(frame, found.tolist(), highest=highest) for frame, found in zip(some, maps, strict=True)]
    return film_strip(some, FRAME_SIDE), film_strip(over, FRAME_SIDE)


def resampled(places: NDArray[np.float64], height: int, width: int, frame: Frame = WHOLE) -> NDArray[np.float64]:
    """A map (h, w) as (height, width) values of a picture, linear between the middles of its places and constant
    beyond them."""
    down = _between(places.shape[0], height, frame.top, frame.bottom)
    across = _between(places.shape[1], width, frame.left, frame.right)
    return down @ places @ across.T


def coarse(places: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """A map with at most `most` rows and columns: the sums of neighbouring places, so the total stays."""
    for axis, size in enumerate(places.shape):
        if size > most:
            starts = np.arange(most) * size // most
            places = np.add.reduceat(places, starts, axis)
    return places


def enlarged(image: ImageArray) -> ImageArray:
    """A picture with at least `SMALLEST` pixels on its longer side; each pixel becomes a square."""
    times = -(-SMALLEST // max(image.shape[:2]))
    return image.repeat(times, 0).repeat(times, 1)


def strip(images: Sequence[ImageArray], texts: Sequence[str]) -> ImageArray:
    """Pictures side by side, each with its text below it. Raises ValueError where they would be too wide."""
    width = sum(image.shape[1] + GAP for image in images) + GAP
    if width > LONGEST_STRIP:
        raise ValueError(f"{width:,} pixels")
    from PIL import ImageDraw

    height = max(image.shape[0] for image in images)
    made = require_pillow().new("RGB", (width, height + 2 * GAP + TEXT_HEIGHT), "white")
    pen, left = ImageDraw.Draw(made), GAP
    for image, text in zip(images, texts, strict=True):
        made.paste(to_pillow(image), (left, GAP))
        room = image.shape[1]
        while text and pen.textlength(text) > room:
            text = text[:-2] + "…" if len(text) > 1 else ""
        pen.text((left, GAP + height + GAP // 2), text, fill="black")
        left += image.shape[1] + GAP
    return np.asarray(made)


def _between(size: int, pixels: int, start: float, end: float) -> NDArray[np.float64]:
    """The weights (pixels, size) of linear interpolation. start, end: of the places, in shares of the pixels."""
    at = ((np.arange(pixels) + 0.5) / pixels - start) / (end - start) * size - 0.5
    return np.stack([np.interp(at, np.arange(size), row) for row in np.eye(size)], 1)
