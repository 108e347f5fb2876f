"""Cross-validation: one training per fold, each with another fold of the table as its test split."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from unrolled.errors import OptionError, RunError
from unrolled.figures import FORMATS
from unrolled.fileio import read_json, write_json
from unrolled.given import as_path
from unrolled.opening import check_no_link, check_parents
from unrolled.options import TrainOptions
from unrolled.run.training import Training
from unrolled.rundir.folder import RunFolder
from unrolled.rundir.formats import FORMAT, upgraded_folds
from unrolled.rundir.locations import unused_path
from unrolled.rundir.own_files import FOLDS
from unrolled.settings import option_name

OTHER = "Give another folder: --out OTHER"  # the advice where this one is damaged
FIGURES = ("accuracy", "macro_f1", "micro_f1", "mae", "rmse", "r2", "bleu", "chrf", "wer", "exact_match",
           "plain_bleu_4", "cider_d", "nats")  # fmt: skip
"""The metrics in the table, for the outputs that have them."""
OTHER_FORMATS = {"macro_f1": "macro-F1 {:.3f}", "rmse": "RMSE {:.4g}", "r2": "R² {:.3f}"}
"""Metrics that the summary shows next to the main one."""


class Folds:
    """The trainings of `--folds N` in a folder, fold-1 to fold-N. A finished fold is not trained again, and a stopped
    one is resumed. The budget is per fold. folds.json holds the options, and at the end the scores.
    Raises RunError for a folder whose folds have other options or data."""

    def __init__(self, data: str | Path, settings: TrainOptions, name: str) -> None:
        data = as_path(data)
        settings.check()
        if settings.plan or settings.init_from:
            raise OptionError("--folds trains each fold from scratch: leave out --plan and --init-from.")
        self.data, self.settings = data, settings
        self.path = Path(settings.out) if settings.out else unused_path(name)
        self.results: dict[int, dict[str, Any]] = {}
        path = str(data) if str(data) == "-" else str(Path(data).resolve())
        self.request = {"data": path, "options": dataclasses.replace(settings, out=None).to_json()}
        self._check_same()

    def _check_same(self) -> None:
        """Raises RunError where the folder is a link, or its folds have other data or options."""
        check_parents(self.path)
        check_no_link(self.path, "--out")
        if not (self.path / FOLDS).exists():
            return
        found = read_json(self.path / FOLDS, OTHER)
        known = upgraded_folds(found) if isinstance(found, dict) else None
        if not isinstance(known, dict) or not isinstance(known.get("options", {}), dict):
            raise RunError(f"{self.path / FOLDS} is damaged: its options are missing. {OTHER}")
        if isinstance(number := known.get("format"), int) and number > FORMAT:
            raise RunError(
                f"{self.path / FOLDS} was made by a newer unrolled: it has format {number}; this one reads "
                f"{FORMAT}.\nUse the newer one. {OTHER}"
            )
        before = {"data": known.get("data"), **known["options"]} if "options" in known else self._of_first_fold()
        now = {"data": self.request["data"], **self.settings.to_json(), "out": None}
        for name in (name for name, value in now.items() if name in before and before[name] != value):
            option = name if name == "data" else option_name(name)
            raise RunError(
                f"{self.path} has folds that were begun with {_as_typed(option, before[name])}; now it is "
                f"{_as_typed(option, now[name])}.\nGive the same again to go on with them. {OTHER}"
            )

    def _of_first_fold(self) -> dict[str, Any]:
        """The data and options of the first fold, for a folder whose folds.json has none: the first ones had not."""
        path = self.path / "fold-1"
        if not (path / "run.json").exists():
            return {}
        run = RunFolder.open(path)
        return {"data": run.facts["data"]["path"], **run.options.to_json(), "out": None, "fold": None}

    @property
    def count(self) -> int:
        """The number of folds."""
        return self.settings.folds or 0

    def trainings(self) -> Iterator[tuple[int, Training]]:
        """(number, training) of each unfinished fold; iterate over the training before taking the next."""
        for number in range(1, self.count + 1):
            out = self.path / f"fold-{number}"
            if (out / "run.json").exists():
                if self._collect(number):
                    continue
                training = Training.resume(out)
            else:
                training = Training(self.data, dataclasses.replace(self.settings, fold=number, out=str(out)))
            self._write()
            yield number, training
            if training.stopped:
                return
            self._collect(number)

    def _write(self, **facts: Any) -> None:
        write_json(self.path / FOLDS, {"format": FORMAT, **self.request, **facts})

    def _collect(self, number: int) -> bool:
        """Stores a finished fold's scores; returns whether it is finished."""
        facts = RunFolder.open(self.path / f"fold-{number}").facts
        if facts["status"] == "finished":
            self.results[number] = facts["scores"]
        return number in self.results

    def table(self) -> dict[str, dict[str, dict[str, float]]]:
        """output -> metric -> mean, standard deviation, minimum and maximum over the folds."""
        table: dict[str, dict[str, dict[str, float]]] = {}
        for output in next(iter(self.results.values()))["outputs"]:
            table[output] = {}
            first = next(iter(self.results.values()))["outputs"][output]
            for figure in (figure for figure in FIGURES if figure in first):
                values = [scores["outputs"][output][figure] for scores in self.results.values()]
                table[output][figure] = {
                    "mean": statistics.fmean(values),
                    "std": statistics.stdev(values) if len(values) > 1 else 0.0,
                    "min": min(values),
                    "max": max(values),
                }
        return table

    def conclude(self) -> list[str]:
        """Writes folds.json; returns the summary: one line per fold and one for all, for each output."""
        table = self.table()
        self._write(folds=self.results, table=table)
        lines = []
        for output in table:
            lines += self._fold_lines(output)
            lines.append(self._mean_line(output, table[output]))
        return lines

    def _figure(self, output: str) -> str:
        """The metric by which models of this output are compared."""
        figure: str = next(iter(self.results.values()))["outputs"][output]["metric"]
        return figure

    def _fold_lines(self, output: str) -> list[str]:
        figure, lines = self._figure(output), []
        for number, scores in self.results.items():
            score = scores["outputs"][output]
            lines.append(
                f"{output}, fold {number}: {FORMATS[figure].format(score[figure])}, {score['nats']:.3f} nats, "
                f"by {scores['model']}; {score['rows']:,} rows"
            )
        return lines

    def _mean_line(self, output: str, figures: Mapping[str, Mapping[str, float]]) -> str:
        figure = self._figure(output)
        found, number = figures[figure], FORMATS[figure].split()[-1].format  # without the name of the metric
        others = [form.format(figures[name]["mean"]) for name, form in OTHER_FORMATS.items() if name in figures]
        spread = f"from {number(found['min'])} to {number(found['max'])}"
        line = (
            f"{output}, {len(self.results)} folds: {FORMATS[figure].format(found['mean'])} on average "
            f"(standard deviation {number(found['std'])}, {spread})"
        )
        return ", ".join([line, *others])


def _as_typed(name: str, value: Any) -> str:
    """An option and its value as they are typed; "no --group" where none was given."""
    if value is None or value is False:
        return f"no {name}"
    return name if value is True else f"{name} {value}"
