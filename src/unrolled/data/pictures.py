"""Pictures: a file as numbers of one size, and the ways in which a memory can read them.

By Pillow, which is an extra.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unrolled.data.media import check_file, reason_of
from unrolled.errors import MediaError, MissingExtra, install_extra

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")  # what is decoded, whatever a file is called
MOST_PIXELS = 80_000_000  # below what Pillow itself warns of
SIDEWAYS = (5, 6, 7, 8)  # the orientations by which a camera says that width and height change places
ORIENTATION = 0x0112  # their place among the facts of EXIF

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


def read_picture(path: str | Path, height: int, width: int, grey: bool) -> Picture:
    """A picture as (height, width, C) bytes, C = 1 where `grey`, else 3 (red, green, blue).

    Upright by its EXIF; what shines through lies on white; squeezed as a whole into the size, each new pixel the mean
    of what it covers (Pillow's bilinear, which smooths before it shrinks); 16 bits become 8; of moving pictures the
    first. Raises MediaError, with the file and its fault, for what is no picture, is truncated or damaged, has more
    than 80 million pixels, or values that are neither 8 nor 16 bits; MissingExtra.
    """
    path = Path(path)
    with _open(path) as image:
        from PIL import Image, ImageOps

        try:
            longest = 2 * max(height, width)
            image.draft(None, (longest, longest))  # of a jpeg: decoded at a fraction of its size, where that suffices
            upright = _of_eight_bits(path, ImageOps.exif_transpose(image))
            flat = _on_white(upright).convert("L" if grey else "RGB")
            small = flat.resize((width, height), Image.Resampling.BILINEAR)
            return np.array(small, np.uint8).reshape(height, width, 1 if grey else 3)
        except MediaError:
            raise
        except Exception as error:
            raise _damaged(path, error) from None


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


def _of_eight_bits(path: Path, image: Image) -> Image:
    """The same picture, where it is grey in 16 bits brought to 8."""
    if image.mode != "I" and image.mode != "F" and not image.mode.startswith("I;16"):
        return image
    import PIL.Image

    values = np.array(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 0xFFFF:
        raise MediaError(
            f"{path} has values of 32 bits, and it is not known which of them is white. Save it in 8 or 16 bits."
        )
    return PIL.Image.fromarray((values >> 8).astype(np.uint8))


def _on_white(image: Image) -> Image:
    import PIL.Image

    if image.mode not in ("LA", "La", "PA", "RGBA", "RGBa") and "transparency" not in image.info:
        return image
    seen = image.convert("RGBA")
    return PIL.Image.alpha_composite(PIL.Image.new("RGBA", seen.size, "white"), seen)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra(f"Pictures are read by Pillow, which is not here: {install_extra('vision')}.") from None
    return Image
