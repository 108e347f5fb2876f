"""Files of captions in the forms in which data sets have them: lines of an image and a caption, and COCO's JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from unrolled.data.cells.written_numbers import shortened
from unrolled.data.files.look import detect_encoding
from unrolled.data.media.images import IMAGE_ENDINGS
from unrolled.data.tables.base import SAMPLE_ROWS, encoding_of, read_lines
from unrolled.errors import DataError

LINES, COCO = "captions", "COCO captions"  # names of the formats
NAMES = re.compile(r"captions?\.txt|.*\.token(\.txt)?|results\.csv", re.IGNORECASE)  # of files of lines
LEMMAS = re.compile(r"\blemma\b", re.IGNORECASE)  # Flickr8k.lemma.token.txt has the words of Flickr8k.token.txt
HEADER = re.compile(r"\W*(image|img|file|picture|photo)[_ ]?(name|id|file)?\W+(captions?|comments?|text)\W*", re.I)
LINE = re.compile(
    r'(?:"(?P<quoted>[^"\t]+)"|(?P<image>\S.*?(?:' + "|".join(map(re.escape, IMAGE_ENDINGS)) + r")(?:\.\d+)?))"
    r"(?:#\d+)?[ ]*[,;|\t](?P<text>.*)",
    re.IGNORECASE | re.DOTALL,
)  # Flickr8k has five lines of an image called .jpg.1
NUMBERED_HEADER = re.compile(r"\W*image_name\s*\|\s*comment_number\s*\|\s*comment\s*")
NUMBERED_LINE = re.compile(r"(?P<quoted>[^|\t]+?)(?P<image>)\s*\|\s*\d+\s*(?:\||\s)(?P<text>.*)", re.DOTALL)
"""The lines of Flickr30k's results.csv. One of its 158,915 lines has blanks instead of the second bar."""
ENCLOSED = re.compile(r'"((?:[^"]|"")*)"')
NEARLY_ALL = 0.9  # share of the first lines that must be captions
COCO_START = re.compile(r'\s*\{\s*"(info|images|annotations|licenses|type|categories)"\s*:')
LARGEST_COCO = 1 << 28  # bytes; the captions of COCO's training split are 92 MB
COCO_NAME = re.compile(r"captions?_(.+)\.json", re.IGNORECASE)


class Caption(NamedTuple):
    """A caption of an image, with its place in the file."""

    number: int  # of the line or of the annotation, from 1
    image: str  # as the file names it
    text: str  # "" if it is empty


@dataclass(frozen=True)
class CaptionFile:
    """The captions of a file, and where its images may be."""

    form: str
    captions: Sequence[Caption]
    folders: Sequence[Path]  # the likeliest first


def is_caption_file(path: str | Path) -> bool:
    """Whether a file has lines of an image and a caption: by its name, such as captions.txt, Flickr8k.token.txt or
    Flickr30k's results.csv, and by its first lines."""
    path = Path(path)
    if not NAMES.fullmatch(path.name) or not path.is_file():
        return False
    if (encoding := detect_encoding(path)) in ("empty", "binary", "other text"):
        return False
    lines = [line for line in islice(read_lines(path, encoding), SAMPLE_ROWS) if line.strip()]
    pattern, has_header = _pattern_of(lines[0] if lines else "")
    if pattern is LINE and path.suffix.lower() == ".csv":  # a table with other columns
        return False
    lines = lines[1:] if has_header else lines
    return 0 < NEARLY_ALL * len(lines) <= sum(pattern.fullmatch(line) is not None for line in lines)


def _pattern_of(first: str) -> tuple[re.Pattern[str], bool]:
    """The pattern of the lines of a file, and whether its first line is a header."""
    if NUMBERED_HEADER.fullmatch(first.strip()):
        return NUMBERED_LINE, True
    return LINE, HEADER.fullmatch(first.strip()) is not None


def find_caption_file(folder: Path) -> Path | None:
    """The file of captions in a folder of images; None if there is none. Raises DataError if there are several."""
    if not folder.is_dir():
        return None
    try:
        found = sorted(path for path in folder.iterdir() if is_caption_file(path))
    except OSError:  # reported by whoever lists the folder
        return None
    found = [path for path in found if not LEMMAS.search(path.name)] or found
    if len(found) > 1:
        raise DataError(
            f"{folder} holds {' and '.join(path.name for path in found)}, each a file of captions.\nGive one of them."
        )
    return found[0] if found else None


def check_captions(folder: Path, files: Sequence[Path]) -> None:
    """Raise DataError for a folder of images with a file that is named as one of captions, and is none. files: all
    files below the folder."""
    if not any(file.suffix.lower() in IMAGE_ENDINGS for file in files):
        return
    for file in files:
        named = NAMES.fullmatch(file.name) is not None and file.suffix.lower() != ".csv"
        if named and file.parent == folder and not is_caption_file(file):
            raise DataError(
                f"{file} holds no captions: lines of an image and its caption were expected, 1.jpg,A dog runs;\n"
                "or, as in Flickr8k.token.txt, 1.jpg#0, a tab and the caption. Correct it, or take it out."
            )


