"""QTRAN-base: its three losses, and what each of them teaches."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.networks.mixers.base import AgentValues, Offer
from hamlet.networks.mixers.qtran import Encoded, Exact, Qtran, terms
from hamlet.roster import Group, Roster
from hamlet.spaces import Discrete

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


@jax.jit
def called(module, *given):
    return module(*given)


def shares(batch=6):
    """Two groups, of two agents with three choices and of one with two."""
    random = np.random.default_rng(0)
    features = (random.normal(size=(batch, 2, 5)), random.normal(size=(batch, 1, 4)))
    actions = (random.integers(0, 3, (batch, 2)), random.integers(0, 2, (batch, 1)))
    floats, whole = (partial(jnp.asarray, dtype=kind) for kind in (jnp.float32, jnp.int32))
    return tuple(map(floats, features)), tuple(map(whole, actions)), jnp.ones((batch, 3))


@partial(jax.jit, static_argnums=0)
def fresh(exact):
    """A joint value of the three agents."""
    key = jax.random.key(1)
    return Exact.create(key, 3, (3, 3, 2), 8) if exact else Encoded.create(key, 3, (5, 4), (3, 2), 8)


def through(network, x):
    """One row through a perceptron, in NumPy."""
    for number, one in enumerate(network.layers):
        x = np.asarray(one.weight) @ (x if number == 0 else np.maximum(x, 0)) + np.asarray(one.bias)
    return x


def test_the_joint_value_is_of_the_sum_of_what_agents_do():
    features, actions, state = shares()
    network = fresh(False)
    found = called(network, features, actions, None, state)
    for row in range(2):
        told = np.zeros(8)
        for group, count in enumerate((3, 2)):
            for own, action in zip(features[group][row], actions[group][row], strict=True):
                told += through(network.encoders[group], np.concatenate((own, np.eye(count)[action])))
        wanted = through(network.joint, np.concatenate((state[row], told)))
        assert float(found[row]) == pytest.approx(float(wanted[0]), abs=1e-5)


def test_the_exact_joint_value_has_an_output_for_every_joint_action():
    features, actions, state = shares()
    network = fresh(True)
    every = np.asarray(called(network.joint, state))
    assert every.shape == (6, 18)
    first, second = map(np.asarray, actions)
    number = first[:, 0] * 6 + first[:, 1] * 2 + second[:, 0]
    wanted = [float(every[row, n]) for row, n in enumerate(number)]
    assert called(network, features, actions, None, state) == pytest.approx(wanted)


@pytest.mark.parametrize("exact", [False, True])
def test_what_an_absent_agent_is_said_to_do_changes_nothing(exact):
    features, actions, state = shares()
    network = fresh(exact)
    alive = jnp.broadcast_to(jnp.array([[True, False, True]]), (6, 3))
    other = (actions[0].at[:, 1].set((actions[0][:, 1] + 1) % 3), actions[1])
    assert (
        called(network, features, other, alive, state).tolist()
        == called(network, features, actions, alive, state).tolist()
    )
    assert (
        called(network, features, other, None, state).tolist()
        != called(network, features, actions, alive, state).tolist()
    )


@pytest.mark.parametrize("kind", ["encoded", pytest.param("exact", marks=pytest.mark.slow)])
def test_the_mixers_loss_weighs_the_three_at_what_was_played_and_at_the_agents_own_best(kind):
    features, actions, state = shares()
    random = np.random.default_rng(5)
    values = tuple(jnp.asarray(random.normal(size=size), jnp.float32) for size in ((6, 2, 3), (6, 1, 2)))
    available = jnp.asarray(np.broadcast_to([[False, True, True], [True, True, True]], (6, 2, 3)))
    groups = zip(values, actions, (available, None), features, strict=True)
    offers = AgentValues(tuple(Offer(*group) for group in groups), None)
    names = (("a", "b"), 3), (("c",), 2)
    roster = Roster(tuple(Group(name, Discrete(2), Discrete(count)) for name, count in names))
    mixer, target = Qtran(opt=2.0, nopt=0.5, kind=kind, hidden=8), jnp.ones((6, 1))
    network = jax.jit(lambda key: mixer.create(key, roster, 3, (5, 4)))(jax.random.key(7))
    error, told = jax.jit(mixer.loss)(network, offers, state, target)
    greedy = tuple(
        np.where(part, value, -np.inf).argmax(-1) for part, value in zip((available, True), values, strict=True)
    )
    at = jax.jit(lambda chosen: network.joint(offers.at(chosen), state)[:, 0])
    joint, best = (np.asarray(at(chosen)) for chosen in (actions, tuple(jnp.asarray(a, jnp.int32) for a in greedy)))
    pick = lambda chosen: sum(np.take_along_axis(v, a[..., None], 2).sum((1, 2)) for v, a in zip(values, chosen))  # noqa: E731, B905
    v = np.asarray(called(network.value, state))[:, 0]
    wanted = (joint - 1) ** 2 + 2 * (pick(greedy) - best + v) ** 2
    wanted += 0.5 * np.minimum(0, pick(actions) - joint + v) ** 2
    assert np.asarray(error) == pytest.approx(np.asarray(wanted), rel=1e-4)
    assert set(told) == {"value", "td_loss", "opt_loss", "nopt_loss"}
