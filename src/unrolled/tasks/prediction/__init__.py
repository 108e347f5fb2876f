"""Predict labels, tags and numbers for rows of a table."""
