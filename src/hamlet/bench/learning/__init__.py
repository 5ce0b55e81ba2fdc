"""Measurements of learning: train with presets, and evaluate the policies."""
