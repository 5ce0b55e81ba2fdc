"""A gated recurrent unit (GRU) over whole episodes, time first, faster than a step-by-step loop.

    r, z = σ(W x + U m + b),    n = tanh(W′ x + b′ + r ⊙ (U′ m + b″)),    m ← n + z ⊙ (m − n).

x is the input, m the memory, r and z are the gates, n the new content, σ the sigmoid, and W, U, b are weights and
biases.

The products with x are computed for all steps in one operation. The gradients of all weights are also computed in one
operation, by a hand-written rule: the compiler's gradient of a loop adds to the weight gradients in every step. The
arrays of the three gates are stored separately, because a CPU is slow at taking parts of rows.
"""

from collections.abc import Sequence
from typing import TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# One array for each of r, z and n.
Gates: TypeAlias = tuple[Array, Array, Array]


def episodes(cell: eqx.nn.GRUCell, seen: Float[Array, "L B F"]) -> Float[Array, "L B H"]:
    """Return the memory after every step of sequences that start with zero memory.

    The result equals that of `hamlet.networks.torso.Torso` for the same inputs, up to rounding.
    """
    assert cell.bias_n is not None
    return _memories(cell.weight_hh, cell.bias_n, _seen(cell, seen))


def onward(
    cell: eqx.nn.GRUCell, seen: Float[Array, "L B F"], memory: Float[Array, "B H"], start: Bool[Array, "L B"]
) -> Float[Array, "L B H"]:
    """Return the memory after every step of sequences that continue from ``memory``; used for acting.

    The memory is cleared where an episode starts.
    """
    assert cell.bias_n is not None
    parts, bias = jnp.split(cell.weight_hh, 3), cell.bias_n

    def step(memory: Array, now: tuple[Gates, Array]) -> tuple[Array, Array]:
        after, *_ = _step(parts, bias, jnp.where(now[1][:, None], 0.0, memory), now[0])
        return after, after

    return jax.lax.scan(step, memory, (_seen(cell, seen), start))[1]


def _seen(cell: eqx.nn.GRUCell, seen: Float[Array, "L B F"]) -> Gates:
    """Return the part of every gate that does not depend on the memory."""
    assert cell.bias is not None
    rows, lead = seen.reshape(-1, seen.shape[-1]), (*seen.shape[:2], cell.hidden_size)
    parts = zip(jnp.split(cell.weight_ih, 3), jnp.split(cell.bias, 3), strict=True)
    r, z, n = ((rows @ weight.T + bias[None]).reshape(lead) for weight, bias in parts)
    return r, z, n


def _step(parts: Sequence[Array], bias: Array, memory: Array, now: Gates) -> tuple[Array, ...]:
    """Return the memory after a step, r, z, n, and U′ m + b″."""
    reset, keep = (jax.nn.sigmoid(gate + memory @ part.T) for gate, part in zip(now[:2], parts[:2], strict=True))
    from_memory = memory @ parts[2].T + bias[None]
    new = jnp.tanh(now[2] + reset * from_memory)
    return new + keep * (memory - new), reset, keep, new, from_memory


@jax.custom_vjp
def _memories(weight: Float[Array, "G H"], bias: Float[Array, " H"], seen: Gates) -> Float[Array, "L B H"]:
    """Return the memory after every step, from the part of every gate that does not depend on memory; G = 3 H."""
    return _forwards(weight, bias, seen)[0]


def _forwards(weight: Array, bias: Array, seen: Gates) -> tuple[Array, ...]:
    """Return the outputs of `_step` for every step."""
    parts = jnp.split(weight, 3)

    def step(memory: Array, now: Gates) -> tuple[Array, tuple[Array, ...]]:
        activations = _step(parts, bias, memory, now)
        return activations[0], activations

    return jax.lax.scan(step, jnp.zeros(seen[0].shape[1:]), seen)[1]


def _kept(weight: Array, bias: Array, seen: Gates) -> tuple[Array, tuple[Array, ...]]:
    activations = _forwards(weight, bias, seen)
    return activations[0], (weight, *activations)


def _backwards(kept: tuple[Array, ...], slope: Array) -> tuple[Array, Array, Gates]:
    """Return the gradients by the weights, the bias and the gates' inputs.

    Only ∂/∂m of every step depends on the step after it, so only this is computed in a loop. All other gradients follow
    from it without a loop.
    """
    weight, memories, reset, keep, new, from_memory = kept
    before = jnp.concatenate([jnp.zeros_like(memories[:1]), memories[:-1]])
    by_n = (1.0 - keep) * (1.0 - new**2)
    by_r, by_z = by_n * from_memory * reset * (1.0 - reset), (before - new) * keep * (1.0 - keep)
    factors = (by_r, by_z, by_n * reset)
    parts = jnp.split(weight, 3)

    def step(after: Array, now: tuple[Array, Array, Gates]) -> tuple[Array, Array]:
        slope = after + now[0]
        back = (slope * factor @ part for factor, part in zip(now[2], parts, strict=True))
        return sum(back, slope * now[1]), slope

    _, slopes = jax.lax.scan(step, jnp.zeros_like(memories[0]), (slope, keep, factors), reverse=True)

    def flat(array):
        return array.reshape(-1, array.shape[-1])

    own_slopes = [flat(slopes * factor) for factor in factors]
    weights = jnp.concatenate([part.T @ flat(before) for part in own_slopes])
    return weights, own_slopes[2].sum(0), (slopes * by_r, slopes * by_z, slopes * by_n)


_memories.defvjp(_kept, _backwards)
