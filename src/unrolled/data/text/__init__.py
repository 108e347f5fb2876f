"""A text as documents, tokens, splits and batches."""
