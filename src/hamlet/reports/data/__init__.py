"""The data of runs that reports read, and their statistics."""
