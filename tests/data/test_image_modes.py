"""Every mode in which image files store pixels is read with the right colours."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
import pytest

from unrolled.data.media.images import inspect_image, read_image
from unrolled.errors import MediaError

pytest.importorskip("PIL")
from PIL import Image

COLOURS = [(200, 20, 40), (30, 180, 90), (60, 70, 210), (250, 240, 10)]  # of the four quarters
PIXELS = np.array(COLOURS, np.uint8).reshape(2, 2, 3).repeat(16, 0).repeat(16, 1)  # (32, 32, 3)
RGB = Image.fromarray(PIXELS)
GREYS = [(one, one, one) for one in (76, 125, 83, 217)]
WHITE = (255, 255, 255)
UPPER_WHITE = [WHITE, WHITE, *COLOURS[2:]]


def quarters(path: Path) -> list[list[int]]:
    image = read_image(path, 32, 32, False)
    return [image[row, column].tolist() for row, column in ((8, 8), (8, 24), (24, 8), (24, 24))]


def write_png(path: Path, pixels: np.ndarray[Any, Any], kind: int) -> None:
    """A png of 16 bits, which Pillow does not write. kind: of colours, as in its header."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return pack(">I", len(content)) + name + content + pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", pack(">IIBBBBB", 32, 32, 16, kind, 0, 0, 0))
    rows = b"".join(b"\0" + row.tobytes() for row in pixels.astype(">u2") * 257)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def with_alpha(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The pixels with an alpha channel: the upper half is transparent."""
    alpha = np.zeros((32, 32, 1), np.uint8)
    alpha[16:] = 255
    return np.concatenate([pixels.reshape(32, 32, -1), alpha], 2)


def write_ycck(path: Path) -> None:
    """CMYK as Photoshop writes it in a jpeg: inverted, and its colours as luminance and chrominance."""
    inks = RGB.convert("CMYK")
    cyan = Image.merge("RGB", inks.split()[:3]).convert("YCbCr")
    stored = [band.point(lambda value: 255 - value) for band in cyan.split()]
    Image.merge("CMYK", [*stored, inks.split()[3]]).save(path, quality=98)
    content = bytearray(path.read_bytes())
    content[content.index(b"Adobe") + 11] = 2  # its transform
    path.write_bytes(content)


def animated(path: Path) -> None:
    RGB.save(path, save_all=True, append_images=[RGB.rotate(90), RGB.rotate(180)])


GREY = RGB.convert("L")
PALETTE = RGB.quantize(8)
FIRST = PALETTE.getpixel((8, 8))
CASES: dict[str, tuple[str, Callable[[Path], object], list[tuple[int, int, int]]]] = {
    "CMYK, inverted by Adobe": ("a.jpg", lambda path: RGB.convert("CMYK").save(path, quality=98), COLOURS),
    "YCCK": ("a.jpg", write_ycck, COLOURS),
    "CMYK in a tiff": ("a.tif", RGB.convert("CMYK").save, COLOURS),
    "two images in a jpeg": (
        "a.jpg", lambda path: RGB.save(path, "MPO", save_all=True, append_images=[GREY]), COLOURS,
    ),
    "a palette": ("a.png", PALETTE.save, COLOURS),
    "a transparent colour of a palette": (
        "a.png", lambda path: PALETTE.save(path, transparency=FIRST), [WHITE, *COLOURS[1:]],
    ),
    "a half transparent colour of a palette": (
        "a.png", lambda path: PALETTE.save(path, transparency=bytes(128 if n == FIRST else 255 for n in range(8))),
        [(227, 137, 147), *COLOURS[1:]],
    ),
    "a transparent colour": ("a.png", lambda path: RGB.save(path, transparency=COLOURS[0]), [WHITE, *COLOURS[1:]]),
    "a transparent grey": ("a.png", lambda path: GREY.save(path, transparency=76), [WHITE, *GREYS[1:]]),
    "16 bits in colour": ("a.png", lambda path: write_png(path, PIXELS, 2), COLOURS),
    "16 bits in grey": ("a.png", lambda path: write_png(path, np.array(GREY), 0), GREYS),
    "16 bits, transparent": ("a.png", lambda path: write_png(path, with_alpha(PIXELS), 6), UPPER_WHITE),
    "16 bits in grey, transparent": (
        "a.png", lambda path: write_png(path, with_alpha(np.array(GREY)), 4), [WHITE, WHITE, *GREYS[2:]],
    ),
    "16 bits, the larger byte first": (
        "a.tif", lambda path: Image.fromarray(np.array(GREY).astype(">u2") * np.uint16(257)).save(path), GREYS,
    ),
    "luminance and chrominance": ("a.tif", RGB.convert("YCbCr").save, COLOURS),
    "an animated gif": ("a.gif", animated, COLOURS),
    "an animated png": ("a.png", animated, COLOURS),
    "several pages": ("a.tif", animated, COLOURS),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_colours_are_right(case: str, tmp_path: Path) -> None:
    name, write, expected = CASES[case]
    write(tmp_path / name)
    np.testing.assert_allclose(quarters(tmp_path / name), expected, atol=3)
    grey = expected in (GREYS, [WHITE, *GREYS[1:]])  # Pillow reads grey of 16 bits with alpha as colours
    assert inspect_image(tmp_path / name) == (32, 32, grey)


def test_an_animated_webp_is_read_by_its_first_image(tmp_path: Path) -> None:
    RGB.save(tmp_path / "a.webp", save_all=True, lossless=True, append_images=[RGB.rotate(90)])
    np.testing.assert_allclose(quarters(tmp_path / "a.webp"), COLOURS, atol=1)


def test_an_image_of_one_pixel_is_read(tmp_path: Path) -> None:
    Image.fromarray(PIXELS[:1, :1]).save(tmp_path / "a.png")
    assert inspect_image(tmp_path / "a.png") == (1, 1, False)
    assert read_image(tmp_path / "a.png", 1, 1, False).tolist() == [[list(COLOURS[0])]]
    assert (read_image(tmp_path / "a.png", 32, 32, False) == COLOURS[0]).all()


@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.gif", "a.tif", "a.bmp"])
def test_truncated_images_are_refused(name: str, share: float, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(MediaError, match=rf"{name} (is damaged or truncated|cannot be read as an image)"):
        read_image(tmp_path / name, 32, 32, False)
