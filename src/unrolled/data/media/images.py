"""Image files as arrays of one size.

Uses Pillow, which comes with the extra `vision`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unrolled.data.media.base import DECODING, check_file, reason_of
from unrolled.environment import FreeMemory
from unrolled.errors import MediaError, MissingExtra, install_extra

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_ENDINGS = (
    ".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jfif",
    ".jpe", ".apng",
)  # fmt: skip
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")  # decoders that are used, whatever a file's name
MOST_PIXELS = 150_000_000  # of 4 bytes, in memory; below the size that Pillow itself refuses
MOST_WEBP = 40_000_000  # pixels of a WebP, which takes four times the memory
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap width and height
ORIENTATION = 0x0112  # tag of the orientation in EXIF
LARGE = 1 << 22  # pixels above which an image is shrunk tile by tile
TILE = 1 << 9  # pixels on a side of a tile, about
FINE = 512  # pixels on the longer side of what is requested, above which a large image is shrunk less finely
COPIES = 5  # copies of an image's pixels that decoding holds if it is not shrunk by tiles
BLOCK = 1 << 26  # bytes of Pillow's blocks of pixels: more than malloc keeps for later in each thread
HEAVY = 1 << 28  # bytes of decoding before which freed memory is given back
MEASURED = 1 << 28  # pixels of large images from which bit depth and background are measured, about
WHITE, DEEPEST = 0xFF, 0xFFFF  # largest values of 8 and 16 bits
LEAST_CONTRAST = 32  # grey levels by which nine of ten drawings must differ from the background

ImageArray = NDArray[np.uint8]


class EncodedImage(NamedTuple):
    """The bytes of an image file that are in a cell of a table."""

    place: str  # of the cell, for errors
    data: bytes

    def __str__(self) -> str:
        return self.place


ImageSource: TypeAlias = str | Path | EncodedImage
SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"RIFF", b"II*\0", b"MM\0*")
"""First bytes of image files."""


def is_encoded_image(data: bytes) -> bool:
    """Whether bytes begin like an image file."""
    return data.startswith(SIGNATURES) and (not data.startswith(b"RIFF") or data[8:12] == b"WEBP")


def inspect_image(path: ImageSource) -> tuple[int, int, bool]:
    """(width, height, whether it is grey) of an image, upright by its EXIF. Raises MediaError, MissingExtra.

    Reads the header only. An image with a palette is grey if all colours of the palette are.
    """
    image_module = require_pillow()
    with _open(path) as image:
        try:
            width, height = image.size
            if image_module.Image.getexif(image).get(ORIENTATION) in SIDEWAYS:
                width, height = height, width
            return width, height, _is_grey(image)
        except Exception as error:  # a damaged file can make decoders raise anything
            raise _damaged(path, error) from None


def read_image(
    path: ImageSource, height: int, width: int, grey: bool, depth: tuple[int, int] = (0, DEEPEST), ground: int = WHITE
) -> ImageArray:
    """An image file as (height, width, C) bytes, C = 1 if `grey`, else 3 (red, green, blue).

    It is turned upright by its EXIF and resized without keeping its aspect ratio (Pillow's bilinear, which averages
    when it shrinks). Transparent pixels lie on `ground`, a grey from 0 to 255. For 16 bits, the values of `depth`
    become 0 to 255. Of an animation the first frame is taken. A large image is shrunk tile by tile to save memory.
    Raises MediaError, with the file and its fault, if it is not an image, is truncated or damaged, has more than 150
    million pixels (40 million of a WebP), or values of neither 8 nor 16 bits; MissingExtra.
    """
    with _open(path) as image:
        whole = image.width * image.height
        _draft(path, image, height, width)
        held = _decoding_bytes(image, whole)
    with DECODING.hold(held):
        if held > HEAVY:
            FreeMemory().give_back(0)  # what was freed before would be held beside it
        return _decode(path, height, width, grey, depth, ground)


def _decoding_bytes(image: Image, whole: int) -> int:
    """Approximate memory that decoding takes. whole: pixels of the file, of which a JPEG's image has a fraction."""
    pixels = image.width * image.height
    held = 4 * pixels * (1 if pixels > LARGE else COPIES)
    if image.format == "WEBP":
        return held + 12 * whole
    return held + 2 * whole * len(image.getbands()) if image.info.get("progressive") else held


