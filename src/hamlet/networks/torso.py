"""Torsos: from a sequence of observations to a sequence of features, with or without memory.

Every torso is evaluated over sequences ``[B, L, …]``, so recurrence is no second code path: a feed-forward
torso has no memory and is used with L = 1.

    x̂ = LayerNorm(x);  h ← LayerNorm(relu(W h + b)) for every layer;  with memory h ← LayerNorm(GRU(h, m)).

That is the reference implementation's body ("feature normalisation", orthogonal weights of gain √2, zero bias).
"""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from hamlet.networks.init import orthogonal
from hamlet.types import Key


@dataclass(frozen=True, kw_only=True)
class Body:
    """The shape of a torso.

    Attributes:
        hidden: Width of every hidden layer.
        memory: Width H of a gated recurrent unit after them; 0 for none.
    """

    hidden: tuple[int, ...] = (128, 128)
    memory: int = 0


class Linear(eqx.Module):
    """x W + b."""

    weight: Float[Array, "I O"]
    bias: Float[Array, " O"]

    @classmethod
    def create(cls, key: Key, inputs: int, outputs: int, *, gain: float) -> "Linear":
        """Orthogonal weights, zero bias."""
        return cls(orthogonal(key, inputs, outputs, gain=gain), jnp.zeros(outputs))

    def __call__(self, x: Float[Array, "*B I"]) -> Float[Array, "*B O"]:
        """Apply to the last axis."""
        return x @ self.weight + jnp.broadcast_to(self.bias, (*x.shape[:-1], self.bias.shape[-1]))


class LayerNorm(eqx.Module):
    """(x − mean) / √(variance + 10⁻⁵) over the last axis, times scale plus shift. Ba et al., 2016, arXiv:1607.06450."""

    scale: Float[Array, " F"]
    shift: Float[Array, " F"]

    @classmethod
    def create(cls, width: int) -> "LayerNorm":
        """Scale 1, shift 0."""
        return cls(jnp.ones(width), jnp.zeros(width))

    def __call__(self, x: Float[Array, "*B F"]) -> Float[Array, "*B F"]:
        """Normalise the last axis."""
        mean = x.mean(-1, keepdims=True)
        centred = x - mean
        variance = (centred**2).mean(-1, keepdims=True)
        scale, shift = (jnp.broadcast_to(v, x.shape) for v in (self.scale, self.shift))
        return centred * jax.lax.rsqrt(variance + 1e-5) * scale + shift


class Torso(eqx.Module):
    """Layers, and a recurrent cell where there is memory."""

    normalise: LayerNorm
    layers: tuple[tuple[Linear, LayerNorm], ...]
    cell: eqx.nn.GRUCell | None
    settle: LayerNorm | None

    @classmethod
    def create(cls, key: Key, inputs: int, body: Body) -> "Torso":
        """Fresh weights for inputs of a given width."""
        *layer_keys, cell_key = jax.random.split(key, len(body.hidden) + 1)
        widths = (inputs, *body.hidden)
        layers = tuple(
            (Linear.create(k, i, o, gain=2**0.5), LayerNorm.create(o))
            for k, i, o in zip(layer_keys, widths[:-1], widths[1:], strict=True)
        )
        cell = eqx.nn.GRUCell(widths[-1], body.memory, key=cell_key) if body.memory else None
        return cls(LayerNorm.create(inputs), layers, cell, LayerNorm.create(body.memory) if body.memory else None)

    def __call__(
        self,
        inputs: Float[Array, "B L I"],
        memory: Float[Array, "B H"] | None,
        start: Bool[Array, "B L"],
    ) -> tuple[Float[Array, "B L F"], Float[Array, "B L H"] | None]:
        """Features of every step, and the memory after every step.

        Args:
            inputs: What is seen.
            memory: The memory before the first step; None without recurrence.
            start: True where an episode begins: the memory is cleared before that step.
        """
        h = self.normalise(inputs)
        for linear, norm in self.layers:
            h = norm(jax.nn.relu(linear(h)))
        if self.cell is None or self.settle is None:
            return h, None

        def step(m: Array, x: tuple[Array, Array]) -> tuple[Array, Array]:
            seen, fresh = x
            m = jax.vmap(self.cell)(seen, jnp.where(fresh[:, None], 0.0, m))  # pyright: ignore[reportArgumentType]
            return m, m

        _, memories = jax.lax.scan(step, memory, (h.swapaxes(0, 1), start.swapaxes(0, 1)))
        memories = memories.swapaxes(0, 1)
        return self.settle(memories), memories


def blank(body: Body, *shape: int) -> Float[Array, "*shape H"] | None:
    """The memory before a first episode: zeros, or None without recurrence."""
    return jnp.zeros((*shape, body.memory)) if body.memory else None
