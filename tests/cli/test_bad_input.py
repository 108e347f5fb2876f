"""Bad input: exit code 2, and at most three lines that say what was expected, what was found and what to do."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import Unroll, check_refused, leaving_no_files, run_command
from run_checksums import change_facts

SOME_TEXT = "".join(f"Line {n} says that {n * n} is the square of {n}.\n" for n in range(150))
SMALL = ("--hidden-size", "8", "--batch-size", "2", "--window", "16", "--threads", "1")


# File names and their contents; None makes an empty folder.
FILES: dict[str, bytes | None] = {
    "text.txt": SOME_TEXT.encode(),
    "empty.txt": b"",
    "mark.txt": b"\xef\xbb\xbf",
    "same.txt": b"a" * 5000,
    "short.txt": b"Too short.\n",
    "latin1.txt": "Le café est fermé. ".encode("latin-1") * 200,
    "program": bytes(range(256)) * 40,
    "nothing": None,
    "pictures/a.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
    "notes/readme.md": b"Not a run.\n",
    "split/train.csv": b"text,label\na b,x\n",
    "split/val.csv": b"text,label\na b,x\n",
    "split/test.csv": b"text,label\na b,x\n",
    "arrays/X_train.npy": b"\x93NUMPY",
    "arrays/X_test.npy": b"\x93NUMPY",
    "arrays/y_train.npy": b"\x93NUMPY",
    "arrays/y_test.npy": b"\x93NUMPY",
    "names.csv": b"body\na.ply\nb.ply\n",
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content)
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.chdir(tmp_path)
    return tmp_path


CASES: list[tuple[str, tuple[str, ...]]] = [
    # data
    ("train absent.txt", ("absent.txt", "no such file")),
    ("train texts.txt", ("did you mean 'text.txt'?",)),
    ("train text.txt --valid none --steps 1", ("validation split is empty", "--valid 0.05")),
    ("train text.txt --valid 0 --model ngram", ("validation split is empty",)),
    ("train split --steps 1", ("holds tables", "unroll train split/train.csv --valid split/val.csv --test")),
    ("info split", ("unroll train split/train.csv",)),
    ("compare split --steps 1", ("unroll train split/train.csv",)),
    ("train arrays", ("unroll train arrays/X_train.npy --test arrays/X_test.npy\n",)),
    ("train names.csv --steps 1", ("'body' holds names of files (.ply)", "--task language-modeling")),
    ("train text.txt --seed=-1 --steps 1", ("--seed is a whole number of at least 0; got -1",)),
    ("compare text.txt --seed=-1 --steps 1", ("--seed is a whole number of at least 0",)),
    ("demo hello --seed=-3", ("--seed is a whole number of at least 0; got -3",)),
    ("sample run --seed=-1", ("--seed is a whole number of at least 0",)),
    ("predict run --text a --temperature 1 --seed=-1", ("--seed is a whole number of at least 0",)),
    ("train loop", ("loop", "is a link to itself")),
    ("train nothing", ("nothing", "folder without text")),
    ("train pictures", ("pictures", "without labels", "label")),
    ("train empty.txt", ("empty.txt", "empty")),
    ("train mark.txt", ("mark.txt", "empty")),
    ("train same.txt", ("same.txt", "only one character")),
    ("train short.txt", ("short.txt", "short")),
    ("train latin1.txt", ("latin1.txt", "UTF-8", "--tokenizer byte")),
    ("train program", ("program", "binary", "--tokenizer byte")),
    ("train text.txt --valid absent.txt", ("absent.txt",)),
    ("train text.txt --test 2", ("2",)),
    ("info absent.txt", ("absent.txt", "no such file")),
    ("info empty.txt --minutes 10", ("empty",)),
    ("info text.txt --minutes 1 --model ngram", ("n-gram", "no plan")),
    ("info text.txt --minutes 1 --model lsmt", ("did you mean 'lstm'?",)),
    # names
    ("trian text.txt", ("trian", "did you mean 'train'?")),
    ("text.txt", ("unroll train text.txt",)),
    ("demo wether", ("did you mean 'weather'?",)),
    ("train text.txt --minuts 3", ("--minuts", "did you mean '--minutes'?", "unroll train --help")),
    ("sample --temprature 1", ("did you mean '--temperature'?",)),
    ("train text.txt --model lsmt", ("lsmt", "did you mean 'lstm'?", "ngram")),
    ("train text.txt --bptt trunkated:k1=4", ("did you mean 'truncated'?",)),
    ("train text.txt --documents lines", ("did you mean 'line'?", "blank")),
    ("train text.txt --tokenizer chars", ("did you mean 'char'?",)),
    ("train text.txt --device gpu", ("cuda",)),
    # options that the component does not have
    ("train text.txt --bptt full:k1=4", ("full", "no option 'k1'")),
    ("train text.txt --bptt truncated:k9=4", ("no option 'k9'", "k1")),
    ("train text.txt --bptt truncated", ("needs its option 'k1'",)),
    ("train text.txt --bptt truncated:k1=many", ("whole number", "many")),
    ("train text.txt --bptt truncated:k1=0", ("k1", "0")),
    ("train text.txt --model ngram --bptt truncated:k1=8", ("no --bptt", "counted")),
    ("train text.txt --model ngram --hidden-size 8", ("n-gram", "--hidden-size")),
    ("train text.txt --model ngram --steps 8", ("n-gram", "--steps")),
    ("train text.txt --model lstm:size=8", ("--hidden-size",)),
    ("train text.txt --model lstm/atention", ("did you mean 'attention'?",)),
    ("train text.txt --model lstm/ngram", ("n-gram", "takes no options and is not stacked")),
    ("train text.txt --model lstm+gru", ("one trained model and the n-gram", "lstm+ngram", "'lstm+gru'")),
    ("train text.txt --model ngram+ngram", ("one trained model and the n-gram", "'ngram+ngram'")),
    ("train text.txt --model lstm+gru+ngram", ("one trained model and the n-gram",)),
    ("train text.txt --model lstm+", ("one trained model and the n-gram", "'lstm+'")),
    ("train text.txt --model lsmt+ngram", ("lsmt", "did you mean 'lstm'?")),
    ("train text.txt --model +ngram", ("unknown model ''",)),
    ("train text.txt --model lstm:size=8+ngram", ("--hidden-size",)),
    ("train text.txt --model lstm:horizon=2 --steps 1", ("horizon of 2", "at least 3")),
    ("train text.txt --model attention:span=0 --steps 1", ("span of 0", "at least 1")),
    ("train text.txt --model attention:spam=3 --steps 1", ("no option 'spam'", "did you mean 'span'?")),
    ("train text.txt --model transformer:heads=3 --hidden-size 8 --steps 1", ("3 heads", "divide the size")),
    ("train text.txt --model gru:span=3 --steps 1", ("gru", "no option 'span'")),
    ("train text.txt --bptt checkpointed", ("one of slots and bytes",)),
    ("train text.txt --bptt checkpointed:slots=0", ("slots", "at least 1")),
    ("train text.txt --bptt checkpointed:bytes=lots", ("bytes", "64MB", "'lots'")),
    ("train text.txt --bptt checkpointed:slots=2,keep=graph", ("keep", "did you mean 'graphs'?")),
    (
        "train text.txt --bptt checkpointed:bytes=9B --steps 1 --hidden-size 8",
        ("too little for one slot", "The minimum is"),
    ),
    ("train text.txt --bptt randomised:mean=1", ("mean", "at least 2")),
    ("train text.txt --bptt randomised:mean=8,every=8", ("every", "1 to 7")),
    ("compare text.txt --models ,", ("--models", "none of them empty")),
    ("compare text.txt --models gru,gru", ("--models has 'gru' twice",)),
    ("compare text.txt --models gru,gur", ("unknown model 'gur'", "did you mean 'gru'?")),
    ("compare text.txt --models gru --bptt truncated:k1=2,truncated:k1=2", ("--bptt has", "twice")),
    ("compare text.txt --models gru:span=4 --steps 1", ("gru", "no option 'span'")),
    ("compare recall --models lstm/ngram", ("ngram",)),
    ("compare absent.txt", ("absent.txt", "no file, folder or task")),
    # values
    ("train text.txt --minutes 0", ("--minutes", "above 0", "got 0")),
    ("train text.txt --minutes -1", ("--minutes", "got -1")),
    ("train text.txt --minutes nan", ("--minutes", "got nan")),
    ("train text.txt --minutes 1e9", ("--minutes", "at most", "got 1e+09")),
    ("train text.txt --minutes soon", ("--minutes is a number", "'soon'")),
    ("train text.txt --minutes 3 --steps 10", ("one budget", "--minutes", "--steps")),
    ("train text.txt --steps 0", ("--steps", "got 0")),
    ("train text.txt --steps 2.5", ("--steps is a whole number", "'2.5'")),
    ("train text.txt --hidden-size 0", ("--hidden-size", "got 0")),
    ("train text.txt --layers 100000", ("--layers is a whole number of at most 1,000", "got 100,000")),
    ("train text.txt --window 999999999999", ("--window is a whole number of at most 10,000,000",)),
    ("train text.txt --steps 99999999999999999999", ("--steps is a whole number of at most",)),
    ("train text.txt --seed 99999999999999999999 --steps 1", ("--seed is a whole number of at most",)),
    ("compare recall --seeds 1000000000 --steps 1", ("--seeds is a whole number of at most 1,000",)),
    (f"compare recall --lag {'9' * 5000} --steps 1", ("--lag is in steps, below 1,000,000",)),
    ("train text.txt --out / --steps 1", ("/ is the root of the file system", "--out /run")),
    ("train text.txt --learning-rate -0.1", ("--learning-rate", "-0.1")),
    ("train text.txt --dropout 1", ("--dropout", "got 1")),
    ("train text.txt --minutes", ("--minutes",)),
    ("train", ("DATA", "unroll train --help")),
    ("train text.txt more.txt", ("more.txt",)),
    ("sample --length 0", ("--length", "got 0")),
    ("sample --temperature -1", ("--temperature", "got -1")),
    ("sample --top-k 0", ("--top-k", "got 0")),
    ("sample --top-p 1.5", ("--top-p", "got 1.5")),
    ("score a b c", ("score RUN FILE",)),
    ("score a text.txt --top 0", ("--top", "got 0")),
    ("demo --minutes 0", ("--minutes", "got 0")),
    # paths that are not runs
    ("sample", ("runs", "unroll train")),
    ("resume", ("runs", "unroll train")),
    ("sample absent", ("absent", "does not exist")),
    ("sample text.txt", ("text.txt", "is a file")),
    ("sample notes", ("notes", "not a run")),
    ("resume notes", ("notes", "not a run")),
    ("evaluate notes", ("notes", "not a run")),
    ("score notes text.txt", ("notes", "not a run")),
    ("train text.txt --steps 2 --init-from notes", ("notes", "not a run")),
    ("train text.txt --plan notes", ("notes", "not a run")),
    ("train text.txt --steps 2 --out notes", ("notes", "not empty", "--out")),
    ("train text.txt --steps 2 --out text.txt", ("text.txt", "--out")),
]


@pytest.mark.parametrize(("line", "words"), CASES, ids=[line for line, _ in CASES])
def test_a_wrong_command_line_is_refused(files: Path, unroll: Unroll, line: str, words: tuple[str, ...]) -> None:
    with leaving_no_files(files):
        check_refused(unroll(*line.split()), *words)


def test_a_long_value_is_shortened_in_the_message(files: Path, unroll: Unroll) -> None:
    result = unroll("train", "text.txt", "--model", 100_000 * "a")
    check_refused(result, "Unknown", "aaa…", "Known: ")
    assert len(result.err) < 1000
    assert len(unroll("train", "text.txt", "--bptt", f"full:{100_000 * 'k'}").err) < 5000


@pytest.fixture
def no_reader() -> Iterator[Path]:
    """A file that this process may not read; root drops its privileges for the duration of the test."""
    folder = Path(tempfile.mkdtemp())
    path = folder / "secret.txt"
    path.write_text(SOME_TEXT)
    path.chmod(0)
    folder.chmod(0o755)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield path
    finally:
        if is_root:
            os.seteuid(0)
        shutil.rmtree(folder)


def test_a_file_without_read_permission_is_refused(unroll: Unroll, no_reader: Path) -> None:
    check_refused(unroll("train", no_reader), "secret.txt", "permission denied", "chmod")
    check_refused(unroll("score", "run", no_reader), "secret.txt", "permission denied")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text and a finished run of two updates on it."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "text.txt").write_text(SOME_TEXT)
    arguments = ("--model", "lstm", "--steps", "2", *SMALL, "--quiet", "--out", folder / "run")
    assert run_command("train", folder / "text.txt", *arguments).code == 0
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that run that a test may damage; it belongs to the text.txt next to it."""
    shutil.copytree(trained, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    change_facts(Path("run"), lambda facts: facts["data"].update(path=str(Path("text.txt").resolve())))
    return Path("run")


def stop_early(run: Path) -> None:
    """Makes the run look stopped after its two updates, with more to come."""
    change_facts(run, lambda facts: facts.update(status="stopped"))


def set_fact(name: str, value: object) -> Callable[[Path], object]:
    return lambda run: change_facts(run, lambda facts: facts.update({name: value}))


DAMAGE: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "no JSON": (lambda run: (run / "run.json").write_text("{"), ("run.json",)),
    "a list": (lambda run: (run / "run.json").write_text("[]"), ("run.json", "damaged")),
    "newer format": (set_fact("format", 99), ("newer", "99", "upgrade")),
    "other kind": (set_fact("kind", "caption"), ("caption", "language")),
    "no weights": (lambda run: (run / "model.safetensors").unlink(), ("model.safetensors",)),
    "torn weights": (lambda run: os.truncate(run / "model.safetensors", 200), ("model.safetensors", "damaged")),
    "no vocabulary": (lambda run: (run / "vocabulary.json").unlink(), ("vocabulary.json",)),
    "no plan": (lambda run: (run / "plan.jsonl").write_text(""), ("plan.jsonl",)),
    "unknown setting": (lambda run: change_facts(run, lambda facts: facts["options"].update(sise=3)), ("sise",)),
    "no checksum": (
        lambda run: (run / "run.json").write_text((run / "run.json").read_text().replace("checksum", "checksun")),
        ("run.json", "checksum"),
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_run_is_refused(run: Path, unroll: Unroll, damage: str) -> None:
    do, words = DAMAGE[damage]
    do(run)
    check_refused(unroll("sample", run), *words)


def test_a_finished_run_needs_a_new_budget(run: Path, unroll: Unroll) -> None:
    check_refused(unroll("resume", run), "finished", "unroll resume run --minutes")


def test_missing_data_are_refused(run: Path, unroll: Unroll) -> None:
    stop_early(run)
    Path("text.txt").unlink()
    check_refused(unroll("resume", run), "gone", "text.txt")
    check_refused(unroll("evaluate", run), "gone", "text.txt")


def test_changed_data_are_refused(run: Path, unroll: Unroll) -> None:
    stop_early(run)
    Path("text.txt").write_text(SOME_TEXT.replace("square", "sqware"))
    check_refused(unroll("resume", run), "changed", "text.txt", "--steps 2", "--hidden-size 8", "--init-from")


def test_both_budgets_at_resume(run: Path, unroll: Unroll) -> None:
    check_refused(unroll("resume", run, "--minutes", "1", "--steps", "3"), "one budget")


def test_an_output_folder_that_is_a_run(run: Path, unroll: Unroll) -> None:
    check_refused(unroll("train", "text.txt", "--steps", "2", "--out", run), "run", "not empty", "--out")


def test_a_run_whose_checkpoints_are_all_damaged(run: Path, unroll: Unroll) -> None:
    stop_early(run)
    for path in (run / "checkpoint").iterdir():
        os.truncate(path, 100)
    check_refused(unroll("resume", run), "checkpoint")


def test_score_of_a_file_that_cannot_be_read(run: Path, unroll: Unroll) -> None:
    check_refused(unroll("score", run, "absent.log"), "absent.log", "no such file")
    check_refused(unroll("score", run, "."), "folder")
