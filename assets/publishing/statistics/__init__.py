"""Statistics for the public folder: declared analyses as printed tables, figures, methods and files."""
