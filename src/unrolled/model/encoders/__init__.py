"""What turns whole inputs into features, a vector a step, for a reader or a head to look at."""

from unrolled.model.encoders.attending import Attending, BlockState
from unrolled.model.encoders.base import Encoded, Encoder
from unrolled.model.encoders.bidirectional import Bidirectional, BothWays, build_bidirectional

__all__ = ["Attending", "Bidirectional", "BlockState", "BothWays", "Encoded", "Encoder", "build_bidirectional"]
