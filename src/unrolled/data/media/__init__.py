"""Decode audio files and images."""
