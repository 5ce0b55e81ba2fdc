"""Games on a grid, in JAX."""
