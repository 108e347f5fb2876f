"""Pages for a browser: one HTML file each, that holds its pictures and loads nothing."""
