"""Rollouts: the joint policy plays E copies for T steps, compiled."""

from functools import partial
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from hamlet.distributions import even, noise
from hamlet.envs import copies as vector
from hamlet.envs.base import Environment
from hamlet.envs.copies import Copies
from hamlet.estimation.trajectory import Trajectory
from hamlet.networks.torso import Body, blank, encode
from hamlet.roster import Roster
from hamlet.types import Key


class Play(eqx.Module):
    """A game under way in E copies.

    Attributes:
        copies: The environment's.
        start: True where an episode begins now, ``[E]``.
        memory: For every group the actors' memory, ``[E, N, H]``, or None.
        total: The team's return of the episode so far, ``[E]``.
    """

    copies: Copies
    start: Bool[Array, " E"]
    memory: tuple[Float[Array, "E _N H"] | None, ...]
    total: Float[Array, " E"]


class Episodes(eqx.Module):
    """Episodes that ended within a rollout: how many, and the sum of their team returns."""

    count: Float[Any, ""]
    total: Float[Any, ""]


class Chance(eqx.Module):
    """The random numbers of one joint action of E copies; or of many.

    Attributes:
        noise: For every group that of its agents' actions, ``[…, E, N, W]``.
        turns: Numbers by whose order agents act who do not act apart, ``[…, E, n]``: in every copy the least first.
    """

    noise: tuple[Any, ...]
    turns: Any


def begin(env: Environment, body: Body, count: int, key: Key) -> Play:
    """``count`` copies at the start of their first episodes."""
    memory = tuple(blank(body, count, len(group.names)) for group in env.groups)
    return Play(vector.reset(env, key, count), jnp.ones(count, bool), memory, jnp.zeros(count))


def act(
    roster: Roster,
    actors: tuple[Any, ...],
    observation: tuple[Array, ...],
    available: tuple[Any, ...],
    start: Bool[Array, " E"],
    memory: tuple[Any, ...],
    chance: Chance | None,
    warm: Bool[Array, ""] | None = None,
    *,
    alive: Bool[Array, "E n"] | None,
) -> tuple[tuple[Array, ...], tuple[Any, ...]]:
    """Every agent's action ``[E, N, …]`` per group: sampled, or without chance the mode; and the memory after it.

    What a copy's agents do depends on that copy's arguments alone. ``alive`` says who is there, None that all are:
    those who are absent act too, and no other agent's action depends on it. Where ``warm`` holds, actions are drawn
    evenly instead, from the same noise.
    """
    policies, memories = [], []
    for g, group in enumerate(roster.groups):
        seen = (encode(observation[g], group.observation), available[g], memory[g])
        parts = [None if x is None else roster.by_unit(g, x, 1) for x in seen]
        policy, after = jax.vmap(partial(_distribution, start))(actors[g], *parts)
        policies.append(jax.tree.map(lambda leaf: roster.from_unit(leaf, 1), policy))
        memories.append(None if after is None else roster.from_unit(after, 1))
    actions = []
    for g, (group, action) in enumerate(zip(roster.groups, _chosen(tuple(policies), chance, alive), strict=True)):
        if warm is not None and chance is not None:
            action = jnp.where(warm, even(group.action, chance.noise[g], available[g]), action)
        actions.append(action.reshape(*action.shape[:2], *group.action.shape))
    return tuple(actions), tuple(memories)


def _chosen(policies: tuple[Any, ...], chance: Chance | None, alive: Bool[Array, "E n"] | None) -> tuple[Array, ...]:
    """Every agent chooses by itself, unless their policies are drawn from together (Q-DPP's while it is trained)."""
    if chance is None:
        return tuple(policy.mode() for policy in policies)
    if hasattr(policies[0], "together"):
        return policies[0].together(policies, chance.noise, chance.turns, alive)
    return tuple(policy.sample(own) for policy, own in zip(policies, chance.noise, strict=True))


def draw(roster: Roster, key: Key, *lead: int) -> Chance:
    """The random numbers of joint actions, ``lead`` of them."""
    keys = jax.random.split(key, len(roster.groups))
    noises = (noise(group.action, k, *lead, len(group.names)) for group, k in zip(roster.groups, keys, strict=True))
    # Of a key unlike those of the groups, which are numbers 0, 1, …
    turns = jax.random.uniform(jax.random.fold_in(key, len(roster.groups)), (*lead, len(roster.names)))
    return Chance(tuple(noises), turns)


def _distribution(
    start: Bool[Array, " E"], actor: Any, observation: Any, available: Any, memory: Any
) -> tuple[Any, Any]:
    """One unit's policy at one step, ``[E, K, …]``, and the memory after it: as ``E·K`` sequences of length 1."""
    copies, agents = observation.shape[:2]
    fresh = jnp.repeat(start, agents)[:, None]
    rows, masks, held = (
        None if x is None else x.reshape(copies * agents, *x.shape[2:]) for x in (observation, available, memory)
    )
    policy, after = actor(cast(Array, rows)[:, None], held, fresh, None if masks is None else masks[:, None])
    policy = jax.tree.map(lambda leaf: leaf.reshape(copies, agents, *leaf.shape[2:]), policy)
    return policy, None if after is None else after.reshape(copies, agents, after.shape[-1])


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
    """``steps`` steps of every copy, in chunks of ``length``.

    All random numbers of the policies are drawn beforehand: a generator within the loop costs more than the networks.
    """

    def step(play: Play, chance: tuple[Chance, Key]) -> tuple[Play, tuple[Any, ...]]:
        mine, env_key = chance
        view = play.copies.view
        seen = (view.observation, view.available, play.start, play.memory)
        actions, memory = act(roster, actors, *seen, mine, warm, alive=view.alive)
        copies, arrival, outcome = vector.step(env, env_key, play.copies, actions)
        ended = outcome.terminated | outcome.truncated
        total = play.total + outcome.reward.sum(-1)
        done = Episodes(ended.sum().astype(jnp.float32), jnp.where(ended, total, 0.0).sum())
        after = Play(copies, ended, memory, jnp.where(ended, 0.0, total))
        return after, (view, play.start, actions, outcome, arrival, done)

    def chunk(play: Play, chances: tuple[Any, Array]) -> tuple[Play, tuple[Any, ...]]:
        after, record = jax.lax.scan(step, play, chances)
        return after, (*record, play.memory)

    act_key, env_key = jax.random.split(key)
    lead = (steps // length, length)
    chances = draw(roster, act_key, *lead, play.start.shape[0]), jax.random.split(env_key, lead)
    play, (view, start, actions, outcome, arrival, done, memory) = jax.lax.scan(chunk, play, chances)
    trajectory = Trajectory(
        view, start, actions, outcome.reward, outcome.terminated, outcome.truncated, arrival, memory, outcome.cut
    )
    return play, trajectory, jax.tree.map(jnp.sum, done)
