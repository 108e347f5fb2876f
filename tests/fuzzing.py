"""Damages inputs, runs the command on them, and checks the end: exit code 0 or 2, with a message, soon, in little
memory.

`TARGETS` is the table of inputs. A target makes a corpus once; a case is a copy of it, damaged by a seed, and a
command. All cases are forked from one process that has imported everything and computed nothing: no thread of torch
survives a fork. Data files are in tests/fuzzed_files.py.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from fuzzed_files import damage_data, make_arrays, make_folders, make_tables, make_texts
from kills import in_fork
from run_checksums import seal

SECONDS, BYTES = 20.0, 1 << 30  # limits of a case
TINY = ["--steps", "3", "--hidden-size", "4", "--batch-size", "4", "--threads", "1", "--quiet"]
PRECIOUS = "precious\n" * 50


class Target(NamedTuple):
    """A kind of input to damage."""

    make: Callable[[Path], None]  # makes a corpus, in an empty folder
    damage: Callable[[Path, random.Random], tuple[str, list[str]]]  # damages a copy: what was done, and a command


@dataclass(frozen=True)
class Outcome:
    """How a case ended."""

    target: str
    number: int
    done: str  # what was done to which file
    command: str
    code: int  # negative: the signal
    seconds: float
    bytes: int  # peak memory, minus that of the parent process
    said: str

    @property
    def fault(self) -> str:
        """What is wrong with the way it ended; "" if nothing is."""
        lines = [line for line in self.said.splitlines() if line.startswith("unroll: ")]
        faults = {
            "a traceback": "Traceback" in self.said or "panicked" in self.said,
            f"exit {self.code}": self.code not in (0, 2),
            f"{self.seconds:.1f} s": self.seconds > SECONDS,
            f"{self.bytes >> 20} MB": self.bytes > BYTES,
            "a file elsewhere was changed": "CHANGED ELSEWHERE" in self.said,
            "no message": self.code == 2 and not lines,
        }
        return ", ".join(fault for fault, is_so in faults.items() if is_so)

    def to_dict(self) -> dict[str, Any]:
        """As a dict for JSON."""
        return asdict(self) | {"fault": self.fault}


def warm_up() -> None:
    """Imports all that a command may need, before anything is forked."""
    import unrolled.cli
    import unrolled.compare
    import unrolled.run.loading
    import unrolled.run.training  # noqa: F401


def cases(name: str, numbers: range, folder: Path, seed: int) -> Iterator[Outcome]:
    """The outcomes of these cases of a target, in an empty folder."""
    corpus = folder / "corpus"
    corpus.mkdir()
    assert in_fork(lambda: TARGETS[name].make(corpus)) == 0, f"{name}: its corpus could not be made"
    for number in numbers:
        yield _case(name, number, corpus, folder / "case", random.Random(f"{seed} {name} {number}"))


def _case(name: str, number: int, corpus: Path, place: Path, draw: random.Random) -> Outcome:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(corpus, place / "here")
    (place / "thesis.txt").write_text(PRECIOUS)
    done, command = TARGETS[name].damage(place / "here", draw)
    started = time.monotonic()
    code, usage = _ask(command, place)
    seconds = time.monotonic() - started
    said = (place / "said").read_text(errors="replace")[-3000:]
    if (place / "thesis.txt").read_text() != PRECIOUS:
        said += "\nCHANGED ELSEWHERE"
    return Outcome(name, number, done, " ".join(command), code, round(seconds, 3), usage.ru_maxrss << 10, said)


def _ask(command: list[str], place: Path) -> tuple[int, resource.struct_rusage]:
    """Runs `unroll` in a child process; its exit code, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        try:
            said = os.open(place / "said", os.O_WRONLY | os.O_CREAT)
            for stream in (1, 2):
                os.dup2(said, stream)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.chdir(place / "here")
            from unrolled.cli import main

            code = main(command)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
            os._exit(99)
    until = time.monotonic() + SECONDS + 5
    while True:
        found, status, usage = os.wait4(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status), usage
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            until += 1e9
        time.sleep(0.01)


# Run folders

