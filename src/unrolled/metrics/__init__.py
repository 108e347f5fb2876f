"""Metrics: scores of predictions, memorisation, and reach."""
