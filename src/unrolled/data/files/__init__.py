"""Find, open, decode and identify files."""
