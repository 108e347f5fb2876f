"""Rows that are parts of videos: columns of times, and the lists of Kinetics and EPIC-Kitchens."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from video_files import grey, write_video

from unrolled.data.cells.times import seconds_of
from unrolled.data.dataset.seen_files import SeenFiles
from unrolled.data.media.clips import Clip, parse_clip
from unrolled.data.media.video import read_clips
from unrolled.data.modalities.video import VideoInput
from unrolled.data.tables.base import TableFile
from unrolled.data.tables.clips import with_clips
from unrolled.data.tables.columns import choose_columns
from unrolled.data.tables.open import open_table
from unrolled.errors import DataError, MediaError

LEVELS = [20 + 2 * number for number in range(100)]  # of the frames of four seconds


def table(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def rows(found: TableFile, *columns: str) -> list[tuple[Any, ...]]:
    return [(row.number, *row.cells) for row in found.rows(columns)]


@pytest.mark.parametrize(
    ("cell", "seconds"),
    [
        (12, 12.0), ("12.5", 12.5), ("0", 0.0), ("00:01:02.34", 62.34), ("1:02", 62.0), ("01:02:03", 3723.0),
        (timedelta(minutes=2), 120.0), ("2:75", None), ("-3", None), ("soon", None), (True, None), (["1"], None),
    ],
)  # fmt: skip
def test_times_are_seconds_or_clocks(cell: Any, seconds: float | None) -> None:
    assert seconds_of(cell) == seconds


def test_a_clip_is_named_by_its_file_and_times() -> None:
    for clip in (Clip("a b.mp4"), Clip("a.MP4", 1.25, 3.0), Clip("x/a.mkv", 0.0, 61.5), Clip("a.webm", 2.0)):
        assert parse_clip(clip.name) == clip
    assert Clip("a.mp4", 12.5, 20.0).name == "a.mp4#t=12.5,20"
    for plain in ("a.mp4", "a.txt#t=1,2", "a.mp4#t=", "a.mp4#t=one"):
        assert parse_clip(plain) == Clip(plain)


def test_columns_of_times_make_parts_of_their_files(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", "film,label,start,end", "a.mp4,x,0,1.5", "a.mp4,y,00:00:02.5,", "b.mp4,x,,2", "b.mp4,y,,"
    )
    opened = open_table(path)
    clips = with_clips(opened, choose_columns(opened))
    assert rows(clips, "film", "label") == [
        (2, "a.mp4#t=0,1.5", "x"), (3, "a.mp4#t=2.5", "y"), (4, "b.mp4#t=0,2", "x"), (5, "b.mp4", "y"),
    ]  # fmt: skip
    assert clips.columns == ("film", "label") and clips.note == "each clip is from 'start' to 'end' of its file"
    predicted = choose_columns(opened, "film", "start")
    assert with_clips(opened, predicted) is opened, "a column that is predicted is no time"
    texts = open_table(table(tmp_path / "b.csv", "text,label,start,end", "hello,x,1,2"))
    assert with_clips(texts, choose_columns(texts)) is texts
    wrong = open_table(table(tmp_path / "c.csv", "film,label,start,stop", "a.mp4,x,1,2", "a.mp4,x,soon,2"))
    with pytest.raises(DataError, match=r"c\.csv, row 3: 'start' is 'soon'; a time was expected, in seconds"):
        rows(with_clips(wrong, choose_columns(wrong)), "film")


def test_a_part_of_a_video_is_read_and_times_outside_it_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="needs the extra video")
    path = write_video(tmp_path / "a.mp4", [grey(level) for level in LEVELS])
    frames = VideoInput(2, 32).read_item([f"{path}#t=1,3"], "a.csv, row 2")
    assert [round(float(one.mean())) for one in frames] == pytest.approx([20 + 2 * 37, 20 + 2 * 62], abs=7)
    for times, message in (("3,7", "is 4.0 s long, so it has nothing at 7 s"), ("3,2", "is no span of time"),
                           ("9", "so it has nothing at 9 s")):  # fmt: skip
        with pytest.raises(MediaError, match=message):
            VideoInput(2, 32).read_item([f"{path}#t={times}"], "a.csv, row 2")
    assert VideoInput.matches([f"{path}#t=3,7"], as_text=False) and VideoInput.names_file("a.mp4#t=2.5")


def test_clips_are_spread_over_a_video(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="needs the extra video")
    path = write_video(tmp_path / "a.mp4", [grey(level) for level in LEVELS])

    def levels(most: int, count: int, *times: float) -> Any:
        clips = read_clips(path, most, count, 12, 16, *times)
        assert clips.shape[1:] == (count, 12, 16, 3) and clips.dtype == np.uint8
        return clips.mean((2, 3, 4)).round()

    def shown(*seconds: float) -> Any:
        return pytest.approx([20 + 2 * int(second * 25 + 1e-6) for second in seconds], abs=7)

    assert len(levels(10, 5)) == 10, "the next clip begins at least half a clip later"
    assert len(levels(10, 25)) == 3 and len(levels(10, 25, 0.0, 2.1)) == 1
    first, last = levels(2, 5)
    assert first == shown(0.04, 0.12, 0.20, 0.28, 0.36) and last == shown(3.64, 3.72, 3.80, 3.88, 3.96)
    overlapping = levels(10, 25)
    for clip, start in zip(overlapping, (0.0, 1.0, 2.0), strict=True):
        assert clip == shown(*(start + 0.04 + 0.08 * number for number in range(25))), "each in its own order"
    (alone,) = levels(1, 5)
    assert alone == shown(1.84, 1.92, 2.00, 2.08, 2.16), "a single clip is in the middle"
    (short,) = levels(10, 10, 1.0, 1.4)
    assert short == shown(*(1.02 + 0.04 * number for number in range(10))), "a short video is all in one clip"


def test_parts_of_a_file_are_inputs_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"one")
    (tmp_path / "b.mp4").write_bytes(b"one")
    seen, first, second = SeenFiles(), str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4")
    digests = [
        seen.add(name, 0, 0, None, VideoInput.file_of(name)).digest
        for name in (first, f"{first}#t=0,1", f"{first}#t=1,2", f"{second}#t=1,2", second)
    ]
    assert len(set(digests)) == 3 and digests[2] == digests[3] and digests[0] == digests[4]


KINETICS = ("label,youtube_id,time_start,time_end,split", "run,a-_b,0,10,train", "run,c_1,12,22,train",
            "jump,d,3,13,train", "jump,e,3,13,validate", "run,f,3,13,test")  # fmt: skip


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"film")


@pytest.mark.parametrize("beside", ["", "annotations"])
def test_kinetics_list_finds_its_clips_and_splits(tmp_path: Path, beside: str) -> None:
    touch(tmp_path, "train/run/a-_b_000000_000010.mp4", "train/run/c_1_000012_000022.mp4", "train/jump/d.mkv",
          "val/e_000003_000013.mp4", "f.mp4", "other.mp4")  # fmt: skip
    found = open_table(table(tmp_path / beside / "k.csv", *KINETICS))
    up = "../" if beside else ""
    assert found.columns == ("video", "label", "youtube_id") and choose_columns(found).outputs == ("label",)
    assert rows(found, "video", "label") == [
        (2, f"{up}train/run/a-_b_000000_000010.mp4", "run"), (3, f"{up}train/run/c_1_000012_000022.mp4", "run"),
        (4, f"{up}train/jump/d.mkv#t=3,13", "jump"),
    ]  # fmt: skip
    assert found.note.startswith("the splits are those in 'split' (override: --valid --test); 3 clips")
    assert rows(found.splits["validation"], "video") == [(5, f"{up}val/e_000003_000013.mp4")]
    assert rows(found.splits["test"], "video") == [(6, f"{up}f.mp4#t=3,13")]


def test_missing_videos_of_a_list_are_counted_and_many_are_refused(tmp_path: Path) -> None:
    lines = [f"run,id{number},0,10,train" for number in range(20)]
    path = table(tmp_path / "k.csv", KINETICS[0], *lines)
    touch(tmp_path, *(f"id{number}_000000_000010.mp4" for number in range(18)))
    found = open_table(path)
    assert len(rows(found, "video")) == 18 and len(rows(found, "label")) == 20
    assert found.note == (
        "18 clips with a video beside the list; 2 of 20 clips left out, because their videos are missing (id18, id19)"
    )
    (tmp_path / "id3_000000_000010.mp4").unlink()
    with pytest.raises(DataError, match="lists 20 clips, and the videos of 3 are not there, such as id3, id18"):
        rows(open_table(path), "video")
    for line, message in (("run,id0,x,10,train", "row 3: 'time_start' is 'x'; a time was expected"),
                          ("run,id0,0,10,later", "row 3: 'split' is 'later'; train, validate or test"),
                          ("run,,0,10,train", "row 3: a clip needs 'youtube_id', 'time_start' and")):  # fmt: skip
        with pytest.raises(DataError, match=message):
            open_table(table(tmp_path / "wrong.csv", KINETICS[0], lines[0], line))


def test_epic_kitchens_list_has_two_outputs(tmp_path: Path) -> None:
    touch(tmp_path, "P01/P01_01.MP4", "videos/P02_03.MP4")
    head = (
        "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,"
        "stop_frame,narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes"
    )
    row = "{0}_0,{1},{0},00:00:01.089,00:00:00.14,00:01:03.37,8,202,open door,open,3,door,3,['door'],[3]"
    found = open_table(table(tmp_path / "EPIC_100_train.csv", head, row.format("P01_01", "P01"),
                             row.format("P02_03", "P02")))  # fmt: skip
    columns = choose_columns(found)
    assert columns.inputs == ("video",) and columns.outputs == ("verb", "noun")
    assert rows(found, "video", "verb", "noun") == [
        (2, "P01/P01_01.MP4#t=0.14,63.37", "open", "door"), (3, "videos/P02_03.MP4#t=0.14,63.37", "open", "door"),
    ]  # fmt: skip
    assert not found.splits and found.note == "2 clips with a video beside the list"
    narrated = choose_columns(found, "narration", "verb")
    assert rows(found, *narrated.needed)[0] == (2, "open door", "open")
