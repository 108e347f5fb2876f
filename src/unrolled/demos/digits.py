"""Digits drawn as 5 × 7 pixels, anywhere on a canvas, with noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FONT = """
.###. ..#.. .###. ##### ...#. ##### ..##. ##### .###. .###.
#...# .##.. #...# ...#. ..##. #.... .#... ....# #...# #...#
#..## ..#.. ....# ..#.. .#.#. ####. #.... ...#. #...# #...#
#.#.# ..#.. ...#. ...#. #..#. ....# ####. ..#.. .###. .####
##..# ..#.. ..#.. ....# ##### ....# #...# .#... #...# ....#
#...# ..#.. .#... #...# ...#. #...# #...# .#... #...# ...#.
.###. .###. ##### .###. ...#. .###. .###. .#... .###. .##..
"""
HEIGHT, WIDTH = 7, 5  # pixels of a digit
INK, NOISE = 200, 40  # the brightness of a digit's pixels, and the standard deviation of the noise on all pixels

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


def glyphs() -> NDArray[np.float64]:
    """The ten digits (10, 7, 5), of 0 and 1."""
    rows = [line.split() for line in FONT.split("\n") if line]  # 7 rows of 10 digits
    return np.array([[[pixel == "#" for pixel in row[digit]] for row in rows] for digit in range(10)], dtype=float)


def draw_digits(
    generator: np.random.Generator, count: int, side: int, scale: int, corners: Sequence[tuple[int, int]]
) -> tuple[Images, Labels]:
    """Images (count, side, side) of digits whose pixels are `scale` wide, and their labels (count,).

    corners: (row, column) of a digit's upper left corner, of which one is drawn for each image.
    """
    labels = generator.integers(0, 10, count)
    drawn = generator.normal(0.0, NOISE, (count, side, side))
    large = glyphs().repeat(scale, 1).repeat(scale, 2)  # (10, 7 scale, 5 scale)
    for image, label, place in zip(drawn, labels, generator.integers(0, len(corners), count), strict=True):
        top, left = corners[place]
        image[top : top + HEIGHT * scale, left : left + WIDTH * scale] += INK * large[label]
    return drawn.clip(0, 255).astype(np.uint8), labels
