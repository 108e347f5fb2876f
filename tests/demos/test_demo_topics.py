"""The topics of the lecture: every demo is in the list, every command exists, and docs/lecture.md is up to date."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
import typer.main
from commands import Unroll, docs_script
from conftest import REPOSITORY

from unrolled.cli import app
from unrolled.demos.topics import LEFT_OUT, TOPICS, Topic

LECTURE = REPOSITORY / "docs" / "lecture.md"
GROUP: Any = typer.main.get_command(app)
DEMOS = set(GROUP.commands["demo"].commands)


def test_topics_have_names_and_titles_of_their_own() -> None:
    assert len({topic.name for topic in TOPICS}) == len({topic.title for topic in TOPICS}) == len(TOPICS)


def test_every_demo_is_the_command_of_a_topic() -> None:
    words = [topic.command.split() for topic in TOPICS]
    shown = {one[2] for one in words if one[:2] == ["unroll", "demo"] and len(one) > 2}
    assert not DEMOS - shown


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_the_command_of_a_topic_exists(topic: Topic) -> None:
    command, rest = GROUP, shlex.split(topic.command)[1:]
    while rest and rest[0] in getattr(command, "commands", {}):
        command, rest = command.commands[rest[0]], rest[1:]
    command.make_context("unroll", list(rest))


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_the_page_of_a_topic_has_the_heading_that_it_names(topic: Topic) -> None:
    page, _, anchor = topic.page.partition("#")
    headings = re.findall(r"^#+ (.*)$", (REPOSITORY / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
    anchors = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
    assert not anchor or anchor in anchors


def test_the_page_is_made_of_the_topics_and_has_an_output_of_each() -> None:
    module, page = docs_script("make_lecture"), LECTURE.read_text(encoding="utf-8")
    outputs = module.kept_outputs(page)
    assert set(outputs) == {topic.title for topic in TOPICS}
    assert page == module.lecture_page(TOPICS, outputs)


def test_the_commands_on_the_page_took_less_than_two_minutes() -> None:
    lines = re.findall(r"^Took (\d+) seconds of processor time\.$", LECTURE.read_text(), re.MULTILINE)
    taken = [int(line) for line in lines]
    assert len(taken) == len(TOPICS) and max(taken) < 120


def test_the_output_of_a_section_without_one_is_not_that_of_the_next() -> None:
    block = "```text\na\n```\n\nTook 3 seconds of processor time."
    page = f"# Lecture\n\n## One\ntext\n\n## Two\ntext\n\n{block}\n"
    assert docs_script("make_lecture").kept_outputs(page) == {"Two": block}


def test_the_list_has_the_topics_in_order(unroll: Unroll) -> None:
    lines = unroll("demo", "--list").out.splitlines()
    assert [line.split("  ")[0] for line in lines[: len(TOPICS)]] == [topic.command for topic in TOPICS]
    assert all(line.endswith(topic.title) for line, topic in zip(lines, TOPICS, strict=False)) and LEFT_OUT in lines
    facts = [json.loads(line) for line in unroll("demo", "--list", "--json").out.splitlines()]
    assert facts == [topic._asdict() for topic in TOPICS]


@pytest.mark.parametrize("words", [("--minutes", "1"), ("--seed", "3"), ("--quiet",), ("hello",)])
def test_the_list_takes_no_options_of_a_training(unroll: Unroll, words: tuple[str, ...]) -> None:
    result = unroll("demo", "--list", *words)
    assert result.code == 2 and result.out == "" and len(result.err.splitlines()) == 1
