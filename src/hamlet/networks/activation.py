"""What follows each hidden layer of a torso, and the gain of the weights before it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

import jax
from jaxtyping import Array

Activation: TypeAlias = Literal["relu", "tanh", "leaky_relu", "elu", "silu", "gelu"]


class Nonlinearity(NamedTuple):
    """A function of every feature, and the gain of the orthogonal weights before it.

    Attributes:
        apply: The function.
        gain: √2 for those that let about half of a signal's power pass, 5/3 for tanh: He et al., 2015,
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
"""By the names that `NetworkConfig` takes."""
