"""A fovea on MNIST: as it is, translated, and translated among scraps of other digits.

python benchmarks/fovea.py --data shared/data/mnist --minutes 60 --threads 2   # all trials that are missing
python benchmarks/fovea.py --data shared/data/mnist --only cluttered-learned --test
python benchmarks/fovea.py --data shared/data/mnist --minutes 0.3 --rows 2000 --folder t --results t.jsonl

The first 50,000 images are trained on and validated on, and all choices were made with them; the last 10,000 are the
test split, which is read with --test alone. Images of 60 x 60 pixels are rendered from the seed: the digit at a
random place, and for `cluttered` four squares of 8 x 8 pixels from other digits of the same split.

Each trial appends one JSON line: errors after each glimpse with the gaze at its means; with places drawn as in
training, each drawing alone and the mean of their probabilities (Monte-Carlo averaging); and for several
probabilities at which the gaze stops, the error and the mean number of glimpses. A trial whose run was interrupted is
resumed. With --test a trained run is scored without being trained again. Lines that are there are not made again.
"""

from __future__ import annotations

import argparse
import dataclasses
import gzip
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import unrolled
from unrolled.data.dataset.batches import pad_items
from unrolled.environment import processor_name
from unrolled.memory import draw_masks
from unrolled.model.encoders import GlimpseEncoder
from unrolled.model.encoders.glimpse import GLIMPSE
from unrolled.model.predictor import NetMember
from unrolled.seeds import make_generator, numpy_generator

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
SIDE, SCRAP, SCRAPS = 60, 8, 4  # pixels of a rendered image, pixels and number of scraps
TEST, VALIDATION = 10_000, 5_000  # rows
COPIES = 2  # renderings of each training image
DRAWINGS = 10  # for the mean of probabilities
SURE = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
AT_ONCE = 250


@dataclasses.dataclass(frozen=True)
class Trial:
    """A training: the images, the encoder, and further options."""

    name: str
    images: str  # plain, translated or cluttered
    encoder: str
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


SMALL, LARGE, MANY = "glimpses=6,size=8", "glimpses=6,size=12,scales=3", "glimpses=8,size=12,scales=3"


def trials() -> list[Trial]:
    """All trials, the most important first."""
    varied = {"augment": "yes"}
    found = [
        Trial("plain-learned", "plain", f"glimpse:{SMALL}", varied),
        Trial("cluttered-learned", "cluttered", f"glimpse:{MANY}", varied),
        Trial("cluttered-random", "cluttered", f"glimpse:{MANY},gaze=random", varied),
        Trial("translated-learned", "translated", f"glimpse:{LARGE}", varied),
    ]
    for gaze in ("transformer", "random", "centre"):
        found.append(Trial(f"plain-{gaze}", "plain", f"glimpse:{SMALL},gaze={gaze}", varied))
    for gaze in ("transformer", "centre"):
        found.append(Trial(f"cluttered-{gaze}", "cluttered", f"glimpse:{MANY},gaze={gaze}", varied))
    slower = varied | {"learning_rate": 2e-3}
    for images, how in (("plain", SMALL), ("cluttered", MANY)):
        found.append(Trial(f"{images}-transformer-slower", images, f"glimpse:{how},gaze=transformer", slower))
    found.append(Trial("plain-learned-unvaried", "plain", f"glimpse:{SMALL}", {"augment": "no"}))
    return [*found, Trial("cluttered-lenet5", "cluttered", "lenet5", varied)]


def read_mnist(folder: Path) -> tuple[Images, Labels]:
    """The 60,000 images (N, 28, 28) and their labels."""
    images = gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28)
    return pixels, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)


