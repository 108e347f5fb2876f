"""The five tasks of `unroll demo shapes`: what is read and what is predicted is one thing, or a sequence."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from unrolled.demos.digits import glyphs
from unrolled.demos.number_words import number_pairs
from unrolled.seeds import numpy_generator

Row = dict[str, Any]
TESTED = 100
FORMS = {"cross": ".#.###.#.", "box": "####.####", "bar": "...###...", "corner": "#..#..###"}  # 3 × 3 pixels
PLACES = ("top", "middle", "bottom")  # of a form, on 9 × 9 pixels
SIDES = ("left", "centre", "right")
NOISE = 0.3  # standard deviation of the noise on pixels of 0 and 1
ENDINGS = {
    "Italian": "ini elli etti oni", "Russian": "ov sky enko in", "Greek": "opoulos idis akis os",
    "German": "mann berg stein bauer",
}  # fmt: skip
SYLLABLES = "ma ro pe ti la ge vi do ka bre stra lo fi ne"
NOUNS, VERBS = "dog cat child bird", "sees hears likes finds"
BOTH = "watch play call plan"  # nouns after "the", verbs after "they"


class ShapeTask(NamedTuple):
    """Rows with an input and an output column, in this order, and the options of their training."""

    shape: str
    title: str
    training: list[Row]
    others: list[Row]  # not trained on
    options: dict[str, Any]
    show: Callable[[Any], str] = str  # an input, as it is printed


def one_to_one(seed: int) -> ShapeTask:
    """A picture in, a label out: noisy digits of 5 × 7 pixels."""
    generator = numpy_generator(seed, "demo one to one")
    labels = generator.integers(0, 10, 400 + TESTED)
    pixels = glyphs()[labels].reshape(-1, 1, 35) + generator.normal(0, NOISE, (len(labels), 1, 35))
    rows = [{"pixels": row, "digit": f"digit {label}"} for row, label in zip(pixels, labels, strict=True)]
    options = {"task": "classification", "input_type": "vectors", "model": "none", "steps": 100}
    return divided("one to one", "a picture of 35 pixels: which digit?", rows, options, pixels_of(5))


def one_to_many(seed: int) -> ShapeTask:
    """A picture in, a caption out: a form somewhere on 9 × 9 pixels."""
    generator = numpy_generator(seed, "demo one to many")
    kinds = list(product(FORMS, PLACES, SIDES))
    rows = []
    for k in generator.integers(0, len(kinds), 600 + TESTED).tolist():
        form, place, side = kinds[k]
        picture = generator.normal(0, NOISE, (9, 9))
        drawn = np.array([pixel == "#" for pixel in FORMS[form]], dtype=float).reshape(3, 3)
        top, left = 3 * PLACES.index(place), 3 * SIDES.index(side)
        picture[top : top + 3, left : left + 3] += drawn
        rows.append({"pixels": picture.reshape(1, -1), "caption": f"a {form} at the {place} {side}"})
    options = {"task": "seq2seq", "input_type": "vectors", "model": "lstm", "tokenizer": "word", "steps": 400}
    return divided("one to many", "a picture of 81 pixels: its caption", rows, options, pixels_of(9))


def many_to_one(seed: int) -> ShapeTask:
    """The letters of a name in, its language out."""
    generator = numpy_generator(seed, "demo many to one")
    rows = []
    for _ in range(600 + TESTED):
        language = str(generator.choice(list(ENDINGS)))
        start = "".join(generator.choice(SYLLABLES.split(), generator.integers(1, 4)))
        rows.append(
            {"name": (start + str(generator.choice(ENDINGS[language].split()))).capitalize(), "language": language}
        )
    options = {"task": "classification", "model": "lstm", "tokenizer": "char", "steps": 150}
    return divided("many to one", "the letters of a name: its language", rows, options)


def aligned(seed: int) -> ShapeTask:
    """Words in, a tag for each out. Some words are nouns or verbs, by what stands before them."""
    generator = numpy_generator(seed, "demo aligned")

    def pick(words: str) -> str:
        return str(generator.choice(words.split()))

    rows = []
    for _ in range(400 + TESTED):
        thing = [("the", "DET"), (pick(f"{NOUNS} {BOTH}"), "NOUN")]
        start = (
            [("they", "PRON"), (pick(BOTH), "VERB")] if generator.random() < 0.5 else [*thing, (pick(VERBS), "VERB")]
        )
        words, tags = zip(*start, ("the", "DET"), (pick(f"{NOUNS} {BOTH}"), "NOUN"), strict=True)
        rows.append({"words": list(words), "tags": list(tags)})
    options = {"task": "tagging", "model": "lstm", "steps": 100}
    return divided("many to many, aligned", "words: a tag for each", rows, options, " ".join)


def translated(seed: int) -> ShapeTask:
    """German numbers in, English ones out: other lengths, another order."""
    training, others = number_pairs(seed, TESTED)
    options = {"task": "seq2seq", "model": "lstm", "tokenizer": "word", "steps": 300}
    return ShapeTask("many to many, not aligned", "a German number: in English", training, others, options)


SHAPE_TASKS = (one_to_one, one_to_many, many_to_one, aligned, translated)


def divided(
    shape: str, title: str, rows: list[Row], options: dict[str, Any], show: Callable[[Any], str] = str
) -> ShapeTask:
    """A task whose last rows are not trained on."""
    return ShapeTask(shape, title, rows[:-TESTED], rows[-TESTED:], options, show)


def pixels_of(width: int) -> Callable[[np.ndarray[Any, Any]], str]:
    """Shows a vector of pixels as lines of # and ., `width` in each."""

    def show(pixels: np.ndarray[Any, Any]) -> str:
        rows = pixels.reshape(-1, width) > 0.5
        return "\n".join("".join("#" if pixel else "." for pixel in row) for row in rows)

    return show
