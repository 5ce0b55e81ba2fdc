"""Linear layers with ReLU between them: what mixers of values are made of."""

from itertools import pairwise

import equinox as eqx
import jax
from jaxtyping import Array, Float

from hamlet.networks.torso import Plain
from hamlet.types import Key


class Perceptron(eqx.Module):
    """W₂ relu(W₁ x + b₁) + b₂ and so on, without an activation at the end."""

    layers: tuple[Plain, ...]

    @classmethod
    def create(cls, key: Key, *widths: int) -> "Perceptron":
        """Fresh weights: inputs, hidden widths, outputs."""
        keys = jax.random.split(key, len(widths) - 1)
        return cls(tuple(Plain.create(k, i, o) for k, (i, o) in zip(keys, pairwise(widths), strict=True)))

    def __call__(self, x: Float[Array, "B I"]) -> Float[Array, "B O"]:
        """The outputs of every row."""
        *hidden, last = self.layers
        for layer in hidden:
            x = jax.nn.relu(layer(x))
        return last(x)
