"""`unroll train`, `predict`, `evaluate`, `info` on a folder of audio files and a table of values."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import Unroll, check_refused, leaving_no_files
from data_files import write_lines, write_wav

SMALL = ("--steps", "8", "--hidden-size", "8", "--batch-size", "16", "--threads", "1")
RATE = 8_000


def write_prices(path: Path, count: int = 120) -> None:
    generator = np.random.default_rng(0)
    rows = []
    for _ in range(count):
        size, rooms = float(generator.uniform(20, 200)), int(generator.integers(1, 9))
        rows.append(f"{size:.1f},{rooms},{3 * size + 10 * rooms + generator.normal():.2f}")
    write_lines(path, "size,rooms,price", rows)


def write_sound(path: Path, pitch: float, seed: int = 0) -> None:
    generator = np.random.default_rng(seed)
    tone = 9_000 * np.sin(2 * np.pi * pitch * np.arange(900) / RATE + generator.uniform(0, 6))
    write_wav(path, tone + 200 * generator.normal(size=900), RATE)


def write_sounds(folder: Path, count: int = 40) -> None:
    for number in range(count):
        write_sound(folder / ("low", "high")[number % 2] / f"{number}.wav", (300, 1_500)[number % 2], number)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table and a folder of audio files, a run on each, and invalid files."""
    from unrolled.run import Training

    pytest.importorskip("soundfile")
    folder = tmp_path_factory.mktemp("place")
    write_prices(folder / "prices.csv")
    write_sounds(folder / "sounds")
    write_sound(folder / "new" / "a.wav", 300)
    write_sound(folder / "new" / "b.wav", 1_500)
    write_lines(folder / "paths.csv", "audio", ["new/b.wav", "new/a.wav"])
    write_lines(folder / "new.csv", "size,rooms", ["100,3", "50.5,1"])
    (folder / "new.txt").write_text("100 3\n50.5, 1\n")
    # the fault
    (folder / "words.txt").write_text("many rooms\n")
    (folder / "none").mkdir()
    (folder / "none" / "notes.txt").write_text("not a sound\n")
    (folder / "broken.wav").write_bytes(b"RIFF, and no sound at all")
    write_sounds(folder / "damaged", 20)
    for number in (0, 1, 2):
        next((folder / "damaged").rglob(f"{number}.wav")).write_bytes(b"no sound")
    write_sound(folder / "one" / "low" / "1.wav", 300)
    write_lines(folder / "holes.csv", "size,rooms,price", ["100,3,5", "100,,5"])
    write_lines(folder / "other.csv", "size,rooms,price", ["100,3,much"])
    write_lines(folder / "columns.csv", "size,price", ["100,3"])
    write_lines(folder / "same.csv", "size,price", [f"{number},7.5" for number in range(30)])
    ragged = [{"x": [[1, 2]], "y": number % 2} for number in range(30)]
    lines = [json.dumps(row) for row in [*ragged, {"x": [[1, 2], [3]], "y": 1}]]
    (folder / "ragged.jsonl").write_text("\n".join(lines) + "\n")
    steps = [f"s{number // 3},{number},{'ab'[number // 3 % 2]}" for number in range(60)]
    write_lines(folder / "steps.csv", "who,x,label", [*steps, "s4,1,a"])
    (folder / "text.txt").write_text("line after line of text\n" * 50)
    for data, out in (("prices.csv", "priced"), ("sounds", "heard")):
        for _ in Training(folder / data, steps=8, hidden_size=8, batch_size=16, threads=1, out=str(folder / out)):
            pass
    return folder


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    return place


def test_a_table_of_numbers_is_trained_on(here: Path, unroll: Unroll, tmp_path: Path) -> None:
    result = unroll("train", "prices.csv", *SMALL, "--out", tmp_path / "run")
    assert result.code == 0, result.err
    assert "120 rows of csv: size, rooms (2 numbers per step) -> price, a number (" in result.err
    assert "Baseline: linear on 2 numbers per row, price MAE " in result.err
    assert result.out.startswith("price, test, by ")
    assert "MAE " in result.out
    assert "Others: " in result.out
    assert "always " in result.out
    assert "% of the targets in their intervals" in result.out


