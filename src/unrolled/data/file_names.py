"""Cells that are names of files: of which kind these are, and what to say where nothing reads them.

A column of such names is never read as text in silence: the label often stands in the path.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from unrolled.data.pictures import PICTURES
from unrolled.data.sound import SOUNDS
from unrolled.data.table_file import Cell, TableFile
from unrolled.errors import DataError

READ = {"sounds": SOUNDS, "pictures": PICTURES}
UNREAD = {
    "films": (".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".m4v", ".wmv", ".flv", ".3gp", ".ogv"),
    "documents": (".pdf", ".doc", ".docx", ".odt", ".rtf", ".ppt", ".pptx", ".epub", ".xls", ".xlsx", ".ods", ".ps"),
    "arrays": (".npy", ".npz", ".mat", ".h5", ".hdf5", ".pt", ".pth", ".pkl", ".pickle", ".tfrecord", ".safetensors"),
    "archives": (".zip", ".gz", ".bz2", ".xz", ".tar", ".tgz", ".7z", ".rar"),
    "sounds of a kind": (".m4a", ".aac", ".wma", ".amr", ".mid", ".midi", ".ape"),
    "pictures of a kind": (".heic", ".heif", ".avif", ".svg", ".psd", ".dng", ".cr2", ".nef", ".dcm", ".nii", ".jp2"),
}  # fmt: skip
"""Kinds of files that have no reader, and the endings of their names."""
TEXTS = {"texts": (".txt", ".md", ".html", ".htm", ".xml", ".json", ".csv", ".tsv", ".jsonl", ".parquet", ".conllu")}
UNREADABLE = tuple(ending for endings in UNREAD.values() for ending in endings)
KINDS = {ending: kind for kinds in (READ, UNREAD, TEXTS) for kind, endings in kinds.items() for ending in endings}
MOST = 0.5  # share of the cells that are names of files from which a column is one of files
NAMING = re.compile(
    r"(file|path|image|picture|photo|img|pic|sound|audio|wav|clip|video|film|movie|recording)s?"
    r"([ _-]?(id|name|file|path|no|number|key))*",
    re.IGNORECASE,
)
"""Names of columns whose cells, where each is a word or a number of its own, name files."""
IDS = re.compile(r"(?i:(.*[\W_])?(ids?|uuid|guid|hash|md5|sha1))|.*[a-z]I[dD]s?")
ONE_ID = re.compile(r"(?=.*\d)[\w-]+")
"""Columns of ids by their names, and cells that are such: they say nothing of a row, but may name its file."""
PATH = re.compile(r"(?!.*://)[^\s]*[/\\][^\s/\\]*[^\W\d][^\s/\\]*\.[A-Za-z]\w{0,4}")
"""Cells that are paths of files, whatever these are."""
ONE_WORD = re.compile(r"[^\s]{1,200}")
MOST_FILES = 50_000  # of a table's folder that are looked at to find what cells name


def ending_of(cell: Cell) -> str | None:
    """The ending, in small letters, of a cell that is the name of a file of a kind that is known."""
    if not isinstance(cell, str) or len(cell) > 1000 or "\n" in cell:
        return None
    ending = Path(cell.strip()).suffix.lower()
    return ending if ending in KINDS else None


def check_no_files(table: TableFile, column: str, cells: Sequence[Cell], option: str = "--read text") -> None:
    """Raises DataError where the first cells of a column that would be read as text, or as a number, name files.

    option: what a person types to have the names read as text all the same.
    """
    overruled = f"To read the names themselves: {option}."
    given = [cell for cell in cells if isinstance(cell, str | int) and not isinstance(cell, bool) and cell != ""]
    endings = Counter(ending for cell in given if (ending := ending_of(cell)) is not None)
    if given and endings.total() >= MOST * len(given):
        example = next(cell for cell in given if ending_of(cell))
        raise DataError(f"{table.path}: '{column}' {_named(endings, str(example))}\n{overruled}")
    if not given:
        return
    words = [str(cell).strip() for cell in given]
    if not all(ONE_WORD.fullmatch(word) for word in words) or len(set(words)) < len(words):
        return
    folder = table.path.parent
    if found := _with_ending(folder, words):
        raise DataError(
            f"{table.path}: '{column}' holds names of files without their endings, such as {words[0]} for {found}.\n"
            f"Write whole paths from the table's folder into the column, with the ending. {overruled}"
        )
    if NAMING.fullmatch(column) or all(map(PATH.fullmatch, words)):
        there = [word for word in words if (folder / word).is_file()]
        what = "files whose kind their names do not say" if there else "files that are not there"
        raise DataError(
            f"{table.path}: '{column}' names {what}, such as '{words[0]}'.\n"
            "Write whole paths from the table's folder into the column, with the ending: pictures/1.png. "
            f"{overruled}"
        )
    if len(words) > 1 and IDS.fullmatch(column) and all(map(ONE_ID.fullmatch, words)):
        raise DataError(
            f"{table.path}: '{column}' holds ids, another in each row, such as '{words[0]}'.\n"
            "Where they name pictures or sounds, write whole paths from the table's folder, with the ending: "
            "pictures/1.png.\n"
            f"Where another column is what is read: --input COLUMN. {overruled}"
        )


def _named(endings: Counter[str], example: str) -> str:
    """What a column holds whose cells have these endings, and what can be done."""
    kinds: Counter[str] = Counter()
    for ending, count in endings.items():
        kinds[KINDS[ending]] += count
    kind = kinds.most_common(1)[0][0]
    listed = ", ".join(dict.fromkeys(endings))
    start = f"holds names of files ({listed}), such as {example}"
    if len(kinds) > 1:
        said = " and ".join(f"{count} {name}" for name, count in kinds.most_common())
        cure = f"Of the first rows they are {said}; a column of one kind, sounds or pictures, is read."
    elif kind in READ:
        cure = f"Not all of the first rows are {kind}: leave the others out, or fill them in."
    elif kind == "texts":
        cure = "Put the texts themselves into the column, or give a folder of them."
    else:
        cure = f"There is no reader for {kind} like these; what is read are sounds ({', '.join(SOUNDS[:3])}, …) and "
        cure += f"pictures ({', '.join(PICTURES[:3])}, …)."
    return f"{start}.\n{cure}"


def _with_ending(folder: Path, words: Sequence[str]) -> str | None:
    """The file, from `folder`, that one of these words names without its ending; looked for in it and its folders."""
    wanted = {Path(word).name for word in words}
    looked = 0
    for pattern in ("*", "*/*"):
        for path in folder.glob(pattern):
            looked += 1
            if looked > MOST_FILES:
                return None
            if path.suffix.lower() in KINDS and KINDS[path.suffix.lower()] != "texts" and path.stem in wanted:
                return path.relative_to(folder).as_posix()
    return None
