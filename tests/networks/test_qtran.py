"""QTRAN-base: its three losses, and what each of them teaches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.networks.qtran import Encoded, Exact, terms

# Q̂(s, a), Q̂(s, ū), V, ΣQ(a), ΣQ(ū), y, and by hand (Q̂ − y)², (ΣQ(ū) − Q̂(ū) + V)², min(0, ΣQ(a) − Q̂(a) + V)².
BY_HAND = [
    ((1.0, 4.0, 0.5, -2.0, 3.0, 3.0), (4.0, 0.25, 6.25)),
    ((-2.0, 4.0, 0.5, -2.0, 3.0, -2.0), (0.0, 0.25, 0.0)),  # the sum lies above the joint value: that is allowed
    ((5.0, 5.0, 0.0, 5.0, 5.0, 4.0), (1.0, 0.0, 0.0)),
]


@pytest.mark.parametrize(("given", "wanted"), BY_HAND)
def test_the_losses_are_those_computed_by_hand(given, wanted):
    assert [float(term[0]) for term in terms(*(jnp.array([x]) for x in given))] == pytest.approx(wanted)


def test_the_joint_value_learns_from_differences_in_time_alone_and_agents_from_the_other_two():
    row = [jnp.array([x]) for x in BY_HAND[0][0]]
    slopes = jax.jacobian(lambda *x: [term.sum() for term in terms(*x)], argnums=(0, 1, 2, 3, 4))(*row)
    # of td, opt and nopt by Q̂(a), Q̂(ū), V, ΣQ(a) and ΣQ(ū)
    assert np.squeeze(np.array(slopes)).tolist() == [[-4, 0, 0, 0, 0], [0, 0, -1, 0, -1], [0, 0, -5, -5, 0]]


def shares(seed=0, batch=6):
    """Two groups, of two agents with three choices and of one with two."""
    keys = jax.random.split(jax.random.key(seed), 4)
    features = (jax.random.normal(keys[0], (batch, 2, 5)), jax.random.normal(keys[1], (batch, 1, 4)))
    actions = (jax.random.randint(keys[2], (batch, 2), 0, 3), jax.random.randint(keys[3], (batch, 1), 0, 2))
    return features, actions, jnp.ones((batch, 3))


def test_the_joint_value_is_of_the_sum_of_what_agents_do():
    features, actions, state = shares()
    network = Encoded.create(jax.random.key(1), 3, (5, 4), (3, 2), 8)
    found = network(features, actions, None, state)
    for row in range(2):
        told = jnp.zeros((1, 8))
        for group, count in enumerate((3, 2)):
            for own, action in zip(features[group][row], actions[group][row], strict=True):
                told += network.encoders[group](jnp.concatenate((own, jax.nn.one_hot(action, count)))[None])
        wanted = network.joint(jnp.concatenate((state[row : row + 1], told), axis=1))
        assert float(found[row]) == pytest.approx(float(wanted[0, 0]), abs=1e-5)


def test_the_exact_joint_value_has_an_output_for_every_joint_action():
    features, actions, state = shares()
    network = Exact.create(jax.random.key(1), 3, (3, 3, 2), 8)
    every = network.joint(state)
    assert every.shape == (6, 18)
    first, second = actions
    number = first[:, 0] * 6 + first[:, 1] * 2 + second[:, 0]
    wanted = [float(every[row, n]) for row, n in enumerate(number)]
    assert network(features, actions, None, state) == pytest.approx(wanted)


@pytest.mark.parametrize("exact", [False, True])
def test_what_an_absent_agent_is_said_to_do_changes_nothing(exact):
    features, actions, state = shares()
    key = jax.random.key(1)
    network = Exact.create(key, 3, (3, 3, 2), 8) if exact else Encoded.create(key, 3, (5, 4), (3, 2), 8)
    alive = jnp.broadcast_to(jnp.array([[True, False, True]]), (6, 3))
    other = (actions[0].at[:, 1].set((actions[0][:, 1] + 1) % 3), actions[1])
    assert network(features, other, alive, state).tolist() == network(features, actions, alive, state).tolist()
    assert network(features, other, None, state).tolist() != network(features, actions, alive, state).tolist()
