"""Writes docs/lecture.md from the table of topics. What the commands printed is kept from the page.

python docs/make_lecture.py                  rewrites the text of the page; outputs stay as they are
python docs/make_lecture.py loop state       runs the commands of these topics first, and puts in what they print
python docs/make_lecture.py --all            runs all of them: about eight minutes on one core
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from unrolled.demos.topics import LEFT_OUT, TOPICS, Topic

PAGE = Path(__file__).with_name("lecture.md")
OUTPUT = re.compile(r"^```text\n.*?^```\n\nTook \d+ seconds of processor time\.$", re.MULTILINE | re.DOTALL)
HEAD = """\
# The lecture, topic by topic

The project follows a lecture on deep learning for images, videos and sequences. Each topic has a command that shows
it in under two minutes, and a page with the full figures. `unroll demo --list` prints the topics. `--seed` gives
other random numbers, `--json` the figures.

Outputs below: seed 0, one thread on an AMD EPYC, 2026-12-01. On another machine the last digits may differ, and a
training in minutes gets further or less far. This page is written by `python docs/make_lecture.py` from the table
`src/unrolled/demos/topics.py`.
"""


def lecture_page(topics: tuple[Topic, ...], outputs: Mapping[str, str]) -> str:
    """The page. outputs: by title, the block of what a topic's command printed."""
    sections = []
    for one in topics:
        look = f"{one.look} Full figures: [{one.page.partition('#')[0]}]({one.page})."
        parts = (
            f"## {one.title}\n{fill(one.paragraph)}",
            f"```sh\n{one.command}\n```",
            fill(look),
            outputs[one.title],
        )
        sections.append("\n\n".join(parts))
    return "\n".join([HEAD, "\n\n".join(sections), f"\n## What is left out\n{LEFT_OUT}\n"])


def fill(text: str) -> str:
    """A paragraph in lines as the other pages have them."""
    return textwrap.fill(text, 118, break_long_words=False, break_on_hyphens=False)


def kept_outputs(page: str) -> dict[str, str]:
    """The blocks of outputs in a page, by title."""
    sections = (section.partition("\n") for section in page.split("\n## ")[1:])
    return {title: found[0] for title, _, body in sections if (found := OUTPUT.search(body))}


def run_topic(topic: Topic) -> str:
    """The block of what a topic's command prints, run on one thread in an empty folder."""
    words = [sys.executable, "-P", "-m", *topic.command.replace("unroll", "unrolled", 1).split()]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            words, cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=True
        )
    printed = "\n".join(line.rstrip() for line in done.stdout.rstrip().split("\n"))
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = usage.ru_utime + usage.ru_stime - before.ru_utime - before.ru_stime
    return f"```text\n{printed}\n```\n\nTook {taken:.0f} seconds of processor time."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("topics", nargs="*", help="topics whose commands are run")
    parser.add_argument("--all", action="store_true", help="run the commands of all topics")
    given = parser.parse_args()
    if unknown := set(given.topics) - {topic.name for topic in TOPICS}:
        parser.error(f"unknown topics: {', '.join(unknown)}. Known: {', '.join(topic.name for topic in TOPICS)}")
    outputs = kept_outputs(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    for topic in TOPICS:
        if given.all or topic.name in given.topics or topic.title not in outputs:
            outputs[topic.title] = run_topic(topic)
            print(topic.name, outputs[topic.title].rsplit("\n", 1)[1], flush=True)
    PAGE.write_text(lecture_page(TOPICS, outputs), encoding="utf-8")


if __name__ == "__main__":
    main()
