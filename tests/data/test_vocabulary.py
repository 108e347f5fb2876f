"""Every vocabulary can decode what it encodes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.data import (
    ByteVocabulary,
    CharacterVocabulary,
    SubwordVocabulary,
    Vocabulary,
    WordVocabulary,
    vocabulary_from_json,
)
from unrolled.data.vocabulary.table import TOKENIZERS, VOCABULARIES, make_vocabulary
from unrolled.errors import RunError
from unrolled.options import CHOICES

LETTERS = "abcde ,.-\n'\"0123éß漢😀\x00"
SAMPLE = "abba cede, abba.\nabba 0123 - 'éß' 漢😀\x00 \"\n" * 20


@cache
def tables() -> dict[str, Vocabulary]:
    """One vocabulary of each kind, learnt from the same text; characters once with few and once with many."""
    counts = Counter(SAMPLE)
    made: dict[str, Vocabulary] = {
        "char": CharacterVocabulary.from_counts(counts),
        "many": CharacterVocabulary.from_counts(Counter(SAMPLE + "".join(map(chr, range(0x4E00, 0x4F00))))),
        "byte": ByteVocabulary(),
        "word": WordVocabulary.learn(counts, [SAMPLE]),
    }
    pytest.importorskip("tokenizers")
    return made | {"bpe": SubwordVocabulary.of_texts([SAMPLE], 200_000)}


KINDS = ("char", "many", "byte", "word", "bpe")
TEXTS = st.text(st.sampled_from(LETTERS), max_size=80)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_decoding_inverts_encoding(kind: str, text: str) -> None:
    table = tables()[kind]
    tokens = table.encode(text)
    assert table.decode(tokens) == text
    assert tokens.dtype == table.dtype
    assert not (tokens == 0).any()
    assert tokens.max(initial=0) < table.size == len(table.characters)
    assert table.characters[tokens].sum() == len(text)
    assert table.replacements(text) == {}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=100, deadline=None)
@given(data=st.data(), text=TEXTS)
def test_a_cut_text_is_encoded_as_its_parts(kind: str, data: st.DataObject, text: str) -> None:
    table = tables()[kind]
    cuts = data.draw(st.lists(st.integers(0, max(0, len(text) - 1)), unique=True).map(sorted)) if text else []
    tokens, places = table.encode_with_cuts(text, np.array(cuts, np.int64))
    parts = [text[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    read = np.split(tokens, places)
    assert [table.decode(part) for part in read] == parts
    assert all(np.array_equal(part, table.encode(of)) for part, of in zip(read, parts, strict=True))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50, deadline=None)
@given(text=TEXTS)
def test_text_can_be_read_token_by_token(kind: str, text: str) -> None:
    table = tables()[kind]
    one_by_one = ([token] for token in [0, *table.encode(text).tolist(), 0])
    assert "".join(table.decode_stream(one_by_one)) == text


@pytest.mark.parametrize("kind", KINDS)
def test_a_vocabulary_is_restored_from_json(kind: str) -> None:
    table = tables()[kind]
    again = vocabulary_from_json(json.loads(json.dumps(table.to_json())))
    assert type(again) is type(table)
    assert (again.kind, again.size) == (table.kind, table.size)
    assert again.encode(SAMPLE + "xé").tolist() == table.encode(SAMPLE + "xé").tolist()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=30))
def test_any_text_gets_tokens(kind: str, text: str) -> None:
    table = tables()[kind]
    assert table.encode(text).max(initial=0) < table.size
    if kind in ("byte", "bpe"):
        assert table.decode(table.encode(text)) == text
    elif kind != "word":
        assert len(table.encode(text)) == len(text)


def test_the_tables_agree() -> None:
    assert CHOICES["tokenizer"] == TOKENIZERS
    assert {table.kind for table in tables().values()} == set(VOCABULARIES)


@pytest.mark.parametrize("kind", VOCABULARIES)
def test_a_vocabulary_is_learnt_by_its_name(kind: str) -> None:
    table = make_vocabulary(kind, Counter(SAMPLE), [SAMPLE])
    assert table.kind == kind and table.decode(table.encode(SAMPLE)) == SAMPLE
    assert make_vocabulary(kind, Counter(), [""]).kind == "byte", "without a character there is nothing to learn from"


def test_any_bytes_are_decoded_to_themselves() -> None:
    every = bytes(range(256)) * 2
    tokens = ByteVocabulary().encode(every.decode("utf-8", "surrogateescape"))
    assert (tokens - 1).astype(np.uint8).tobytes() == every
    assert ByteVocabulary().decode(ByteVocabulary().encode("a\ud800b")) == "a?b"


def test_bytes_that_are_not_utf_8_are_shown_as_such() -> None:
    assert ByteVocabulary().decode([0xC3 + 1, ord("a") + 1, 0xA9 + 1]) == "\ufffda\ufffd"


@pytest.mark.parametrize(
    ("letters", "character", "expected"),
    [
        ("ehx", "é", "e"),
        ("Ehx", "é", "E"),
        ("ehx", "H", "h"),
        (" ehx", "\t", " "),
        (" \nehx", "\u2028", "\n"),
        (" \nehx", "\u00a0", " "),
        ("-ehx", "—", "-"),
        ("'ehx", "\u2019", "'"),
        ("'\"ehx", "«", '"'),
        ("0ehx", "7", "0"),
        ("07ehx", "\u0667", "7"),
        ("efhx", "\ufb01", "f"),
        (".ehx", "…", "."),
        ("ehx", "漢", "x"),
        ("ehx", "\x00", "x"),
    ],
)
@pytest.mark.parametrize("make", [CharacterVocabulary, lambda letters, rarest: WordVocabulary(letters, rarest, [])])
def test_a_replacement_is_the_most_similar_character(
    make: Callable[[str, str], CharacterVocabulary | WordVocabulary], letters: str, character: str, expected: str
) -> None:
    table = make(letters, "x")
    assert table.decode([table.replacement(character)]) == expected
    assert table.decode(table.encode(f"x{character}x")) == f"x{expected}x"
    assert table.replacements(f"x{character}{character}") == {character: expected}
    assert table.unseen_counts(f"x{character}{character}") == {character: 2}
    assert table.size == len(letters) + 1


def test_the_rarest_is_counted() -> None:
    assert CharacterVocabulary.from_counts({"a": 5, "c": 2, "b": 2}).rarest == "b"


def test_frequent_words_are_tokens_and_others_are_spelled() -> None:
    table = WordVocabulary.learn(Counter("the cat dog"), ["the cat the dog the the the cat"] + ["x the"] * 5)
    assert table.words == [" the"]
    assert table.decode(table.encode("the dog the")) == "the dog the"
    assert len(table.encode("the dog the")) == len("the dog") + 1


def test_subwords_of_the_same_text_are_the_same() -> None:
    pytest.importorskip("tokenizers")
    assert (
        SubwordVocabulary.of_texts([SAMPLE], 200_000).to_json()
        == SubwordVocabulary.of_texts([SAMPLE], 200_000).to_json()
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "of kind None; this version reads char, byte, word and bpe"),
        ({"kind": "runes"}, "of kind 'runes'"),
        ({"kind": "char"}, "letters are not single characters in order"),
        ({"kind": "char", "letters": ["b", "a"], "rarest": "a"}, "letters are not single characters in order"),
        ({"kind": "char", "letters": ["a", 7], "rarest": "a"}, "letters are not single characters in order"),
        ({"kind": "char", "letters": ["a", "bc"], "rarest": "a"}, "letters are not single characters in order"),
        ({"kind": "char", "letters": ["a", "b"], "rarest": "c"}, "rarest letter is not one of its letters"),
        ({"kind": "word", "letters": ["a"], "rarest": "a", "words": ["a"]}, "its list of words is invalid"),
        ({"kind": "word", "letters": ["a"], "rarest": "a", "words": ["aa", "aa"]}, "a word is in it twice"),
        ({"kind": "word", "letters": ["a"], "rarest": "a", "words": ["ab"]}, "has other characters than its own"),
        ({"kind": "bpe", "tokenizer": "{}"}, "its subwords cannot be read"),
    ],
)
def test_a_damaged_vocabulary_is_refused(value: Any, words: str) -> None:
    with pytest.raises(RunError, match=words):
        vocabulary_from_json(value)
