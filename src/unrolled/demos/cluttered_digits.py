"""Digits drawn by a program at random places among scraps of others: images for a demo, without any data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 40  # pixels on a side of an image
HEIGHT, WIDTH = 14.0, 8.0  # pixels of a digit, about
SCRAPS, SCRAP = 4, 6  # number of scraps, and pixels on a side of each
CORNERS = {  # of the seven segments of a display: x and y in shares of the width and the height
    "a": (0, 0, 1, 0), "b": (1, 0, 1, 0.5), "c": (1, 0.5, 1, 1), "d": (0, 1, 1, 1), "e": (0, 0.5, 0, 1),
    "f": (0, 0, 0, 0.5), "g": (0, 0.5, 1, 0.5),
}  # fmt: skip
SEGMENTS = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")


def draw_cluttered_digits(count: int, generator: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (count, SIDE, SIDE) of digits of different size, slant and thickness, each at a random place among
    scraps of others, and their labels (count,)."""
    labels: NDArray[np.int64] = generator.integers(0, 10, count)
    images = np.zeros((count, SIDE, SIDE), np.uint8)
    margin = np.array([WIDTH, HEIGHT]) * 0.8
    for image, label in zip(images, labels.tolist(), strict=True):
        image[:] = _drawn(label, generator.uniform(margin, SIDE - margin), (0, 0, SIDE), generator)
        for other in generator.integers(0, 10, SCRAPS).tolist():
            left, top = generator.integers(0, SIDE - SCRAP + 1, 2).tolist()
            seen = generator.uniform(-0.5, 0.5, 2) * (WIDTH, HEIGHT)  # of the digit, in the middle of the scrap
            middle = np.array([left, top]) + SCRAP / 2 - seen
            scrap = _drawn(other, middle, (left, top, SCRAP), generator)
            window = image[top : top + SCRAP, left : left + SCRAP]
            np.maximum(window, scrap, out=window)
    return images, labels


def _drawn(
    digit: int, middle: NDArray[np.float64], window: tuple[int, int, int], generator: np.random.Generator
) -> NDArray[np.uint8]:
    """One digit around a place, x and y in pixels, as far as it is in a window: its left, its top and its side."""
    left, top, side = window
    size = generator.uniform(0.8, 1.15, 2) * (WIDTH, HEIGHT)
    slant, thickness = generator.uniform(-0.25, 0.25), generator.uniform(0.9, 1.5)
    ends = (np.array([CORNERS[segment] for segment in SEGMENTS[digit]]).reshape(-1, 2, 2) - 0.5) * size  # (K, 2, 2)
    ends[..., 0] -= slant * ends[..., 1]
    starts, ways = ends[:, 0] + middle, ends[:, 1] - ends[:, 0]  # (K, 2)
    x, y = np.meshgrid(left + np.arange(side) + 0.5, top + np.arange(side) + 0.5)
    pixels = np.stack([x, y], -1)[:, :, None]  # (side, side, 1, 2)
    share = np.clip(((pixels - starts) * ways).sum(-1) / (ways**2).sum(-1), 0, 1)  # along each segment
    apart = pixels - starts - share[..., None] * ways
    distance = np.sqrt((apart**2).sum(-1)).min(-1)  # (side, side)
    drawn: NDArray[np.uint8] = np.rint(255 * np.clip(thickness + 0.5 - distance, 0, 1)).astype(np.uint8)
    return drawn
