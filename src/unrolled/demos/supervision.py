"""Types of supervision: few labels, and the texts without labels that a language model learns from by itself."""

from __future__ import annotations

from typing import Any, NamedTuple

from unrolled.demos.reviews import draw_review
from unrolled.demos.temporary import trained
from unrolled.seeds import numpy_generator

LABELS = ("bad", "good")
LABELLED, UNLABELLED, TESTED = 20, 3000, 500  # reviews
STEPS, FEW_STEPS, SIZE = 400, 100, 64


class SupervisionRow(NamedTuple):
    """A way to learn from the same labels."""

    way: str
    accuracy: float  # on new reviews


def show_supervision(seed: int = 0) -> tuple[SupervisionRow, ...]:
    """Trains a classifier on few labels: from random weights, and from a language model of texts without labels,
    where the classifier's head alone is trained, or all weights (fine-tuning). Of a language model of words,
    fine-tuning takes word vectors, computed from its texts."""
    generator = numpy_generator(seed, "demo supervision")

    def draw(count: int, phrases: int) -> list[dict[str, str]]:
        return [{"text": draw_review(generator, bool(k % 2), phrases), "label": LABELS[k % 2]} for k in range(count)]

    unlabelled = [row["text"] for row in draw(UNLABELLED, 4)]
    labelled, new = draw(LABELLED, 1), draw(TESTED, 1)
    words = {"tokenizer": "word"}
    plain = {"model": "lstm", "hidden_size": SIZE, "layers": 1, "seed": seed, "test": "none"}
    few: dict[str, Any] = {**plain, "task": "classification", "steps": FEW_STEPS}
    found = []
    with trained(unlabelled, steps=STEPS, **plain, **words) as language_model:
        start = {"init_from": str(language_model.path)}
        for way, options in (
            ("from random weights", words),
            ("from the language model, classifier only", {**start, "freeze": "encoder"}),
            ("from its word vectors, full fine-tuning", start),
        ):
            with trained(labelled, **few, **options) as run:
                predicted = [prediction.best("label") for prediction in run.predict([row["text"] for row in new])]
                right = sum(a == row["label"] for a, row in zip(predicted, new, strict=True))
                found.append(SupervisionRow(way, right / TESTED))
    return tuple(found)