def read_captions(path: Path) -> CaptionFile | None:
    """The captions of a file; None if it has none of the forms. Raises DataError for a damaged one."""
    return read_caption_lines(path) if is_caption_file(path) else read_coco(path)


def read_caption_lines(path: Path) -> CaptionFile:
    """The captions of a file of lines, each an image and a caption: `1.jpg,A dog runs`, as in Kaggle's captions.txt,
    `1.jpg#0`, a tab and a caption, as in Flickr8k.token.txt, or `1.jpg| 0| A dog runs` below the header of
    Flickr30k's results.csv. A caption may hold commas, in quotes or not. A header is skipped. Raises DataError for
    another line."""
    captions, pattern = [], LINE
    lines = read_lines(path, encoding_of(path, LINES))
    for number, line in enumerate(lines, start=1):
        if number == 1:
            pattern, has_header = _pattern_of(line)
            if has_header:
                continue
        if not line.strip():
            continue
        found = pattern.fullmatch(line)
        if found is None:
            raise DataError(
                f"{path}, row {number:,}: an image and its caption were expected, 1.jpg,A dog runs; got "
                f"'{shortened(line.strip())}'.\nCorrect the line, or remove it."
            )
        text = found["text"].strip()
        if enclosed := ENCLOSED.fullmatch(text):
            text = enclosed[1].replace('""', '"').strip()
        captions.append(Caption(number, (found["quoted"] or found["image"]).strip(), text))
    return CaptionFile(LINES, captions, list(_folders_near(path.parent)))


def _folders_near(folder: Path) -> Iterator[Path]:
    """A folder, those in it, and those of Flickr's images beside it: Flickr8k_text beside Flicker8k_Dataset."""
    yield folder
    yield from sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    yield from sorted(path for path in folder.absolute().parent.glob("[Ff]lick*[Dd]ataset") if path.is_dir())


def read_coco(path: Path) -> CaptionFile | None:
    """The captions of COCO's JSON, captions_val2017.json; None for a file of another form. Its images are in val2017
    beside it or one folder further up, or in its own folder. Raises DataError for a damaged file."""
    if path.suffix.lower() != ".json":
        return None
    encoding = detect_encoding(path)
    if encoding in ("empty", "binary", "other text") or path.stat().st_size > LARGEST_COCO:
        return None
    with path.open(encoding=encoding, errors="replace") as file:
        if not COCO_START.match(file.read(1000)):
            return None
        file.seek(0)
        try:
            whole = json.load(file)
        except (RecursionError, ValueError):  # reported with the row, as of any json
            return None
    images, annotations = whole.get("images"), whole.get("annotations")
    if not isinstance(images, list) or annotations is None:
        return None
    listed = annotations if isinstance(annotations, list) else []
    if not any(isinstance(one, dict) and "caption" in one for one in listed):
        if not (images and all(map(_is_image, images))):
            return None
        found = "that are a dict, not a list" if isinstance(annotations, dict) else "without captions"
        raise DataError(
            f"{path} is a file in COCO's form, with annotations {found}. Give its file of captions, such as\n"
            'captions_val2017.json, whose annotations are a list: {"image_id": 1, "caption": "A dog runs"}.'
        )
    named = COCO_NAME.fullmatch(path.name)
    places = ["images", *([named[1], f"images/{named[1]}"] if named else [])][::-1]
    above = (path.parent, path.parent / "..")
    others = [one for folder in above for one in sorted(folder.glob("*20[0-9][0-9]")) if one.is_dir()]
    folders = [folder / place for place in places for folder in above]
    return CaptionFile(COCO, _coco_captions(path, images, listed), [*folders, *others, path.parent])


def _coco_captions(path: Path, images: list[Any], annotations: list[Any]) -> list[Caption]:
    """The captions in the order of the annotations."""
    name_of: dict[str, str] = {}
    for image in images:
        if not _is_image(image):
            raise DataError(f"{path}: an entry of 'images' has no id or file_name. The file may be damaged.")
        name = str(image["file_name"])
        if (other := name_of.setdefault(_id(image["id"]), name)) != name:
            raise DataError(
                f"{path}: two entries of 'images' have the id {image['id']}: {other} and {name}.\n"
                "Their captions cannot be told apart. Give each image an id of its own."
            )
    captions = []
    for number, one in enumerate(annotations, start=1):
        image = one.get("image_id") if isinstance(one, dict) else None
        if not isinstance(image, int | str) or _id(image) not in name_of:
            raise DataError(
                f"{path}, row {number:,}: the image of this annotation, {image}, is not among 'images'.\n"
                "The file may be damaged; copy it again."
            )
        captions.append(Caption(number, name_of[_id(image)], str(one.get("caption") or "").strip()))
    return captions


def _is_image(entry: Any) -> bool:
    return isinstance(entry, dict) and {"id", "file_name"} <= entry.keys()


def _id(given: Any) -> str:
    """An id by which an image is found: 17 and "17" are the same."""
    return str(given)