def _decode(
    path: ImageSource, height: int, width: int, grey: bool, depth: tuple[int, int], ground: int
) -> ImageArray:
    from PIL import Image, ImageOps

    with _open(path) as image:
        try:
            _draft(path, image, height, width)
            large = image.width * image.height > LARGE
            whole = _shrunk(path, image, height, width, grey, depth, ground) if large else image
            flat = _flat(path, ImageOps.exif_transpose(whole), grey, depth, ground)
            small = flat.resize((width, height), Image.Resampling.BILINEAR)
            return np.array(small, np.uint8).reshape(height, width, 1 if grey else 3)
        except MediaError:
            raise
        except Exception as error:
            raise _damaged(path, error) from None


def _draft(path: ImageSource, image: Image, height: int, width: int) -> None:
    """Set a JPEG to be decoded at a fraction of its size, if that suffices."""
    try:
        image.draft(None, (2 * max(height, width),) * 2)
    except Exception as error:
        raise _damaged(path, error) from None


def measure_images(paths: Iterable[ImageSource]) -> tuple[tuple[int, int], int]:
    """(least and greatest value of the 16-bit images, background for transparent images). The background is white,
    unless drawings are too bright to be visible on it. Files that cannot be read are skipped; so are large images
    beyond about 270 million pixels, evenly."""
    low, high, bright = DEEPEST, 0, list[float]()
    for path in _measured(paths):
        try:
            with _open(path) as image:
                if _is_deep(image):
                    for tile in _tiles(image):
                        values = np.asarray(tile)
                        low, high = min(low, int(values.min())), max(high, int(values.max()))
                elif _is_transparent(image):
                    bright += _brightness(image)
        except Exception:
            continue
    depth = (low, min(high, DEEPEST)) if low < high else (0, DEEPEST)
    return depth, background_of(bright)


def background_of(bright: Sequence[float]) -> int:
    """The grey on which drawings on a transparent ground are laid: white, unless they would be invisible on it.
    bright: mean brightness of each drawing, from 0 to 255."""
    if not bright:
        return WHITE
    contrast = {ground: float(np.quantile(np.abs(np.array(bright) - ground), 0.1)) for ground in (WHITE, 0, 128)}
    return WHITE if contrast[WHITE] >= LEAST_CONTRAST else max(contrast, key=lambda ground: contrast[ground])


