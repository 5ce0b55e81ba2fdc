"""Images: what the convolution computes, and what is kept of them on the way to it."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlet
from games import Lamps
from hamlet.algorithms import ALGORITHMS, happo
from hamlet.backends.jax_backend import begin_training, iterate, roster_of
from hamlet.haml.template import experience
from hamlet.networks.convolution import Convolution, Kernel, features, is_image
from hamlet.networks.heads import Actor
from hamlet.networks.torso import NetworkConfig, Torso, encode
from hamlet.rollouts.rollout import rollout
from hamlet.spaces import Box, Discrete
from offpolicy import EVERYWHERE

BYTES = partial(Box, 0.0, 255.0)


def image(shape, seed=0, count=3):
    return jax.random.randint(jax.random.key(seed), (count, *shape), 0, 256).astype(jnp.uint8)


@pytest.mark.parametrize(
    ("shape", "kernels"),
    [
        *(pytest.param(shape, (), marks=pytest.mark.slow) for shape in [(36, 41, 3), (8, 8, 3), (1, 1, 4)]),
        ((7, 5, 2), ()),
        ((23, 30, 2), (Kernel(3, 4, 4, False), Kernel(5, 6, 2, True))),
        ((9, 14, 2), (Kernel(2, 3, 5, True), Kernel(1, 4, 1, False))),
    ],
    ids=str,
)
def test_the_features_are_those_of_a_convolution(shape, kernels):
    made, seen = Convolution.create(jax.random.key(1), BYTES(shape), kernels), image(shape)
    made = jax.tree.map(lambda leaf: leaf + 0.1 * jax.random.normal(jax.random.key(2), leaf.shape), made)
    h = seen.astype(jnp.float32) / 255
    for kernel, weight, bias in zip(made.kernels, made.weights, made.biases, strict=True):
        filters = weight.reshape(kernel.filters, kernel.size, kernel.size, -1)
        border = "SAME" if kernel.border else "VALID"
        strides = (kernel.stride, kernel.stride)
        h = jax.lax.conv_general_dilated(h, filters, strides, border, dimension_numbers=("NHWC", "OHWI", "NHWC"))
        h = jax.nn.relu(h + bias[None, None, None])
    found = jax.jit(lambda network, seen: network(seen))(made, seen)
    np.testing.assert_allclose(found, h.reshape(3, -1), rtol=1e-4, atol=1e-5)
    assert found.shape == (3, features(BYTES(shape), kernels)) and found.any()


@pytest.mark.slow
def test_pixels_are_from_zero_to_one_by_the_bounds_of_the_space_or_those_of_bytes():
    plain = Convolution.create(jax.random.key(1), Box(0.0, 1.0, (8, 8, 3)))
    unit = image((8, 8, 3)).astype(jnp.float32) / 255
    expected = plain(unit)

    def found(space, seen):
        return Convolution.create(jax.random.key(1), space)(seen)

    for space, seen in (
        (BYTES((8, 8, 3)), image((8, 8, 3))),
        (BYTES((8, 8, 3)), image((8, 8, 3)).astype(jnp.float32)),
        (Box(-float("inf"), float("inf"), (8, 8, 3)), image((8, 8, 3))),
        (Box(-float("inf"), float("inf"), (8, 8, 3)), unit),
        (Box(-1.0, 1.0, (8, 8, 3)), 2 * unit - 1),
        (Box((0.0,) * 191 + (-1.0,), 1.0, (8, 8, 3)), 2 * unit - 1),
    ):
        np.testing.assert_allclose(found(space, seen), expected, atol=1e-5)


def test_an_image_has_three_axes_and_its_channels_last():
    assert is_image(BYTES((8, 8, 3))) and not is_image(BYTES((8, 8))) and not is_image(Discrete(3))
    assert encode(jnp.ones((2, 5, 8, 8)), BYTES((8, 8))).shape == (2, 5, 64)
    with pytest.raises(hamlet.RequestError, match=r"channels first.*\(84, 84, 3\)"):
        Convolution.create(jax.random.key(0), BYTES((3, 84, 84)))


def test_with_memory_a_sequence_of_images_is_its_steps_one_after_another():
    actor = Actor.create(jax.random.key(0), BYTES((8, 8, 3)), Discrete(4), NetworkConfig(hidden=(16,), memory=8))
    seen = image((8, 8, 3), count=6).reshape(2, 3, 8, 8, 3)
    start = jnp.array([[False, False, True], [True, False, False]])
    memory = jax.random.normal(jax.random.key(1), (2, 8))
    walk = jax.jit(lambda *given: actor(*given))
    whole, memories = walk(seen, memory, start)
    for t in range(3):
        step, after = walk(seen[:, t : t + 1], memory, start[:, t : t + 1])
        memory = after[:, 0]
        np.testing.assert_allclose(step.log_probs[:, 0], whole.log_probs[:, t], atol=1e-5)
        np.testing.assert_allclose(memory, memories[:, t], atol=1e-5)


ENV = Lamps()
SMALL = {"hidden": (16,), "num_envs": 32, "rollout_length": 8}


def test_bytes_stay_bytes_until_the_network():
    algorithm = happo(**SMALL, rnn_size=8, sequence_length=4)

    def parts():
        training, roster = begin_training(algorithm, ENV, 0), roster_of(algorithm, ENV)
        _, played, _ = rollout(
            ENV, roster, training.learner.team.actors, training.play, steps=8, length=4, key=jax.random.key(0)
        )
        return played, experience(roster, 0, played, jnp.zeros_like(played.reward))

    played, share = jax.eval_shape(parts)
    assert played.view.observation[0].shape == (2, 4, 32, 2, 8, 8, 3) and share.observation.shape == (2, 64, 4, 8, 8, 3)
    assert {x.dtype for x in (played.view.observation[0], played.view.state, share.observation)} == {jnp.dtype("uint8")}


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERYWHERE)
def test_what_an_image_shows_is_learnt(name):
    quick = {"learning_rate": 5e-3, "critic_learning_rate": 5e-3, "radius": 0.03}
    known = inspect.signature(ALGORITHMS[name]).parameters
    algorithm = ALGORITHMS[name](**SMALL, **{key: value for key, value in quick.items() if key in known})
    step = jax.jit(lambda training: iterate(algorithm, ENV, training))
    training, returns = jax.jit(lambda: begin_training(algorithm, ENV, 0))(), []
    for _ in range(15 if name == "happo" else 60):
        training, info = step(training)
        returns.append(float(info["return"]))
    assert returns[0] < 0.5 and returns[-1] > 0.9


def test_images_are_standardised_pixel_by_pixel_where_that_is_asked_for():
    seen = image((8, 8, 3), count=60).at[:, 0].set(77)  # a row of pixels that never change
    body = NetworkConfig(hidden=(8,), normalise=True)
    torso = Torso.create(jax.random.key(0), BYTES((8, 8, 3)), body)
    alive = jnp.arange(60)[:, None] < 50
    torso = torso.observe(seen[:, None], alive)
    unit = np.asarray(seen[:50], np.float64).reshape(50, -1) / 255
    np.testing.assert_allclose(torso.running.mean, unit.mean(0), rtol=1e-5)
    np.testing.assert_allclose(torso.running.variance, unit.var(0), rtol=1e-3, atol=1e-9)
    standard = torso.running(torso.numbers(seen)).reshape(seen.shape)
    np.testing.assert_allclose(standard[:50, 1:].std(0), 1.0, rtol=1e-3)
    assert not standard[:, 0].any()
    # What the filters see is that: as a space without bounds has it.
    bare = Torso.create(jax.random.key(0), Box(-np.inf, np.inf, (8, 8, 3)), NetworkConfig(hidden=(8,)))
    start = jnp.zeros((60, 1), bool)
    np.testing.assert_allclose(torso(seen[:, None], None, start)[0], bare(standard[:, None], None, start)[0], rtol=1e-4)
