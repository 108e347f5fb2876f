"""Recognise cells that are names of files, and refuse them where the files cannot be read.

A column of such names is never read as text without an option, because the path often contains the label.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from unrolled.data.cells.cell import IDS, Cell
from unrolled.data.files.unsupported import UNSUPPORTED, conversion_of, most_common_kind
from unrolled.data.modalities.table import FILE_MODALITIES
from unrolled.data.tables.base import TableFile
from unrolled.errors import DataError, shell_quote

READ = {one.noun: one.endings for one in FILE_MODALITIES.values()}
TEXTS = {"texts": (".txt", ".md", ".html", ".htm", ".xml", ".json", ".csv", ".tsv", ".jsonl", ".parquet", ".conllu")}
FILE_KINDS = {
    ending: kind for kinds in (READ, UNSUPPORTED, TEXTS) for kind, endings in kinds.items() for ending in endings
}
MOST = 0.5  # share of cells that are names of files, from which a column is one of files
NEARLY_ALL = 0.9  # share of cells of one form, from which the column has it: single rows may be odd
SEVERAL, FEWEST = 4, 8  # rows per file, on average, at most, and files, at least, of a column of files
NAMING = re.compile(
    r"f?(file|path|image|picture|photo|img|pic|sound|audio|wav|clip|video|film|movie|recording|name(?<=fname))s?"
    r"([ _-]?(id|name|file|path|no|number|key|code|hash|uid))*",
    re.IGNORECASE,
)
"""Names of columns that name files, if each cell is a different word or number."""
ONE_ID = re.compile(r"(?=.*\d)[\w.-]+")
"""Names of columns of ids, and cells that are ids: they say nothing about a row, but may name its file."""
HASH = re.compile(r"(?=.*\d)([0-9a-f]{10,}|[0-9A-F]{10,}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})")
"""Cells that are ids whatever the column's name, if all have one length and some have a letter."""
STORES = "(?:s3a?|gs|gcs|wasbs?|abfss?|hdfs|dbfs|file)://"
PATH = re.compile(rf"({STORES}|(?!.*://))(?=\S*[^\W\d]\S*\.)[^\s]*[/\\][^\s/\\]+\.[A-Za-z]\w{{0,9}}")
"""Cells that are paths of any files. A web address is a text."""
CHESS = r"(?:[pnbrqkPNBRQK1-8]+/){7}[pnbrqkPNBRQK1-8]+$"  # a position, in Forsyth-Edwards notation
BELOW = re.compile(rf"(?!{CHESS})({STORES}|(?!.*://))(?=.*[^\W\d])[^\s]*[^\s/\\][/\\][^\s/\\]*\d[^\s/\\]*")
"""Cells such as cat/0001 and fight\\v3, whose last part has a number."""
NUMBERED = re.compile(r"[\w-]*\d[\w-]*(\.[A-Za-z]\w{0,9})")
"""Cells such as cat_1.xyz: names of files if all have one ending that is no internet domain."""
DOMAINS = frozenset((".com", ".net", ".org", ".io", ".co", ".edu", ".gov", ".info", ".biz", ".dev", ".app", ".xyz"))
WEB = re.compile(r"(?i:(.*[\W_])?(ur[il]|link|href|request|endpoint|route|domain|site|page)s?)")
"""Names of columns of web addresses, or parts of them, which are texts."""
ONE_WORD = re.compile(r"[^\s]{1,200}")
LISTED = re.compile(r"[\s,;|\[\]()'\"]+")  # between the names of files in a cell
LONGEST_LIST = 20_000  # characters, at most, of a cell that lists names of files
MOST_FILES = 50_000  # files of a table's folder, at most, that are compared with cells


def ending_of(cell: Cell) -> str | None:
    """Return the ending, in small letters, of a cell that names a file of a known kind; else None."""
    if not isinstance(cell, str) or len(cell) > 1000 or "\n" in cell:
        return None
    endings = [ending.lower() for ending in Path(cell.strip()).suffixes[-2:]]
    return next((ending for ending in ("".join(endings), *endings[-1:]) if ending in FILE_KINDS), None)


def names_in(cell: Cell) -> list[str]:
    """Return the names of files in a cell that lists several, each of a known kind: a list, or a text such as
    ['a.png', 'b.png'] or a.png;b.png; else none."""
    names = cell if isinstance(cell, list) else []
    if isinstance(cell, str) and len(cell) <= LONGEST_LIST:
        written = cell.strip()
        names = [one for one in LISTED.split(written) if one]
        names = names if len(names) > 1 or written[:1] + written[-1:] in ("[]", "()") else []
    return names if names and all(isinstance(one, str) and ending_of(one) is not None for one in names) else []


def check_no_lists(table: TableFile, column: str, cells: Sequence[Cell]) -> None:
    """Raise DataError if most of an input column's first cells list names of files."""
    listed = [names for cell in cells if (names := names_in(cell))]
    if not listed or len(listed) < MOST * len(cells):
        return
    example, kind = ", ".join(listed[0][:2]), FILE_KINDS[ending_of(listed[0][0]) or ""]
    raise DataError(
        f"{table.path}: '{column}' holds lists of names of files ({kind}), such as {example}, …\n"
        "Several files per row, such as the frames of a video, are not supported. Give each file a row with its "
        "path only,\nand group those of a video: --group VIDEO. To read the names themselves: --input-type text."
    )


