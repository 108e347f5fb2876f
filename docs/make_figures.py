"""Draws the docs' figures from the results they show.

python docs/make_figures.py

docs/bytes.svg: bytes of a way back against its length (benchmarks/gradients.jsonl).
docs/recall.svg: answers right by how far back the answer lies (benchmarks/recall.json, a comparison's table.json).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.compare.page import draw, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REPOSITORY = Path(__file__).resolve().parent.parent


def draw_bytes(lines: list[dict[str, Any]]) -> str:
    """Extra bytes of each strategy by the number of steps, as SVG."""

    def plot(axes: Axes) -> None:
        for strategy in dict.fromkeys(line["strategy"] for line in lines):
            own = sorted((line for line in lines if line["strategy"] == strategy), key=lambda line: line["steps"])
            axes.plot([x["steps"] for x in own], [x["extra_bytes"] / 1e6 for x in own], marker="o", label=strategy)
        axes.set(xscale="log", yscale="log", xlabel="steps carried back through", ylabel="extra bytes, MB")
        ticks = sorted({line["steps"] for line in lines})
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.set_xticks([], minor=True)

    return figure(plot)


def main(folder: Path = REPOSITORY / "docs") -> None:
    results = REPOSITORY / "benchmarks" / "gradients.jsonl"
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    (folder / "bytes.svg").write_text(draw_bytes([line for line in lines if line["what"] == "bytes"]))
    rows = json.loads((REPOSITORY / "benchmarks" / "recall.json").read_text())["rows"]
    ((_, svg),) = draw(rows)
    (folder / "recall.svg").write_text(svg)


if __name__ == "__main__":
    main()
