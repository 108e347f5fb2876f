"""The demos, run as a user runs them."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import fake_run
import numpy as np
import pytest
from commands import Unroll

from unrolled.cli import demo_films
from unrolled.cli.demo import write_topics
from unrolled.cli.demo_gaze import write_digits
from unrolled.data.media.video import read_frames
from unrolled.data.moving_shapes import render_film


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_hello_learns_to_spell(unroll: Unroll, seed: int) -> None:
    lines = [json.loads(line) for line in unroll("demo", "hello", "--json", "--seed", seed).out.splitlines()]
    first, last = lines[0], lines[-1]
    assert first["loss"] == pytest.approx(math.log(4), abs=0.1)
    assert last["loss"] < 0.05 and last["generated"] == "ello"
    for update in (first, last):  # rows letters, columns steps: every column sums to 1
        assert [sum(column) for column in zip(*update["probabilities"], strict=True)] == pytest.approx([1.0] * 4)
    columns = zip(*last["probabilities"], strict=True)
    right = [column["helo".index(letter)] for column, letter in zip(columns, "ello", strict=True)]
    assert -sum(map(math.log, right)) / 4 == pytest.approx(last["loss"], abs=1e-5)


def test_hello_draws_the_table_of_the_lecture(unroll: Unroll) -> None:
    text = unroll("demo", "hello").out
    assert "After h it writes ello." in text
    table = text.split("and trained")[1].splitlines()
    assert table[2].split() == ["reads", "h", "e", "l", "l"]
    assert [line.split()[0] for line in table[3:7]] == ["h", "e", "l", "o"]
    bracketed = [[cell.startswith("[") for cell in line.split()[1:]] for line in table[3:7]]
    assert bracketed == [[letter == target for target in "ello"] for letter in "helo"]


def test_weather_prints_the_chain(unroll: Unroll) -> None:
    facts = json.loads(unroll("demo", "weather", "--json").out)
    assert facts["after_10"][0] == pytest.approx([0.8333508096, 0.8332459520], abs=1e-10)
    assert facts["stationary"] == pytest.approx([5 / 6, 1 / 6])
    assert facts["entropy_rate_nats"] == pytest.approx(0.38642700791953)
    assert facts["log_likelihood_nats"]["SSSRRS"] == pytest.approx(-4.081922042223543)
    assert len(facts["days"]) == 365
    text = unroll("demo", "weather").out
    for said in ("to Sunny       0.8600      0.7000", "Sunny 0.8333, Rainy 0.1667", "0.5575 bits", "-5.2575 nats"):
        assert said in text


def test_the_same_seed_draws_the_same_days(unroll: Unroll) -> None:
    days = [json.loads(unroll("demo", "weather", "--json", "--seed", seed).out)["days"] for seed in (1, 1, 2)]
    assert days[0] == days[1] != days[2]


def test_the_demo_trains_two_minutes_on_pythons_own_text(faked: Unroll) -> None:
    result = faked("demo")
    assert result.code == 0
    assert fake_run.Training.requested.minutes == 2.0
    text = Path("runs/python-topics.txt").read_text(encoding="utf-8")
    assert len(text) > 400_000 and "assert" in text
    commands = [line.strip() for line in result.out.split("Three commands to try next:\n")[1].splitlines()]
    assert len(commands) == 3 and all(command.startswith("unroll ") for command in commands)
    assert commands[0].startswith("unroll sample runs/demo ")


def test_the_demos_text_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "topics.txt"
    write_topics(path)
    before = path.stat()
    write_topics(path)
    assert path.stat().st_ino == before.st_ino and path.stat().st_mtime_ns == before.st_mtime_ns


def test_options_before_the_name_of_a_demo_are_refused(unroll: Unroll) -> None:
    result = unroll("demo", "--minutes", "1", "hello")
    assert result.code == 2 and "Options of hello come after its name" in result.err


def test_the_films_of_the_demo_are_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("av", reason="needs the extra video")
    monkeypatch.setattr(demo_films, "COUNT", 20)
    table = demo_films.write_films(tmp_path, seed=3)
    lines = table.read_text().splitlines()
    assert table == tmp_path / "seed-3" / "films.csv" and len(lines) == 21
    assert lines[:3] == ["film,verb,noun", "0.mp4,moves left,square", "1.mp4,moves right,square"]
    shown = read_frames(table.parent / "6.mp4", 16, 32, 32).astype(int)
    rendered = render_film(3, 6, "grows", "circle").frames.astype(int)
    assert np.abs(shown - rendered).mean() < 12, "a codec blurs the noise"
    assert not list(table.parent.glob(".*"))
    times = {path: path.stat().st_mtime_ns for path in table.parent.glob("*.mp4")}
    demo_films.write_films(tmp_path, seed=3)
    assert times == {path: path.stat().st_mtime_ns for path in table.parent.glob("*.mp4")}


@pytest.mark.slow
@pytest.mark.alone
def test_the_demo_of_films_learns_what_shapes_do(unroll: Unroll) -> None:
    pytest.importorskip("av", reason="needs the extra video")
    result = unroll("demo", "films", "--minutes", "1.5")
    assert result.code == 0, result.err
    assert "480 of moving shapes" in result.err
    accuracy = re.search(r"verb, test, by .*: accuracy ([\d.]+)%", result.err + result.out)
    assert accuracy is not None and float(accuracy[1]) > 60
    assert "unroll predict runs/films runs/moving-shapes/seed-0/0.mp4" in result.out


def test_the_demo_of_a_gaze_draws_its_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.cli.demo_gaze.DRAWN", 100)
    write_digits(tmp_path / "new" / "digits.npz", 0)
    write_digits(tmp_path / "again.npz", 0)
    write_digits(tmp_path / "other.npz", 1)
    found = [np.load(tmp_path / name) for name in ("new/digits.npz", "again.npz", "other.npz")]
    assert found[0]["image"].shape == (100, 40, 40) and set(found[0]["digit"].tolist()) == set(range(10))
    assert np.array_equal(found[0]["image"], found[1]["image"])
    assert not np.array_equal(found[0]["image"], found[2]["image"])
    drawn = (found[0]["image"] > 0).mean((1, 2))
    assert drawn.min() > 0.02 and drawn.max() < 0.2, "a digit and its scraps"


@pytest.mark.slow
def test_the_demo_of_a_gaze_prints_where_it_looks(
    unroll: Unroll, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = unroll("demo", "gaze", "--minutes", "0.5")
    assert result.code == 0, result.err
    lines = result.out.split("what it says:\n")[1].splitlines()
    assert all(line.split()[0] == "50," or line.strip().startswith("50, 50") for line in lines[:3])
    assert "unroll predict runs/gaze runs/drawn-digits.npz --show-attention gaze.html" in result.out
