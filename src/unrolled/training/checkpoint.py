"""Checkpoints: tensors and facts in one safetensors file with a checksum; the previous checkpoint is kept.

The file's metadata has one entry, `unrolled`, a JSON object with format, step, facts and the checksum: the sha256 of
format, step, facts, and every tensor's name, type, shape and bytes. A checkpoint's name has the checksum's first 16
digits, so that two runs can be compared by their file names. Nothing read here is executed or unpickled.
https://github.com/huggingface/safetensors describes the format.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from safetensors.torch import save as save_safetensors
from torch import Tensor

from unrolled.errors import RunError
from unrolled.fileio import remove_partial_files, sync_folder, write_atomically
from unrolled.opening import check_plain_folder, read_plain

FORMAT = 1
KEPT = 2  # checkpoints: the newest and the one before it
ENTRY = "unrolled"
NAME = re.compile(r"step-(\d{8,})-([0-9a-f]{16})\.safetensors")


@dataclass(frozen=True)
class Checkpoint:
    """A saved state of training. `fell_back`: a message about a newer, damaged checkpoint."""

    step: int
    tensors: dict[str, Tensor]  # on the CPU
    facts: dict[str, Any]
    fell_back: str | None = None


def save_checkpoint(folder: str | Path, step: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Path:
    """Writes a checkpoint atomically, then removes all others but the one before it; returns its path.

    Checkpoints of later steps are removed too: training has gone back before them. `facts` is anything that JSON
    holds; floats that are not finite are preserved. Only the process that holds the run's lock may call it.

    Raises TrainingError where the disk is full or refuses; the previous checkpoints stay undamaged.
    """
    folder = Path(folder)
    data, checksum = pack(tensors, facts, step)
    path = folder / f"step-{step:08d}-{checksum[:16]}.safetensors"
    remove_partial_files(folder)
    write_atomically(path, data)
    for other in set(_newest_first(folder)) - {path}:
        if _step_of(other) >= step:
            os.unlink(other)  # noqa: PTH108 - the named points of writing are calls of os
    drop_older(folder, step)
    return path


def rewrite_checkpoints(
    folder: str | Path,
    tensors_of: Callable[[dict[str, Tensor]], dict[str, Tensor]],
    facts_of: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    """Writes each undamaged checkpoint again with other tensors and facts, the oldest first."""
    for path in reversed(_newest_first(Path(folder))):
        with contextlib.suppress(RunError):
            step, tensors, facts = _read(path)
            save_checkpoint(folder, step, tensors_of(tensors), facts_of(facts))


def drop_older(folder: str | Path, step: int) -> None:
    """Removes all checkpoints before `step` but the newest of them, as a kill in `save_checkpoint` may leave more."""
    earlier = [path for path in _newest_first(Path(folder)) if _step_of(path) < step]
    for path in earlier[KEPT - 1 :]:
        os.unlink(path)  # noqa: PTH108 - as above
    sync_folder(folder)


def remove_checkpoints(folder: str | Path) -> None:
    """Removes the checkpoints of a folder, and temporary files of a killed process; other files stay."""
    remove_partial_files(folder)
    for path in _newest_first(Path(folder)):
        path.unlink(missing_ok=True)


def load_newest(folder: str | Path, like: Mapping[str, Tensor] | None = None) -> Checkpoint:
    """Loads the newest undamaged checkpoint; `fell_back` names a newer one that is damaged.

    With `like`, the tensors must have its names, shapes and types, and be finite; else the checkpoint counts as
    damaged. Raises RunError where all are damaged.
    """
    damaged: list[str] = []
    for path in _newest_first(Path(folder)):
        try:
            step, tensors, facts = _read(path)
            if step != _step_of(path):
                raise RunError(f"{path} is damaged: it was saved at step {step}.")
            if like is not None:
                check_tensors(tensors, like, str(path))
        except RunError as error:
            damaged.append(str(error))
            continue
        fell_back = f"{damaged[0]}\nGoing on from the one before it, step {step:,}." if damaged else None
        return Checkpoint(step, tensors, facts, fell_back)
    if damaged:
        raise RunError(f"{damaged[0]}\nNo checkpoint in {folder} is undamaged ({len(damaged)} tried): train again.")
    raise RunError(f"{folder} has no checkpoint to go on from: train again.")


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Writes tensors and facts to one file atomically, with a checksum. Raises TrainingError as
    `write_atomically`."""
    write_atomically(path, pack(tensors, facts)[0])


