"""Options of the command line: made from signatures and docstrings, and read into values."""
