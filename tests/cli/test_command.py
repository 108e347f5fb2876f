"""What every command does: help, refusals, exit codes; and each command with a fake run package that trains
nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import fake_run
import pytest
from commands import Unroll
from conftest import REPOSITORY

COMMANDS = ["train", "resume", "sample", "find", "score", "evaluate", "info", "runs", "nets", "demo", "demo hello",
            "demo weather"]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(unroll: Unroll, command: str) -> None:
    result = unroll(*command.split(), "--help")
    assert result.code == 0
    assert "Examples:" in result.out and f"unroll {command}" in result.out


@pytest.mark.parametrize("command", ["train", "info"])
def test_help_with_all_options_fits_two_screens(
    unroll: Unroll, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert len(unroll(command, "--help").out.splitlines()) <= 2 * 50


def test_without_arguments_the_commands_are_listed_in_ten_lines(unroll: Unroll) -> None:
    result = unroll()
    assert result.code == 0 and len(result.out.splitlines()) == 10
    for command in COMMANDS[:9]:
        assert f"unroll {command}" in result.out


@pytest.mark.alone
def test_help_is_quick_and_does_not_import_torch() -> None:
    program = (
        "import sys\nfrom unrolled.cli import main\ncode = main(['train', '--help'])\n"
        "heavy = {'torch', 'numpy'} & set(sys.modules)\nsys.exit(code or ', '.join(heavy) or 0)"
    )
    took = []
    for _ in range(3):
        started = time.monotonic()
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        took.append(time.monotonic() - started)
        assert done.returncode == 0, done.stderr
    assert min(took) < 0.5


def test_commands_without_a_model_do_not_import_torch() -> None:
    older = str(REPOSITORY / "tests" / "run" / "older")
    calls = [[], ["--version"], ["--help"], ["runs", "--under", older], ["runs", "--json", "--under", older]]
    calls += [[*command.split(), "--help"] for command in [*COMMANDS, "predict", "compare"]]
    wrong = [
        ["trian"],
        ["train", "x", "--modell", "gru"],
        ["train", "x", "--minutes", "-1"],
        ["sample", "--beam", "0"],
    ]
    program = (
        "import sys\nfrom unrolled.cli import main\n"
        f"codes = [main(call) for call in {[*calls, *wrong]!r}]\n"
        "heavy = {'torch', 'numpy'} & set(sys.modules)\nprint(codes, sorted(heavy), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == f"{[0] * len(calls) + [2] * len(wrong)} []", done.stderr
    assert "finished" in done.stdout


def test_version(unroll: Unroll) -> None:
    assert unroll("--version").out.startswith("unrolled 0.")


def test_settings_become_options_and_come_back_as_settings(faked: Unroll) -> None:
    requested = (
        "--steps 7 --hidden-size 8 --learning-rate 0.5 --documents line --init-from runs/a --seed 3 "
        "--bptt truncated:k1=4"
    )
    assert faked("train", "text", *requested.split()).code == 0
    options = fake_run.Training.requested
    assert (options.steps, options.hidden_size, options.learning_rate, options.seed) == (7, 8, 0.5, 3)
    assert (options.documents, options.init_from, options.bptt, options.minutes) == (
        "line",
        "runs/a",
        "truncated:k1=4",
        None,
    )


def test_plain_lines_go_to_stderr_and_the_summary_to_stdout(faked: Unroll) -> None:
    result = faked("train", "text")
    assert result.out == "Test: 1.400 nats per character.\nIt beats the 7-gram.\n"
    assert "step 3 of 5 (50%)  1:01 elapsed, 1:02:03 left  loss 1.500  validation 1.600  41,000 tokens/s  312 MB" in (
        result.err.splitlines()
    )
    copied = "copied verbatim: longest run 7 tokens, 25.0%"
    for said in ("5 characters of text", "lstm, 8 wide", "planned again", copied):
        assert result.err.count(said) == 1
    assert "Baseline: 7-gram (Kneser–Ney), 1.517 nats per character" in result.err
    assert "At first it wrote (step 0):\n  qx\\x1b[2Jz\nNow it writes (step 5):\n  to be" in result.err
    assert "unroll sample runs/fake" in result.err


def test_a_counted_model_has_no_line_of_updates(faked: Unroll) -> None:
    result = faked("train", "text", "--model", "ngram")
    assert "Validation: 7-gram (Kneser–Ney), 1.517 nats per character" in result.err
    assert "step" not in result.err.replace("(step", "")


def test_the_list_of_commands_describes_each_in_whole_sentences(faked: Unroll) -> None:
    result = faked("--help")
    commands = result.out.partition("Commands:")[2].strip().splitlines()
    assert len(commands) == 12
    assert all(line.endswith(".") and not line.endswith("...") for line in commands)


def test_quiet_keeps_the_result(faked: Unroll) -> None:
    result = faked("train", "text", "--quiet")
    assert result.err == "" and result.out.startswith("Test: ")


def test_json_lines(faked: Unroll) -> None:
    lines = [json.loads(line) for line in faked("train", "text", "--json").out.splitlines()]
    assert [line["kind"] for line in lines] == ["start", *["report"] * 6, "end"]
    assert lines[0]["run"] == "runs/fake" and lines[2]["loss"] == 1.5
    assert lines[-1]["summary"] == {"nats": 1.4, "trend": None}  # JSON has no NaN
    assert lines[-1]["baseline"]["validation"] == 1.517


def test_a_failure_while_working_is_exit_1(faked: Unroll) -> None:
    result = faked("train", "full")
    assert result.code == 1
    assert result.err.endswith("unroll: The disk is full; the last checkpoint is whole.\n")


def test_resume_passes_the_new_budget_on(faked: Unroll) -> None:
    assert faked("resume", "runs/x", "--minutes", "3").code == 0
    assert fake_run.Training.requested.minutes == 3.0
    assert faked("resume", "runs/x", "--minutes", "3", "--steps", "4").code == 2


def test_sample_continues_the_prompt(faked: Unroll) -> None:
    assert faked("sample", "--prompt", "Once ", "--seed", "4").out == "Once 04abc\n"
    assert faked("sample", "--count", "2", "--stop", "x").out == "00abc\n\n10abc\n"


def test_sample_prints_one_json_object_per_sample(faked: Unroll) -> None:
    lines = faked("sample", "--count", "2", "--json", "--prompt", "é").out.splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["00abc", "10abc"]
    assert json.loads(lines[0])["prompt"] == "é"


def test_replaced_characters_are_reported_in_one_line(faked: Unroll) -> None:
    result = faked("sample", "--prompt", "é")
    assert (
        result.err
        == "Characters unknown to this model in the prompt are replaced by the nearest known ones: 'é' by '?'.\n"
    )
    assert faked("sample", "--prompt", "é", "--quiet").err == ""


def test_score_prints_one_line_per_line(faked: Unroll, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\xef\xbb\xbfaa\r\n\nb\xffb\xc3\xa9\n")
    result = faked("score", "runs/fake", "log")
    lines = [line.split("\t") for line in result.out.split("\n")]
    assert [line[0] for line in lines[:3]] == ["1", "2", "3"]
    assert [line[1:3] for line in lines[:3]] == [["2.000", "0.500"], ["0.000", "0.500"], ["4.000", "0.500"]]
    assert lines[0][3] == "aa"
    assert "'é' by '?'" in result.err and result.err.count("unknown to this model") == 1


def test_score_top_alone_and_json(faked: Unroll, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a\n     \n\ncccc\nbb\ndddd\n")
    lines = [json.loads(line) for line in faked("score", "log", "--top", "3", "--alone", "--json").out.splitlines()]
    assert [line["line"] for line in lines] == [4, 6, 5], "blank lines are none of the strangest"
    assert lines[0] == {"line": 4, "nats": 4.0, "rank": None, "characters": 5.0, "text": "cccc"}


def test_score_reads_standard_input_as_it_comes(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, fake_run.__file__, "score", "runs/x", "-", "--quiet"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path,
    ) as process:  # fmt: skip
        assert process.stdin is not None and process.stdout is not None
        for text in (b"abc", b"de"):
            process.stdin.write(text + b"\n")
            process.stdin.flush()
            assert process.stdout.readline().endswith(text + b"\n")
        process.stdin.close()
        assert process.wait() == 0


def test_evaluate(faked: Unroll) -> None:
    assert faked("evaluate").out == "test: 1.4000 nats per character\n"
    assert json.loads(faked("evaluate", "runs/x", "text", "--json").out) == {"nats": 1.4}


def test_info_of_a_run_and_of_a_text(faked: Unroll, tmp_path: Path) -> None:
    assert faked("info").out.splitlines() == [
        "path                runs/fake", "options:", "  steps  2,000", "kept                yes",
        "surprise_quantiles  0, 1, 2, 3, 4, 5, 6, 7, …",
        "reach: the last 2 tokens give 95% of what the whole context gains over one token (0.500 nats per character)",
        "       nats by tokens of context: 1: 2.000, 2: 1.500",
    ]  # fmt: skip
    assert json.loads(faked("info", "poems.txt", "--minutes", "3", "--json").out)["plan"] == {"minutes": 3.0}
    result = faked("info", "--minutes", "3")
    assert result.code == 2 and "--minutes is for data before training; the newest run is a run" in result.err


def test_runs(faked: Unroll) -> None:
    assert faked("runs").out.splitlines() == [
        "run         data       model  score           age      size    status",
        "runs/poems  poems.txt  lstm   1.410 (on 34%)  2 hours  1.2 MB  finished",
        "runs/odd    -          -      -               -        -       damaged: no JSON.",
    ]
    listed = [json.loads(line) for line in faked("runs", "--json").out.splitlines()]
    assert [line["path"] for line in listed] == ["runs/poems", "runs/odd"]
    assert listed[1]["status"] == "damaged: no JSON.\nTrain again."
    assert "unroll train" in faked("runs", "--under", "none").err


def test_a_terminal_without_unicode_gets_ascii(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("né\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, fake_run.__file__, "score", "log", "--json"], cwd=tmp_path, capture_output=True, check=False,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )  # fmt: skip
    assert json.loads(done.stdout)["text"] == "né"


@pytest.mark.parametrize("arguments", [["score", "log"], ["train", "slow", "--json"]])
def test_a_pipe_closed_early_ends_quietly(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a line\n" * 20_000)
    with subprocess.Popen(
        [sys.executable, fake_run.__file__, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait() == 0
    assert "rror" not in said and "Traceback" not in said
