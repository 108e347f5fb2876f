"""A resumed run ends with the same bytes, however it was interrupted; a run that cannot be resumed gives a
message."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from run_checksums import seal
from training_runs import CLOCKS, TINY_TEXT_MODEL, check_same_bytes, finish, write_text

from unrolled.errors import DataError, OptionError, RunError, TrainingError
from unrolled.model import language
from unrolled.options import TrainOptions
from unrolled.run import Training
from unrolled.rundir.sessions import Session, recorded_plans
from unrolled.threads import threads_for, torch_threads
from unrolled.training.planning import TextSize as PlanTask
from unrolled.training.planning import plan_steps

KILLS = Path(__file__).parents[1] / "kills.py"
SMALL: dict[str, Any] = {"steps": 8, **TINY_TEXT_MODEL}
LONG = 400  # updates that take seconds
CHILD = """
import json, sys
from unrolled.run import Training
for report in Training(sys.argv[1], out=sys.argv[2], **json.loads(sys.argv[3])):
    print(report.step, flush=True)
"""

FULL = """
import resource, signal, sys
from unrolled.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    write_text(path)
    return path


@pytest.fixture(scope="module")
def long(text: Path) -> Path:
    """A run of as many updates as the trainings that are killed."""
    return finish(Training(text, out=str(text.parent / "long"), **SMALL | {"steps": LONG})).folder


@pytest.fixture(scope="module")
def uninterrupted(text: Path) -> Path:
    return finish(Training(text, out=str(text.parent / "whole"), **SMALL)).folder


def kill_at_random(text: Path, folder: Path, uninterrupted: Path, times: int) -> None:
    """Trains in processes that are killed, each some time after its first report; the resumed runs end alike."""
    draw = random.Random(times)
    settings = json.dumps(SMALL | {"steps": LONG})
    for number in range(times):
        out = folder / f"run{number}"
        command = [sys.executable, "-c", CHILD, str(text), str(out), settings]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None and child.stdout.readline() == b"0\n"
            time.sleep(draw.uniform(0.0, 0.5))
            child.send_signal(signal.SIGKILL)
        assert child.returncode == -signal.SIGKILL, "it had ended before"
        finish(Training.resume(out))
        check_same_bytes(uninterrupted, out)


@pytest.mark.slow
def test_a_kill_at_two_random_moments_changes_no_byte(text: Path, tmp_path: Path, long: Path) -> None:
    kill_at_random(text, tmp_path, long, 2)


@pytest.mark.slow
def test_a_kill_at_twenty_random_moments_changes_no_byte(text: Path, tmp_path: Path, long: Path) -> None:
    kill_at_random(text, tmp_path, long, 20)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # hundreds of points, more since files have checksums, each two short trainings
def test_a_kill_at_every_named_point_of_writing_changes_no_byte(tmp_path: Path) -> None:
    counted = subprocess.run([sys.executable, str(KILLS), "training", str(tmp_path)], stdout=subprocess.PIPE)
    assert counted.returncode == 0
    assert int(counted.stdout) > 50


@pytest.mark.parametrize("reports", [1, 4, 7])
def test_a_resumed_training_ends_with_the_same_bytes(
    text: Path, tmp_path: Path, uninterrupted: Path, reports: int
) -> None:
    training = Training(text, out=str(tmp_path / "run"), **SMALL)
    for number, _ in enumerate(training):
        if number == reports:
            training.stop()
    assert training.stopped
    finish(Training.resume(tmp_path / "run"))
    check_same_bytes(uninterrupted, tmp_path / "run")


@pytest.mark.slow
def test_a_disk_that_fills_stops_with_a_message_and_a_whole_checkpoint(text: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    finish(Training(text, out=str(out), **SMALL))
    before = {path.name: path.read_bytes() for path in (out / "checkpoint").iterdir()}
    room = (out / "model.safetensors").stat().st_size - 1
    command = [sys.executable, "-c", FULL, str(room), "resume", str(out), "--steps", "8", "--quiet"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) <= 3
    assert "full" in ended.stderr or "too large" in ended.stderr
    assert {path.name: path.read_bytes() for path in (out / "checkpoint").iterdir()} == before
    finish(Training.resume(out))


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 16]) + data[middle + 1 :]


