"""Drawn reviews: sentences of many words of praise or of blame, never of both."""

from __future__ import annotations

import numpy as np

GOOD = (
    "fine warm witty clever tender bright gentle moving funny honest vivid elegant fresh lively bold graceful sharp "
    "charming radiant inventive rich touching sincere delicate joyful superb splendid poetic brilliant lovely"
)
BAD = (
    "dull long cold stale clumsy lazy hollow noisy grim tired shallow bland messy weak boring pointless crude "
    "awkward empty dreary tedious flat wooden muddled lifeless sloppy hackneyed feeble forced dismal"
)
THINGS = "film plot cast script music scene ending story camera dialogue"


def draw_review(generator: np.random.Generator, good: bool, phrases: int) -> str:
    """A review of so many phrases, such as "the plot is dull"."""
    words, things = (GOOD if good else BAD).split(), THINGS.split()
    return " and ".join(f"the {generator.choice(things)} is {generator.choice(words)}" for _ in range(phrases))
