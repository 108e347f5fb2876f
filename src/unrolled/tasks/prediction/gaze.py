"""Where a fovea looks at images, and where it stops because it is sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from unrolled.data.dataset.batches import pad_items
from unrolled.data.dataset.outputs import LabelOutput, Output
from unrolled.data.modalities.base import Item
from unrolled.errors import OptionError
from unrolled.model.encoders import GlimpseEncoder
from unrolled.model.predictor import EnsemblePredictor, NetMember
from unrolled.tasks.results import GazePath

AT_ONCE = 128  # images


def gazing_member(ensemble: EnsemblePredictor) -> NetMember | None:
    """The member that looks through a fovea, if there is one."""
    nets = (one for one in ensemble.members if isinstance(one, NetMember))
    return next((one for one in nets if isinstance(one.model.memory, GlimpseEncoder)), None)


def check_stopping(ensemble: EnsemblePredictor, outputs: Mapping[str, Output], selected: Sequence[str]) -> None:
    """Raise OptionError where a fovea's predictions cannot end before the last glimpse."""
    if len(ensemble.members) > 1:
        raise OptionError(
            f"--stop-when-sure needs a fovea alone, and this run predicts by {'+'.join(selected)}: it needs whole "
            "images.\nTrain the fovea alone: --encoder glimpse --model glimpse"
        )
    if not all(isinstance(output, LabelOutput) for output in outputs.values()):
        raise OptionError(
            "--stop-when-sure asks how probable a label is, and an output here is no single label. Leave it out."
        )


@torch.no_grad()
def gaze_paths(
    ensemble: EnsemblePredictor, member: NetMember, items: Sequence[Item], sure: float | None = None
) -> tuple[dict[str, Tensor], list[GazePath]]:
    """Look at items: predictions (A, O) of the fovea for each output, and the path of the gaze over each.

    sure: the probability of the labels from which on no further glimpse is taken; None: all glimpses are.
    """
    encoder = member.model.memory
    if not isinstance(encoder, GlimpseEncoder):
        raise TypeError("a fovea was expected")
    found: list[dict[str, Tensor]] = []
    paths: list[GazePath] = []
    for start in range(0, len(items), AT_ONCE):
        images, lengths = pad_items(member.featurizer, items[start : start + AT_ONCE])
        rows, glimpses = len(images), encoder.glimpses
        logits, places = member.model.predict_by_glimpse(images, lengths)  # (B, G, O), (B, G, 2)
        predicted = {name: one.cpu().flatten(0, 1) for name, one in member.model.to_predictions(logits).items()}
        used = torch.full((rows,), glimpses)
        if sure is not None:
            predicted = ensemble.combined([predicted])
            surest = torch.stack([one.exp().amax(1) for one in predicted.values()]).amin(0).view(rows, glimpses)
            is_sure = surest >= sure
            used = torch.where(is_sure.any(1), is_sure.int().argmax(1) + 1, glimpses)
        last = torch.arange(rows) * glimpses + used - 1  # (B,)
        found.append({name: one[last] for name, one in predicted.items()})
        sides = encoder.retina.sides(images.shape[2], images.shape[3])
        for own, count in zip(((places.cpu() + 1) / 2).tolist(), used.tolist(), strict=True):
            paths.append(GazePath([(x, y) for x, y in own[:count]], sides))
    return {name: torch.cat([one[name] for one in found]) for name in member.model.names}, paths
