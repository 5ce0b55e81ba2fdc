"""Options of the command line: generated from signatures and docstrings, and parsed into values."""
