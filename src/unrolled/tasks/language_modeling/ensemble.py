"""Select the model of a language-model run: the net, the n-gram, or their ensemble, fitted on validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from unrolled.data import Corpus, part_rows
from unrolled.deadline import ENDLESS, Deadline
from unrolled.errors import RunError, TrainingError
from unrolled.metrics.surprise import Unrolling, evaluate
from unrolled.model.language import LanguageModel
from unrolled.model.mixture import Mixture
from unrolled.model.ngram.model import NGram
from unrolled.options import DEFAULT_MODEL, TrainSettings
from unrolled.registry import COUNTED
from unrolled.tasks.selection import TELLING, select, too_short
from unrolled.training.checkpoint import load_tensors, save_tensors

if TYPE_CHECKING:
    from unrolled.rundir.folder import RunFolder

FITTING = 0.7  # largest share of the selection time for fitting the ensemble's weights
FITTED_LOGITS = 1 << 23  # most logits per member in memory while fitting


@dataclass(frozen=True)
class Chosen:
    """The selected model, and the figures by which it was selected."""

    parts: list[str]  # names: ["lstm"], ["ngram"] or ["lstm", "ngram"]
    model: Unrolling
    validation: dict[str, float]  # nats per character of each candidate, on the same tokens
    fitted: int  # number of these validation tokens
    by_choice: bool  # whether the best was selected; otherwise the model was requested
    failure: str = ""  # why there is no ensemble, or why its fit is not finished

    @property
    def name(self) -> str:
        """The name as --model takes it."""
        return "+".join(self.parts)


def save_counts(folder: RunFolder, ngram: NGram) -> None:
    """Save the n-gram of an ensemble in the run's folder."""
    save_tensors(folder.rival(COUNTED), ngram.to_tensors(), ngram.facts())


def load_counts(folder: RunFolder) -> NGram:
    """Load the n-gram of an ensemble's run. Raises RunError if it is missing or damaged."""
    return NGram.from_tensors(*load_tensors(folder.rival(COUNTED)))


def check_symbols(folder: RunFolder, ngram: NGram, symbols: int) -> None:
    """Raise RunError if a run's n-gram and its vocabulary differ in size."""
    if ngram.symbols != symbols:
        raise RunError(
            f"{folder.path} is damaged: its n-gram has {ngram.symbols:,} tokens, its vocabulary {symbols:,}. "
            "Train again."
        )


def choose(
    learnt: LanguageModel, ngram: NGram, corpus: Corpus, limit: int, asked: str | None, name: str,
    weighs: bool = True, deadline: Deadline = ENDLESS,
) -> Chosen:  # fmt: skip
    """Select the best on `limit` validation tokens: the net, the n-gram or their ensemble.

    asked: the requested model, an ensemble, which is then returned whatever its score. name: of the net. weighs:
    whether there is time for an ensemble. With a deadline, on as many tokens as there is time for.
    """
    whole, failure = f"{name}+{COUNTED}", ""
    mixture = Mixture([learnt, ngram]).to(next(learnt.parameters()).device)
    rows = list(part_rows(corpus, "validation", limit))
    read = np.concatenate([np.zeros(0, np.int64), *(targets for _, targets in rows)])
    fitted = sum(len(targets) for _, targets in rows)
    found: dict[str, float] = {}
    if rows if asked is not None else weighs and fitted >= TELLING:
        try:
            nats = mixture.fit(rows, deadline.share(FITTING))
            fitted = len(nats.whole)
            characters = max(1.0, float(corpus.table.characters[read[:fitted]].sum()))
            found = dict(zip((name, COUNTED), (nats.parts.sum(0) / characters).tolist(), strict=True))
            found[whole] = float(nats.whole.sum()) / characters
            failure = "" if nats.in_time else too_short(whole)
        except TrainingError as error:
            failure = str(error)
    elif not weighs:
        failure = "There was no time to try an ensemble of the two."
    if not found and fitted >= TELLING:
        found = {
            part: evaluate(one, iter(rows), corpus.table.characters, deadline=deadline.share(0.5)).nats
            for part, one in ((name, learnt), (COUNTED, ngram))
        }
    best = whole if asked is not None else select(found) if fitted >= TELLING else name
    models: dict[str, Unrolling] = {name: learnt, COUNTED: ngram, whole: mixture}
    return Chosen(best.split("+"), models[best], found, fitted, asked is None, failure)


def load_mixture(folder: RunFolder, learnt: LanguageModel) -> Mixture:
    """The ensemble of a run; its weights are equal until training has finished. Raises RunError."""
    ngram = load_counts(folder)
    check_symbols(folder, ngram, learnt.symbols)
    mixture = Mixture([learnt, ngram]).to(next(learnt.parameters()).device)
    gate = folder.facts.get("gate")
    if gate is not None:
        try:
            weights = torch.tensor(gate, dtype=torch.float64)
            fits = weights.shape == mixture.gate.shape and bool(weights.isfinite().all())
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise RunError(f"{folder.path}/run.json is damaged: its gate is invalid. Resume the run, or train again.")
        with torch.no_grad():
            mixture.gate.copy_(weights)
    return mixture


def selected_parts(folder: RunFolder, settings: TrainSettings) -> list[str]:
    """The names of the models that a language-model run predicts with: the selected ones or, until training has
    finished, the requested ones or the net. Raises RunError if run.json is damaged."""
    net = settings.of_learnt().model or DEFAULT_MODEL
    left = folder.facts.get("left") or (settings.model or net).split("+")
    possible = [(settings.model or "").split("+")] if settings.model else [[net], [COUNTED], [net, COUNTED]]
    if left not in possible:
        raise RunError(f"{folder.path}/run.json is damaged: its selected model is invalid. Train again.")
    return list(left)


def score_parts(
    mixture: Mixture,
    names: Sequence[str],
    corpus: Corpus,
    part: str,
    limit: int | None = None,
    deadline: Deadline = ENDLESS,
    most: int | None = None,
) -> dict[str, float]:
    """Nats per character of each member alone, by name, on the tokens of the ensemble's score. most: the number of
    these tokens, if that score was cut short."""
    found = {}
    for place, (name, alone) in enumerate(zip(names, mixture.parts, strict=True)):
        own = deadline.share(1 / (len(names) - place))
        rows = part_rows(corpus, part, limit)
        found[name] = evaluate(alone, rows, corpus.table.characters, deadline=own, most=most).nats
    return found
