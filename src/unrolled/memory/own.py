"""The user's own memories: classes in the user's modules, named as `module.Class`."""

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


def is_user_class(name: str) -> bool:
    """Whether a memory's name has the form `module.Class`."""
    return "." in name


def import_user_class(name: str) -> type[Memory]:
    """Import the class `module.Class`; the module's file is in the current folder, or the module is installed.

    This runs the module, so it is only done for names that the user types, never for names from a file. The module
    imports installed packages first, and other modules of that folder only where none is installed. Raises
    OptionError.
    """
    if not all(component.isidentifier() for component in name.split(".")):
        raise OptionError(f"Your own memory is named as in a Python import, module.Class; got '{name}'.")
    module_name, _, class_name = name.rpartition(".")
    here = str(Path.cwd())
    try:
        module = _import(module_name, here)
    except ModuleNotFoundError as problem:
        if problem.name is None or not f"{module_name}.".startswith(f"{problem.name}."):
            raise OptionError(f"{name}: the module {module_name} needs {problem.name}, which is not found.") from None
        raise OptionError(
            f"{name}: there is no module '{module_name}' in {here}, and none is installed.\n"
            "Name your own memory as module.Class; its file is module.py in the current folder."
        ) from None
    except Exception as problem:
        raise OptionError(f"{name}: {module_name} cannot be imported: {type(problem).__name__}: {problem}") from None
    classes = [key for key, kind in vars(module).items() if inspect.isclass(kind) and issubclass(kind, Memory)]
    if class_name not in classes:
        found_names = ", ".join(key for key in classes if key != "Memory") or "none"
        raise OptionError(
            f"{name}: the module {module_name} has no class '{class_name}' derived from unrolled.memory.Memory."
            f"{nearest(class_name, classes)} It has: {found_names}."
        )
    found: type[Memory] = vars(module)[class_name]
    if inspect.isabstract(found):
        lacking = ", ".join(sorted(found.__abstractmethods__))
        raise OptionError(
            f"{name} lacks {lacking}; a memory has start, step and unroll (docs/adding-a-component.md)."
        )
    return found


def _import(name: str, here: str) -> ModuleType:
    """Import a module from the folder `here`, or an installed one.

    `here` comes first for this one name, and last for all others, so that no other file there shadows an installed
    module.
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


def not_registered(name: str) -> OptionError:
    """The error where a run, or anything else that the user did not type, names a memory that is not registered."""
    return OptionError(
        f"The memory {name} is user code, and is not run only because a file names it.\n"
        f"If you trust it: unroll --with {name} COMMAND …; from Python: unrolled.memory.register('{name}')."
    )
