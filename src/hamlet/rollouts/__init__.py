"""Rollouts for training, and whole episodes for evaluation, in compiled code or on the host."""
