"""Rows of a table as model inputs and targets, in splits and batches."""
