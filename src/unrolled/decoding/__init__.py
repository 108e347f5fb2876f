"""Decoding: text from a model's predictions, by sampling and by beam search."""
