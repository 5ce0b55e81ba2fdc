"""The multi-agent particle environments, in JAX."""
