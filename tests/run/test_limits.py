"""Budgets hold: tested with a clock that advances each time it is read, and with stops inside fits."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unrolled.data.dataset import reading_time
from unrolled.data.dataset.detect_input import detect_input
from unrolled.data.dataset.reading_time import ReadingTime
from unrolled.data.tables.columns import choose_columns
from unrolled.data.tables.open import open_table
from unrolled.deadline import Deadline, Stopped
from unrolled.errors import OptionError
from unrolled.options import TrainOptions
from unrolled.run import Training
from unrolled.rundir.folder import RunFolder
from unrolled.tasks.dataset import read_task_examples
from unrolled.tasks.prediction.baselines import fit_baselines
from unrolled.tasks.prediction.rows import AT_ONCE, predict_rows
from unrolled.tasks.prediction.summary import fit_and_score, summarise_single
from unrolled.training.plan import GRACE, Clock

SMALL: dict[str, Any] = {"hidden_size": 16, "batch_size": 16, "threads": 1}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("limits") / "films.csv"
    words = ("dull", "fine", "long", "odd", "new", "old")
    path.write_text("text,label\n" + "".join(
        f"a {words[n % 6]} film {n % 17} {n},{('no', 'yes')[n % 2]}\n" for n in range(3_000)
    ))  # fmt: skip
    return path


def after(asks: int) -> Deadline:
    """A deadline that passes after this number of checks."""
    ticks = count()
    return Deadline(asks, now=lambda: next(ticks))


def test_an_interrupted_fit_is_usable_and_reported(table: Path) -> None:
    examples = read_task_examples(table, TrainOptions())
    whole = fit_baselines(examples, ["linear"], 0)["linear"]
    cut = fit_baselines(examples, ["linear"], 0, after(40))["linear"]
    assert "stopped early" not in whole.describe()
    assert "stopped early by the time limit" in cut.describe() or "fitted on" in cut.describe()
    for baseline in (whole, cut):
        said = baseline.predict(["a dull film 3 3", "a fine film 4 4"])["label"]
        assert bool(said.exp().sum(1).sub(1).abs().max() < 1e-5)


def test_rows_beyond_the_time_are_left_out(table: Path) -> None:
    examples = read_task_examples(table, TrainOptions())
    baselines = fit_baselines(examples, ["linear"], 0)
    said, rows = predict_rows(examples, baselines, "test")
    assert rows.tolist() == examples.splits["test"].tolist()
    cut, some = predict_rows(examples, baselines, "test", after(2))
    assert AT_ONCE <= len(some) < len(rows)
    assert len(cut["linear"]["label"]) == len(some)
    spread = np.searchsorted(rows, np.sort(some)) / len(rows)
    assert abs(float(spread.mean()) - 0.5) < 0.1
    order = {row: place for place, row in enumerate(rows.tolist())}
    for at, row in enumerate(some.tolist()[:5]):
        assert cut["linear"]["label"][at].tolist() == pytest.approx(
            said["linear"]["label"][order[row]].tolist(), abs=1e-5
        )


def test_an_unfitted_ensemble_is_as_good_as_its_best_member_and_is_reported(table: Path) -> None:
    examples, names = read_task_examples(table, TrainOptions()), ["linear", "ngram"]
    parts = fit_baselines(examples, names, 0)
    candidates = {"linear": ["linear"], "ngram": ["ngram"], "linear+ngram": names}
    cut = fit_and_score(examples, parts, candidates, Deadline(0.0))
    assert cut.unfinished == ["linear+ngram"]
    assert cut.validation["linear+ngram"] <= min(cut.validation.values()) + 0.001
    assert not fit_and_score(examples, parts, candidates).unfinished
    summary, _ = summarise_single(examples, {"ngram": parts["ngram"]}, [], "none")
    told = replace(summary, unfinished=cut.unfinished).lines
    assert any("no time to finish fitting the weights of linear+ngram" in line for line in told)
    assert not any("no time to finish" in line for line in summary.lines)


def test_more_labels_are_scored_on_fewer_rows(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.tasks.prediction.rows.MOST_CELLS", 200)
    examples = read_task_examples(table, TrainOptions())
    _, rows = predict_rows(examples, fit_baselines(examples, ["ngram"], 0), "test")
    assert len(rows) == 100


# a small process starts the command, because a process's peak includes that of the one that started it
MEASURED = r"""
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "kinds"), [(8_000, 1_000), (20_000, 5_000)])
def test_many_labels_take_less_than_a_gigabyte(rows: int, kinds: int, tmp_path: Path) -> None:
    table = tmp_path / "many.csv"
    table.write_text("text,label\n" + "".join(
        f"w{n * 7919 % 613} w{n % 89} k{n % 97} {n % kinds},l{n % kinds}\n" for n in range(rows)
    ))  # fmt: skip
    command = [sys.executable, "-m", "unrolled", "train", str(table), "--task", "classification", "--minutes", "0.3"]
    command += ["--out", str(tmp_path / "run"), "--threads", "1", "--quiet"]
    found = subprocess.run([sys.executable, "-c", MEASURED, *command], capture_output=True, text=True, check=True)
    assert 1024 * int(found.stdout) < 1e9


