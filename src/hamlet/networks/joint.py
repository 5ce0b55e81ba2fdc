"""Joint policies: how all agents of a team choose their actions at one step.

The rule is `INDEPENDENT`: every unit's network gives a distribution, and every agent draws from its own. A policy whose
agents choose together (Q-DPP's sampler, agents that share noise, agents that choose in turns) is another `JointPolicy`,
which its actors name in ``joint``. Compiled rollouts, host rollouts, evaluations and loaded policies all call `act`.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol, cast

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from hamlet.distributions import even, noise
from hamlet.errors import require
from hamlet.networks.torso import encode
from hamlet.roster import Roster
from hamlet.types import Key


class Chance(eqx.Module):
    """The random numbers of one joint action of E copies; or of many.

    Attributes:
        noise: For every group that of its agents' actions, ``[…, E, N, W]``.
        turns: Numbers by whose order agents act who do not act apart, ``[…, E, n]``: in every copy the least first.
    """

    noise: tuple[Any, ...]
    turns: Any


class TeamInputs(NamedTuple):
    """What the agents of E copies act upon, group by group.

    Attributes:
        observation: As the environment gives it, ``[E, N, …]``.
        available: Which choices there are, ``[E, N, A]``, or None for all.
        start: True where an episode begins now, ``[E]``.
        memory: The actors', ``[E, N, H]``, or None.
    """

    observation: tuple[Array, ...]
    available: tuple[Any, ...]
    start: Bool[Array, " E"]
    memory: tuple[Any, ...]


class JointPolicy(Protocol):
    """How the agents of a team act. An instance is static: hashable, with no arrays of its own."""

    def act(
        self,
        roster: Roster,
        actors: tuple[Any, ...],
        seen: TeamInputs,
        chance: Chance | None,
        alive: Bool[Array, "E n"] | None,
    ) -> tuple[tuple[Array, ...], tuple[Any, ...]]:
        """Every agent's action ``[E, N, …]`` per group: sampled, or without chance the mode; and the memory after it.

        What a copy's agents do depends on that copy's arguments alone, so that copies can be cut into halves. ``alive``
        says who is there, None that all are: the absent act too, and no other agent's action depends on their action,
        noise or turn. So players that choose for unlike agents from one chance choose independently.
        """
        ...


class Choice(Protocol):
    """How actions are drawn where every agent has a distribution (`FromDistributions`).

    The chance's noise is Gumbel noise ``[E, N, A]`` of choices, so that argmax(log π + noise) is a sample, and standard
    normal noise ``[E, N, D]`` of a Box (`hamlet.distributions.noise`).
    """

    def sample(self, policies: tuple[Any, ...], chance: Chance, alive: Bool[Array, "E n"] | None) -> tuple[Array, ...]:
        """A joint action from the distributions ``[E, N, …]`` of every group."""
        ...

    def mode(self, policies: tuple[Any, ...], alive: Bool[Array, "E n"] | None) -> tuple[Array, ...]:
        """The joint action without chance, by which a team is evaluated unless samples are asked for."""
        ...

    def log_probability(
        self,
        policies: tuple[Any, ...],
        actions: tuple[Array, ...],
        turns: Float[Array, "E n"],
        alive: Bool[Array, "E n"] | None,
    ) -> Float[Array, "E n"]:
        """Log π(aⁱ | aʲ of those before i), in nats: their sum is the joint action's. 0 of the absent."""
        ...


@dataclass(frozen=True)
class FromDistributions:
    """Every unit's network gives its agents distributions; ``choice`` says how a joint action is drawn from them.

    Attributes:
        choice: Independently, or together.
    """

    choice: Choice

    def act(
        self,
        roster: Roster,
        actors: tuple[Any, ...],
        seen: TeamInputs,
        chance: Chance | None,
        alive: Bool[Array, "E n"] | None,
    ) -> tuple[tuple[Array, ...], tuple[Any, ...]]:
        """As `JointPolicy.act`."""
        policies, memories = distributions(roster, actors, seen)
        if chance is None:
            return self.choice.mode(policies, alive), memories
        return self.choice.sample(policies, chance, alive), memories


