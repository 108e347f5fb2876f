"""Where a fovea looks next, and the cost by which it learns that. B rows, H features, G glimpses."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from unrolled.memory.base import at_least_float32

Gaze: TypeAlias = Literal["learned", "transformer", "random", "centre"]
"""Learned by REINFORCE, learned through a differentiable reader, and, for comparison, not learned."""


class Locator(nn.Module):
    """Chooses the place of the next glimpse from what the memory has, and predicts the reward that is still to come.

    learned: the place is drawn from a normal distribution around the layer's output. transformer: it is the output
    itself, through which the loss is backpropagated. random: anywhere, evenly. centre: always the centre.
    """

    def __init__(self, size: int, gaze: Gaze, spread: float) -> None:
        """spread: standard deviation of a drawn place, where the image reaches from -1 to 1."""
        super().__init__()
        self.gaze, self.spread = gaze, spread
        self.place = nn.Linear(size, 2) if gaze in ("learned", "transformer") else None
        self.reward = nn.Linear(size, 1) if gaze == "learned" else None
        for layer in (self.place, self.reward):
            if layer is not None:
                nn.init.normal_(layer.weight, std=0.01)  # the first places are about the centre
                nn.init.zeros_(layer.bias)

    def forward(self, hidden: Tensor, normal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """hidden (B, H), and draws from the standard normal distribution (B, 2) -> the place (B, 2), each coordinate
        from -1 to 1; the log-density of its draw (B,), up to a constant; and the predicted reward (B,). The last two
        are 0 where nothing is drawn."""
        nothing = normal.new_zeros(len(normal))
        if self.place is None:
            return (
                (torch.zeros_like(normal) if self.gaze == "centre" else torch.erf(normal / 2**0.5)),
                nothing,
                nothing,
            )
        if self.reward is None:
            return at_least_float32(self.place(hidden)).tanh(), nothing, nothing
        kept = hidden.detach()  # so that neither the policy nor its baseline moves the classifier
        mean = at_least_float32(self.place(kept)).tanh()  # (B, 2)
        drawn = (mean + self.spread * normal).detach()
        log_density = -0.5 * ((drawn - mean) / self.spread).square().sum(1)
        return drawn.clamp(-1, 1), log_density, at_least_float32(self.reward(kept))[:, 0]


def policy_cost(log_densities: Tensor, baselines: Tensor, rewards: Tensor) -> Tensor:
    """The cost whose gradient is that of REINFORCE (Williams 1992) with a baseline, summed over rows and glimpses.

    log_densities, baselines: (B, G) of the draws, as `Locator` returns them. rewards: (B, G) after each glimpse; a
    draw is credited with the mean of those from its own glimpse on. The baseline learns by its squared error.
    """
    glimpses = rewards.shape[1]
    left = torch.arange(glimpses, 0, -1, device=rewards.device)  # (G,)
    to_come = rewards.flip(1).cumsum(1).flip(1) / left  # (B, G)
    errors = to_come.detach() - baselines
    return (errors.square() - errors.detach() * log_densities).sum()
