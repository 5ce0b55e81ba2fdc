"""Many copies: each ends and starts anew by itself, and its final view is handed out."""

from dataclasses import dataclass
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.envs import ENVIRONMENTS, copies, make
from hamlet.envs.base import Outcome, View

COUNT = 6
KINDS = [(name, True) for name in sorted(ENVIRONMENTS) if name.startswith("mpe/")] + [("mpe/simple_reference", False)]

reset = jax.jit(copies.reset, static_argnums=(0, 2))
step = jax.jit(copies.step, static_argnums=0)


@partial(jax.jit, static_argnums=0)
def draw(env, key):
    """Uniformly random actions of every copy."""
    return tuple(
        jax.vmap(group.action.sample)(jax.random.split(jax.random.fold_in(key, g), COUNT * len(group.names))).reshape(
            (COUNT, len(group.names), *group.action.shape)
        )
        for g, group in enumerate(env.groups)
    )


def at_times(batch, times):
    """The copies with their episodes at other steps."""
    return eqx.tree_at(lambda batch: batch.state.time, batch, jnp.asarray(times, jnp.int32))


def rows(tree, mask):
    return [np.asarray(leaf)[mask] for leaf in jax.tree.leaves(tree)]


@pytest.mark.parametrize(("name", "continuous"), KINDS)
def test_only_the_copies_that_ended_start_anew(name, continuous):
    env = make(name, continuous=continuous, max_steps=5)
    keys = jax.random.split(jax.random.key(1), 4)
    batch = at_times(reset(env, keys[0], COUNT), [4, 0, 3, 4, 1, 2])
    actions = draw(env, keys[1])
    after, final, outcome = step(env, keys[2], batch, actions)
    state, view, _ = jax.jit(jax.vmap(env.step))(jax.random.split(keys[3], COUNT), batch.state, actions)
    ended = np.array([True, False, False, True, False, False])
    np.testing.assert_array_equal(outcome.truncated, ended)
    assert not outcome.terminated.any()
    np.testing.assert_array_equal(after.state.time, [0, 1, 4, 0, 2, 3])
    for ours, alone in zip(jax.tree.leaves(final), jax.tree.leaves(view), strict=True):
        np.testing.assert_allclose(ours, alone, atol=1e-6)
    for ours, alone in zip(rows(after, ~ended), rows(copies.Copies(state, view), ~ended), strict=True):
        np.testing.assert_allclose(ours, alone, atol=1e-6)
    assert (after.state.velocity[ended] == 0).all()
    assert (np.abs(after.view.state - final.state)[ended].max(-1) > 0.01).all()
    assert not np.allclose(after.state.landmark[0], after.state.landmark[3])


@pytest.mark.parametrize(("name", "continuous"), KINDS)
def test_a_step_that_ends_nothing_hands_the_final_view_on(name, continuous):
    env = make(name, continuous=continuous, max_steps=5)
    batch = reset(env, jax.random.key(0), COUNT)
    after, final, _ = step(env, jax.random.key(1), batch, draw(env, jax.random.key(2)))
    for carried, handed in zip(jax.tree.leaves(after.view), jax.tree.leaves(final), strict=True):
        np.testing.assert_array_equal(carried, handed)


@pytest.mark.parametrize(("name", "continuous"), KINDS)
def test_a_step_is_compiled_once(name, continuous):
    """A weakly typed leaf of a state would compile the second step anew."""
    env = make(name, continuous=continuous, max_steps=5)
    jitted = jax.jit(partial(copies.step, env))
    batch = reset(env, jax.random.key(0), COUNT)
    for i in range(6):
        batch, _, _ = jitted(jax.random.key(i), batch, draw(env, jax.random.key(10 + i)))
    assert jitted._cache_size() == 1
    assert not any(leaf.weak_type for leaf in jax.tree.leaves(batch))


def test_every_episode_has_the_length_asked_for_and_a_start_of_its_own():
    env = make("mpe/simple_spread", max_steps=3)
    first = reset(env, jax.random.key(0), COUNT)

    def advance(batch, key):
        act_key, step_key = jax.random.split(key)
        batch, _, outcome = copies.step(env, step_key, batch, draw(env, act_key))
        return batch, (batch.state.landmark, outcome.truncated)

    _, (landmark, truncated) = jax.jit(partial(jax.lax.scan, advance))(first, jax.random.split(jax.random.key(1), 9))
    np.testing.assert_array_equal(truncated.all(1), np.arange(1, 10) % 3 == 0)
    np.testing.assert_array_equal(truncated.all(1), truncated.any(1))
    starts = np.asarray(landmark[2::3]).reshape(3 * COUNT, -1)
    assert len(np.unique(starts, axis=0)) == 3 * COUNT


@dataclass(frozen=True)
class Keyed:
    """An endless row of episodes of one step, in which all that is seen are the keys that were given."""

    groups, state_shape = (), (2,)

    def reset(self, key):
        seen = jax.random.key_data(key)
        return seen, View((), seen, (), None)

    def step(self, key, state, actions):
        seen = jax.random.key_data(key)
        return state, View((), seen, (), None), Outcome(jnp.zeros(1), jnp.ones((), bool), jnp.zeros((), bool))


def test_no_key_is_used_both_for_a_step_and_for_a_beginning():
    begun = copies.reset(Keyed(), jax.random.key(0), COUNT)
    after, final, _ = copies.step(Keyed(), jax.random.key(1), begun, ())
    used = {tuple(row) for seen in (final.state, after.view.state) for row in np.asarray(seen).tolist()}
    assert len(used) == 2 * COUNT
