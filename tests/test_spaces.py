"""Spaces: what they hold, how they are sampled, and their exchange for Gymnasium's."""

import gymnasium
import jax
import numpy as np
import pytest

from hamlet.errors import RequestError
from hamlet.spaces import Box, Discrete, MultiDiscrete, from_gymnasium, to_gymnasium

SPACES = [
    Discrete(5),
    MultiDiscrete((2, 3, 4)),
    Box(0.0, 1.0, (15,)),
    Box((-1.0, 0.0, -2.0, 5.0), (1.0, 3.0, -1.0, 6.0), (2, 2)),
    Box(-float("inf"), float("inf"), (3,)),
    Box(0.0, float("inf"), (3,)),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_samples_are_elements_strongly_typed(space):
    samples = jax.vmap(space.sample)(jax.random.split(jax.random.key(0), 256))
    assert samples.shape == (256, *space.shape)
    assert samples.dtype == (np.float32 if isinstance(space, Box) else np.int32)
    assert not samples.weak_type
    assert all(space.contains(sample) for sample in np.asarray(samples))


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_a_space_survives_the_way_to_gymnasium_and_back(space):
    there = to_gymnasium(space)
    assert from_gymnasium(there) == space
    assert there.contains(np.asarray(space.sample(jax.random.key(0))))


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_a_space_is_hashable(space):
    assert len({space, space}) == 1


def test_every_choice_is_drawn_about_equally_often():
    samples = jax.vmap(Discrete(5).sample)(jax.random.split(jax.random.key(0), 5000))
    np.testing.assert_allclose(np.bincount(samples, minlength=5) / 5000, 0.2, atol=0.02)
    each = np.asarray(jax.vmap(MultiDiscrete((2, 4)).sample)(jax.random.split(jax.random.key(0), 5000)))
    np.testing.assert_allclose(np.bincount(each[:, 0]) / 5000, 1 / 2, atol=0.03)
    np.testing.assert_allclose(np.bincount(each[:, 1]) / 5000, 1 / 4, atol=0.03)


def test_a_bounded_box_is_drawn_evenly_over_its_own_bounds():
    space = Box((-1.0, 0.0), (1.0, 10.0), (2,))
    samples = jax.vmap(space.sample)(jax.random.split(jax.random.key(0), 5000))
    np.testing.assert_allclose(samples.mean(0), [0.0, 5.0], atol=0.2)
    np.testing.assert_allclose(samples.var(0), [4 / 12, 100 / 12], rtol=0.05)


@pytest.mark.parametrize(
    ("space", "value"),
    [
        (Discrete(3), 3),
        (Discrete(3), -1),
        (Discrete(3), 1.0),
        (Discrete(3), [1]),
        (MultiDiscrete((2, 2)), [0, 2]),
        (MultiDiscrete((2, 2)), [0]),
        (Box(0.0, 1.0, (2,)), [0.5, 1.5]),
        (Box(0.0, 1.0, (2,)), [0.5]),
        (Box(0.0, 1.0, (2,)), [0.5, float("nan")]),
    ],
)
def test_what_is_outside_is_not_contained(space, value):
    assert not space.contains(np.asarray(value))


def test_widths_count_choices_or_entries():
    assert [space.width for space in SPACES] == [5, 9, 15, 4, 3, 3]


@pytest.mark.parametrize(
    "space", [gymnasium.spaces.Discrete(3, start=1), gymnasium.spaces.MultiBinary(3), gymnasium.spaces.Text(3)], ids=str
)
def test_a_space_of_another_kind_is_refused(space):
    with pytest.raises(RequestError, match="not supported"):
        from_gymnasium(space)
