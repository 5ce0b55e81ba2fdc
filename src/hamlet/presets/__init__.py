"""The hyperparameters of the papers."""
