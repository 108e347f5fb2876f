"""Folds, comparisons and runs on audio files that older versions made go on with today's names.

The folders in `format3/` and `format4/` were made by the code of that time.
"""

from __future__ import annotations

import csv
import json
import math
import shutil
import struct
import wave
from pathlib import Path
from typing import Any

import pytest

import unrolled
from unrolled import fileio
from unrolled.compare import Comparison, find_folder
from unrolled.compare import folder as compare_folder
from unrolled.compare_options import CompareSettings
from unrolled.errors import DataError, RunError
from unrolled.options import TrainOptions
from unrolled.run.cross_validation import Folds
from unrolled.rundir.folder import RunFolder

HERE = Path(__file__).parent
OLD_KEYS = {
    "asked", "gradients", "gradient", "size", "depth", "symbols", "symbols_a_second", "ms_a_symbol", "nats_whole",
    "lost_error", "reach_symbols", "chance", "beside", "constant", "figure", "confusion", "least", "greatest",
}  # fmt: skip


@pytest.fixture(params=[3, 4], ids=["format 3", "format 4"])
def here(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The older folders, beside their data, in the current folder: the paths in their runs are relative."""
    shutil.copytree(HERE / f"format{request.param}", tmp_path / "f")
    monkeypatch.chdir(tmp_path / "f")
    return tmp_path / "f"


def keys_of(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()), set())
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


def set_data(file: Path, data: str) -> dict[str, Any]:
    """Names the absolute path of the data in compare.json or folds.json; returns the contents."""
    facts: dict[str, Any] = json.loads(file.read_text()) | {"data": str(Path(data).resolve())}
    file.write_text(json.dumps(facts))
    return facts


# Folds


def folds(out: Path, **changes: Any) -> Folds:
    return Folds("films.csv", TrainOptions(model="linear", folds=2, threads=1, out=str(out), **changes), "films")


def test_older_folds_are_known_and_their_table_has_todays_names(here: Path) -> None:
    out = here / "film-folds"
    before = set_data(out / "folds.json", "films.csv")
    again = folds(out)
    assert list(again.trainings()) == [], "both folds are finished"
    lines = again.conclude()
    assert "label, 2 folds: accuracy 58.9% on average" in lines[-1]
    facts = json.loads((out / "folds.json").read_text())
    assert facts["format"] == 5 and keys_of(facts) & OLD_KEYS == set()
    old = before["table"]["label"]["accuracy"]
    assert facts["table"]["label"]["accuracy"] == {
        "mean": old["mean"], "std": old.get("std", old.get("deviation")), "min": old["least"], "max": old["greatest"],
    }  # fmt: skip


def test_older_folds_with_other_options_are_refused(here: Path) -> None:
    out = here / "film-folds"
    set_data(out / "folds.json", "films.csv")
    with pytest.raises(RunError, match=r"were begun with no --class-weights; now it is --class-weights balanced"):
        folds(out, class_weights="balanced")
    with pytest.raises(RunError, match=r"were begun with no --input-type; now it is --input-type text"):
        folds(out, input_type="text")


def test_folds_without_options_are_those_of_the_first_fold(here: Path) -> None:
    out = here / "film-folds"
    facts = set_data(out / "folds.json", "films.csv")
    facts.pop("asked", None)
    facts.pop("options", None)
    (out / "folds.json").write_text(json.dumps(facts))
    run = json.loads((out / "fold-1" / "run.json").read_text())
    run["data"]["path"] = str(Path("films.csv").resolve())
    run.pop("checksum")
    (out / "fold-1" / "run.json").write_text(json.dumps(fileio.with_checksum(run)))
    assert list(folds(out).trainings()) == []
    with pytest.raises(RunError, match=r"were begun with no --class-weights"):
        folds(out, class_weights="balanced")


def test_folds_of_a_newer_version_are_refused(here: Path) -> None:
    file = here / "film-folds" / "folds.json"
    file.write_text(json.dumps(set_data(file, "films.csv") | {"format": 6}))
    with pytest.raises(RunError, match=r"made by a newer unrolled: it has format 6; this one reads 5"):
        folds(here / "film-folds")


# Comparisons

BPTT = "checkpointed:slots=3,segment=2"


def verses(**changes: Any) -> CompareSettings:
    return CompareSettings(
        models="rnn,ngram", bptt=f"full,{BPTT}", seeds=1, steps=2, hidden_size=4, layers=1, tokenizer="char",
        threads=1, **changes,
    )  # fmt: skip


def test_an_older_comparison_has_todays_names_and_nothing_is_trained_again(here: Path) -> None:
    out = here / "verse-compare"
    set_data(out / "compare.json", "verses.txt")
    before = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    comparison = Comparison("verses.txt", verses(out=str(out)))
    assert comparison.missing == [] and list(comparison) == []
    after = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [line["cell"]["bptt"] for line in after[:3]] == ["full", BPTT, "counted"]
    assert [line["result"]["nats"] for line in after] == [line["result"]["nats"] for line in before]
    facts = json.loads((out / "compare.json").read_text())
    assert facts["format"] == 2 and facts["options"]["bptt"] == f"full,{BPTT}"
    comparison.write_page("unroll compare")
    table = json.loads((out / "table.json").read_text())
    assert keys_of([facts, after, table]) & OLD_KEYS == set()
    row = table["rows"][1]
    assert (row["model"], row["bptt"], row["ms_per_token"]) == ("rnn", BPTT, before[-2]["result"]["ms_a_symbol"])
    assert row["reach"]["nats_full"] == before[1]["result"]["reach"]["nats_whole"]
    assert row["reach"]["gradient_norms"] == before[1]["result"]["reach"]["gradient"]
    assert RunFolder.open(out / "runs" / comparison.cells[1].name).settings.bptt == BPTT
    assert [run.name for run in (out / "runs").iterdir()] == [comparison.cells[1].name]


def test_an_older_comparison_is_found_by_its_data_and_options(here: Path) -> None:
    set_data(here / "verse-compare" / "compare.json", "verses.txt")
    (here / "compare").mkdir()
    (here / "verse-compare").rename(here / "compare" / "verses")
    assert find_folder("verses.txt", verses()) == Path("compare") / "verses"
    assert find_folder("verses.txt", verses(seed=1)) == Path("compare") / "verses-2"
    with pytest.raises(RunError, match="another comparison's folder"):
        Comparison("verses.txt", verses(seed=1, out=str(here / "compare" / "verses")))


def test_a_finished_run_of_an_older_comparison_is_measured_instead_of_trained(here: Path) -> None:
    out = here / "verse-compare"
    set_data(out / "compare.json", "verses.txt")
    kept = [line for line in (out / "results.jsonl").read_text().splitlines() if '"checkpointed' not in line]
    (out / "results.jsonl").write_text("\n".join(kept) + "\n")
    comparison = Comparison("verses.txt", verses(out=str(out)))
    (cell,) = comparison.missing
    lines = list(comparison._train(cell))  # timing needs all three runs
    assert lines == ["measuring"]
    assert comparison.results[cell]["nats"] == pytest.approx(2.940849236079625, abs=1e-6)


def test_a_conversion_of_a_comparison_that_was_killed_is_done_again(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = here / "verse-compare"
    set_data(out / "compare.json", "verses.txt")

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    for function in ("upgraded_bptt", "upgraded_result"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(compare_folder, function, killed)
            Comparison("verses.txt", verses(out=str(out)))
        assert json.loads((out / "compare.json").read_text())["format"] == 1
    assert Comparison("verses.txt", verses(out=str(out))).missing == []
    assert json.loads((out / "compare.json").read_text())["format"] == 2


def test_an_older_comparison_on_a_task_has_todays_names(here: Path) -> None:
    out = here / "copy-compare"
    settings = CompareSettings(
        models="rnn", bptt="full", lag="2", seeds=1, steps=2, hidden_size=4, layers=1, threads=1, out=str(out)
    )
    comparison = Comparison("copy", settings)
    assert comparison.missing == []
    (row,) = comparison.rows()
    assert (row["chance_accuracy"], row["bptt"]) == (0.125, "full")
    result = json.loads((out / "results.jsonl").read_text())["result"]
    assert (result["hidden_size"], result["layers"]) == (4, 1)
    assert keys_of(result) & OLD_KEYS == set()


def test_a_comparison_of_a_newer_version_is_refused(here: Path) -> None:
    file = here / "verse-compare" / "compare.json"
    file.write_text(json.dumps(set_data(file, "verses.txt") | {"format": 3}))
    with pytest.raises(RunError, match=r"made by a newer unrolled: it has format 3; this one reads 2"):
        Comparison("verses.txt", verses(out=str(file.parent)))


# The column of audio files was called sound up to format 3


def write_tones(folder: Path) -> None:
    """The audio files that the runs were trained on: twelve high tones and twelve low ones."""
    for label, pitch in (("high", 900), ("low", 300)):
        (folder / label).mkdir(parents=True)
        for number in range(12):
            with wave.open(str(folder / label / f"{number}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(8000)
                tone = (8000 * math.sin(2 * math.pi * (pitch + 10 * number) * step / 8000) for step in range(1600))
                file.writeframes(b"".join(struct.pack("<h", int(one)) for one in tone))


def write_table(path: Path, column: str) -> str:
    """A table of two of the files, in a column of this name."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([[column, "label"], ["tones/high/3.wav", "high"], ["tones/low/3.wav", "low"]])
    return str(path)


@pytest.fixture
def tones(here: Path) -> Path:
    write_tones(here / "tones")
    return here / "tones-run"


def test_a_run_on_a_folder_of_audio_files_reads_folders_and_tables(tones: Path) -> None:
    run = unrolled.load(tones)
    assert run.evaluate("tones").to_dict()["outputs"]["label"]["accuracy"] == 1.0
    assert run.evaluate().to_dict()["outputs"]["label"]["rows"] == 2  # its own test split
    table = write_table(tones.parent / "new.csv", "audio")
    assert run.evaluate(table).to_dict()["outputs"]["label"]["rows"] == 2
    for source in ("tones/high", table):
        found = run.read_input(source)
        assert found is not None
        assert {one.best("label") for one in run.predict(found)} <= {"high", "low"}


def test_a_table_with_the_old_column_is_refused_with_the_expected_column(tones: Path) -> None:
    table = write_table(tones.parent / "old.csv", "sound")
    run = unrolled.load(tones)
    with pytest.raises(DataError, match=r"no column 'audio'; it has: sound, label"):
        run.evaluate(table)
    with pytest.raises(DataError, match=r"no column 'audio'; it has: sound, label"):
        list(run.read_input(table) or ())


def test_a_run_on_a_table_keeps_the_name_of_its_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tones(tmp_path / "tones")
    with (tmp_path / "t.csv").open("w", newline="") as file:
        rows = [[str(path), path.parent.name] for path in sorted(Path("tones").rglob("*.wav"))]
        csv.writer(file).writerows([["sound", "label"], *rows])
    list(training := unrolled.Training("t.csv", model="linear", out="run", threads=1))
    run = unrolled.load(training.folder)
    assert run.evaluate("t.csv").to_dict()["outputs"]["label"]["accuracy"] == 1.0
    with pytest.raises(DataError, match=r"no column 'sound'; it has: audio, label"):
        run.evaluate("tones")
