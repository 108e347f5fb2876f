"""A comparison: cell after cell is trained and measured, and what is known is kept in its folder."""

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
from unrolled.compare.cells import COUNTED, Cell, cells_of, train_settings
from unrolled.compare.diagnosing import diagnose
from unrolled.compare.forecast import Forecast
from unrolled.compare.measuring import finished, last_report, load_model, measure, summary, validation_symbols
from unrolled.compare.page import write_page
from unrolled.compare.sizes import fit_size
from unrolled.compare.streaming import TIMED, TURNS, time_streams
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
from unrolled.tasks.language_modeling.task import Language, task_of
from unrolled.tasks.resolve import look, resolve

FORMAT = 1
OTHER = "Give another folder: --out OTHER"
LINE_OUT = f"Take that line out, and what it says is trained again. {OTHER}"
MINUTES, TASK_MINUTES = 2.0, 0.5  # for each training, where no budget was asked for
DONE, FAILED, WRONG_INPUT, STOPPED = 0, 1, 2, 130  # how the process of a training ends
OF_TEXTS = ("documents", "no_header", "kind", "symbols")  # options that say how a text is read
OF_TRAINING = ("minutes", "steps", "size", "depth", "no_header", "symbols", "seed", "threads", "device")
PAUSE = 0.5  # seconds between looks at a training
CHILD = [sys.executable, "-I" if sys.flags.isolated else "-P", "-m", "unrolled.compare.child"]
"""How a training is started: -P, so that a file torch.py in the working folder is no module."""


def find_folder(data: str, settings: CompareSettings, under: str | Path = "compare") -> Path:
    """The folder of a comparison: the one asked for, that of the same comparison before, or a new one."""
    if settings.out:
        return Path(settings.out)
    name = data if data in TASKS else folder_name(Path(data).resolve().stem) or "data"
    for number in range(1, 10_000):
        path = Path(under) / (name if number == 1 else f"{name}-{number}")
        facts = path / COMPARISON
        if not path.exists() or (facts.exists() and recorded(facts) == asked_for(data, settings)):
            return path
    raise OptionError(f"{under}/{name} and 9,999 more are taken; give --out.")


def asked_for(data: str, settings: CompareSettings) -> dict[str, Any]:
    """What tells one comparison from another, as compare.json has it."""
    path = data if data in TASKS else str(Path(data).resolve())
    return {"format": FORMAT, "data": path, "asked": replace(settings, out=None).to_json()}


def recorded(path: Path) -> dict[str, Any]:
    """What a compare.json says was asked; an older one lacks the options that came later."""
    facts = fileio.read_json(path, OTHER)
    if not isinstance(facts, dict) or not isinstance(facts.get("asked"), dict):
        raise RunError(f"{path} is damaged: it does not say what was asked. {OTHER}")
    return facts | {"asked": CompareSettings().to_json() | facts["asked"]}