@pytest.mark.parametrize("damage", [flip, lambda data: data[:-100], lambda data: data[:50], lambda data: b""])
def test_a_damaged_newest_checkpoint_falls_back_and_ends_the_same(
    text: Path, tmp_path: Path, uninterrupted: Path, damage: Callable[[bytes], bytes]
) -> None:
    out = tmp_path / "run"
    training = Training(text, out=str(out), **SMALL)
    finish(training, stop=6)
    newest = max((out / "checkpoint").iterdir())
    newest.write_bytes(damage(newest.read_bytes()))
    notes = [note for report in Training.resume(out) for note in report.notes]
    assert any("damaged" in note and "one before it" in note for note in notes)
    check_same_bytes(uninterrupted, out, but=(*CLOCKS, "notes"))


def poison(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """The loss of the 5th window and of the next ones is not finite, for the given number of times."""
    read, real = [0], language.summed_nats

    def losses(logits: torch.Tensor, targets: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        read[0] += 1
        return real(logits, targets, lengths) * (float("nan") if 5 <= read[0] < 5 + times else 1.0)

    monkeypatch.setattr("unrolled.model.language.summed_nats", losses)


def test_a_loss_that_is_not_finite_goes_back_and_lowers_the_learning_rate(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, times=1)
    training = Training(text, out=str(tmp_path / "run"), **SMALL)
    notes = [note for report in training for note in report.notes]
    assert len(notes) == 1
    assert "of update 4 was not finite: back to update" in notes[0]
    plans = training.run.log.read_plans()
    assert [plan["why"] for plan in plans] == ["start", "loss not finite"]
    assert plans[1]["learning_rate"] == plans[0]["learning_rate"] / 2
    assert training.summary is not None


def test_it_gives_up_after_three_tries(text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    poison(monkeypatch, times=10**9)
    with pytest.raises(TrainingError, match="not finite 4 times"):
        finish(Training(text, out=str(tmp_path / "run"), **SMALL))


@pytest.mark.parametrize("seed", [0, 7])
def test_a_recorded_plan_trains_again_to_the_same_bytes(text: Path, tmp_path: Path, seed: int) -> None:
    first = finish(Training(text, out=str(tmp_path / "first"), seed=seed, **SMALL))
    again = finish(Training(text, out=str(tmp_path / "again"), plan=str(first.folder), threads=1))
    check_same_bytes(first.folder, again.folder)


def test_the_plan_of_another_kind_of_run_is_refused(text: Path, uninterrupted: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("text,label\n" + "".join(f"a text {n},{n % 2}\n" for n in range(40)))
    classified = finish(Training(table, out=str(tmp_path / "table"), steps=2, hidden_size=8, threads=1)).folder
    for data, plan, words in (
        (text, classified, r"kind 'prediction' .*\n.* is read as language-modeling\."),
        (table, uninterrupted, r"kind 'language-modeling' .*\n.* is a table, which has no use for --window\."),
    ):
        with pytest.raises(RunError, match=rf"--plan {plan} repeats a run of {words}$"):
            Training(data, out=str(tmp_path / "other"), plan=str(plan))
        assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_a_batch_that_does_not_fit_into_memory_is_reported(text: Path, tmp_path: Path) -> None:
    training = Training(text, out=str(tmp_path / "run"), **SMALL | {"window": 10**7, "batch_size": 10**6})
    with pytest.raises(
        TrainingError, match=r"There is not enough memory: .*\nChoose a smaller model, batch or window"
    ):
        finish(training)


def test_no_more_lines_are_reserved_for_than_there_are(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = finish(Training(text, out=str(tmp_path / "run"), **SMALL))
    monitor, task = training.monitor, training.task
    assert monitor is not None
    kept = monitor.reserve.seconds
    assert task.items("validation") < task.ranked_items
    monkeypatch.setattr(type(task), "ranked_items", task.items("validation"))
    assert monitor.reserve.seconds == kept


@pytest.mark.slow
@pytest.mark.alone
def test_half_a_minute_is_kept_and_its_plans_give_the_same_bytes(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    write_text(text)
    started = time.monotonic()
    first = finish(Training(text, out=str(tmp_path / "first"), minutes=0.5, started=started))
    assert 27 <= time.monotonic() - started <= 33
    again = finish(Training(text, out=str(tmp_path / "again"), plan=str(first.folder)))
    assert (again.folder / "model.safetensors").read_bytes() == (first.folder / "model.safetensors").read_bytes()


def test_initial_weights_are_drawn_with_the_planned_threads(
    tmp_path: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An orthogonal matrix of 64 columns has other digits on one thread than on two."""
    monkeypatch.setattr("unrolled.training.planning.fastest_threads", lambda *_: 1)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first = Training(text, out=str(tmp_path / "first"), minutes=0.05, hidden_size=64)
        again = Training(text, out=str(tmp_path / "again"), plan=str(first.folder))
    finally:
        torch.set_num_threads(before)
    assert first.run.log.read_plans()[0]["threads"] == 1
    with torch_threads(1):
        expected = first.task.make_model(recorded_plans(first.run)[0])
    for training_state in (first.training_state, again.training_state):
        for drawn, right in zip(training_state.model.parameters(), expected.parameters(), strict=True):
            assert torch.equal(drawn, right)


@pytest.mark.parametrize("dropout", [0.2, 0.0])
def test_a_run_starts_from_another_runs_weights_and_sizes(
    text: Path, tmp_path: Path, uninterrupted: Path, dropout: float
) -> None:
    requested: dict[str, Any] = {"steps": 5, "dropout": dropout, "threads": 1}
    training = Training(text, out=str(tmp_path / "run"), init_from=str(uninterrupted), **requested)
    first = next(iter(training))
    assert first.validation is not None
    assert first.validation < 2.5  # that of an untrained model is ln V
    assert training.run.log.read_plans()[0]["hidden_size"] == SMALL["hidden_size"]


def test_other_sizes_than_those_of_the_run_to_start_from_are_refused(text: Path, uninterrupted: Path) -> None:
    with pytest.raises(OptionError, match=r"lstm of 1 x 16; --hidden-size 32 does not match\.\nLeave it out"):
        Training(text, init_from=str(uninterrupted), hidden_size=32, steps=5)


def test_another_memory_than_the_runs_is_refused_though_it_is_the_default(text: Path, tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    finish(Training(text, out=run, model="gru", hidden_size=8, steps=2, threads=1))
    with pytest.raises(OptionError, match=r"gru of 1 x 8; --model lstm does not match"):
        Training(text, init_from=run, model="lstm", steps=2)
    with pytest.raises(OptionError, match=r"--model lstm would change it"):
        Training(text, plan=run, model="lstm")
    again = Training(text, out=str(tmp_path / "again"), plan=run, threads=1)
    assert again.settings.model == "gru"


def test_a_finished_run_gets_a_second_session(text: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    finish(Training(text, out=str(out), **SMALL))
    with pytest.raises(RunError, match="is finished") as refused:
        Training.resume(out)
    assert "--minutes" in str(refused.value)
    longer = finish(Training.resume(out, steps=10))
    assert longer.training_state.step == SMALL["steps"] + 10
    assert [plan["why"] for plan in longer.run.log.read_plans()] == ["start", "next session"]


@pytest.mark.slow
def test_a_second_session_that_was_killed_keeps_its_budget(text: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    finish(Training(text, out=str(out), **SMALL))
    killed = Training.resume(out, steps=10)
    next(iter(killed))
    killed.run.release()  # the state after a kill: nothing was cleaned up
    finish(Training.resume(out))
    undisturbed = tmp_path / "other"
    finish(Training(text, out=str(undisturbed), **SMALL))
    finish(Training.resume(undisturbed, steps=10))
    check_same_bytes(undisturbed, out)


def test_minutes_for_a_run_in_steps_are_planned_and_kept_by_the_next_session(text: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    training = Training(text, out=str(out), **SMALL)
    finish(training, stop=4)
    longer = Training.resume(out, minutes=0.5)
    assert longer.run.log.read_plans()[-1]["why"] == "resumed"
    # half a minute has time for more than these updates
    assert longer.run.log.read_plans()[-1]["steps"] > SMALL["steps"]
    longer.stop()
    finish(longer)
    again = Training.resume(out)
    assert again.clock.budget is not None
    assert 15 < again.clock.budget <= 30
    again.run.release()


@pytest.mark.parametrize("tokens", [64, 3, 4096])
def test_updates_per_budget_follow_from_updates_per_second(tokens: int) -> None:
    """The log counts tokens of a text, or rows of a table that are many steps long."""
    plan = plan_steps(TrainOptions(steps=100), PlanTask(20, 10_000, 500.0), "cpu", 1)
    reports = [{"step": 0, "tokens": 0, "tokens_per_second": 0.0}]
    reports += [{"step": k, "tokens": k * tokens, "tokens_per_second": 50.0 * tokens} for k in (5, 10)]
    planned = Session(1.0, None).plan(plan, 10, 60.0, reports, finished=False)
    assert planned.steps == 10 + 60 * 50
    assert (
        Session(1.0, None).plan(plan, 0, 60.0, reports[:1], finished=False).steps == 600
    )  # a tenth of a second each


def test_the_first_sample_is_known_after_resuming(text: Path, tmp_path: Path) -> None:
    training = Training(text, out=str(tmp_path / "run"), **SMALL)
    assert training.first_sample is None
    written = ""
    for report in training:
        written = written or report.sample or ""
        training.stop()
    again = Training.resume(tmp_path / "run")
    assert again.first_sample == (0, written)
    again.run.release()


def test_a_plan_of_another_machine_says_that_bytes_may_differ(
    text: Path, tmp_path: Path, uninterrupted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unrolled.environment.processor_name", lambda: "an abacus")
    first = next(iter(Training(text, out=str(tmp_path / "run"), plan=str(uninterrupted), threads=1)))
    assert len(first.notes) == 1
    assert first.notes[0].startswith("Not bit-identical: processor ")
    assert "an abacus now" in first.notes[0]
    assert "threads" not in first.notes[0]


def test_requested_threads_are_used_with_a_recorded_plan(text: Path, tmp_path: Path, uninterrupted: Path) -> None:
    training = Training(text, out=str(tmp_path / "run"), plan=str(uninterrupted), threads=2)
    assert next(iter(training)).notes == ("Not bit-identical: threads 1 then, 2 now.",)
    assert training.monitor is not None
    assert training.monitor.plans[0].threads == 2


def test_no_file_or_option_leads_to_more_threads_than_cores(text: Path, tmp_path: Path, uninterrupted: Path) -> None:
    first = Training(text, out=str(tmp_path / "first"), **{**SMALL, "threads": 10_000})
    assert first.monitor is not None
    assert first.monitor.plans[0].threads == threads_for(10_000)
    again = tmp_path / "again"
    shutil.copytree(uninterrupted, again)
    plans = (again / "plan.jsonl").read_text().replace('"threads": 1', '"threads": 10000')
    (again / "plan.jsonl").write_text(plans)
    seal(again)
    second = Training(text, out=str(tmp_path / "second"), plan=str(again))
    assert second.monitor is not None
    assert second.monitor.plans[0].threads == threads_for(10_000)


def test_torch_has_as_many_threads_as_before_after_every_call(text: Path, tmp_path: Path) -> None:
    import unrolled

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        training = Training(text, out=str(tmp_path / "run"), **SMALL)
        assert torch.get_num_threads() == 3
        for _ in training:
            assert torch.get_num_threads() == 3
        run = unrolled.load(tmp_path / "run", threads=1)
        for _ in run.score(["the cat"]):
            assert torch.get_num_threads() == 3
        next(run.sample(length=5))
        run.evaluate()
        Training.resume(tmp_path / "run", steps=2)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_changed_or_missing_data_are_reported_at_resume(tmp_path: Path, text: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_bytes(text.read_bytes())
    training = Training(own, out=str(tmp_path / "run"), **SMALL)
    for _ in training:
        training.stop()
    own.write_text(text.read_text() + " the cat")
    with pytest.raises(DataError, match="has changed since"):
        Training.resume(tmp_path / "run")
    own.unlink()
    with pytest.raises(DataError, match="is gone"):
        Training.resume(tmp_path / "run")


@pytest.mark.parametrize("model", ["rnn", "gru", "ngram"])
def test_every_model_trains_samples_scores_and_evaluates(model: str, text: Path, tmp_path: Path) -> None:
    import unrolled

    requested = {} if model == "ngram" else SMALL
    finish(Training(text, out=str(tmp_path / "run"), model=model, **requested))
    run = unrolled.load(tmp_path / "run")
    written = "".join(run.sample(length=20, seed=1))
    assert written == "".join(run.sample(length=20, seed=1))
    odd, usual = run.score(["zzzz", "the cat sat on a mat,"])
    assert odd.nats > usual.nats
    assert run.evaluate().to_dict()["nats"] < 3


@pytest.mark.slow
def test_lines_are_documents_of_their_own(tmp_path: Path) -> None:
    import unrolled

    names = tmp_path / "names.txt"
    names.write_text("\n".join(f"{a}{b}{c}" for a in "abcde" for b in "xyz" for c in ("one", "two", "three")) + "\n")
    finish(Training(names, out=str(tmp_path / "run"), steps=150, hidden_size=32, documents="line", threads=1))
    written = "".join(unrolled.load(tmp_path / "run").sample(length=50, temperature=0.1))
    assert 3 <= len(written) <= 8


@pytest.mark.slow
@pytest.mark.alone
def test_a_budget_in_minutes_is_kept_and_leaves_a_usable_run(text: Path, tmp_path: Path) -> None:
    import unrolled

    started = time.monotonic()
    finish(Training(text, out=str(tmp_path / "run"), minutes=0.2, started=started))
    assert 9 <= time.monotonic() - started <= 15
    assert "".join(unrolled.load(tmp_path / "run").sample(length=10))
