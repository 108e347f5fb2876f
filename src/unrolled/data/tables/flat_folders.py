"""Refuse folders whose files are side by side, without labels, and are not texts: audio files, images, films."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from unrolled.data.files.look import detect_encoding
from unrolled.data.files.unsupported import count_endings, most_common_kind, unsupported_kind
from unrolled.data.modalities.table import FILE_MODALITIES
from unrolled.data.tables.file_names import no_reader_for
from unrolled.data.tables.idx import find_idx
from unrolled.data.tables.media_folders import is_of
from unrolled.errors import DataError

ALONE = 0.75  # a folder with a larger share of files of one kind counts as a folder of that kind
LOOKED_FILES = 20  # of an unsupported kind by their names, that are checked for text


def check_not_flat(path: Path, files: Sequence[Path]) -> None:
    """Raises DataError if a folder directly holds audio files or images and little else: they have no labels; also if
    nearly all of its files are of a kind without a reader. files: all below `path`."""
    directly = [file for file in files if file.parent == path]
    for modality in FILE_MODALITIES.values():
        named = [file for file in directly if is_of(modality, file)]
        if len(named) > ALONE * len(files):
            name, ending = named[0].name, modality.endings[0]
            raise DataError(
                f"{path} holds {len(named):,} {modality.noun} without labels, such as {name}.\n"
                f"A folder for each label was expected, things/one/1{ending} and things/two/1{ending};\n"
                f"or give a table of files and labels or captions: path,label in its first row, {name},one in another"
            )
    kind = None if find_idx(path) else most_common_kind(directly)
    unread = [file for file in directly if kind is not None and unsupported_kind(file) == kind]
    if len(unread) > ALONE * len(files) and not any(map(_is_text, islice(unread, LOOKED_FILES))):
        raise DataError(f"{path} holds {len(directly):,} files ({count_endings(directly)}).\n{no_reader_for(unread)}")


def _is_text(file: Path) -> bool:
    """Whether a file is text in spite of its name: an SVG, say."""
    return detect_encoding(file) not in ("binary", "other text", "empty")
