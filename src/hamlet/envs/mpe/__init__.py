"""The multi-agent particle environments (MPE), in JAX."""
