"""Memory, over the registry: training sees the policy that acted, and what happened long ago is remembered."""

import inspect
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from games import MaskedRecurrent
from hamlet.algorithms import ALGORITHMS, make
from hamlet.backends.jax_backend import begin_training, iterate, roster_of
from hamlet.envs.matrix.small_games import Recall
from hamlet.haml.template import experience
from hamlet.rollouts.rollout import rollout
from offpolicy import EVERYWHERE

T, E, L = 40, 4, 5
ENV = MaskedRecurrent()


@cache
def after_training(name):
    """A third rollout; for every group the log-probabilities of its actions, step by step and in training's chunks."""
    settings = {"hidden": (16,), "rnn_size": 8, "sequence_length": L, "num_envs": E, "rollout_length": 20}
    algorithm = make(name, **settings, normalise_observations=True)
    roster = roster_of(algorithm, ENV)
    training = jax.jit(lambda: begin_training(algorithm, ENV, 0))()
    step = jax.jit(lambda training: iterate(algorithm, ENV, training)[0])
    training = step(step(training))
    actors = training.learner.team.actors

    @jax.jit
    def both(actors, play):
        _, played, _ = rollout(ENV, roster, actors, play, steps=T, length=L, key=jax.random.key(1))
        pairs = []
        for g in range(len(roster.groups)):
            share = experience(roster, g, played, jnp.zeros_like(played.reward))
            chunked = jax.vmap(lambda actor, mine: mine.policy(actor).log_prob(mine.action))(actors[g], share)
            pairs.append((_walked(g, actors[g], play, played), chunked))
        return played, pairs

    return both(actors, training.play)


def _walked(g, actors, play, played):
    """Along the rollout as it was acted: one step after another, memory handed on, cleared where an episode begins."""
    flat = jax.tree.map(lambda x: x.reshape(T, E, *x.shape[3:]), (played.view, played.start, played.action[g]))
    view, start, action = flat

    def one(actor, memory, seen, masks, action):
        def step(memory, now):
            seen, mask, fresh, action = now
            memory = jnp.where(fresh[:, None], 0.0, memory)
            shown = None if mask is None else mask[:, None]
            policy, after = actor(seen[:, None], memory, jnp.zeros((E, 1), bool), shown)
            return after[:, 0], policy.log_prob(action[:, None])[:, 0]

        return jax.lax.scan(step, memory, (seen, masks, start, action))[1]

    masks = view.available[g]
    agents = (play.memory[g], view.observation[g], masks, action)
    axes = (0, 1, 2, None if masks is None else 2, 2)
    return jax.vmap(one, in_axes=axes)(actors, *agents)


# By default this is held without training, in test_masked_recurrent_game: it does not depend on the algorithm.
@pytest.mark.slow
@pytest.mark.parametrize("name", EVERYWHERE)
def test_log_probabilities_in_training_are_those_of_acting_across_chunks_and_episodes(name):
    played, pairs = after_training(name)
    start = np.asarray(played.start)
    assert start[:, 1:].any() and start[1:, 0].any() and not start[:, 0].all()  # within chunks, and at their borders
    for walked, chunked in pairs:
        units = walked.shape[0]
        np.testing.assert_allclose(chunked.reshape(units, E, T).swapaxes(1, 2), walked, rtol=1e-5, atol=2e-6)


def recalled(name, *, memory, chunk=10, iterations=300):
    """The best mean return of ten iterations in a row, on a game whose signal is asked for twenty steps later."""
    known = inspect.signature(ALGORITHMS[name]).parameters
    rates = {"learning_rate": 3e-3, "critic_learning_rate": 3e-3, "radius": 0.02}
    rates = {key: value for key, value in rates.items() if key in known}
    algorithm = make(
        name, hidden=(16,), rnn_size=memory, sequence_length=chunk, num_envs=64, rollout_length=20, **rates
    )
    step = jax.jit(partial(iterate, algorithm, Recall()))
    training, returns = jax.jit(lambda: begin_training(algorithm, Recall(), 0))(), []
    while len(returns) < 10 or (len(returns) < iterations and np.mean(returns[-10:]) <= 0.95):
        training, info = step(training)
        returns.append(float(info["return"]))
    return max(np.convolve(returns, np.full(10, 0.1), "valid"))


@pytest.mark.slow
def test_a_signal_from_the_first_of_twenty_steps_is_remembered_by_a_gru_and_by_nothing_else():
    """The chunks are of ten steps, so that no gradient reaches the signal from where it is asked for."""
    assert recalled("happo", memory=16) > 0.95
    assert recalled("happo", memory=0, iterations=100) < 0.6


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERYWHERE)
def test_every_algorithm_remembers(name):
    """With the signal within reach of gradients; what lies beyond is kept, and lost again, by chance."""
    assert recalled(name, memory=16, chunk=20, iterations=600) > 0.9
