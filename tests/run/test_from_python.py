"""From Python, every wrong argument raises an UnrolledError that says what was expected; Ctrl-C loses nothing."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unrolled
from unrolled.cli import from_python
from unrolled.cli.terminal import QuietView
from unrolled.compare import Comparison
from unrolled.compare_options import CompareSettings
from unrolled.errors import DataError, InputError, OptionError
from unrolled.run import info_data, runs
from unrolled.rundir.folder import RunFolder
from unrolled.tasks.generation import GenerationConfig

SMALL: dict[str, Any] = {"steps": 4, "hidden_size": 8, "batch_size": 4, "threads": 1, "model": "lstm"}
library: Any = unrolled  # called with what its types forbid
library_info: Any = info_data
library_runs: Any = runs
VERSE = "Once upon a day the sun came over hill and stayed.\n"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text, a table, and a run of each."""
    folder = tmp_path_factory.mktemp("python")
    (folder / "poems.txt").write_text(VERSE * 100)
    rows = (f"a {('dull', 'fine')[n % 2]} film {n % 17},{('no', 'yes')[n % 2]}\n" for n in range(120))
    (folder / "reviews.csv").write_text("text,label\n" + "".join(rows))
    unrolled.train(folder / "poems.txt", out=folder / "poems", **SMALL)
    unrolled.train(folder / "reviews.csv", out=folder / "reviews", **SMALL)
    return folder


def poems(here: Path) -> Any:
    return unrolled.load(here / "poems")


def reviews(here: Path) -> Any:
    return unrolled.load(here / "reviews")


WRONG: dict[str, tuple[Callable[[Path], Any], type[InputError], str]] = {
    "unknown setting": (
        lambda here: library.train(here / "poems.txt", modell="gru"),
        OptionError,
        r"No setting is called 'modell'\. Did you mean 'model'\?",
    ),
    "minutes in words": (
        lambda here: library.train(here / "poems.txt", minutes="two"),
        OptionError,
        r"minutes takes a number or None; got 'two'",
    ),
    "part of an update": (
        lambda here: library.Training(here / "poems.txt", steps=2.5),
        OptionError,
        r"steps takes a whole number or None; got 2\.5",
    ),
    "yes for True": (
        lambda here: library.train(here / "reviews.csv", skip_empty="yes"),
        OptionError,
        r"skip_empty takes True or False; got 'yes'",
    ),
    "columns in a list": (
        lambda here: library.train(here / "reviews.csv", input=["text"]),
        OptionError,
        r"input takes a text or None; got \['text'\]",
    ),
    "settings that are a dict": (
        lambda here: library.Training(here / "poems.txt", {"steps": 2}),
        OptionError,
        r"Settings are a TrainOptions, .* got a dict",
    ),
    "a long text as a path": (
        lambda _: library.train(VERSE * 100),
        DataError,
        r"'Once .* 5,100 characters, not a path",
    ),
    "lines as a path": (lambda _: library.train(VERSE * 2), DataError, r"102 characters, not a path"),
    "a nul in a path": (lambda _: library.train("po\0ems"), DataError, r"'po\\x00ems': 6 characters, not a path"),
    "a path that no file has": (
        lambda _: library.load("\ud800"),
        DataError,
        r"'\\ud800': 1 characters, not a path",
    ),
    "a nul in a folder": (
        lambda here: library.train(here / "poems.txt", out="a\0b", steps=1),
        OptionError,
        r"--out is named by a path; got 'a\\x00b', which is no valid file name",
    ),
    "a nul in the folder of a comparison": (
        lambda here: Comparison(here / "poems.txt", CompareSettings(out="a\0b")),
        OptionError,
        r"--out is named by a path; got 'a\\x00b'",
    ),
    "no path": (lambda _: library.train(None), OptionError, r"a str or a pathlib\.Path; got None"),
    "a number as a run": (lambda _: library.load(3), OptionError, r"A run is named by a path, .* got an int"),
    "a device": (lambda here: library.load(here / "poems", "gpu"), OptionError, r"--device is one of .* got 'gpu'"),
    "a path to info": (lambda _: library_info(7), OptionError, r"got an int"),
    "a path to compare": (lambda _: Comparison(VERSE * 100), DataError, r"not a path"),
    "minutes to resume": (
        lambda here: library.Training.resume(here / "poems", minutes="two"),
        OptionError,
        r"minutes takes a number",
    ),
    "a device by number": (
        lambda here: library.load(here / "poems", 0),
        OptionError,
        r"--device is one of .* got '0'",
    ),
    "runs of no folder": (
        lambda _: library_runs(3),
        OptionError,
        r"The folder of runs is named by a path, .* got an int",
    ),
    "which sample": (lambda here: poems(here).sample(number="a"), OptionError, r"number is a whole number; got 'a'"),
    "yes for alone": (lambda here: poems(here).score("a", alone="yes"), OptionError, r"alone is True or False; got"),
    "setting of a sample": (lambda here: poems(here).sample(promt="a"), OptionError, r"Did you mean 'prompt'\?"),
    "length of a sample": (lambda here: poems(here).sample(length="x"), OptionError, r"length takes a whole number"),
    "lines that are numbers": (lambda here: list(poems(here).score([1])), OptionError, r"number 1 is an int"),
    "a text that is none": (lambda here: poems(here).replacements(3), OptionError, r"number 1 is an int"),
    "seconds": (lambda here: poems(here).reach("x"), OptionError, r"seconds is a number above 0; got 'x'"),
    "texts that are none": (
        lambda here: reviews(here).predict(None),
        OptionError,
        r"Texts were expected, .* got None",
    ),
    "a mapping": (
        lambda here: reviews(here).predict({"text": "good day"}),
        OptionError,
        r"The column 'text' is of type str; a list, an array or a tensor",
    ),
    "lines in a mapping": (
        lambda here: list(poems(here).score({"a": 1})),
        OptionError,
        r"got a dict\.\nGive its values",
    ),
    "bytes": (lambda here: reviews(here).predict(b"fine"), OptionError, r"got a bytes"),
    "a number among texts": (lambda here: list(reviews(here).predict(["a", 3])), OptionError, r"number 2 is an int"),
    "top": (lambda here: reviews(here).predict("a", top=0), OptionError, r"top is a whole number of at least 1"),
    "an output": (
        lambda here: next(reviews(here).predict("a")).best("lable"),
        OptionError,
        r"'lable'\. Did you mean 'label'\?",
    ),
    "data to evaluate": (
        lambda here: reviews(here).evaluate(3),
        OptionError,
        r"The data is of type int\.",
    ),
}


