"""Checkpoints are restored exactly; a damaged one is detected, and the one before it is used."""

from __future__ import annotations

import json
import math
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from kills import names
from safetensors.torch import save

from unrolled.errors import RunError, TrainingError
from unrolled.training.checkpoint import load_newest, load_tensors, pack, save_checkpoint, save_tensors, unpack

KILLS = Path(__file__).parents[1] / "kills.py"
FACTS: dict[str, Any] = {"seed": 3, "best": math.inf, "name": "a–ß", "plan": {"rates": [0.1, 1e-17]}, "none": None}


def tensors(step: int = 0) -> dict[str, torch.Tensor]:
    weight = torch.arange(12.0).reshape(3, 4) + step
    return {
        "weights/weight": weight,
        "weights/tied": weight,  # shares its memory
        "weights/turned": weight.T,  # not contiguous
        "state/hidden": torch.zeros(0, 4, dtype=torch.float64),
        "state/clock": torch.tensor(2**40 + step),
        "state/mask": torch.tensor([True, False]),
        "average": torch.ones(5, dtype=torch.bfloat16),
    }


def saved(folder: Path, *steps: int) -> list[Path]:
    return [save_checkpoint(folder, step, tensors(step), {**FACTS, "step": step}) for step in steps]


def damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "torn":  # its second half was never written
        data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    elif how == "truncated":
        del data[-7:]
    elif how == "flipped":
        data[-20] ^= 4
    else:
        data.clear()
    path.write_bytes(data)


def test_a_checkpoint_is_restored_exactly(tmp_path: Path) -> None:
    saved(tmp_path, 120)
    found = load_newest(tmp_path, like=tensors())
    assert found.step == 120 and found.fell_back is None and found.facts == {**FACTS, "step": 120}
    assert found.tensors.keys() == tensors().keys()
    for name, tensor in tensors(120).items():
        assert found.tensors[name].dtype == tensor.dtype and torch.equal(found.tensors[name], tensor)


def test_the_same_content_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (first,), (second,) = saved(tmp_path / "a", 1), saved(tmp_path / "b", 1)
    assert first.name == second.name and first.read_bytes() == second.read_bytes()


def test_the_newest_two_are_kept_and_later_steps_are_dropped_after_going_back(tmp_path: Path) -> None:
    saved(tmp_path, 100, 200, 300)
    assert sorted(name[:13] for name in names(tmp_path)) == ["step-00000200", "step-00000300"]
    saved(tmp_path, 250)
    assert sorted(name[:13] for name in names(tmp_path)) == ["step-00000200", "step-00000250"]
    save_checkpoint(tmp_path, 250, tensors(7), {})
    assert len(names(tmp_path)) == 2 and load_newest(tmp_path).facts == {}


