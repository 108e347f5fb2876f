"""Detects text that encodes the same character in two ways: é as one character, and as e with a combining mark."""

from __future__ import annotations

import re
import unicodedata

MARKS = re.compile("[\u0300-\u036f\u3099\u309a]")  # combining marks, which follow their letter


class NormalForms:
    """Whether a text has characters in composed form (NFC), and in decomposed form (NFD)."""

    def __init__(self) -> None:
        self.composed = self.decomposed = False

    def see(self, text: str) -> None:
        """Scan the next chunk of the text."""
        if text.isascii():
            return
        if not self.composed:
            self.composed = not unicodedata.is_normalized("NFD", text)
        if not self.decomposed and MARKS.search(text):
            self.decomposed = not unicodedata.is_normalized("NFC", text)

    @property
    def note(self) -> str:
        """A warning if the text has both forms; otherwise ""."""
        if not (self.composed and self.decomposed):
            return ""
        return (
            "some characters are encoded in two ways (NFC and NFD), which count as different characters; "
            'Python\'s unicodedata.normalize("NFC", text) makes them equal'
        )
