"""Runs of a net with batch norm: its statistics are saved, estimated for averaged weights, and loaded with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from batch_norm_encoder import NormedConvolution
from commands import opened
from training_runs import check_same_bytes, finish

import unrolled
from unrolled.model.weights import batch_norms, kept_buffers
from unrolled.run import Training
from unrolled.training.checkpoint import load_newest, load_tensors
from unrolled.training.statistics import BATCHES

ASKED: dict[str, Any] = {"model": "lstm", "hidden_size": 8, "steps": 6, "batch_size": 8, "threads": 1, "dropout": 0.2}


def normed(names: str, input_size: int, size: int, depth: int, dropout: float) -> NormedConvolution:
    """Replaces `build_bidirectional`."""
    return NormedConvolution(input_size, size)


@pytest.fixture(autouse=True)
def with_batch_norm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.tasks.build.build_bidirectional", normed)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    words = {"yes": ("good", "fine"), "no": ("bad", "dull")}
    rows = [(label, words[label][n // 2 % 2], n) for n, label in enumerate(("yes", "no") * 60)]
    lines = [f"{word} {'i' * (n % 5)},{label}" for label, word, n in rows]
    (tmp_path / "films.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    return tmp_path / "films.csv"


def test_it_is_resumed_to_the_same_bytes(table: Path, tmp_path: Path) -> None:
    whole = finish(Training(table, out=str(tmp_path / "whole"), **ASKED))
    assert finish(Training(table, out=str(tmp_path / "run"), **ASKED), stop=3).stopped
    finish(Training.resume(tmp_path / "run"))
    check_same_bytes(whole.folder, tmp_path / "run")


def test_statistics_are_kept_with_the_weights(table: Path, tmp_path: Path) -> None:
    training = finish(Training(table, out=str(tmp_path / "run"), **ASKED))
    model: Any = training.training_state.model
    kept = load_newest(tmp_path / "run" / "checkpoint").tensors
    best, _ = load_tensors(tmp_path / "run" / "model.safetensors")
    running = "memory.norms.1.running_mean"
    assert int(model.memory.norms[0].num_batches_tracked) == ASKED["steps"]
    for name, buffer in kept_buffers(model).items():
        assert torch.equal(kept[f"weights.{name}"], buffer)
    assert int(best["memory.norms.0.num_batches_tracked"]) == BATCHES, (
        "those of the averaged weights are estimated anew"
    )
    assert not torch.allclose(best[running], kept[f"weights.{running}"])
    loaded = opened(tmp_path / "run").net
    assert torch.equal(loaded.memory.norms[1].running_mean, best[running])
    assert not any(layer.training for layer in loaded.modules())


def test_a_row_is_predicted_the_same_in_any_batch(table: Path, tmp_path: Path) -> None:
    finish(Training(table, out=str(tmp_path / "run"), **ASKED))
    run = unrolled.load(tmp_path / "run")
    texts = ["good iii", "bad", "dull i", "fine"]
    together = [dict(prediction.labels["label"]) for prediction in run.predict(texts)]
    for text, expected in zip(texts, together, strict=True):
        (alone,) = run.predict([text])
        assert dict(alone.labels["label"]) == pytest.approx(expected, abs=1e-6)
    assert unrolled.load(tmp_path / "run").evaluate() == run.evaluate()


def test_frozen_layers_keep_their_statistics(table: Path, tmp_path: Path) -> None:
    source = finish(Training(table, out=str(tmp_path / "source"), **ASKED)).folder
    best, _ = load_tensors(source / "model.safetensors")
    training = Training(table, out=str(tmp_path / "run"), init_from=str(source), freeze="encoder", **ASKED)
    finish(training)
    averaged = training.training_state.optimiser.averaged
    loaded = opened(tmp_path / "run").net
    for model in (training.training_state.model, averaged, loaded):
        assert batch_norms(model)
        for name, buffer in kept_buffers(model).items():
            assert torch.equal(buffer, best[name]), name


def test_a_net_without_batch_norm_reads_nothing_for_it(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    training = Training(table, out=str(tmp_path / "run"), **ASKED)
    monitor: Any = training.monitor
    monitor.batches = None
    monitor.validate(100)
    assert len(monitor.validations) == 1
