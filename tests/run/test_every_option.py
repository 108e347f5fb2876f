"""Every option × every task × every kind of input: each has an effect or is refused; none is ignored.

The effect is measured after three updates: the rows of each split, the batches, the weights, and the predictions.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unrolled.errors import InputError, OptionError
from unrolled.gradient import BPTT_STRATEGIES
from unrolled.model.cross_attention import CROSS_ATTENTIONS
from unrolled.options import CHOICES, TASK_SETTINGS, LanguageModelingSettings, Seq2SeqSettings, TrainOptions
from unrolled.registry import build
from unrolled.settings import option_name
from unrolled.tasks.resolve import resolve
from unrolled.threads import torch_threads
from unrolled.training.loop import TrainingState, update
from unrolled.training.optimiser import Optimiser

TINY: dict[str, Any] = {"steps": 3, "hidden_size": 8, "layers": 1, "batch_size": 6, "threads": 1, "model": "lstm"}
WORDS = ["a", "lamp", "in", "the", "hall", "was", "warm", "and", "every", "door", "stood", "open", "to", "rain"]

OPTIONS: dict[str, list[Any]] = {
    "model": ["gru"],
    "hidden_size": [12],
    "layers": [2],
    "batch_size": [5],
    "learning_rate": [0.5],
    "dropout": [0.5],
    "bptt": ["truncated:k1=3"],
    "seed": [7],
    "valid": ["0.3"],
    "test": ["none"],
    "input": ["other"],
    "no_header": [True],
    "window": [9],
    "output": ["more"],
    "group": ["who"],
    "folds": [3],
    "sequence": ["who"],
    "shuffle": [True],
    "rows": [40],
    "encoder": ["lenet5", "glimpse:glimpses=2,width=16"],
    "frames": [4],
    "image_size": [64],
    "attention": list(CROSS_ATTENTIONS),
    "sampling": ["sqrt", "capped:rows=4"],
    "min_count": [14],
}
"""Values of the options that take any value."""
WITH: dict[str, dict[str, Any]] = {"folds": {"fold": 2}, "window": {"batch_size": 2}}
"""Options that have to be given together with it."""
WITHOUT = {"encoder": ("model", "hidden_size", "layers")}
"""Options of `TINY` that cannot be given together with it."""
ELSEWHERE = {
    "minutes", "steps", "out", "threads", "device", "init_from", "freeze", "plan", "fold", "cache",
}  # fmt: skip
"""Options for budget, device, output, start and cache: they have tests of their own; `fold` is with `folds`."""
MENDING = {"skip_empty": True, "decimal": ","}
"""Options for the meaning of cells."""
VALUES = OPTIONS | {
    name: [value for value in values if value != getattr(TrainOptions(), name)]
    for name, values in CHOICES.items()
    if name not in {*ELSEWHERE, *MENDING}
}
"""Values of each option that are not the default: of an option that takes a fixed few, all of them."""


def sentence(number: int) -> str:
    return " ".join(random.Random(number).choice(WORDS) for _ in range(4 + number % 5))


def write_rows(path: Path, rows: Callable[[int], dict[str, Any]], count: int = 90) -> Path:
    """A table of another format for each kind: jsonl, csv or tsv."""
    found = [rows(number) for number in range(count)]
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in found))
        return path
    mark = "," if path.suffix == ".csv" else "\t"
    lines = [mark.join(found[0]), *(mark.join(str(cell) for cell in row.values()) for row in found)]
    path.write_text("\n".join(lines) + "\n")
    return path


def text(folder: Path) -> Path:
    verses = ("\n".join(sentence(number) for number in range(start, start + 4)) for start in range(0, 400, 4))
    (folder / "text.txt").write_text("\n\n".join(verses))
    return folder / "text.txt"


def labels(folder: Path) -> Path:
    """Labels of different frequencies, groups, another input and another output."""
    return write_rows(folder / "labels.csv", lambda n: {
        "text": sentence(n), "label": "yes" if n % 3 else "no", "who": f"p{n % 9}", "other": sentence(n + 500),
        "more": "ab"[n % 2],
    })  # fmt: skip


def free_tags(folder: Path) -> Path:
    """Hashtags of different frequencies, some in two spellings."""
    return write_rows(folder / "free_tags.csv", lambda n: {
        "text": sentence(n), "label": "#Old" if n % 3 else "#old #new" if n % 2 else "#odd", "who": f"p{n % 9}",
        "other": sentence(n + 500), "more": "#a #b" if n % 2 else "#b",
    })  # fmt: skip


def tags(folder: Path) -> Path:
    def row(n: int) -> dict[str, Any]:
        words = sentence(n).split()
        return {"words": words, "tags": [word[0] for word in words], "who": f"p{n % 9}", "other": words[::-1],
                "more": [word[-1] for word in words]}  # fmt: skip

    return write_rows(folder / "tags.jsonl", row)


def numbers(folder: Path) -> Path:
    return write_rows(folder / "numbers.csv", lambda n: {
        "x": n * 0.37 % 1, "y": round(n * 0.73 % 1, 3), "other": n * 0.11 % 1, "who": f"p{n % 9}",
        "more": round(n * 0.19 % 1, 3),
    })  # fmt: skip


def pairs(folder: Path) -> Path:
    return write_rows(folder / "pairs.tsv", lambda n: {
        "source": sentence(n), "target": " ".join([*sentence(n).split()[::-1], *WORDS[: n % 3]]), "who": f"p{n % 9}",
        "other": sentence(n + 500), "more": sentence(n)[::-1],
    })  # fmt: skip


def images(folder: Path) -> Path:
    generator = np.random.default_rng(0)
    np.savez(
        folder / "images.npz", x=generator.integers(0, 255, (90, 8, 8), np.uint8), y=np.arange(90) % 3,
        other=generator.integers(0, 255, (90, 8, 8), np.uint8), who=np.arange(90) % 9, more=np.arange(90) % 2,
    )  # fmt: skip
    return folder / "images.npz"


BY_ITSELF: dict[str, dict[str, str]] = {
    "text": {"task": "language-modeling", "tokenizer": "char"},
    "label of texts": {
        "task": "classification", "input_type": "text", "tokenizer": "word", "pool": "attention",
        "direction": "bidirectional",
    },
    "any labels of texts": {
        "task": "multilabel", "input_type": "text", "tokenizer": "word", "pool": "attention",
        "direction": "bidirectional", "fold_tags": "yes",
    },
    "tags of words": {
        "task": "tagging", "input_type": "text", "tokenizer": "word", "direction": "bidirectional",
    },
    "number of numbers": {
        "task": "regression", "input_type": "vectors", "pool": "attention", "direction": "bidirectional",
    },
    "text about texts": {"task": "seq2seq", "input_type": "text", "tokenizer": "bpe", "attention": "additive"},
    "label of images": {
        "task": "classification", "input_type": "image", "stem": "conv", "augment": "yes", "pool": "attention",
        "direction": "bidirectional",
    },
}  # fmt: skip
"""The values that are detected, or the task's own, for each: giving them explicitly changes nothing."""
TASKS: dict[str, tuple[Callable[[Path], Path], dict[str, Any]]] = {
    "text": (text, {}),
    "label of texts": (labels, {"input": "text", "output": "label"}),
    "any labels of texts": (free_tags, {"input": "text", "output": "label", "task": "multilabel"}),
    "tags of words": (tags, {"input": "words", "output": "tags"}),
    "number of numbers": (numbers, {"input": "x", "output": "y"}),
    "text about texts": (pairs, {"input": "source", "output": "target"}),
    "label of images": (images, {"input": "x", "output": "y"}),
}
"""Each kind of input and each task: a file, and the options that name its columns."""


