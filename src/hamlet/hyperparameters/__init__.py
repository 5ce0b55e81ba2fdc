"""The hyperparameters that algorithms share, each written once with its default and its help, in frozen groups."""
