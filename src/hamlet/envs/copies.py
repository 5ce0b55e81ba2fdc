"""Parallel copies of one environment in JAX, stepped together; a copy whose episode ended starts the next episode.

Hamlet computes a reset only in steps in which some copy's episode ended. (Comparable libraries compute a reset in every
step and select.) `step` also returns the final observation from before the reset, so learners can bootstrap from it
after a truncation.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from hamlet.envs.base import Environment, Outcome, View
from hamlet.streams import check_paid, declared_streams
from hamlet.types import Key


class Copies(eqx.Module):
    """States and views of E environment copies, stacked along the first axis."""

    state: Any
    view: View


def reset(env: Environment, key: Key, count: int) -> Copies:
    """Start an episode in each of ``count`` environment copies."""
    return Copies(*jax.vmap(env.reset)(jax.random.split(key, count)))


def step(env: Environment, key: Key, copies: Copies, actions: tuple[Array, ...]) -> tuple[Copies, View, Outcome]:
    """Take one step in every environment copy.

    Returns:
        The copies, with a new episode in each copy whose episode ended; the view from before that reset; the outcome.

    Raises:
        RequestError: A step does not pay the streams that its environment declares.
    """
    count = jax.tree.leaves(copies.state)[0].shape[0]
    step_key = jax.random.split(key)[0]
    state, final, outcome = jax.vmap(env.step)(jax.random.split(step_key, count), copies.state, actions)
    check_paid(declared_streams(env), outcome.reward, outcome.streams)
    ended = outcome.terminated | outcome.truncated
    after = Copies(state, final)

    def renew(after: Copies) -> Copies:
        # This splits the key again: most steps need no second key, and few environments sample in a step.
        fresh = reset(env, jax.random.split(key)[1], count)
        return jax.tree.map(lambda new, old: jnp.where(_over(ended, new), new, old), fresh, after)

    return jax.lax.cond(ended.any(), renew, lambda after: after, after), final, outcome


def _over(flags: Array, leaf: Array) -> Array:
    return flags.reshape(flags.shape + (1,) * (leaf.ndim - flags.ndim))