@dataclass(frozen=True)
class Independently:
    """π(a|o) = ∏ᵢ πⁱ(aⁱ|oⁱ): every agent draws from its own distribution."""

    def sample(self, policies: tuple[Any, ...], chance: Chance, alive: Bool[Array, "E n"] | None) -> tuple[Array, ...]:
        """One action each."""
        return tuple(policy.sample(drawn) for policy, drawn in zip(policies, chance.noise, strict=True))

    def mode(self, policies: tuple[Any, ...], alive: Bool[Array, "E n"] | None) -> tuple[Array, ...]:
        """Each agent's own."""
        return tuple(policy.mode() for policy in policies)

    def log_probability(
        self,
        policies: tuple[Any, ...],
        actions: tuple[Array, ...],
        turns: Float[Array, "E n"],
        alive: Bool[Array, "E n"] | None,
    ) -> Float[Array, "E n"]:
        """Each agent's own."""
        logs = [policy.log_prob(action) for policy, action in zip(policies, actions, strict=True)]
        every = jnp.concatenate(logs, axis=1)
        return every if alive is None else jnp.where(alive, every, 0.0)


INDEPENDENT = FromDistributions(Independently())
"""Every agent for itself: how actors act that name no other joint policy."""


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
    """The joint action of a team, by the joint policy that its actors name, or independently; see `JointPolicy.act`.

    Where ``warm`` holds, actions are drawn evenly instead, from the same noise.

    Raises:
        RequestError: The actors of its groups name unlike joint policies.
    """
    chosen, memories = named_by(actors).act(
        roster, actors, TeamInputs(observation, available, start, memory), chance, alive
    )
    actions = []
    for g, (group, action) in enumerate(zip(roster.groups, chosen, strict=True)):
        if warm is not None and chance is not None:
            action = jnp.where(warm, even(group.action, chance.noise[g], available[g]), action)
        actions.append(action.reshape(*action.shape[:2], *group.action.shape))
    return tuple(actions), memories


def named_by(actors: tuple[Any, ...]) -> JointPolicy:
    """The joint policy that the actors of a team name, or `INDEPENDENT`.

    Raises:
        RequestError: The actors of its groups name unlike joint policies.
    """
    joints: list[JointPolicy] = [getattr(actor, "joint", INDEPENDENT) for actor in actors]
    require(all(other == joints[0] for other in joints), f"the actors of a team name one joint policy, not {joints}")
    return joints[0]


def draw(roster: Roster, key: Key, *lead: int) -> Chance:
    """The random numbers of joint actions, ``lead`` of them."""
    keys = jax.random.split(key, len(roster.groups))
    noises = (noise(group.action, k, *lead, len(group.names)) for group, k in zip(roster.groups, keys, strict=True))
    # Of a key unlike those of the groups, which are numbers 0, 1, …
    turns = jax.random.uniform(jax.random.fold_in(key, len(roster.groups)), (*lead, len(roster.names)))
    return Chance(tuple(noises), turns)


def distributions(roster: Roster, actors: tuple[Any, ...], seen: TeamInputs) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Every group's distributions ``[E, N, …]`` at one step, and the memory after it."""
    policies, memories = [], []
    for g, group in enumerate(roster.groups):
        inputs = (encode(seen.observation[g], group.observation), seen.available[g], seen.memory[g])
        parts = [None if x is None else roster.by_unit(g, x, 1) for x in inputs]
        policy, after = jax.vmap(partial(_distribution, seen.start))(actors[g], *parts)
        policies.append(jax.tree.map(lambda leaf: roster.from_unit(leaf, 1), policy))
        memories.append(None if after is None else roster.from_unit(after, 1))
    return tuple(policies), tuple(memories)


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
