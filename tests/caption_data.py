"""Images with captions that are quick to learn: a square of a colour, at a random place."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (40, 60, 200), "black": (20, 20, 20)}


def draw_square(path: Path, colour: str, number: int) -> None:
    """An image of 96 × 72 pixels with noise; number: seeds it."""
    from PIL import Image

    random = np.random.default_rng(number)
    pixels = np.full((72, 96, 3), 235, np.uint8)
    top, left = random.integers(0, 32), random.integers(0, 56)
    pixels[top : top + 40, left : left + 40] = COLOURS[colour]
    pixels = np.clip(pixels + random.normal(0, 8, pixels.shape), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)


def write_captions(folder: Path, count: int = 108) -> Path:
    """A table with two captions for each image 0.png, 1.png, …, whose colours take turns."""
    rows = []
    for number in range(count):
        colour = list(COLOURS)[number % 4]
        draw_square(folder / f"{number}.png", colour, number)
        for text in (f"A large {colour} square at place {number} .", f"The {colour} thing, {number}, on a wall ."):
            rows.append((f"{number}.png", text))
    with (folder / "captions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "caption"), *rows])
    return folder / "captions.csv"
