"""Draws docs/terminal.svg: the live view and the verdict of a real training on the demo's text.

python docs/make_picture.py --minutes 2
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from unrolled.cli.demo import write_topics
from unrolled.cli.live import LiveView
from unrolled.run import Training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("terminal.svg"))
    asked = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "python-topics.txt")
        write_topics(text)
        training = Training(text, minutes=asked.minutes, out=str(Path(folder, "run")), started=started)
        view = LiveView(Console(file=io.StringIO(), width=110, height=34, force_terminal=True))
        view.begin(training)
        for report in training:
            view.show(report)
        view.close()
        picture = Console(file=io.StringIO(), width=110, record=True, force_terminal=True, highlight=False)
        picture.print(Text(f"$ unroll demo --minutes {asked.minutes:g}", style="bold"))
        picture.print(Text(training.description), Text(training.plan_line), sep="\n")
        picture.print(view.draw())
        if training.verdict is not None:
            picture.print(Text("\n".join(training.verdict.lines)))
    asked.out.write_text(picture.export_svg(title="unrolled"))


if __name__ == "__main__":
    main()
