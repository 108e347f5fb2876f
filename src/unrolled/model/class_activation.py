"""Where in an image a prediction's evidence is: class activation maps. B images, D features at h × w places; or clips
and t × h × w places."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

CAM, HIRESCAM, ROLLOUT = "cam", "hirescam", "rollout"
"""Methods of maps. A rollout is the attention of a transformer through all its blocks."""


def class_activation_maps(
    features: Tensor, vector_of: Callable[[Tensor], Tensor], score: Callable[[Tensor], Tensor]
) -> Tensor:
    """Features (B, D, …places) -> maps (B, …places) of what raises a score: each is not negative and sums to 1.

    vector_of: features -> vectors (B, V). score: vectors -> the score of each row (B,), such as the logit of the
    predicted label.

    A place counts by its features times the gradient of the score with respect to them; what lowers the score counts
    as 0. Where the head is linear in the average of the places, that is CAM (Zhou et al. 2016, arXiv 1512.04150).
    Elsewhere it is HiResCAM (Draelos & Carin 2020, arXiv 2011.08891). Grad-CAM (Selvaraju et al. 2017, arXiv
    1610.02391) averages the gradient over all places first. In nets whose layers have weights for each place, such as
    LeNet-5, it then shows wrong places: docs/nets.md has figures. Where nothing raises the score, the map is even.
    """
    features = features.detach().requires_grad_()
    with torch.enable_grad():
        (slopes,) = torch.autograd.grad(score(vector_of(features)).sum(), features)
    raised = (slopes.double() * features.detach().double()).sum(1).clamp_min(0)  # (B, …)
    places = tuple(range(1, raised.dim()))
    highest = raised.amax(places, keepdim=True)
    raised = torch.where(highest > 0, raised / highest, 1.0)  # so that the sum below neither over- nor underflows
    return raised / raised.sum(places, keepdim=True)