def done(path: Path, requested: dict[str, Any]) -> str:
    """A digest of the training with these options. Raises InputError."""
    without = [name for option in requested for name in WITHOUT.get(option, ())]
    tiny = {name: value for name, value in TINY.items() if name not in without}
    options = TrainOptions.from_call(None, tiny | requested)
    options.check()
    found = hashlib.sha256()

    def take(value: Any) -> None:
        found.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())

    with torch_threads(1):
        task: Any = resolve(path, options)
        plan = task.make_plan("cpu", 1, None)
        model = task.make_model(plan)
        training_state = TrainingState(model, Optimiser(model, plan), model.start(plan.rows))
        batches, strategy = task.make_batches(plan), build("bptt", BPTT_STRATEGIES, plan.bptt)
        for number in range(3):
            update(training_state, batches.batch(number), strategy, plan, options.seed)
        for weights in training_state.model.parameters():
            take(weights.detach().numpy())
        take(task.tables())
        for split in ("training", "validation", "test"):
            take(task.items(split))
            take(task.corpus.splits[split] if hasattr(task, "corpus") else task.examples.splits[split])
    return found.hexdigest()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("every_option")
    return {name: make(folder) for name, (make, _) in TASKS.items()}


@pytest.fixture(scope="module")
def usual(files: dict[str, Path]) -> dict[str, str]:
    """The digest of each task and input without further options."""
    return {name: done(path, TASKS[name][1]) for name, path in files.items()}


