"""What tests call is held to its annotations, at every call."""

import jax.numpy as jnp
import pytest
from jaxtyping import Array, Float, TypeCheckError, jaxtyped

import shapes
from hamlet.networks.torso import repeated


def test_an_array_of_another_shape_than_hamlet_says_is_refused_at_every_call():
    assert repeated(jnp.ones(2), 3).shape == (3, 2)
    for _ in range(2):
        with pytest.raises(TypeCheckError, match="vector"):
            repeated(jnp.ones((2, 2)), 3)


def test_what_is_returned_is_held_to_its_annotation_too():
    @jaxtyped(typechecker=shapes.checked)
    def halved(x: Float[Array, " N"]) -> Float[Array, " N"]:
        return x[: len(x) // 2]

    for _ in range(2):
        with pytest.raises(TypeCheckError, match="return value"):
            halved(jnp.ones(4))
    assert halved(jnp.ones(0)).shape == (0,)
