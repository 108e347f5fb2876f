"""The docs and the code agree: what the docs name exists, what exists is in the docs; README's blocks are run."""

from __future__ import annotations

import pkgutil
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from commands import docs_script
from conftest import REPOSITORY

import unrolled
from unrolled import gradient, memory
from unrolled.cli import UsageError, app

DOCS = REPOSITORY / "docs"
README = REPOSITORY / "README.md"
PAGES = sorted((DOCS / "commands").glob("[a-z]*.md"))
TEXTS = [README, REPOSITORY / "CONTRIBUTING.md", *sorted(DOCS.glob("**/*.md"))]
REFERENCE = sorted((DOCS / "reference").glob("*.md"))  # `make docs` fails where a name in it does not exist
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
POEMS = "".join(
    f"Once upon a {n % 7}th day the sun\ncame over hill {n % 13} and {n % 5} stayed.\n" for n in range(500)
)
REVIEWS = "text,label\n" + "".join(
    f"a {('dull', 'fine')[n % 2]} film number {n % 17},{('no', 'yes')[n % 2]}\n" for n in range(200)
)
MINUTES = re.compile(r"--minutes [\d.]+")


def blocks(path: Path, language: str) -> list[str]:
    """The blocks of a page that are marked with this language."""
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def lines_with_unroll(path: Path) -> Iterator[list[str]]:
    """The arguments of every `unroll` in a page's shell blocks."""
    for line in "".join(blocks(path, "sh")).splitlines():
        words = shlex.split(line, comments=True)
        while "unroll" in words:
            words = words[words.index("unroll") + 1 :]
            yield words[: words.index("|")] if "|" in words else words


def options(command: Any) -> set[str]:
    """The long options of a command and of those under it."""
    own = {name for parameter in command.params for name in parameter.opts if name.startswith("--")}
    return own.union(*map(options, getattr(command, "commands", {}).values())) - {"--help"}


def test_the_modules_and_tests_named_in_the_docs_of_faults_exist() -> None:
    rows = [line.split("|") for line in (DOCS / "faults.md").read_text(encoding="utf-8").splitlines() if "`" in line]
    rows = [row for row in rows if len(row) == 5]
    assert len(rows) > 40
    for _, fault, decided, tests, _ in rows:
        for name in re.findall(r"`([a-z_.A-Z0-9]+)`", decided):
            assert is_there(name), f"{fault}: {name}"
        for name in re.findall(r"`([a-z_./0-9]+)`", tests):
            assert (REPOSITORY / "tests" / name).is_file(), f"{fault}: {name}"


def is_there(name: str) -> bool:
    """Whether unrolled has a module of this name, or something of this name in a module or a class."""
    try:
        pkgutil.resolve_name(f"unrolled.{name}")
    except (ImportError, AttributeError):
        return False
    return True


def test_every_command_has_a_page_and_every_page_a_command() -> None:
    assert {page.stem for page in PAGES} == set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_every_option_of_its_command(page: Path) -> None:
    missing = options(COMMANDS[page.stem]) - set(re.findall(r"--[a-z-]+", page.read_text(encoding="utf-8")))
    assert not missing


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_every_command_line_in_the_docs_can_be_read(page: Path) -> None:
    refused = []
    for words in lines_with_unroll(page):
        command: Any = typer.main.get_command(app)
        rest = words
        while rest and rest[0] in getattr(command, "commands", {}):
            command, rest = command.commands[rest[0]], rest[1:]
        try:
            command.make_context("unroll", list(rest))
        except UsageError as error:
            refused.append(f"unroll {shlex.join(words)}: {error}")
    assert not refused, "\n".join(refused)


def test_every_public_name_is_in_the_docs() -> None:
    guide = [path for path in TEXTS if path not in REFERENCE]
    written = set(re.findall(r"\w+", "".join(path.read_text(encoding="utf-8") for path in guide)))
    for room in (unrolled, memory, gradient):
        assert set(room.__all__) <= written, room.__name__


def test_every_public_function_and_class_is_in_the_reference() -> None:
    names = re.findall(r"^::: (unrolled\S*)$", "\n".join(path.read_text() for path in REFERENCE), re.MULTILINE)
    listed = {name.rpartition(".")[2] for name in names}
    assert len(names) == len(set(names))
    for room in (unrolled, memory, gradient):
        called = {name for name in room.__all__ if callable(getattr(room, name))}
        assert {name for name in called if not name.endswith("State")} <= listed, room.__name__


def test_the_pages_at_the_root_have_their_links_in_the_site() -> None:
    text = "[a](docs/tips.md) [b](docs/commands) [c](CHANGELOG.md) [d](LICENSE) ![e](docs/x.svg) [f](docs/a.md#b)"
    wanted = "[a](tips.md) [b](commands/README.md) [c](changelog.md) [d](license.txt) ![e](x.svg) [f](a.md#b)"
    assert docs_script("site_pages").site_links(text) == wanted


def test_every_command_is_in_the_list_of_commands() -> None:
    listed = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\)", (DOCS / "commands" / "README.md").read_text(), re.MULTILINE)
    assert {name for name, _ in listed} == set(COMMANDS) and all(name == page for name, page in listed)


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.slow
def test_readme_can_be_followed(unroll: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("poems.txt").write_text(POEMS)
    Path("reviews.csv").write_text(REVIEWS)
    for words in lines_with_unroll(README):
        arguments = shlex.split(MINUTES.sub("--steps 5", shlex.join(words)))
        answer = unroll(*arguments)
        assert answer.code == 0, (words, answer.err)
    for program in blocks(README, "python"):
        exec(re.sub(r"minutes=[\d.]+", "steps=5", program), {})


def test_the_figures_are_drawn_from_the_results(tmp_path: Path) -> None:
    docs_script("make_figures").main(tmp_path)
    words_of = {
        "recall.svg": "lstm by truncated:k1=32",
        "bytes.svg": "checkpointed:bytes=16MB",
        "learning.svg": "names/train.csv",
        "fovea.svg": "learned, stops when sure",
        "few-labels.svg": "labels of each class",
        "caption-scores.svg": "CIDEr-D",
    }
    for name, words in words_of.items():
        drawn, kept = (path.read_text(encoding="utf-8") for path in (tmp_path / name, DOCS / name))
        assert all(svg.startswith("<svg") and words in svg for svg in (drawn, kept))


def test_the_picture_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("poems.txt").write_text(POEMS)
    module = docs_script("make_picture")
    svg = module.draw(unrolled.Training("poems.txt", steps=5, hidden_size=16), "unroll train poems.txt")
    assert svg.startswith("<svg") and "unroll&#160;train&#160;poems.txt" in svg
    kept = (DOCS / "terminal.svg").read_text(encoding="utf-8")
    for words in (
        "what it wrote at first",
        "what it writes now",
        "tokens/s",
        "Memorisation:",
        "Baseline:",
        "Saved to",
    ):
        assert all(words.replace(" ", "&#160;") in one for one in (svg, kept)), words


def test_the_version_is_the_same_everywhere() -> None:
    newest = re.search(r"^## (\S+), (\d{4}-\d\d-\d\d)$", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    citation = (REPOSITORY / "CITATION.cff").read_text()
    assert newest[1] == unrolled.__version__
    assert f"version: {newest[1]}\n" in citation and f"date-released: {newest[2]}\n" in citation
