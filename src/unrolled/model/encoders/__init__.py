"""Encoders: from whole inputs to features, one vector per step, for a cross-attention or a head."""

from unrolled.model.encoders.base import Encoded, Encoder
from unrolled.model.encoders.bidirectional import Bidirectional, DirectionStates, build_bidirectional
from unrolled.model.encoders.clips import ClipEncoder
from unrolled.model.encoders.glimpse import GazeState, Glimpsed, GlimpseEncoder, make_glimpse
from unrolled.model.encoders.images import ImageEncoder
from unrolled.model.encoders.places import PlaceEncoder
from unrolled.model.encoders.self_attention import BlockState, SelfAttentionEncoder

__all__ = [
    "Bidirectional",
    "BlockState",
    "ClipEncoder",
    "DirectionStates",
    "Encoded",
    "Encoder",
    "GazeState",
    "GlimpseEncoder",
    "Glimpsed",
    "ImageEncoder",
    "PlaceEncoder",
    "SelfAttentionEncoder",
    "build_bidirectional",
    "make_glimpse",
]