def test_a_stop_signal_ends_a_fit_and_the_run_can_be_resumed(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unrolled.model.baselines.linear_fit.ITERATIONS", 100_000)
    monkeypatch.setattr("unrolled.model.baselines.linear_fit.MOST_WORK", 1 << 60)
    monkeypatch.setattr("unrolled.model.baselines.linear_fit.TRIES", [(False, 1e-9)] * 20_000)
    training = Training(table, out=str(tmp_path / "run"), steps=2, **SMALL)
    threading.Timer(0.5, training.stop).start()
    started = time.monotonic()
    assert not list(training)
    assert time.monotonic() - started < 0.5 + GRACE + 4
    assert training.stopped
    assert RunFolder.open(tmp_path / "run").facts["status"] == "stopped"
    monkeypatch.undo()
    again = Training.resume(tmp_path / "run")
    assert list(again)
    assert not again.stopped


def test_a_stop_lets_short_work_finish() -> None:
    now = [100.0]
    clock = Clock(None, now=lambda: now[0])
    deadline = clock.deadline()
    clock.stop()
    assert clock.stopping
    assert not deadline.passed()
    now[0] += GRACE + 0.1
    with pytest.raises(Stopped):
        deadline.passed()


def test_rows_are_read_evenly(table: Path) -> None:
    examples = read_task_examples(table, TrainOptions(rows=300))
    assert len(examples.numbers) == 300
    assert [number // 10 for number in (examples.numbers - 2).tolist()] == list(range(300))  # one row of each ten
    assert len(examples.targets["label"].output.names) == 2  # type: ignore[union-attr]
    assert "300 of 3,000 rows are used, spread evenly (--rows)" in examples.description
    assert len(read_task_examples(table, TrainOptions(rows=10_000)).numbers) == 3_000


def test_rows_applies_to_tables(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("a text " * 100)
    with pytest.raises(OptionError, match="has no use for --rows"):
        Training(path, rows=5, out=str(tmp_path / "run"))
    with pytest.raises(OptionError, match="--rows is a whole number of at least 1"):
        Training(path, rows=0, out=str(tmp_path / "run"))


def test_data_that_take_over_half_the_budget_to_read_are_reported_before(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unrolled.tasks.reading_time.time_reading", lambda *_: ReadingTime(2_000_000, 60e-6, 2e-6))
    with pytest.raises(OptionError) as error:
        Training(table, minutes=0.5, out=str(tmp_path / "run"))
    assert str(error.value).splitlines() == [
        f"{table}: reading all of its 2,000,000 rows takes about 2.0 minutes here, more than half of --minutes 0.5.",
        "Read an even sample of them: --rows 41000; or allow more time: --minutes 5.8.",
    ]
    assert not (tmp_path / "run").exists()
    with pytest.raises(OptionError, match="reading 1,000,000 of its 2,000,000 rows"):
        Training(table, minutes=0.5, rows=1_000_000, out=str(tmp_path / "run"))
    assert Training(table, minutes=0.5, rows=500, out=str(tmp_path / "run")).monitor is not None
    monkeypatch.setattr("unrolled.tasks.reading_time.time_reading", lambda *_: ReadingTime(2_000_000, 60e-6, 20e-6))
    with pytest.raises(OptionError, match=r"--rows 20000 --minutes 3\.9;\nor all of them: --minutes 5\.8\.$"):
        Training(table, minutes=0.5, out=str(tmp_path / "other"))


def test_the_reading_time_is_estimated_from_the_first_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.csv"
    path.write_text("text,label\n" + "".join(f"row {n},{n % 2}\n" for n in range(600)))
    for name, value in (("LARGE", 100), ("WARM", 20), ("TIMED", 100)):
        monkeypatch.setattr(reading_time, name, value)
    opened = open_table(path)
    columns = choose_columns(opened)
    found = reading_time.time_reading(opened, columns, detect_input(opened, columns, None))
    assert found is not None
    assert found.rows == 600
    assert found.seconds_per_row > 0
    assert 0 < found.seconds_per_skip <= found.seconds_per_row


@pytest.mark.parametrize(
    ("name", "content", "plain"),
    [
        ("a.csv", "text,label\na b,1\n\nc d,2\n  \ne,3\n,\nf,4", True),
        ("a.csv", "\n\ntext;label\r\na b;1\r\nc d;2\r\n;\r\ne;3\r\n", True),
        ("a.csv", "\ufeffsep=,\ntext,label\na,1\nb,2\n", True),
        ("a.tsv", 'text\tlabel\n"a\t1\n\t\nb\t2\n', True),
        ("a.csv", 'text,label\n"a\nb",1\nc,2\n"d,e",3\n', False),
    ],
)
def test_rows_that_are_passed_over_are_counted_as_those_that_are_read(
    name: str, content: str, plain: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text(content)
    opened = open_table(tmp_path / name)
    rows = list(opened.rows(["label", "text"]))
    assert opened.count_rows("text") == len(rows)
    for places in ([], [0], [1], [0, len(rows) - 1], list(range(len(rows)))):
        assert list(opened.rows_at(["label", "text"], places)) == [rows[place] for place in places]
    monkeypatch.setattr("unrolled.data.tables.csv.read_records", lambda *_: iter([(1, ["text", "label"])]))
    assert opened.count_rows("text") == (len(rows) if plain else 0)
    assert len(list(opened.rows_at(["text"], [1]))) == plain


def test_few_rows_of_very_many_are_read_within_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ReadingTime(2_000_000, 60e-6, 1.2e-6)  # as measured where lines are skipped
    assert found.seconds(20_000) < 0.5 * 30 < found.seconds(None)
    path = tmp_path / "large.csv"
    path.write_text("text,label\n" + "".join(f"row {n} of words,{n % 2}\n" for n in range(40_000)))
    monkeypatch.setattr(reading_time, "LARGE", 100)
    opened = open_table(path)
    columns = choose_columns(opened)
    timed = reading_time.time_reading(opened, columns, detect_input(opened, columns, None))
    assert timed is not None and timed.seconds_per_skip < timed.seconds_per_row / 8


def test_where_reading_spent_the_budget_a_fitted_model_is_saved(table: Path, tmp_path: Path) -> None:
    training = Training(table, minutes=0.5, started=time.monotonic() - 27, out=str(tmp_path / "run"), threads=1)
    assert training.monitor is None
    assert "linear model: fitted, not trained; after" in training.plan_line
    assert "there is no time for a net" in training.plan_line
    for _ in training:
        pass
    import unrolled

    assert training.summary is not None
    assert training.summary.lines[-1].endswith(f"a net adds: unroll train {table} --minutes 2 --threads 1")
    assert next(unrolled.load(tmp_path / "run").predict(["a fine film 3 3"])).labels["label"]
