"""Models: what answers as it reads, and what writes about an input."""
