"""The run folder: its files, its atomic creation, and the lock for its writer."""