def test_the_command_that_trains_longer_can_be_typed(here: Path) -> None:
    requested = (
        f"unroll train {here / 'poems.txt'} --steps 12 --model lstm --hidden-size 8 --batch-size 4 --threads 1"
    )
    assert poems(here).facts["scores"]["advice"] == f"Next: train longer: {requested}"


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_refused(here: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    call, kind, words = WRONG[what]
    monkeypatch.chdir(here)
    there = sorted(here.iterdir())
    with pytest.raises(kind, match=words) as refused:
        call(here)
    assert str(refused.value).count("\n") <= 2
    assert sorted(here.iterdir()) == there, "nothing was made"


def test_a_single_string_is_one_text(here: Path) -> None:
    run = reviews(here)
    (alone,), (of_one,) = list(run.predict("a fine film")), list(run.predict(["a fine film"]))
    assert alone == of_one and alone.text == "a fine film"
    assert len(list(poems(here).score("the sun came"))) == 1


def test_numpy_numbers_are_accepted(here: Path, tmp_path: Path) -> None:
    training = unrolled.Training(here / "poems.txt", out=tmp_path / "run", **SMALL | {"steps": np.int64(2)})
    assert training.settings.steps == 2 and type(training.settings.steps) is int


def test_a_run_has_a_descriptive_repr(here: Path) -> None:
    assert (
        repr(poems(here))
        == f"<unrolled.Run '{here / 'poems'}': lstm of poems.txt, kind 'language-modeling', finished>"
    )
    assert (
        repr(reviews(here))
        == f"<unrolled.Run '{here / 'reviews'}': lstm of reviews.csv, kind 'prediction', finished>"
    )


def test_ctrl_c_ends_tidily_and_keeps_the_weights(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QuietView, "show", lambda *_: signal.raise_signal(signal.SIGINT))
    before, out = signal.getsignal(signal.SIGINT), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt, match=r"saved in .*run.*Training\.resume\("):
        unrolled.train(here / "poems.txt", out=out, **SMALL | {"steps": 2000})
    assert signal.getsignal(signal.SIGINT) is before
    assert RunFolder.open(out).facts["status"] == "stopped"
    assert list((out / "checkpoint").iterdir())
    assert "".join(unrolled.load(out).sample(length=5))
    assert unrolled.Training.resume(out).settings.steps == 2000


def test_progress_shows_in_a_terminal_alone(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    for terminal, progress in ((False, True), (True, False), (True, True)):
        monkeypatch.setattr(from_python, "is_terminal", lambda terminal=terminal: terminal)
        unrolled.train(here / "poems.txt", out=tmp_path / f"{terminal}{progress}", progress=progress, **SMALL)
        shown = capsys.readouterr()
        assert shown.out == ""
        assert ("step 4 of 4" in shown.err) == (terminal and progress)
        assert bool(shown.err) == (terminal and progress)


@pytest.mark.parametrize("wrong", [
    {"beam": 0}, {"beam": "2"}, {"seed": -1}, {"temperature": math.nan}, {"image_weight": -1.0},
    {"image_weight": math.nan}, {"image_weight": "1"},
])  # fmt: skip
def test_invalid_generation_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=f"{next(iter(wrong))} is a "):
        GenerationConfig(**wrong)


@pytest.mark.parametrize("errors", ["wrong.csv", 1])
def test_options_of_an_evaluation_are_true_or_false(here: Path, errors: Any) -> None:
    with pytest.raises(OptionError, match="errors is True or False; got"):
        reviews(here).evaluate(errors=errors)
