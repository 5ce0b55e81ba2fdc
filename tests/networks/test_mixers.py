"""Mixers: what they are together, whose best choices are best, and who has no part."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.errors import RequestError
from hamlet.networks.mixers.base import AgentValues, IndependentMixer, Monotonic, Offer, Sum
from hamlet.roster import Group, Roster
from hamlet.spaces import Box, Discrete

SIGHT = Box(-1.0, 1.0, (2,))
ROSTER = Roster((Group(("a", "b"), SIGHT, Discrete(3)), Group(("c",), SIGHT, Discrete(4))))
WIDTH, SIZES = 3, (3, 3, 4)
JOINT = np.array(list(itertools.product(*map(range, SIZES))))
MIXERS = [Sum(), Monotonic(embedding=8, hidden=16)]


def network(mixer, seed):
    """One with weights far from the first ones."""
    made = mixer.create(jax.random.key(seed), ROSTER, WIDTH, (5, 5))
    keys = iter(jax.random.split(jax.random.key(seed + 100), 20))
    return jax.tree.map(lambda leaf: 2.0 * jax.random.normal(next(keys), leaf.shape), made)


def drawn(seed, rows, masked=False, alive=None):
    """Values at random, and a joint action each."""
    random = np.random.default_rng(seed)
    groups = []
    for group in ROSTER.groups:
        count, choices = len(group.names), group.action.width
        available = random.random((rows, count, choices)) < 0.6 if masked else None
        if masked:
            available[..., random.integers(choices)] = True
        groups.append(
            Offer(
                jnp.asarray(random.normal(0, 3, (rows, count, choices)), jnp.float32),
                jnp.asarray(random.integers(0, choices, (rows, count)), jnp.int32),
                None if available is None else jnp.asarray(available),
                jnp.asarray(random.normal(size=(rows, count, 5)), jnp.float32),
            )
        )
    return AgentValues(tuple(groups), alive), jnp.asarray(random.normal(size=(rows, WIDTH)), jnp.float32)


@jax.jit
def every(made, offers, state):
    """Q of all joint actions ``[J, B]``."""
    rows = state.shape[0]

    def one(joint):
        split = tuple(jnp.broadcast_to(part[None], (rows, part.shape[0])) for part in (joint[:2], joint[2:]))
        return made.joint(offers.at(split), state)[:, 0]

    return jax.lax.map(one, jnp.asarray(JOINT, jnp.int32))


@pytest.mark.parametrize("mixer", MIXERS, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("masked", [False, True])
def test_the_agents_best_choices_together_are_best_by_enumeration(mixer, masked):
    for seed in range(10):
        offers, state = drawn(seed, 20, masked)
        table = np.array(every(network(mixer, seed), offers, state))
        if masked:
            able = [np.asarray(o.available)[:, k] for o in offers.groups for k in range(o.action.shape[1])]
            allowed = np.stack([able[i][:, JOINT[:, i]] for i in range(3)]).all(0).T
            table = np.where(allowed, table, -np.inf)
        greedy = np.concatenate(offers.greedy, -1)
        chosen = (JOINT[:, None] == greedy[None]).all(-1).argmax(0)
        np.testing.assert_allclose(table[chosen, np.arange(20)], table.max(0), rtol=1e-5)


@pytest.mark.parametrize("mixer", MIXERS, ids=lambda m: type(m).__name__)
def test_the_team_gains_with_every_agent_by_differentiation(mixer):
    made = network(mixer, 1)
    offers, state = drawn(2, 200)

    def total(values):
        groups = tuple(Offer(v, o.action, None, o.features) for v, o in zip(values, offers.groups, strict=True))
        return made.joint(AgentValues(groups, None), state).sum()

    slopes = jax.jit(jax.grad(total))(tuple(o.values for o in offers.groups))
    for slope, offer in zip(slopes, offers.groups, strict=True):
        taken = np.asarray(jax.nn.one_hot(offer.action, slope.shape[-1], dtype=bool))
        assert (np.asarray(slope)[~taken] == 0).all()
        own = np.asarray(slope)[taken]
        assert (own >= 0).all() and (own > 0).mean() > 0.5
        if isinstance(mixer, Sum):
            np.testing.assert_array_equal(own, 1.0)


def test_qmix_is_its_equation_row_by_row():
    made = network(MIXERS[1], 3)
    offers, state = drawn(4, 5)
    linear = lambda layer, x: np.asarray(layer.weight) @ x + np.asarray(layer.bias)  # noqa: E731
    pair = lambda p, x: linear(p.second, np.maximum(linear(p.first, x), 0.0))  # noqa: E731
    for row in range(5):
        s, q = np.asarray(state[row]), np.asarray(offers.chosen[row])
        h = np.abs(pair(made.first, s)).reshape(3, 8).T @ q + linear(made.bias, s)
        h = np.where(h > 0, h, np.expm1(np.minimum(h, 0.0)))
        expected = np.abs(pair(made.second, s)) @ h + pair(made.value, s)
        np.testing.assert_allclose(made.joint(offers, state)[row], expected, rtol=1e-4)


@pytest.mark.parametrize("mixer", [IndependentMixer(), *MIXERS], ids=lambda m: type(m).__name__)
def test_a_dead_agent_has_no_part_in_the_loss(mixer):
    alive = jnp.asarray([[True, False, True]] * 6)
    offers, state = drawn(5, 6, alive=alive)
    made = network(mixer, 0)
    target = jnp.full((6, 3 if isinstance(mixer, IndependentMixer) else 1), 2.0)

    def loss(values):
        first = Offer(values, *(getattr(offers.groups[0], name) for name in ("action", "available", "features")))
        return mixer.loss(made, AgentValues((first, offers.groups[1]), alive), state, target)[0].sum()

    slope = jax.grad(loss)(offers.groups[0].values)
    assert (slope[:, 1] == 0).all() and (slope[:, 0] != 0).any()
    assert (offers.chosen[:, 1] == 0).all() and (offers.best[:, 1] == 0).all()


def test_independent_losses_are_summed_over_agents():
    offers, state = drawn(6, 4)
    target = jnp.zeros((4, 3))
    error, info = IndependentMixer().loss(
        IndependentMixer().create(jax.random.key(0), ROSTER, WIDTH, (5, 5)), offers, state, target
    )
    np.testing.assert_allclose(error, (np.asarray(offers.chosen) ** 2).sum(-1), rtol=1e-6)
    np.testing.assert_allclose(info["value"], np.asarray(offers.chosen).mean(-1), rtol=1e-6)


@pytest.mark.parametrize(("setting", "flag"), [("embedding", "--mixing-width"), ("hidden", "--hypernetwork-hidden")])
def test_a_mixer_without_width_is_refused(setting, flag):
    with pytest.raises(RequestError, match=f"{flag} must be at least 1, not 0"):
        Monotonic(**{setting: 0})
