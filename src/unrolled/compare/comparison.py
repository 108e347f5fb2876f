"""A comparison: trains and measures cell after cell, and saves the results in its folder."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unrolled import fileio
from unrolled.compare.cells import NO_GRADIENT, Cell, cells_of, train_settings
from unrolled.compare.diagnosing import diagnose
from unrolled.compare.forecast import Forecast
from unrolled.compare.measuring import finished, last_report, load_model, measure, summary, validation_tokens
from unrolled.compare.page import write_page
from unrolled.compare.sizes import fit_size
from unrolled.compare.streaming import TOKENS_PER_TURN, TURNS, time_streams
from unrolled.compare.words import COLUMNS, TASK_COLUMNS, row_line, sentences
from unrolled.compare_options import CompareSettings
from unrolled.data import TASKS, Corpus, read_documents
from unrolled.errors import (
    DataError,
    InputError,
    MissingExtra,
    OptionError,
    RunError,
    TrainingError,
    command,
    nearest,
)
from unrolled.escaping import folder_name
from unrolled.given import as_path
from unrolled.opening import check_no_link, check_parents
from unrolled.options import TrainOptions
from unrolled.rundir.own_files import COMPARISON
from unrolled.settings import option_name
from unrolled.tasks.language_modeling.task import LanguageModeling, size_of_text
from unrolled.tasks.resolve import inspect_path, resolve

FORMAT = 1
OTHER = "Give another folder: --out OTHER"
LINE_CURE = f"Take that line out; its cell is trained again. {OTHER}"
MINUTES, TASK_MINUTES = 2.0, 0.5  # for each training, where no budget was requested
DONE, FAILED, WRONG_INPUT, STOPPED = 0, 1, 2, 130  # exit codes of the process of a training
TEXT_OPTIONS = ("documents", "no_header", "task", "tokenizer")  # options for reading a text
TRAINING_OPTIONS = (
    "minutes",
    "steps",
    "hidden_size",
    "layers",
    "no_header",
    "tokenizer",
    "seed",
    "threads",
    "device",
)
PAUSE = 0.5  # seconds between polls of a training
CHILD = [sys.executable, "-I" if sys.flags.isolated else "-P", "-m", "unrolled.compare.child"]
"""The command of a training's process: with -P, a file torch.py in the working folder is not imported."""


def find_folder(data: str, settings: CompareSettings, under: str | Path = "compare") -> Path:
    """The folder of a comparison: the requested one, that of an earlier run of the same comparison, or a new one."""
    if settings.out:
        return Path(settings.out)
    name = data if data in TASKS else folder_name(Path(data).resolve().stem) or "data"
    for number in range(1, 10_000):
        path = Path(under) / (name if number == 1 else f"{name}-{number}")
        facts = path / COMPARISON
        if not path.exists() or (facts.exists() and read_comparison_facts(facts) == comparison_facts(data, settings)):
            return path
    raise OptionError(f"{under}/{name} and 9,999 more folders exist. Give a folder with --out.")


def comparison_facts(data: str, settings: CompareSettings) -> dict[str, Any]:
    """The facts that identify a comparison, as in compare.json."""
    path = data if data in TASKS else str(Path(data).resolve())
    return {"format": FORMAT, "data": path, "options": replace(settings, out=None).to_json()}


def read_comparison_facts(path: Path) -> dict[str, Any]:
    """The facts in a compare.json; options that an older one lacks get their defaults."""
    facts = fileio.read_json(path, OTHER)
    if not isinstance(facts, dict) or not isinstance(facts.get("options"), dict):
        raise RunError(f"{path} is damaged: it has no options. {OTHER}")
    return facts | {"options": CompareSettings().to_json() | facts["options"]}


