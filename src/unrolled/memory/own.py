"""A memory of the user's own: a class in a module of theirs, named as `module.Class`."""

from __future__ import annotations

import importlib
import inspect
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType

from unrolled.errors import OptionError, nearest
from unrolled.memory.base import Memory


def is_own(name: str) -> bool:
    """Whether a memory's name is that of a class in a module, `module.Class`."""
    return "." in name


def find_own(name: str) -> type[Memory]:
    """The class that `module.Class` names, the module's file in the folder one stands in, or installed.

    This runs the module, so it is asked for by what a user types and never by what a file says. What the module
    imports is what is installed; a neighbour in that folder serves where nothing of its name is. Raises OptionError.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise OptionError(f"A memory of your own is named as Python would import it, module.Class; got '{name}'.")
    module_name, _, class_name = name.rpartition(".")
    here = str(Path.cwd())
    try:
        module = _import(module_name, here)
    except ModuleNotFoundError as problem:
        if problem.name is None or not f"{module_name}.".startswith(f"{problem.name}."):
            raise OptionError(f"{name}: the module {module_name} needs {problem.name}, which is not there.") from None
        raise OptionError(
            f"{name}: there is no module '{module_name}' in {here}, nor is one installed.\n"
            "A memory of your own is written module.Class, its file module.py in the folder you stand in."
        ) from None
    except Exception as problem:
        raise OptionError(f"{name}: {module_name} cannot be imported: {type(problem).__name__}: {problem}") from None
    classes = [key for key, kind in vars(module).items() if inspect.isclass(kind) and issubclass(kind, Memory)]
    if class_name not in classes:
        there = ", ".join(key for key in classes if key != "Memory") or "none"
        raise OptionError(
            f"{name}: the module {module_name} has no class '{class_name}' under unrolled.memory.Memory."
            f"{nearest(class_name, classes)} It has: {there}."
        )
    found: type[Memory] = vars(module)[class_name]
    if inspect.isabstract(found):
        lacking = ", ".join(sorted(found.__abstractmethods__))
        raise OptionError(f"{name} lacks {lacking}; a memory has start, step and unroll (docs/adding-a-part.md).")
    return found


def _import(name: str, here: str) -> ModuleType:
    """Imports a module whose file or package stands in the folder `here`, or one that is installed.

    `here` is looked at first for that one name; for all else last, so that no other file there takes the place of
    an installed module.
    """
    first = name.partition(".")[0]
    found = None if first in sys.modules else PathFinder.find_spec(first, [here])
    sys.path.append(here)
    try:
        if found is not None and found.loader is not None:
            sys.modules[first] = module_from_spec(found)
            try:
                found.loader.exec_module(sys.modules[first])
            except BaseException:
                del sys.modules[first]
                raise
        return importlib.import_module(name)
    finally:
        del sys.path[len(sys.path) - 1 - sys.path[::-1].index(here)]


def not_brought(name: str) -> OptionError:
    """What is said where a run, or whatever else was not typed, names a memory that was not brought."""
    return OptionError(
        f"The memory {name} is code of its author's, which is not run because a file names it.\n"
        f"If it is yours, say so: unroll --with {name} COMMAND …; from Python: unrolled.memory.bring('{name}')."
    )
