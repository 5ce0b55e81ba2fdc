"""Functions that make environments: which are allowed, which options they take, and where they are found."""