class Comparison:
    """Trains and measures what is not yet known while it is iterated over; yields a line on what goes on.

    `data` is a text's path or a diagnostic task's name. What was finished before, in the same folder, is kept: a
    training that was cut short goes on from its checkpoint. Raises InputError for what cannot be compared, before
    anything is trained; TrainingError where every cell fails.
    """

    def __init__(self, data: str | Path, settings: CompareSettings | None = None) -> None:
        data, settings = as_path(data), CompareSettings.from_call(settings, {})
        settings.check()
        self.data, self.task = data, data in TASKS
        if self.data == "-":
            raise OptionError("A comparison reads its text many times: give a file or a folder, not standard input.")
        if self.task:
            refuse_of_texts(self.data, settings)
        elif settings.lag is not None:
            known = ", ".join(TASKS)
            raise OptionError(f"--lag is of diagnostic tasks ({known}); '{data}' is none.{nearest(self.data, TASKS)}")
        self.asked, self.path = asked_for(self.data, settings), find_folder(self.data, settings)
        if settings.minutes is None and settings.steps is None:
            settings = replace(settings, minutes=TASK_MINUTES if self.task else MINUTES)
        self.settings, self.cells = settings, cells_of(settings, self.task)
        self.sizes: dict[str, tuple[int, int]] = {}
        corpus: Corpus | None = None
        self.description = f"The task {self.data}: {first_line(TASKS[self.data][0])}" if self.task else ""
        if not self.task:
            corpus = self._corpus()
            self.description = corpus.description
            if settings.parameters is not None:
                learnt = dict.fromkeys(cell.model for cell in self.cells if cell.gradient != COUNTED)
                task = task_of(corpus)
                self.sizes = {model: fit_size(model, settings.parameters, settings.depth, task) for model in learnt}
        elif settings.parameters is not None:
            raise OptionError("On a task all models are --size wide; --parameters is for a text. Leave it out.")
        self._make_folder()
        self.results: dict[Cell, dict[str, Any]] = self._known()
        self._forecast = Forecast(self.settings, self.sizes, self.data if corpus is None else corpus)

    def _corpus(self) -> Corpus:
        settings = self.settings
        if not Path(self.data).exists():
            raise DataError(
                f"There is no file or folder '{self.data}', nor a task of that name.{nearest(self.data, TASKS)}\n"
                f"Give a text, or one of the tasks {', '.join(TASKS)}."
            )
        options = TrainOptions(
            documents=settings.documents, no_header=settings.no_header, kind=settings.kind, symbols=settings.symbols,
            seed=settings.seed,
        )  # fmt: skip
        task = resolve(self.data, options) if look(self.data, options).text else None
        if not isinstance(task, Language):
            raise no_text(self.data, CompareSettings(**self.asked["asked"]), settings.out)
        return task.corpus

    def _make_folder(self) -> None:
        facts = self.path / COMPARISON
        check_parents(self.path)
        check_no_link(self.path, "--out")
        if facts.exists():
            if recorded(facts) != self.asked:
                raise RunError(
                    f"{self.path} is another comparison's folder: other data, models or options.\n"
                    f"Say what was said then to go on with it. {OTHER}"
                )
        elif self.path.exists() and any(self.path.iterdir()):
            raise RunError(f"{self.path} is there and is no comparison's folder. {OTHER}")
        else:
            self.path.mkdir(parents=True, exist_ok=True)
            fileio.write_json(facts, self.asked)

    def _known(self) -> dict[Cell, dict[str, Any]]:
        path = self.path / "results.jsonl"
        if not path.exists():
            return {}
        fileio.mend_lines(path)
        known: dict[Cell, dict[str, Any]] = {}
        for number, line in enumerate(fileio.read_json_lines(path, LINE_OUT), start=1):
            try:
                cell, result = Cell(**line["cell"]), dict(line["result"])
            except (KeyError, TypeError, ValueError):
                raise RunError(f"{path}, line {number}, is damaged: no result of a training. {LINE_OUT}") from None
            known[cell] = result
        return {cell: result for cell, result in known.items() if "failed" not in result}  # else it is tried again

    @property
    def missing(self) -> list[Cell]:
        """The cells that have no result yet."""
        return [cell for cell in self.cells if cell not in self.results]

    def __iter__(self) -> Iterator[str]:
        for cell in self.missing:
            place = f"{self.cells.index(cell) + 1} of {len(self.cells)}: {cell_words(cell)}"
            yield place + self._forecast.left(self.missing)
            started = time.monotonic()
            try:
                for words in self._diagnose(cell) if self.task else self._train(cell):
                    yield f"{place}: {words}"
            except TrainingError as error:  # one that fails is a result, too
                self._keep(cell, {"failed": str(error)})
            self._forecast.took(cell, time.monotonic() - started)
        if all("failed" in result for result in self.results.values()):
            raise TrainingError(f"Every training failed; the first: {next(iter(self.results.values()))['failed']}")
        if not self.task and any("ms_a_symbol" not in result for result in self._good().values()):
            yield "timing all of them in turn, symbol by symbol"
            self._time()

    def _keep(self, cell: Cell, result: dict[str, Any]) -> None:
        line = fileio.to_json({"cell": cell.key, "result": result})
        self.results[cell] = json.loads(line)["result"]  # as it is known the next time: no figure is null, not nan
        fileio.append_line(self.path / "results.jsonl", line, sync=True)

    def _good(self) -> dict[Cell, dict[str, Any]]:
        return {cell: result for cell, result in self.results.items() if "failed" not in result}

    # Diagnostic tasks

    def _diagnose(self, cell: Cell) -> Iterator[str]:
        known: dict[str, Any] = {}
        for known in diagnose(self.data, cell, self.settings):
            yield f"step {known['step']:,} of {known['steps']:,}, {known['accuracy']:.1%} right"
        self._keep(cell, known)

    # Texts

    def _run(self, cell: Cell) -> Path:
        return self.path / "runs" / cell.name

    def _train(self, cell: Cell) -> Iterator[str]:
        """Trains one cell in a process of its own, then measures what it became."""
        path, peak = self._run(cell), None
        if not finished(path):
            settings = replace(train_settings(self.settings, cell, self.sizes), out=str(path))
            with ExitStack() as stack:
                asked, answer, errors = (
                    stack.enter_context(fileio.nameless_file("what a training says")) for _ in range(3)
                )
                facts = {"data": self.data, "settings": settings.to_json(), "parent": os.getpid()}
                asked.write(json.dumps(facts).encode())
                asked.seek(0)
                child = subprocess.Popen(CHILD, stdin=asked, stdout=answer, stderr=errors)
                try:
                    while child.poll() is None:
                        try:
                            child.wait(PAUSE)
                        except subprocess.TimeoutExpired:
                            yield last_report(path)
                finally:
                    if child.poll() is None:  # we were asked to end: so is it, tidily
                        child.terminate()
                        child.wait()
                errors.seek(0)
                answer.seek(0)
                check_ending(child.returncode, errors.read().decode(errors="replace").strip().splitlines())
                peak = json.loads(answer.read())["peak_bytes"]
        yield "measuring"
        self._keep(cell, measure(path) | {"peak_bytes": peak})

    def _time(self) -> None:
        """Times the streams of all models, those of the first seed, in turn."""
        cells = [cell for cell in self._good() if cell.seed == self.settings.seed]
        models = [load_model(self._run(cell)).model for cell in cells]
        symbols = torch.zeros((TURNS + 1) * TIMED, dtype=torch.long)
        if cells:
            symbols = torch.from_numpy(
                np.resize(validation_symbols(load_model(self._run(cells[0]))), len(symbols)).astype(np.int64)
            )
        times = dict(zip(cells, time_streams(models, symbols), strict=True))
        for cell, result in self._good().items():
            first = replace(cell, seed=self.settings.seed)
            self._keep(cell, result | {"ms_a_symbol": times.get(first)})

    # What came out

    @property
    def command(self) -> str:
        """What to type to be answered the same."""
        asked = CompareSettings(**self.asked["asked"])
        out = ["--out", Path(self.settings.out)] if self.settings.out else []
        return command("compare", self.data, *asked.options(), *out)

    @property
    def plan_line(self) -> str:
        """What is about to be trained, and for how long, in a line."""
        count, known = len(self.cells), len(self.cells) - len(self.missing)
        before = f"; {known} of them known from before" if known else ""
        return f"{count} trainings{before}{self._forecast.in_all(self.missing)}, kept in {self.path}"

    def table(self) -> list[list[str]]:
        """The head of a table, then a line a row, the best first (on a task, by model and lag)."""
        rows = self.rows()
        names = TASK_COLUMNS if self.task else COLUMNS
        if not self.task:
            rows.sort(key=lambda row: row.get("nats", math.inf))
        return [list(names), *([line[name] for name in names] for line in map(row_line, rows))]

    def sentences(self) -> list[str]:
        """What the figures allow to say, and what not."""
        return sentences(self.rows())

    def write_page(self, command: str) -> Path | None:
        """Writes `page.html` beside `table.json`; None where there is nothing to draw with."""
        rows, path = self.rows(), self.path / "page.html"
        fileio.write_json(self.path / "table.json", {"rows": rows, "sentences": self.sentences()})
        try:
            html = write_page(f"Compared on {Path(self.data).name}", self.description, command, rows)
        except MissingExtra:
            return None
        fileio.write_whole(path, html.encode())
        return path

    def rows(self) -> list[dict[str, Any]]:
        """A row for each model and gradient (and lag): means over its seeds, spread, and what failed."""
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


