"""Linear layers with ReLU between them; mixers use these as building blocks."""

from itertools import pairwise

import equinox as eqx
import jax
from jaxtyping import Array, Float

from hamlet.networks.torso import Plain
from hamlet.types import Key


class Perceptron(eqx.Module):
    """W₂ relu(W₁ x + b₁) + b₂, or more such layers, without an activation after the last."""

    layers: tuple[Plain, ...]

    @classmethod
    def create(cls, key: Key, *widths: int) -> "Perceptron":
        """Create initial weights; ``widths`` are the inputs, the hidden widths and the outputs."""
        keys = jax.random.split(key, len(widths) - 1)
        return cls(tuple(Plain.create(k, i, o) for k, (i, o) in zip(keys, pairwise(widths), strict=True)))

    def __call__(self, x: Float[Array, "B I"]) -> Float[Array, "B O"]:
        """Return the outputs for every row."""
        *hidden, last = self.layers
        for layer in hidden:
            x = jax.nn.relu(layer(x))
        return last(x)
