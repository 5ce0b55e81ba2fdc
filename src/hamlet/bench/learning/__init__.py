"""Measurements of learning."""
