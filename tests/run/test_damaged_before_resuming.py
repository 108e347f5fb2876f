"""A damaged file of a run is detected before a resumed training spends time, and nothing is changed then."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from run_checksums import change_facts
from training_runs import write_text

from unrolled.errors import RunError
from unrolled.fileio import append_line, to_json
from unrolled.run import Training
from unrolled.rundir.folder import RunFolder

TINY: dict[str, Any] = {"hidden_size": 4, "batch_size": 4, "threads": 1, "steps": 6}
LINES = ("plan.jsonl", "log.jsonl", "samples.txt")  # a last line that was cut off is skipped
WHOLE = ("run.json", "vocabulary.json", "model.safetensors", "checkpoint", "ngram.safetensors")
OF_TEXT, OF_TABLE = (*WHOLE, "data.txt"), (*WHOLE, "linear.safetensors")


def stopped(training: Training) -> Path:
    """The folder of a training that was stopped after the first report."""
    for _ in training:
        training.stop()
    assert training.stopped
    return training.folder


@pytest.fixture(scope="module")
def text_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same on a text from standard input, of which the run keeps a copy."""
    folder = tmp_path_factory.mktemp("text")
    write_text(folder / "text.txt")
    run = stopped(Training(folder / "text.txt", out=str(folder / "run"), **TINY))
    shutil.copy(folder / "text.txt", run / "data.txt")
    kept = {"path": "data.txt", "kept": True, "fingerprints": {}}
    change_facts(run, lambda facts: facts["data"].update(kept))
    return run


@pytest.fixture(scope="module")
def table_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    rows = [f"{'ak' * (1 + n % 3)}ski,east" if n % 2 else f"dag{'o' * (1 + n % 4)}ton,west" for n in range(60)]
    (folder / "names.csv").write_text("name,kind\n" + "\n".join(rows) + "\n")
    return stopped(Training(folder / "names.csv", out=str(folder / "run"), output="kind", **TINY))


def files_at(path: Path) -> Iterator[Path]:
    """The file, or the files of the folder."""
    yield from sorted(path.iterdir()) if path.is_dir() else [path]


def contents(folder: Path) -> dict[str, bytes]:
    """The contents of all files but the lock, into which each holder writes its process number."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def flip(data: bytes) -> bytes:
    """Changes a byte in the middle, so that the file is not UTF-8."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 128]) + data[middle + 1 :]


def cut(data: bytes) -> bytes:
    """Keeps the first half."""
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("kind", "name", "damage"),
    [("text_run", name, flip) for name in (*OF_TEXT, *LINES)]
    + [("table_run", name, flip) for name in (*OF_TABLE, *LINES)]
    + [("text_run", name, cut) for name in OF_TEXT]
    + [("table_run", name, cut) for name in OF_TABLE],
)
def test_a_damaged_file_is_refused_before_anything_is_changed(
    kind: str, name: str, damage: Callable[[bytes], bytes], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    run = shutil.copytree(request.getfixturevalue(kind), tmp_path / "run")
    for path in files_at(run / name):
        path.write_bytes(damage(path.read_bytes()))
    before = contents(run)
    with pytest.raises(RunError, match=r"is damaged|does not fit"):
        Training.resume(run)
    assert contents(run) == before


@pytest.mark.parametrize(("kind", "tried"), [("text_run", OF_TEXT), ("table_run", OF_TABLE)])
def test_every_file_of_a_run_is_covered(kind: str, tried: tuple[str, ...], request: pytest.FixtureRequest) -> None:
    own = {path.name for path in request.getfixturevalue(kind).iterdir()}
    assert own == {*tried, *LINES, "lock"}


def test_a_missing_baseline_is_detected(text_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(text_run, tmp_path / "run")
    (run / "ngram.safetensors").unlink()
    before = contents(run)
    with pytest.raises(RunError, match=r"ngram\.safetensors is missing: .* train again"):
        Training.resume(run)
    assert contents(run) == before


def test_a_changed_figure_of_the_log_is_detected(text_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(text_run, tmp_path / "run")
    log = run / "log.jsonl"
    log.write_text(log.read_text().replace('"seconds": ', '"seconds": 9', 1))
    with pytest.raises(RunError, match=r"log\.jsonl, line 1, is damaged: its checksum does not match"):
        Training.resume(run)


def test_a_log_without_checksums_and_missing_samples_are_accepted(text_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(text_run, tmp_path / "run")
    folder = RunFolder.open(run)
    reports = folder.log.read_reports()
    (run / "log.jsonl").unlink()
    (run / "samples.txt").unlink()
    for report in reports:
        append_line(run / "log.jsonl", to_json(report))
    assert folder.log.read_reports() == reports
    for _ in Training.resume(run):
        pass
    assert all('"checksum"' in line for line in (run / "log.jsonl").read_text().splitlines())
    assert RunFolder.open(run).facts["status"] == "finished"


def test_damaged_samples_say_that_they_can_be_moved_away(text_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(text_run, tmp_path / "run")
    samples = run / "samples.txt"
    samples.write_text(samples.read_text().replace("--- step 0", "--- ste0 0"))
    with pytest.raises(RunError, match=r"samples\.txt is damaged: sample 1 .* move it away, and resume"):
        Training.resume(run)
