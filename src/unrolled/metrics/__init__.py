"""What predictions are worth, and what they tell of a model."""
