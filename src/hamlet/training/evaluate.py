"""Evaluation: whole episodes of a joint policy, or of random play, on the environment written in JAX."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from hamlet.envs import copies as vector
from hamlet.envs.base import Environment
from hamlet.errors import RequestError
from hamlet.networks.heads import Actor
from hamlet.networks.torso import Body
from hamlet.roster import Roster
from hamlet.training.rollout import Play, act, begin, draw
from hamlet.types import Key

# Episodes played together; more wait their turn, so that memory does not grow with them.
_AT_ONCE = 1000
Mode: TypeAlias = Literal["deterministic", "stochastic", "random"]


@dataclass(frozen=True)
class Evaluation:
    """What some whole episodes gave.

    Attributes:
        returns: The team's return of each episode, the sum over agents; ``[episodes]``.
        agent_returns: Each agent's own, ``[episodes, n]``.
        lengths: Steps of each episode.
        mode: Whether actions were the policy's modes, its samples, or uniform.
        seed: From which episodes and samples were drawn.
    """

    returns: np.ndarray
    agent_returns: np.ndarray
    lengths: np.ndarray
    mode: Mode
    seed: int

    @property
    def mean(self) -> float:
        """Mean team return."""
        return float(self.returns.mean())

    @property
    def standard_error(self) -> float:
        """Of the mean; 0 for a single episode."""
        count = len(self.returns)
        return float(self.returns.std(ddof=1) / np.sqrt(count)) if count > 1 else 0.0

    def summary(self) -> str:
        """One line."""
        return (
            f"{self.mean:.2f} ± {self.standard_error:.2f} (mean team return ± standard error, "
            f"{len(self.returns)} episodes, {self.mode})"
        )


def evaluate(
    env: Environment, roster: Roster, actors: tuple[Actor, ...], body: Body, *, episodes: int, seed: int, mode: Mode
) -> Evaluation:
    """Play ``episodes`` whole episodes, a thousand at a time.

    Raises:
        RequestError: If there are to be none.
    """
    if episodes < 1:
        raise RequestError(f"--episodes must be at least 1, not {episodes}")
    sizes = [min(_AT_ONCE, episodes - before) for before in range(0, episodes, _AT_ONCE)]
    parts = [
        _play(env, roster, actors, body, jax.random.fold_in(jax.random.key(seed), number), size, mode)
        for number, size in enumerate(sizes)
    ]
    own, lengths = (np.concatenate([np.asarray(part) for part in column]) for column in zip(*parts, strict=True))
    return Evaluation(own.sum(-1), own, lengths, mode, seed)


@partial(jax.jit, static_argnames=("env", "roster", "body", "episodes", "mode"))
def _play(
    env: Environment, roster: Roster, actors: tuple[Actor, ...], body: Body, key: Key, episodes: int, mode: Mode
) -> tuple[Array, Array]:
    begin_key, play_key = jax.random.split(key)
    play = begin(env, body, episodes, begin_key)
    own = jnp.zeros((episodes, len(roster.names)))
    state = (play, jnp.zeros(episodes, bool), own, jnp.zeros(episodes, jnp.int32), jnp.zeros((), jnp.int32))

    def going(state: Any) -> Array:
        return ~state[1].all()

    def step(state: Any) -> Any:
        play, over, own, lengths, count = state
        act_key, env_key = jax.random.split(jax.random.fold_in(play_key, count))
        if mode == "random":
            actions, memory = _random(roster, episodes, act_key), play.memory
        else:
            noises = draw(roster, act_key, episodes) if mode == "stochastic" else None
            view = play.copies.view
            actions, memory = act(roster, actors, view.observation, view.available, play.start, play.memory, noises)
        copies, _, outcome = vector.step(env, env_key, play.copies, actions)
        ended = outcome.terminated | outcome.truncated
        own = own + jnp.where(over[:, None], 0.0, outcome.reward)
        after = Play(copies, ended, memory, play.total)
        return after, over | ended, own, lengths + ~over, count + 1

    _, _, own, lengths, _ = jax.lax.while_loop(going, step, state)
    return own, lengths


def _random(roster: Roster, episodes: int, key: Key) -> tuple[Array, ...]:
    keys = jax.random.split(key, len(roster.groups))
    return tuple(
        jax.vmap(jax.vmap(group.action.sample))(jax.random.split(k, (episodes, len(group.names))))
        for k, group in zip(keys, roster.groups, strict=True)
    )
