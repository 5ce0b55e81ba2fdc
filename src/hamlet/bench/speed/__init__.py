"""Measurements of speed: training, environments, exported policies, reports."""
