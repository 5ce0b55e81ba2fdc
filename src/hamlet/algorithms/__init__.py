"""The algorithms, as declarations."""
