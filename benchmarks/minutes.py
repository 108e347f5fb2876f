"""The result of a budget in minutes on a text: what `unroll train` selects, an lstm alone, an untuned torch.nn.LSTM.

python benchmarks/minutes.py TEXT --minutes 2 --seeds 3 --who unrolled --results benchmarks/minutes.jsonl

Each result is one JSON line; results that are there are not run again, so a study can be interrupted. All models are
trained on the first 90% and scored on the rest, as one stream with the state carried over.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

import unrolled


def ours(text: Path, minutes: float, seed: int, *options: str) -> dict[str, Any]:
    """`unroll train` by its command, with `options`."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        command = [sys.executable, "-c", "import sys; from unrolled.cli import main; sys.exit(main())"]
        command += ["train", str(text), "--minutes", str(minutes), "--seed", str(seed), "--out", str(out), "--quiet"]
        command += options
        started = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - started
        facts = json.loads((out / "run.json").read_text())
        plans = [json.loads(line) for line in (out / "plan.jsonl").read_text().splitlines()]
        log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        whole = (
            unrolled.load(out).evaluate().to_dict()["nats"]
        )  # the command may have had no time for the whole split
    curve = [(round(line["seconds"], 1), line["validation"]) for line in log if "validation" in line]
    plan = {
        name: plans[-1][name]
        for name in ("hidden_size", "layers", "batch_size", "window", "steps", "dropout", "precision")
    }
    scores = facts["scores"]
    return {"nats": whole, "told": scores["nats"], "validation": scores["validation"],
            "baseline": facts["baseline"]["test"], "selected": scores["model"], "candidates": scores["candidates"],
            "seconds": seconds, "plan": plan, "curve": curve}  # fmt: skip


def untuned(text: Path, minutes: float, seed: int) -> dict[str, Any]:
    """One torch.nn.LSTM of 256, batch 32 x 64, float32, Adam at 2e-3, without tuning; the same wall time."""
    started = time.monotonic()
    torch.manual_seed(seed)
    content = text.read_text(encoding="utf-8")
    vocabulary = {character: number for number, character in enumerate(sorted(set(content)))}
    tokens = torch.tensor([vocabulary[character] for character in content])
    cut = int(0.9 * len(tokens))
    training, test = tokens[:cut], tokens[cut:]
    embedding, lstm = nn.Embedding(len(vocabulary), 256), nn.LSTM(256, 256, batch_first=True)
    output = nn.Linear(256, len(vocabulary))
    parameters = [*embedding.parameters(), *lstm.parameters(), *output.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=2e-3)
    length = (len(training) - 1) // 32
    inputs, targets = training[: 32 * length].view(32, length), training[1 : 32 * length + 1].view(32, length)
    state, place, steps = None, 0, 0
    while time.monotonic() - started < 60 * minutes - 5:
        if place + 64 > length:
            state, place = None, 0
        outputs, state = lstm(embedding(inputs[:, place : place + 64]), state)
        loss = F.cross_entropy(output(outputs).flatten(0, 1), targets[:, place : place + 64].flatten())
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        state = (state[0].detach(), state[1].detach())
        place, steps = place + 64, steps + 1
    with torch.no_grad():
        logits = output(lstm(embedding(test[None, :-1]))[0])[0]
        nats = F.cross_entropy(logits, test[1:]).item()
    return {"nats": nats, "seconds": time.monotonic() - started, "steps": steps}


WHO = {
    "unrolled": ours,
    "unrolled --model lstm": lambda text, minutes, seed: ours(text, minutes, seed, "--model", "lstm"),
    "untuned torch.nn.LSTM": untuned,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--who", nargs="+", choices=WHO, default=list(WHO))
    parser.add_argument("--results", type=Path, default=Path("benchmarks/minutes.jsonl"))
    options = parser.parse_args()
    done = [json.loads(line) for line in options.results.read_text().splitlines()] if options.results.exists() else []
    known = {(line["text"], line["minutes"], line["seed"], line["who"]) for line in done}
    for seed in range(options.seeds):
        for who in options.who:
            if (options.text.name, options.minutes, seed, who) in known:
                continue
            head = {"text": options.text.name, "minutes": options.minutes, "seed": seed, "who": who}
            where = {"date": time.strftime("%Y-%m-%d"), "processor": processor(), "torch": torch.__version__}
            line = json.dumps(head | WHO[who](options.text, options.minutes, seed) | where)
            with options.results.open("a") as file:
                file.write(line + "\n")
            print(line[:200], flush=True)


def processor() -> str:
    """The processor's name and the number of threads."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor()
    return f"{name}, {torch.get_num_threads()} threads"


if __name__ == "__main__":
    main()
