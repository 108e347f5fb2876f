"""Names and phrases that the project has given up do not come back: in code, tests and docs.

The words of the field that stand in their place: docs/design.md, section "Terms".
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONVERTER = ROOT / "src/unrolled/rundir/formats.py"  # knows the names of older run folders
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = [path for path in sorted((ROOT / "src").rglob("*.py")) if path != CONVERTER]
OLD_FORMATS = ROOT / "tests/run/test_formats.py"
TESTS = [path for path in sorted((ROOT / "tests").rglob("*.py")) if path not in (Path(__file__), OLD_FORMATS)]

IDENTIFIERS = (
    "Subject", "subject", "Lesson", "lesson", "Learner", "learner", "Leg", "LegFacts", "legs", "second_leg", "Intake",
    "intake", "BagInlet", "PlainInlet", "inlet", "Looking", "look_at_nothing", "READERS", "ReaderState", "Writer",
    "build_writer", "Taught", "Blank", "Scribe", "scribe", "Teller", "tellers", "teller_of", "Rival", "rival",
    "rivals", "rivals_of", "blend", "fit_blend", "blend_unseen", "Weighed", "weighed", "Verdict", "AnswerVerdict",
    "WritingVerdict", "verdict", "Answerer", "AnsweringState", "Answered", "PieceTable", "WordTable",
    "CharacterTable", "ByteTable", "SymbolStore", "SymbolTokens", "LabelTokens", "symbols", "symbol", "SYMBOLS",
    "symbols_a_second", "border", "BORDER", "stand_in", "stand_ins", "foresee", "foreseen", "surety", "dice",
    "deviation", "learn_spelling", "Spelling", "from_run", "is_asked", "asked", "NOT_ASKED", "unroll_by_stretches",
    "rows_of_part", "part_items", "PartItems", "share_right", "Told", "READING_LAWS", "MAKING_LAWS", "made_for_laws",
)  # fmt: skip
OPTIONS = (
    "--as", "--read", "--inlet", "--reader", "--symbols", "--rate", "--size", "--depth", "--batch", "--from",
    "--gradient", "--gradients", "--balance",
)  # fmt: skip
KEYS = (
    "answer", "answers", "asked", "began", "beside", "bytes_a_text", "chance", "chances", "confused", "confusion",
    "constant", "copied_longest", "copied_of", "copied_share", "different_symbols", "exact", "exact_interval",
    "figure", "fitted", "gradient", "greatest", "held", "learnt", "least", "left_out", "legs", "lost_error",
    "most_frequent", "ms_a_symbol", "nats_whole", "parts", "ranks", "reach_symbols", "reaches", "resampled",
    "right", "symbols", "symbols_a_second", "test_begun", "verdict", "written",
)  # fmt: skip
"""Keys of JSON and columns of csv files."""
OF_STRATEGIES = "exact"  # also an attribute of BPTT strategies, and so in the docs
PHRASES = (
    r"nats an? (character|prediction|symbol|token|update|answer)", r"an object a line", r"learn[te]* by heart",
    r"share right", r"stands? beside", r"is to be beaten", r"made true", r"true chances", r"carried back",
    r"table of symbols", r"(training|validation|test) part\b", r"not to be had", r"what is told", r"is told of",
    r"symbols\.json", r"drawn by chance", r"reads? both ways", r"is left, and", r"log-chances",
    r"a sound or a picture", r"sounds (or|and) pictures", r"answers\.(md|py|jsonl)", r"adding-a-part",
)  # fmt: skip


OPTION = re.compile(rf"(?<![\w-])(?:{'|'.join(OPTIONS)})(?![\w-])")
PHRASE = re.compile("|".join(phrase.replace(" ", r"\s+") for phrase in PHRASES), re.IGNORECASE)


def identifiers_in(source: str) -> list[str]:
    """The retired names that Python code uses, each with its line; comments and strings do not count."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [
        f"{token.start[0]}: {token.string}"
        for token in tokens
        if token.type == tokenize.NAME and token.string in IDENTIFIERS
    ]


def keys_in(source: str) -> list[str]:
    """The retired keys that Python code writes or reads, each with its line. A key is a string before a colon, alone
    in brackets, or the first argument of get() or pop()."""
    tokens = [
        token
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in (tokenize.NL, tokenize.COMMENT)
    ]
    found = []
    for two, one, token, after in zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False):
        key = after.string == ":" or (one.string, after.string) == ("[", "]")
        got = one.string == "(" and two.string in ("get", "pop")
        if token.type == tokenize.STRING and token.string.strip("\"'") in KEYS and (key or got):
            found.append(f"{token.start[0]}: {token.string}")
    return found


def options_and_phrases_in(text: str) -> list[str]:
    """The retired options and phrases that a text has, each with its line; a phrase may run over lines."""
    found = sorted((match.start(), match[0]) for pattern in (OPTION, PHRASE) for match in pattern.finditer(text))
    return [f"{text.count(chr(10), 0, start) + 1}: {words}" for start, words in found]


def names_in_code_spans(text: str) -> list[str]:
    """The code spans of a page that have retired names, each with its line."""
    return [
        f"{number}: {span}"
        for number, line in enumerate(text.splitlines(), 1)
        for span in re.findall(r"`[^`]+`", line)
        if set(re.findall(r"\w+", span)) & set(IDENTIFIERS) or span.strip("`") in set(KEYS) - {OF_STRATEGIES}
    ]


def findings(paths: list[Path], find: Callable[[str], list[str]]) -> str:
    """All that a search finds in these files, one finding per line."""
    return "\n".join(
        f"{path.relative_to(ROOT)}:{found}" for path in paths for found in find(path.read_text(encoding="utf-8"))
    )


def test_code_and_tests_use_no_retired_identifier() -> None:
    assert findings([*SOURCES, *TESTS], identifiers_in) == ""


def test_code_writes_and_reads_no_retired_key() -> None:
    assert findings(SOURCES, keys_in) == ""


def test_code_tests_and_docs_use_no_retired_option_or_phrase() -> None:
    assert findings([*SOURCES, *TESTS, *PAGES], options_and_phrases_in) == ""


def test_code_spans_in_docs_use_no_retired_identifier() -> None:
    assert findings(PAGES, names_in_code_spans) == ""


def test_the_searches_find_what_is_retired() -> None:
    assert identifiers_in("a = 1\nlegs = 'Subject'  # Subject\n") == ["2: legs"]
    code = """a = {"right": left["answer"], "x": b.get("beside"), "ends": "chance"}\nside("left", "right")\n"""
    assert keys_in(code) == ['1: "right"', '1: "answer"', '1: "beside"']
    text = "`--hidden-size`\n--size 8; the table\nof symbols, --batch-size, --batch"
    assert options_and_phrases_in(text) == ["2: --size", "2: table\nof symbols", "3: --batch"]
    spans = "legs\n`legs.first` and `arms`, `answer` and `answer.md`\n"
    assert names_in_code_spans(spans) == ["2: `legs.first`", "2: `answer`"]
