"""The installed package works: the wheel in an environment of its own, in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import REPOSITORY

from unrolled.errors import install_extra

INDEX_SECONDS = 30  # time limit for answers of an index


def run(*command: str | Path, here: Path, seconds: float = 240) -> str:
    """The output of a command, run in a folder and without the additions of the tests' environment to the path."""
    ended = subprocess.run(
        list(map(str, command)), cwd=here, capture_output=True, text=True, timeout=seconds, check=False,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout, built without an index by the installed hatchling."""
    run(
        sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation",
        "--wheel-dir", folder, REPOSITORY, here=folder,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_runs_in_an_empty_folder(tmp_path: Path) -> None:
    wheel, empty, home = build_wheel(tmp_path), tmp_path / "empty", tmp_path / "environment"
    empty.mkdir()
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"unrolled"}, "nothing but the package"
    assert "unrolled/py.typed" in names

    run(sys.executable, "-m", "venv", "--without-pip", home, here=tmp_path)
    python, unroll = home / "bin" / "python", home / "bin" / "unroll"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel)
    run(*pip, here=tmp_path)
    installed = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", here=empty).strip())
    there = [
        path for path in sys.path if Path(path).name == "site-packages"
    ]  # torch and the others are taken from this environment
    (installed / "borrowed.pth").write_text("\n".join(there))

    where = run(python, "-c", "import unrolled; print(unrolled.__file__)", here=empty).strip()
    assert Path(where).is_relative_to(installed), "not the checkout's"
    assert run(unroll, "--version", here=empty) == run(python, "-m", "unrolled", "--version", here=empty)
    said = run(unroll, "demo", "hello", here=empty)
    assert "h e l l" in said and "e l l o" in said
    assert not list(empty.iterdir())


def test_extras_are_installed_from_the_checkout_not_by_a_public_name() -> None:
    assert install_extra("audio") == "pip install '.[audio]' in unrolled's checkout"
    texts = [path for folder in ("src", "docs") for path in (REPOSITORY / folder).rglob("*.*")]
    for path in [*texts, REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", REPOSITORY / "Makefile"]:
        if path.suffix in (".py", ".md", ""):
            written = path.read_text(encoding="utf-8")
            assert "unrolled[" not in written and "install unrolled" not in written, path
            assert "--upgrade unrolled" not in written, path


def test_the_demo_is_set_up_without_tools() -> None:
    said = subprocess.run(
        ["make", "--dry-run", "--always-make", "demo"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    assert "--editable .\n" in said and "[dev]" not in said
    said = subprocess.run(
        ["make", "--dry-run", "--always-make", "test"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    assert "--editable '.[dev]'" in said


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_dependencies_are_installed_from_an_index(tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(tmp_path), "safetensors")
    try:
        reached = subprocess.run(pip, capture_output=True, timeout=INDEX_SECONDS, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        reached = False
    if not reached:
        pytest.skip("no package index is reachable")
    home, empty = tmp_path / "environment", tmp_path / "empty"
    empty.mkdir()
    run(sys.executable, "-m", "venv", home, here=tmp_path)
    constraints = REPOSITORY / "constraints.txt"
    run(home / "bin" / "pip", "install", "--quiet", "--constraint", constraints, REPOSITORY, here=empty, seconds=3000)
    assert "e l l o" in run(home / "bin" / "unroll", "demo", "hello", here=empty)
