"""Fine-tuning starts with heads that predict as the linear model does (LP-FT: Kumar et al. 2022, arXiv 2202.10054).

Heads that are drawn at random would first change the pretrained net at random too.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from unrolled.data.modalities.image import PixelFeaturizer
from unrolled.model.baselines.linear import LinearModel
from unrolled.model.baselines.linear_features import NumberFeatures
from unrolled.model.heads import Head
from unrolled.model.row_net import PredictionNet


def start_heads(linear: object, featurizer: object, models: Iterable[nn.Module]) -> None:
    """Give the heads of these nets the weights of the linear model, if it reads the vectors of the same pretrained
    net as they do."""
    on_vectors = isinstance(featurizer, PixelFeaturizer) and featurizer.frozen is not None
    if not (on_vectors and isinstance(linear, LinearModel) and isinstance(linear.features, NumberFeatures)):
        return
    mean, std = linear.features.mean, linear.features.std  # (F,)
    for model in models:
        if not isinstance(model, PredictionNet):
            raise TypeError("a net for rows was expected")
        for name, head in zip(model.names, model.heads, strict=True):
            _, fitted = linear.outputs[name]
            if isinstance(head, Head) and head.output.in_features == len(mean):
                weights = fitted.weights / std[:, None]  # (F, K)
                _copy(head, weights, fitted.bias - mean @ weights, fitted.spread)


@torch.no_grad()
def _copy(head: Head, weights: torch.Tensor, bias: torch.Tensor, spread: torch.Tensor | None) -> None:
    """weights (F, K), bias (K,), spread (K,) for numbers, whose head has log standard deviations below the means."""
    head.output.weight.zero_()
    head.output.weight[: len(bias)] = weights.T
    head.output.bias.copy_(bias if spread is None else torch.cat([bias, spread]))
