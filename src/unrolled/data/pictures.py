"""Pictures: a file as numbers of one size, and the ways in which a memory can read them.

By Pillow, which is an extra.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.media import DECODING, check_file, reason_of
from unrolled.errors import MediaError, MissingExtra, install_extra

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")  # what is decoded, whatever a file is called
MOST_PIXELS = 80_000_000  # below what Pillow itself warns of
SIDEWAYS = (5, 6, 7, 8)  # the orientations by which a camera says that width and height change places
ORIENTATION = 0x0112  # their place among the facts of EXIF
LARGE = 1 << 22  # pixels from which a picture is shrunk tile by tile
TILE = 1 << 9  # pixels on a side of a tile, about
COPIES = 5  # of a picture's pixels that are held where it is not
WHITE, DEEPEST = 0xFF, 0xFFFF  # of 8 and of 16 bits
LEAST_CONTRAST = 32  # steps of grey by which nine drawings of ten differ from the ground they are seen on

Picture = NDArray[np.uint8]


def look_at_picture(path: str | Path) -> tuple[int, int, bool]:
    """(width, height, whether it is grey) of a picture as it is shown, upright. Raises MediaError, MissingExtra.

    Decodes nothing but a picture with a palette, which is grey where all colours of its palette are.
    """
    path, image_module = Path(path), _pillow()
    with _open(path) as image:
        try:
            width, height = image.size
            if image_module.Image.getexif(image).get(ORIENTATION) in SIDEWAYS:
                width, height = height, width
            return width, height, _is_grey(image)
        except Exception as error:  # decoders raise whatever a damaged file makes them stumble over
            raise _damaged(path, error) from None


def read_picture(
    path: str | Path, height: int, width: int, grey: bool, depth: tuple[int, int] = (0, DEEPEST), ground: int = WHITE
) -> Picture:
    """A picture as (height, width, C) bytes, C = 1 where `grey`, else 3 (red, green, blue).

    Upright by its EXIF; what shines through lies on `ground`, a grey from 0 to 255; squeezed as a whole into the
    size, each new pixel the mean of what it covers (Pillow's bilinear, which smooths before it shrinks); of 16 bits
    the values of `depth` become 0 to 255; of moving pictures the first. A large picture is shrunk tile by tile, so
    that nothing but its pixels is held. Raises MediaError, with the file and its fault, for what is no picture, is
    truncated or damaged, has more than 80 million pixels, or values that are neither 8 nor 16 bits; MissingExtra.
    """
    path = Path(path)
    with _open(path) as image:
        _draft(path, image, height, width)
        pixels = image.width * image.height
    with DECODING.hold(4 * pixels * (1 if pixels > LARGE else COPIES)):
        return _decode(path, height, width, grey, depth, ground)


def _decode(path: Path, height: int, width: int, grey: bool, depth: tuple[int, int], ground: int) -> Picture:
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


def _draft(path: Path, image: Image, height: int, width: int) -> None:
    """Has a jpeg decoded at a fraction of its size, where that suffices."""
    try:
        image.draft(None, (2 * max(height, width),) * 2)
    except Exception as error:
        raise _damaged(path, error) from None


def measure_pictures(paths: Iterable[Path]) -> tuple[tuple[int, int], int]:
    """The least and the greatest value of pictures of 16 bits among these, and the grey on which what shines through
    shows the drawing: white, unless that is how bright a drawing is. What cannot be read is passed over."""
    low, high, bright = DEEPEST, 0, list[float]()
    for path in paths:
        try:
            with _open(path) as image:
                if image.width * image.height > LARGE:
                    continue
                if _is_deep(image):
                    values = np.asarray(image)
                    low, high = min(low, int(values.min())), max(high, int(values.max()))
                elif _shines(image):
                    bright += _brightness(image)
        except Exception:
            continue
    depth = (low, min(high, DEEPEST)) if low < high else (0, DEEPEST)
    if not bright:
        return depth, WHITE
    contrast = {ground: float(np.quantile(np.abs(np.array(bright) - ground), 0.1)) for ground in (WHITE, 0, 128)}
    return depth, WHITE if contrast[WHITE] >= LEAST_CONTRAST else max(contrast, key=lambda ground: contrast[ground])


def rows_of(picture: Picture) -> NDArray[np.float32]:
    """A picture (H, W, C) or (H, W), read from top to bottom: (H, W * C), between 0 and 1."""
    return np.asarray(picture.reshape(len(picture), -1) / 255, np.float32)


def patches_of(picture: Picture, side: int) -> NDArray[np.float32]:
    """A picture (H, W, C) or (H, W), read patch by patch as a page is: (patches, side * side * C), between 0 and 1.

    There are ⌈H / side⌉ * ⌈W / side⌉ patches; zeros stand beyond the lower and right edge where `side` does not
    divide.
    """
    height, width = picture.shape[:2]
    whole = picture.reshape(height, width, -1)
    whole = np.pad(whole, ((0, -height % side), (0, -width % side), (0, 0)))
    down, across, channels = whole.shape[0] // side, whole.shape[1] // side, whole.shape[2]
    patches = whole.reshape(down, side, across, side, channels).swapaxes(1, 2)
    return np.asarray(patches.reshape(down * across, side * side * channels) / 255, np.float32)


def shift_picture(picture: Picture, dice: np.random.Generator) -> Picture:
    """A picture (H, W, C) or (H, W) moved by up to 7% of each side, rounded to pixels; the colour of its edge fills
    what becomes free. For training, so that no place is learnt by heart."""
    for axis in (0, 1):
        most = round(0.07 * picture.shape[axis])
        shift = int(dice.integers(-most, most + 1))
        places = np.clip(np.arange(picture.shape[axis]) - shift, 0, picture.shape[axis] - 1)
        picture = picture.take(places, axis)
    return picture


def _open(path: Path) -> Image:
    image_module = _pillow()
    check_file(path, "a picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", image_module.DecompressionBombWarning)  # the limit below is lower
            image: Image = image_module.open(path, formats=FORMATS)
    except image_module.DecompressionBombError:
        raise _bomb(path, "far more") from None
    except image_module.UnidentifiedImageError:
        raise MediaError(
            f"{path} is no picture that could be read. Pictures are {', '.join(PICTURES)};\n"
            "copy it anew, convert it, or leave it out."
        ) from None
    except Exception as error:
        raise _damaged(path, error) from None
    if image.width * image.height > MOST_PIXELS:
        image.close()
        raise _bomb(path, f"{image.width:,} x {image.height:,}")
    return image


def _bomb(path: Path, count: str) -> MediaError:
    return MediaError(
        f"{path} says that it has {count} pixels; up to {MOST_PIXELS:,} are read, so that no file fills the memory.\n"
        "Make it smaller, or leave it out."
    )


def _damaged(path: Path, error: Exception) -> MediaError:
    return MediaError(f"{path} is damaged or truncated: {reason_of(error, path)}.\nCopy it anew, or leave it out.")


def _is_grey(image: Image) -> bool:
    if image.mode == "P":
        colours = np.array(image.getpalette("RGB")).reshape(-1, 3)
        return bool((colours == colours[:, :1]).all())
    return image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16")


def _is_deep(image: Image) -> bool:
    """Whether a picture is grey in more than 8 bits."""
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _shines(image: Image) -> bool:
    """Whether a picture can be seen through."""
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info


def _brightness(image: Image) -> list[float]:
    """How bright what is seen of a picture is on average, from 0 to 255; nothing where none of it is seen."""
    light, seen = (np.asarray(band, np.float64) for band in image.convert("RGBA").convert("LA").split())
    return [float((light * seen).sum() / seen.sum())] if seen.any() and not seen.all() else []


def _flat(path: Path, image: Image, grey: bool, depth: tuple[int, int], ground: int) -> Image:
    """The same picture in 8 bits, on its ground, grey or in colours."""
    return _on_ground(_of_eight_bits(path, image, depth), ground).convert("L" if grey else "RGB")


def _shrunk(
    path: Path, image: Image, height: int, width: int, grey: bool, depth: tuple[int, int], ground: int
) -> Image:
    """A picture brought to about four times the size asked for, each new pixel the mean of what it covers; it lies as
    it was, and is in 8 bits, on its ground."""
    import PIL.Image

    facts = image.getexif()
    if facts.get(ORIENTATION) in SIDEWAYS:
        height, width = width, height
    across, down = max(1, image.width // (4 * width)), max(1, image.height // (4 * height))
    wide, high = (max(1, TILE // factor) * factor for factor in (across, down))
    small = PIL.Image.new("L" if grey else "RGB", (-(-image.width // across), -(-image.height // down)))
    for top in range(0, image.height, high):
        for left in range(0, image.width, wide):
            box = left, top, min(left + wide, image.width), min(top + high, image.height)
            tile = _flat(path, image.crop(box), grey, depth, ground).reduce((across, down))
            small.paste(tile, (left // across, top // down))
    small.getexif()[ORIENTATION] = facts.get(ORIENTATION, 1)
    return small


def _of_eight_bits(path: Path, image: Image, depth: tuple[int, int]) -> Image:
    """The same picture, where it is grey in 16 bits brought to 8."""
    if not _is_deep(image):
        return image
    import PIL.Image

    values = np.array(image)
    if image.mode == "F" or values.min() < 0 or values.max() > DEEPEST:
        raise MediaError(
            f"{path} has values of 32 bits, and it is not known which of them is white. Save it in 8 or 16 bits."
        )
    if depth == (0, DEEPEST):
        return PIL.Image.fromarray((values >> 8).astype(np.uint8))
    low, high = depth
    scaled = np.rint((values.astype(np.float32) - low) * np.float32(255 / (high - low)))
    return PIL.Image.fromarray(np.clip(scaled, 0, 255).astype(np.uint8))


def _on_ground(image: Image, ground: int) -> Image:
    import PIL.Image

    if not _shines(image):
        return image
    seen = image.convert("RGBA")
    return PIL.Image.alpha_composite(PIL.Image.new("RGBA", seen.size, (ground, ground, ground, 255)), seen)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra(f"Pictures are read by Pillow, which is not here: {install_extra('vision')}.") from None
    return Image
