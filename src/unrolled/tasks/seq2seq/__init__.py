"""A text about each row of a table."""
