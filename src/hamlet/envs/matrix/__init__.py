"""Games that are given by payoffs or by a rule, in JAX."""
