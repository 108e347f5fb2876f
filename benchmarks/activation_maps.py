"""Do maps peak where the label is decided? Those of the product against Grad-CAM.

python benchmarks/activation_maps.py                one line per net, corner and seed; a table of the means

An image of 32 × 32 pixels has stripes in each corner, upright or flat at random. Those in one corner are the label. A
net learns it to 97% or more. A map is right where its highest place is nearer to that corner than to the others.
One JSON line per trained net is appended to benchmarks/activation_maps.jsonl; lines that are there are not run again.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.model.nets import Net, make_net
from unrolled.model.nets.base import GridNet

NETS = ("lenet5", "cifar10-quick", "cifar10-full", "vit-tiny:width=0.25,patch=4,image_size=32")
SEEDS = (0, 1, 2)
SIDE, STRIPES, UPDATES, ROWS, MEASURED = 32, 8, 400, 1500, 300
RESULTS = Path(__file__).with_suffix(".jsonl")


def draw(rows: int, corner: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images (B, 1, 32, 32), and labels (B,) that one corner decides: 0 is the top left one, 3 the bottom right."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.3 * torch.randn(rows, 1, SIDE, SIDE, generator=generator)
    flat = torch.zeros(STRIPES, STRIPES)
    flat[::2] = 1.5
    upright = torch.randint(2, (4, rows), generator=generator)
    for place in range(4):
        top, left = (1 + (SIDE - STRIPES - 2) * part for part in divmod(place, 2))
        images[:, 0, top : top + STRIPES, left : left + STRIPES] += torch.stack([flat, flat.T])[upright[place]]
    return images, upright[corner]


def trained(name: str, corner: int, seed: int) -> tuple[Net, float]:
    """A net and its accuracy on new images."""
    torch.manual_seed(seed)
    net = make_net(f"{name}{',' if ':' in name else ':'}classes=2,channels=1")
    images, labels = draw(ROWS, corner, 100 + seed)
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    for _ in range(UPDATES):
        some = torch.randint(ROWS, (64,))
        optimizer.zero_grad()
        loss: Tensor = F.cross_entropy(net(images[some]), labels[some])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    net.eval()
    images, labels = draw(MEASURED, corner, 200 + seed)
    with torch.no_grad():
        return net, float((net(images).argmax(1) == labels).float().mean())


def grad_cam(net: Net, images: Tensor, labels: Tensor) -> Tensor | None:
    """The map of Selvaraju et al. 2017: the gradient is averaged over the places. None for a transformer."""
    if not isinstance(net, GridNet):
        return None
    features = net.grid(images).detach().requires_grad_()
    scores = net.get_submodule(net.last_layer)(net.vector_of(features)).gather(1, labels[:, None])
    (slopes,) = torch.autograd.grad(scores.sum(), features)
    found: Tensor = (slopes.mean((2, 3), keepdim=True) * features).sum(1).clamp_min(0).detach()
    return found


def share_at(maps: Tensor, corner: int) -> float:
    """The share of maps (B, h, w) whose highest place is nearest to the corner; a place in the middle counts half."""
    down, across = maps.shape[1:]
    highest = maps.flatten(1).argmax(1)
    right = torch.ones(len(maps))
    for places, side, end in ((highest // across, down, corner // 2), (highest % across, across, corner % 2)):
        middle = (side - 1) / 2
        off = (places - middle) * (1 if end else -1)
        right *= torch.where(off > 0, 1.0, torch.where(off == 0, 0.5, 0.0))
    return float(right.mean())


def measure(name: str, corner: int, seed: int) -> dict[str, object]:
    """The line of one trained net."""
    net, accuracy = trained(name, corner, seed)
    images, _ = draw(MEASURED, corner, 200 + seed)
    with torch.no_grad():
        labels = net(images).argmax(1)
    head = net.get_submodule(net.last_layer)
    maps = net.maps(images, lambda vectors: head(vectors).gather(1, labels[:, None])[:, 0])
    other = grad_cam(net, images, labels)
    return {
        "net": name, "corner": corner, "seed": seed, "accuracy": round(accuracy, 3),
        "product": round(share_at(maps, corner), 3),
        "grad_cam": None if other is None else round(share_at(other, corner), 3),
    }  # fmt: skip


def main() -> None:
    torch.set_num_threads(1)
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []
    done = {(line["net"], line["corner"], line["seed"]) for line in lines}
    for name in NETS:
        for corner in (0, 3):
            for seed in SEEDS:
                if (name, corner, seed) not in done:
                    lines.append(measure(name, corner, seed))
                    with RESULTS.open("a") as file:
                        file.write(json.dumps(lines[-1]) + "\n")
    for name in NETS:
        own = [line for line in lines if line["net"] == name]
        found = [[line[key] for line in own if line[key] is not None] for key in ("accuracy", "product", "grad_cam")]
        shown = [f"{statistics.fmean(each):.1%}, at least {min(each):.0%}" if each else "" for each in found]
        print(f"| `{name}` | " + " | ".join(shown) + " |")


if __name__ == "__main__":
    main()
