"""Draws the figures of the docs from the measured results.

python docs/make_figures.py

docs/bytes.svg: bytes of a backward pass by its length (benchmarks/gradients.jsonl).
docs/recall.svg: accuracy by the distance of the marked token (benchmarks/recall.json, a comparison's table.json).
docs/learning.svg: validation loss during training on rows (benchmarks/tables.jsonl and translating.jsonl).
docs/fovea.svg: error after each glimpse of a fovea (benchmarks/fovea.jsonl).
docs/few-labels.svg: accuracy by the number of labels of each class (benchmarks/few_labels.jsonl).
docs/caption-scores.svg: scores of captions by the kind of attention (benchmarks/captions.jsonl).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.compare.page import draw, drawing, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Line = dict[str, Any]
SEEDS = 3  # at most, per panel
SCORES = {"plain_bleu_1": "BLEU-1", "plain_bleu_4": "BLEU-4", "cider_d": "CIDEr-D"}
CLASSES = 10  # of the images with few labels
REPOSITORY = Path(__file__).resolve().parent.parent


def draw_bytes(lines: list[Line]) -> str:
    """Extra bytes of each strategy by the number of steps, as SVG."""

    def plot(axes: Axes) -> None:
        for strategy in dict.fromkeys(line["strategy"] for line in lines):
            own = sorted((line for line in lines if line["strategy"] == strategy), key=lambda line: line["steps"])
            axes.plot([x["steps"] for x in own], [x["extra_bytes"] / 1e6 for x in own], marker="o", label=strategy)
        axes.set(xscale="log", yscale="log", xlabel="steps of the backward pass", ylabel="extra bytes, MB")
        ticks = sorted({line["steps"] for line in lines})
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.set_xticks([], minor=True)

    return figure(plot)


def draw_learning(predictions: list[Line], translations: list[Line]) -> str:
    """Nats on validation by minutes: a panel per data set, a line per seed or recipe. Dashed is the linear
    model, dotted the n-gram of labels, and a dot the selected model."""
    panels: dict[str, list[tuple[str, Line]]] = {}
    for line in predictions:
        panels.setdefault(line["data"], []).append((f"seed {line['seed']}", line))
    for line in translations:
        panels.setdefault(line["data"], []).append((line["way"], line))

    def on(picture: Figure) -> None:
        columns = 3
        places = picture.subplots(-(-len(panels) // columns), columns, squeeze=False).flat
        for axes, (data, lines) in zip(places, panels.items(), strict=False):
            for label, line in lines:
                seconds, nats = zip(
                    *line["curve"][1:], strict=True
                )  # without the untrained model, whose score would flatten the curves
                (drawn,) = axes.plot([second / 60 for second in seconds], nats, label=label)
                for figures in line.get("figures", {}).values():
                    for name, style in (("linear", "--"), ("ngram", ":")):
                        if name in figures:
                            level = figures[name]["nats"]
                            axes.axhline(level, linestyle=style, color=drawn.get_color(), alpha=0.6)
                    if "+" in line["selected"]:
                        axes.plot(seconds[-1] / 60, figures[line["selected"]]["nats"], "o", color=drawn.get_color())
            axes.set(title=data, xlabel="minutes", ylabel="nats per prediction", xlim=(0, None), ylim=(0, None))
            axes.legend(frameon=False, fontsize=8)
        for axes in places:
            axes.set_axis_off()

    return drawing(on, (11, 6.5))


def draw_glimpses(lines: list[Line]) -> str:
    """Wrong labels by the number of glimpses: a panel per kind of images, a line per gaze. Dashed is the learned gaze
    that stops when it is sure, by the mean number of glimpses."""
    panels: dict[str, list[Line]] = {}
    for line in lines:
        if "by_glimpse" in line:
            panels.setdefault(line["images"], []).append(line)

    def on(picture: Figure) -> None:
        places = picture.subplots(1, len(panels), squeeze=False).flat
        for axes, (images, own) in zip(places, panels.items(), strict=True):
            for line in own:
                gaze = line["name"].split("-", 1)[1]
                (drawn,) = axes.plot(range(1, 1 + len(line["by_glimpse"])), line["by_glimpse"], "o-", label=gaze)
                if gaze == "learned":
                    stopping = [(one["glimpses"], one["error"]) for one in line["stopping"]]
                    label = "learned, stops when sure"
                    axes.plot(*zip(*stopping, strict=True), "--", color=drawn.get_color(), label=label)
            axes.set(title=images, xlabel="glimpses", ylabel="wrong labels, percent", yscale="log")
            axes.legend(frameon=False, fontsize=8)

    return drawing(on, (5.5 * len(panels), 4))


def draw_few_labels(lines: list[Line]) -> str:
    """Accuracy by the number of labels of each class: the mean of the seeds, their spread, and each seed as a dot."""
    by_count: dict[int, list[float]] = {}
    for line in lines:
        by_count.setdefault(line["rows"] // CLASSES, []).append(100 * line["accuracy"])
    counts = sorted(by_count)

    def plot(axes: Axes) -> None:
        seeds = [by_count[count] for count in counts]
        (drawn,) = axes.plot(counts, [sum(one) / len(one) for one in seeds], label="mean of the seeds")
        colour = drawn.get_color()
        axes.fill_between(counts, list(map(min, seeds)), list(map(max, seeds)), color=colour, alpha=0.2)
        for count, own in zip(counts, seeds, strict=True):
            axes.plot([count] * len(own), own, ".", color=colour)
        axes.set(xscale="log", xlabel="labels of each class", ylabel="accuracy, percent", ylim=(50, 90))
        axes.set_xticks(counts, list(map(str, counts)))
        axes.set_xticks([], minor=True)

    return figure(plot)


def draw_caption_scores(lines: list[Line]) -> str:
    """Scores of captions with 95% intervals: a panel per score, a place per kind of attention and phase."""

    def on(picture: Figure) -> None:
        for axes, (score, name) in zip(picture.subplots(1, len(SCORES)), SCORES.items(), strict=True):
            for place, line in enumerate(lines):
                low, high = line[f"{score}_interval"]
                value = line[score]
                axes.errorbar(place, value, yerr=[[value - low], [high - value]], fmt="o", capsize=4, color="C0")
            labels = [f"{line['attention']},\n{line['updates']:,}" for line in lines]
            axes.set_xticks(range(len(lines)), labels, fontsize=7)
            axes.set(title=name, xlim=(-0.5, len(lines) - 0.5))

    return drawing(on, (13, 3.6))


def read_lines(name: str) -> list[Line]:
    """The lines of a study."""
    return [json.loads(line) for line in (REPOSITORY / "benchmarks" / name).read_text().splitlines()]


def main(folder: Path = REPOSITORY / "docs") -> None:
    lines = read_lines("gradients.jsonl")
    (folder / "bytes.svg").write_text(draw_bytes([line for line in lines if line["what"] == "bytes"]))
    rows = json.loads((REPOSITORY / "benchmarks" / "recall.json").read_text())["rows"]
    ((_, svg),) = draw(rows)
    (folder / "recall.svg").write_text(svg)
    predictions = [line for line in read_lines("tables.jsonl") if "curve" in line and line["seed"] < SEEDS]
    (folder / "learning.svg").write_text(draw_learning(predictions, read_lines("translating.jsonl")))
    (folder / "few-labels.svg").write_text(draw_few_labels(read_lines("few_labels.jsonl")))
    captions = [line for line in read_lines("captions.jsonl") if line["processor"] == "AMD EPYC"]
    (folder / "caption-scores.svg").write_text(draw_caption_scores(captions))
    (folder / "fovea.svg").write_text(draw_glimpses(read_lines("fovea.jsonl")))


if __name__ == "__main__":
    main()
