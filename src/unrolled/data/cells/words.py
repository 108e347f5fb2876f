"""Convert a list of words to one text, and back."""

from __future__ import annotations

from collections.abc import Iterable


def join_words(words: Iterable[object]) -> str:
    """Join words into a text that `given_words` splits again, even if they contain spaces."""
    return "".join(f"{word}".replace("\n", " ") + "\n" for word in words)


def given_words(text: str) -> list[str]:
    """The words of a text: each followed by a line end, or separated by spaces."""
    return text.removesuffix("\n").split("\n") if "\n" in text else text.split()