def test_predicted_numbers_have_intervals(here: Path, unroll: Unroll, monkeypatch: pytest.MonkeyPatch) -> None:
    result = unroll("predict", "priced", "new.csv")
    assert result.code == 0, result.err
    assert result.err == "price\tinterval\ttext\n"
    for line, right, name in zip(result.out.splitlines(), (330, 161.5), ("row 2", "row 3"), strict=True):
        value, interval, place = line.split("\t")
        low, high = map(float, interval.split(" to "))
        assert low < float(value) < high
        assert float(value) == pytest.approx(right, abs=15)
        assert place == f"new.csv, {name}"
    lines = unroll("predict", "priced", "new.txt", "--quiet")
    assert lines.err == ""
    rows = [line.split("\t") for line in result.out.splitlines()]
    for line, row in zip(lines.out.splitlines(), rows, strict=True):
        assert float(line.split("\t")[0]) == pytest.approx(float(row[0]), rel=1e-4)
    assert [line.split("\t")[2] for line in lines.out.splitlines()] == ["100 3", "50.5, 1"]
    typed = unroll("predict", "priced", "--text", "100 3", "--json")
    found = json.loads(typed.out)["outputs"]["price"]
    assert found["interval"][0] < found["prediction"] < found["interval"][1]
    with (here / "new.txt").open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert unroll("predict", "priced", "-", "--quiet").out == lines.out


def test_evaluate_prints_scores_of_numbers_and_writes_errors(here: Path, unroll: Unroll, tmp_path: Path) -> None:
    result = unroll("evaluate", "priced", "--errors", tmp_path / "wrong.csv")
    assert result.code == 0, result.err
    assert result.out.startswith("price, test: MAE ")
    assert "12 rows" in result.out
    with (tmp_path / "wrong.csv").open(newline="") as file:
        wrong = list(csv.DictReader(file))
    assert len(wrong) == 12
    assert float(wrong[0]["error"]) >= float(wrong[-1]["error"])
    assert {one["output"] for one in wrong} == {"price"}
    facts = json.loads(unroll("evaluate", "priced", "--json").out)["outputs"]["price"]
    assert facts["rows"] == 12
    assert facts["mae_interval"][0] <= facts["mae"] <= facts["mae_interval"][1]


def test_train_prints_json_for_numbers(here: Path, unroll: Unroll, tmp_path: Path) -> None:
    result = unroll("train", "prices.csv", "--model", "linear", "--json", "--out", tmp_path / "runs" / "linear")
    assert result.code == 0, result.err
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert [line["kind"] for line in lines] == ["start", "report", "end"]
    facts = lines[-1]["summary"]["outputs"]["price"]
    assert facts["metric"] == "mae"
    assert facts["mae"] < 5 < facts["constant_baseline"]["mae"]
    listed = unroll("runs", "--under", tmp_path / "runs")
    assert f"MAE {facts['mae']:.4g}" in listed.out


def test_info_describes_numbers_and_audio(here: Path, unroll: Unroll) -> None:
    result = unroll("info", "prices.csv", "--steps", "10")
    assert result.code == 0, result.err
    assert "size, rooms (2 numbers per step)" in result.out
    assert "plan:" in result.out
    facts = json.loads(unroll("info", "prices.csv", "--json").out)
    assert facts["featurizer"] == "vectors"
    rows = [line.split(",") for line in (here / "prices.csv").read_text().splitlines()[1:]]
    prices = [float(row[2]) for row in rows]
    assert facts["targets"]["price"] == {"numbers": 1, "min": [min(prices)], "max": [max(prices)]}
    facts = json.loads(unroll("info", "sounds", "--json").out)
    assert facts["targets"] == {"label": {"high": 20, "low": 20}}
    assert facts["featurizer"] == "audio"
    assert unroll("info", "heard").code == 0
    assert unroll("info", "priced").code == 0


