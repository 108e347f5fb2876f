"""Nets for images and video, a file per family: the tables `NETS` and `VIDEO_NETS`, and what each costs (`count`)."""

from unrolled.model.nets.base import Net
from unrolled.model.nets.counts import Call, NetCounts, count
from unrolled.model.nets.table import (
    ALL_NETS,
    NETS,
    VIDEO_NETS,
    NetRecord,
    counts_of,
    make_net,
    make_video_net,
)

__all__ = [
    "ALL_NETS", "NETS", "VIDEO_NETS", "Call", "Net", "NetCounts", "NetRecord", "count", "counts_of", "make_net",
    "make_video_net",
]  # fmt: skip
