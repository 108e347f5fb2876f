"""Names and phrases that the project has given up do not come back: in src, in the docs, in help texts.

The words of the field that stand in their place: docs/design.md, section "Words".
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONVERTER = ROOT / "src/unrolled/rundir/formats.py"  # knows the names of older run folders
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = [path for path in sorted((ROOT / "src").rglob("*.py")) if path != CONVERTER]

IDENTIFIERS = (
    "Subject", "subject", "Lesson", "lesson", "Learner", "learner", "Leg", "LegFacts", "legs", "second_leg", "Intake",
    "intake", "BagInlet", "PlainInlet", "inlet", "Looking", "look_at_nothing", "READERS", "ReaderState", "Writer",
    "build_writer", "Taught", "Blank", "Scribe", "scribe", "Teller", "tellers", "teller_of", "Rival", "rival",
    "rivals", "rivals_of", "blend", "fit_blend", "blend_unseen", "Weighed", "weighed", "Verdict", "AnswerVerdict",
    "WritingVerdict", "verdict", "Answerer", "AnsweringState", "Answered", "PieceTable", "WordTable",
    "CharacterTable", "ByteTable", "SymbolStore", "SymbolTokens", "LabelTokens", "symbols", "symbol", "SYMBOLS",
    "symbols_a_second", "border", "BORDER", "stand_in", "stand_ins", "foresee", "foreseen", "surety", "dice",
    "deviation", "learn_spelling", "Spelling", "from_run", "is_asked", "asked", "NOT_ASKED", "unroll_by_stretches",
    "rows_of_part", "part_items", "PartItems", "share_right",
)  # fmt: skip
OPTIONS = (
    "--as", "--read", "--inlet", "--reader", "--symbols", "--rate", "--size", "--depth", "--batch", "--from",
    "--gradient", "--gradients", "--balance",
)  # fmt: skip
PHRASES = (
    r"nats an? (character|prediction|symbol|token|update|answer)", r"an object a line", r"learn[te]* by heart",
    r"share right", r"stands? beside", r"is to be beaten", r"made true", r"true chances", r"carried back",
    r"table of symbols", r"(training|validation|test) part\b", r"not to be had", r"what is told", r"is told of",
    r"symbols\.json", r"drawn by chance", r"reads? both ways", r"is left, and", r"log-chances",
)  # fmt: skip


def test_no_retired_identifier_is_used_in_the_code() -> None:
    import io
    import tokenize

    found = []
    for path in SOURCES:
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
            if token.type == tokenize.NAME and token.string in IDENTIFIERS:
                found.append(f"{path.relative_to(ROOT)}:{token.start[0]}: {token.string}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", [*SOURCES, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_retired_option_or_phrase_is_written(path: Path) -> None:
    text = path.read_text()
    options = re.findall(rf"(?<![\w-])({'|'.join(OPTIONS)})(?![\w-])", text)
    phrases = [match[0] for match in re.finditer("|".join(PHRASES), re.sub(r"\s+", " ", text), re.IGNORECASE)]
    assert not options and not phrases


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_retired_identifier_stands_in_code_spans_of_the_docs(path: Path) -> None:
    spans = re.findall(r"`[^`\n]+`", path.read_text())
    assert not [span for span in spans if set(re.findall(r"\w+", span)) & set(IDENTIFIERS)]
