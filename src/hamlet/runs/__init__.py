"""The directory of a run: its configuration, the trust in user code that it names, and its metrics."""
