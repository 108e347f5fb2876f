"""The table of vocabularies: a new kind is one class, and one line here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from unrolled.data.vocabulary.base import ByteVocabulary, CharacterVocabulary, Vocabulary
from unrolled.data.vocabulary.subwords import SubwordVocabulary, WordVocabulary
from unrolled.errors import OptionError, RunError, nearest

VOCABULARIES: dict[str, type[Vocabulary]] = {
    one.kind: one for one in (CharacterVocabulary, ByteVocabulary, WordVocabulary, SubwordVocabulary)
}
"""By their names in `--tokenizer`, and in run folders."""
TOKENIZERS = ("auto", *VOCABULARIES)
MOST_CHARACTERS = 512  # different characters of the training split up to which they are the tokens; else bytes


def check_tokenizer(name: str) -> None:
    """Raise OptionError for an unknown tokenizer."""
    if name not in TOKENIZERS:
        raise OptionError(
            f"--tokenizer takes {', '.join(TOKENIZERS)}; '{name}' was given.{nearest(name, TOKENIZERS)}"
        )


def characters_or_bytes(counts: Counter[str]) -> str:
    """The tokenizer for a text with these characters: bytes if there are many different ones."""
    return CharacterVocabulary.kind if len(counts) <= MOST_CHARACTERS else ByteVocabulary.kind


def make_vocabulary(tokenizer: str, counts: Counter[str], texts: Iterable[str]) -> Vocabulary:
    """The vocabulary of a training split, by the counts of its characters and its texts; of bytes if it has none."""
    return VOCABULARIES[tokenizer if counts else ByteVocabulary.kind].learn(counts, texts)


def vocabulary_from_json(value: Any) -> Vocabulary:
    """The vocabulary that `to_json` described. Raises RunError if it is damaged."""
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind not in VOCABULARIES:
        *names, last = VOCABULARIES
        raise RunError(f"The vocabulary is of kind {kind!r}; this version reads {', '.join(names)} and {last}.")
    return VOCABULARIES[kind].from_json(value)