class Comparison:
    """Iteration trains and measures the missing cells, and yields lines of progress.

    `data` is a text's path or a diagnostic task's name. Results already in the folder are kept, and an interrupted
    training is resumed from its checkpoint. Raises InputError for invalid data or options, before any training;
    TrainingError where every cell fails.
    """

    def __init__(self, data: str | Path, settings: CompareSettings | None = None) -> None:
        data, settings = as_path(data), CompareSettings.from_call(settings, {})
        settings.check()
        self.data, self.task = data, data in TASKS
        if self.data == "-":
            raise OptionError(
                "A comparison reads its text more than once. Give a file or a folder, not standard input."
            )
        if self.task:
            refuse_text_options(self.data, settings)
        elif settings.lag is not None:
            known = ", ".join(TASKS)
            raise OptionError(
                f"--lag applies to diagnostic tasks ({known}); '{data}' is not one.{nearest(self.data, TASKS)}"
            )
        self.requested, self.path = comparison_facts(self.data, settings), find_folder(self.data, settings)
        if settings.minutes is None and settings.steps is None:
            settings = replace(settings, minutes=TASK_MINUTES if self.task else MINUTES)
        self.settings, self.cells = settings, cells_of(settings, self.task)
        self.sizes: dict[str, tuple[int, int]] = {}
        corpus: Corpus | None = None
        self.description = f"Task {self.data}: {first_line(TASKS[self.data][0])}" if self.task else ""
        if not self.task:
            corpus = self._corpus()
            self.description = corpus.description
            if settings.parameters is not None:
                learnt = dict.fromkeys(cell.model for cell in self.cells if cell.gradient != NO_GRADIENT)
                task = size_of_text(corpus)
                self.sizes = {model: fit_size(model, settings.parameters, settings.layers, task) for model in learnt}
        elif settings.parameters is not None:
            raise OptionError(
                "On a task, all models have the width --hidden-size; --parameters is for a text. Leave it out."
            )
        self._make_folder()
        self.results: dict[Cell, dict[str, Any]] = self._known()
        self._forecast = Forecast(self.settings, self.sizes, self.data if corpus is None else corpus)

    def _corpus(self) -> Corpus:
        settings = self.settings
        if not Path(self.data).exists():
            raise DataError(
                f"There is no file, folder or task '{self.data}'.{nearest(self.data, TASKS)}\n"
                f"Give a text, or one of the tasks {', '.join(TASKS)}."
            )
        options = TrainOptions(
            documents=settings.documents, no_header=settings.no_header, task=settings.task,
            tokenizer=settings.tokenizer,
            seed=settings.seed,
        )  # fmt: skip
        task = resolve(self.data, options) if inspect_path(self.data, options).text else None
        if not isinstance(task, LanguageModeling):
            raise no_text_error(self.data, CompareSettings(**self.requested["options"]), settings.out)
        return task.corpus

    def _make_folder(self) -> None:
        facts = self.path / COMPARISON
        check_parents(self.path)
        check_no_link(self.path, "--out")
        if facts.exists():
            if read_comparison_facts(facts) != self.requested:
                raise RunError(
                    f"{self.path} is another comparison's folder: its data, models or options differ.\n"
                    f"To resume it, give the same data and options as before. {OTHER}"
                )
        elif self.path.exists() and any(self.path.iterdir()):
            raise RunError(f"{self.path} exists and is not the folder of a comparison. {OTHER}")
        else:
            self.path.mkdir(parents=True, exist_ok=True)
            fileio.write_json(facts, self.requested)

    def _known(self) -> dict[Cell, dict[str, Any]]:
        path = self.path / "results.jsonl"
        if not path.exists():
            return {}
        fileio.cut_incomplete_line(path)
        known: dict[Cell, dict[str, Any]] = {}
        for number, line in enumerate(fileio.read_json_lines(path, LINE_CURE), start=1):
            try:
                cell, result = Cell(**line["cell"]), dict(line["result"])
            except (KeyError, TypeError, ValueError):
                raise RunError(
                    f"{path}, line {number}, is damaged: not the result of a training. {LINE_CURE}"
                ) from None
            known[cell] = result
        return {
            cell: result for cell, result in known.items() if "failed" not in result
        }  # failed cells are tried again

    @property
    def missing(self) -> list[Cell]:
        """The cells that have no result yet."""
        return [cell for cell in self.cells if cell not in self.results]

    def __iter__(self) -> Iterator[str]:
        for cell in self.missing:
            place = f"{self.cells.index(cell) + 1} of {len(self.cells)}: {cell_text(cell)}"
            yield place + self._forecast.remaining(self.missing)
            started = time.monotonic()
            try:
                for progress in self._diagnose(cell) if self.task else self._train(cell):
                    yield f"{place}: {progress}"
            except TrainingError as error:  # a failure is a result, too
                self._keep(cell, {"failed": str(error)})
            self._forecast.record(cell, time.monotonic() - started)
        if all("failed" in result for result in self.results.values()):
            raise TrainingError(
                f"Every training failed. The first failure: {next(iter(self.results.values()))['failed']}"
            )
        if not self.task and any("ms_a_symbol" not in result for result in self._good().values()):
            yield "timing all models in turn, token by token"
            self._time()

    def _keep(self, cell: Cell, result: dict[str, Any]) -> None:
        line = fileio.to_json({"cell": cell.key, "result": result})
        self.results[cell] = json.loads(line)["result"]  # as read back later: nan is null
        fileio.append_line(self.path / "results.jsonl", line, sync=True)

    def _good(self) -> dict[Cell, dict[str, Any]]:
        return {cell: result for cell, result in self.results.items() if "failed" not in result}

    # Diagnostic tasks

    def _diagnose(self, cell: Cell) -> Iterator[str]:
        known: dict[str, Any] = {}
        for known in diagnose(self.data, cell, self.settings):
            yield f"step {known['step']:,} of {known['steps']:,}, accuracy {known['accuracy']:.1%}"
        self._keep(cell, known)

    # Texts

    def _run(self, cell: Cell) -> Path:
        return self.path / "runs" / cell.name

    def _train(self, cell: Cell) -> Iterator[str]:
        """Trains one cell in its own process, then measures the result."""
        path, peak = self._run(cell), None
        if not finished(path):
            settings = replace(train_settings(self.settings, cell, self.sizes), out=str(path))
            with ExitStack() as stack:
                request, result, errors = (
                    stack.enter_context(fileio.temporary_file("the output of a training")) for _ in range(3)
                )
                facts = {"data": self.data, "settings": settings.to_json(), "parent": os.getpid()}
                request.write(json.dumps(facts).encode())
                request.seek(0)
                child = subprocess.Popen(CHILD, stdin=request, stdout=result, stderr=errors)
                try:
                    while child.poll() is None:
                        try:
                            child.wait(PAUSE)
                        except subprocess.TimeoutExpired:
                            yield last_report(path)
                finally:
                    if child.poll() is None:  # a stop was requested: the child ends tidily
                        child.terminate()
                        child.wait()
                errors.seek(0)
                result.seek(0)
                check_ending(child.returncode, errors.read().decode(errors="replace").strip().splitlines())
                peak = json.loads(result.read())["peak_bytes"]
        yield "measuring"
        self._keep(cell, measure(path) | {"peak_bytes": peak})

    def _time(self) -> None:
        """Times the streams of all models, those of the first seed, in turn."""
        cells = [cell for cell in self._good() if cell.seed == self.settings.seed]
        models = [load_model(self._run(cell)).model for cell in cells]
        tokens = torch.zeros((TURNS + 1) * TOKENS_PER_TURN, dtype=torch.long)
        if cells:
            tokens = torch.from_numpy(
                np.resize(validation_tokens(load_model(self._run(cells[0]))), len(tokens)).astype(np.int64)
            )
        times = dict(zip(cells, time_streams(models, tokens), strict=True))
        for cell, result in self._good().items():
            first = replace(cell, seed=self.settings.seed)
            self._keep(cell, result | {"ms_a_symbol": times.get(first)})

    # Results

    @property
    def command(self) -> str:
        """The command that makes the same comparison."""
        options = CompareSettings(**self.requested["options"])
        out = ["--out", Path(self.settings.out)] if self.settings.out else []
        return command("compare", self.data, *options.options(), *out)

    @property
    def plan_line(self) -> str:
        """One line: the number of trainings, their estimated time and the folder."""
        count, known = len(self.cells), len(self.cells) - len(self.missing)
        before = f"; {known} of them finished before" if known else ""
        return f"{count} trainings{before}{self._forecast.in_all(self.missing)}, saved to {self.path}"

    def table(self) -> list[list[str]]:
        """The head of a table, then one line per row, the best first (on a task, by model and lag)."""
        rows = self.rows()
        names = TASK_COLUMNS if self.task else COLUMNS
        if not self.task:
            rows.sort(key=lambda row: row.get("nats", math.inf))
        return [list(names), *([line[name] for name in names] for line in map(row_line, rows))]

    def sentences(self) -> list[str]:
        """The conclusions from the figures."""
        return sentences(self.rows())

    def write_page(self, command: str) -> Path | None:
        """Writes `table.json` and `page.html`; None where matplotlib is missing."""
        rows, path = self.rows(), self.path / "page.html"
        fileio.write_json(self.path / "table.json", {"rows": rows, "sentences": self.sentences()})
        try:
            html = write_page(f"Compared on {Path(self.data).name}", self.description, command, rows)
        except MissingExtra:
            return None
        fileio.write_atomically(path, html.encode())
        return path

    def rows(self) -> list[dict[str, Any]]:
        """One row per model and gradient (and lag): means over its seeds, spread, and failures."""
        groups: dict[tuple[str, str, int | None], list[dict[str, Any]]] = {}
        for cell in self.cells:
            if cell in self.results:
                groups.setdefault((cell.model, cell.gradient, cell.lag), []).append(
                    self.results[cell] | {"seed": cell.seed}
                )
        return [
            {"model": model, "gradient": gradient} | ({} if lag is None else {"lag": lag}) | summary(results)
            for (model, gradient, lag), results in groups.items()
        ]