def render(digits: Images, kind: str, generator: np.random.Generator) -> Images:
    """Digits (N, 28, 28) as images of a kind: (N, 28, 28) or (N, 60, 60)."""
    if kind == "plain":
        return digits
    count, free = len(digits), SIDE - digits.shape[1] + 1
    made = np.zeros((count, SIDE, SIDE), np.uint8)
    places = generator.integers(0, free, (count, 2))
    for image, digit, (top, left) in zip(made, digits, places.tolist(), strict=True):
        if kind == "cluttered":
            others = generator.integers(0, count, SCRAPS).tolist()
            cuts = generator.integers(0, digits.shape[1] - SCRAP + 1, (SCRAPS, 2)).tolist()
            targets = generator.integers(0, SIDE - SCRAP + 1, (SCRAPS, 2)).tolist()
            for other, (down, across), (y, x) in zip(others, cuts, targets, strict=True):
                scrap = digits[other][down : down + SCRAP, across : across + SCRAP]
                np.maximum(image[y : y + SCRAP, x : x + SCRAP], scrap, out=image[y : y + SCRAP, x : x + SCRAP])
        window = image[top : top + len(digit), left : left + len(digit)]
        np.maximum(window, digit, out=window)
    return made


def write_split(path: Path, kind: str, digits: Images, labels: Labels, seed: int, copies: int = 1) -> Path:
    """A file of rendered images and their labels, unless it exists; written at once, so a kill leaves none."""
    if not path.exists():
        generator = numpy_generator(seed, kind, path.stem)
        copies = 1 if kind == "plain" else copies
        images = np.concatenate([render(digits, kind, generator) for _ in range(copies)])
        part = path.with_suffix(".part.npz")
        np.savez(part, x=images, y=np.tile(labels, copies))
        part.rename(path)
    return path


def write_data(folder: Path, kind: str, source: Path, seed: int, rows: int | None) -> dict[str, Path]:
    """The files of the splits. rows: of the training split, where it is cut short."""
    images, labels = read_mnist(source)
    last = len(images) - TEST
    training = slice(0, last - VALIDATION if rows is None else rows)
    splits = {"training": training, "validation": slice(last - VALIDATION, last), "test": slice(last, None)}
    return {
        name: write_split(
            folder / f"{kind}-{name}.npz", kind, images[part], labels[part], seed, COPIES if name == "training" else 1
        )
        for name, part in splits.items()
    }


def train(trial: Trial, data: dict[str, Path], out: Path, seed: int, budget: dict[str, Any], threads: int) -> None:
    """Train the net of a trial, or resume its training, unless it is done. budget: minutes, or steps."""
    if (out / "run.json").exists():
        if json.loads((out / "run.json").read_text())["status"] == "finished":
            return
        training = unrolled.Training.resume(out)
    else:
        training = unrolled.Training(
            data["training"], encoder=trial.encoder, model=trial.encoder, valid=str(data["validation"]), test="none",
            seed=seed, threads=threads, out=str(out), **budget, **trial.options,
        )  # fmt: skip
    for report in training:
        if report.validation is not None:
            print(f"{trial.name}: update {report.step:,}, validation {report.validation:.4f} nats", flush=True)


def errors_in_percent(logits: Tensor, labels: Tensor) -> list[float]:
    """Logits (N, G, 10) -> the share of wrong labels after each glimpse, in percent."""
    wrong = (logits.argmax(-1) != labels[:, None]).double().mean(0)
    return [round(100 * share, 3) for share in wrong.tolist()]


