"""`unroll nets`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli.options import Json
from unrolled.cli.output import print_json, say

if TYPE_CHECKING:  # torch is imported only when the command runs
    from unrolled.model.nets import Net, NetCounts

TITLES = ("net", "year", "input", "layers", "parameters", "multiply-adds", "activation bytes")
WIDTHS = (18, 4, 11, 6, 11, 14, 16)  # rows are printed as they are counted, before the next ones are known
CALL_TITLES = ("layer", "kind", "output", "parameters", "multiply-adds")


def nets(
    name: Annotated[
        str | None, typer.Argument(metavar="NET", help="a net, perhaps with options: resnet50:width=0.5,classes=10")
    ] = None,
    json: Json = False,
) -> None:
    """List nets for images and what each costs.

    With NET: layer by layer. The columns are the paper's year; channels, height and width of the input;
    convolutions and linear layers; parameters; multiply-adds for one image; and bytes of the outputs of all layers in
    float32. No weights are made.

    Options of a NET: classes, channels, and width, a factor of the number of units of each layer.

    \b
    Examples:
      unroll nets
      unroll nets resnet50
      unroll nets lenet5:width=0.5,classes=26 --json
    """
    from unrolled.model.nets import NETS, counts_of

    if name is not None:
        name = name.strip().removesuffix(":")
        net, counts = counts_of(name)
        if json:
            calls = [call._asdict() for call in counts.calls]
            print_json(_facts(name, net, counts) | {"stages": counts.stages, "calls": calls})
        else:
            _print_calls(name, net, counts)
        return
    if not json:
        say(_line(TITLES))
    for known in NETS:
        facts = _facts(known, *counts_of(known))
        if json:
            print_json(facts)
        else:
            say(_line([known, str(facts["year"]), _shape(facts["input"]), *list(facts.values())[-4:]]))


def _facts(name: str, net: Net, counts: NetCounts) -> dict[str, Any]:
    from unrolled.model.nets import NETS

    record = NETS[name.partition(":")[0].strip()]
    return {
        "net": name,
        "year": record.year,
        "paper": record.paper,
        "input": [net.channels, net.image_size, net.image_size],
        "classes": counts.calls[-1].shape[0],
        "layers": counts.layers,
        "parameters": counts.parameters,
        "multiply_adds": counts.multiply_adds,
        "activation_bytes": counts.activation_bytes,
    }


def _print_calls(name: str, net: Net, counts: NetCounts) -> None:
    facts = _facts(name, net, counts)
    say(f"{name}: {facts['paper']}, {facts['year']}")
    smallest = f"{net.smallest} × {net.smallest}"
    say(f"input {_shape(facts['input'])}, {facts['classes']} classes; images of {smallest} pixels or more")
    say("stages: " + ", ".join(f"{stage} {_shape(shape)}" for stage, shape in counts.stages.items()))
    say()
    rows = [[call.name, call.kind, _shape(call.shape), f"{call.parameters:,}", f"{call.multiply_adds:,}"]
            for call in counts.calls]  # fmt: skip
    rows = [list(CALL_TITLES), *rows, ["total", "", "", f"{counts.parameters:,}", f"{counts.multiply_adds:,}"]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        words = [cell.ljust(width) for cell, width in zip(row[:3], widths[:3], strict=True)]
        say("  ".join([*words, *(cell.rjust(width) for cell, width in zip(row[3:], widths[3:], strict=True))]))
    say()
    size = f"{counts.activation_bytes:,} bytes"
    say(f"{counts.layers} convolutions and linear layers; outputs of all layers: {size} in float32")


def _line(cells: Sequence[Any]) -> str:
    shown = [cell if isinstance(cell, str) else f"{cell:,}" for cell in cells]
    numbers = (cell.rjust(width) for cell, width in zip(shown[1:], WIDTHS[1:], strict=True))
    return "  ".join([shown[0].ljust(WIDTHS[0]), *numbers])


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
