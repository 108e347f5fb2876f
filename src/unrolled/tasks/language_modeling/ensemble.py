"""Select the model of a language-model run: the net, the n-gram, or their ensemble, fitted on validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from unrolled.data import Corpus, split_rows
from unrolled.deadline import UNLIMITED, Deadline
from unrolled.errors import RunError, TrainingError
from unrolled.metrics.surprise import Unrolling, evaluate
from unrolled.model.language import LanguageModel
from unrolled.model.mixture import Mixture
from unrolled.model.ngram.model import NGram
from unrolled.options import DEFAULT_MODEL, TrainSettings
from unrolled.registry import COUNTED
from unrolled.tasks.selection import FEWEST_ITEMS, select, unfinished_line
from unrolled.training.checkpoint import save_tensors

if TYPE_CHECKING:
    from unrolled.rundir.folder import RunFolder

FITTING = 0.7  # largest share of the selection time for fitting the ensemble's weights
FITTED_LOGITS = 1 << 23  # most logits per member in memory while fitting


@dataclass(frozen=True)
class SelectedModel:
    """The selected model, and the figures by which it was selected."""

    members: list[str]  # names: ["lstm"], ["ngram"] or ["lstm", "ngram"]
    model: Unrolling
    validation: dict[str, float]  # nats per character of each candidate, on the same tokens
    fitted: int  # number of these validation tokens
    selected: bool  # whether the best was selected; otherwise the model was requested
    failure: str = ""  # why there is no ensemble, or why its fit is not finished

    @property
    def name(self) -> str:
        """The name as --model takes it."""
        return "+".join(self.members)


def save_ngram(folder: RunFolder, ngram: NGram) -> None:
    """Save the n-gram of an ensemble in the run's folder."""
    save_tensors(folder.baseline_file(COUNTED), ngram.to_tensors(), ngram.facts())


def load_ngram(folder: RunFolder) -> NGram:
    """Load the n-gram of an ensemble's run. Raises RunError if it is missing or damaged."""
    return NGram.from_tensors(*folder.read_baseline(COUNTED))


def check_vocabulary(folder: RunFolder, ngram: NGram, tokens: int) -> None:
    """Raise RunError if a run's n-gram and its vocabulary differ in size."""
    if ngram.tokens != tokens:
        raise RunError(
            f"{folder.path} is damaged: its n-gram has {ngram.tokens:,} tokens, its vocabulary {tokens:,}. "
            "Train again."
        )


def select_model(
    learnt: LanguageModel, ngram: NGram, corpus: Corpus, limit: int, requested: str | None, name: str,
    weighs: bool = True, deadline: Deadline = UNLIMITED,
) -> SelectedModel:  # fmt: skip
    """Select the best on `limit` validation tokens: the net, the n-gram or their ensemble.

    requested: the model in --model, an ensemble, which is then returned whatever its score. name: of the net. weighs:
    whether there is time for an ensemble. With a deadline, on as many tokens as there is time for.
    """
    whole, failure = f"{name}+{COUNTED}", ""
    mixture = Mixture([learnt, ngram]).to(next(learnt.parameters()).device)
    rows = list(split_rows(corpus, "validation", limit))
    read = np.concatenate([np.zeros(0, np.int64), *(targets for _, targets in rows)])
    fitted = sum(len(targets) for _, targets in rows)
    found: dict[str, float] = {}
    if rows if requested is not None else weighs and fitted >= FEWEST_ITEMS:
        try:
            nats = mixture.fit(rows, deadline.share(FITTING))
            fitted = len(nats.ensemble)
            characters = max(1.0, float(corpus.vocabulary.characters[read[:fitted]].sum()))
            found = dict(zip((name, COUNTED), (nats.members.sum(0) / characters).tolist(), strict=True))
            found[whole] = float(nats.ensemble.sum()) / characters
            failure = "" if nats.in_time else unfinished_line(whole)
        except TrainingError as error:
            failure = str(error)
    elif not weighs:
        failure = "There was no time to try an ensemble of the two."
    if not found and fitted >= FEWEST_ITEMS:
        found = {
            split: evaluate(one, iter(rows), corpus.vocabulary.characters, deadline=deadline.share(0.5)).nats
            for split, one in ((name, learnt), (COUNTED, ngram))
        }
    best = whole if requested is not None else select(found) if fitted >= FEWEST_ITEMS else name
    models: dict[str, Unrolling] = {name: learnt, COUNTED: ngram, whole: mixture}
    return SelectedModel(best.split("+"), models[best], found, fitted, requested is None, failure)


def load_ensemble(folder: RunFolder, learnt: LanguageModel) -> Mixture:
    """The ensemble of a run; its weights are equal until training has finished. Raises RunError."""
    ngram = load_ngram(folder)
    check_vocabulary(folder, ngram, learnt.tokens)
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


def selected_models(folder: RunFolder, settings: TrainSettings) -> list[str]:
    """The names of the models that a language-model run predicts with: the selected ones or, until training has
    finished, the requested ones or the net. Raises RunError if run.json is damaged."""
    net = settings.trained_member_settings().model or DEFAULT_MODEL
    selected = folder.facts.get("selected") or (settings.model or net).split("+")
    possible = [(settings.model or "").split("+")] if settings.model else [[net], [COUNTED], [net, COUNTED]]
    if selected not in possible:
        raise RunError(f"{folder.path}/run.json is damaged: its selected model is invalid. Train again.")
    return list(selected)


def score_members(
    mixture: Mixture,
    names: Sequence[str],
    corpus: Corpus,
    split: str,
    limit: int | None = None,
    deadline: Deadline = UNLIMITED,
    most: int | None = None,
) -> dict[str, float]:
    """Nats per character of each member alone, by name, on the tokens of the ensemble's score. most: the number of
    these tokens, if that score was cut short."""
    found = {}
    for place, (name, alone) in enumerate(zip(names, mixture.members, strict=True)):
        own = deadline.share(1 / (len(names) - place))
        rows = split_rows(corpus, split, limit)
        found[name] = evaluate(alone, rows, corpus.vocabulary.characters, deadline=own, most=most).nats
    return found
