"""The hyperparameters that algorithms share: frozen groups that define each one once, with default and help text."""
