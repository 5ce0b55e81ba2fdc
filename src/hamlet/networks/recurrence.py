"""A gated recurrent unit over whole episodes, time first, faster than step by step.

    r, z = σ(W x + U m + b),    n = tanh(W′ x + b′ + r ⊙ (U′ m + b″)),    m ← n + z ⊙ (m − n).

What a step sees is multiplied for all steps at once, and so are the gradients of all weights, by hand: a compiler's
gradient of a loop adds to them in every step. The gates are kept apart, as a CPU is slow at parts of rows.
"""

from collections.abc import Sequence
from typing import TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# Of r, z and n.
Gates: TypeAlias = tuple[Array, Array, Array]


def episodes(cell: eqx.nn.GRUCell, seen: Float[Array, "L B F"]) -> Float[Array, "L B H"]:
    """The memory after every step of sequences that begin with none.

    That of `hamlet.networks.torso.Torso` on the same inputs, but for rounding.
    """
    assert cell.bias_n is not None
    return _memories(cell.weight_hh, cell.bias_n, _seen(cell, seen))


def onward(
    cell: eqx.nn.GRUCell, seen: Float[Array, "L B F"], memory: Float[Array, "B H"], start: Bool[Array, "L B"]
) -> Float[Array, "L B H"]:
    """The memory after every step of sequences that go on from one, cleared where an episode begins: for acting."""
    assert cell.bias_n is not None
    parts, bias = jnp.split(cell.weight_hh, 3), cell.bias_n

    def step(memory: Array, now: tuple[Gates, Array]) -> tuple[Array, Array]:
        after, *_ = _step(parts, bias, jnp.where(now[1][:, None], 0.0, memory), now[0])
        return after, after

    return jax.lax.scan(step, memory, (_seen(cell, seen), start))[1]


def _seen(cell: eqx.nn.GRUCell, seen: Float[Array, "L B F"]) -> Gates:
    """The part of every gate that does not depend on memory."""
    assert cell.bias is not None
    rows, lead = seen.reshape(-1, seen.shape[-1]), (*seen.shape[:2], cell.hidden_size)
    parts = zip(jnp.split(cell.weight_ih, 3), jnp.split(cell.bias, 3), strict=True)
    r, z, n = ((rows @ weight.T + bias[None]).reshape(lead) for weight, bias in parts)
    return r, z, n


def _step(parts: Sequence[Array], bias: Array, memory: Array, now: Gates) -> tuple[Array, ...]:
    """The memory after a step, r, z, n, and U′ m + b″."""
    reset, keep = (jax.nn.sigmoid(gate + memory @ part.T) for gate, part in zip(now[:2], parts[:2], strict=True))
    from_memory = memory @ parts[2].T + bias[None]
    new = jnp.tanh(now[2] + reset * from_memory)
    return new + keep * (memory - new), reset, keep, new, from_memory


@jax.custom_vjp
def _memories(weight: Float[Array, "G H"], bias: Float[Array, " H"], seen: Gates) -> Float[Array, "L B H"]:
    """From the part of every gate that does not depend on memory; G = 3 H."""
    return _forwards(weight, bias, seen)[0]


def _forwards(weight: Array, bias: Array, seen: Gates) -> tuple[Array, ...]:
    """What `_step` gives, of every step."""
    parts = jnp.split(weight, 3)

    def step(memory: Array, now: Gates) -> tuple[Array, tuple[Array, ...]]:
        activations = _step(parts, bias, memory, now)
        return activations[0], activations

    return jax.lax.scan(step, jnp.zeros(seen[0].shape[1:]), seen)[1]


def _kept(weight: Array, bias: Array, seen: Gates) -> tuple[Array, tuple[Array, ...]]:
    activations = _forwards(weight, bias, seen)
    return activations[0], (weight, *activations)


def _backwards(kept: tuple[Array, ...], slope: Array) -> tuple[Array, Array, Gates]:
    """Only what depends on the step after is in the loop: ∂/∂m of every step, from which all else follows at once."""
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
