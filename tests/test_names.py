"""One name has one meaning: in src, no two classes share a name, nor do two functions or values that other files
import."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from conftest import REPOSITORY

SOURCES = sorted((REPOSITORY / "src").rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY / "src").with_suffix("").parts).removesuffix(".__init__")


def defined(tree: ast.Module) -> Iterator[str]:
    """The names that a file defines."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


DEFINED = {module_of(path): set(defined(tree)) for path, tree in TREES.items()}


TWICE = {"__version__", "LanguageModel"}
"""Names of two things: the estimator of scikit-learn's users is called as theirs are."""


def shared(places: dict[str, set[str]]) -> dict[str, list[str]]:
    return {name: sorted(found) for name, found in places.items() if len(found) > 1}


def test_every_class_has_a_name_of_its_own() -> None:
    places = defaultdict[str, set[str]](set)
    for path, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add(module_of(path))
    assert {name: found for name, found in shared(places).items() if name not in TWICE} == {}


def test_a_name_is_imported_from_one_file() -> None:
    places = defaultdict[str, set[str]](set)
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if alias.name in DEFINED.get(node.module or "", ()):
                        places[alias.name].add(node.module or "")
    assert {name: found for name, found in shared(places).items() if name not in TWICE} == {}
