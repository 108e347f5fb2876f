"""The run folder: its files, created atomically, and written by one training process at a time.

run.json            options, settings, data, versions, scores; its `format` and `kind`
plan.jsonl          the plan, and each later one, with the step from which it holds
log.jsonl           one report per line
samples.txt         the samples of the reports
vocabulary.json        the vocabulary
model.safetensors   the best weights
ngram.safetensors   the n-gram of an ensemble or baseline; the ensemble's weights are in run.json
linear.safetensors  the linear model, likewise
checkpoint/         the newest two checkpoints
lock                held by the process that trains it
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.errors import RunError, TrainingError
from unrolled.fileio import (
    CHECKSUM,
    PRIVATE,
    PUBLIC,
    append_line,
    own_digest,
    partial_path,
    read_json,
    read_json_lines,
    remove_partial_files,
    to_json,
    with_checksum,
    without_checksum,
    write_atomically,
    write_json,
)
from unrolled.opening import CURE, check_plain_file, read_plain
from unrolled.registry import UNTRAINED
from unrolled.rundir.birth import check_free, remove_unfinished, rename
from unrolled.rundir.facts import KINDS, LISTED, PlanFacts, ReportFacts, options_of, read_facts, settings_of
from unrolled.rundir.formats import (
    FORMAT,
    OLD_VOCABULARY,
    VOCABULARY,
    upgraded_model_facts,
    upgraded_plan,
    upgraded_report,
    upgraded_tensors,
    upgraded_vocabulary,
)
from unrolled.rundir.lock import Lock
from unrolled.rundir.own_files import check_files, is_run, runs_held
from unrolled.schema import check

if TYPE_CHECKING:
    from torch import Tensor

    from unrolled.metrics.reach import Reach
    from unrolled.options import TrainOptions

FIXED = (VOCABULARY, OLD_VOCABULARY, "data.txt")  # written once, when a run is created; run.json has their checksums
SAMPLE_HEADING = "--- step "  # at the line's start; the lines of a sample are indented


class RunFolder:
    """A run's folder on disk. Made by `create` or `open`; `facts` are the contents of run.json.

    Reports, samples and plans have the step they belong to, so that `cut` can remove those after a checkpoint.
    Writing raises TrainingError where the disk is full or refuses; reading raises RunError.
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
        """Makes a run folder, fills it by `fill`, and locks it: `unborn` and `bear` in one call."""
        with cls.prepare(path) as run:
            if fill is not None:
                fill(run.path)
            run.publish(facts)
        return run

    @classmethod
    @contextlib.contextmanager
    def prepare(cls, path: str | Path) -> Iterator[RunFolder]:
        """A locked temporary folder beside `path` for a run's first files; `bear` turns it into the run.

        So a kill leaves either no folder at `path` or a complete one. Where the block ends without `bear`, the folder
        is removed. Raises RunError where `path` exists and is not an empty folder, or cannot be made.
        """
        path = Path(path)
        target = path.resolve()
        partial = partial_path(target)
        run = cls(partial, {})
        try:
            check_free(path)
            missing = [folder for folder in target.parents if not folder.exists()]
            target.parent.mkdir(parents=True, exist_ok=True)
            remove_unfinished(target)
            partial.mkdir()
        except OSError as error:
            raise RunError(f"{path} cannot be made: {error.strerror}. Name another folder with --out.") from error
        try:
            run.lock()
            run.checkpoints.mkdir()
            run._place = path
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

    def publish(self, facts: Mapping[str, Any]) -> None:
        """Turns an `unborn` folder into the run. `facts` must name its `kind`; `format` and checksums are added."""
        self.facts = {**facts, "format": FORMAT}
        self.write_facts(checksums=self._digests())
        if os.name == "nt":  # Windows does not rename a folder in which a file is open
            self.release()
        rename(self.path, self._place.resolve(), self._place)
        self.path = self._lock.folder = self._place
        self.lock()

    @classmethod
    def open(cls, path: str | Path, kinds: tuple[str, ...] | None = KINDS) -> RunFolder:
        """Opens a run folder, to read it or, after `lock`, to train.

        Raises RunError where there is none, run.json is damaged, its format is newer, or the run is not of one of
        these `kinds` (None: any).
        """
        path = Path(path)
        try:
            is_folder, exists = path.is_dir(), path.exists()
            if is_folder:
                check_files(path)
            has_facts = is_folder and check_plain_file(path / "run.json")
        except OSError as error:
            raise RunError(f"{path} cannot be read: {error.strerror}. {LISTED}") from error
        if not is_folder:
            what = "is a file" if exists else "does not exist"
            raise RunError(f"{path} {what}; a run is a folder made by `unroll train`. {LISTED}")
        if not has_facts:
            if is_run(path):
                raise RunError(f"{path} is a damaged run: its run.json is missing. {CURE}")
            if held := runs_held(path):
                raise RunError(f"{path} is not a run: name one in it. {held}")
            raise RunError(f"{path} is not a run: it has no run.json. Name a folder made by `unroll train`. {LISTED}")
        return cls(path, read_facts(path, kinds))

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
            self.facts = read_facts(self.path, None)
            if self._is_older:
                self._upgrade()

    def release(self) -> None:
        """Lets another process train the run."""
        self._lock.release()

    def in_training(self) -> bool:
        """Whether some process, this one too, holds the lock now."""
        return self._lock.held()

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

    def append_plan(self, step: int, plan: Mapping[str, Any]) -> None:
        """Records the plan that holds from `step` on, synced to disk: call it before the plan is used."""
        append_line(self.path / "plan.jsonl", _sealed_line({"step": step, **plan}), sync=True)

    def read_plans(self) -> list[dict[str, Any]]:
        """All recorded plans. Raises RunError where a checksum does not match."""
        path = self.path / "plan.jsonl"
        plans = []
        for number, line in enumerate(read_json_lines(path), start=1):
            source = f"{path}, line {number},"
            plan = without_checksum(line, source, must=self.has_checksums)
            plans.append(check(upgraded_plan(plan) if self._is_older else plan, PlanFacts, source))
        return plans

    def append_report(self, step: int, report: Mapping[str, Any]) -> None:
        """Adds a line to log.jsonl, with a checksum; floats that are not finite become null."""
        append_line(self.path / "log.jsonl", _sealed_line({"step": step, **report}), mode=PRIVATE)  # it holds samples

    def read_reports(self) -> list[dict[str, Any]]:
        """The lines of log.jsonl. Raises RunError where one is damaged; older ones have no checksums."""
        path = self.path / "log.jsonl"
        lines, reports = read_json_lines(path), []
        must = any(CHECKSUM in line for line in lines)
        for number, line in enumerate(lines, start=1):
            source = f"{path}, line {number},"
            report = without_checksum(line, source, must)
            reports.append(check(upgraded_report(report) if self._is_older else report, ReportFacts, source))
        return reports

    def seconds_used(self) -> float:
        """Seconds that the run had used at its last report; 0 without a report. Raises RunError."""
        reports = self.read_reports()
        if reports and "seconds" not in reports[-1]:
            raise RunError(f"{self.path}/log.jsonl is damaged: its last line has no 'seconds'. {CURE}")
        return float(reports[-1]["seconds"]) if reports else 0.0

    def append_sample(self, step: int, text: str) -> None:
        """Adds the sample at `step` to samples.txt, under a heading, each line indented."""
        lines = "".join(f"\n    {line}" for line in text.split("\n"))
        append_line(self.path / "samples.txt", f"{SAMPLE_HEADING}{step}{lines}\n", mode=PRIVATE)

    def read_samples(self) -> list[tuple[int, str]]:
        """(step, text) of every complete sample."""
        return [(step, text) for step, text, _ in self._samples()]

    def write_vocabulary(self, table: Any) -> None:
        """Writes vocabulary.json atomically."""
        write_json(self.path / VOCABULARY, table)

    def read_vocabulary(self) -> Any:
        """The contents of vocabulary.json. Raises RunError where it is missing, damaged or was changed."""
        name = OLD_VOCABULARY if self._is_older else VOCABULARY
        self.check_file(name)
        found = read_json(self.path / name)
        return upgraded_vocabulary(found) if self._is_older else found

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
        self.read_plans()
        self.read_reports()
        self._check_samples()
        for name in FIXED:
            if name in self.facts.get("checksums", {}):
                self.check_file(name)
        for name in baselines:
            try:
                self.read_baseline(name)
            except RunError as error:
                raise RunError(f"{error} {CURE}") from None

    def _digests(self, names: Sequence[str] = FIXED) -> dict[str, str]:
        """The checksums of these files, as far as they exist."""
        try:
            return {name: own_digest(self.path / name) for name in names if check_plain_file(self.path / name)}
        except OSError as error:
            raise RunError(f"{self.path} cannot be read: {error.strerror}. Check its permissions.") from error

    @property
    def _is_older(self) -> bool:
        """Whether the files are of an older format, and are converted when they are read."""
        return bool(self.facts.get("format", FORMAT) < FORMAT)

    def _upgrade(self) -> None:
        """Converts the files of an older run, run.json last: a kill before that leaves a run of the older format,
        which is converted again."""
        from unrolled.training.checkpoint import rewrite_checkpoints, save_tensors

        for path in (self.model, *map(self.baseline_file, UNTRAINED)):
            if check_plain_file(path):
                save_tensors(path, *self._load(path))
        rewrite_checkpoints(self.checkpoints, upgraded_tensors, upgraded_model_facts)
        self.write_vocabulary(self.read_vocabulary())
        for name, lines in (("plan.jsonl", self.read_plans()), ("log.jsonl", self.read_reports())):
            self._rewrite(name, "".join(_sealed_line(line) + "\n" for line in lines))
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
        if self._is_older:
            tensors, facts = upgraded_tensors(tensors), upgraded_model_facts(facts)
        if like is not None:
            check_tensors(tensors, like, str(path))
        return tensors, facts

    def read_reach(self, weights: str) -> Reach | None:
        """The reach measured for these weights; None where it was not measured, or reach.json is damaged."""
        from unrolled.metrics.reach import Reach

        path = self.path / "reach.json"
        with contextlib.suppress(RunError):
            known = check(read_json(path), dict[str, Any], str(path)) if check_plain_file(path) else {}
            if without_checksum(known, str(path), must=True).get("weights") == weights:
                return Reach.from_json(known.get("reach"), str(path))
        return None

    def write_reach(self, weights: str, reach: Reach) -> None:
        """Stores the reach measured for these weights."""
        write_json(self.path / "reach.json", with_checksum({"weights": weights, "reach": reach.as_dict()}))

    def cut(self, step: int, plans: bool = True) -> None:
        """Removes reports, samples and plans after `step`, and lines cut off by a kill, before a run is resumed.

        So a checkpoint must be saved after the reports, samples and plans of its step are written. `plans` is False
        where recorded plans are followed: then all of them stay. Plans of step 0 always stay.
        """
        last = max(step, 0) if plans else math.inf
        kept = [_sealed_line(line) for line in self.read_plans() if line.get("step", 0) <= last]
        kept_reports = [_sealed_line(line) for line in self.read_reports() if line.get("step", 0) <= step]
        for name, lines in (("plan.jsonl", kept), ("log.jsonl", kept_reports)):
            self._rewrite(name, "".join(line + "\n" for line in lines))
        self._rewrite("samples.txt", "".join(written for at, _, written in self._samples() if at <= step))

    def _rewrite(self, name: str, text: str) -> None:
        path = self.path / name
        data = text.encode()
        if check_plain_file(path) and read_plain(path) != data:
            write_atomically(path, data, PUBLIC if name == "plan.jsonl" else PRIVATE)

    def _check_samples(self) -> None:
        """Raises RunError where samples.txt is not in the format of `append_sample`: resuming rewrites it."""
        path = self.path / "samples.txt"
        cure = "It only holds samples: move it away, and resume."
        data = read_plain(path) if check_plain_file(path) else b""
        try:
            blocks = data.decode().split("\n\n")[:-1]
        except UnicodeDecodeError as error:
            raise RunError(f"{path} is damaged: it is not UTF-8 at byte {error.start}. {cure}") from None
        for number, block in enumerate(blocks, start=1):
            heading, *lines = block.split("\n")
            step = heading.removeprefix(SAMPLE_HEADING)
            if step == heading or not step.isdecimal() or not all(line.startswith("    ") for line in lines):
                raise RunError(f"{path} is damaged: sample {number:,} has a wrong heading or indentation. {cure}")

    def _samples(self) -> Iterator[tuple[int, str, str]]:
        """(step, text, text in the file) of every complete sample: an empty line ends each."""
        path = self.path / "samples.txt"
        written = read_plain(path).decode(errors="replace") if check_plain_file(path) else ""
        for block in written.split("\n\n")[:-1]:
            heading, *lines = block.split("\n")
            step = heading.removeprefix(SAMPLE_HEADING)
            if step.isdecimal():
                yield int(step), "\n".join(line[4:] for line in lines), block + "\n\n"


def _sealed_line(facts: Mapping[str, Any]) -> str:
    return to_json(with_checksum(facts))
