"""Training: the plan, the optimiser, the loop that yields reports, and checkpoints."""
