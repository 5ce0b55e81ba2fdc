"""Compiled rollouts: the joint policy plays T steps in each of E environment copies."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from hamlet.envs import copies as vector
from hamlet.envs.base import Environment
from hamlet.envs.copies import Copies
from hamlet.estimation.trajectory import Trajectory
from hamlet.networks.joint import Chance, act, draw
from hamlet.networks.torso import NetworkConfig, blank
from hamlet.roster import Roster
from hamlet.streams import declared_streams, learning_reward, reported
from hamlet.types import Key


class Play(eqx.Module):
    """The state of E environment copies between two steps.

    Attributes:
        copies: The states and observations of the environment copies.
        start: True where an episode starts now, ``[E]``.
        memory: For every group of N agents the actors' memory of width H, ``[E, N, H]``, or None without memory.
        total: The team's return in the current episode so far, ``[E]``.
        paid: For every reported stream, by name: its sum over agents in the current episode so far, ``[E]``.
    """

    copies: Copies
    start: Bool[Array, " E"]
    memory: tuple[Float[Array, "E _N H"] | None, ...]
    total: Float[Array, " E"]
    paid: dict[str, Float[Array, " E"]] = eqx.field(default_factory=dict)


class Episodes(eqx.Module):
    """The episodes that ended in a rollout, in the environment's own units, even if training uses another quantity.

    Attributes:
        count: Number of episodes.
        total: Sum of their team returns.
        paid: For every reported stream, by name: its sum over agents and episodes.
    """

    count: Float[Any, ""]
    total: Float[Any, ""]
    paid: dict[str, Float[Any, ""]] = eqx.field(default_factory=dict)


def begin(env: Environment, body: NetworkConfig, count: int, key: Key) -> Play:
    """Return ``count`` environment copies at the start of their first episodes."""
    memory = tuple(blank(body, count, len(group.names)) for group in env.groups)
    paid = {stream.name: jnp.zeros(count) for stream in reported(declared_streams(env))}
    return Play(vector.reset(env, key, count), jnp.ones(count, bool), memory, jnp.zeros(count), paid)


def rollout(
    env: Environment,
    roster: Roster,
    actors: tuple[Any, ...],
    play: Play,
    *,
    steps: int,
    length: int,
    key: Key,
    warm: Bool[Array, ""] | None = None,
) -> tuple[Play, Trajectory, Episodes]:
    """Play ``steps`` steps in every copy, in sequences of ``length`` steps.

    All random numbers of the policies are sampled beforehand: a generator in the loop takes longer than the networks.

    Returns:
        The state of the copies after the rollout; the trajectory for the update; and the episodes that ended, for the
        metrics.
    """

    def step(play: Play, chance: tuple[Chance, Key]) -> tuple[Play, tuple[Any, ...]]:
        action_chance, env_key = chance
        view = play.copies.view
        policy_inputs = (view.observation, view.available, play.start, play.memory)
        actions, memory = act(roster, actors, *policy_inputs, action_chance, warm, alive=view.alive)
        copies, arrival, outcome = vector.step(env, env_key, play.copies, actions)
        ended = outcome.terminated | outcome.truncated
        total = play.total + outcome.reward.sum(-1)
        paid = {name: before + outcome.streams[name].sum(-1) for name, before in play.paid.items()}

        def gained(totals):
            return jnp.where(ended, totals, 0.0).sum()

        def continued(totals):
            return jnp.where(ended, 0.0, totals)

        done = Episodes(ended.sum().astype(jnp.float32), gained(total), jax.tree.map(gained, paid))
        after = Play(copies, ended, memory, continued(total), jax.tree.map(continued, paid))
        return after, (view, play.start, actions, outcome, arrival, done)

    def chunk(play: Play, chances: tuple[Any, Array]) -> tuple[Play, tuple[Any, ...]]:
        after, record = jax.lax.scan(step, play, chances)
        return after, (*record, play.memory)

    act_key, env_key = jax.random.split(key)
    lead = (steps // length, length)
    chances = draw(roster, act_key, *lead, play.start.shape[0]), jax.random.split(env_key, lead)
    play, (view, start, actions, outcome, arrival, done, memory) = jax.lax.scan(chunk, play, chances)
    reward, streams = learning_reward(declared_streams(env), outcome.reward, outcome.streams)
    ends = (outcome.terminated, outcome.truncated)
    trajectory = Trajectory(view, start, actions, reward, *ends, arrival, memory, outcome.cut, streams=streams)
    return play, trajectory, jax.tree.map(jnp.sum, done)