def refuse_text_options(task: str, settings: CompareSettings) -> None:
    """Raises OptionError for an option for reading a text, in a comparison on a task."""
    for name in TEXT_OPTIONS:
        if getattr(settings, name) != getattr(CompareSettings(), name):
            raise OptionError(f"{option_name(name)} applies to texts, and {task} is a task. Leave it out.")


def no_text_error(data: str, settings: CompareSettings, out: str | None) -> DataError:
    """The error for data from which a training predicts labels or numbers. settings: as typed, without the folder."""
    what = "a folder of labelled files" if Path(data).is_dir() else "a table"
    shared = TrainOptions(**{name: getattr(settings, name) for name in TRAINING_OPTIONS})
    lines = [
        f"{data} is {what}, and models are compared on a text or a task.",
        f"To compare a net with the linear model on it: {command('train', data, *shared.options())}",
    ]
    with suppress(DataError):  # it contains no text
        read_documents(data)
        words = [*replace(settings, task=LanguageModeling.kind).options(), *(["--out", Path(out)] if out else [])]
        lines.append(f"To compare models on all of it, as one text: {command('compare', data, *words)}")
    return DataError("\n".join(lines))


def check_ending(code: int, words: Sequence[str]) -> None:
    """Raises the error of a training's process. code: its exit code; words: the lines of its standard error."""
    if code == WRONG_INPUT:
        raise InputError("\n".join(words))
    if code == STOPPED:
        raise KeyboardInterrupt
    if code != DONE:
        raise TrainingError(words[-1] if words else f"its process ended with exit code {code}")


def first_line(thing: Any) -> str:
    """A docstring's first line."""
    return (thing.__doc__ or "").splitlines()[0]


def cell_text(cell: Cell) -> str:
    """A cell as text."""
    lag = "" if cell.lag is None else f" at lag {cell.lag:,}"
    gradient = "" if cell.gradient in (NO_GRADIENT, "full") else f" by {cell.gradient}"
    return f"{cell.model}{gradient}{lag}, seed {cell.seed}"
