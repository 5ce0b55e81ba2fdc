"""Heterogeneous-agent mirror learning: the triple, and the one update."""
