"""Neural networks, and the heads that map features to action distributions or to values."""
