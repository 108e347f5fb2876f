"""One context vector against attention: the longer the input, the less of it fits into one vector."""

from __future__ import annotations

from typing import NamedTuple

from unrolled.demos.temporary import trained
from unrolled.demos.translating import accuracy_of_texts
from unrolled.seeds import numpy_generator

KINDS = {"one context vector": "none", "attention": "additive"}  # and their names as --attention
LETTERS_READ = "abcdefgh"
WORD_LENGTHS = (2, 4, 6, 8)  # letters, of tests
ROWS, TESTED, STEPS, SIZE = 3000, 50, 700, 96


class ContextRow(NamedTuple):
    """A decoder's share of words that it reverses without an error."""

    kind: str
    parameters: int
    right: dict[int, float]  # by the number of letters


def show_context(seed: int = 0) -> tuple[ContextRow, ...]:
    """Trains to write words of random letters backwards, from one vector and with attention."""
    generator = numpy_generator(seed, "demo context")

    def draw(length: int) -> str:
        return "".join(LETTERS_READ[k] for k in generator.integers(0, len(LETTERS_READ), length))

    texts = [draw(length) for length in generator.integers(1, max(WORD_LENGTHS) + 1, ROWS).tolist()]
    tests = {length: [draw(length) for _ in range(TESTED)] for length in WORD_LENGTHS}
    found = []
    for kind, attention in KINDS.items():
        with trained(
            [{"word": text, "backwards": text[::-1]} for text in texts], task="seq2seq", input="word",
            output="backwards", tokenizer="char", attention=attention, model="lstm", seed=seed, steps=STEPS,
            hidden_size=SIZE, test="none",
        ) as run:  # fmt: skip
            right = {
                length: accuracy_of_texts(run, words, [word[::-1] for word in words], "backwards")
                for length, words in tests.items()
            }
            found.append(ContextRow(kind, run.parameters, right))
    return tuple(found)
