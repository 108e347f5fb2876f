"""Whether a text spells the same characters in two ways: é as one character, and as e with a mark after it."""

from __future__ import annotations

import re
import unicodedata

MARKS = re.compile("[\u0300-\u036f\u3099\u309a]")  # that stand after the letter they belong to


class NormalForms:
    """What has been seen of a text: characters in composed form (NFC), and in decomposed form (NFD)."""

    def __init__(self) -> None:
        self.composed = self.decomposed = False

    def see(self, text: str) -> None:
        """One chunk of it."""
        if text.isascii():
            return
        if not self.composed:
            self.composed = not unicodedata.is_normalized("NFD", text)
        if not self.decomposed and MARKS.search(text):
            self.decomposed = not unicodedata.is_normalized("NFC", text)

    @property
    def note(self) -> str:
        """What to say of a text that has both; else nothing."""
        if not (self.composed and self.decomposed):
            return ""
        return (
            "some characters are spelled in two ways, which are learnt as different ones (NFC and NFD): "
            'Python\'s unicodedata.normalize("NFC", text) makes them one'
        )
