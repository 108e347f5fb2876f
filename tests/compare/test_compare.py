"""Comparisons from end to end with small budgets, and the sentences about their figures."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unrolled import fileio
from unrolled.compare import Comparison, sentences
from unrolled.compare.cells import ComparisonCell, cells_of
from unrolled.compare.folder import comparison_facts, read_comparison_facts
from unrolled.compare.sizes import fit_size
from unrolled.compare_options import CompareSettings
from unrolled.data import DIAGNOSTICS, Diagnostic
from unrolled.errors import DataError, OptionError, RunError, TrainingError
from unrolled.memory import build_stack
from unrolled.model.language import LanguageModel
from unrolled.options import TrainOptions
from unrolled.registry import parse_list
from unrolled.run import Training
from unrolled.run.cross_validation import Folds
from unrolled.threads import torch_threads
from unrolled.training.planning import TextSize

TEXT = "".join(f"{k} green bottles, hanging on the wall; " for k in range(400))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "bottles.txt"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize("task", DIAGNOSTICS)
@pytest.mark.parametrize("lag", [1, 3, 20])
def test_the_target_of_a_task_is_lag_steps_before(task: str, lag: int) -> None:
    batch = Diagnostic(task, lag, 64, seed=0).batch(5)
    inputs, targets = batch.inputs.numpy(), batch.targets.numpy()
    assert (batch.lengths == inputs.shape[1]).all() and batch.fresh.all()
    assert np.array_equal(inputs, Diagnostic(task, lag, 64, seed=0).batch(5).inputs)
    assert not np.array_equal(inputs, Diagnostic(task, lag, 64, seed=1).batch(5).inputs)
    assert inputs.max() < Diagnostic(task, lag, 64, 0).tokens > targets.max()
    for row, wanted in zip(inputs, targets, strict=True):
        due = np.flatnonzero(wanted >= 0)
        if task == "copy":
            assert wanted[due].tolist() == row[:5].tolist() and due[0] == max(5, lag)
        elif task == "recall":
            (marked,) = np.flatnonzero((row >= 8) & (row < 16))
            assert due.tolist() == [marked + lag] and wanted[due] == row[marked] - 8
        elif task == "adding":
            assert wanted[-1] == (row[row >= 10] - 10).sum() and (row >= 10).sum() == 2 and row[0] >= 10
        elif task == "parity":
            assert wanted[-1] == row.sum() % 2 and len(row) == lag
        else:
            pairs = dict(zip(row[:8:2].tolist(), row[1:8:2].tolist(), strict=True))
            assert len(pairs) == 4 and wanted[due] == pairs[int(row[due][0])] - 8


@pytest.mark.slow
def test_truncation_shorter_than_the_lag_fails_and_full_bptt_does_not(tmp_path: Path) -> None:
    settings = CompareSettings(
        models="gru",
        bptt="full,truncated:k1=4",
        lag="12",
        steps=500,
        seeds=1,
        out=str(tmp_path / "c"),
        hidden_size=32,
    )
    comparison = Comparison("recall", settings)
    lines = list(comparison)
    whole, cut = (row["accuracy"] for row in comparison.rows())
    assert whole > 0.95 and cut < 0.8 and any("accuracy" in line for line in lines)
    assert comparison.sentences()[:2] == [
        "gru learnt the task at every lag, up to 12.", "gru by truncated:k1=4 did not learn the task at any lag."
    ]  # fmt: skip
    again = Comparison("recall", settings)
    assert again.missing == [] and list(again) == [] and again.rows() == comparison.rows()


@pytest.mark.slow
def test_a_horizon_bridges_a_lag_that_the_usual_start_does_not(tmp_path: Path) -> None:
    settings = CompareSettings(
        models="lstm,lstm:horizon=100", lag="50", steps=400, seeds=1, out=str(tmp_path / "c"), hidden_size=32
    )
    comparison = Comparison("recall", settings)
    list(comparison)
    usual, held = (row["accuracy"] for row in comparison.rows())
    assert held > 0.95 and usual < 0.5


def test_the_same_steps_give_the_same_figures(tmp_path: Path) -> None:
    wanted = {"models": "lstm", "lag": "3", "steps": 20, "seeds": 1, "hidden_size": 16, "threads": 1}
    both = [Comparison("recall", CompareSettings(**wanted, out=str(tmp_path / name))) for name in "ab"]  # type: ignore[arg-type]
    for comparison in both:
        with torch_threads(2):
            for _ in comparison:
                assert torch.get_num_threads() == 2
    first, second = ({k: v for k, v in comparison.rows()[0].items() if k != "seconds"} for comparison in both)
    assert first == second


def test_a_comparison_on_a_text_is_stored_and_shown_on_a_page(text: Path, tmp_path: Path) -> None:
    out = tmp_path / "compared"
    settings = CompareSettings(models="lstm,ngram", steps=20, seeds=2, hidden_size=16, out=str(out))
    comparison = Comparison(text, settings)
    list(comparison)
    lstm, ngram = comparison.rows()
    for row in (lstm, ngram):
        assert row["seeds"] == [0, 1] and row["spread"][0] <= row["nats"] <= row["spread"][1]
        assert row["ms_per_token"] > 0 and row["peak_bytes"] > 1e8 and row["reach"]["contexts"][0] == 1
    assert lstm["parameters"] > 1000 and lstm["state_bytes"]["100"] == lstm["state_bytes"]["10000"]
    page = comparison.write_page("unroll compare …")
    assert page is not None
    html = page.read_text()
    assert html.count("<svg") == 3 and "lstm" in html
    assert not re.findall(r"(?:src|href|url\()\s*=?\s*[\"']?https?:", html)  # the page loads nothing from other hosts
    assert json.loads((out / "table.json").read_text())["rows"][0]["model"] == "lstm"
    assert (out / "runs" / ComparisonCell("lstm", "full", 1).name / "model.safetensors").exists()
    with pytest.raises(RunError, match="another comparison's folder"):
        Comparison(text, CompareSettings(models="lstm", steps=21, out=str(out)))


SMALL: dict[str, Any] = {"models": "lstm", "steps": 2, "seeds": 1, "hidden_size": 8, "threads": 1}


@pytest.mark.slow
def test_a_text_too_small_for_an_interval_is_compared_again_with_the_same_figures(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("the cat sat on the mat. " * 30)
    settings = CompareSettings(**SMALL, out=str(tmp_path / "c"))
    first = Comparison(tmp_path / "short.txt", settings)
    list(first)
    assert first.rows()[0]["nats_interval"] is None
    again = Comparison(tmp_path / "short.txt", settings)
    assert list(again) == [] and again.rows() == first.rows() and again.table() == first.table()
    assert dict(zip(*again.table(), strict=True))["interval"] == "-"
    assert again.write_page("unroll compare") is not None


def test_a_torn_line_of_results_loses_that_result_only(text: Path, tmp_path: Path) -> None:
    settings = CompareSettings(**SMALL | {"models": "ngram"}, out=str(tmp_path / "c"))
    whole = Comparison(text, settings)
    list(whole)
    results = tmp_path / "c" / "results.jsonl"
    lines = results.read_text().splitlines(keepends=True)
    results.write_text(lines[0][:-20])
    again = Comparison(text, settings)
    assert len(again.missing) == 1
    list(again)
    assert [row["nats"] for row in again.rows()] == [row["nats"] for row in whole.rows()]
    assert Comparison(text, settings).missing == []
    complete = results.read_text()
    results.write_text(complete + lines[0][:-20])
    assert Comparison(text, settings).missing == []
    assert results.read_text() == complete, "the torn line is gone, although nothing was to be added"
    results.write_text(lines[0] + '{"cell": 3}\n')
    with pytest.raises(RunError, match=r"results\.jsonl, line 2, is damaged"):
        Comparison(text, settings)
    for torn in (lines[0][:20] + "\n", "\xff\n", "5\n"):
        results.write_text(torn + complete, encoding="latin-1")
        with pytest.raises(RunError, match=r"is damaged: .*Take that line out; .* folder: --out OTHER$") as raised:
            Comparison(text, settings)
        assert " run" not in str(raised.value)
    for facts in ("{", "[]", '{"asked": 3}'):
        (tmp_path / "c" / "compare.json").write_text(facts)
        with pytest.raises(RunError, match=r"compare.json is damaged: .*Give another folder: --out OTHER$"):
            Comparison(text, settings)


def test_failed_trainings_are_tried_again(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = CompareSettings(**SMALL | {"models": "gru", "lag": "2"}, out=str(tmp_path / "c"))

    def fail(*_: object) -> Iterator[dict[str, Any]]:
        raise TrainingError("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr("unrolled.compare.comparison.diagnose", fail)
        with pytest.raises(TrainingError, match=r"Every training failed. The first failure: The disk is full\."):
            list(Comparison("recall", settings))
    again = Comparison("recall", settings)
    assert len(again.missing) == 1
    list(again)
    assert "accuracy" in again.rows()[0] and "failed" not in again.rows()[0]


def test_a_killed_ngram_of_a_comparison_is_counted_again(text: Path, tmp_path: Path) -> None:
    settings = CompareSettings(**SMALL | {"models": "ngram"}, out=str(tmp_path / "c"))
    comparison = Comparison(text, settings)
    run = tmp_path / "c" / "runs" / comparison.cells[0].name
    training = Training(text, TrainOptions(model="ngram", out=str(run)))
    training.run.release()  # the state after a kill
    list(comparison)
    assert comparison.rows()[0]["nats"] < 2 and "failed" not in comparison.rows()[0]


def test_the_total_time_is_estimated_beforehand(text: Path, tmp_path: Path) -> None:
    def seconds(line: str) -> float:
        (number, unit) = re.search(r"about ([\d.]+) (s|min|h) in all", line).groups()  # type: ignore[union-attr]
        return float(number) * {"s": 1, "min": 60, "h": 3600}[unit]

    def line(data: object, **wanted: Any) -> str:
        return Comparison(str(data), CompareSettings(**SMALL | wanted, out=str(tmp_path / str(wanted)))).plan_line

    few, many = (seconds(line(text, steps=steps)) for steps in (10, 100_000))
    assert 10 < few < many / 20
    assert 5 * 60 * 6 < seconds(line(text, steps=None, minutes=5.0, seeds=6)) < 5 * 60 * 8
    assert seconds(line("recall", lag="3,5", steps=None, minutes=1.0, seeds=3)) == 6 * 60
    assert seconds(line("recall", lag="3", steps=100_000)) > 50
    lines = [said for said in Comparison("recall", CompareSettings(**SMALL | {"lag": "1,2"}, out=str(tmp_path / "t")))
             if "left in all" in said]  # fmt: skip
    assert len(lines) == 1 and lines[0].startswith("1 of 2: lstm at lag 1, seed 0; about ")


def test_a_folder_of_several_trainings_must_not_be_a_link(text: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "out").symlink_to("mine")
    with pytest.raises(RunError, match=r"out is a link, .*\n--out .*/mine$"):
        Comparison(text, CompareSettings(out=str(tmp_path / "out")))
    with pytest.raises(RunError, match=r"out is a link, .*\n--out .*/mine$"):
        Folds(text, TrainOptions(folds=2, out=str(tmp_path / "out")), "bottles")
    assert not any((tmp_path / "mine").iterdir())
    Comparison("recall", CompareSettings(models="lstm", lag="1", steps=1, out=str(tmp_path / "out" / "c")))
    assert (tmp_path / "mine" / "c" / "compare.json").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_comparison_keeps_what_was_done(number: signal.Signals, text: Path, tmp_path: Path) -> None:
    out = tmp_path / "c"
    arguments = ["--models", "lstm,gru", "--steps", "3000", "--hidden-size", "32", "--seeds", "1", "--threads", "1"]
    command = [sys.executable, "-c", "import sys; from unrolled.cli import main; sys.exit(main())", "compare"]
    child = subprocess.Popen([*command, str(text), *arguments, "--out", str(out)], stderr=subprocess.PIPE, text=True)
    run = out / "runs" / ComparisonCell("lstm", "full", 0).name
    deadline = time.monotonic() + 60
    while not (run / "log.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    child.send_signal(number)
    _, words = child.communicate(timeout=60)
    assert child.returncode == 130 and "the same command resumes from there" in words
    assert fileio.read_json(run / "run.json")["status"] == "stopped"


def test_a_training_ends_tidily_where_its_comparison_is_gone(text: Path, tmp_path: Path) -> None:
    settings = TrainOptions(steps=3000, hidden_size=32, threads=1, out=str(tmp_path / "run"))
    wanted = {"data": str(text), "settings": settings.to_json(), "parent": os.getpid() + 10_000_000}
    child = subprocess.run(
        [sys.executable, "-m", "unrolled.compare.child"], input=json.dumps(wanted), text=True, capture_output=True
    )
    assert child.returncode == 130, child.stderr
    assert fileio.read_json(tmp_path / "run" / "run.json")["status"] == "stopped"


def test_sizes_are_fitted_to_a_number_of_parameters_within_three_percent() -> None:
    task = TextSize(65, 100_000, 1000.0)
    for model in ("lstm", "transformer", "lstm/attention:span=8"):
        size, depth = fit_size(model, 300_000, None, task)
        with torch.device("meta"):
            net = LanguageModel(65, 64, build_stack(model, 64, size, depth))
        assert abs(sum(p.numel() for p in net.parameters()) / 300_000 - 1) <= 0.03
    with pytest.raises(OptionError, match="No width of lstm in 1 layers has 100 parameters"):
        fit_size("lstm", 100, 1, task)


def row(model: str, *nats: float) -> dict[str, object]:
    return {"model": model, "bptt": "full", "nats": float(np.mean(nats)), "by_seed": list(nats),
            "seeds": list(range(len(nats)))}  # fmt: skip


def test_the_sentences_follow_from_the_seeds() -> None:
    rows = [row("lstm", 1.50, 1.51, 1.52), row("gru", 1.60, 1.61, 1.62), row("rnn", 1.50, 1.55, 1.51)]
    said = " ".join(sentences(rows))
    assert "Best on validation: lstm, 1.510" in said
    assert "better than gru (+0.100 ± 0.000)" in said and "does not differ significantly from rnn" in said
    assert "the random variation of these figures is unknown" in " ".join(
        sentences([row("lstm", 1.5), row("gru", 2.5)])
    )
    failed: dict[str, object] = {"model": "slstm", "bptt": "full", "seeds": [], "failed": "not finite"}
    assert sentences([*rows, failed])[-1] == "slstm failed: not finite"


def test_lists_keep_the_options_of_their_entries() -> None:
    assert parse_list("--models", "lstm, attention:span=64,heads=2,gru") == [
        "lstm",
        "attention:span=64,heads=2",
        "gru",
    ]
    names = [
        cell.name for cell in cells_of(CompareSettings(models="lstm/attention:span=4,lstm", seeds=2), task=False)
    ]
    assert len(set(names)) == 4 and not any(set(name) & set("/: ") for name in names)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"models": ""}, "--models is a list with commas between its entries, none of them empty; got ''"),
        ({"models": "lstm,,gru"}, "none of them empty; got 'lstm,,gru'"),
        ({"models": "lstm,gru,lstm"}, "--models has 'lstm' twice"),
        ({"bptt": "full,full"}, "--bptt has 'full' twice"),
        ({"models": "lstn"}, "Unknown model 'lstn'. Did you mean 'lstm'?"),
        ({"bptt": "truncated"}, "needs its option 'k1'"),
        ({"lag": "0"}, "whole numbers of at least 1 with commas; got '0'"),
        ({"lag": "10,ten"}, "got 'ten'"),
        ({"seeds": 0}, "--seeds is a whole number of at least 1; got 0"),
        ({"parameters": 1000}, "On a task, all models have the width --hidden-size"),
        ({"parameters": 1000, "hidden_size": 8}, "Leave one of them out"),
        ({"models": "lstm,ngram"}, "An n-gram cannot be fitted on a diagnostic task. Leave ngram out"),
        ({"minutes": 1.0, "steps": 5}, "both --minutes and --steps"),
    ],
)
def test_an_impossible_comparison_is_refused_before_anything_is_written(
    options: dict[str, object], words: str, tmp_path: Path
) -> None:
    base = {"models": "lstm", "out": str(tmp_path / "c")}
    with pytest.raises(OptionError, match=re.escape(words)):
        Comparison("recall", CompareSettings(**(base | options)))  # type: ignore[arg-type]
    assert not (tmp_path / "c").exists()


def test_lag_applies_to_tasks_and_a_misspelt_task_is_corrected(text: Path) -> None:
    with pytest.raises(OptionError, match="--lag applies to diagnostic tasks"):
        Comparison(text, CompareSettings(lag="10"))
    with pytest.raises(Exception, match="Did you mean 'recall'"):
        Comparison("recal", CompareSettings())


def test_a_comparison_made_before_an_option_existed_is_resumed(tmp_path: Path) -> None:
    wanted = comparison_facts("copy", CompareSettings())
    del wanted["options"]["no_header"]
    fileio.write_json(tmp_path / "compare.json", wanted)
    assert read_comparison_facts(tmp_path / "compare.json") == comparison_facts("copy", CompareSettings())
    assert read_comparison_facts(tmp_path / "compare.json") != comparison_facts(
        "copy", CompareSettings(no_header=True)
    )


def write_letters(folder: Path, names: tuple[str, ...]) -> Path:
    """Writes twelve short texts into each of these folders."""
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(12):
            (folder / name / f"{number}.txt").write_text(f"{name} wrote letter {number}, and all were well. " * 20)
    return folder


@pytest.mark.parametrize("names", [("ann", "bob"), ("train/ann", "train/bob", "test/ann", "test/bob")])
def test_a_folder_of_labelled_files_is_refused_with_advice(names: tuple[str, ...], tmp_path: Path) -> None:
    folder = write_letters(tmp_path / "letters", names)
    wanted = SMALL | {"models": "ngram"}
    with pytest.raises(DataError) as refused:
        Comparison(folder, CompareSettings(**wanted, out=str(tmp_path / "c")))
    told = str(refused.value).splitlines()
    assert told[0].startswith(f"{folder} is a folder of labelled files, and models are compared on a text")
    assert told[1].endswith(f"unroll train {folder} --steps 2 --hidden-size 8 --threads 1")
    options = "--models ngram --steps 2 --seeds 1 --hidden-size 8 --task language-modeling --threads 1"
    assert told[2].endswith(f"unroll compare {folder} {options} --out {tmp_path / 'c'}")
    assert not (tmp_path / "c").exists()


def test_a_folder_of_labelled_files_is_compared_as_a_text_on_request(tmp_path: Path) -> None:
    folder = write_letters(tmp_path / "letters", ("train/ann", "train/bob", "test/ann", "test/bob"))
    wanted = SMALL | {"models": "ngram", "task": "language-modeling"}
    comparison = Comparison(folder, CompareSettings(**wanted, out=str(tmp_path / "c")))
    list(comparison)
    run = next((tmp_path / "c" / "runs").iterdir())
    assert json.loads((run / "run.json").read_text())["kind"] == "language-modeling"
    assert comparison.rows()[0]["nats"] < 1


def test_a_folder_of_documents_is_a_text(tmp_path: Path) -> None:
    folder = write_letters(tmp_path / "letters", ("ann",))
    assert "24" not in Comparison(folder, CompareSettings(**SMALL, out=str(tmp_path / "c"))).description
    assert "12" in Comparison(folder, CompareSettings(**SMALL, out=str(tmp_path / "c"))).description


def test_data_without_text_is_not_offered_as_a_text(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((4, 2)), y=np.zeros(4))
    with pytest.raises(DataError) as refused:
        Comparison(tmp_path / "a.npz", CompareSettings(**SMALL, out=str(tmp_path / "c")))
    assert "is a table" in str(refused.value) and "--task language-modeling" not in str(refused.value)


@pytest.mark.parametrize("options", [{"task": "language-modeling"}, {"documents": "line"}, {"no_header": True}])
def test_options_for_texts_are_refused_for_tasks(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"applies to texts, and copy is a task\. Leave it out\."):
        Comparison("copy", CompareSettings(**SMALL | options, out=str(tmp_path / "c")))
