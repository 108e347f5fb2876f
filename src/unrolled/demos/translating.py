"""Translations of numbers in words: with one context vector, with attention, and with a transformer."""

from __future__ import annotations

from typing import Any, NamedTuple

from unrolled.demos.number_words import number_pairs
from unrolled.demos.temporary import trained
from unrolled.run import GenerationConfig, Run

TESTED, STEPS, SIZE = 200, 300, 64
EXAMPLE = "drei hundert vier und zwanzig"


class Translation(NamedTuple):
    """What a model makes of the example and of numbers that it was not trained on."""

    model: str
    parameters: int
    right: float  # the share of other numbers that are translated without an error
    source: list[str]  # the words of the example
    target: list[str]  # the words of its translation
    weights: list[list[float]]  # (T + 1, S): where each word of the translation looks, and its end


def show_attention(seed: int = 0) -> Translation:
    """Trains an lstm with additive attention on German and English numbers."""
    return translate(seed, "lstm", attention="additive")


def show_transformer(seed: int = 0) -> Translation:
    """Trains a transformer on the same numbers: no recurrence, only attention."""
    return translate(seed, "transformer", layers=2)


def translate(seed: int, model: str, **options: Any) -> Translation:
    """Trains on four fifths of the numbers up to 999, and translates the others."""
    training, others = number_pairs(seed, TESTED)
    training = [row for row in training if row["german"] != EXAMPLE]
    with trained(
        training, task="seq2seq", input="german", output="english", tokenizer="word", model=model,
        seed=seed, steps=STEPS, hidden_size=SIZE, test="none", **options,
    ) as run:  # fmt: skip
        right = accuracy_of_texts(
            run, [row["german"] for row in others], [row["english"] for row in others], "english"
        )
        (example,) = run.predict([EXAMPLE], show_attention=True)
        attention = example.texts["english"].attention
        if attention is None:
            raise TypeError("a run that generates texts by attention has its weights")
        words = [place for place, word in enumerate(attention.source_tokens) if word.strip()]  # without the BOS token
        return Translation(
            model, run.parameters, right,
            source=[attention.source_tokens[place].strip() for place in words],
            target=[word.strip() for word in attention.target_tokens[:-1]],
            weights=[[row[place] for place in words] for row in attention.weights],
        )  # fmt: skip


def accuracy_of_texts(run: Run, sources: list[str], targets: list[str], output: str) -> float:
    """The share of inputs whose generated text is the target, to the letter."""
    predicted = run.predict(sources, generation=GenerationConfig(1))
    made = [prediction.texts[output].text for prediction in predicted]
    return sum(a == b for a, b in zip(made, targets, strict=True)) / len(targets)
