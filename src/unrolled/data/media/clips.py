"""A part of a video, named as W3C's Media Fragments name it: film.mp4#t=12.5,20 is from 12.5 to 20 seconds.

https://www.w3.org/TR/media-frags/
"""

from __future__ import annotations

import re
from typing import NamedTuple

from unrolled.data.media.video import VIDEO_ENDINGS

FRAGMENT = re.compile(
    r"(?P<file>.+(?:" + "|".join(map(re.escape, VIDEO_ENDINGS)) + r"))"
    r"#t=(?P<start>\d+(?:\.\d+)?)?(?:,(?P<end>\d+(?:\.\d+)?))?",
    re.IGNORECASE | re.DOTALL,
)


class Clip(NamedTuple):
    """A part of a video file, or all of it."""

    file: str
    start: float = 0.0  # in seconds
    end: float | None = None  # None: the end of the file

    @property
    def name(self) -> str:
        """The file, with the times where it is a part: what `parse_clip` reads."""
        if not self.start and self.end is None:
            return self.file
        end = "" if self.end is None else f",{_written(self.end)}"
        return f"{self.file}#t={_written(self.start)}{end}"


def parse_clip(name: str) -> Clip:
    """The clip that a name stands for; a name without times is a whole file."""
    found = FRAGMENT.fullmatch(name)
    if found is None or found["start"] is found["end"] is None:
        return Clip(name)
    end = found["end"]
    return Clip(found["file"], float(found["start"] or 0), None if end is None else float(end))


def _written(seconds: float) -> str:
    """Seconds with at most three decimals, without zeros at the end."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")
