"""A comparison: trains and measures cell after cell, and saves the results in its folder."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unrolled import fileio
from unrolled.compare.cells import NO_BPTT, ComparisonCell, cells_of, train_settings
from unrolled.compare.corpus import compare_command, read_corpus_to_compare, refuse_text_options
from unrolled.compare.diagnosing import diagnose
from unrolled.compare.folder import RUNS, append_result, comparison_facts, find_folder, make_folder, read_results
from unrolled.compare.forecast import Forecast
from unrolled.compare.measuring import is_finished, load_model, mean_over_seeds, measure, validation_tokens
from unrolled.compare.page import write_page
from unrolled.compare.process import train_in_process
from unrolled.compare.sizes import fit_size
from unrolled.compare.streaming import TOKENS_PER_TURN, TURNS, time_streams
from unrolled.compare.summary import COLUMNS, TASK_COLUMNS, row_line, sentences
from unrolled.compare_options import CompareSettings
from unrolled.data import DIAGNOSTICS, Corpus
from unrolled.errors import MissingExtra, OptionError, TrainingError, nearest
from unrolled.given import as_path
from unrolled.tasks.language_modeling.task import size_of_text

MINUTES, TASK_MINUTES = 2.0, 0.5  # for each training, where no budget was given


class Comparison:
    """Iteration trains and measures the missing cells, and yields lines of progress.

    `data` is a text's path or a diagnostic task's name. Results already in the folder are kept, and an interrupted
    training is resumed from its checkpoint. Raises InputError for invalid data or options, before any training;
    TrainingError where every cell fails.
    """

    def __init__(self, data: str | Path, settings: CompareSettings | None = None) -> None:
        data, typed = as_path(data), CompareSettings.from_call(settings, {})
        typed.check()
        self.data, self.task = data, data in DIAGNOSTICS
        self._check_options(typed)
        self.command = compare_command(data, typed)
        """The command that makes the same comparison."""
        facts, self.path = comparison_facts(data, typed), find_folder(data, typed)
        budget = None if typed.steps is not None else typed.minutes or (TASK_MINUTES if self.task else MINUTES)
        self.settings = replace(typed, minutes=budget)
        self.cells = cells_of(self.settings, self.task)
        self.sizes: dict[str, tuple[int, int]] = {}
        corpus: Corpus | None = None
        if self.task:
            self.description = f"Task {data}: {first_line(DIAGNOSTICS[data][0])}"
        else:
            corpus = read_corpus_to_compare(data, typed)
            self.description = corpus.description
            self.sizes = self._fit_sizes(corpus)
        make_folder(self.path, facts)
        self.results = read_results(self.path)
        self._forecast = Forecast(self.settings, self.sizes, data if corpus is None else corpus)

    def _check_options(self, settings: CompareSettings) -> None:
        """Raises OptionError for an option that does not apply to these data."""
        if self.data == "-":
            raise OptionError(
                "A comparison reads its text more than once. Give a file or a folder, not standard input."
            )
        if not self.task and settings.lag is not None:
            known = ", ".join(DIAGNOSTICS)
            raise OptionError(
                f"--lag applies to diagnostic tasks ({known}); '{self.data}' is not one."
                f"{nearest(self.data, DIAGNOSTICS)}"
            )
        if self.task:
            refuse_text_options(self.data, settings)
            if settings.parameters is not None:
                raise OptionError(
                    "On a task, all models have the width --hidden-size; --parameters is for a text. Leave it out."
                )

    def _fit_sizes(self, corpus: Corpus) -> dict[str, tuple[int, int]]:
        """The width and number of layers of each trained model for --parameters; empty without it."""
        if self.settings.parameters is None:
            return {}
        size, layers = size_of_text(corpus), self.settings.layers
        trained = dict.fromkeys(cell.model for cell in self.cells if cell.bptt != NO_BPTT)
        return {model: fit_size(model, self.settings.parameters, layers, size) for model in trained}

    @property
    def missing(self) -> list[ComparisonCell]:
        """The cells that have no result yet."""
        return [cell for cell in self.cells if cell not in self.results]

    def __iter__(self) -> Iterator[str]:
        for cell in self.missing:
            name = f"{self.cells.index(cell) + 1} of {len(self.cells)}: {cell_text(cell)}"
            yield name + self._forecast.remaining(self.missing)
            started = time.monotonic()
            try:
                for progress in self._diagnose(cell) if self.task else self._train(cell):
                    yield f"{name}: {progress}"
            except TrainingError as error:  # a failure is a result, too
                self._store(cell, {"failed": str(error)})
            self._forecast.record(cell, time.monotonic() - started)
        if not self._trained():
            first = next(iter(self.results.values()))["failed"]
            raise TrainingError(f"Every training failed. The first failure: {first}")
        if not self.task and any("ms_per_token" not in result for result in self._trained().values()):
            yield "timing all models in turn, token by token"
            self._time()

    def _store(self, cell: ComparisonCell, result: dict[str, Any]) -> None:
        self.results[cell] = append_result(self.path, cell, result)

    def _trained(self) -> dict[ComparisonCell, dict[str, Any]]:
        return {cell: result for cell, result in self.results.items() if "failed" not in result}

    # Diagnostic tasks

    def _diagnose(self, cell: ComparisonCell) -> Iterator[str]:
        result: dict[str, Any] = {}
        for result in diagnose(self.data, cell, self.settings):
            yield f"step {result['step']:,} of {result['steps']:,}, accuracy {result['accuracy']:.1%}"
        self._store(cell, result)

    # Texts

    def _run(self, cell: ComparisonCell) -> Path:
        return self.path / RUNS / cell.name

    def _train(self, cell: ComparisonCell) -> Iterator[str]:
        """Trains one cell in its own process, then measures the result."""
        path, peak = self._run(cell), None
        if not is_finished(path):
            options = replace(train_settings(self.settings, cell, self.sizes), out=str(path))
            peak = yield from train_in_process(self.data, options, path)
        yield "measuring"
        self._store(cell, measure(path) | {"peak_bytes": peak})

    def _time(self) -> None:
        """Times the streams of all models, those of the first seed, in turn."""
        cells = [cell for cell in self._trained() if cell.seed == self.settings.seed]
        runs = [load_model(self._run(cell)) for cell in cells]
        times: dict[ComparisonCell, float] = {}
        if runs:
            tokens = np.resize(validation_tokens(runs[0]), (TURNS + 1) * TOKENS_PER_TURN).astype(np.int64)
            milliseconds = time_streams([run.model for run in runs], torch.from_numpy(tokens))
            times = dict(zip(cells, milliseconds, strict=True))
        for cell, result in self._trained().items():
            first = replace(cell, seed=self.settings.seed)
            self._store(cell, result | {"ms_per_token": times.get(first)})

    # Results

    @property
    def plan_line(self) -> str:
        """One line: the number of trainings, their estimated time and the folder."""
        count = len(self.cells)
        trainings = "1 training" if count == 1 else f"{count:,} trainings"
        done = count - len(self.missing)
        before = f"; {done} of them finished before" if done else ""
        return f"{trainings}{before}{self._forecast.in_all(self.missing)}, saved to {self.path}"

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
        """One row per model and BPTT strategy (and lag): means over its seeds, spread, and failures."""
        groups: dict[tuple[str, str, int | None], list[dict[str, Any]]] = {}
        for cell in self.cells:
            if cell in self.results:
                group = groups.setdefault((cell.model, cell.bptt, cell.lag), [])
                group.append(self.results[cell] | {"seed": cell.seed})
        return [
            {"model": model, "bptt": bptt} | ({} if lag is None else {"lag": lag}) | mean_over_seeds(results)
            for (model, bptt, lag), results in groups.items()
        ]


def first_line(thing: Any) -> str:
    """A docstring's first line."""
    return (thing.__doc__ or "").splitlines()[0]


def cell_text(cell: ComparisonCell) -> str:
    """A cell as text."""
    lag = "" if cell.lag is None else f" at lag {cell.lag:,}"
    bptt = "" if cell.bptt in (NO_BPTT, "full") else f" by {cell.bptt}"
    return f"{cell.model}{bptt}{lag}, seed {cell.seed}"
