"""Lists of clips in the forms that data sets have, with their videos beside them: Kinetics' and EPIC-Kitchens' csv.

Kay et al. 2017, The Kinetics human action video dataset, arXiv 1705.06950; Damen et al. 2022, Rescaling egocentric
vision, arXiv 2006.13256.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from unrolled.data.media.clips import Clip
from unrolled.data.media.video import VIDEO_ENDINGS
from unrolled.data.splits import SPLITS
from unrolled.data.tables.base import DerivedTable, Row, TableFile
from unrolled.data.tables.clips import read_seconds
from unrolled.data.tables.csv import CsvTable
from unrolled.data.tables.split_names import split_of
from unrolled.errors import DataError

VIDEO = "video"  # the column of clips that is added
SPLIT = "split"  # the column that names the split of a row
MOST_MISSING = 0.1  # largest share of the rows whose video may be missing
SHOWN = 3  # missing videos that a message names
DEEPEST = 4  # folders below the list's in which videos are looked for: K400/train/label/clip.mp4


class ListForm(NamedTuple):
    """The columns of a data set's list."""

    name: str  # of the data set
    video: str  # the column that names the original of a clip
    start: str
    end: str
    also: str  # a column that tells it from other tables with such columns; "" where there is none
    outputs: tuple[str, ...]  # what is learnt unless others are named


FORMS = (
    ListForm("Kinetics", "youtube_id", "time_start", "time_end", "", ("label",)),
    ListForm("EPIC-Kitchens", "video_id", "start_timestamp", "stop_timestamp", "participant_id", ("verb", "noun")),
)


class ListedClip(NamedTuple):
    """A row of a list."""

    name: str  # of its original
    clip: str | None  # the path of its clip, with times where the file is longer; None where there is none
    split: str


class VideoList(DerivedTable):
    """The rows of a list with a column `video` before its own: the clip's file, from the list's folder. Columns of
    times and splits are gone. Rows without a file are left out, where `video` is read."""

    def __init__(self, table: TableFile, form: ListForm, clips: Mapping[int, ListedClip], split: str) -> None:
        """clips: by the number of the row. split: whose rows these are; "" for all."""
        gone = (form.start, form.end, SPLIT)
        own = tuple(name for name in table.columns if name not in gone)
        super().__init__(table.path, (VIDEO, *own))
        self.format, self.header, self.unnamed = f"{form.name} list", table.header, table.unnamed
        self.table, self.form, self.clips = table, form, clips
        self.targets = tuple(name for name in form.outputs if name in own)
        self.rows_of = split
        missing = [one.name for one in clips.values() if one.clip is None]
        self.fault = _too_many(table.path, missing, len(clips))
        self._missing = _missing_note(missing, len(clips))

    @classmethod
    def open(cls, path: Path) -> Self:
        table = CsvTable.open(path)
        form = form_of(table)
        if form is None:
            raise DataError(f"{path} is no list of clips. Kinetics' has the columns label, youtube_id, time_start …")
        return cls.of_table(table, form)

    @classmethod
    def of_table(cls, table: TableFile, form: ListForm) -> Self:
        """The list in a table with the columns of this form. Raises DataError for a row without a name or times."""
        clips = _find_clips(table, form)
        of_split: dict[str, dict[int, ListedClip]] = {}
        for number, one in clips.items():
            of_split.setdefault(one.split, {})[number] = one
        if SPLITS[0] not in of_split or len(of_split) == 1:
            made = cls(table, form, clips, "")
            made.note = made.counts
            return made
        tables = {split: cls(table, form, of_split[split], split) for split in SPLITS if split in of_split}
        first = tables.pop(SPLITS[0])
        for split, rest in tables.items():
            rest.split, rest.arrays = split, f"rows of the {split} split"
        first.splits = tables
        first.note = f"the splits are those in '{SPLIT}' (override: --valid --test); {first.counts}"
        return first

    @property
    def counts(self) -> str:
        """How many of its videos are there, for a note."""
        found = sum(one.clip is not None for one in self.clips.values())
        return "; ".join(filter(None, [f"{found:,} clips with a video beside the list", self._missing]))

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        at = list(columns).index(VIDEO) if VIDEO in columns else None
        if at is not None and self.fault:
            raise DataError(self.fault)
        own = [self.form.video if name == VIDEO else name for name in columns]
        for number, cells in self.table.rows(own):
            one = self.clips.get(number)
            if one is None or (at is not None and one.clip is None):
                continue
            yield Row(number, cells if at is None else (*cells[:at], one.clip, *cells[at + 1 :]))


