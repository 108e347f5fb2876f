"""A run that has been trained: load it, sample it, score with it, evaluate it."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from unrolled.data import Table, part_rows, read_corpus, table_from_json
from unrolled.decode import decode_stream, sample, stop_at
from unrolled.errors import RunError
from unrolled.evaluate import Score, evaluate, score_lines
from unrolled.model.language import LanguageModel
from unrolled.model.mixture import Mixture
from unrolled.model.ngram import NGram
from unrolled.run.asked import read_again
from unrolled.run.building import build_model, find_device
from unrolled.run.folder import RunFolder, find_runs, newest
from unrolled.run.legs import recorded_plans
from unrolled.run.mixing import load_mixture, score_parts
from unrolled.seeds import generator
from unrolled.settings import SampleSettings, TrainSettings


@dataclass(frozen=True)
class RankedLine:
    """A line's surprise, and how it ranks among the lines that the model was validated on."""

    number: int  # from 1
    text: str
    nats: float  # a character
    characters: float
    rank: float | None  # share of the validation's lines that surprised it less; None where there were none


@dataclass(frozen=True)
class Evaluation:
    """The scores of a text: the run's own test part, or another text."""

    score: Score
    part: str  # "test", "validation", or the text's path
    baseline: float | None  # nats a character of the n-gram on the run's own test part
    baseline_name: str
    untrained: float | None  # nats a character before training
    parts: dict[str, float] | None = None  # of a mixture: nats a character of each alone, on the same text

    @property
    def lines(self) -> list[str]:
        """What the command prints."""
        score = self.score
        lines = [
            f"{self.part}: {score.nats:.4f} nats a character ({score.interval}), {score.bits:.4f} bits",
            f"next symbol guessed right: {score.accuracy:.1%} of {score.symbols:,}",
        ]
        if self.baseline is not None:
            untrained = f", untrained {self.untrained:.4f}" if self.untrained is not None else ""
            lines.append(f"beside it: {self.baseline_name} {self.baseline:.4f} nats{untrained}")
        if self.parts is not None:
            lines.append("its parts alone: " + ", ".join(f"{name} {nats:.4f}" for name, nats in self.parts.items()))
        return lines

    def as_dict(self) -> dict[str, Any]:
        """In plain names."""
        beside: dict[str, Any] = {
            "baseline": self.baseline,
            "baseline_name": self.baseline_name,
            "untrained": self.untrained,
        }
        beside |= {} if self.parts is None else {"parts": self.parts}
        return {"part": self.part, **self.score.as_dict(), **beside}


class Run:
    """A run folder's model, ready to answer. Made by `load`."""

    def __init__(self, folder: RunFolder, device: str = "cpu") -> None:
        self.folder = folder
        self.table: Table = table_from_json(folder.read_symbols())
        self.settings = TrainSettings.from_json(folder.facts["asked"])
        self.model: LanguageModel | NGram | Mixture = self._load_model(device)

    def _load_model(self, device: str) -> LanguageModel | NGram | Mixture:
        if self.settings.model == "ngram":
            return NGram.from_tensors(*self.folder.read_model())
        plan = recorded_plans(self.folder, device=device)[0]
        model = build_model(plan, self.table.size, self.settings.seed)
        tensors, _ = self.folder.read_model(dict(model.named_parameters()))
        model.load_state_dict(tensors)
        whole = load_mixture(self.folder, model) if self.settings.mixed else model
        return whole.requires_grad_(False)

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.folder.path

    @property
    def facts(self) -> dict[str, Any]:
        """What run.json says."""
        return self.folder.facts

    def stand_ins(self, text: str) -> dict[str, str]:
        """The characters of `text` that the model has never met, and what it reads in their place."""
        return self.table.unseen(text)

    def sample(self, settings: SampleSettings | None = None, number: int = 0, **asked: Any) -> Iterator[str]:
        """Writes, piece by piece as text comes; `number` is which of several samples with one seed.

        >>> print("".join(load("runs/poems").sample(prompt="O ", length=200)))  # doctest: +SKIP
        """
        settings = SampleSettings(**asked) if settings is None else settings
        settings.check()
        symbols = sample(
            self.model, self.table.encode(settings.prompt).tolist(),
            generator=generator(settings.seed, "sample", number), temperature=settings.temperature,
            top_k=settings.top_k, top_p=settings.top_p, length=settings.length,
        )  # fmt: skip
        pieces = decode_stream(self.table, symbols)
        return stop_at(pieces, settings.stop) if settings.stop else pieces

    def score(self, lines: Iterable[str], alone: bool = False) -> Iterator[RankedLine]:
        """The surprise of each line as it comes, the state carried over them unless `alone`."""
        ranks: list[float] = self.facts.get("ranks", [])
        for line in score_lines(self.model, self.table, lines, alone, self.settings.documents):
            rank = bisect_left(ranks, line.nats) / len(ranks) if ranks else None
            yield RankedLine(line.number, line.text, line.nats, line.characters, rank)

    def evaluate(self, data: str | Path | None = None) -> Evaluation:
        """The score on the run's own test part (validation where it has none), or on all of the text `data`."""
        baseline = self.facts.get("baseline") or {}
        if data is None:
            corpus, part = read_again(self.folder, self.settings), "test"
            part = "test" if corpus.targets("test") else "validation"
        else:
            corpus = read_corpus(data, self.settings.documents, valid=0.0, test=0.0, table=self.table)
            part = "training"
        score = evaluate(self.model, part_rows(corpus, part), self.table.characters)
        scores, parts = self.facts["scores"], None
        if isinstance(self.model, Mixture):
            parts = score_parts(self.model, self.settings.model or "", corpus, part)
        return Evaluation(
            score,
            part if data is None else str(data),
            baseline.get(part) if data is None else None,
            baseline.get("name", ""),
            scores.get("untrained") if data is None else None,
            parts,
        )

    def info(self) -> dict[str, Any]:
        """What the run is, in plain names."""
        plans = self.folder.read_plans()
        parameters = 0
        if isinstance(self.model, torch.nn.Module):
            parameters = sum(p.numel() for p in self.model.parameters())
        return {"path": str(self.path), "parameters": parameters, **self.facts, "plan": plans[-1] if plans else None}


def load(path: str | Path | None = None, device: str = "auto") -> Run:
    """The run in a folder (None: the newest under runs/). Raises RunError where it is none, or damaged."""
    return Run(RunFolder.open(newest() if path is None else path), find_device(device))


def runs(under: str | Path = "runs") -> list[dict[str, Any]]:
    """The runs in a folder, the last written first: path, data, model, score, age in seconds, bytes, status."""
    rows: list[dict[str, Any]] = []
    for path in find_runs(under):
        try:
            folder = RunFolder.open(path, kind=None)
        except RunError as error:
            rows.append({"path": str(path), "status": f"damaged: {error}"})
            continue
        facts = folder.facts
        training = folder.in_training()
        status = facts["status"] if facts["status"] != "training" or training else "stopped"
        rows.append({
            "path": str(path), "data": facts["data"]["path"], "model": facts["asked"]["model"], "status": status,
            "nats": facts["scores"].get("nats"), "age": time.time() - (path / "run.json").stat().st_mtime,
            "bytes": sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
        })  # fmt: skip
    return rows
