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
from unrolled.errors import DataError, typed

READ = {"sounds": SOUNDS, "pictures": PICTURES}
UNREAD = {
    "films": (".mp4", ".avi", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".m4v", ".wmv", ".flv", ".3gp", ".ogv"),
    "documents": (".pdf", ".doc", ".docx", ".odt", ".rtf", ".ppt", ".pptx", ".epub", ".xls", ".xlsx", ".ods", ".ps"),
    "arrays": (".npy", ".npz", ".mat", ".h5", ".hdf5", ".pt", ".pth", ".pkl", ".pickle", ".safetensors"),
    "files of records": (".tfrec", ".tfrecord", ".tfrecords", ".bin", ".dat", ".raw", ".lmdb", ".feather", ".arrow"),
    "archives": (".zip", ".gz", ".bz2", ".xz", ".tar", ".tgz", ".7z", ".rar"),
    "sounds in AAC, MIDI and the like": (".m4a", ".aac", ".wma", ".amr", ".mid", ".midi", ".ape"),
    "pictures in DICOM": (".dcm", ".dicom"),
    "volumes": (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"),
    "raw photographs": (".dng", ".cr2", ".nef", ".arw"),
    "pictures in HEIC, SVG and the like": (".heic", ".heif", ".avif", ".svg", ".psd", ".jp2"),
    "points and shapes": (".pcd", ".ply", ".stl", ".las", ".laz"),
}  # fmt: skip
"""Kinds of files that have no reader, and the endings of their names."""
TEXTS = {"texts": (".txt", ".md", ".html", ".htm", ".xml", ".json", ".csv", ".tsv", ".jsonl", ".parquet", ".conllu")}
UNREADABLE = tuple(ending for endings in UNREAD.values() for ending in endings)
KINDS = {ending: kind for kinds in (READ, UNREAD, TEXTS) for kind, endings in kinds.items() for ending in endings}
MOST = 0.5  # share of the cells that are names of files from which a column is one of files
NEARLY_ALL = 0.9  # share of them from which all are of one form: a row may be odd
SEVERAL, FEWEST = 4, 8  # rows of one file, on average, and files, up to and from which a column may name files
NAMING = re.compile(
    r"f?(file|path|image|picture|photo|img|pic|sound|audio|wav|clip|video|film|movie|recording|name(?<=fname))s?"
    r"([ _-]?(id|name|file|path|no|number|key|code|hash|uid))*",
    re.IGNORECASE,
)
"""Names of columns whose cells, where each is a word or a number of its own, name files."""
IDS = re.compile(
    r"(?i:(.*[\W_])?(ids?([ _-]?(code|no|number|name|key|hash)s?)?|item_?ids?|uuid|guid|uid|hash|md5|sha1|sha256))"
    r"|.*[a-z0-9](I[dD]s?|UID)"
)
ONE_ID = re.compile(r"(?=.*\d)[\w.-]+")
"""Columns of ids by their names, and cells that are such: they say nothing of a row, but may name its file."""
HASH = re.compile(r"(?=.*\d)([0-9a-f]{10,}|[0-9A-F]{10,}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})")
"""Cells that are ids whatever their column is called, where all have one length and some have a letter."""
STORES = "(?:s3a?|gs|gcs|wasbs?|abfss?|hdfs|dbfs|file)://"
PATH = re.compile(rf"({STORES}|(?!.*://))(?=\S*[^\W\d]\S*\.)[^\s]*[/\\][^\s/\\]+\.[A-Za-z]\w{{0,9}}")
"""Cells that are paths of files, whatever these are. An address in the web is a text."""
CHESS = r"(?:[pnbrqkPNBRQK1-8]+/){7}[pnbrqkPNBRQK1-8]+$"  # a position, in Forsyth-Edwards notation
BELOW = re.compile(rf"(?!{CHESS})({STORES}|(?!.*://))(?=.*[^\W\d])[^\s]*[^\s/\\][/\\][^\s/\\]*\d[^\s/\\]*")
"""Cells such as cat/0001 and fight\\v3: what stands last has a number."""
NUMBERED = re.compile(r"[\w-]*\d[\w-]*(\.[A-Za-z]\w{0,9})")
"""Cells such as cat_1.xyz: names of files where all have one ending, unless it ends names of computers."""
DOMAINS = frozenset((".com", ".net", ".org", ".io", ".co", ".edu", ".gov", ".info", ".biz", ".dev", ".app", ".xyz"))
WEB = re.compile(r"(?i:(.*[\W_])?(ur[il]|link|href|request|endpoint|route|domain|site|page)s?)")
"""Columns whose cells are addresses in the web, or parts of these, which are texts."""
ONE_WORD = re.compile(r"[^\s]{1,200}")
LISTED = re.compile(r"[\s,;|\[\]()'\"]+")  # what stands between names of files that a cell lists
LONGEST_LIST = 20_000  # characters of a cell that lists names of files
MOST_FILES = 50_000  # of a table's folder that are looked at to find what cells name


def ending_of(cell: Cell) -> str | None:
    """The ending, in small letters, of a cell that is the name of a file of a kind that is known."""
    if not isinstance(cell, str) or len(cell) > 1000 or "\n" in cell:
        return None
    endings = [ending.lower() for ending in Path(cell.strip()).suffixes[-2:]]
    return next((ending for ending in ("".join(endings), *endings[-1:]) if ending in KINDS), None)


def names_in(cell: Cell) -> list[str]:
    """The names of files that a cell lists, each of a kind that is known: a list of them, or a text written so,
    ['a.png', 'b.png'] or a.png;b.png; none where it is one name, or something else."""
    names = cell if isinstance(cell, list) else []
    if isinstance(cell, str) and len(cell) <= LONGEST_LIST:
        written = cell.strip()
        names = [one for one in LISTED.split(written) if one]
        names = names if len(names) > 1 or written[:1] + written[-1:] in ("[]", "()") else []
    return names if names and all(isinstance(one, str) and ending_of(one) is not None for one in names) else []


def check_no_lists(table: TableFile, column: str, cells: Sequence[Cell]) -> None:
    """Raises DataError where most of the first cells of a column that is read list names of files."""
    listed = [names for cell in cells if (names := names_in(cell))]
    if not listed or len(listed) < MOST * len(cells):
        return
    example, kind = ", ".join(listed[0][:2]), KINDS[ending_of(listed[0][0]) or ""]
    raise DataError(
        f"{table.path}: '{column}' holds lists of names of files ({kind}), such as {example}, …\n"
        "There is no reader for several files in a row, such as the frames of a film. Give each file a row, with its "
        "path alone,\nand keep those of a film together: --group FILM. To read the names themselves: --read text."
    )


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
    if not _are_nearly_all(ONE_WORD, words) or not _tell_apart(words):
        return
    folder = table.path.parent
    named = NAMING.fullmatch(column) is not None
    ids = len(words) > 1 and IDS.fullmatch(column) is not None and _are_nearly_all(ONE_ID, words)
    if found := _with_ending(folder, words, 1 if named or ids else MOST * len(set(words))):
        raise DataError(
            f"{table.path}: '{column}' holds names of files without their endings, such as {found[0]} for "
            f"{found[1]}.\n"
            f"Write whole paths from the table's folder into the column, with the ending. {overruled}"
        )
    paths = WEB.fullmatch(column) is None and any(_are_nearly_all(form, words) for form in (PATH, BELOW))
    if named or paths or _have_one_ending(words):
        there = [word for word in words if (folder / word).is_file()]
        what = "files whose kind their names do not say" if there else "files that are not there"
        raise DataError(
            f"{table.path}: '{column}' names {what}, such as '{words[0]}'.\n"
            "Write whole paths from the table's folder into the column, with the ending: pictures/1.png. "
            f"{overruled}"
        )
    if ids or _are_hashes(words):
        raise DataError(
            f"{table.path}: '{column}' holds ids, such as '{words[0]}'.\n"
            "Where they name pictures or sounds, write whole paths from the table's folder, with the ending: "
            "pictures/1.png.\n"
            f"Where another column is what is read: --input COLUMN. {overruled}"
        )


def check_no_outputs(path: Path, column: str, cells: Sequence[str]) -> None:
    """Raises DataError where what would be written, or told apart, are names of files. cells: those that differ."""
    endings = Counter(ending for cell in cells if (ending := ending_of(cell)) is not None)
    if len(cells) < FEWEST or (endings.total() < MOST * len(cells) and not _are_nearly_all(PATH, cells)):
        return
    example = next((cell for cell in cells if ending_of(cell)), cells[0])
    raise DataError(
        f"{path}: '{column}' would be answered, and holds names of files, such as {example}.\n"
        f"What is in files is read, never answered. To read them: --input {typed(column)}. Another answer: "
        "--output COLUMN.\n"
        "To have the names themselves written: --as text, or told apart: --as label."
    )


def _are_nearly_all(form: re.Pattern[str], words: Sequence[str]) -> bool:
    return sum(form.fullmatch(word) is not None for word in words) >= NEARLY_ALL * len(words)


def _tell_apart(words: Sequence[str]) -> bool:
    """Whether there are about as many words as there would be files: a file may stand in several rows."""
    different = len(set(words))
    return different * SEVERAL >= len(words) and different >= min(FEWEST, len(words))


def _have_one_ending(words: Sequence[str]) -> bool:
    """Whether these are like cat_1.xyz and dog_2.xyz."""
    endings = Counter(found[1].lower() for word in words if (found := NUMBERED.fullmatch(word)))
    ending, count = endings.most_common(1)[0] if endings else ("", 0)
    return count >= NEARLY_ALL * len(words) and ending not in DOMAINS


def _are_hashes(words: Sequence[str]) -> bool:
    """Whether these are numbers written in base 16, all of one length: drawn by chance, or of a file's bytes."""
    return (
        len(words) > 1
        and len(set(map(len, words))) == 1
        and _are_nearly_all(HASH, words)
        and not all(map(str.isdecimal, words))
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
        cure = no_reader(next(ending for ending in endings if KINDS[ending] == kind))
    return f"{start}.\n{cure}"


def no_reader(ending: str) -> str:
    """What is said of files whose names have this ending, in small letters, where nothing reads them; "" where
    something does, or may."""
    kind = KINDS.get(ending)
    if kind not in UNREAD:
        return ""
    return (
        f"There is no reader for {kind}; what is read are sounds ({', '.join(SOUNDS[:3])}, …) and pictures "
        f"({', '.join(PICTURES[:3])}, …)."
    )


def _with_ending(folder: Path, words: Sequence[str], least: float) -> tuple[str, str] | None:
    """A word, and the file, from `folder`, that it names without its ending, where so many of the words name one;
    looked for in it and its folders."""
    wanted = {Path(word).name: word for word in reversed(words) if "://" not in word}
    found: dict[str, str] = {}
    looked = 0
    for pattern in ("*", "*/*"):
        for path in folder.glob(pattern):
            looked += 1
            if looked > MOST_FILES:
                break
            if path.stem in wanted and KINDS.get(path.suffix.lower(), "texts") != "texts":
                found.setdefault(wanted[path.stem], path.relative_to(folder).as_posix())
    first = next((word for word in words if word in found), None)
    return (first, found[first]) if first is not None and len(found) >= least else None