def test_a_few_unreadable_audio_files_are_listed(unroll: Unroll, tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    write_sounds(tmp_path / "sounds", 40)
    (tmp_path / "sounds" / "low" / "2.wav").write_bytes(b"no sound")
    facts = json.loads(unroll("info", tmp_path / "sounds", "--json").out)
    assert len(facts["unreadable"]) == 1
    assert "2.wav" in facts["unreadable"][0]
    assert "1 unreadable file left out (" in unroll("info", tmp_path / "sounds").out


def test_a_folder_of_audio_files_is_trained_on_and_predicted(here: Path, unroll: Unroll, tmp_path: Path) -> None:
    result = unroll("train", "sounds", *SMALL, "--augment", "no", "--stem", "plain", "--out", tmp_path / "run")
    assert result.code == 0, result.err
    assert "40 rows of folders: audio (audio at 8,000 Hz, 64 bands every 10 ms) -> label" in result.err
    assert "label, test, by " in result.out
    for run in ("heard", tmp_path / "run"):
        folder = unroll("predict", run, "new")
        assert folder.code == 0, folder.err
        assert folder.err == "label\tprobability\ttext\n"
        rows = [line.split("\t") for line in folder.out.splitlines()]
        assert [(row[0], Path(row[2]).name) for row in rows] == [("low", "a.wav"), ("high", "b.wav")]
        assert all(0.5 < float(row[1]) <= 1 for row in rows)
    alone = unroll("predict", "heard", "new/b.wav", "--quiet")
    assert alone.out.startswith("high\t")
    assert alone.out.rstrip().endswith("new/b.wav")
    assert unroll("predict", "heard", "--text", "new/a.wav", "--quiet").out.startswith("low\t")
    table = unroll("predict", "heard", "paths.csv", "--json")
    found = [json.loads(line)["outputs"]["label"] for line in table.out.splitlines()]
    assert [one["prediction"] for one in found] == ["high", "low"]
    assert sum(found[0]["probabilities"].values()) == pytest.approx(1.0)
    assert unroll("predict", "heard", "new/a.wav", "--quiet", "--top", "2").out.startswith("low, high\t")


def test_unreadable_audio_files_have_no_prediction(here: Path, unroll: Unroll, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    write_sound(folder / "b.wav", 300)
    write_sound(folder / "d.wav", 1_500)
    for name in ("a.wav", "c.wav"):
        (folder / name).write_bytes(b"no sound")
    result = unroll("predict", "heard", folder, "--quiet")
    assert result.code == 0, result.err
    lines = [line.split("\t") for line in result.out.splitlines()]
    assert [Path(line[2]).name for line in lines] == ["a.wav", "b.wav", "c.wav", "d.wav"]
    assert [line[0] for line in lines] == ["", "low", "", "high"]
    first, second, last = result.err.splitlines()
    assert f"{folder / 'a.wav'} cannot be read as audio" in first
    assert f"{folder / 'c.wav'} cannot be read as audio" in second
    assert last == "2 of 4 inputs could not be read and have no prediction."
    found = [json.loads(line) for line in unroll("predict", "heard", folder, "--json").out.splitlines()]
    assert [Path(one["text"]).name for one in found] == ["a.wav", "b.wav", "c.wav", "d.wav"]
    assert ["outputs" in one for one in found] == [False, True, False, True]
    assert "cannot be read as audio" in found[0]["error"]
    for name in ("b.wav", "d.wav"):
        (folder / name).unlink()
    nothing = unroll("predict", "heard", folder)
    assert nothing.code == 2
    assert nothing.out == ""
    assert "None of the 2 inputs could be read" in nothing.err


BAD: list[tuple[str, tuple[str, ...]]] = [
    # options
    (
        "train prices.csv --stem conv",
        ("--stem conv applies to audio files and images", "2 numbers per step", "leave it out"),
    ),
    ("train prices.csv --stem patches", ("--stem patches applies to images", "2 numbers per step")),
    ("train prices.csv --stem patch", ("--stem is one of", "did you mean 'patches'?")),
    ("train prices.csv --augment yes", ("--augment applies to audio files and images",)),
    ("train prices.csv --augment maybe", ("--augment is one of auto, yes, no", "got 'maybe'")),
    ("train prices.csv --input-type vector", ("--input-type is one of", "did you mean 'vectors'?")),
    ("train prices.csv --input-type audio", ("an input of kind audio is one column", "--input names 2 columns")),
    (
        "train prices.csv --input-type audio --input size --output price",
        ("there is no file", "paths are relative to the table's folder"),
    ),
    ("train prices.csv --tokenizer word", ("--tokenizer is for texts", "vectors")),
    ("train prices.csv --sequence nothing", ("--sequence", "no column 'nothing'", "size, rooms, price")),
    ("train prices.csv --input size,rom", ("--input", "no column 'rom'", "did you mean 'rooms'?")),
    ("train prices.csv --input price --output price", ("--input and --output must name different columns",)),
    (
        "train prices.csv --class-weights balanced",
        ("--class-weights balanced gives each label the same weight", "not single labels"),
    ),
    ("train prices.csv --task values", ("--task is one of", "got 'values'")),
    ("train prices.csv --freeze encoder", ("--freeze encoder", "name them: --init-from run")),
    (
        "train prices.csv --freeze heads",
        ("--freeze is one of embedding, stem, early, encoder, memory", "got 'heads'"),
    ),
    ("train prices.csv --init-from nowhere", ("nowhere", "does not exist")),
    ("train prices.csv --model linear --augment yes", ("the linear model has no --augment",)),
    ("train prices.csv --model linear --stem conv", ("the linear model has no --stem",)),
    ("train sounds --stem patches", ("--stem patches applies to images", "audio at 8,000 hz")),
    ("train sounds --task tagging", ("tags need words or vectors", "the input is of kind audio")),
    ("train sounds --task regression", ("a value is a number", "--task classification")),
    ("train sounds --tokenizer char", ("--tokenizer is for texts", "of kind audio")),
    ("train text.txt --input-type audio", ("read as a text", "--input-type")),
    ("train text.txt --augment yes", ("read as a text", "--augment")),
    ("train text.txt --freeze encoder --init-from priced", ("read as a text", "--freeze")),
    # data
    ("train same.csv", ("'price' is 7.5 everywhere in the training split", "nothing to predict")),
    ("train ragged.jsonl", ("ragged.jsonl, row 31", "where numbers were expected")),
    ("train steps.csv --sequence who", ("steps.csv, row 62", "'who' s4 begins again here", "sort the table")),
    ("train holes.csv", ("holes.csv, row 3", "'rooms' is empty", "--skip-empty")),
    ("train other.csv --task regression --output price", ("other.csv, row 2", "'price' is 'much'")),
    ("train one", ("one holds 1 audio files in 1 folder", "a folder for each label")),
    ("train damaged", ("damaged: 3 of 20 cannot be read",)),
    ("predict priced words.txt", ("'many rooms' is not a list of numbers", "0.5 1.2 3")),
    ("predict priced --text 1,2,3", ("3 numbers per step; 2 were expected",)),
    ("evaluate priced holes.csv", ("holes.csv, row 3", "'rooms' is empty", "--skip-empty")),
    ("predict priced columns.csv", ("columns.csv has no column 'rooms'",)),
    ("predict heard none", ("none holds no audio files", ".wav")),
    ("predict heard absent.wav", ("there is no file 'absent.wav'",)),
    ("predict heard broken.wav", ("broken.wav", "cannot be read as audio")),
    ("evaluate priced other.csv", ("other.csv, row 2", "'price' is 'much'; a value is a number")),
    ("evaluate priced columns.csv", ("columns.csv has no column 'rooms'",)),
    ("evaluate heard none", ("none",)),
]


@pytest.mark.parametrize(("command", "words"), BAD, ids=[command for command, _ in BAD])
def test_what_is_wrong_is_refused(command: str, words: tuple[str, ...], here: Path, unroll: Unroll) -> None:
    with leaving_no_files(here):
        check_refused(unroll(*command.split()), *words, notes=("…", "\ttext"))