@pytest.mark.parametrize("how", ["torn", "truncated", "flipped", "empty"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(tmp_path: Path, how: str) -> None:
    _, newest = saved(tmp_path, 100, 200)
    damage(newest, how)
    found = load_newest(tmp_path)
    assert found.step == 100 and torch.equal(found.tensors["weights/weight"], tensors(100)["weights/weight"])
    assert found.fell_back is not None and f"{newest} is damaged" in found.fell_back
    assert "Going on from the one before it, step 100." in found.fell_back
    saved(tmp_path, 150)  # continues from there: the damaged one is removed
    assert load_newest(tmp_path).fell_back is None and not newest.exists()


def test_no_flipped_bit_changes_what_is_read(tmp_path: Path) -> None:
    data, checksum = pack(tensors(), FACTS, 5)
    unseen = 0
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            step, found, facts = unpack(bytes(damaged), "it")
        except RunError:
            continue
        unseen += 1  # such as 1e-17 that became 1E-17
        assert pack(found, facts, step)[1] == checksum
    assert unseen < 10


def test_where_none_is_whole_it_says_so(tmp_path: Path) -> None:
    for path in saved(tmp_path, 100, 200):
        damage(path, "flipped")
    with pytest.raises(
        RunError, match=r"(?s)00000200.*its checksum does not match.*No checkpoint in .*\(2 tried\): train again"
    ):
        load_newest(tmp_path)
    with pytest.raises(RunError, match=r"has no checkpoint to go on from"):
        load_newest(tmp_path / "nowhere")


def test_a_checkpoint_is_known_by_its_own_step(tmp_path: Path) -> None:
    (path,) = saved(tmp_path, 100)
    path.rename(tmp_path / path.name.replace("100", "900"))
    with pytest.raises(RunError, match=r"damaged: it was saved at step 100"):
        load_newest(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"more": torch.ones(1)}, "does not fit: it lacks more"),
        ({"average": None}, "does not fit: it has average, which this model does not have"),
        ({"average": torch.ones(6)}, r"average is \(5,\) of bfloat16, and this model needs \(6,\) of float32"),
        ({"average": torch.ones(5)}, r"average is \(5,\) of bfloat16, and this model needs \(5,\) of float32"),
    ],
)
def test_tensors_unlike_the_template_are_refused(
    tmp_path: Path, changes: dict[str, torch.Tensor | None], said: str
) -> None:
    save_tensors(tmp_path / "model", tensors(), FACTS)
    like = {name: tensor for name, tensor in {**tensors(), **changes}.items() if tensor is not None}
    with pytest.raises(RunError, match=said):
        load_tensors(tmp_path / "model", like)
    assert load_tensors(tmp_path / "model", tensors())[1] == FACTS


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    save_tensors(tmp_path / "model", {"weight": torch.tensor([1.0, value])}, {})
    with pytest.raises(RunError, match=r"model is damaged: weight holds numbers that are not finite"):
        load_tensors(tmp_path / "model", {"weight": torch.zeros(2)})


class Explodes:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("exploded",))


def test_nothing_is_executed_and_foreign_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    strange = [
        pickle.dumps(Explodes()),
        b"\xff" * 100,
        save({"weight": torch.ones(2)}),
        save({"weight": torch.ones(2)}, {"unrolled": "[1, 2]"}),
        save({"weight": torch.ones(2)}, {"unrolled": "[" * 100_000}),
        save(
            {"weight": torch.ones(2)}, {"unrolled": json.dumps({"format": 1, "step": "1", "checksum": 0, "facts": 3})}
        ),
    ]
    for data in strange:
        (tmp_path / "model").write_bytes(data)
        with pytest.raises(RunError, match=r"model is damaged"):
            load_tensors(tmp_path / "model")
    assert names(tmp_path) == ["model"]
    newer = save({"weight": torch.ones(2)}, {"unrolled": json.dumps({"format": 2})})
    (tmp_path / "model").write_bytes(newer)
    with pytest.raises(RunError, match=r"model has format 2, and this unrolled reads 1: use a newer one"):
        load_tensors(tmp_path / "model")
    with pytest.raises(RunError, match=r"gone is missing"):
        load_tensors(tmp_path / "gone")


def test_a_full_disk_leaves_the_checkpoints_whole(tmp_path: Path) -> None:
    saved(tmp_path, 100, 200)
    script = f"""
import resource, signal, torch
from unrolled.errors import TrainingError
from unrolled.training.checkpoint import save_checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    save_checkpoint("{tmp_path}", 300, {{"weight": torch.ones(5000)}}, {{}})
except TrainingError as error:
    print(error)
"""
    before = names(tmp_path)
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "the disk is full, or a limit on the size of files is reached" in said
    assert names(tmp_path) == before and load_newest(tmp_path).step == 200


def test_a_disk_that_fills_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path, 100)

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(TrainingError, match=r"the disk is full"):
        saved(tmp_path, 200)
    monkeypatch.undo()
    assert load_newest(tmp_path).step == 100 and len(names(tmp_path)) == 1


def test_a_kill_at_any_point_of_saving_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, KILLS, "checkpoint", tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 9  # those of a whole file, one unlink, the folder's open and fsync
