"""Initial weights."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hamlet.types import Key


def orthogonal(key: Key, rows: int, columns: int, *, gain: float) -> Float[Array, "rows columns"]:
    """Sample a matrix with orthonormal rows or columns (whichever are fewer), times ``gain``.

    Reference: Saxe et al., 2014, arXiv:1312.6120. The gain for ReLU is √2.
    """

    # jaxlib 0.10 can deadlock when two batched QR decompositions run simultaneously: each occupies a thread of the
    # CPU's pool and waits for other threads of that pool. Several matrices are therefore created sequentially.
    @jax.custom_batching.sequential_vmap
    def one(key: Key) -> Array:
        return jax.nn.initializers.orthogonal(gain)(key, (rows, columns), jnp.float32)

    return one(key)
