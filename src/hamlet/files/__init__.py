"""Files that are written whole, and files that others may have written, read within bounds."""