def form_of(table: TableFile) -> ListForm | None:
    """The form of a list that a table has; None for another table, also one with a column of files of its own."""
    there = set(table.columns)
    if {VIDEO, "file", "path", "filename"} & there:
        return None
    return next(
        (form for form in FORMS if {form.video, form.start, form.end, form.also or form.video} <= there), None
    )


def _find_clips(table: TableFile, form: ListForm) -> dict[int, ListedClip]:
    """Number of a row -> its clip. A file `id_000012_000022.mp4` is the clip alone, a file `id.mp4` has it in it."""
    has_split = SPLIT in table.columns
    rows = list(table.rows([form.video, form.start, form.end, *([SPLIT] if has_split else [])]))
    files = _find_files(table.path.parent, {str(row.cells[0]) for row in rows})
    clips: dict[int, ListedClip] = {}
    for number, (video, start, end, *named) in rows:
        place = table.place(number)
        begins, ends = read_seconds(place, form.start, start), read_seconds(place, form.end, end)
        if video is None or begins is None or ends is None:
            raise DataError(
                f"{place}: a clip needs '{form.video}', '{form.start}' and '{form.end}', and one of them is empty.\n"
                "Fill it in, or take the row out."
            )
        alone = files.get(f"{video}_{round(begins):06d}_{round(ends):06d}")
        whole = files.get(str(video))
        clip = Clip(whole, begins, ends).name if alone is None and whole is not None else alone
        clips[number] = ListedClip(str(video), clip, _split_in(place, named[0]) if named else SPLITS[0])
    return clips


def _split_in(place: str, cell: object) -> str:
    found = split_of(str(cell))
    if found is None:
        raise DataError(f"{place}: '{SPLIT}' is '{cell}'; train, validate or test was expected. Correct it.")
    return found


def _find_files(folder: Path, names: set[str]) -> dict[str, str]:
    """Name of a file without its ending -> its path from `folder`, of all videos below it; where it has none of these
    originals, of those below the folder above, beside a folder of lists."""
    for root in (folder, folder.absolute().parent):
        found: dict[str, str] = {}
        for where, folders, files in os.walk(root):
            depth = len(Path(where).relative_to(root).parts)
            folders[:] = sorted(one for one in folders if not one.startswith(".")) if depth < DEEPEST else []
            for file in sorted(files):
                stem, ending = os.path.splitext(file)  # noqa: PTH122 - fast, for each file
                if ending.lower() in VIDEO_ENDINGS:
                    found.setdefault(stem, os.path.relpath(os.path.join(where, file), folder))  # noqa: PTH118
        if any(stem in names or stem.rsplit("_", 2)[0] in names for stem in found):
            return found
    return {}


def _too_many(path: Path, missing: Sequence[str], count: int) -> str:
    """The error where too many videos are missing; "" otherwise."""
    if len(missing) <= MOST_MISSING * count:
        return ""
    return (
        f"{path} lists {count:,} clips, and the videos of {len(missing):,} are not there, such as "
        f"{', '.join(dict.fromkeys(missing[: 10 * SHOWN]))[:80]}.\nThey were looked for below {path.parent} and the "
        f"folder above it, named by the id, or as id_000012_000022.mp4.\nUp to {MOST_MISSING:.0%} would be left out."
    )


def _missing_note(missing: Sequence[str], count: int) -> str:
    if not missing:
        return ""
    names = list(dict.fromkeys(missing))
    shown = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
    return f"{len(missing):,} of {count:,} clips left out, because their videos are missing ({shown})"
