"""All files from which predictions are made have a checksum: no flipped bit changes a prediction without a
message."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Unroll
from run_checksums import change_facts
from training_runs import finish, write_text

import unrolled
from unrolled.errors import InputError, RunError
from unrolled.run import Training
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.stored_reach import read_reach

OLDER = Path(__file__).parent / "older"
TINY: dict[str, Any] = {"hidden_size": 4, "batch_size": 4, "threads": 1, "steps": 3}
ANSWERED_FROM = (
    "run.json",
    "plan.jsonl",
    "vocabulary.json",
    "model.safetensors",
    "linear.safetensors",
    "ngram.safetensors",
)


@pytest.fixture(scope="module")
def text_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    write_text(folder / "text.txt")
    return finish(Training(folder / "text.txt", out=str(folder / "run"), model="lstm+ngram", **TINY)).folder


@pytest.fixture(scope="module")
def table_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    rows = [f"{'ak' * (1 + n % 3)}ski,east" if n % 2 else f"dag{'o' * (1 + n % 4)}ton,west" for n in range(60)]
    (folder / "names.csv").write_text("name,kind\n" + "\n".join(rows) + "\n")
    model = "lstm+linear+ngram"
    return finish(Training(folder / "names.csv", out=str(folder / "run"), output="kind", model=model, **TINY)).folder


def sampled(run: Path) -> object:
    return "".join(unrolled.load(run).sample(length=40)), [line.nats for line in unrolled.load(run).score(["a cat"])]


def predicted(run: Path) -> object:
    return [prediction.to_dict() for prediction in unrolled.load(run).predict(["akaski", "dagooton"])]


@pytest.mark.parametrize("flips", [30, pytest.param(500, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("kind", "prediction"), [("text_run", sampled), ("table_run", predicted)])
def test_a_flipped_bit_is_detected_or_changes_nothing(
    kind: str, prediction: Callable[[Path], object], flips: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    run, draw, seen = request.getfixturevalue(kind), random.Random(7), 0
    shutil.copytree(run, tmp_path / "run")
    right = prediction(tmp_path / "run")
    files = [tmp_path / "run" / name for name in ANSWERED_FROM if (tmp_path / "run" / name).exists()]
    for number in range(flips):
        file = files[number % len(files)]
        whole = file.read_bytes()
        place, bit = draw.randrange(len(whole)), 1 << draw.randrange(8)
        file.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
        try:
            assert prediction(tmp_path / "run") == right, f"{file.name}, byte {place}, bit {bit}"
        except InputError:
            seen += 1
        file.write_bytes(whole)
    assert seen > 0.7 * flips


def test_a_changed_selection_is_detected(table_run: Path, tmp_path: Path) -> None:
    shutil.copytree(table_run, tmp_path / "run")
    facts = json.loads((tmp_path / "run/run.json").read_text())
    facts["weights"] = {name: [9.0 for _ in each] for name, each in facts["weights"].items()}
    (tmp_path / "run/run.json").write_text(json.dumps(facts))
    with pytest.raises(RunError, match=r"run.json is damaged: its checksum does not match"):
        unrolled.load(tmp_path / "run")


@pytest.mark.parametrize("name", ["checksum", "checksums", "format"])
def test_missing_checksums_are_detected(table_run: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(table_run, tmp_path / "run")
    facts = json.loads((tmp_path / "run/run.json").read_text())
    facts = facts | {"format": 1} if name == "format" else {key: facts[key] for key in facts if key != name}
    (tmp_path / "run/run.json").write_text(json.dumps(facts))
    with pytest.raises(RunError, match=r"run.json is damaged: (it has no checksum|its checksum does not|its format)"):
        unrolled.load(tmp_path / "run")


def test_tokens_of_another_run_are_refused(text_run: Path, table_run: Path, tmp_path: Path) -> None:
    shutil.copytree(table_run, tmp_path / "run")
    shutil.copy(text_run / "vocabulary.json", tmp_path / "run/vocabulary.json")
    with pytest.raises(RunError, match=r"vocabulary.json is damaged: its checksum is not the one in run.json"):
        unrolled.load(tmp_path / "run")


def test_a_run_reads_the_standard_input_that_it_kept_and_nothing_else(text_run: Path, tmp_path: Path) -> None:
    shutil.copytree(text_run, tmp_path / "run")
    shutil.copy(text_run.parent / "text.txt", tmp_path / "run/data.txt")
    elsewhere = {"path": "../../../../etc/passwd", "kept": True, "fingerprints": {}}
    change_facts(tmp_path / "run", lambda facts: facts["data"].update(elsewhere))
    assert unrolled.load(tmp_path / "run").evaluate().split == "test"
    with (tmp_path / "run/data.txt").open("a") as file:
        file.write("!")
    with pytest.raises(RunError, match=r"data.txt is damaged: its checksum is not the one in run.json"):
        unrolled.load(tmp_path / "run").evaluate()


def test_a_device_is_not_read_as_the_data_of_a_run(text_run: Path, tmp_path: Path) -> None:
    shutil.copytree(text_run, tmp_path / "run")
    change_facts(tmp_path / "run", lambda facts: facts["data"].update(path="/dev/zero"))
    with pytest.raises(InputError, match=r"gone: /dev/zero"):
        unrolled.load(tmp_path / "run").evaluate()


def test_a_run_without_checksums_predicts_with_a_note_and_gets_them_when_resumed(
    unroll: Unroll, tmp_path: Path
) -> None:
    shutil.copytree(OLDER, tmp_path / "older")
    run = tmp_path / "older/names"
    facts = json.loads((run / "run.json").read_text())
    facts["data"]["path"] = str(tmp_path / "older/names.csv")
    (run / "run.json").write_text(json.dumps(facts))
    before = predicted(run)
    prediction = unroll("info", run)
    assert prediction.code == 0 and "checksums" in prediction.out and "made by an older version" in prediction.out
    folder = RunFolder.open(run)
    folder.lock()
    folder.release()
    assert RunFolder.open(run).has_checksums and predicted(run) == before
    assert "an older version" not in unroll("info", run).out
    plan = run / "plan.jsonl"
    plan.write_text(plan.read_text().replace('"hidden_size": 4', '"hidden_size": 5'))
    with pytest.raises(RunError, match=r"plan.jsonl, line 1, is damaged: its checksum does not match"):
        unrolled.load(run)


def test_a_damaged_reach_is_measured_again(text_run: Path, tmp_path: Path) -> None:
    shutil.copytree(text_run, tmp_path / "run")
    run = unrolled.load(tmp_path / "run")
    right = run.reach(0.1)
    kept = tmp_path / "run/reach.json"
    mark = json.loads(kept.read_text())["weights"]
    assert read_reach(run.path, mark) == right and read_reach(run.path, "another's") is None
    kept.write_text(kept.read_text().replace('"positions": ', '"positions": 1'))
    assert read_reach(run.path, mark) is None
    for said in ("[1]", "{", '{"weights": 1}'):
        kept.write_text(said)
        assert read_reach(run.path, mark) is None
