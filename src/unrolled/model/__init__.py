"""Models: language models, models that predict outputs of rows, encoder-decoders, and baselines."""
