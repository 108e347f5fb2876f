"""Encoders: from whole inputs to features, one vector per step, for a cross-attention or a head."""

from unrolled.model.encoders.attending import Attending, BlockState
from unrolled.model.encoders.base import Encoded, Encoder
from unrolled.model.encoders.bidirectional import Bidirectional, BothWays, build_bidirectional

__all__ = ["Attending", "Bidirectional", "BlockState", "BothWays", "Encoded", "Encoder", "build_bidirectional"]
