"""The template: an algorithm is a triple, and what it takes to estimate it; there is one `update`.

    π_new = for each unit i, in the scheme's order:  argmax over 𝒰(π_old) of  E_β[ r·M Â − 𝔇(π̄‖π_old) ].

Reference: Kuba et al., 2022, arXiv:2208.01682 (HAML, algorithm 3); Zhong et al., 2024, arXiv:2304.09870.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hamlet.estimation.accumulation import each_unit, fetched, in_parts, pick, sequences_at_once, stored
from hamlet.estimation.action_value import ActionValue
from hamlet.estimation.advantage import Advantage, NStep
from hamlet.estimation.counterfactual import CounterfactualValue
from hamlet.estimation.critic import StateValue
from hamlet.estimation.returns import standardise
from hamlet.estimation.trajectory import Behaviour, Trajectory, from_sequences, sequences
from hamlet.haml.drift import Drift
from hamlet.haml.neighbourhood import Neighbourhood, Unconstrained
from hamlet.haml.objective import Experience
from hamlet.haml.sampling import OnPolicy, ReplaySampling
from hamlet.haml.scheme import Scheme, Sequential, UnitStep, Visit
from hamlet.haml.surrogate import RolloutSurrogate, Surrogate
from hamlet.networks import heads
from hamlet.networks.actors import ActorKind, Stochastic
from hamlet.networks.torso import NetworkConfig, encode
from hamlet.roster import Roster, Sharing
from hamlet.spaces import Box, Space
from hamlet.types import Info, Key, Scalar

ActionKind: TypeAlias = Literal["Discrete", "MultiDiscrete", "Box"]


@dataclass(frozen=True, kw_only=True)
class Haml:
    """One algorithm, declared.

    Attributes:
        drift: 𝔇, what leaving the old policy costs.
        neighbourhood: 𝒰, where the new policy is sought, and how.
        sampling: β, which data are used.
        surrogate: How the earlier units' moves enter the later ones' objective.
        scheme: The order of moves.
        advantage: From rewards and values to Â.
        critic: Predicts returns.
        actor: What a policy is made of, and how it explores.
        body: The shape of actors and critics.
        sharing: Whether agents of equal spaces share parameters.
        normalise_rewards: Whether they are learnt from in units of the running deviation of discounted returns.
        actions: The kinds of action spaces it can act in.
        accumulation: In how many parts a batch is learnt from, one after another, their gradients summed; None for as
            few as memory allows.
    """

    drift: Drift
    neighbourhood: Neighbourhood
    sampling: OnPolicy | ReplaySampling
    surrogate: Surrogate
    scheme: Scheme
    advantage: Advantage | NStep
    critic: StateValue | CounterfactualValue | ActionValue
    actor: ActorKind = field(default_factory=Stochastic)
    body: NetworkConfig = field(default_factory=NetworkConfig)
    sharing: Sharing = "none"
    normalise_rewards: bool = False
    actions: tuple[ActionKind, ...] = ("Discrete", "MultiDiscrete", "Box")
    accumulation: int | None = None

    @property
    def family(self) -> str:
        """By which learner it learns (`hamlet.learners.FAMILIES`)."""
        return "replayed steps" if self.sampling.replays else "fresh rollouts"

    @property
    def leaves_theory(self) -> str | None:
        """Why the guarantees of mirror learning do not cover this declaration; None where they do."""
        if self.sharing == "group" and isinstance(self.scheme, Sequential):
            return "agents that share parameters move together, so a sequential sweep is no longer one agent at a time"
        return None


class Team(eqx.Module):
    """Every unit's actor, and what its neighbourhood operator remembers; per group, stacked by unit."""

    actors: tuple[Any, ...]
    states: tuple[Any, ...]


def create(algorithm: Haml, roster: Roster, key: Key) -> Team:
    """Fresh actors, each from its own key."""
    return assemble(algorithm.actor, algorithm.body, algorithm.neighbourhood.init, roster, key)


def assemble(kind: ActorKind, body: NetworkConfig, start: Callable[[Any], Any], roster: Roster, key: Key) -> Team:
    """Fresh actors of a kind, each from its own key, and ``start`` of each: what is remembered of how it was moved."""

    def one(group: int, key: Key) -> tuple[Any, Any]:
        spaces = roster.groups[group]
        actor = kind.create(key, spaces.observation, spaces.action, body)
        return actor, start(actor)

    keys = jax.random.split(key, len(roster.groups))
    by_group = [jax.vmap(partial(one, g))(jax.random.split(keys[g], roster.units_in(g))) for g in range(len(keys))]
    actors, states = zip(*by_group, strict=True)
    return Team(actors, states)


