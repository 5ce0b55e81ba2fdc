"""Environments of PettingZoo, in worker processes."""
