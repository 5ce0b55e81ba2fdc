"""Joint policies: how all agents of a team choose their actions at one step.

The default is `INDEPENDENT`: every unit's network outputs a distribution, and every agent samples from its own. A
policy in which agents choose together is another `JointPolicy`; its actors name it in their attribute ``joint``.
Examples are the sampler of Q-DPP, agents that share noise, and agents that choose in turns.

Compiled rollouts, host rollouts, evaluations and loaded policies all call `act`.
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
    """The random numbers for the joint actions of one step in E environment copies; or of many steps.

    Attributes:
        noise: For every group, the noise of its agents' actions, ``[…, E, N, W]``.
        turns: Random numbers that order the agents if they choose in turns, ``[…, E, n]``: in every environment copy,
            the agent with the smallest number chooses first.
    """

    noise: tuple[Any, ...]
    turns: Any


class TeamInputs(NamedTuple):
    """The inputs from which the agents of E environment copies choose their actions, group by group.

    Attributes:
        observation: As the environment returns it, ``[E, N, …]``.
        available: The action masks, ``[E, N, A]``, or None if all actions are available.
        start: True where an episode starts at this step, ``[E]``.
        memory: The actors' memory, ``[E, N, H]``, or None.
    """

    observation: tuple[Array, ...]
    available: tuple[Any, ...]
    start: Bool[Array, " E"]
    memory: tuple[Any, ...]


class JointPolicy(Protocol):
    """How the agents of a team act. An instance is static: it is hashable and contains no arrays."""

    def act(
        self,
        roster: Roster,
        actors: tuple[Any, ...],
        seen: TeamInputs,
        chance: Chance | None,
        alive: Bool[Array, "E n"] | None,
    ) -> tuple[tuple[Array, ...], tuple[Any, ...]]:
        """Return every agent's action ``[E, N, …]`` per group, and the memory after the step.

        Actions are sampled from ``chance``; if that is None, each is the mode.

        The actions in an environment copy depend on that copy's arguments only. Copies can therefore be split over
        several calls.

        ``alive`` states which agents are active; None means all. Inactive agents act too, but no other agent's action
        depends on the action, noise or turn of an inactive agent. Therefore players that use one ``chance`` for
        different agents choose independently of each other.
        """
        ...


class Choice(Protocol):
    """How a joint action is sampled if every agent has a distribution (`FromDistributions`).

    The noise in ``chance`` has two forms (`hamlet.distributions.noise`):

    * for discrete actions, Gumbel noise ``[E, N, A]``: argmax(log π + noise) is a sample of the policy π;
    * for a Box, standard normal noise ``[E, N, D]``.
    """

    def sample(self, policies: tuple[Any, ...], chance: Chance, alive: Bool[Array, "E n"] | None) -> tuple[Array, ...]:
        """Sample a joint action from the distributions ``[E, N, …]`` of every group."""
        ...

    def mode(self, policies: tuple[Any, ...], alive: Bool[Array, "E n"] | None) -> tuple[Array, ...]:
        """Return the deterministic joint action. Evaluations use it unless samples are requested."""
        ...

    def log_probability(
        self,
        policies: tuple[Any, ...],
        actions: tuple[Array, ...],
        turns: Float[Array, "E n"],
        alive: Bool[Array, "E n"] | None,
    ) -> Float[Array, "E n"]:
        """Return log π(aⁱ | aʲ of the agents j that chose before i) for every agent i, in nats; 0 for inactive agents.

        The sum over the agents is the log-probability of the joint action.
        """
        ...


@dataclass(frozen=True)
class FromDistributions:
    """Every unit's network outputs its agents' distributions; ``choice`` samples a joint action from them.

    Attributes:
        choice: How the joint action is sampled: independently, or together.
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
        """Act as specified by `JointPolicy.act`."""
        policies, memories = distributions(roster, actors, seen)
        if chance is None:
            return self.choice.mode(policies, alive), memories
        return self.choice.sample(policies, chance, alive), memories


@dataclass(frozen=True)
class Independently:
    """π(a|o) = ∏ᵢ πⁱ(aⁱ|oⁱ): agent i samples its action aⁱ from its own distribution πⁱ, given its observation oⁱ."""

    def sample(self, policies: tuple[Any, ...], chance: Chance, alive: Bool[Array, "E n"] | None) -> tuple[Array, ...]:
        """Sample each agent's action from its own distribution."""
        return tuple(policy.sample(drawn) for policy, drawn in zip(policies, chance.noise, strict=True))

    def mode(self, policies: tuple[Any, ...], alive: Bool[Array, "E n"] | None) -> tuple[Array, ...]:
        """Return the mode of each agent's own distribution."""
        return tuple(policy.mode() for policy in policies)

    def log_probability(
        self,
        policies: tuple[Any, ...],
        actions: tuple[Array, ...],
        turns: Float[Array, "E n"],
        alive: Bool[Array, "E n"] | None,
    ) -> Float[Array, "E n"]:
        """Return the log-probability of each agent's action under its own distribution; 0 for inactive agents."""
        logs = [policy.log_prob(action) for policy, action in zip(policies, actions, strict=True)]
        every = jnp.concatenate(logs, axis=1)
        return every if alive is None else jnp.where(alive, every, 0.0)


INDEPENDENT = FromDistributions(Independently())
"""The joint policy of actors that name no other one: every agent chooses independently."""


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
    """Choose the joint action of a team by the joint policy that its actors name; see `JointPolicy.act`.

    Where ``warm`` is True, actions are sampled uniformly instead, from the same noise.

    Raises:
        RequestError: The actors of its groups name different joint policies.
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
    """Return the joint policy that the actors of a team name, or `INDEPENDENT`.

    Raises:
        RequestError: The actors of its groups name different joint policies.
    """
    joints: list[JointPolicy] = [getattr(actor, "joint", INDEPENDENT) for actor in actors]
    same = all(other == joints[0] for other in joints)
    require(same, f"the actors of a team must name the same joint policy, got {joints}")
    return joints[0]


def draw(roster: Roster, key: Key, *lead: int) -> Chance:
    """Sample the random numbers for joint actions, with leading axes ``lead``."""
    keys = jax.random.split(key, len(roster.groups))
    noises = (noise(group.action, k, *lead, len(group.names)) for group, k in zip(roster.groups, keys, strict=True))
    # This key differs from the keys of the groups, which are folded in with 0, 1, …
    turns = jax.random.uniform(jax.random.fold_in(key, len(roster.groups)), (*lead, len(roster.names)))
    return Chance(tuple(noises), turns)


def distributions(roster: Roster, actors: tuple[Any, ...], seen: TeamInputs) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return every group's distributions ``[E, N, …]`` at one step, and the memory after the step."""
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
    """Return one unit's distributions ``[E, K, …]`` at one step, and the memory after it.

    The network is evaluated on ``E·K`` sequences of length 1 (E environment copies, K agents of the unit).
    """
    copies, agents = observation.shape[:2]
    fresh = jnp.repeat(start, agents)[:, None]
    rows, masks, held = (
        None if x is None else x.reshape(copies * agents, *x.shape[2:]) for x in (observation, available, memory)
    )
    policy, after = actor(cast(Array, rows)[:, None], held, fresh, None if masks is None else masks[:, None])
    policy = jax.tree.map(lambda leaf: leaf.reshape(copies, agents, *leaf.shape[2:]), policy)
    return policy, None if after is None else after.reshape(copies, agents, after.shape[-1])