def _measured(paths: Iterable[ImageSource]) -> list[ImageSource]:
    """Those images from which bit depth and background can be seen. Large ones only as far as there is time."""
    small, large, pixels = list[ImageSource](), list[ImageSource](), 0
    for path in paths:
        try:
            with _open(path) as image:
                if not (_is_deep(image) or _is_transparent(image)):
                    continue
                if image.width * image.height > LARGE:
                    large.append(path)
                    pixels += image.width * image.height
                else:
                    small.append(path)
        except MediaError:
            continue
    return small + large[:: max(1, -(-pixels // MEASURED))]


def _open(path: ImageSource) -> Image:
    image_module = require_pillow()
    file: Path | BytesIO
    if isinstance(path, EncodedImage):
        file = BytesIO(path.data)
    else:
        file = path = Path(path)
        check_file(path, "an image")
    try:
        image: Image = image_module.open(file, formats=FORMATS)
    except image_module.DecompressionBombError:
        raise _bomb(path, "far too many") from None
    except image_module.UnidentifiedImageError:
        raise MediaError(
            f"{path} cannot be read as an image.\nImage files are {', '.join(IMAGE_ENDINGS)};\n"
            "copy it again, convert it, or leave it out."
        ) from None
    except Exception as error:
        raise _damaged(path, error) from None
    if image.width * image.height > (MOST_WEBP if image.format == "WEBP" else MOST_PIXELS):
        image.close()
        raise _bomb(path, f"{image.width:,} x {image.height:,}", image.format == "WEBP")
    return image


def _bomb(path: ImageSource, count: str, webp: bool = False) -> MediaError:
    most = f"{MOST_WEBP:,} of a WebP" if webp else f"{MOST_PIXELS:,}"
    return MediaError(
        f"{path} has {count} pixels by its header; at most {most} are read, to limit memory.\n"
        "Make it smaller, or leave it out."
    )


def _damaged(path: ImageSource, error: Exception) -> MediaError:
    return MediaError(
        f"{path} is damaged or truncated: {reason_of(error, Path(str(path)))}.\nCopy it again, or leave it out."
    )


def _is_grey(image: Image) -> bool:
    if image.mode == "P":
        colours = np.array(image.getpalette("RGB")).reshape(-1, 3)
        return bool((colours == colours[:, :1]).all())
    return image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16")


def _is_deep(image: Image) -> bool:
    """Whether an image is grey with more than 8 bits."""
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _is_transparent(image: Image) -> bool:
    """Whether an image may be transparent."""
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info


def _brightness(image: Image) -> list[float]:
    """[mean brightness of the visible pixels, from 0 to 255]; empty if all pixels are transparent, or none is."""
    visible, total, hidden = 0.0, 0.0, False
    for tile in _tiles(image):
        light, alpha = (np.asarray(band, np.float64) for band in tile.convert("RGBA").convert("LA").split())
        total, visible = total + float((light * alpha).sum()), visible + float(alpha.sum())
        hidden |= not alpha.all()
    return [total / visible] if visible and hidden else []


def _tiles(image: Image) -> Iterator[Image]:
    """An image in pieces, if it is large; to save memory."""
    if image.width * image.height <= LARGE:
        yield image
        return
    for top in range(0, image.height, TILE):
        for left in range(0, image.width, TILE):
            yield image.crop((left, top, min(left + TILE, image.width), min(top + TILE, image.height)))


def _flat(path: ImageSource, image: Image, grey: bool, depth: tuple[int, int], ground: int) -> Image:
    """The image in 8 bits, on its background, in grey or in colour."""
    return _on_background(_of_eight_bits(path, image, depth), ground).convert("L" if grey else "RGB")


def _shrunk(
    path: ImageSource, image: Image, height: int, width: int, grey: bool, depth: tuple[int, int], ground: int
) -> Image:
    """The image reduced to about four times the requested size, or twice a large one. Each new pixel is the mean of
    those that it covers. It is not turned yet; it has 8 bits and lies on its background."""
    import PIL.Image

    facts = image.getexif()
    if facts.get(ORIENTATION) in SIDEWAYS:
        height, width = width, height
    finer = 4 if max(height, width) <= FINE else 2
    across, down = max(1, image.width // (finer * width)), max(1, image.height // (finer * height))
    wide, high = (max(1, TILE // factor) * factor for factor in (across, down))
    small = PIL.Image.new("L" if grey else "RGB", (-(-image.width // across), -(-image.height // down)))
    for top in range(0, image.height, high):
        for left in range(0, image.width, wide):
            box = left, top, min(left + wide, image.width), min(top + high, image.height)
            tile = _flat(path, image.crop(box), grey, depth, ground).reduce((across, down))
            small.paste(tile, (left // across, top // down))
    small.getexif()[ORIENTATION] = facts.get(ORIENTATION, 1)
    return small


def _of_eight_bits(path: ImageSource, image: Image, depth: tuple[int, int]) -> Image:
    """The image, reduced to 8 bits if it is grey with 16."""
    if not _is_deep(image):
        return image
    import PIL.Image

    values = np.array(image)
    if image.mode == "F" or values.min() < 0 or values.max() > DEEPEST:
        raise MediaError(f"{path} has 32-bit values, whose white level is unknown. Save it with 8 or 16 bits.")
    if depth == (0, DEEPEST):
        return PIL.Image.fromarray((values >> 8).astype(np.uint8))
    low, high = depth
    scaled = np.rint((values.astype(np.float32) - low) * np.float32(255 / (high - low)))
    return PIL.Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8))


def _on_background(image: Image, ground: int) -> Image:
    import PIL.Image

    if not _is_transparent(image):
        return image
    top = image.convert("RGBA")
    return PIL.Image.alpha_composite(PIL.Image.new("RGBA", top.size, (ground, ground, ground, 255)), top)


def require_pillow() -> Any:
    """Pillow's module `Image`. Raises MissingExtra where it is not installed."""
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra(f"Image files need Pillow, which is not installed: {install_extra('vision')}.") from None
    # images above our own limit are refused; not in a context, because those of threads would get mixed up
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    Image.core.set_block_size(BLOCK)  # type: ignore[attr-defined]
    return Image
