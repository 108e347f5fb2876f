"""Draws docs/terminal.svg: the terminal after a training on the demo's text.

python docs/make_picture.py --minutes 2
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from unrolled.cli.demo import RUN, TEXT, write_topics
from unrolled.cli.live import LiveView
from unrolled.run import Training

WIDTH, HEIGHT = 118, 32  # characters


def draw(training: Training, command: str) -> str:
    """Trains to the end and returns an SVG of the terminal: the command, the last frame, the summary."""
    view = LiveView(Console(file=io.StringIO(), width=WIDTH, height=HEIGHT))
    try:
        view.begin(training)
        for report in training:
            view.show(report)
        frame = view.draw()
    finally:
        view.close()
    picture = Console(file=io.StringIO(), record=True, width=WIDTH, height=HEIGHT, force_terminal=True,
                      color_system="truecolor", highlight=False)  # fmt: skip
    picture.print(Text(f"$ {command}", style="bold"))
    for line in LiveView(picture).new_lines(training):  # a view that has printed nothing yet
        picture.print(Text(line))
    picture.print(frame)
    if training.summary is not None:
        for line in training.summary.lines:
            picture.print(Text(line))
    picture.print(Text(f"Saved to {training.folder}. Next: unroll sample {training.folder}"))
    return picture.export_svg(title="unroll")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("terminal.svg"))
    args = parser.parse_args()
    started, out = time.monotonic(), args.out.resolve()
    command = "unroll demo" if args.minutes == 2 else f"unroll demo --minutes {args.minutes:g}"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # so that paths look as they do for a user
        write_topics(TEXT)
        training = Training(str(TEXT), minutes=args.minutes, started=started, out=str(Path("runs", RUN)))
        out.write_text(draw(training, command), encoding="utf-8")
        os.chdir(out.parent)


if __name__ == "__main__":
    main()
