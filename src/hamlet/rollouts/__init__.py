"""Agents play: steps for training, and whole episodes, in compiled code or on the host."""
