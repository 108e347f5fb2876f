"""Writes small videos for tests. They need the extra `video`."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TICKS = 1000  # a second


def write_video(
    path: Path, frames: Sequence[NDArray[np.uint8]], times: Sequence[float] | None = None, codec: str = "libx264",
    pixels: str = "yuv420p", ticks: int = TICKS, every: int = 12,
) -> Path:  # fmt: skip
    """A video of these frames (H, W, 3), shown at these times in seconds; by default 25 a second. every: frames from
    a key frame to the next."""
    import av

    shown = [number / 25 for number in range(len(frames))] if times is None else times
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream(codec, rate=25)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.codec_context.gop_size = pixels, every
        stream.codec_context.time_base = stream.time_base = Fraction(1, ticks)
        for pixels_of, time in zip(frames, shown, strict=True):
            frame = av.VideoFrame.from_ndarray(pixels_of, format="rgb24")
            frame.pts, frame.time_base = round(time * ticks), Fraction(1, ticks)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """A file with sound alone."""
    import av

    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("aac", rate=16_000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        frame.rate = 16_000
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def grey(level: float, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """A frame of one grey."""
    return np.full((height, width, 3), level, np.uint8)


def moving(row: int, down: bool, count: int = 10, side: int = 64) -> list[NDArray[np.uint8]]:
    """Frames of a square that moves down or to the right, on noise that the row draws."""
    random = np.random.default_rng(row)
    ground = random.integers(0, 80, (side, side, 3)).astype(np.uint8)
    frames = []
    for step in range(count):
        frame = ground.copy()
        place = round(step * (side - 16) / (count - 1))
        top, left = (place, 24) if down else (24, place)
        frame[top : top + 16, left : left + 16] = 250
        frames.append(frame)
    return frames
