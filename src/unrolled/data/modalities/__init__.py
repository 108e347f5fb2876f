"""Kinds of input: texts, categories, vectors, audio files and images, a file each."""