def experience(roster: Roster, group: int, trajectory: Trajectory, advantage: Float[Array, "C L E n"]) -> Experience:
    """A group's experience, stacked by unit, with each unit's advantage standardised over the steps that count."""
    cut = partial(sequences, roster, group)
    view = trajectory.view
    counted = trajectory.counted
    alive = None if counted is None else cut(roster.split(counted)[group])
    agents = len(roster.groups[group].names)
    start = jnp.broadcast_to(trajectory.start[..., None], (*trajectory.start.shape, agents))
    memory = trajectory.memory[group]
    available = view.available[group]
    observed, space = view.observation[group], roster.groups[group].observation
    return Experience(
        observation=cut(encode(observed, space)) if trajectory.parts == 1 else stored(roster, group, observed, space),
        action=cut(_flat(trajectory.action[group], roster.groups[group].action)),
        available=None if available is None else cut(available),
        alive=alive,
        start=cut(start),
        memory=None if memory is None else cut(memory[:, None])[:, :, 0],
        advantage=jax.vmap(standardise)(cut(roster.split(advantage)[group]), alive),
        agents=roster.agents_per_unit(group),
        at_once=sequences_at_once(trajectory.count(roster.agents_per_unit(group)), trajectory.parts),
    )


def behaviour(roster: Roster, team: Team, trajectory: Trajectory) -> Behaviour:
    """The policies by which the team's actors sampled a rollout, and what they would go on with from where it led."""

    def one(
        actor: Any, observation: Any, memory: Any, start: Array, mask: Any, arrived: Any, available: Any
    ) -> tuple[Any, Any]:
        arrivals = fetched(arrived)
        now, memories = actor(fetched(observation), memory, start, mask)

        def rows(x):
            return x.reshape(-1, 1, *x.shape[2:])

        held = None if memories is None else memories.reshape(-1, memories.shape[-1])
        fresh = jnp.zeros((arrivals.shape[0] * arrivals.shape[1], 1), bool)
        then, _ = actor(rows(arrivals), held, fresh, None if available is None else rows(available))
        return now, jax.tree.map(lambda leaf: leaf.reshape(*arrivals.shape[:2], *leaf.shape[2:]), then)

    copies, by_group, parts = trajectory.start.shape[2], [], trajectory.parts
    for g, group in enumerate(roster.groups):
        share = experience(roster, g, trajectory, jnp.zeros(trajectory.reward.shape))
        arrival, cut = trajectory.arrival, partial(sequences, roster, g)
        observed, space, masks = arrival.observation[g], group.observation, arrival.available[g]
        reached = cut(encode(observed, space)) if parts == 1 else stored(roster, g, observed, space)
        rows = (share.observation, share.memory, share.start, share.available, reached)
        rows = (*rows, None if masks is None else cut(masks))
        if parts == 1:
            policies = jax.vmap(one)(team.actors[g], *rows)
        else:

            def of(actor, rows, share=share):
                return in_parts(partial(one, actor), share.at_once, *rows)

            policies = each_unit(of, team.actors[g], rows)
        by_group.append(jax.tree.map(lambda leaf, g=g: from_sequences(roster, g, leaf, copies), policies))
    now, then = zip(*by_group, strict=True)
    return Behaviour(now, then, roster)


def observe(roster: Roster, team: Team, trajectory: Trajectory) -> Team:
    """The team with what its living agents saw taken into their running means and deviations, where they have them."""
    view, counted, actors = trajectory.view, trajectory.counted, []
    for g, group in enumerate(roster.groups):
        actor = team.actors[g]
        if actor.torso.running is not None:
            encoded = sequences(roster, g, encode(view.observation[g], group.observation))
            alive = None if counted is None else sequences(roster, g, roster.split(counted)[g])
            actor = jax.vmap(heads.observe)(actor, encoded, alive)
        actors.append(actor)
    return Team(tuple(actors), team.states)


def _flat(action: Array, space: Space) -> Array:
    """A Box's actions with all their entries on one axis, as distributions have them; choices as they are."""
    if not isinstance(space, Box):
        return action
    return action.reshape(*action.shape[: action.ndim - len(space.shape)], -1)


def prepare(
    algorithm: Haml, roster: Roster, trajectory: Trajectory, advantage: Float[Array, "C L E n"]
) -> tuple[list[Experience], Any]:
    """From a rollout, every group's share of it, and the carry before anyone moved: what `update` takes on-policy."""
    assert isinstance(algorithm.surrogate, RolloutSurrogate)
    chunks, length, copies = trajectory.start.shape
    shares = [experience(roster, g, trajectory, advantage) for g in range(len(roster.groups))]
    return shares, algorithm.surrogate.start(copies * chunks, length)


