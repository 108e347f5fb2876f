"""What a file is by its first bytes, whatever its name says: `kind_of_file` is the one place that knows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from unrolled.errors import DataError, typed

HEAD = 1 << 14  # bytes looked at


class FileKind(NamedTuple):
    """A kind of file that is known by its beginning."""

    name: str  # as in "it is a gzip archive"
    endings: tuple[str, ...]  # of names that say so
    cure: str  # what to do with one where text or a table was expected; FILE stands for it
    text: bool = False  # whether it is text too, so that a text may be like this

    def cure_of(self, path: Path) -> str:
        """What to do with this one; its commands can be typed as they stand."""
        return self.cure.replace("FILE", typed(path))


EXCEL = FileKind("an Excel workbook", (".xlsx", ".xlsm", ".xls"), "Save the sheet as CSV in UTF-8; give that file.")
SHEET = FileKind("an OpenDocument spreadsheet", (".ods",), "Save the sheet as CSV, and give that file.")
DOCUMENT = FileKind("a word processor's file", (".docx", ".doc", ".odt", ".rtf"), "Save it as plain text (UTF-8).")
NPZ = FileKind("an npz of arrays", (".npz",), "Give it a name that ends in .npz.")
PACKED = "Unpack it, and give what is in it"
ZIP = FileKind("a zip archive", (".zip", ".npz"), f"{PACKED}: unzip FILE")
PICTURE = (
    "Pictures are learnt from a folder for each label (pets/cat/1.png), or a table with a column of their paths."
)
SOUND = "Sounds are learnt from a folder for each label (digits/one/1.wav), or a table with a column of their paths."
TABLE = "Save it as csv, jsonl or parquet."
JSON = FileKind("JSON", (".json", ".jsonl", ".ndjson"), "Give it a name that ends in .json or .jsonl.", text=True)

SIGNATURES: tuple[tuple[re.Pattern[bytes], FileKind], ...] = tuple(
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        (rb"PK\x03\x04(.*?PK\x03\x04)?.{26}xl/", EXCEL),
        (rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis\.opendocument\.spreadsheet", SHEET),
        (rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis\.opendocument\.text", DOCUMENT),
        (rb"PK\x03\x04(.*?PK\x03\x04)?.{26}word/", DOCUMENT),
        (rb"PK\x03\x04.{26}[^\x00]{1,200}\.npy", NPZ),
        (rb"PK(\x03\x04|\x05\x06)", ZIP),
        (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileKind("an old Excel or Word file", (".xls", ".doc"), EXCEL.cure)),
        (rb"\{\\rtf", DOCUMENT),
        (rb"\x1f\x8b", FileKind("a gzip archive", (".gz", ".tgz"), f"{PACKED}: gunzip < FILE > NEW")),
        (rb"BZh[1-9]1AY&SY", FileKind("a bzip2 archive", (".bz2",), f"{PACKED}: bunzip2 < FILE > NEW")),
        (rb"\xfd7zXZ\x00", FileKind("an xz archive", (".xz",), f"{PACKED}: unxz < FILE > NEW")),
        (rb"\x28\xb5\x2f\xfd", FileKind("a zstd archive", (".zst",), f"{PACKED}: unzstd < FILE > NEW")),
        (rb"7z\xbc\xaf\x27\x1c", FileKind("a 7z archive", (".7z",), f"{PACKED}: 7z x FILE")),
        (rb"Rar!\x1a\x07", FileKind("a rar archive", (".rar",), f"{PACKED}: unrar x FILE")),
        (rb".{257}ustar", FileKind("a tar archive", (".tar",), f"{PACKED}: tar -xf FILE")),
        (rb"%PDF-", FileKind("a PDF", (".pdf",), "Take its text out: pdftotext FILE")),
        (rb"\x89PNG\r\n\x1a\n", FileKind("a picture (PNG)", (".png",), PICTURE)),
        (rb"\xff\xd8\xff", FileKind("a picture (JPEG)", (".jpg", ".jpeg"), PICTURE)),
        (rb"GIF8[79]a", FileKind("a picture (GIF)", (".gif",), PICTURE)),
        (rb"(II\*\x00|MM\x00\*)", FileKind("a picture (TIFF)", (".tif", ".tiff"), PICTURE)),
        (rb".{128}DICM", FileKind("a picture (DICOM)", (".dcm", ".dicom"), "Convert it to PNG, of 16 bits.")),
        (rb"RIFF.{4}WEBP", FileKind("a picture (WebP)", (".webp",), PICTURE)),
        (rb"RIFF.{4}WAVE", FileKind("a sound (WAV)", (".wav",), SOUND)),
        (rb"FORM.{4}AIF[FC]", FileKind("a sound (AIFF)", (".aif", ".aiff"), SOUND)),
        (rb"fLaC", FileKind("a sound (FLAC)", (".flac",), SOUND)),
        (rb"OggS", FileKind("a sound (Ogg)", (".ogg", ".oga", ".opus"), SOUND)),
        (rb"ID3", FileKind("a sound (MP3)", (".mp3",), SOUND)),
        (rb".{4}ftyp", FileKind("a film or a sound (MP4)", (".mp4", ".m4a", ".mov"), SOUND)),
        (rb"PAR1", FileKind("a parquet file", (".parquet",), "Give it a name that ends in .parquet.")),
        (rb"\x93NUMPY", FileKind("an npy array", (".npy",), "Give it a name that ends in .npy.")),
        (rb"ARROW1", FileKind("an Arrow (Feather) file", (".arrow", ".feather"), TABLE)),
        (rb"\x89HDF\r\n\x1a\n", FileKind("an HDF5 file", (".h5", ".hdf5"), TABLE)),
        (rb"SQLite format 3\x00", FileKind("a SQLite database", (".db", ".sqlite"), TABLE)),
        (rb"Obj\x01", FileKind("an Avro file", (".avro",), TABLE)),
        (rb"MATLAB 5\.0 MAT-file", FileKind("a MATLAB file", (".mat",), "Save its arrays as .npz.")),
        (rb"\x80[\x02-\x05][\x95\]}()cX]", FileKind("a Python pickle", (".pkl", ".pickle", ".pt", ".pth"),
            "It cannot be opened without running what it says; save the rows as csv, jsonl or npz.")),
        (rb"\s*<(!doctype\s+html|html[\s>])", FileKind("an HTML page", (".html", ".htm", ".xhtml"),
            "Was a page saved in place of the file? Download it anew.", text=True)),
        (rb"\s*<\?xml\s", FileKind("XML", (".xml", ".svg", ".rss", ".html", ".xhtml"), TABLE, text=True)),
        (rb"\s*(\[\s*)?\{\s*(\"[^\"\r\n]*\"\s*:|\}\s*$)", JSON),
    )
)  # fmt: skip
"""Beginnings, and what has them; the first that fits holds."""


def kind_of_file(path: Path) -> FileKind | None:
    """What a file is by its first bytes; None where these say nothing, as those of plain text and csv. Raises
    DataError where it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    head = re.sub(rb"(?i)^\xef\xbb\xbf", b"", head)
    lowered = head[:200].lower() + head[200:]  # marks of HTML and XML are written either way
    return next((kind for mark, kind in SIGNATURES if mark.match(lowered if kind.text else head)), None)


def says(path: Path, kind: FileKind) -> bool:
    """Whether a file's name says that it is of this kind."""
    return path.name.lower().endswith(kind.endings)


def check_name(path: Path) -> None:
    """Raises DataError for a file that is another thing than its name says, and what to do with it."""
    kind = kind_of_file(path)
    if kind is not None and not says(path, kind):
        raise DataError(
            f"{path} is named {path.suffix or 'without an ending'}, and it is {kind.name}.\n{kind.cure_of(path)}"
        )
