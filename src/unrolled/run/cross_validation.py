"""Cross-validation: a training a fold, each with another part of the table as its test part, and all in one table."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unrolled.errors import OptionError, RunError
from unrolled.figures import SHORT
from unrolled.fileio import read_json, write_json
from unrolled.given import as_path
from unrolled.opening import check_no_link, check_parents
from unrolled.options import TrainOptions
from unrolled.run.training import Training
from unrolled.rundir.folder import RunFolder, free_path
from unrolled.rundir.own_files import FOLDS
from unrolled.settings import option_name

OTHER = "Give another folder: --out OTHER"  # what to do where this one is damaged
FIGURES = (
    "accuracy",
    "macro_f1",
    "micro_f1",
    "mae",
    "rmse",
    "r2",
    "bleu",
    "chrf",
    "wer",
    "exact",
    "nats",
)  # those that an output's kind has


class Folds:
    """The trainings of `--folds N` in a folder, fold-1 to fold-N. One that is finished is not trained again, and one
    that was stopped goes on. A budget is each one's. folds.json says what was asked, and at the end the scores.
    Raises RunError for a folder of other folds."""

    def __init__(self, data: str | Path, settings: TrainOptions, name: str) -> None:
        data = as_path(data)
        settings.check()
        if settings.plan or settings.from_run:
            raise OptionError("--folds trains each fold anew: leave out --plan and --from.")
        self.data, self.settings = data, settings
        self.path = Path(settings.out) if settings.out else free_path(name)
        self.results: dict[int, dict[str, Any]] = {}
        path = str(data) if str(data) == "-" else str(Path(data).resolve())
        self.asked = {"data": path, "asked": dataclasses.replace(settings, out=None).to_json()}
        self._check_same()

    def _check_same(self) -> None:
        """Raises RunError where the folder is a link, or its folds were begun with other data or options."""
        check_parents(self.path)
        check_no_link(self.path, "--out")
        if not (self.path / FOLDS).exists():
            return
        known = read_json(self.path / FOLDS, OTHER)
        if not isinstance(known, dict) or not isinstance(known.get("asked", {}), dict):
            raise RunError(f"{self.path / FOLDS} is damaged: it does not say what was asked. {OTHER}")
        before = {"data": known.get("data"), **known["asked"]} if "asked" in known else {}  # none in an older folder
        now = {"data": self.asked["data"], **self.settings.to_json(), "out": None}
        for name in (name for name, value in now.items() if name in before and before[name] != value):
            what = name if name == "data" else option_name(name)
            raise RunError(
                f"{self.path} has folds that were begun with {_words(what, before[name])}; now it is "
                f"{_words(what, now[name])}.\nAsk for the same to go on with them. {OTHER}"
            )

    @property
    def count(self) -> int:
        """How many folds there are."""
        return self.settings.folds or 0

    def trainings(self) -> Iterator[tuple[int, Training]]:
        """(number, training) of each fold that is not finished; iterate over the training before the next is made."""
        for number in range(1, self.count + 1):
            out = self.path / f"fold-{number}"
            if (out / "run.json").exists():
                if self._collect(number):
                    continue
                training = Training.resume(out)
            else:
                training = Training(self.data, dataclasses.replace(self.settings, fold=number, out=str(out)))
            self._keep()
            yield number, training
            if training.stopped:
                return
            self._collect(number)

    def _keep(self, **facts: Any) -> None:
        write_json(self.path / FOLDS, {**self.asked, **facts})

    def _collect(self, number: int) -> bool:
        """Takes a finished fold's scores; whether it is finished."""
        facts = RunFolder.open(self.path / f"fold-{number}").facts
        if facts["status"] == "finished":
            self.results[number] = facts["scores"]
        return number in self.results

    def table(self) -> dict[str, dict[str, dict[str, float]]]:
        """output -> figure -> mean and standard deviation over the folds, and the least and greatest of them."""
        table: dict[str, dict[str, dict[str, float]]] = {}
        for output in next(iter(self.results.values()))["outputs"]:
            table[output] = {}
            first = next(iter(self.results.values()))["outputs"][output]
            for figure in (figure for figure in FIGURES if figure in first):
                values = [scores["outputs"][output][figure] for scores in self.results.values()]
                table[output][figure] = {
                    "mean": statistics.fmean(values),
                    "deviation": statistics.stdev(values) if len(values) > 1 else 0.0,
                    "least": min(values),
                    "greatest": max(values),
                }
        return table

    def conclude(self) -> list[str]:
        """Writes folds.json, and says what came out: a line a fold and one for all, for each output."""
        table = self.table()
        self._keep(folds=self.results, table=table)
        lines = []
        for output, figures in table.items():
            kind = next(iter(self.results.values()))["outputs"][output]["figure"]
            short = SHORT[kind].format
            for number, scores in self.results.items():
                score = scores["outputs"][output]
                lines.append(
                    f"{output}, fold {number}: {short(score[kind])}, {score['nats']:.3f} nats, by {scores['model']}; "
                    f"{score['rows']:,} rows"
                )
            found = figures[kind]
            others = [f"{name} {figures[name]['mean']:.3f}" for name in ("macro_f1", "rmse", "r2") if name in figures]
            lines.append(
                f"{output}, {len(self.results)} folds: {short(found['mean'])} on average (deviation "
                f"{figures[kind]['deviation']:.3g}, least {short(found['least'])}, greatest "
                f"{short(found['greatest'])}), {', '.join(others)}"
            )
        return lines


def _words(name: str, value: Any) -> str:
    """An option and its value as they are typed; "no --group" where none was given."""
    if value is None or value is False:
        return f"no {name}"
    return name if value is True else f"{name} {value}"