@torch.no_grad()
def score(run: Any, path: Path, seed: int) -> dict[str, Any]:
    """The errors of a run on a file of images."""
    with np.load(path) as arrays:
        items, labels = list(arrays["x"][..., None]), torch.from_numpy(arrays["y"])
    names = next(iter(run.outputs.values())).names
    labels = torch.tensor([names.index(str(label)) for label in labels.tolist()])
    member = next(one for one in run.ensemble.members if isinstance(one, NetMember))
    model, encoder = member.model, member.model.memory
    if not isinstance(encoder, GlimpseEncoder):
        (predicted,) = member.predict(items).values()
        return {"rows": len(items), "error": errors_in_percent(predicted[:, None], labels)[-1]}

    def logits(drawing: int | None) -> Tensor:
        parts = []
        for start in range(0, len(items), AT_ONCE):
            images, _ = pad_items(member.featurizer, items[start : start + AT_ONCE])
            state = encoder.start(len(images))
            if drawing is not None:
                state = draw_masks(state, make_generator(seed, "drawing", drawing, start))
            looked = encoder.look(model.embedding(images), None, state)
            parts.append(next(iter(model.heads))(looked.features))
        return torch.cat(parts)  # (N, G, 10)

    at_means = logits(None)
    found: dict[str, Any] = {"rows": len(items), "by_glimpse": errors_in_percent(at_means, labels)}
    found["error"] = found["by_glimpse"][-1]
    surest = run.ensemble.combined([{name: at_means.flatten(0, 1) for name in run.outputs}])
    probable = next(iter(surest.values())).exp().amax(1).view(at_means.shape[:2])  # (N, G), calibrated
    right = at_means.argmax(-1) == labels[:, None]
    found["stopping"] = []
    for sure in SURE:
        reached = probable >= sure
        used = torch.where(reached.any(1), reached.int().argmax(1), encoder.glimpses - 1)
        wrong = 1 - right.gather(1, used[:, None]).double().mean()
        found["stopping"].append(
            {
                "sure": sure,
                "glimpses": round(float(used.double().mean()) + 1, 3),
                "error": round(100 * float(wrong), 3),
            }
        )
    if encoder.gaze in ("learned", "random"):
        drawn = [logits(number) for number in range(DRAWINGS)]
        alone = [errors_in_percent(one, labels)[-1] for one in drawn]
        mean = torch.stack([one.softmax(-1) for one in drawn]).mean(0)
        found |= {"drawn": round(sum(alone) / DRAWINGS, 3), "drawn_least_most": [min(alone), max(alone)],
                  "drawings": DRAWINGS, "averaged": errors_in_percent(mean, labels)[-1]}  # fmt: skip
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("shared/data/mnist"))
    parser.add_argument("--only", nargs="+", default=[""], help="only trials whose names begin with these")
    parser.add_argument("--minutes", type=float, default=60.0, help="of each training, from start to exit")
    parser.add_argument("--steps", type=int, help="updates of each training, instead of minutes")
    parser.add_argument("--width", type=int, help="units of the memory, instead of each trial's own")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, help="training images, where not all of them are used")
    parser.add_argument("--folder", type=Path, default=Path("runs/fovea"), help="for images and runs; it is kept")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/fovea.jsonl"))
    parser.add_argument("--test", action="store_true", help="score on the test split, not on validation")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    done = [json.loads(line) for line in options.results.read_text().splitlines()] if options.results.exists() else []
    split = "test" if options.test else "validation"
    budget = {"minutes": options.minutes} if options.steps is None else {"steps": options.steps}
    known = {(line["name"], line["encoder"], line["seed"], str(line["budget"]), line["split"]) for line in done}
    for trial in trials():
        if options.width is not None and trial.encoder.startswith(GLIMPSE):
            trial = dataclasses.replace(trial, encoder=f"{trial.encoder},width={options.width}")
        for seed in options.seeds:
            key = (trial.name, trial.encoder, seed, str(budget), split)
            if key in known or not trial.name.startswith(tuple(options.only)):
                continue
            data = write_data(options.folder, trial.images, options.data, 0, options.rows)
            amount = "-".join(f"{name}{value:g}" for name, value in [*budget.items(), ("width", options.width or 0)])
            out = options.folder / f"run-{trial.name}-{seed}-{amount}"
            train(trial, data, out, seed, budget, options.threads)
            run = unrolled.load(str(out))
            head = {"seed": seed, "budget": budget, "split": split}
            plan = run.info()["plan"] or {}
            line = dataclasses.asdict(trial) | head | score(run, data[split], seed) | {
                "updates": plan.get("steps"), "batch_size": plan.get("batch_size"), "training_rows": options.rows,
                "threads": options.threads, "processor": processor_name(), "date": time.strftime("%Y-%m-%d"),
            }  # fmt: skip
            with options.results.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
