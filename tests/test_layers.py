"""`lint-imports`, a part of `make check`: which imports it refuses, also under TYPE_CHECKING."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

from unrolled import run

TOOLS = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.importlinter]")[2]
CONTRACTS = re.sub(r".* -> .*\n", "", TOOLS)  # without the exceptions for our own files
LAYERS, OF_TASKS, OF_DATA = (
    re.findall(r"\w+", found) for found in re.findall(r"\nlayers = \[(.*?)\]", CONTRACTS, re.DOTALL)
)


def lint(folder: Path, imports: dict[str, str]) -> tuple[int, str]:
    """Exit code and output for a package with the same layers. imports: file -> the module that it imports."""
    (folder / "pyproject.toml").write_text(f"[tool.importlinter]{CONTRACTS}")
    files = dict.fromkeys(
        [
            "",
            *(f"{layer}/" for layer in LAYERS),
            *(f"tasks/{layer}/" for layer in OF_TASKS),
            *(f"data/{layer}/" for layer in OF_DATA),
        ],
        "",
    )
    files = {f"{place}__init__": text for place, text in files.items()}
    files |= {name: f"if TYPE_CHECKING:\n    import unrolled.{module}\n" for name, module in imports.items()}
    for name, text in files.items():
        path = folder / "unrolled" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=os.environ | {"COLUMNS": "1000"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, " ".join(done.stdout.split())


def test_imports_from_lower_layers_are_allowed(tmp_path: Path) -> None:
    code, out = lint(tmp_path, {"cli/a": "data.text.b", "data/text/b": "data.text.c", "data/text/c": "errors"})
    assert (code, "4 kept, 0 broken" in out) == (0, True), out


def test_circles_imports_from_above_and_files_of_no_layer_are_refused(tmp_path: Path) -> None:
    circle = {"data/a": "data.b", "data/b": "data.a"}
    through_a_folder = {"run/c": "run.d.e", "run/d/__init__": "errors", "run/d/e": "errors", "run/d/f": "run.c"}
    above = {"memory/a": "data.b", "fileio": "training", "tasks/prediction/a": "tasks.seq2seq"}
    code, out = lint(tmp_path, circle | through_a_folder | above | {"attic": "errors"})
    assert code == 1
    for said in (
        "No cycles are allowed in unrolled.data.",
        "No cycles are allowed in unrolled.run.",
        "unrolled.memory is not allowed to import unrolled.data",
        "unrolled.fileio is not allowed to import unrolled.training",
        "- unrolled.attic",
        "unrolled.tasks.prediction is not allowed to import unrolled.tasks.seq2seq",
    ):
        assert said in out, out


def test_lazy_names_of_the_run_package_have_the_right_modules() -> None:
    tree = ast.parse(Path(run.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0]
    typed = {one.name: node.module for node in imports for one in node.names if one.asname}
    assert typed == {name: f"unrolled.{home}" for name, home in run.HOMES.items()}
    assert all(hasattr(run, name) for name in typed)
    with pytest.raises(AttributeError, match="has no attribute 'Trainin'"):
        run.Trainin  # noqa: B018
