"""Columns x and y next to others: coordinates, for which it is unclear whether they are inputs or outputs."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unrolled.data.tables.columns import choose_columns
from unrolled.data.tables.open import open_table
from unrolled.errors import DataError


def write(path: Path, header: str, count: int = 60, words: str = "who person activity text") -> Path:
    """A table of numbers; columns named in `words` hold words, `id` holds row numbers, and `date` holds days."""

    def cell(name: str, place: int, n: int) -> str:
        if name in ("id", ""):
            return str(n)
        if name == "date":
            return str(np.datetime64("2020-01-01") + n)
        return f"{'abc'[n % 3]} word" if name in words.split() else f"{(n * (place + 3)) % 17 / 2}"

    names = header.split(",")
    rows = [",".join(cell(name, place, n) for place, name in enumerate(names)) for n in range(count)]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


REFUSED = {
    "x,y,gesture": ("--input x,y --output gesture", "--input x --output y"),
    "x,y,cluster": ("--input x,y --output cluster", "--input x --output y"),
    "time,x,y,z,activity": ("--input x,y,z --output activity", "--input x --output y"),
    "x,y,t,person": ("--input x,y --output person", "--input x --output y"),
    "x,y,z": ("--input x,y --output z", "--input x --output y"),
    "id,X,Y,area": ("--input X,Y --output area", "--input X --output Y"),
    "x,y,label,target": ("--input x,y --output target", "--input x --output y"),
    "text,x,y": ("--input x,y --output text", "--input text --output x,y"),
}


@pytest.mark.parametrize("header", REFUSED)
def test_coordinates_are_refused_with_options_that_work(header: str, tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", header)
    with pytest.raises(DataError, match="may be coordinates, and the output is not clear") as told:
        choose_columns(open_table(path))
    assert str(told.value).count("\n") < 3
    offered = re.findall(r"--input \S+ --output \S+", str(told.value))
    assert tuple(offered) == REFUSED[header]
    for options in offered:
        _, inputs, _, outputs = shlex.split(options)
        columns = choose_columns(open_table(path), inputs, outputs)
        assert (columns.inputs, columns.outputs) == (tuple(inputs.split(",")), tuple(outputs.split(",")))


PLAIN: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "x,y": (("x",), ("y",)),
    "id,x,y": (("x",), ("y",)),
    ",x,y": (("x",), ("y",)),
    "date,x,y": (("x",), ("y",)),
    "x1,x2,y": (("x1", "x2"), ("y",)),
    "x,z,target": (("x", "z"), ("target",)),
    "x,y,label": (("x", "y"), ("label",)),
    "Class,x,y,z": (("x", "y", "z"), ("Class",)),
    "x,y,who,category": (("x", "y"), ("category",)),
    "text,x,y,label": (("text",), ("label",)),
}


@pytest.mark.parametrize("header", PLAIN)
def test_a_clear_output_next_to_coordinates_is_taken(header: str, tmp_path: Path) -> None:
    columns = choose_columns(open_table(write(tmp_path / "t.csv", header)))
    assert (columns.inputs, columns.outputs) == PLAIN[header]


def test_x_and_y_that_are_no_numbers_are_no_coordinates(tmp_path: Path) -> None:
    told: dict[str, Callable[[str], Path]] = {
        "a text": lambda header: write(tmp_path / "a.csv", header, words="x"),
        "a label": lambda header: write(tmp_path / "b.csv", header, words="y who"),
    }
    for name, made in told.items():
        columns = choose_columns(open_table(made("x,y,who")))
        assert (columns.inputs, columns.outputs) == (("x",), ("y",)), name
    rows = [{"x": [n, n / 3], "y": n % 2, "who": n % 5} for n in range(60)]
    (tmp_path / "t.json").write_text(json.dumps(rows))
    assert choose_columns(open_table(tmp_path / "t.json")).outputs == ("y",)


def test_arrays_called_x_and_y_are_input_and_output(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
    np.savez(tmp_path / "a.npz", x=x, y=y, who=y)
    np.savez(tmp_path / "b.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    for name in ("a.npz", "b.npz"):
        columns = choose_columns(open_table(tmp_path / name))
        assert (columns.inputs, columns.outputs) == (("x",), ("y",)), name


def test_an_option_names_the_output_next_to_coordinates(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "x,y,t,person")
    assert choose_columns(open_table(path), None, "person").inputs == ("x", "y", "t")
    assert choose_columns(open_table(path), "x,y,t").outputs == ("person",)
    assert choose_columns(open_table(path), None, "y").inputs == ("x",)
    with pytest.raises(DataError, match=r"To predict the place: --input t --output x,y$"):
        choose_columns(open_table(path), "t")
