"""Tables of every format, read row by row."""
