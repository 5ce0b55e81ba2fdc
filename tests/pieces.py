"""Parts of an update, made at random for tests."""

import math
from functools import lru_cache, partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from games import MaskedRecurrent
from hamlet.algorithms import happo
from hamlet.backends.jax_backend import begin_training, roster_of
from hamlet.distributions import noise
from hamlet.envs.base import View
from hamlet.estimation.trajectory import Trajectory
from hamlet.haml.drift import ZeroDrift
from hamlet.haml.objective import Experience
from hamlet.haml.surrogate import ImportanceWeights
from hamlet.networks.heads import Actor
from hamlet.networks.torso import NetworkConfig
from hamlet.rollouts.rollout import rollout
from hamlet.spaces import Box, Discrete, MultiDiscrete

SPACES = {"discrete": Discrete(3), "multi": MultiDiscrete((2, 3)), "continuous": Box(-1.0, 1.0, (2,))}
KINDS = ("discrete", "multi", "continuous", "masked", "recurrent")
OBSERVATION = Box(-float("inf"), float("inf"), (4,))


def always(*chosen, of):
    """What a test is run with: always the chosen, and everything with the full matrices."""
    assert set(chosen) <= set(of)
    return [value if value in chosen else pytest.param(value, marks=pytest.mark.slow) for value in of]


@partial(jax.jit, static_argnames=("kind", "hidden", "spread"))
def actor(seed, kind, *, hidden=(16,), spread=1.0):
    """A policy that is not the near-uniform one of the first iteration."""
    memory = 8 if kind == "recurrent" else 0
    made = Actor.create(
        jax.random.key(seed),
        OBSERVATION,
        SPACES.get(kind, SPACES["discrete"]),
        NetworkConfig(hidden=hidden, memory=memory),
    )
    return moved(made, seed + 1, 0.3 * spread)


@jax.jit
def moved(network, seed, size):
    """The same network a random step away."""
    leaves, form = jax.tree.flatten(network)
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    return jax.tree.unflatten(
        form, [leaf + size * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys, strict=True)]
    )


@partial(jax.jit, static_argnames=("kind", "sequences", "agents"))
def experience(seed, kind, policy, *, sequences=24, agents=1, scale=1.0):
    """Experience drawn from the policy itself; the masked kind has unavailable choices and absent agents."""
    keys = jax.random.split(jax.random.key(seed), 7)
    length = 5 if kind == "recurrent" else 1
    shape = (sequences, length)
    observation = jax.random.normal(keys[0], (*shape, 4))
    masked = kind in ("masked", "recurrent")
    available = jax.random.bernoulli(keys[1], 0.6, (*shape, 3)).at[..., 1].set(True) if masked else None
    memory = jax.random.normal(keys[2], (sequences, 8)) if kind == "recurrent" else None
    start = jax.random.bernoulli(keys[3], 0.3, shape)
    alive = jax.random.bernoulli(keys[4], 0.7, shape) if masked else None
    distribution, _ = policy(observation, memory, start, available)
    return Experience(
        observation=observation,
        action=distribution.sample(noise(policy.space, keys[5], *shape)),
        available=available,
        alive=alive,
        start=start,
        memory=memory,
        advantage=scale * jax.random.normal(keys[6], shape),
        agents=agents,
    )


@partial(jax.jit, static_argnames=("kind", "drift", "sequences"))
def objective(seed, kind, *, drift=None, scale=1.0, sequences=24):
    """An actor, and what it maximises before anyone moved."""
    policy = actor(seed, kind)
    data = experience(seed, kind, policy, scale=scale, sequences=sequences)
    carry = ImportanceWeights().start(sequences, data.action.shape[1])
    return policy, ImportanceWeights().objective(carry, policy, data, drift or ZeroDrift())


def same(one, other):
    """Whether two trees have the same bits."""
    ours, theirs = jax.tree.leaves(one), jax.tree.leaves(other)
    words = lambda x: jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x  # noqa: E731
    bits = lambda x: np.asarray(words(x)).tobytes()  # noqa: E731
    assert len(ours) == len(theirs)
    return all(bits(a) == bits(b) for a, b in zip(ours, theirs, strict=True))


def views(observation, state, alive=None):
    """Views ``[C, L, E, …]`` without masks."""
    make = lambda o, s, a: View(o, s, tuple(None for _ in o), a)  # noqa: E731
    return jax.vmap(jax.vmap(jax.vmap(make)))(observation, state, alive)


def trajectory(seed, groups, state_shape, *, steps=8, copies=4):
    """Steps of some copies in which everything is random, in chunks of one step; and an advantage for every agent."""
    keys = iter(jax.random.split(jax.random.key(seed), 20))
    shape = (steps, 1, copies)
    normal = lambda *extra: jax.random.normal(next(keys), (*shape, *extra))  # noqa: E731
    flag = lambda p: jax.random.bernoulli(next(keys), p, shape)  # noqa: E731

    def view():
        return views(tuple(normal(len(g.names), *g.observation.shape) for g in groups), normal(*state_shape))

    def act(group):
        draw = jax.vmap(group.action.sample)
        lead = (*shape, len(group.names))
        flat = draw(jax.random.split(next(keys), math.prod(lead)))
        return flat.reshape(*lead, *group.action.shape)

    agents = sum(len(g.names) for g in groups)
    made = Trajectory(
        view(),
        flag(0.2),
        tuple(act(g) for g in groups),
        normal(agents),
        flag(0.1),
        jnp.zeros(shape, bool),
        view(),
        tuple(None for _ in groups),
    )
    return made, normal(agents)


@lru_cache
def masked_play():
    """The second rollout of the masked recurrent game, and everything it came from."""
    algorithm = happo(hidden=(16,), rnn_size=8, sequence_length=5, num_envs=4, rollout_length=20)
    env = MaskedRecurrent()
    roster = roster_of(algorithm, env)
    training = jax.jit(partial(begin_training, algorithm, env, 0))()
    # Policies that are no longer near uniform, so that memory and masks matter.
    actors = moved(training.learner.team.actors, 1, 0.3)

    @jax.jit
    def go(play, key):
        return rollout(env, roster, actors, play, steps=20, length=5, key=key)

    first, _, _ = go(training.play, jax.random.key(1))
    last, played, episodes = go(first, jax.random.key(2))
    return SimpleNamespace(
        algorithm=algorithm,
        env=env,
        roster=roster,
        training=training,
        actors=actors,
        first=first,
        last=last,
        played=played,
        episodes=episodes,
        key=jax.random.key(2),
    )
