"""The run folder: its files, created atomically, and written by one training process at a time.

run.json            options, settings, data, versions, scores; its `format` and `kind`
plan.jsonl          the plan, and each later one, with the step from which it holds
log.jsonl           one report per line
samples.txt         the samples of the reports
vocabulary.json     the vocabulary
model.safetensors   the best weights
ngram.safetensors   the n-gram of an ensemble or baseline; the ensemble's weights are in run.json
linear.safetensors  the linear model, likewise
checkpoint/         the newest two checkpoints
reach.json          the measured reach of a language model
lock                held by the process that trains it

plan.jsonl, log.jsonl and samples.txt are written and read by training_log.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.errors import RunError, TrainingError
from unrolled.fileio import (
    own_digest,
    partial_path,
    read_json,
    remove_partial_files,
    with_checksum,
    write_json,
)
from unrolled.opening import CURE, check_plain_file, read_plain
from unrolled.registry import UNTRAINED
from unrolled.rundir.creation import check_free, check_has_name, remove_unfinished, rename
from unrolled.rundir.facts import options_of, read_facts, settings_of
from unrolled.rundir.formats import (
    FIRST_WITH_VOCABULARY,
    FORMAT,
    OLD_VOCABULARY,
    VOCABULARY,
    upgraded_model_facts,
    upgraded_tensors,
    upgraded_vocabulary,
)
from unrolled.rundir.locations import give_up
from unrolled.rundir.lock import Lock
from unrolled.rundir.own_files import check_is_run
from unrolled.rundir.training_log import TrainingLog

if TYPE_CHECKING:
    from torch import Tensor

    from unrolled.options import TrainOptions

FIXED = (
    VOCABULARY,
    OLD_VOCABULARY,
    "data.txt",
    "data.safetensors",
    "features.safetensors",
)  # written once, when a run is created; run.json has their checksums


class RunFolder:
    """A run's folder on disk. Made by `create` or `open`; `facts` are the contents of run.json.

    `log` has its plans, reports and samples. Writing raises TrainingError where the disk is full or refuses; reading
    raises RunError.
    """

    def __init__(self, path: Path, facts: dict[str, Any]) -> None:
        self.path = path
        self.facts = facts
        self._lock = Lock(path)
        self._place = path  # where it is, or will be

    @classmethod
    def create(
        cls, path: str | Path, facts: Mapping[str, Any], fill: Callable[[Path], None] | None = None
    ) -> RunFolder:
        """Makes a run folder, fills it by `fill`, and locks it: `prepare` and `publish` in one call."""
        with cls.prepare(path) as run:
            if fill is not None:
                fill(run.path)
            run.publish(facts)
        return run

    @classmethod
    @contextlib.contextmanager
    def prepare(cls, path: str | Path) -> Iterator[RunFolder]:
        """A locked temporary folder next to `path` for a run's first files; `publish` turns it into the run.

        So a kill leaves either a complete folder at `path` or none, or an empty one where `free_path` chose it. Where
        the block ends without `publish`, the folder is removed. Raises RunError where `path` exists and is not an
        empty folder, or cannot be made.
        """
        path = Path(path)
        target = path.resolve()
        check_has_name(path)
        partial = partial_path(target)
        run = cls(partial, {})
        try:
            check_free(path)
            missing = [folder for folder in target.parents if not folder.exists()]
            target.parent.mkdir(parents=True, exist_ok=True)
            remove_unfinished(target)
            partial.mkdir()
        except (OSError, RunError) as error:
            give_up(target)
            if isinstance(error, RunError):
                raise
            raise RunError(f"{path} cannot be made: {error.strerror}. Name another folder with --out.") from error
        try:
            run.lock()
            run.checkpoints.mkdir()
            path = run._place = path if path.parent.exists() else target  # missing/../run: only run was made
            yield run
        except OSError as error:
            if run.path == path:
                raise
            raise TrainingError(f"{path} could not be made: {error.strerror}. Nothing was left of it.") from error
        finally:
            if run.path != path:
                run.release()
                shutil.rmtree(partial, ignore_errors=True)
                with contextlib.suppress(OSError):  # parent folders that were made for it, if they are empty
                    for folder in missing:
                        folder.rmdir()
            give_up(target)

    def publish(self, facts: Mapping[str, Any]) -> None:
        """Turns a prepared folder into the run. `facts` must name its `kind`; `format` and checksums are added."""
        self.facts = {**facts, "format": FORMAT}
        self.write_facts(checksums=self._digests())
        if os.name == "nt":  # Windows does not rename a folder in which a file is open
            self.release()
        rename(self.path, self._place.resolve(), self._place)
        self.path = self._lock.folder = self._place
        self.lock()

    @classmethod
    def open(cls, path: str | Path, any_kind: bool = False) -> RunFolder:
        """Opens a run folder, to read it or, after `lock`, to train.

        Raises RunError where there is none, run.json is damaged or its format is newer, and, unless `any_kind`, where
        the kind of run is not one of this version.
        """
        path = Path(path)
        check_is_run(path)
        return cls(path, read_facts(path, any_kind))

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoint"

    @property
    def model(self) -> Path:
        """The file of the best weights."""
        return self.path / "model.safetensors"

    def weights_hash(self) -> str:
        """A hash that identifies the best weights. Raises RunError where there are none."""
        try:
            return hashlib.sha256(read_plain(self.model)).hexdigest()[:16]
        except OSError:
            raise RunError(f"{self.model} is missing: the run is damaged. Train again.") from None

    def baseline_file(self, name: str) -> Path:
        """The file of an n-gram or a linear model ("ngram", "linear"), as a baseline or alone."""
        return self.path / f"{name}.safetensors"

    def lock(self) -> None:
        """Locks the run for this process until `release` or exit, removes the temporary files of a killed training,
        and reads `facts` again, since another process may have changed them.

        Raises RunError where another process trains it, or the folder cannot be written.
        """
        self._lock.take()
        with contextlib.suppress(OSError):
            remove_partial_files(self.path)
        if check_plain_file(self.path / "run.json"):
            self.facts = read_facts(self.path, any_kind=True)
            if self._is_older:
                self._upgrade()

    def release(self) -> None:
        """Lets another process train the run."""
        self._lock.release()

    def in_training(self) -> bool:
        """Whether some process, this one too, holds the lock now."""
        return self._lock.held()

    @property
    def log(self) -> TrainingLog:
        """The run's plans, reports and samples."""
        return TrainingLog(self.path, self._is_older, self.has_checksums)

    @property
    def options(self) -> TrainOptions:
        """The run's options, as typed. Raises RunError where one is invalid."""
        return options_of(self.facts, f"{self.path}/run.json")

    @property
    def settings(self) -> Any:
        """The resolved settings of the run's task. Raises RunError where one is invalid."""
        return settings_of(self.facts, f"{self.path}/run.json")

    @property
    def has_checksums(self) -> bool:
        """Whether the run has checksums; a run of an older version has none."""
        return "checksums" in self.facts

    def write_facts(self, **changes: Any) -> None:
        """Updates `facts` and writes run.json atomically, with a checksum; floats that are not finite become null."""
        self.facts = {**self.facts, **changes}
        write_json(self.path / "run.json", with_checksum(self.facts))

    def write_vocabulary(self, vocabulary: Any) -> None:
        """Writes vocabulary.json atomically."""
        write_json(self.path / VOCABULARY, vocabulary)

    def read_vocabulary(self) -> Any:
        """The contents of vocabulary.json. Raises RunError where it is missing, damaged or was changed."""
        name = OLD_VOCABULARY if self._has_old_names else VOCABULARY
        self.check_file(name)
        # always: that of format 4 keeps its bytes, whose checksum is in run.json
        return upgraded_vocabulary(read_json(self.path / name), self.facts)

    def check_file(self, name: str) -> None:
        """Raises RunError where a file that is written once is missing or was changed."""
        if not self.has_checksums:
            return
        found = self._digests((name,)).get(name)
        if found is None:
            raise RunError(f"{self.path / name} is missing: the run is damaged. {CURE}")
        if found != self.facts["checksums"].get(name):
            raise RunError(f"{self.path / name} is damaged: its checksum is not the one in run.json. {CURE}")

    def check_resumable(self, baselines: Sequence[str]) -> None:
        """Raises RunError where a file that a resumed run needs, at its start or its end, is damaged: before time is
        spent or anything is changed. The model and the checkpoints are checked when training begins.

        baselines: the names of the baselines whose files the end needs.
        """
        self.log.check()
        for name in FIXED:
            if name in self.facts.get("checksums", {}):
                self.check_file(name)
        for name in baselines:
            try:
                self.read_baseline(name)
            except RunError as error:
                raise RunError(f"{error} {CURE}") from None

    def _digests(self, names: Sequence[str] = FIXED) -> dict[str, str]:
        """The checksums of those of these files that exist."""
        try:
            return {name: own_digest(self.path / name) for name in names if check_plain_file(self.path / name)}
        except OSError as error:
            raise RunError(f"{self.path} cannot be read: {error.strerror}. Check its permissions.") from error

    @property
    def _is_older(self) -> bool:
        """Whether the files are of an older format, and are converted when they are read."""
        return bool(self.facts.get("format", FORMAT) < FORMAT)

    @property
    def _has_old_names(self) -> bool:
        """Whether vocabulary.json and the tensors have their names of before format 4."""
        return bool(self.facts.get("format", FORMAT) < FIRST_WITH_VOCABULARY)

    def _upgrade(self) -> None:
        """Converts the files of an older run, run.json last: a kill before that leaves a run of the older format,
        which is converted again."""
        from unrolled.training.checkpoint import rewrite_checkpoints, save_tensors

        if self._has_old_names:
            for path in (self.model, *map(self.baseline_file, UNTRAINED)):
                if check_plain_file(path):
                    save_tensors(path, *self._load(path))
            rewrite_checkpoints(self.checkpoints, upgraded_tensors, upgraded_model_facts)
            self.write_vocabulary(self.read_vocabulary())
        self.log.upgrade()
        checksums = self._digests([name for name in FIXED if name != OLD_VOCABULARY])
        self.write_facts(format=FORMAT, settings=self.settings.to_json(), checksums=checksums)
        (self.path / OLD_VOCABULARY).unlink(missing_ok=True)

    def write_model(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Writes model.safetensors atomically, with a checksum."""
        from unrolled.training.checkpoint import save_tensors

        save_tensors(self.model, tensors, facts)

    def read_model(self, like: Mapping[str, Tensor] | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights and facts of model.safetensors, checked against `like` where given. Raises RunError."""
        return self._load(self.model, like)

    def read_baseline(self, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and facts of a baseline. Raises RunError."""
        return self._load(self.baseline_file(name))

    def _load(self, path: Path, like: Mapping[str, Tensor] | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
        from unrolled.training.checkpoint import check_tensors, load_tensors

        tensors, facts = load_tensors(path)
        if self._has_old_names:
            tensors, facts = upgraded_tensors(tensors), upgraded_model_facts(facts)
        if like is not None:
            check_tensors(tensors, like, str(path))
        return tensors, facts
