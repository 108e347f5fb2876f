"""The short programs in examples/ run unchanged."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from conftest import REPOSITORY

EXAMPLES = REPOSITORY / "examples"


def test_train_and_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("days.txt").write_text("".join(f"On day {n} the sun came over the hill.\n" for n in range(300)))
    runpy.run_path(str(EXAMPLES / "train_and_sample.py"))["main"]("days.txt", 20, "run")
    assert "update 20: " in capsys.readouterr().out
    assert Path("run", "model.safetensors").is_file()


def test_own_loop(capsys: pytest.CaptureFixture[str]) -> None:
    accuracy = runpy.run_path(str(EXAMPLES / "own_loop.py"))["main"](updates=100)
    assert 0 < accuracy <= 1 and "update 100: " in capsys.readouterr().out


def test_data_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    found = runpy.run_path(str(EXAMPLES / "data_frame.py"))["main"](40, "run")
    assert list(found.columns) == ["text", "label", "label_probability"] and list(found.index) == [10, 20]


@pytest.mark.slow
def test_estimators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    accuracy, score = runpy.run_path(str(EXAMPLES / "estimators.py"))["main"](40)
    assert accuracy > 0.8 and score > 0.5


def test_hugging_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    monkeypatch.chdir(tmp_path)
    found = runpy.run_path(str(EXAMPLES / "hugging_face.py"))["main"](40, "run")
    assert len(found) == 2 and set(found) <= {"good", "bad"}


@pytest.mark.slow
def test_notebook(tmp_path: Path) -> None:
    """The notebook is executed; its training is one output, which was updated to the end."""
    pytest.importorskip("ipykernel")
    client = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    client.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    (shown,) = [one for one in notebook.cells[1].outputs if one.output_type == "display_data"]
    assert (
        "step 60 of 60 (100%)" in shown.data["text/plain"] and "<progress value='1.0000'" in shown.data["text/html"]
    )
    assert "100 rows of data in memory" in shown.data["text/plain"]
    assert "'prediction': " in notebook.cells[2].outputs[0].data["text/plain"]


def test_every_example_has_a_test() -> None:
    tested = {name.removeprefix("test_") for name in globals()}
    assert {path.stem for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")} <= tested
