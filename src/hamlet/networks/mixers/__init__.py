"""Mixers: joint values from the values of single agents."""
