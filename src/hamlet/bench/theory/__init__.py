"""Checks and measurements of the theory's guarantees."""