def load_tensors(
    path: str | Path, like: Mapping[str, Tensor] | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads a file of `save_tensors` onto the CPU, and checks it against `like` where given.

    Raises RunError where it is missing, damaged, of a newer format, or different from `like`.
    """
    _, tensors, facts = _read(Path(path))
    if like is not None:
        check_tensors(tensors, like, str(path))
    return tensors, facts


def check_tensors(tensors: Mapping[str, Tensor], like: Mapping[str, Tensor], source: str) -> None:
    """Raises RunError unless `tensors` has the names, shapes and types of `like`, and only finite numbers.

    `source` names the file in the message.
    """
    missing, unknown = sorted(like.keys() - tensors.keys()), sorted(tensors.keys() - like.keys())
    if missing:
        raise RunError(f"{source} does not fit: it lacks {_some(missing)}.")
    if unknown:
        raise RunError(f"{source} does not fit: it has {_some(unknown)}, which this model does not have.")
    for name, wanted in like.items():
        given = tensors[name]
        if given.shape != wanted.shape or given.dtype != wanted.dtype:
            raise RunError(f"{source} does not fit: {name} is {_kind(given)}, and this model needs {_kind(wanted)}.")
        if given.is_floating_point() and not bool(torch.isfinite(given).all()):
            raise RunError(f"{source} is damaged: {name} holds numbers that are not finite.")


def pack(tensors: Mapping[str, Tensor], facts: Mapping[str, Any], step: int = 0) -> tuple[bytes, str]:
    """The bytes of a file with these tensors and facts, and its checksum; equal contents give equal bytes."""
    copies = {}
    for name, tensor in tensors.items():
        copies[name] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    facts = json.loads(json.dumps(facts))
    checksum = _checksum(copies, facts, step)
    entry = {"format": FORMAT, "step": step, "checksum": checksum, "facts": facts}
    return save_safetensors(copies, {ENTRY: json.dumps(entry)}), checksum


def unpack(data: bytes, source: str) -> tuple[int, dict[str, Tensor], dict[str, Any]]:
    """Step, tensors and facts from the bytes of `pack`. Raises RunError, naming `source`, for damaged bytes."""
    try:
        tensors = load_safetensors(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        entry = json.loads(header["__metadata__"][ENTRY])
        format_ = int(entry["format"])
        step, facts, checksum = (entry.get(key) for key in ("step", "facts", "checksum"))
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError):  # RecursionError is a RuntimeError
        raise RunError(f"{source} is damaged: it is incomplete, or not a file of unrolled.") from None
    if format_ > FORMAT:
        raise RunError(f"{source} has format {format_}, and this unrolled reads {FORMAT}: use a newer one.")
    if not isinstance(step, int) or not isinstance(facts, dict) or format_ != FORMAT:
        raise RunError(f"{source} is damaged: it is incomplete, or not a file of unrolled.")
    if checksum != _checksum(tensors, facts, step):
        raise RunError(f"{source} is damaged: its checksum does not match.")
    return step, tensors, facts


def _read(path: Path) -> tuple[int, dict[str, Tensor], dict[str, Any]]:
    try:
        data = read_plain(path)
    except FileNotFoundError:
        raise RunError(f"{path} is missing: the run is not complete.") from None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}.") from error
    return unpack(data, str(path))


def _checksum(tensors: Mapping[str, Tensor], facts: Mapping[str, Any], step: int) -> str:
    checksum = hashlib.sha256(json.dumps([FORMAT, step, facts]).encode())
    for name, tensor in sorted(tensors.items()):
        checksum.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        checksum.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return checksum.hexdigest()


def _newest_first(folder: Path) -> list[Path]:
    """The checkpoints of a folder. Raises RunError where it is a link, since its files are not the run's."""
    check_plain_folder(folder)
    found = [path for path in folder.glob("step-*.safetensors") if NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: (_step_of(path), path.lstat().st_mtime_ns), reverse=True)


def _step_of(path: Path) -> int:
    match = NAME.fullmatch(path.name)
    return int(match[1]) if match else -1


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _kind(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')}"
