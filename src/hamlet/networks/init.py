"""Initial weights."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hamlet.types import Key


def orthogonal(key: Key, rows: int, columns: int, *, gain: float) -> Float[Array, "rows columns"]:
    """A matrix with orthonormal rows or columns (the fewer of the two), times ``gain``.

    Reference: Saxe et al., 2014, arXiv:1312.6120. The gain for ReLU is √2.
    """
    return jax.nn.initializers.orthogonal(gain)(key, (rows, columns), jnp.float32)
