"""Run folders of format 3 load, predict and resume; they are converted to today's names of files, keys and tensors.

`format3/` holds three small runs that were stopped after three of eight updates, with their data beside them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import unrolled
from unrolled.errors import RunError
from unrolled.fileio import with_checksum
from unrolled.options import PredictionSettings, Seq2SeqSettings
from unrolled.run import Training
from unrolled.rundir import folder as rundir_folder
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.formats import FORMAT, upgraded_tensors, upgraded_vocabulary
from unrolled.training.checkpoint import load_newest, load_tensors

FORMAT3 = Path(__file__).parent / "format3"
RUNS = {"verses": "verses.txt", "films": "films.csv", "pairs": "pairs.tsv"}
OLD_NAMES = (
    "asked", "legs", "symbols", "size", "depth", "batch", "gradient", "inlet", "front", "writer", "reader",
    "intake", "deviation", "border", "symbols_a_second", "stretch", "context",
)  # fmt: skip


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the runs, beside their data, in the current folder: their paths are relative."""
    shutil.copytree(FORMAT3, tmp_path / "f")
    monkeypatch.chdir(tmp_path / "f")
    return tmp_path / "f"


def predictions(run: Path) -> Any:
    loaded = unrolled.load(run)
    if run.name == "verses":
        return list(loaded.score(["a lamp in the hall", "rain"])), "".join(loaded.sample(length=30, seed=1))
    return [prediction.as_dict() for prediction in loaded.predict(["a dull film", "the hall was warm"])]


def words_of(value: Any) -> set[str]:
    """All keys of JSON objects, all parts of dotted keys, and all strings without spaces."""
    if isinstance(value, dict):
        return {part for key in value for part in str(key).split(".")}.union(*map(words_of, value.values()), set())
    if isinstance(value, list):
        return set().union(*map(words_of, value))
    return {value} if isinstance(value, str) and " " not in value else set()


def files_of(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", RUNS)
def test_reading_an_older_run_changes_no_file(name: str, runs: Path) -> None:
    before = files_of(runs / name)
    assert predictions(runs / name)
    unrolled.load(runs / name).info()
    assert files_of(runs / name) == before


@pytest.mark.parametrize("name", RUNS)
def test_a_converted_run_predicts_the_same_and_holds_no_old_name(name: str, runs: Path) -> None:
    before = predictions(runs / name)
    run = RunFolder.open(runs / name)
    run.lock()
    run.release()
    assert predictions(runs / name) == before
    assert run.facts["format"] == json.loads((runs / name / "run.json").read_text())["format"] == FORMAT
    assert (runs / name / "vocabulary.json").exists() and not (runs / name / "symbols.json").exists()
    found = words_of([run.facts, run.read_vocabulary(), run.log.read_plans(), run.log.read_reports()])
    checkpoint = load_newest(run.checkpoints)
    found |= words_of([checkpoint.facts, dict.fromkeys(checkpoint.tensors)])
    for file in (runs / name).glob("*.safetensors"):
        tensors, facts = load_tensors(file)
        found |= words_of([facts, dict.fromkeys(tensors)])
    assert found & set(OLD_NAMES) == set()


@pytest.mark.parametrize("name", RUNS)
def test_an_older_run_resumes_where_it_stopped(name: str, runs: Path) -> None:
    training = Training.resume(runs / name)
    assert [report.step for report in training] == [3, 4, 5, 6, 7, 8]
    assert training.run.facts["status"] == "finished"
    same = Training(runs / RUNS[name], plan=str(runs / name), out=str(runs / "again"))
    list(same)
    (resumed, _), (again, _) = (one.run.read_model() for one in (training, same))
    assert resumed.keys() == again.keys()
    assert all(torch.equal(resumed[key], again[key]) for key in resumed), (
        "as if it had never been stopped or converted"
    )


def test_options_have_the_names_and_values_of_today(runs: Path) -> None:
    films, pairs, verses = (RunFolder.open(runs / name).settings for name in ("films", "pairs", "verses"))
    assert isinstance(films, PredictionSettings) and isinstance(pairs, Seq2SeqSettings)
    assert (films.direction, films.class_weights, films.tokenizer) == ("causal", "balanced", "char")
    assert (pairs.attention, pairs.model, pairs.hidden_size, pairs.batch_size) == ("none", "gru", 4, 8)
    assert verses.bptt == "checkpointed:slots=3,segment=2"


@pytest.mark.parametrize("name", RUNS)
def test_a_conversion_that_was_killed_is_done_again(name: str, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = predictions(runs / name)
    written = 0

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    for function in ("write_json", "with_checksum"):  # of the vocabulary, then of run.json
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(rundir_folder, function, killed)
            run = RunFolder.open(runs / name)
            try:
                run.lock()
            finally:
                run.release()
        written += 1
        assert json.loads((runs / name / "run.json").read_text())["format"] == 3
    assert written == 2
    run = RunFolder.open(runs / name)
    run.lock()
    run.release()
    assert predictions(runs / name) == before


def test_a_damaged_older_run_is_refused_and_stays_as_it_is(runs: Path) -> None:
    path = runs / "films" / "symbols.json"
    path.write_text(path.read_text().replace("yes", "yas"))
    before = files_of(runs / "films")
    with pytest.raises(RunError, match=r"symbols\.json is damaged: its checksum is not the one in run\.json"):
        unrolled.load(runs / "films")
    facts = json.loads((runs / "pairs" / "run.json").read_text())
    facts.pop("checksum")
    facts["asked"]["size"] = -1
    (runs / "pairs" / "run.json").write_text(json.dumps(with_checksum(facts)))
    with pytest.raises(RunError, match=r"'options' is invalid. --hidden-size is a whole number of at least 1"):
        unrolled.load(runs / "pairs")
    assert files_of(runs / "films") == before


def test_a_users_own_module_keeps_its_names() -> None:
    names = ["memory.front.weight", "weights.memory.writer.x", "inlet.embedding.weight", "adam.exp_avg.front.bias"]
    assert list(upgraded_tensors(dict.fromkeys(names, 0))) == [
        "memory.front.weight", "weights.memory.writer.x", "embedding.embedding.weight", "adam.exp_avg.stem.bias",
    ]  # fmt: skip


def test_a_vocabulary_that_is_no_object_is_not_converted() -> None:
    assert upgraded_vocabulary([1]) == [1]
    assert upgraded_vocabulary({"kind": "char", "letters": ["a"], "rarest": "a"}) == {
        "kind": "char", "letters": ["a"], "rarest": "a",
    }  # fmt: skip