JSON_FILES = ("run.json", "vocabulary.json", "plan.jsonl", "log.jsonl", "reach.json")
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**18, 10**400, 1e308, -1e308, 0.5, float("nan"), "", "x", "\ud800",
    "../../thesis.txt", "/dev/zero", "a" * 10_000, [], [[]], {}, [None], ["x"], [1, 2], {"x": 1}, {"task": "char"},
]  # fmt: skip
COMMANDS = {
    "text": [
        ["info", "run"], ["sample", "run", "--length", "20"], ["score", "run", "text.txt", "--quiet"],
        ["evaluate", "run", "--quiet"], ["resume", "run", "--steps", "1", "--quiet"], ["runs", "--under", "."],
        ["train", "text.txt", "--init-from", "run", "--out", "new", "--steps", "1", "--batch-size", "4", "--quiet"],
        ["train", "text.txt", "--plan", "run", "--out", "new", "--quiet"],
    ],
    "table": [
        ["info", "run"], ["predict", "run", "--text", "akaski"], ["predict", "run", "names.csv", "--json"],
        ["evaluate", "run", "--quiet"], ["resume", "run", "--steps", "1", "--quiet"], ["runs", "--under", "."],
        ["train", "names.csv", "--init-from", "run", "--out", "new", "--steps", "1", "--batch-size", "4", "--quiet"],
        ["train", "names.csv", "--plan", "run", "--out", "new", "--quiet"],
    ],
}  # fmt: skip


def make_text_run(corpus: Path) -> None:
    """An ensemble on a text, with its reach."""
    from training_runs import write_text

    write_text(corpus / "text.txt")
    _unroll("train", corpus / "text.txt", "--model", "lstm+ngram", "--window", "16", "--out", corpus / "run", *TINY)
    _unroll("info", corpus / "run")


def make_stopped_run(corpus: Path) -> None:
    """A run on a text that was stopped halfway."""
    from training_runs import write_text

    from unrolled.run import Training

    write_text(corpus / "text.txt")
    training = Training(
        corpus / "text.txt", out=str(corpus / "run"), steps=40, hidden_size=4, batch_size=4, window=16, threads=1
    )
    for report in training:
        if report.step > 10:
            training.stop()


def make_table_run(corpus: Path) -> None:
    """A net, a linear model and n-grams, all in one ensemble, that predict labels."""
    rows = [f"{'ak' * (1 + n % 3)}ski,east" if n % 2 else f"dag{'o' * (1 + n % 4)}ton,west" for n in range(60)]
    (corpus / "names.csv").write_text("name,kind\n" + "\n".join(rows) + "\n")
    arguments: list[str | Path] = ["--output", "kind", "--model", "lstm+linear+ngram", "--out", corpus / "run"]
    _unroll("train", corpus / "names.csv", *arguments, *TINY)


def make_value_run(corpus: Path) -> None:
    """A net that predicts a number from a number."""
    rows = [f"{n % 7},{n % 5},{n % 7 + n % 5 + 0.25}" for n in range(80)]
    (corpus / "names.csv").write_text("a,b,y\n" + "\n".join(rows) + "\n")
    arguments: list[str | Path] = [
        "--output",
        "y",
        "--task",
        "regression",
        "--model",
        "lstm+linear",
        "--out",
        corpus / "run",
    ]
    _unroll("train", corpus / "names.csv", *arguments, *TINY)


def make_writing_run(corpus: Path) -> None:
    """A net that generates a text from a text."""
    rows = [f"{'ab' * (1 + n % 3)} {n % 5},{'ba' * (1 + n % 3)} {n % 5}" for n in range(30)]
    (corpus / "names.csv").write_text("input,output\n" + "\n".join(rows) + "\n")
    arguments: list[str | Path] = ["--output", "output", "--task", "seq2seq", "--out", corpus / "run"]
    _unroll("train", corpus / "names.csv", *arguments, *TINY)


def _unroll(*arguments: str | Path) -> None:
    from unrolled.cli import main

    assert main([str(argument) for argument in arguments]) == 0, arguments


def damage_run(here: Path, draw: random.Random) -> tuple[str, list[str]]:
    """Damages the content of a file of the run, or replaces the file."""
    run = here / "run"
    done = damage_json(run, draw) if draw.random() < 0.6 else damage_file(run, draw)
    return done, draw.choice(COMMANDS["text" if (here / "text.txt").exists() else "table"])


