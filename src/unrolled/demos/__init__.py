"""The demos of the lecture: each computes in seconds, from a seed, what one topic claims, and returns it as a record.

They print nothing; `cli` does. Nothing is downloaded: their data is drawn here, or comes with Python. What they train
is written to a temporary folder.
"""
