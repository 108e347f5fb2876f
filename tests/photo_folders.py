"""A folder of photographs per label, as people have them: parts of sample photographs, in many forms of files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sample_photos import CAMERA, CAT, COFFEE, ROCKET, sample_photo

if TYPE_CHECKING:
    from PIL.Image import Image

LABELS = {"camera": CAMERA, "cat": CAT, "coffee": COFFEE, "rocket": ROCKET}
SIDE = 96  # pixels on the longer side of a photograph
FORMS = ("as it is.png", "turned.jpg", "inks.jpg", "palette.png", "16 bits.png", "moving.gif", "tagged.tif")
ORIENTATION, TURNED_LEFT = 0x0112, 6  # a tag of EXIF, and its value where the picture lies on its left side


def part_of(name: str, generator: np.random.Generator) -> Image:
    """A part of a sample photograph: three quarters of each side or more, at random, and half of them mirrored."""
    from PIL import Image

    with Image.open(sample_photo(name)) as file:
        whole = file.convert("RGB")
    across, down = (round(side * generator.uniform(0.75, 1)) for side in whole.size)
    left, top = int(generator.integers(whole.width - across + 1)), int(generator.integers(whole.height - down + 1))
    part = whole.crop((left, top, left + across, top + down))
    part.thumbnail((SIDE, SIDE))
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if generator.integers(2) else part


def save_as(image: Image, form: str, folder: Path, stem: str = "") -> Path:
    """Save an image in one of `FORMS`; returns the file, whose name begins with `stem`."""
    from PIL import Image

    path, exif = folder / f"{stem}{form}", Image.Exif()
    if form == "turned.jpg":
        exif[ORIENTATION] = TURNED_LEFT
        image.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=95)
    elif form == "inks.jpg":
        image.convert("CMYK").save(path, quality=95)
    elif form == "palette.png":
        image.quantize(256).save(path)
    elif form == "16 bits.png":
        Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(path)
    elif form == "moving.gif":
        image.save(path, save_all=True, append_images=[Image.new("RGB", image.size)] * 2, duration=100)
    elif form == "tagged.tif":
        exif[ORIENTATION] = 3  # upside down
        image.transpose(Image.Transpose.ROTATE_180).save(path, exif=exif)
    else:
        image.save(path)
    return path


def write_photo_folders(folder: Path, count: int, seed: int = 0) -> Path:
    """A folder per label with `count` photographs each, in all of `FORMS` in turn."""
    generator = np.random.default_rng(seed)
    for label, name in LABELS.items():
        (folder / label).mkdir(parents=True)
        for number in range(count):
            save_as(part_of(name, generator), FORMS[number % len(FORMS)], folder / label, f"{number} ")
    return folder
