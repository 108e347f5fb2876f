"""Labels, tags and numbers about rows of a table."""
