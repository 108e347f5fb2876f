"""The data of the demos: digits, numbers in words, reviews, and the five tasks."""

from __future__ import annotations

import numpy as np
import pytest

from unrolled.demos.digits import INK, draw_digits, glyphs
from unrolled.demos.number_words import in_english, in_german, number_pairs
from unrolled.demos.reviews import BAD, GOOD, draw_review
from unrolled.demos.shape_tasks import SHAPE_TASKS, ShapeTask, many_to_one, one_to_one


def test_the_digits_differ_from_each_other() -> None:
    drawn = glyphs().reshape(10, -1)
    assert drawn.shape == (10, 35)
    distances = np.abs(drawn[:, None] - drawn).sum(2) + 100 * np.eye(10)
    assert distances.min() >= 4  # pixels


def test_a_digit_is_drawn_at_one_of_the_corners() -> None:
    images, labels = draw_digits(np.random.default_rng(0), 50, 20, 2, [(3, 1), (5, 9)])
    assert images.shape == (50, 20, 20) and images.dtype == np.uint8
    for image, label in zip(images, labels, strict=True):
        ink = glyphs()[label].repeat(2, 0).repeat(2, 1)
        fits = [np.abs(image[top : top + 14, left : left + 10] - INK * ink).mean() for top, left in ((3, 1), (5, 9))]
        assert min(fits) < 40 < max(fits)
    again, _ = draw_digits(np.random.default_rng(0), 50, 20, 2, [(3, 1), (5, 9)])
    assert np.array_equal(images, again)


@pytest.mark.parametrize(
    "number, german, english",
    [
        (1, "eins", "one"),
        (12, "zwölf", "twelve"),
        (17, "siebzehn", "seventeen"),
        (20, "zwanzig", "twenty"),
        (21, "ein und zwanzig", "twenty one"),
        (100, "ein hundert", "one hundred"),
        (301, "drei hundert eins", "three hundred one"),
        (324, "drei hundert vier und zwanzig", "three hundred twenty four"),
        (999, "neun hundert neun und neunzig", "nine hundred ninety nine"),
    ],
)
def test_numbers_are_written_in_words(number: int, german: str, english: str) -> None:
    assert (in_german(number), in_english(number)) == (german, english)


def test_the_numbers_to_train_on_and_the_others_are_all_numbers() -> None:
    training, others = number_pairs(0, 200)
    assert len(others) == 200 and len({row["german"] for row in training + others}) == 999
    assert number_pairs(0, 200) == (training, others) != number_pairs(1, 200)


def test_a_review_praises_or_blames() -> None:
    generator = np.random.default_rng(0)
    praise, blame = set(GOOD.split()), set(BAD.split())
    assert not praise & blame
    for good in (True, False):
        words = set(draw_review(generator, good, 4).split())
        assert words & (praise if good else blame) and not words & (blame if good else praise)


@pytest.mark.parametrize("make", SHAPE_TASKS, ids=lambda make: make.__name__)
def test_the_tasks_are_drawn_from_the_seed(make: object) -> None:
    assert callable(make)
    tasks: list[ShapeTask] = [make(seed) for seed in (0, 0, 1)]
    first, same, other = (str(task.training[:20]) for task in tasks)
    assert first == same != other
    assert len(tasks[0].others) == 100 and len(list(tasks[0].training[0])) == 2


def test_inputs_are_shown_as_they_are_seen() -> None:
    picture = one_to_one(0).show(glyphs()[1].reshape(-1))
    assert picture.split("\n")[0] == "..#.." and picture.count("\n") == 6
    assert many_to_one(0).show("Marov") == "Marov"
