"""Videos are read as frames by their time: every container, damage, times, and sizes."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from video_files import grey, moving, write_sound, write_video

from unrolled.data.media import video
from unrolled.data.media.video import read_frames
from unrolled.data.modalities.video import VideoInput
from unrolled.errors import MediaError, MissingExtra

pytest.importorskip("av", reason="needs the extra video")
NEAR = 7  # grey levels by which codecs change a frame
LEVELS = [20 + 2 * number for number in range(100)]  # of the frames of four seconds


def levels(path: Path, count: int = 8, *times: float) -> list[int]:
    frames = read_frames(path, count, 12, 16, *times)
    assert frames.shape == (count, 12, 16, 3) and frames.dtype == np.uint8
    return [round(float(frame.mean())) for frame in frames]


def expected(*seconds: float) -> Any:
    """The levels at these times of four seconds at 25 frames a second."""
    return pytest.approx([20 + 2 * int(second * 25 + 1e-6) for second in seconds], abs=NEAR)


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "ticks"),
    [
        ("a.mp4", "libx264", "yuv420p", 1000), ("a.mkv", "libx264", "yuv420p", 1000),
        ("a.webm", "libvpx-vp9", "yuv420p", 1000), ("a.avi", "mpeg4", "yuv420p", 25),
        ("a.mov", "mjpeg", "yuvj420p", 25), ("a.mpg", "mpeg2video", "yuv420p", 25), ("a.flv", "flv1", "yuv420p", 25),
    ],
)  # fmt: skip
def test_frames_are_those_in_the_middle_of_equal_spans(
    tmp_path: Path, name: str, codec: str, pixels: str, ticks: int
) -> None:
    path = write_video(tmp_path / name, [grey(level) for level in LEVELS], codec=codec, pixels=pixels, ticks=ticks)
    assert levels(path) == expected(0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75)


def test_times_choose_a_part(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [grey(level) for level in LEVELS])
    assert levels(path, 2, 1.0, 3.0) == expected(1.5, 2.5)
    assert levels(path, 2, 2.0) == expected(2.5, 3.5)
    assert levels(path, 2, 0.0, 4.9) == expected(1.0, 3.0), "an end shortly after the end is the end"
    refused = {
        (5.0,): r"is 4\.0 s long, so it has nothing at 5 s",
        (0.0, 6.0): r"is 4\.0 s long, so it has nothing at 6 s",
        (2.0, 1.0): "from 2 s to 1 s is no span of time",
        (-1.0,): "from -1 s to the end is no span of time",
    }
    for times, message in refused.items():
        with pytest.raises(MediaError, match=message):
            levels(path, 2, *times)


def test_frames_have_times_not_numbers(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", [grey(level) for level in (20, 60, 100, 140)], [0, 0.1, 0.2, 8.0])
    assert levels(path, 4) == pytest.approx([100, 100, 100, 100], abs=NEAR), "at 1, 3, 5 and 7 s"


def test_a_long_video_is_not_decoded_from_its_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [grey(20 + number // 10) for number in range(2000)]
    path = write_video(tmp_path / "a.mp4", frames, [float(number) for number in range(2000)], every=20)
    shown: list[float] = []
    whole = video._decode

    def counted(*given: Any) -> Any:
        for timed in whole(*given):
            shown.append(timed.time)
            yield timed

    monkeypatch.setattr(video, "_decode", counted)
    assert levels(path, 5) == pytest.approx([40, 80, 120, 160, 200], abs=NEAR)
    assert len(shown) < 5 * 45


def test_a_frame_of_another_size_or_turned_is_as_all_others(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving(0, down=True), codec="mpeg4", ticks=25)
    upright = read_frames(path, 3, 64, 64)
    data = bytearray(path.read_bytes())
    matrix = data.find(b"tkhd") + 44  # of the track header: a quarter turn
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 64 << 16, 0, 1 << 30)
    (tmp_path / "turned.mp4").write_bytes(data)
    turned = read_frames(tmp_path / "turned.mp4", 3, 64, 64)
    assert np.abs(np.rot90(upright, -1, (1, 2)).astype(int) - turned).mean() < 2
    assert read_frames(path, 3, 20, 30).shape == (3, 20, 30, 3)


def test_what_is_whole_of_a_damaged_video_is_read(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.mkv", [grey(level) for level in LEVELS]).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    found = levels(tmp_path / "cut.mkv")
    assert found == sorted(found) and len(set(found)) == 8 and found[-1] < 150, "spread over what is there"
    (tmp_path / "one.mp4").write_bytes(write_video(tmp_path / "b.mp4", [grey(99)]).read_bytes())
    assert levels(tmp_path / "one.mp4") == pytest.approx([99] * 8, abs=NEAR)


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.mp4", [grey(level) for level in LEVELS]).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])  # its index is at the end
    (tmp_path / "text.mp4").write_text("no video " * 99)
    (tmp_path / "empty.mp4").touch()
    write_sound(tmp_path / "sound.mp4")
    for name, message in (
        ("cut.mp4", "cannot be read as a video: Invalid data"),
        ("text.mp4", "cannot be read as a video: Invalid data"),
        ("empty.mp4", "is empty: a video was expected"), ("sound.mp4", "has no pictures, only sound"),
        ("absent.mp4", "no such file"),
    ):  # fmt: skip
        with pytest.raises(MediaError, match=message):
            read_frames(tmp_path / name, 2, 8, 8)


def test_frames_that_are_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", [grey(9)] * 3)
    monkeypatch.setattr(video, "MOST_PIXELS", 64 * 48 - 1)
    with pytest.raises(MediaError, match=r"has frames of 64 x 48 pixels; at most 3,071 are read"):
        read_frames(path, 2, 8, 8)


def test_flipped_bytes_end_in_frames_or_a_message(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.mkv", [grey(level) for level in LEVELS]).read_bytes()
    random = np.random.default_rng(0)
    read = 0
    for number in range(30):
        damaged = bytearray(data)
        for place in random.integers(0, len(data), 20):
            damaged[place] = random.integers(256)
        (tmp_path / f"{number}.mkv").write_bytes(damaged)
        try:
            read += len(levels(tmp_path / f"{number}.mkv")) == 8
        except MediaError as error:
            assert str(tmp_path) in str(error)
    assert read


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(tmp_path / "a.mp4", [grey(9)] * 3)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtra, match="Videos need PyAV, which is not installed"):
        read_frames(path, 2, 8, 8)


def test_an_animated_gif_is_an_image_unless_videos_were_asked_for(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="needs the extra vision")
    shades = [0, 80, 160, 240]
    first, *rest = [image.new("L", (32, 32), shade) for shade in shades]
    first.save(tmp_path / "a.gif", save_all=True, append_images=rest, duration=100)
    assert not VideoInput.matches(["a.gif"] * 3, as_text=False) and VideoInput.names_file("a.GIF")
    frames = VideoInput(4, 32).read_item([str(tmp_path / "a.gif")], "row 1")
    assert np.abs(frames.mean((1, 2, 3)) - shades).max() < 3
