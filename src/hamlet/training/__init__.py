"""Train a run, evaluate it, and record its results."""