def refuse_of_texts(task: str, settings: CompareSettings) -> None:
    """Raises OptionError for an option that says how a text is read, where a task is compared on."""
    for name in OF_TEXTS:
        if getattr(settings, name) != getattr(CompareSettings(), name):
            raise OptionError(f"{option_name(name)} is of texts, and {task} is a task. Leave it out.")


def no_text(data: str, asked: CompareSettings, out: str | None) -> DataError:
    """What to say of data that a training would learn labels or numbers of. asked: as typed, but for the folder."""
    what = "a folder of labelled files" if Path(data).is_dir() else "a table"
    shared = TrainOptions(**{name: getattr(asked, name) for name in OF_TRAINING})
    told = [
        f"{data} is {what}, and models are compared on a text or a task.",
        f"To see a net beside the linear model on it: {command('train', data, *shared.options())}",
    ]
    with suppress(DataError):  # where no text is in it
        read_documents(data)
        words = [*replace(asked, kind=Language.kind).options(), *(["--out", Path(out)] if out else [])]
        told.append(f"To compare on all of it, as one text: {command('compare', data, *words)}")
    return DataError("\n".join(told))


def check_ending(code: int, words: Sequence[str]) -> None:
    """Raises what a training's process ended by: its exit code, and the lines it said."""
    if code == WRONG_INPUT:
        raise InputError("\n".join(words))
    if code == STOPPED:
        raise KeyboardInterrupt
    if code != DONE:
        raise TrainingError(words[-1] if words else f"its process ended with {code}")


def first_line(thing: Any) -> str:
    """A docstring's first line."""
    return (thing.__doc__ or "").splitlines()[0]


def cell_words(cell: Cell) -> str:
    """A cell in words."""
    lag = "" if cell.lag is None else f" at lag {cell.lag:,}"
    gradient = "" if cell.gradient in (COUNTED, "full") else f" by {cell.gradient}"
    return f"{cell.model}{gradient}{lag}, seed {cell.seed}"
