"""QPLEX's mixer against its proof, and against what it is bound to be on any network."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.networks.mixers.base import AgentValues, Offer
from hamlet.networks.mixers.qplex import Duplex, DuplexNetwork, ImportanceNetwork, duplex
from hamlet.roster import Group, Roster
from hamlet.spaces import Discrete

CHOICES = (2, 3, 3)


def joint_actions(choices=CHOICES):
    """All of them, and each as one-hots one after the other."""
    actions = np.array(list(itertools.product(*map(range, choices))))
    hots = np.concatenate([np.eye(c)[actions[:, i]] for i, c in enumerate(choices)], axis=1)
    return actions, jnp.asarray(hots, jnp.float32)


@jax.jit
def called(module, *given):
    return module(*given)


@jax.jit
def joint(module, *given):
    return module.joint(*given)


@jax.jit
def tables(seed):
    """Random values of every agent, and Q_tot of every joint action by a random network at a random state."""
    keys = jax.random.split(jax.random.key(seed), 3)
    values = 3 * jax.random.normal(keys[0], (3, 3))
    network = DuplexNetwork.create(keys[1], 4, sum(CHOICES), 3, kernels=3, width=8, layers=2)
    network = jax.tree.map(lambda leaf: 5 * leaf, network)  # far from where networks begin
    actions, hots = joint_actions()
    chosen = jnp.stack([values[i, actions[:, i]] for i in range(3)], axis=1)
    best = jnp.stack([values[i, :c].max() for i, c in enumerate(CHOICES)])
    state = jnp.broadcast_to(jax.random.normal(keys[2], (1, 4)), (len(actions), 4))
    return values, network(chosen, jnp.broadcast_to(best[None], chosen.shape), hots, state, None)


def test_the_best_joint_action_is_every_agents_own_best_by_enumeration():
    actions, _ = joint_actions()
    for seed in range(50):
        values, total = tables(seed)
        own = [int(values[i, :c].argmax()) for i, c in enumerate(CHOICES)]
        assert actions[int(total.argmax())].tolist() == own


@pytest.mark.parametrize("seed", range(3))
def test_any_payoffs_with_one_best_entry_are_reproduced_as_the_proof_says(seed):
    """Own values: V*/n at the best, one less elsewhere; λ = (M* − M(a)) / who deviates."""
    payoff = np.random.default_rng(seed).normal(size=(3, 3, 3)) * 10
    actions, _ = joint_actions((3, 3, 3))
    best = actions[payoff.ravel().argmax()]
    deviates = actions != best
    own = payoff.max() / 3 - deviates
    importance = (payoff.max() - payoff.ravel()) / np.maximum(deviates.sum(1), 1) + (deviates.sum(1) == 0)
    assert (importance > 0).all()
    ones = np.ones_like(own)
    args = (own, ones * payoff.max() / 3, ones, 0 * ones, ones * importance[:, None])
    assert duplex(*(jnp.asarray(a, jnp.float32) for a in args)) == pytest.approx(payoff.ravel(), abs=1e-4)


def test_with_equal_importance_it_is_a_weighted_sum():
    keys = jax.random.split(jax.random.key(0), 4)
    chosen, best, weight, offset = (jax.random.normal(key, (5, 3)) for key in keys)
    found = duplex(chosen, best, jnp.abs(weight), offset, jnp.ones((5, 3)))
    assert found == pytest.approx(np.asarray((jnp.abs(weight) * chosen + offset).sum(-1)), abs=1e-6)


def test_agents_learn_as_if_the_importance_were_one():
    """Nothing is learnt through what an agent is behind, so that its value moves by wᵢ however unimportant it is."""
    row = lambda *x: jnp.array([x])  # noqa: E731
    chosen, best, weight, offset = row(1.0, 2.0), row(1.5, 5.0), row(0.5, 2.0), row(0.0, 0.0)
    slope = jax.grad(lambda own: duplex(own, best, weight, offset, row(7.0, 0.0))[0])(chosen)
    assert slope[0].tolist() == [0.5, 2.0]
    importance = jax.grad(lambda given: duplex(chosen, best, weight, offset, given)[0])(row(7.0, 0.0))
    assert importance[0].tolist() == [-0.25, -6.0]


def test_importance_is_positive_and_bounded_by_nothing():
    _, hots = joint_actions()
    create = partial(ImportanceNetwork.create, state=4, choices=sum(CHOICES), agents=3, kernels=2, width=8, layers=1)
    made = jax.jit(create)(jax.random.key(1))
    state = jnp.ones((len(hots), 4))
    found = [jax.tree.map(lambda leaf, k=k: k * leaf, made.key) for k in (0.0, 1e3, 1e6)]
    low, middle, high = (called(ImportanceNetwork(key, made.agents, made.actions, 2), hots, state) for key in found)
    assert (low > 0).all() and low.max() < 1e-9
    assert high / middle == pytest.approx(np.full(high.shape, 1e3), rel=1e-3) and high.max() > 1e4


def test_an_absent_agent_has_no_part_in_the_sum():
    create = partial(DuplexNetwork.create, state=4, choices=sum(CHOICES), agents=3, kernels=2, width=8, layers=1)
    network = jax.jit(create)(jax.random.key(2))
    _, hots = joint_actions()
    state, rows = jnp.ones((len(hots), 4)), jnp.ones((len(hots), 1))
    own, best = rows * jnp.array([[1.0, 0.0, 2.0]]), rows * jnp.array([[3.0, 0.0, 2.5]])
    alive = jnp.broadcast_to(jnp.array([[True, False, True]]), own.shape)
    found = called(network, own, best, hots, state, alive)
    weight, offset = np.abs(called(network.weight, state)), np.asarray(called(network.offset, state))
    given, own, best = (np.asarray(x) for x in (called(network.importance, hots, state), own, best))
    total = sum(weight[:, i] * own[:, i] + offset[:, i] for i in (0, 2))
    total += sum((given[:, i] - 1) * weight[:, i] * (own[:, i] - best[:, i]) for i in (0, 2))
    assert np.asarray(found) == pytest.approx(np.asarray(total), abs=1e-5)


def test_the_mixer_takes_unlike_agents_and_leaves_what_is_unavailable_out_of_their_best():
    random = np.random.default_rng(3)
    values = (random.normal(size=(4, 1, 2)), random.normal(size=(4, 2, 3)))
    actions = (np.array([[0], [1], [0], [1]]), np.array([[1, 2], [2, 1], [1, 1], [2, 2]]))
    masks = (None, jnp.asarray(np.broadcast_to([False, True, True], (4, 2, 3))))
    groups = zip(values, actions, masks, strict=True)
    told = [(jnp.asarray(v, jnp.float32), jnp.asarray(a, jnp.int32), mask) for v, a, mask in groups]
    offers = AgentValues(tuple(Offer(value, *rest, value) for value, *rest in told), None)
    roster = Roster((Group(("a",), Discrete(2), Discrete(2)), Group(("b", "c"), Discrete(2), Discrete(3))))
    mixer = Duplex(kernels=2, hidden=8, layers=1)
    network = jax.jit(lambda key: mixer.create(key, roster, 2, (2, 3)))(jax.random.key(4))
    state = jnp.ones((4, 2))
    hots = np.concatenate([np.eye(v.shape[-1])[a].reshape(4, -1) for v, a in zip(values, actions, strict=True)], axis=1)
    chosen = np.concatenate(
        [np.take_along_axis(v, a[..., None], 2)[..., 0] for v, a in zip(values, actions, strict=True)], 1
    )
    best = np.concatenate([values[0].max(-1), values[1][..., 1:].max(-1)], axis=1)
    given = (jnp.asarray(part, jnp.float32) for part in (chosen, best, hots))
    wanted = np.asarray(called(network, *given, state, None))
    assert np.asarray(joint(network, offers, state))[:, 0] == pytest.approx(wanted, abs=1e-6)
