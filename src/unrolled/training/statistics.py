"""Batch-norm statistics for averaged weights (Izmailov et al. 2018)."""

from __future__ import annotations

import torch

from unrolled import states
from unrolled.model.weights import batch_norms
from unrolled.training.loop import BatchSource, TrainingState

BATCHES = 16  # training batches, the same each time, so that a resumed run gets the same statistics


@torch.no_grad()
def estimate_statistics(training_state: TrainingState, batches: BatchSource) -> None:
    """Re-estimates the running statistics of the averaged model: the mean over the first training batches.

    As `torch.optim.swa_utils.update_bn`, without dropout. Frozen layers keep their statistics; a model without batch
    norm costs nothing.
    """
    averaged = training_state.optimiser.averaged
    trained = batch_norms(training_state.model)
    layers = [layer for name, layer in batch_norms(averaged).items() if trained[name].training]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean
        layer.train()
    device = next(averaged.parameters()).device
    state = None
    for k in range(BATCHES):
        batch = batches.batch(k)
        if not batch.target_count:  # padding only: it is not trained on either
            continue
        start = averaged.start(len(batch.lengths))
        state = start if state is None else states.where(batch.fresh.to(device), start, state)
        _, state = averaged.loss(batch.to(device), state)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()
