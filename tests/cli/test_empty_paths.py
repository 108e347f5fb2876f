"""An empty path, as a shell passes it for a variable that is not set, is refused for every path argument. Python
would take it for the current folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Unroll

import unrolled as library
from unrolled.compare import Comparison
from unrolled.compare_options import CompareSettings
from unrolled.errors import OptionError
from unrolled.run import Training, info_data, runs

TEXT = "".join(f"Line {n} says that {n * n} is the square of {n}.\n" for n in range(150))
COMMANDS = (
    ["info", "{}"],
    ["train", "{}", "--steps", "1"],
    ["train", "{}", "--steps", "1", "--folds", "2"],
    ["train", "text.txt", "--steps", "1", "--valid", "{}"],
    ["train", "text.txt", "--steps", "1", "--test", "{}"],
    ["train", "text.txt", "--steps", "1", "--out", "{}"],
    ["train", "text.txt", "--steps", "1", "--init-from", "{}"],
    ["train", "text.txt", "--plan", "{}"],
    ["info", "text.txt", "--steps", "1", "--valid", "{}"],
    ["resume", "{}"],
    ["sample", "{}"],
    ["score", "{}"],
    ["predict", "{}", "text.txt"],
    ["predict", "runs/one", "{}"],
    ["predict", "{}", "--text", "a"],
    ["evaluate", "{}"],
    ["evaluate", "runs/one", "{}"],
    ["evaluate", "runs/one", "--errors", "{}"],
    ["compare", "{}", "--steps", "1"],
    ["compare", "text.txt", "--steps", "1", "--out", "{}"],
    ["runs", "--under", "{}"],
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a text, in which a training can start."""
    (tmp_path / "text.txt").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("blank", ["", " \t"])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_an_empty_path_is_refused_by_every_command(here: Path, unroll: Unroll, words: list[str], blank: str) -> None:
    result = unroll(*(word.format(blank) for word in words))

    assert result.code == 2, result.err
    assert result.out == ""
    assert "got an empty one. Is a variable of your shell unset?" in result.err
    assert [path.name for path in here.iterdir()] == ["text.txt"], "nothing is made"


def test_an_empty_value_is_named_by_its_option(here: Path, unroll: Unroll) -> None:
    assert "--valid is named by a path" in unroll("train", "text.txt", "--valid", "", "--steps", "1").err
    assert "--init-from is named by a path" in unroll("train", "text.txt", "--init-from", "", "--steps", "1").err


@pytest.mark.parametrize(
    "call",
    [
        lambda: library.train("", steps=1),
        lambda: library.train("text.txt", steps=1, out=""),
        lambda: library.load(" "),
        lambda: Training.resume(""),
        lambda: info_data(""),
        lambda: runs(""),
        lambda: Comparison(""),
        lambda: Comparison("text.txt", CompareSettings(steps=1, out="")),
    ],
)
def test_an_empty_path_is_refused_from_python(here: Path, call: Callable[[], object]) -> None:
    with pytest.raises(OptionError, match="got an empty one"):
        call()


def test_the_working_folder_is_read_where_it_is_named_by_a_dot(here: Path, unroll: Unroll) -> None:
    result = unroll("info", ".")

    assert result.code == 0, result.err
    assert unroll("runs", "--under", ".").code == 0


def test_a_name_with_blanks_in_it_is_a_name(here: Path, unroll: Unroll) -> None:
    (here / " ").mkdir()
    (here / " " / " a b.txt").write_text(TEXT)

    assert unroll("info", "./ ").code == 0
    assert unroll("info", " / a b.txt").code == 0


@pytest.mark.parametrize("words", [["info"], ["train", "--steps", "1"], ["score"], ["evaluate"]], ids=" ".join)
@pytest.mark.parametrize("long", ["x" * 260, "ä" * 130 + ".csv", "a\nb" * 200])
def test_a_name_that_is_too_long_may_be_a_path_or_a_text(
    here: Path, unroll: Unroll, words: list[str], long: str
) -> None:
    result = unroll(words[0], long, *words[1:])

    assert result.code == 2
    assert f"{len(long):,} characters, not a path. A name in a path is one line of at most 255 bytes." in result.err
    assert "Give the path of an existing file. If this is a text, save it to a file" in result.err
