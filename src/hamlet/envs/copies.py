"""Many copies of one environment, stepped together; a copy that ended starts anew.

A reset is computed only in steps at which some copy ended (the peers compute one in every step and select), and
the final view before it is handed out, so that a truncated step can bootstrap from it.
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
    """States and views of E copies, stacked along the first axis."""

    state: Any
    view: View


def reset(env: Environment, key: Key, count: int) -> Copies:
    """``count`` copies at the start of an episode each."""
    return Copies(*jax.vmap(env.reset)(jax.random.split(key, count)))


def step(env: Environment, key: Key, copies: Copies, actions: tuple[Array, ...]) -> tuple[Copies, View, Outcome]:
    """One step of every copy.

    Returns:
        The copies with those that ended started anew, the view arrived at before that, and the outcome.

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
        # Split again here: most steps need no second key, and few environments draw in a step.
        fresh = reset(env, jax.random.split(key)[1], count)
        return jax.tree.map(lambda new, old: jnp.where(_over(ended, new), new, old), fresh, after)

    return jax.lax.cond(ended.any(), renew, lambda after: after, after), final, outcome


def _over(flags: Array, leaf: Array) -> Array:
    return flags.reshape(flags.shape + (1,) * (leaf.ndim - flags.ndim))
