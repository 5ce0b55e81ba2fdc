"""Activation functions of the hidden layers, and the gain of the weights before each of them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

import jax
from jaxtyping import Array

Activation: TypeAlias = Literal["relu", "tanh", "leaky_relu", "elu", "silu", "gelu"]


class Nonlinearity(NamedTuple):
    """An activation function, and the gain of the orthogonal weights in the layer before it.

    Attributes:
        apply: The function, applied to every feature.
        gain: √2 for functions that pass about half of a signal's power, 5/3 for tanh: He et al., 2015,
            arXiv:1502.01852, and PyTorch's ``calculate_gain``.
    """

    apply: Callable[[Array], Array]
    gain: float


ACTIVATIONS: Mapping[Activation, Nonlinearity] = {
    "relu": Nonlinearity(jax.nn.relu, 2**0.5),
    "tanh": Nonlinearity(jax.numpy.tanh, 5 / 3),
    "leaky_relu": Nonlinearity(partial(jax.nn.leaky_relu, negative_slope=0.01), (2 / (1 + 0.01**2)) ** 0.5),
    "elu": Nonlinearity(jax.nn.elu, 2**0.5),
    "silu": Nonlinearity(jax.nn.silu, 2**0.5),
    "gelu": Nonlinearity(jax.nn.gelu, 2**0.5),
}
"""Activation functions by the names that `NetworkConfig` accepts."""
