"""Films of moving shapes with known verbs and nouns, for demonstrations, studies and tests. Nothing is downloaded.

A shape (the noun) does one thing (the verb) before a plain background. Place, size, speed, angle and colours are
drawn from (seed, number), so a film is the same whoever asks for it. Half of each shape is darker: otherwise nobody
could see a circle turn. Several verbs differ in the order of the frames alone: a film of "grows" played backwards is
"shrinks".
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.arguments import Count, checked
from unrolled.errors import OptionError
from unrolled.seeds import numpy_generator

Floats = NDArray[np.float64]

DIRECTIONS = {"moves left": (-1, 0), "moves right": (1, 0), "moves up": (0, -1), "moves down": (0, 1)}  # (x, y)
VERBS = (*DIRECTIONS, "grows", "shrinks", "turns", "blinks")
NOUNS = ("square", "circle", "triangle", "cross")
SMALLEST = 8  # pixels on a side, for which shapes can be told apart
PATH = (0.3, 0.5)  # length of a movement, in sides of a frame
RADIUS = (0.15, 0.22)  # of a shape, in sides
GROWTH = (0.55, 1.3)  # smallest and largest radius of what grows or shrinks, in radii
TURN = (0.6, 1.2)  # angle of a turn, in half turns
BLINKS = (2.0, 3.5)  # times that a shape vanishes in a film
DARKER = 0.55  # brightness of a shape's other half


class Film(NamedTuple):
    """A film and what it shows."""

    frames: NDArray[np.uint8]  # (T, S, S, 3): frames, height, width, red green blue
    verb: str
    noun: str


@checked
def render_film(
    seed: int, number: int, verb: str | None = None, noun: str | None = None, frames: Count = 16, side: Count = 32,
    noise: Annotated[float, "standard deviation, in steps of 256"] = 10.0,
) -> Film:  # fmt: skip
    """Film `number` of a seed: (frames, side, side, 3), uint8.

    verb, noun: of `VERBS` and `NOUNS`; drawn if left out. noise: standard deviation of what is added to each value
    from 0 to 255. Raises OptionError for an unknown name, a side under 8 pixels, or noise below 0.
    """
    generator = numpy_generator(seed, "moving shapes", number)
    drawn = VERBS[generator.integers(len(VERBS))], NOUNS[generator.integers(len(NOUNS))]
    verb, noun = verb or drawn[0], noun or drawn[1]
    if verb not in VERBS or noun not in NOUNS:
        raise OptionError(f"no film of '{noun} {verb}'; verbs: {', '.join(VERBS)}; nouns: {', '.join(NOUNS)}")
    if side < SMALLEST or not 0 <= noise < math.inf:
        raise OptionError(f"a side of at least {SMALLEST} pixels and noise from 0 were expected; got {side}, {noise}")
    places, radius, angle, seen = _motion(generator, verb, frames)
    x, y = np.meshgrid(*2 * [(np.arange(side) + 0.5) / side])  # (S, S) in sides
    right, down = x - places[:, 0, None, None], y - places[:, 1, None, None]  # (T, S, S) from the shape's middle
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    u, v = cos * right + sin * down, cos * down - sin * right
    cover = np.clip(0.5 - side * _distance(noun, u, v, radius[:, None, None]), 0, 1)  # soft edges, a pixel wide
    cover *= seen[:, None, None]
    back, front = generator.uniform(0, 90, 3), generator.uniform(140, 255, 3)
    shade = np.where(u < 0, DARKER, 1.0)[..., None] * front  # (T, S, S, 3)
    film = back + cover[..., None] * (shade - back)
    film += noise * generator.standard_normal(film.shape)
    return Film(np.clip(np.rint(film), 0, 255).astype(np.uint8), verb, noun)


def _motion(generator: np.random.Generator, verb: str, frames: int) -> tuple[Floats, Floats, Floats, Floats]:
    """For each frame the place (T, 2) and radius (T,) in sides, the angle (T,), and whether it is seen (T,)."""
    middle, path = generator.uniform(0.35, 0.65, 2), generator.uniform(*PATH)
    size, start = generator.uniform(*RADIUS), generator.uniform(0, 2 * math.pi)
    turn = generator.choice([-1, 1]) * math.pi * generator.uniform(*TURN)
    blinks, phase = generator.uniform(*BLINKS), generator.uniform()
    time = np.linspace(0, 1, frames) if frames > 1 else np.array([0.5])  # (T,)
    places = middle + (time[:, None] - 0.5) * path * np.array(DIRECTIONS.get(verb, (0, 0)))
    low, high = GROWTH
    scale = {"grows": low + (high - low) * time, "shrinks": high - (high - low) * time}.get(verb, np.ones(frames))
    angle = start + turn * time if verb == "turns" else np.full(frames, start)
    seen = (blinks * time + phase) % 1 < 0.5 if verb == "blinks" else np.ones(frames, np.bool_)
    return places, size * scale, angle, seen.astype(np.float64)


def _distance(noun: str, u: Floats, v: Floats, radius: Floats) -> Floats:
    """How far points are outside the shape, in sides; negative inside. The four have about the same area."""
    if noun == "circle":
        return np.hypot(u, v) - 0.95 * radius
    if noun == "square":
        return np.maximum(np.abs(u), np.abs(v)) - 0.85 * radius
    if noun == "triangle":
        slanted = math.sqrt(0.75) * np.abs(u) - 0.5 * v
        return np.maximum(slanted, v) - 0.75 * radius
    across, along = np.minimum(np.abs(u), np.abs(v)), np.maximum(np.abs(u), np.abs(v))
    return np.maximum(across - 0.38 * radius, along - 1.15 * radius)
