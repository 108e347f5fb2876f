"""Recognise a file by its first bytes, whatever its name: `kind_of_file`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from unrolled.errors import DataError, shell_quote

HEAD = 1 << 14  # bytes examined


class FileKind(NamedTuple):
    """A kind of file that is recognised by its beginning."""

    name: str  # as in "it is a gzip archive"
    endings: tuple[str, ...]  # file endings of this kind
    advice: str  # advice where text or a table was expected; FILE is replaced by the path
    text: bool = False  # whether it is text, so that an ordinary text may look like it

    def advice_for(self, path: Path) -> str:
        """Advice for this file, with commands that can be typed as they are."""
        return self.advice.replace("FILE", shell_quote(path))


EXCEL = FileKind(
    "an Excel workbook", (".xlsx", ".xlsm", ".xls"), "Save the sheet as CSV in UTF-8, and use that file."
)
SHEET = FileKind("an OpenDocument spreadsheet", (".ods",), "Save the sheet as CSV, and use that file.")
DOCUMENT = FileKind("a word processor's file", (".docx", ".doc", ".odt", ".rtf"), "Save it as plain text (UTF-8).")
NPZ = FileKind("an npz of arrays", (".npz",), "Rename it so that it ends in .npz.")
PACKED = "Unpack it, and use its content"
ZIP = FileKind("a zip archive", (".zip", ".npz"), f"{PACKED}: unzip FILE")
PICTURE = "Put images into a folder for each label (pets/cat/1.png), or their paths into a column of a table."
CONVERT = "Convert it to JPEG or PNG."
SOUND = "Put audio files into a folder for each label (digits/one/1.wav), or their paths into a column of a table."
VIDEO = "Put videos into a folder for each label (films/fight/1.mp4), or their paths into a column of a table."
TABLE = "Save it as csv, jsonl or parquet."
JSON = FileKind("JSON", (".json", ".jsonl", ".ndjson"), "Rename it so that it ends in .json or .jsonl.", text=True)

SIGNATURES: tuple[tuple[re.Pattern[bytes], FileKind], ...] = tuple(
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        (rb"PK\x03\x04(.*?PK\x03\x04)?.{26}xl/", EXCEL),
        (rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis\.opendocument\.spreadsheet", SHEET),
        (rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis\.opendocument\.text", DOCUMENT),
        (rb"PK\x03\x04(.*?PK\x03\x04)?.{26}word/", DOCUMENT),
        (rb"PK\x03\x04.{26}[^\x00]{1,200}\.npy", NPZ),
        (rb"PK(\x03\x04|\x05\x06)", ZIP),
        (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileKind("an old Excel or Word file", (".xls", ".doc"), EXCEL.advice)),
        (rb"\{\\rtf", DOCUMENT),
        (rb"\x1f\x8b", FileKind("a gzip archive", (".gz", ".tgz"), f"{PACKED}: gunzip < FILE > NEW")),
        (rb"BZh[1-9]1AY&SY", FileKind("a bzip2 archive", (".bz2",), f"{PACKED}: bunzip2 < FILE > NEW")),
        (rb"\xfd7zXZ\x00", FileKind("an xz archive", (".xz",), f"{PACKED}: unxz < FILE > NEW")),
        (rb"\x28\xb5\x2f\xfd", FileKind("a zstd archive", (".zst",), f"{PACKED}: unzstd < FILE > NEW")),
        (rb"7z\xbc\xaf\x27\x1c", FileKind("a 7z archive", (".7z",), f"{PACKED}: 7z x FILE")),
        (rb"Rar!\x1a\x07", FileKind("a rar archive", (".rar",), f"{PACKED}: unrar x FILE")),
        (rb".{257}ustar", FileKind("a tar archive", (".tar",), f"{PACKED}: tar -xf FILE")),
        (rb"%PDF-", FileKind("a PDF", (".pdf",), "Extract its text: pdftotext FILE")),
        (rb"\x89PNG\r\n\x1a\n", FileKind("an image (PNG)", (".png",), PICTURE)),
        (rb"\xff\xd8\xff", FileKind("an image (JPEG)", (".jpg", ".jpeg"), PICTURE)),
        (rb"GIF8[79]a", FileKind("an image (GIF)", (".gif",), PICTURE)),
        (rb"(II\*\x00|MM\x00\*)", FileKind("an image (TIFF)", (".tif", ".tiff"), PICTURE)),
        (rb".{128}DICM", FileKind("an image (DICOM)", (".dcm", ".dicom"), "Convert it to PNG with 16 bits.")),
        (rb"RIFF.{4}WEBP", FileKind("an image (WebP)", (".webp",), PICTURE)),
        (rb"RIFF.{4}WAVE", FileKind("an audio file (WAV)", (".wav",), SOUND)),
        (rb"FORM.{4}AIF[FC]", FileKind("an audio file (AIFF)", (".aif", ".aiff"), SOUND)),
        (rb"fLaC", FileKind("an audio file (FLAC)", (".flac",), SOUND)),
        (rb"OggS", FileKind("an audio file (Ogg)", (".ogg", ".oga", ".opus"), SOUND)),
        (rb"ID3", FileKind("an audio file (MP3)", (".mp3",), SOUND)),
        (rb".{4}ftyp(heic|heix|mif1|avif)", FileKind("a HEIC or AVIF image", (".heic", ".heif", ".avif"), CONVERT)),
        (rb"\x00{3}\x0cjP  \r\n\x87\n", FileKind("an image (JPEG 2000)", (".jp2", ".jpx", ".j2k"), CONVERT)),
        (rb"\x00\x00\x01\x00[\x01-\xff]\x00", FileKind("an icon (ICO)", (".ico",), CONVERT)),
        (rb"8BPS\x00\x01", FileKind("an image (Photoshop)", (".psd",), CONVERT)),
        (rb".{4}ftyp", FileKind("a video or an audio file (MP4)", (".mp4", ".m4v", ".m4a", ".mov", ".3gp"),
            f"{VIDEO} To use its sound: ffmpeg -i FILE NEW.wav")),
        (rb"RIFF.{4}AVI ", FileKind("a video (AVI)", (".avi",), VIDEO)),
        (rb"\x1a\x45\xdf\xa3", FileKind("a video (Matroska or WebM)", (".mkv", ".webm"), VIDEO)),
        (rb"\x00\x00\x01[\xba\xb3]", FileKind("a video (MPEG)", (".mpg", ".mpeg"), VIDEO)),
        (rb"PAR1", FileKind("a parquet file", (".parquet",), "Rename it so that it ends in .parquet.")),
        (rb"\x93NUMPY", FileKind("an npy array", (".npy",), "Rename it so that it ends in .npy.")),
        (rb"ARROW1", FileKind("an Arrow (Feather) file", (".arrow", ".feather"), TABLE)),
        (rb"\x89HDF\r\n\x1a\n", FileKind("an HDF5 file", (".h5", ".hdf5"), TABLE)),
        (rb"SQLite format 3\x00", FileKind("a SQLite database", (".db", ".sqlite"), TABLE)),
        (rb"Obj\x01", FileKind("an Avro file", (".avro",), TABLE)),
        (rb"MATLAB 5\.0 MAT-file", FileKind("a MATLAB file", (".mat",), "Save its arrays as .npz.")),
        (rb"\x80[\x02-\x05][\x95\]}()cX]", FileKind("a Python pickle", (".pkl", ".pickle", ".pt", ".pth"),
            "It cannot be opened without running code in it; save the rows as csv, jsonl or npz.")),
        (rb"\s*<(!doctype\s+html|html[\s>])", FileKind("an HTML page", (".html", ".htm", ".xhtml"),
            "Was a web page saved instead of the file? Download it again.", text=True)),
        (rb"\s*<\?xml\s", FileKind("XML", (".xml", ".svg", ".rss", ".html", ".xhtml"), TABLE, text=True)),
        (rb"\s*(\[\s*)?\{\s*(\"[^\"\r\n]*\"\s*:|\}\s*$)", JSON),
    )
)  # fmt: skip
"""Patterns of first bytes, and their kinds; the first match counts."""


def kind_of_file(path: Path) -> FileKind | None:
    """Return a file's kind by its first bytes; None if they match no kind, as in plain text and csv. Raises DataError
    if it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    head = re.sub(rb"(?i)^\xef\xbb\xbf", b"", head)
    lowered = head[:200].lower() + head[200:]  # HTML and XML may be in capitals
    return next((kind for mark, kind in SIGNATURES if mark.match(lowered if kind.text else head)), None)


def has_ending_of(path: Path, kind: FileKind) -> bool:
    """Whether a file's name has an ending of this kind."""
    return path.name.lower().endswith(kind.endings)


def check_name(path: Path) -> None:
    """Raise DataError, with advice, for a file of another kind than its name says."""
    kind = kind_of_file(path)
    if kind is not None and not has_ending_of(path, kind):
        raise DataError(
            f"{path} is named {path.suffix or 'without an ending'}, but it is {kind.name}.\n{kind.advice_for(path)}"
        )
