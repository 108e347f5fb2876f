"""The choice of vocabulary of a sequence-to-sequence task: one for the target texts, one for the source texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import chain
from typing import NamedTuple

from unrolled.data.modalities.text import (
    LEAST_WORDS,
    TextFeaturizer,
    TokenFeaturizer,
    learn_text_featurizer,
)
from unrolled.data.vocabulary.base import Vocabulary
from unrolled.data.vocabulary.subwords import SubwordVocabulary
from unrolled.data.vocabulary.table import characters_or_bytes, check_tokenizer, make_vocabulary
from unrolled.errors import install_extra

WITHOUT_SUBWORDS = f"characters, because subwords need the extra bpe: {install_extra('bpe')}"


class VocabularyChoice(NamedTuple):
    """The vocabularies of source and target."""

    tokens: TextFeaturizer | None  # of the source; None where the input is not text
    vocabulary: Vocabulary  # of the target texts
    note: str  # a remark about the choice, for the user


def choose_vocabulary(kind: str, read: Sequence[str] | None, written: Sequence[str]) -> VocabularyChoice:
    """Learn the vocabularies of a training split's source texts (None where the input is not text) and target texts.

    "auto": subwords where target texts have three words or more on average, else characters, or bytes where there are
    more than 512 different characters. Where source and target both use subwords, they share one vocabulary. Raises
    OptionError for an unknown kind.
    """
    check_tokenizer(kind)
    counts: Counter[str] = Counter()
    for text in written:
        counts.update(text)
    note, chosen = "", kind
    if kind == "auto":
        chosen = "bpe" if has_words(written) else characters_or_bytes(counts)
        if chosen == "bpe" and find_spec("tokenizers") is None:
            note, chosen = WITHOUT_SUBWORDS, characters_or_bytes(counts)
    if chosen == "bpe":
        shared = read is not None and (kind == "bpe" or has_words(read))
        vocabulary = SubwordVocabulary.of_texts(*_texts_to_learn(read if shared else None, written, counts.total()))
        tokens = (
            TokenFeaturizer(vocabulary) if shared else None if read is None else learn_text_featurizer("auto", read)
        )
        return VocabularyChoice(tokens, vocabulary, note)
    tokens = None if read is None else learn_text_featurizer(chosen if kind != "auto" or note else "auto", read)
    return VocabularyChoice(tokens, make_vocabulary(chosen, counts, written), note)


def has_words(texts: Sequence[str]) -> bool:
    """Whether texts have three words or more on average."""
    return sum(len(text.split()) for text in texts) >= LEAST_WORDS * len(texts)


def _texts_to_learn(
    sources: Sequence[str] | None, targets: Sequence[str], characters: int
) -> tuple[Iterator[str], int]:
    """The texts to learn subwords from, each source before its target, and the number of characters of all."""
    if sources is None:
        return iter(targets), characters
    return chain.from_iterable(zip(sources, targets, strict=True)), characters + sum(map(len, sources))
