"""Checkpoints: parameters, optimisers, games under way and the replay buffer, saved and restored."""
