"""Training, evaluation and the record of a run."""