def damage_json(run: Path, draw: random.Random) -> str:
    """A key is removed, retyped or out of range; mostly the checksums are made to fit, so that only the check of
    types can find it."""
    path = run / draw.choice([name for name in JSON_FILES if (run / name).exists()])
    lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
    number = draw.randrange(len(lines))
    value = json.loads(lines[number])
    places = list(_places(value))
    holder, key, place = draw.choice(places)
    if draw.random() < 0.3:
        done = f"{path.name}: {place} removed"
        del holder[key]
    else:
        odd = draw.choice(ODD)
        done = f"{path.name}: {place} = {str(odd)[:40]!r}"
        holder[key] = odd
    lines[number] = json.dumps(value)
    path.write_text("\n".join(lines) + "\n")
    if draw.random() < 0.85:
        seal(run)
        done += ", sealed"
    return done


def _places(value: Any, place: str = "") -> Iterator[tuple[Any, Any, str]]:
    """(holder, key, path) of every part of a JSON value; only a few of a long list."""
    keys = list(value) if isinstance(value, dict) else list(range(min(3, len(value))))
    for key in keys:
        yield value, key, f"{place}.{key}"
        if isinstance(value[key], dict | list):
            yield from _places(value[key], f"{place}.{key}")


def damage_file(run: Path, draw: random.Random) -> str:
    """A file, or the folder of checkpoints, is replaced by something else."""
    places = [path for path in run.rglob("*") if path.is_file()]
    places += [run / name for name in ("checkpoint", "data.txt", "lock")]
    path = draw.choice(places)
    how = draw.choice(list(FILE_DAMAGE))
    was = path.read_bytes() if path.is_file() else b""
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    FILE_DAMAGE[how](path, was, draw)
    if how in SEALABLE and draw.random() < 0.5:
        seal(run)
    return f"{path.relative_to(run)}: {how}"


def _flip(path: Path, was: bytes, draw: random.Random) -> None:
    flipped = bytearray(was)
    for _ in range(draw.choice([1, 3, 50])):
        if flipped:
            flipped[draw.randrange(len(flipped))] ^= 1 << draw.randrange(8)
    path.write_bytes(flipped)


def _link_elsewhere(path: Path, was: bytes, draw: random.Random) -> None:
    (path.parents[2 if path.parent.name == "checkpoint" else 1] / "elsewhere").mkdir(exist_ok=True)
    path.symlink_to(path.parents[2 if path.parent.name == "checkpoint" else 1] / "elsewhere")


def _sparse(path: Path, was: bytes, draw: random.Random) -> None:
    path.write_bytes(was)
    os.truncate(path, 50 << 30)


def _thesis(path: Path) -> Path:
    return next(parent / "thesis.txt" for parent in path.parents if (parent / "thesis.txt").exists())


FILE_DAMAGE: dict[str, Callable[[Path, bytes, random.Random], object]] = {
    "gone": lambda path, was, draw: None,
    "a folder": lambda path, was, draw: path.mkdir(),
    "a link": lambda path, was, draw: path.symlink_to(_thesis(path)),
    "a hard link": lambda path, was, draw: path.hardlink_to(_thesis(path)),
    "a link to itself": lambda path, was, draw: path.symlink_to(path),
    "a link to /dev/zero": lambda path, was, draw: path.symlink_to("/dev/zero"),
    "a link to a folder": _link_elsewhere,
    "a pipe": lambda path, was, draw: os.mkfifo(path),
    "empty": lambda path, was, draw: path.write_bytes(b""),
    "cut short": lambda path, was, draw: path.write_bytes(was[: draw.randrange(len(was) + 1)]),
    "flipped": _flip,
    "twice": lambda path, was, draw: path.write_bytes(was + was),
    "50 GB of holes": _sparse,
    "nested deeply": lambda path, was, draw: path.write_bytes(b"[" * 500 + b"]" * 500),
    "of many values": lambda path, was, draw: path.write_bytes(b"[" + b"[]," * 6_000_000 + b"[]]"),
    "noise": lambda path, was, draw: path.write_bytes(draw.randbytes(draw.choice([1, 100, 10_000]))),
}

SEALABLE = ("empty", "cut short", "flipped", "twice", "noise")  # a value that seal can read

TARGETS: dict[str, Target] = {
    "run on a text": Target(make_text_run, damage_run),
    "stopped run": Target(make_stopped_run, damage_run),
    "run on a table": Target(make_table_run, damage_run),
    "run with numbers": Target(make_value_run, damage_run),
    "run that writes": Target(make_writing_run, damage_run),
    "texts": Target(make_texts, damage_data),
    "tables": Target(make_tables, damage_data),
    "arrays": Target(make_arrays, damage_data),
    "folders": Target(make_folders, damage_data),
}
"""The kinds of inputs to damage, by name: run folders, and data files of every format."""
