"""A gated recurrent unit over whole episodes: what a step sees is multiplied for all steps at once."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def episodes(cell: eqx.nn.GRUCell, seen: Float[Array, "L B F"]) -> Float[Array, "L B H"]:
    """The memory after every step of sequences that begin with none, time first.

        r, z = σ(W x + U m + b),    n = tanh(W′ x + b′ + r ⊙ (U′ m + b″)),    m ← n + z ⊙ (m − n).

    That of `hamlet.networks.torso.Torso` on the same inputs, but for rounding.
    """
    width, rows, inner_bias = cell.hidden_size, seen.shape[1], cell.bias_n
    assert cell.bias is not None and inner_bias is not None
    inner = seen.reshape(-1, seen.shape[-1]) @ cell.weight_ih.T + cell.bias[None]
    inner = inner.reshape(*seen.shape[:2], -1)

    def step(memory: Array, now: Array) -> tuple[Array, Array]:
        own = memory @ cell.weight_hh.T
        both = jax.nn.sigmoid(now[:, : 2 * width] + own[:, : 2 * width])
        reset, keep = both[:, :width], both[:, width:]
        new = jnp.tanh(now[:, 2 * width :] + reset * (own[:, 2 * width :] + inner_bias[None]))
        memory = new + keep * (memory - new)
        return memory, memory

    return jax.lax.scan(step, jnp.zeros((rows, width)), inner)[1]
