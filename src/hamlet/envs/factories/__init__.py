"""Functions that make environments: which may be called, with which options, and where they are found."""
