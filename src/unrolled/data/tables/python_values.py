"""Values of Python and of other libraries as cells. Only Pillow is imported for it, where an image of it is given."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from decimal import Decimal
from io import BytesIO
from os import PathLike, fspath
from typing import Any

import numpy as np

from unrolled.data.cells.cell import Cell
from unrolled.data.media.images import is_encoded_image
from unrolled.data.tables.arrays import plain_cell, plain_scalar

BFLOAT16_DIGITS = 4  # decimal digits that tell any two of its values apart


def as_cell(value: Any) -> Cell:
    """A value as a cell, as the same value is read from a file: a missing one is None, a date is text, an image
    is the bytes of a file of it. Raises TypeError with the kind of a value that is no cell."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return value or None
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, np.generic):
        return _scalar(value)
    if isinstance(value, datetime.datetime):
        return _of_time(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return as_cell(float(value))
    if isinstance(value, list | tuple):
        return [as_cell(one) for one in value]
    if isinstance(value, bytes) and is_encoded_image(value):
        return np.frombuffer(value, np.uint8)
    if isinstance(value, datetime.timedelta | complex):
        raise TypeError(_kind_of(value))
    if isinstance(value, PathLike):
        return str(fspath(value))
    return _of_other(value)


def is_cell(value: Any) -> bool:
    """Whether a value can be a cell."""
    try:
        as_cell(value)
    except TypeError:
        return False
    return True


def is_absent(value: Any) -> bool:
    """Whether a value that stands alone is missing: None, NaN, NaT or NA."""
    absent = value is None or type(value).__name__ in ("NAType", "NaTType")
    return absent or (isinstance(value, float | np.floating) and bool(np.isnan(value)))


def as_array(tensor: Any) -> Any:
    """A tensor of torch as an array; one in bfloat16, which numpy lacks, in float32, or with one value a row as the
    shortest decimals that give them. Raises TypeError for one without values that can be read."""
    if str(tensor.layout) != "torch.strided":
        raise TypeError("a sparse tensor: make it dense first, x.to_dense()")
    if tensor.is_meta:
        raise TypeError("a tensor on the device meta, which has no values")
    held = tensor.detach().cpu()
    if str(held.dtype) != "torch.bfloat16":
        return held.numpy()
    return _shortest_decimals(held) if math.prod(held.shape[1:]) == 1 else held.float().numpy()


def _shortest_decimals(held: Any) -> Any:
    """A tensor in bfloat16 as float64: of each value, the shortest decimal that bfloat16 rounds to it."""
    exact = held.double().numpy()
    found = exact.copy()
    for digits in range(BFLOAT16_DIGITS, 0, -1):
        written = np.array([float(f"{one:.{digits}g}") for one in exact.ravel().tolist()]).reshape(exact.shape)
        same = (held.new_tensor(written) == held).numpy()
        found[same] = written[same]
    return found


def _scalar(value: np.generic) -> Cell:
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else as_cell(value.astype("datetime64[us]").item())
    if isinstance(value, np.timedelta64):
        if np.isnat(value):
            return None
        raise TypeError("a timedelta")
    if isinstance(value, np.complexfloating):
        raise TypeError("a complex number")
    return as_cell(float(value) if isinstance(value, np.longdouble) else plain_scalar(value))


def _of_time(moment: datetime.datetime) -> str | None:
    """A moment as a spreadsheet writes it; None for pandas' NaT."""
    if moment != moment:
        return None
    whole = moment.time() == datetime.time() and moment.tzinfo is None
    return moment.date().isoformat() if whole else moment.isoformat(sep=" ")


def _of_other(value: Any) -> Cell:
    """Values of other libraries, none of which is imported for it."""
    library = type(value).__module__.partition(".")[0]
    if library == "torch" and hasattr(value, "numpy"):
        value = as_array(value)
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):  # all of it: an empty cell; some of it: numbers that are missing
            return None if value.mask.all() else plain_cell(np.ma.filled(value.astype(np.float64), np.nan))
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "biuf" and value.ndim:
            return plain_cell(value)
        return as_cell(value.tolist() if value.ndim else value[()])
    if library == "PIL" and hasattr(value, "save"):
        held = BytesIO()
        upright(value).save(held, "PNG", compress_level=1)
        return np.frombuffer(held.getvalue(), np.uint8)
    if library == "pandas" and type(value).__name__ == "NAType":
        return None
    if isinstance(value, Mapping) and set(value) == {"bytes", "path"}:
        return as_cell(value["path"] if value["bytes"] is None else value["bytes"])
    if hasattr(value, "to_numpy"):  # a series in a cell
        return as_cell(value.to_numpy())
    raise TypeError(_kind_of(value))


def _kind_of(value: Any) -> str:
    if isinstance(value, bytes):
        return "bytes of no image"
    name = "complex number" if isinstance(value, complex) else type(value).__name__
    return f"{'an' if name[0].lower() in 'aeio' else 'a'} {name}"


def upright(image: Any) -> Any:
    """An image of Pillow, turned as its EXIF says, in a mode that PNG has."""
    from PIL import ImageOps

    turned = ImageOps.exif_transpose(image)
    return turned if turned.mode in ("1", "L", "LA", "I;16", "P", "RGB", "RGBA") else turned.convert("RGB")
