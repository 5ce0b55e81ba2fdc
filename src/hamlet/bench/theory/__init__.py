"""Measurements of what the theory promises."""
