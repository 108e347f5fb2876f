"""Nets for images, one file per family: the table `NETS`, and what each costs (`count`)."""

from unrolled.model.nets.base import Net
from unrolled.model.nets.counts import Call, NetCounts, count
from unrolled.model.nets.table import NETS, NetRecord, counts_of, make_net

__all__ = ["NETS", "Call", "Net", "NetCounts", "NetRecord", "count", "counts_of", "make_net"]
