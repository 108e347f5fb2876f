"""Words of a text that is given as words: lists of them as one text, and back."""

from __future__ import annotations

from collections.abc import Iterable


def join_words(words: Iterable[object]) -> str:
    """Words as a text that `given_words` takes apart again, whatever spaces are in them."""
    return "".join(f"{word}".replace("\n", " ") + "\n" for word in words)


def given_words(text: str) -> list[str]:
    """The words that a text is given as: each with a line end after it, or with spaces between."""
    return text.removesuffix("\n").split("\n") if "\n" in text else text.split()
