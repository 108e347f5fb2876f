"""Texts whose lines have labels or tags are read as text, with a note that says what they look like."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unrolled.data.files.delimiters import describe_labelled
from unrolled.data.text.documents import read_documents

CONLL = ["-DOCSTART- -X- -X- O", ""] + ["EU NNP B-NP B-ORG", "calls VBZ B-VP O", "us PRP B-NP O", ""] * 9
FASTTEXT = [f"__label__{'ab'[n % 2]} how to cook rice {n}" for n in range(30)]


@pytest.mark.parametrize(("lines", "words"), [(CONLL, "CoNLL-2003 .*--sequence"), (FASTTEXT, "fastText .*a csv")])
def test_texts_that_look_labelled_have_a_note(lines: list[str], words: str, tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("\n".join(lines) + "\n")
    assert re.search(f"looks like .*{words}", read_documents(path).note)


@pytest.mark.parametrize("lines", [
    ["Shall I compare thee", "to a summer's day", "O", "Thou art more lovely", ""] * 9,
    [f"2024-01-0{n % 9} 12:00 INFO started job {n}" for n in range(30)],
    ["I sing to thee O", "I call to thee O", "come back"] * 9,
    ["__label__a one", "a line of text", "another line"] * 9,
    CONLL[:6],
])  # fmt: skip
def test_poems_and_logs_have_no_labels(lines: list[str]) -> None:
    assert describe_labelled(lines) == ""