@pytest.mark.parametrize("option", VALUES)
@pytest.mark.parametrize("task", TASKS)
def test_an_option_has_an_effect_or_is_refused(
    task: str, option: str, files: dict[str, Path], usual: dict[str, str]
) -> None:
    ignored = []
    for value in VALUES[option]:
        requested = TASKS[task][1] | WITH.get(option, {}) | {option: value}
        try:
            changed = done(files[task], requested) != usual[task]
        except InputError:
            continue
        if not changed and BY_ITSELF[task].get(option) != value:
            ignored.append(value)
    assert not ignored, f"{option_name(option)} {', '.join(map(str, ignored))} is accepted, and has no effect"


@pytest.mark.parametrize(
    ("task", "option"),
    [("label of texts", "skip_empty"), ("number of numbers", "skip_empty"), ("text about texts", "skip_empty"),
     ("number of numbers", "decimal")],
)  # fmt: skip
def test_options_for_cells_have_an_effect(task: str, option: str, files: dict[str, Path], tmp_path: Path) -> None:
    """Without the option a table that needs it is refused, with its name."""
    mark = "\t" if files[task].suffix == ".tsv" else ","
    names, *rows = [line.split(mark) for line in files[task].read_text().splitlines()]
    if option == "skip_empty":
        rows[7] = [
            "" if name in ("text", "other", "x", "source") else cell
            for name, cell in zip(names, rows[7], strict=True)
        ]
    else:
        rows = [[re.sub(r"^(\d+)\.(\d+)$", r'"\1,\2"', cell) for cell in row] for row in rows]
    path = tmp_path / files[task].name
    path.write_text("\n".join(map(mark.join, [names, *rows])) + "\n")
    with pytest.raises(InputError, match=option_name(option)):
        done(path, TASKS[task][1])
    done(path, TASKS[task][1] | {option: MENDING[option]})


def test_pool_applies_to_row_level_outputs(files: dict[str, Path]) -> None:
    with pytest.raises(OptionError, match="--pool applies to predictions per row"):
        done(files["tags of words"], TASKS["tags of words"][1] | {"pool": "mean"})


def test_freeze_applies_to_nets_that_predict_rows() -> None:
    options = TrainOptions(init_from="run", freeze="encoder")
    refused = {settings for settings in TASK_SETTINGS.values() if "freeze" in options.refused_by(settings)}
    assert refused == {LanguageModelingSettings, Seq2SeqSettings}


def test_every_option_is_crossed_with_every_task() -> None:
    assert set(VALUES) | set(MENDING) | ELSEWHERE == set(TrainOptions.names())
