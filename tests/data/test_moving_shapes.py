"""Films of moving shapes: what a verb and a noun look like, and that a film depends on (seed, number) alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from unrolled.data.moving_shapes import NOUNS, VERBS, render_film
from unrolled.errors import OptionError

Floats = NDArray[np.float64]


def bright(verb: str, noun: str = "square", number: int = 0) -> Floats:
    """(T, S, S) the distance of each pixel from the background, of a large film without noise."""
    frames = render_film(3, number, verb, noun, frames=12, side=48, noise=0.0).frames.astype(float)
    corner = frames[:, 0, 0][:, None, None]
    return np.asarray(np.abs(frames - corner).sum(-1))


def middles(verb: str, number: int = 0) -> Floats:
    """(T, 2) the middle (x, y) of the shape in each frame, in pixels."""
    seen = bright(verb, number=number) > 60
    return np.array([np.argwhere(frame).mean(0)[::-1] for frame in seen])


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize(
    ("verb", "way"),
    [("moves left", (-1, 0)), ("moves right", (1, 0)), ("moves up", (0, -1)), ("moves down", (0, 1))],
)
def test_what_moves_goes_its_way(verb: str, way: tuple[int, int], number: int) -> None:
    steps = np.diff(middles(verb, number), axis=0)
    assert (steps @ np.array(way) > 0.5).all()
    assert (np.abs(steps @ np.array(way[::-1])) < 0.5).all()


@pytest.mark.parametrize("noun", NOUNS)
def test_what_grows_and_shrinks_changes_its_area_alone(noun: str) -> None:
    areas = {verb: (bright(verb, noun) > 60).sum((1, 2)) for verb in VERBS}
    assert (np.diff(areas["grows"]) >= 0).all()
    assert areas["grows"][-1] > 3 * areas["grows"][0]
    assert (np.diff(areas["shrinks"]) <= 0).all()
    assert np.ptp(areas["turns"]) < 0.2 * areas["turns"].mean()
    assert 0 == areas["blinks"].min() < areas["blinks"].max()
    assert np.abs(middles("grows") - middles("grows")[0]).max() < 1.5


@pytest.mark.parametrize("noun", NOUNS)
def test_a_turn_is_seen_for_every_noun(noun: str) -> None:
    film = bright("turns", noun)
    assert np.abs(np.diff(film, axis=0)).max((1, 2)).min() > 30
    still = render_film(3, 0, "moves left", noun, frames=1, side=48, noise=0.0).frames
    assert still.shape == (1, 48, 48, 3)


def test_a_film_depends_on_seed_and_number_alone() -> None:
    first, again, other = render_film(0, 7), render_film(0, 7), render_film(1, 7)
    assert (first.frames == again.frames).all() and (first.verb, first.noun) == (again.verb, again.noun)
    assert (first.frames != other.frames).any()
    assert first.frames.shape == (16, 32, 32, 3)
    assert first.frames.dtype == np.uint8
    drawn = [render_film(0, number, frames=1, side=8) for number in range(200)]
    assert {film.verb for film in drawn} == set(VERBS) and {film.noun for film in drawn} == set(NOUNS)


def test_noise_is_as_large_as_said() -> None:
    """Of values between 0 and 255: the background is far enough from 0 in some colour."""
    noisy = render_film(0, 1, "turns", "circle", noise=8.0).frames.astype(float)
    clean = render_film(0, 1, "turns", "circle", noise=0.0).frames
    colour = int(clean[:, 0, 0].mean(0).argmax())
    assert 7 < (noisy - clean)[:, :4, :, colour].std() < 9


@pytest.mark.parametrize(
    ("given", "message"),
    [({"verb": "flies"}, "no film of '.* flies'; verbs: moves left"), ({"noun": "cat"}, "nouns: square, circle"),
     ({"side": 7}, "a side of at least 8 pixels"), ({"noise": -1.0}, "noise from 0")],
)  # fmt: skip
def test_a_film_that_there_is_not_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        render_film(0, 0, **given)  # type: ignore[arg-type]
