"""Mixers: joint action values computed from the values of single agents."""
