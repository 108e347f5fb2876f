"""Does pre-training on careless labels help, and when? Films of moving shapes; a target of ten clean clips a class.

python benchmarks/weak_supervision.py --small --minutes 60       # studies noise and capacity, up to 2,000 films
python benchmarks/weak_supervision.py --studies noise capacity labels stills    # up to 20,000 films, for hours
python benchmarks/weak_supervision.py --small --report docs

Studies: noise (noise × number of films), capacity (three widths of R(2+1)D-18 × number of films), labels (verbs,
nouns, pairs, or both as two tags), stills (one frame of each film, standing still, against films). In every one the
classifier alone and the whole net are fine-tuned. Careless: with probability `noise` the verb and the noun of a film
are those of another pair, drawn at random. The loss has 1/k targets.

Appends one JSON line per training. Those that are there are not run again, so it can be stopped and started.
--minutes starts no new one afterwards. --report prints the tables of these lines, and writes plots into a folder.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.data.moving_shapes import NOUNS, VERBS, Film, render_film
from unrolled.environment import processor_name
from unrolled.model.likelihoods import LABEL_SETS
from unrolled.model.nets.base import Net
from unrolled.model.nets.table import make_video_net
from unrolled.seeds import make_generator, number, numpy_generator

PAIRS = tuple(f"{noun} {verb}" for verb in VERBS for noun in NOUNS)
SPACES = {
    "verbs": VERBS,
    "nouns": NOUNS,
    "pairs": PAIRS,
    "both": VERBS + NOUNS,
}  # label spaces; both: two tags a film
OF_CLASS, TESTED = 10, 400  # target films of each class, and test films
TARGET, TEST = 1_000_000, 2_000_000  # numbers of the first of them; the weak films begin at 0
BATCH, RATE, DECAY = 32, 2e-3, 0.01
TUNED = 120  # updates of fine-tuning
RIDGE = 1e-2  # penalty of the classifier alone
AT_ONCE = 100  # films that are read together without gradients
SOFTMAX = LABEL_SETS["multilabel-softmax"]


@dataclass(frozen=True)
class Cell:
    """One pre-training, and the fine-tuning after it."""

    films: int  # 0: no pre-training
    noise: float = 0.0
    width: float = 0.125
    labels: str = "pairs"
    stills: bool = False
    target: str = "verbs"
    updates: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class Scale:
    """How large the studies are."""

    films: tuple[int, ...]
    noises: tuple[float, ...]
    widths: tuple[float, float, float]
    updates: int


SMALL = Scale((200, 2_000), (0.0, 0.6, 0.9), (1 / 32, 1 / 16, 1 / 8), 300)
FULL = Scale((200, 2_000, 20_000), (0.0, 0.3, 0.6, 0.9), (1 / 16, 1 / 8, 1 / 4), 3_000)


def cells_of(study: str, scale: Scale, seed: int) -> list[Cell]:
    """The cells of a study. Studies share cells, which are then trained once."""
    most, middle = scale.films[-1], scale.widths[1]
    start = Cell(most, width=middle, updates=scale.updates, seed=seed)
    nothing = replace(start, films=0, updates=0)
    if study == "noise":
        return [
            nothing,
            *(replace(start, films=films, noise=noise) for films in scale.films for noise in scale.noises),
        ]
    if study == "capacity":
        return [
            one
            for width in scale.widths
            for one in (replace(nothing, width=width), *(replace(start, films=n, width=width) for n in scale.films))
        ]
    if study == "labels":
        targets = ("verbs", "nouns", "pairs")
        own = [replace(nothing, target=target) for target in targets]
        return own + [replace(start, labels=labels, target=target) for labels in SPACES for target in targets]
    return [nothing, *(replace(start, labels=labels, stills=stills) for labels in ("pairs", "nouns")
                       for stills in (False, True))]  # fmt: skip


STUDIES = ("noise", "capacity", "labels", "stills")


@lru_cache(3)
def films_of(seed: int, first: int, count: int, space: str | None = None) -> tuple[NDArray[np.uint8], list[Film]]:
    """Films (N, T, S, S, 3) and what they show. space: the classes of which there are equally many; None: drawn."""
    names = [] if space is None else [name_parts(name) for name in SPACES[space]]
    drawn = [render_film(seed, first + n, *(names[n % len(names)] if names else ())) for n in range(count)]
    return np.stack([film.frames for film in drawn]), [film._replace(frames=film.frames[:0]) for film in drawn]


def name_parts(name: str) -> tuple[str | None, str | None]:
    """The verb and the noun in the name of a class."""
    noun = next((noun for noun in NOUNS if name.split()[0] == noun), None)
    return next((verb for verb in VERBS if name.endswith(verb)), None), noun


def targets_of(shown: Sequence[tuple[str, str]], space: str) -> Tensor:
    """(N, K) the labels of films, given their verbs and nouns."""
    names = {name: place for place, name in enumerate(SPACES[space])}
    targets = torch.zeros(len(shown), len(names))
    for row, (verb, noun) in enumerate(shown):
        for name in {"verbs": [verb], "nouns": [noun], "pairs": [f"{noun} {verb}"], "both": [verb, noun]}[space]:
            targets[row, names[name]] = 1
    return targets


def careless(films: Sequence[Film], noise: float, seed: int) -> list[tuple[str, str]]:
    """Verbs and nouns of films; with probability `noise` those of another pair."""
    pairs = [(verb, noun) for verb in VERBS for noun in NOUNS]
    generator = numpy_generator(seed, "careless", round(1000 * noise))
    shown = []
    for film in films:
        wrong, other = generator.random() < noise, int(generator.integers(1, len(pairs)))
        at = pairs.index((film.verb, film.noun))
        shown.append(pairs[(at + other) % len(pairs)] if wrong else pairs[at])
    return shown


def as_input(frames: NDArray[np.uint8], stills: bool) -> Tensor:
    """Films (B, T, S, S, 3) as a net reads them, (B, 3, T, S, S). stills: the middle frame of each, repeated."""
    if stills:
        frames = np.repeat(frames[:, frames.shape[1] // 2][:, None], frames.shape[1], 1)
    films = torch.from_numpy(frames.transpose(0, 4, 1, 2, 3).astype(np.float32) / 127.5 - 1)
    return films.contiguous(memory_format=torch.channels_last_3d)  # a third faster


def train(
    net: Net, frames: NDArray[np.uint8], targets: Tensor, updates: int, seed: int, stills: bool = False
) -> None:
    """AdamW with a rate that rises for a tenth of the updates and falls to 0 along a cosine."""
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=updates, pct_start=0.1)
    net.train()
    for k in range(updates):
        epoch, place = divmod(k * BATCH, max(BATCH, len(frames) - len(frames) % BATCH))
        order = numpy_generator(seed, "films", epoch).permutation(len(frames))
        rows = order[place : place + BATCH]
        loss = SOFTMAX.loss(net(as_input(frames[rows], stills)), targets[rows], targets.new_ones(0)) / len(rows)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()


@torch.no_grad()
def vectors_of(net: Net, frames: NDArray[np.uint8]) -> Tensor:
    """(N, D) what the last layer reads."""
    net.eval()
    return torch.cat(
        [net.vector(as_input(frames[at : at + AT_ONCE], False)) for at in range(0, len(frames), AT_ONCE)]
    )


def fit_classifier(vectors: Tensor, labels: Tensor, classes: int) -> nn.Linear:
    """A penalised logistic regression on standardised vectors, as one layer on the vectors themselves."""
    mean, std = vectors.mean(0), vectors.std(0).clamp_min(1e-4)
    weights, bias = (
        torch.zeros(classes, vectors.shape[1], requires_grad=True),
        torch.zeros(classes, requires_grad=True),
    )
    optimiser = torch.optim.LBFGS([weights, bias], max_iter=200, line_search_fn="strong_wolfe")
    inputs = (vectors - mean) / std

    def loss() -> Tensor:
        optimiser.zero_grad()
        cost = nn.functional.cross_entropy(inputs @ weights.T + bias, labels) + RIDGE * (weights**2).sum() / 2
        cost.backward()  # type: ignore[no-untyped-call]
        return cost

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    layer = nn.Linear(vectors.shape[1], classes)
    with torch.no_grad():
        layer.weight.copy_(weights / std)
        layer.bias.copy_(bias - layer.weight @ mean)
    return layer


def run(cell: Cell) -> dict[str, float]:
    """The accuracies on the test films after pre-training, with the classifier alone and with the whole net tuned."""
    classes = len(SPACES[cell.target])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(number(cell.seed, "weights"))
        net = make_video_net(f"r2plus1d-18:width={cell.width},classes={len(SPACES[cell.labels])}")
    net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    if cell.films:
        frames, films = films_of(cell.seed, 0, cell.films)
        targets = targets_of(careless(films, cell.noise, cell.seed), cell.labels)
        train(net, frames, targets, cell.updates, cell.seed, cell.stills)
    clean, films = films_of(cell.seed, TARGET, OF_CLASS * classes, cell.target)
    targets = targets_of([(film.verb, film.noun) for film in films], cell.target)
    test, films = films_of(cell.seed, TEST, TESTED)
    right = targets_of([(film.verb, film.noun) for film in films], cell.target).argmax(1)
    layer = fit_classifier(vectors_of(net, clean), targets.argmax(1), classes)
    alone = float((layer(vectors_of(net, test)).argmax(1) == right).float().mean())
    whole = copy.deepcopy(net)
    whole.fc = layer if cell.films else nn.Linear(layer.in_features, classes)
    if not cell.films:  # from nothing: a head at random, as usual
        nn.init.normal_(whole.fc.weight, std=0.01, generator=make_generator(cell.seed, "head"))
        nn.init.zeros_(whole.fc.bias)
    train(whole, clean, targets, TUNED, number(cell.seed, "tuned") % 2**31)
    tuned = float((whole.fc(vectors_of(whole, test)).argmax(1) == right).float().mean())
    return {"classifier": round(alone, 4), "whole": round(tuned, 4)}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The results that are there."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# the report


@dataclass(frozen=True)
class View:
    """How a study is shown: a line of the table for each value of `rows`, a column for each of `columns`."""

    rows: str
    columns: str
    values: tuple[str, ...] = ("classifier", "whole")


VIEWS = {
    "noise": View("noise", "films"),
    "capacity": View("width", "films"),
    "labels": View("labels", "target"),
    "stills": View("stills", "labels"),
}


def mean_and_spread(found: Sequence[float]) -> str:
    """The mean and the lowest and highest of several seeds, in percent."""
    return f"{np.mean(found):.1%} ({min(found):.1%} to {max(found):.1%}; {len(found)})"


def grouped(
    study: str, lines: Iterable[dict[str, Any]], scale: Scale, value: str
) -> dict[Any, dict[Any, list[float]]]:
    """The values of a study: row -> column -> one per seed. Without pre-training there is one row, "none", or in a
    study whose columns are numbers of films, the column 0."""
    view, found = VIEWS[study], dict[Any, dict[Any, list[float]]]()
    wanted = [asdict(cell) for seed in range(100) for cell in cells_of(study, scale, seed)]
    keys = {json.dumps(one, sort_keys=True) for one in wanted}
    for line in lines:
        if json.dumps({name: line[name] for name in asdict(Cell(0))}, sort_keys=True) not in keys:
            continue
        row, column = line[view.rows], line[view.columns]
        rows = [row] if line["films"] else ["none"]
        if not line["films"] and view.columns == "films":  # the same start of every curve
            rows = list(scale.noises) if study == "noise" else [row]
        columns = ["pairs", "nouns"] if study == "stills" and not line["films"] else [column]
        for one in rows:
            for other in columns:
                found.setdefault(one, {}).setdefault(other, []).append(line[value])
    return found


def print_table(study: str, lines: Sequence[dict[str, Any]], scale: Scale) -> None:
    """A table in markdown for each way of fine-tuning."""
    view = VIEWS[study]
    for value in view.values:
        found = grouped(study, lines, scale, value)
        columns = sorted({column for row in found.values() for column in row})
        print(f"\n{study}, {value}\n\n| {view.rows} | {' | '.join(f'{view.columns} {one}' for one in columns)} |")
        print("|" + "---|" * (len(columns) + 1))
        for row in sorted(found, key=str):
            cells = (mean_and_spread(found[row][one]) if one in found[row] else "not run" for one in columns)
            print(f"| {row} | {' | '.join(cells)} |")


def plot(study: str, lines: Sequence[dict[str, Any]], scale: Scale, folder: Path) -> None:
    """Curves of the means, with the lowest and highest seed, as an SVG."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "unrolled"  # the same figures give the same file
    from matplotlib import pyplot

    view = VIEWS[study]
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.5), sharey=True)
    for axis, value in zip(axes, view.values, strict=True):
        found = grouped(study, lines, scale, value)
        columns = sorted({column for row in found.values() for column in row})
        for row in sorted(found, key=str):
            there = [place for place, column in enumerate(columns) if column in found[row]]
            means = np.array([np.mean(found[row][columns[place]]) for place in there])
            ends = np.array([[min(found[row][columns[at]]), max(found[row][columns[at]])] for at in there])
            axis.errorbar(there, means, np.abs(ends.T - means), marker="o", capsize=3, label=f"{view.rows} {row}")
        axis.set_xticks(range(len(columns)), [f"{one:,}" if isinstance(one, int) else str(one) for one in columns])
        axis.set_xlabel(view.columns)
        axis.set_title("classifier alone" if value == "classifier" else "whole net")
    axes[0].set_ylabel("accuracy")
    axes[1].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(folder / f"weak-{study}.svg", metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", nargs="+", choices=STUDIES, default=["noise", "capacity"])
    parser.add_argument("--small", action="store_true", help="narrow nets and at most 2,000 films")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, help="start no training after this many")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/weak_supervision.jsonl"))
    parser.add_argument("--report", type=Path, help="print tables and write plots into this folder; train nothing")
    options = parser.parse_args()
    scale, lines = SMALL if options.small else FULL, read_lines(options.results)
    if options.report is not None:
        for study in options.studies:
            print_table(study, lines, scale)
            plot(study, lines, scale, options.report)
        return
    ends = time.monotonic() + 60 * (options.minutes or 1e9)
    done = {Cell(**{name: line[name] for name in asdict(Cell(0))}) for line in lines}
    for seed in options.seeds:
        for study in options.studies:
            for cell in cells_of(study, scale, seed):
                if cell in done or time.monotonic() > ends:
                    continue
                started = time.process_time()
                line = asdict(cell) | run(cell) | {"core_seconds": round(time.process_time() - started, 1)}
                line |= {"processor": processor_name(), "date": time.strftime("%Y-%m-%d")}
                done.add(cell)
                with options.results.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