def update(
    algorithm: Haml,
    roster: Roster,
    team: Team,
    shares: Sequence[Any],
    carry: Any,
    key: Key,
    remaining: Scalar | float = 1.0,
) -> tuple[Team, Info]:
    """Every unit moves once, as the scheme orders.

    Args:
        algorithm: What is moved by.
        roster: Whose actors they are.
        team: The actors before.
        shares: For every group the data of its units, stacked by unit, as the surrogate takes them.
        carry: The surrogate's, before anyone moved.
        key: For what is drawn.
        remaining: The share of the run that is left, by which learning rates fall.

    Returns:
        The team after it, and infos stacked by unit.
    """
    visits = _Visits(algorithm, roster, tuple(shares), remaining)
    return algorithm.scheme.sweep(visits, team, carry, len(roster.group_of), key)


@dataclass(frozen=True)
class _Visits:
    """How a scheme moves the units of a roster: by the declared step, or, for trial, by another (`RolloutVisit`)."""

    algorithm: Haml
    roster: Roster
    shares: tuple[Any, ...]
    remaining: Scalar | float

    def __call__(self, unit: Int[Array, ""], team: Team, carry: Any, key: Key) -> tuple[Team, Any, Info]:
        return self.by(UnitStep(self.algorithm.drift, self.algorithm.neighbourhood))(unit, team, carry, key)

    def by(self, step: UnitStep) -> Visit:
        surrogate, remaining, roster = self.algorithm.surrogate, self.remaining, self.roster
        rates, first, moves = unit_rates(step.neighbourhood, roster), 0, []
        for g, share in enumerate(self.shares):
            units = roster.units_in(g)
            rate = None if rates is None else jnp.asarray(rates[first : first + units])
            moves.append(partial(_move, surrogate, step, g, share, remaining, rate))
            first += units
        return visiting(roster, moves)

    def credits(self) -> Float[Array, "U B L"]:
        shares = [(share.advantage, share.agents) for share in self.shares]
        by_agent = [a.reshape(a.shape[0], -1, agents, a.shape[-1]) for a, agents in shares]
        return jnp.concatenate([a.mean(2) for a in by_agent])


def unit_rates(neighbourhood: Neighbourhood, roster: Roster) -> np.ndarray | None:
    """Every unit's learning rate as a share of the greatest; None where a neighbourhood has one for all, or none."""
    return None if not isinstance(neighbourhood, Unconstrained) else neighbourhood.shares(roster)


# (slot in the group, team, carry, key) -> (team, carry, info)
Move: TypeAlias = Callable[[Int[Array, ""], Team, Any, Key], tuple[Team, Any, Info]]


def visiting(roster: Roster, moves: Sequence[Move]) -> Visit:
    """The visit of any unit, where ``moves`` holds for every group how a unit of it moves."""
    group_of, slot_of = jnp.asarray(roster.group_of), jnp.asarray(roster.slot_of)

    def visit(unit: Int[Array, ""], team: Team, carry: Any, key: Key) -> tuple[Team, Any, Info]:
        arguments = (slot_of[unit], team, carry, key)
        if len(moves) == 1:
            return moves[0](*arguments)
        return jax.lax.switch(group_of[unit], list(moves), *arguments)

    return visit


def _move(
    surrogate: Surrogate,
    step: UnitStep,
    group: int,
    share: Any,
    remaining: Scalar | float,
    rate: Float[Array, " units"] | None,
    slot: Int[Array, ""],
    team: Team,
    carry: Any,
    key: Key,
) -> tuple[Team, Any, Info]:
    """One unit of a group moves: objective, improvement, carry; ``rate`` is of every unit, if they have their own."""
    unit_share, actor, state = pick((share, team.actors[group], team.states[group]), slot)
    objective = surrogate.objective(carry, actor, unit_share, step.drift)
    keywords: dict[str, Any] = {} if rate is None else {"share": rate[slot]}
    better, state, info = step.neighbourhood.improve(objective, actor, state, key, remaining, **keywords)
    carry = surrogate.advance(carry, objective, better)
    return written(team, group, slot, better, state), carry, info


def written(team: Team, group: int, slot: Int[Array, ""], actor: Any, state: Any) -> Team:
    """The team with one unit's actor, and what is remembered of it, in their place."""

    def put(stack: Array, one: Array) -> Array:
        return stack.at[slot].set(one)

    stacks = jax.tree.map(put, (team.actors[group], team.states[group]), (actor, state))
    return eqx.tree_at(lambda t: (t.actors[group], t.states[group]), team, stacks)
