"""Models: what answers as it reads."""
