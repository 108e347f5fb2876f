"""The tasks: from a path and options to a task, with one package for each."""
