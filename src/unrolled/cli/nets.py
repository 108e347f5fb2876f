"""`unroll nets`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unrolled.cli.options import Json
from unrolled.cli.output import print_json, say
from unrolled.errors import OptionError

if TYPE_CHECKING:  # torch is imported only when the command runs
    from unrolled.model.nets import Net, NetCounts

TITLES = ("net", "year", "input", "layers", "parameters", "multiply-adds", "activation bytes")
WIDTHS = (18, 4, 13, 6, 11, 15, 16)  # rows are printed as they are counted, before the next ones are known
CALL_TITLES = ("layer", "kind", "output", "parameters", "multiply-adds")
LONG = 32  # frames of the clips for which the list of nets for video has multiply-adds too


def nets(
    name: Annotated[
        str | None, typer.Argument(metavar="NET", help="a net, perhaps with options: resnet50:width=0.5,classes=10")
    ] = None,
    video: Annotated[bool, typer.Option("--video", help="list nets for video")] = False,
    json: Json = False,
) -> None:
    """List nets for images, or for video, and what each costs.

    With NET: layer by layer. The columns are the paper's year; channels, frames of a clip, height and width of the
    input; convolutions and linear layers; parameters; multiply-adds for one image or clip; and bytes of the outputs
    of all layers in float32. The list of nets for video also has multiply-adds for 32 frames. No weights are made.

    Options of a NET: classes, channels, and width, a factor of the number of units of each layer; for video also
    frames, and for r2plus1d middle=block.

    \b
    Examples:
      unroll nets
      unroll nets --video
      unroll nets resnet50
      unroll nets lenet5:width=0.5,classes=26 --json
    """
    from unrolled.model.nets import NETS, VIDEO_NETS, counts_of

    if name is not None:
        if video:
            raise OptionError(f"--video lists all nets for video; with a net, {name}, leave it out.")
        name = name.strip().removesuffix(":")
        net, counts = counts_of(name)
        if json:
            calls = [call._asdict() for call in counts.calls]
            print_json(_facts(name, net, counts) | {"stages": counts.stages, "calls": calls})
        else:
            _print_calls(name, net, counts)
        return
    if not json:
        say(_line((*TITLES, f"{LONG} frames") if video else TITLES))
    for known in VIDEO_NETS if video else NETS:
        facts = _facts(known, *counts_of(known))
        if video:
            facts["multiply_adds_of_32_frames"] = counts_of(f"{known}:frames={LONG}")[1].multiply_adds
        if json:
            print_json(facts)
        else:
            numbers = list(facts.values())[5:]
            say(_line([known, str(facts["year"]), _shape(facts["input"]), *numbers]))


def _facts(name: str, net: Net, counts: NetCounts) -> dict[str, Any]:
    from unrolled.model.nets import ALL_NETS

    record = ALL_NETS[name.partition(":")[0].strip()]
    return {
        "net": name,
        "year": record.year,
        "paper": record.paper,
        "input": list(net.input_shape),
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
    what = "images" if net.frames is None else "clips"
    say(f"input {_shape(facts['input'])}, {facts['classes']} classes; {what} of {smallest} pixels or more")
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
    widths = (*WIDTHS[1:], WIDTHS[-2])  # the last column is that of multiply-adds of longer clips
    numbers = (cell.rjust(width) for cell, width in zip(shown[1:], widths, strict=False))
    return "  ".join([shown[0].ljust(WIDTHS[0]), *numbers])


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
