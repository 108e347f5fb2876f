"""Video files as frames of one size, chosen by their time.

Uses PyAV, which comes with the extra `video`. Its decoders are FFmpeg's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.media.base import DECODING, check_file, reason_of
from unrolled.errors import MediaError, MissingExtra, install_extra

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

VIDEO_ENDINGS = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv")
FAR = 3.0  # seconds to the next frame from which the decoder jumps instead of decoding all frames before it
MOST_PIXELS = 40_000_000  # of a frame: 8K is 33 million
HELD = 24  # frames that a decoder holds, about: 16 to refer to, and those on their way
TRIES = 3  # times that opening is tried where the system says "try again"
GUESSING = ("mpeg", "mpegts")  # formats whose length FFmpeg guesses from the rate of bits
AREA = "AREA"  # how frames are shrunk: the mean of the pixels below
GAP = 0.08  # seconds from a frame of a clip to the next: every second frame of 25 a second
OVERLAP = 0.5  # largest share of a clip that the next one has too
LATE = 1.0  # seconds by which a given end may be after that of the video, as rounded times are

Frames = NDArray[np.uint8]  # (T, H, W, 3)
Clips = NDArray[np.uint8]  # (K, T, H, W, 3)


def read_frames(
    path: str | Path, count: int, height: int, width: int, start: float = 0.0, end: float | None = None
) -> Frames:
    """Frames of a video as (T, height, width, 3) bytes, T = `count`: those shown in the middle of equal spans of time
    between `start` and `end`, in seconds.

    They are turned upright and resized without keeping the aspect ratio. A video of fewer frames repeats them. One
    that is damaged further on gives the frames before that. Raises MediaError for a file without frames, with frames
    of more than 40 million pixels, or that ends before `start` or over a second before `end`; MissingExtra.
    """
    return _read(Path(path), lambda begin, until: _middles(begin, until, count), height, width, start, end)


def read_clips(
    path: str | Path, most: int, count: int, height: int, width: int, start: float = 0.0, end: float | None = None
) -> Clips:
    """Clips of a video as (K, T, height, width, 3) bytes: T = `count` frames, 0.08 seconds apart, from K places that
    are spread evenly between `start` and `end`. K is `most`, or less where the video is short: the next clip begins
    half a clip later at the earliest. A video that is shorter than a clip gives one, spread over all of it.

    The rest is as for `read_frames`.
    """

    def times(begin: float, until: float) -> list[float]:
        return [time for one in _spans(begin, until, most, count * GAP) for time in _middles(*one, count)]

    frames = _read(Path(path), times, height, width, start, end)
    return frames.reshape(-1, count, height, width, 3)


def _read(
    path: Path, choose: Callable[[float, float], list[float]], height: int, width: int, start: float,
    end: float | None,
) -> Frames:  # fmt: skip
    """The frames at the times that `choose` gives for the beginning and the end of a span, in its order."""
    with _opened(path) as (container, stream):
        first, last = _span(container, stream)
        _check_times(path, start, end, last - first)
        until = last if end is None else min(last, first + end)
        times = choose(first + start, until)
        with DECODING.hold(HELD * 2 * stream.width * stream.height):
            found = _frames_at(path, container, stream, sorted(times), height, width)
    if not found.complete and end is None:  # the header promised more than there is
        times = choose(first + start, found.last)
        with _opened(path) as (container, stream):
            found = _frames_at(path, container, stream, sorted(times), height, width)
    frames = np.empty_like(found.frames)
    frames[np.argsort(times, kind="stable")] = found.frames
    return frames


class _Timed(NamedTuple):
    time: float  # in seconds
    frame: VideoFrame


class _Found(NamedTuple):
    frames: Frames
    last: float  # the time of the last frame that was decoded
    complete: bool  # whether the video went on to the last time that was wanted


def _middles(start: float, end: float, count: int) -> list[float]:
    """The middles of `count` equal spans of time."""
    return [start + (number + 0.5) * (end - start) / count for number in range(count)]


def _spans(start: float, end: float, most: int, length: float) -> list[tuple[float, float]]:
    """At most `most` spans of this length, evenly from start to end; the whole where it is not longer."""
    room = end - start - length
    if room <= 0:
        return [(start, end)]
    count = min(most, 1 + int(room / (OVERLAP * length)))
    begins = [start + room * (place / (count - 1) if count > 1 else 0.5) for place in range(count)]
    return [(begin, begin + length) for begin in begins]


def _frames_at(
    path: Path, container: InputContainer, stream: VideoStream, times: Sequence[float], height: int, width: int
) -> _Found:
    """The frames that are shown at these times, in order."""
    shown: list[NDArray[np.uint8]] = []
    current: _Timed | None = None
    decoded = _decode(container, stream)
    ahead = next(decoded, None)
    for time in times:
        if ahead is not None and time - ahead.time > FAR:
            decoded = _jump(container, stream, time)
            current, ahead = None, next(decoded, None)
        while ahead is not None and (current is None or ahead.time <= time):
            current, ahead = ahead, next(decoded, None)
        if current is None:
            raise MediaError(f"{path} has no frames that can be decoded. Copy it again, or leave it out.")
        shown.append(_pixels(current.frame, height, width))
    end = current.time if current is not None else 0.0
    between = times[1] - times[0] if len(times) > 1 else 0.0
    return _Found(np.stack(shown), end, ahead is not None or end >= times[-1] - between)


def _jump(container: InputContainer, stream: VideoStream, time: float) -> Iterator[_Timed]:
    """The frames from the key frame before a time on; all of them where the file has no such place."""
    import av

    with suppress(av.FFmpegError):
        container.seek(int(time / (stream.time_base or 1)), stream=stream, backward=True)
        decoded = _decode(container, stream)
        first = next(decoded, None)
        if first is not None and first.time <= time:
            return chain([first], decoded)
    container.seek(0)
    return _decode(container, stream)


def _decode(container: InputContainer, stream: VideoStream) -> Iterator[_Timed]:
    """The frames from here on that can be decoded. One without a time follows the one before it."""
    import av

    rate, time = float(stream.average_rate or stream.guessed_rate or 25), -1.0
    with suppress(av.FFmpegError):
        for packet in container.demux(stream):
            frames: list[Any] = []
            with suppress(av.FFmpegError):  # a damaged packet; the next ones may be whole
                frames = packet.decode()
            for frame in frames:
                time = (time + 1 / rate if time >= 0 else 0.0) if frame.time is None else float(frame.time)
                yield _Timed(time, frame)


def _pixels(frame: VideoFrame, height: int, width: int) -> NDArray[np.uint8]:
    """A frame upright, as (height, width, 3) bytes."""
    turns = round(frame.rotation / 90) % 4  # counterclockwise
    across, down = (height, width) if turns % 2 else (width, height)
    pixels: Any = frame.to_ndarray(format="rgb24", interpolation=AREA, width=across, height=down)
    return np.ascontiguousarray(np.rot90(pixels, turns))


def _span(container: InputContainer, stream: VideoStream) -> tuple[float, float]:
    """The times of the beginning and the end of a video, in seconds."""
    import av

    base = stream.time_base or 0
    start = float(stream.start_time * base) if stream.start_time is not None else 0.0
    guessed = container.format.name in GUESSING
    if stream.duration and not guessed:
        return start, start + float(stream.duration * base)
    if container.duration and not guessed:
        return start, start + container.duration / av.time_base
    times = [float(packet.pts * base) for packet in container.demux(stream) if packet.pts is not None]
    container.seek(0)
    return (min(times), max(times)) if times else (start, start)


def _check_times(path: Path, start: float, end: float | None, seconds: float) -> None:
    """Raises MediaError for times that the video does not have."""
    if start < 0 or (end is not None and end <= start):
        until = "the end" if end is None else f"{end:g} s"
        raise MediaError(
            f"{path}: from {start:g} s to {until} is no span of time. A start is at least 0, and an end later."
        )
    late = end is not None and end > seconds + LATE
    if (start > 0 and start >= seconds) or late:
        time = end if late and start < seconds else start
        raise MediaError(f"{path} is {seconds:.1f} s long, so it has nothing at {time:g} s. Correct the times.")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """An open video and its pictures. Raises MediaError for a file without any, and where it is damaged."""
    av = require_av()
    check_file(path, "a video")
    try:
        with _open_container(path) as container:
            streams = [one for one in container.streams.video if not one.disposition & one.disposition.attached_pic]
            if not streams:
                raise MediaError(f"{path} has no pictures, only sound. Give a video, or leave it out.")
            stream = streams[0]
            stream.thread_type = "NONE"  # with threads of its own, a decoder fails on a busy machine
            if stream.codec_context is None:
                raise MediaError(f"{path}: no decoder fits its pictures. Convert it, or leave it out.")
            stream.codec_context.thread_count = 1
            if stream.width * stream.height > MOST_PIXELS:
                raise MediaError(
                    f"{path} has frames of {stream.width} x {stream.height} pixels; at most {MOST_PIXELS:,} are "
                    "read. Shrink it, or leave it out."
                )
            yield container, stream
    except av.FFmpegError as error:
        raise _damaged(path, error) from None


def _open_container(path: Path) -> InputContainer:
    import av

    for left in reversed(range(TRIES)):
        try:
            return av.open(str(path), metadata_errors="ignore")
        except av.error.BlockingIOError:  # the system had no room at this moment
            if not left:
                raise
    raise AssertionError("the last try returns or raises")


def _damaged(path: Path, error: Exception) -> MediaError:
    reason = getattr(error, "strerror", None) or reason_of(error, path)
    return MediaError(f"{path} cannot be read as a video: {reason}.\nCopy it again, convert it, or leave it out.")


def require_av() -> Any:
    """PyAV. Raises MissingExtra if it is not installed."""
    try:
        import av
    except ModuleNotFoundError:
        raise MissingExtra(f"Videos need PyAV, which is not installed: {install_extra('video')}.") from None
    av.logging.set_level(av.logging.PANIC)  # FFmpeg's own lines say what our messages say
    return av
