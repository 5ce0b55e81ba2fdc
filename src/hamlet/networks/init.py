"""Initial weights."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hamlet.types import Key


def orthogonal(key: Key, rows: int, columns: int, *, gain: float) -> Float[Array, "rows columns"]:
    """A matrix with orthonormal rows or columns (the fewer of the two), times ``gain``.

    Reference: Saxe et al., 2014, arXiv:1312.6120. The gain for ReLU is √2.
    """

    # jaxlib 0.10 can wait for ever in two batched QR decompositions at once: each occupies a thread of the CPU's pool
    # and waits for others of it. Several matrices are therefore made one after another.
    @jax.custom_batching.sequential_vmap
    def one(key: Key) -> Array:
        return jax.nn.initializers.orthogonal(gain)(key, (rows, columns), jnp.float32)

    return one(key)
