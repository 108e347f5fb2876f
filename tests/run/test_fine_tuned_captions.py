"""Captions for which the last layers of the pretrained net are trained too, from 70% of the schedule on."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from caption_data import write_captions
from safetensors.torch import load_file

from unrolled.errors import OptionError
from unrolled.run import load
from unrolled.run.training import Training
from unrolled.tasks.pretrained import PACKAGE
from unrolled.tasks.seq2seq import task as seq2seq_task

pytestmark = pytest.mark.skipif(find_spec(PACKAGE) is None, reason="needs the extra vision")

pytest.importorskip("PIL.Image", reason="needs the extra vision")
END = "encoder_decoder.source_embedding.net."


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_captions(tmp_path_factory.mktemp("captions"), 24)


def start(path: Path, out: Path, **options: Any) -> Training:
    own = {"threads": 1, "hidden_size": 16, "batch_size": 8, "steps": 10, "fine_tune": "yes"} | options
    given: dict[str, Any] = {name: value for name, value in own.items() if value is not None}
    return Training(path, out=str(out), **given)


@pytest.fixture(scope="module")
def tuned(captions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    list(start(captions, out, model="lstm"))
    return out


def weights_of(training: Training) -> dict[str, torch.Tensor]:
    return {name: one.detach().clone() for name, one in training.training_state.model.named_parameters()}


@pytest.mark.slow
def test_the_end_is_trained_late_and_the_decoder_from_the_start(captions: Path, tmp_path: Path) -> None:
    training = start(captions, tmp_path / "run", model="lstm")
    assert "with the end of the pretrained net from 70% on" in training.plan_line
    at = {0: weights_of(training)}
    for report in training:
        at[report.step] = weights_of(training)
    changed = {
        step: {name for name in at[0] if not torch.equal(at[step][name], at[0][name])} for step in (1, 7, 8, 10)
    }
    for step in (1, 7):
        assert changed[step] and not any(name.startswith(END) for name in changed[step])
    for step in (8, 10):
        assert {name for name in at[0] if name.startswith(END)} <= changed[step]
    frozen = load_file(tmp_path / "run" / "features.safetensors")
    assert any(name.startswith("_conv_stem") for name in frozen), "the run has all that it needs to read an image"


def test_a_finished_run_predicts_and_evaluates_with_its_own_end(tuned: Path, captions: Path) -> None:
    assert json.loads((tuned / "vocabulary.json").read_text())["featurizer"]["kind"] == "early-grid"
    run = load(tuned)
    (predicted,) = run.predict([str(captions.parent / "0.png")], show_attention=True)
    assert predicted.texts["caption"].attention is not None
    (output,) = run.evaluate().to_dict()["outputs"].values()
    assert output["rows"] == run.facts["scores"]["outputs"]["caption"]["rows"]
    kept = load_file(tuned / "model.safetensors")
    assert any(name.startswith(END) for name in kept)


@pytest.mark.parametrize(
    "stop", [pytest.param(3, marks=pytest.mark.slow), 7, pytest.param(9, marks=pytest.mark.slow)]
)
def test_resuming_before_and_in_fine_tuning_ends_with_the_same_bytes(
    captions: Path, tuned: Path, tmp_path: Path, stop: int
) -> None:
    stopped = start(captions, tmp_path / "run", model="lstm")
    for report in stopped:
        if report.step >= stop:
            stopped.stop()
    assert stopped.stopped
    list(Training.resume(str(tmp_path / "run")))
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (tuned / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_its_plan_repeats_it(captions: Path, tuned: Path, tmp_path: Path) -> None:
    repeated = Training(captions, out=str(tmp_path / "again"), plan=str(tuned), threads=1)
    list(repeated)
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (tuned / "model.safetensors").read_bytes()


@pytest.mark.parametrize(("fine_tune", "seconds", "expected"), [
    ("auto", 60.0, 0.7), ("auto", 0.2, None), ("no", 60.0, None), ("yes", 0.2, 0.7),
])  # fmt: skip
def test_by_itself_only_if_there_is_time(
    captions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fine_tune: str, seconds: float,
    expected: float | None,
) -> None:  # fmt: skip
    monkeypatch.setattr(seq2seq_task, "FEW_ROWS", 10)
    training = start(captions, tmp_path / "run", fine_tune=fine_tune)
    training.run.release()
    training.task.settings = replace(training.task.settings, steps=None, minutes=1.0)
    plan = training.task.make_plan("cpu", 1, seconds)
    assert plan.tuned_from == expected


def test_of_few_captions_or_from_a_run_it_is_not_trained_by_itself(
    captions: Path, tuned: Path, tmp_path: Path
) -> None:
    few = start(captions, tmp_path / "few", fine_tune=None, steps=None, minutes=1.0)
    few.run.release()
    assert few.monitor is not None and few.monitor.plans[0].tuned_from is None


@pytest.mark.slow
def test_a_run_that_starts_from_another_keeps_its_end_and_all_else(
    captions: Path, tuned: Path, tmp_path: Path
) -> None:
    after = start(captions, tmp_path / "after", fine_tune=None, hidden_size=None, init_from=str(tuned), steps=2)
    assert after.monitor is not None
    assert after.monitor.notes == [f"Loaded from {tuned}: all components (decoder, net, stem, encoder)."]
    theirs = load_file(tuned / "model.safetensors")
    first = weights_of(after)
    assert all(torch.equal(first[name], theirs[name]) for name in first)
    list(after)
    now = weights_of(after)
    for name in now:
        assert torch.equal(now[name], first[name]) == name.startswith(END), "the end stays as that run left it"


@pytest.mark.slow
def test_a_run_whose_net_was_frozen_can_be_fine_tuned(captions: Path, tmp_path: Path) -> None:
    before = start(captions, tmp_path / "before", model="lstm", fine_tune="no", steps=2)
    list(before)
    after = start(captions, tmp_path / "after", hidden_size=None, init_from=str(tmp_path / "before"), steps=5)
    assert after.monitor is not None
    assert after.monitor.notes == [f"Loaded from {tmp_path}/before: all components (decoder, stem, encoder)."]
    theirs, first = load_file(tmp_path / "before" / "model.safetensors"), weights_of(after)
    assert all(torch.equal(first[name], theirs[name]) for name in first if not name.startswith(END))
    list(after)
    assert not all(torch.equal(one, first[name]) for name, one in weights_of(after).items() if name.startswith(END))


def test_another_net_beside_a_run_is_refused(captions: Path, tuned: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"--encoder resnet18 does not match\. Leave it out"):
        start(captions, tmp_path / "run", fine_tune=None, hidden_size=None, init_from=str(tuned), encoder="resnet18")


@pytest.mark.slow
def test_a_few_images_do_not_select_the_baseline_of_a_run_that_goes_on(
    captions: Path, tuned: Path, tmp_path: Path
) -> None:
    alone = start(captions, tmp_path / "alone", fine_tune=None, steps=1)
    list(alone)
    assert alone.run.facts["selected"] == ["retrieval"]
    after = start(captions, tmp_path / "after", fine_tune=None, hidden_size=None, init_from=str(tuned), steps=1)
    list(after)
    assert after.run.facts["selected"] == ["lstm"]


def test_where_there_is_no_such_end_the_option_is_refused(captions: Path, tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text("source,target\n" + "".join(f"a b {n},c d {n * n}\n" for n in range(40)))
    for value in ("yes", "no"):
        with pytest.raises(OptionError, match=rf"--fine-tune {value} is about the last layers of a pretrained net"):
            Training(table, out=str(tmp_path / "run"), task="seq2seq", steps=1, fine_tune=value)
