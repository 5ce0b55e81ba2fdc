"""Games given by payoffs or by a rule, in JAX."""
