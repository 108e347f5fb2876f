"""What can be learnt: from a path and options to a task, and a room for each."""
