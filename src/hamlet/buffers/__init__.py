"""Buffers of past environment steps."""
