"""What was learnt, weighed against what was counted: a run's mixture fitted, kept, loaded, its parts scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from unrolled.data import Corpus, part_rows
from unrolled.errors import RunError
from unrolled.evaluate import evaluate
from unrolled.model.language import LanguageModel
from unrolled.model.mixture import Mixture
from unrolled.model.ngram import NGram
from unrolled.parts import COUNTED, learnt_model
from unrolled.training.checkpoint import load_tensors, save_tensors

if TYPE_CHECKING:
    from unrolled.run.folder import RunFolder

FITTED_LOGITS = 1 << 23  # that are held for fitting, of each part


@dataclass(frozen=True)
class Mixed:
    """A mixture that was fitted on the validation part."""

    model: Mixture
    validation: float  # nats a character there, each half under weights fitted on the other
    fitted: int  # symbols of it that were read


def save_counts(folder: RunFolder, ngram: NGram) -> None:
    """Keeps a mixture's n-gram in its run's folder, whole."""
    save_tensors(folder.rival(COUNTED), ngram.to_tensors(), ngram.facts())


def load_counts(folder: RunFolder) -> NGram:
    """The n-gram of a mixture's run. Raises RunError where it is missing or damaged."""
    return NGram.from_tensors(*load_tensors(folder.rival(COUNTED)))


def fit_mixture(learnt: LanguageModel, ngram: NGram, corpus: Corpus, limit: int) -> Mixed:
    """Weighs the two on so many symbols of the validation part."""
    rows = list(part_rows(corpus, "validation", limit))
    mixture = Mixture([learnt, ngram]).to(next(learnt.parameters()).device)
    nats = mixture.fit(rows)
    characters = sum(float(corpus.table.characters[targets].sum()) for _, targets in rows)
    return Mixed(mixture, float(nats.sum()) / characters, len(nats))


def load_mixture(folder: RunFolder, learnt: LanguageModel) -> Mixture:
    """The mixture of a run, whose weights are equal until its training was finished. Raises RunError."""
    mixture = Mixture([learnt, load_counts(folder)]).to(next(learnt.parameters()).device)
    gate = folder.facts.get("gate")
    if gate is not None:
        try:
            weights = torch.tensor(gate, dtype=torch.float64)
            fits = weights.shape == mixture.gate.shape and bool(weights.isfinite().all())
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise RunError(
                f"{folder.path}/run.json is damaged: its gate does not fit. Resume the run, or train again."
            )
        with torch.no_grad():
            mixture.gate.copy_(weights)
    return mixture


def score_parts(
    mixture: Mixture, model: str, corpus: Corpus, part: str, limit: int | None = None
) -> dict[str, float]:
    """Nats a character of each part alone, by its name in `model`, on what the whole is scored on."""
    names = (learnt_model(model) or model, COUNTED)
    return {
        name: evaluate(alone, part_rows(corpus, part, limit), corpus.table.characters).nats
        for name, alone in zip(names, mixture.parts, strict=True)
    }