def check_no_files(table: TableFile, column: str, cells: Sequence[Cell], option: str = "--input-type text") -> None:
    """Raise DataError if the first cells of a column to be read as text, or as numbers, name files.

    option: the option that reads the names as text anyway.
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
            f"Write full paths, relative to the table's folder and with the ending, into the column. {overruled}"
        )
    paths = WEB.fullmatch(column) is None and any(_are_nearly_all(form, words) for form in (PATH, BELOW))
    if named or paths or _have_one_ending(words):
        there = [word for word in words if (folder / word).is_file()]
        if there:
            raise DataError(
                f"{table.path}: '{column}' names files, such as '{there[0]}'.\n"
                f"{no_reader('files of this kind')} {overruled}"
            )
        raise DataError(
            f"{table.path}: '{column}' names files that do not exist, such as '{words[0]}'.\n"
            "Write full paths, relative to the table's folder and with the ending, into the column: pictures/1.png. "
            f"{overruled}"
        )
    if ids or _are_hashes(words):
        raise DataError(
            f"{table.path}: '{column}' holds ids, such as '{words[0]}'.\n"
            "If they name images or audio files, write full paths from the table's folder, with the ending: "
            "pictures/1.png.\n"
            f"If the input is another column: --input COLUMN. {overruled}"
        )


def check_no_outputs(path: Path, column: str, cells: Sequence[str]) -> None:
    """Raise DataError if names of files would be generated, or be classes. cells: the different ones."""
    endings = Counter(ending for cell in cells if (ending := ending_of(cell)) is not None)
    if len(cells) < FEWEST or (endings.total() < MOST * len(cells) and not _are_nearly_all(PATH, cells)):
        return
    example = next((cell for cell in cells if ending_of(cell)), cells[0])
    raise DataError(
        f"{path}: '{column}' would be the output, and holds names of files, such as {example}.\n"
        f"Files can only be inputs. To use them as the input: --input {shell_quote(column)}. To choose another "
        "output: --output COLUMN.\n"
        "To generate the names themselves: --task seq2seq; to classify them: --task classification."
    )


def _are_nearly_all(form: re.Pattern[str], words: Sequence[str]) -> bool:
    return sum(form.fullmatch(word) is not None for word in words) >= NEARLY_ALL * len(words)


def _tell_apart(words: Sequence[str]) -> bool:
    """Whether there are enough different words to name files: a file may have several rows."""
    different = len(set(words))
    return different * SEVERAL >= len(words) and different >= min(FEWEST, len(words))


def _have_one_ending(words: Sequence[str]) -> bool:
    """Whether the words are like cat_1.xyz and dog_2.xyz."""
    endings = Counter(found[1].lower() for word in words if (found := NUMBERED.fullmatch(word)))
    ending, count = endings.most_common(1)[0] if endings else ("", 0)
    return count >= NEARLY_ALL * len(words) and ending not in DOMAINS


def _are_hashes(words: Sequence[str]) -> bool:
    """Whether the words are hexadecimal numbers of one length: random ids, or hashes of files."""
    return (
        len(words) > 1
        and len(set(map(len, words))) == 1
        and _are_nearly_all(HASH, words)
        and not all(map(str.isdecimal, words))
    )


def _named(endings: Counter[str], example: str) -> str:
    """Describe a column whose cells have these endings, with advice."""
    kinds: Counter[str] = Counter()
    for ending, count in endings.items():
        kinds[FILE_KINDS[ending]] += count
    kind = kinds.most_common(1)[0][0]
    listed = ", ".join(dict.fromkeys(endings))
    start = f"holds names of files ({listed}), such as {example}"
    if len(kinds) > 1:
        counts = " and ".join(f"{count} {name}" for name, count in kinds.most_common())
        cure = f"The first rows have {counts}; a column must have one kind, {' or '.join(READ)}."
    elif kind in READ:
        cure = f"Not all of the first rows are {kind}: leave the others out, or fill them in."
    elif kind == "texts":
        cure = "Put the texts themselves into the column, or use a folder of them."
    else:
        cure = no_reader(kind)
    return f"{start}.\n{cure}"


def no_reader(kind: str, others: str = "") -> str:
    """Say that files of an unsupported kind cannot be read, and which can. others: more of these, besides media."""
    readable = others + " and ".join(f"{noun} ({', '.join(endings[:3])}, …)" for noun, endings in READ.items())
    return f"There is no reader for {kind}; only {readable} can be read."


def no_reader_for(files: Sequence[Path]) -> str:
    """Say that most files of a folder cannot be read, with advice; "" if most are of no unsupported kind."""
    kind = most_common_kind(files)
    if kind is None:
        return ""
    return "\n".join(filter(None, [no_reader(kind, "texts, "), conversion_of(files, kind)]))


def _with_ending(folder: Path, words: Sequence[str], least: float) -> tuple[str, str] | None:
    """Return a word, and the file in `folder` or its folders that it names without the ending; None if fewer than
    `least` words name one."""
    wanted = {Path(word).name: word for word in reversed(words) if "://" not in word}
    found: dict[str, str] = {}
    looked = 0
    for pattern in ("*", "*/*"):
        for path in folder.glob(pattern):
            looked += 1
            if looked > MOST_FILES:
                break
            if path.stem in wanted and FILE_KINDS.get(path.suffix.lower(), "texts") != "texts":
                found.setdefault(wanted[path.stem], path.relative_to(folder).as_posix())
    first = next((word for word in words if word in found), None)
    return (first, found[first]) if first is not None and len(found) >= least else None
