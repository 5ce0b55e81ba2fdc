"""Heterogeneous-agent mirror learning (HAML): drift, neighbourhood, sampling, and the update that combines them."""
