"""A memory and a BPTT strategy in your own training loop: is the number of ones so far odd?

A plain RNN learns it, with the loss backpropagated through at most 8 of 16 steps.
"""

import torch
from torch import Tensor, nn

from unrolled.gradient import Truncated
from unrolled.memory import RNN
from unrolled.states import State


def main(updates: int = 400) -> float:
    torch.manual_seed(0)
    memory, head = RNN(1, 16), nn.Linear(16, 1)
    optimiser = torch.optim.Adam([*memory.parameters(), *head.parameters()], lr=5e-3)
    strategy = Truncated(k1=8)
    accuracy = 0.0
    for update in range(updates):
        bits = torch.randint(0, 2, (32, 16, 1)).float()  # (B, T, 1)
        odd = bits.cumsum(1) % 2  # (B, T, 1)

        def segment_loss(
            state: State, a: int, b: int, bits: Tensor = bits, odd: Tensor = odd
        ) -> tuple[Tensor, State]:
            outputs, state = memory.unroll(bits[:, a:b], state)  # (B, b - a, 16)
            logits = head(outputs)
            return nn.functional.binary_cross_entropy_with_logits(logits, odd[:, a:b], reduction="sum"), state

        optimiser.zero_grad()
        loss, _ = strategy(segment_loss, memory.start(32), 16)
        optimiser.step()
        if (update + 1) % 100 == 0:
            with torch.no_grad():
                accuracy = float(((head(memory(bits, memory.start(32))[0]) > 0) == (odd > 0)).float().mean())
            print(f"update {update + 1}: {float(loss) / (32 * 16):.3f} nats per step, accuracy {accuracy:.0%}")
    return accuracy


if __name__ == "__main__":
    main()
