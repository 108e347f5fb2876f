"""The path of a gaze over a picture."""

from __future__ import annotations

import numpy as np
import pytest

from unrolled.pages.gaze import draw_gaze
from unrolled.pages.overlay import COLOURS

pytest.importorskip("PIL.Image")


def test_each_glimpse_has_its_squares_in_its_colour() -> None:
    dark = np.zeros((240, 240, 1), np.uint8)
    drawn = draw_gaze(dark, [(0.25, 0.25), (0.75, 0.75)], [(0.25, 0.25), (0.5, 0.5)])
    assert drawn.shape == (240, 240, 3)
    last = COLOURS[-1].astype(np.uint8)
    for side in (60, 120):  # the upper edges of the last glimpse's squares
        assert np.array_equal(drawn[180 - side // 2, 180], last)
    assert drawn[120, 120].any(), "the way from one to the next"
    first = drawn[60 - 30, 60]
    assert first.any() and not np.array_equal(first, last) and first[2] > first[1], "violet"
    assert not drawn[5, 235].any()


def test_a_small_picture_is_enlarged_and_keeps_its_colours() -> None:
    drawn = draw_gaze(np.full((8, 4, 3), 77, np.uint8), [(0.5, 0.5)], [(0.5, 0.5)])
    assert drawn.shape[0] >= 224 and drawn[0, 0].tolist() == [77, 77, 77]
