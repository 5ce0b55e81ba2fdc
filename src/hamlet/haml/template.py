"""The template of HAML: an algorithm is a declaration of parts, and one `update` serves all algorithms.

    π_new = for each unit i, in the scheme's order:  argmax over 𝒰(π_old) of  E_β[ r·M Â − 𝔇(π̄‖π_old) ]

The theory's parts are the drift 𝔇, the neighbourhood 𝒰 and the sampling distribution β. π_old is a unit's old policy,
π̄ the candidate, r their ratio, M the product of earlier agents' ratios and Â the advantage. A unit is one set of
policy parameters, of one agent or of all agents that share it. The carry (here M) is the quantity passed from one
unit's update to the next's.

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
    """The declaration of one algorithm of the HAML template.

    Attributes:
        drift: The drift 𝔇, the penalty for leaving the old policy.
        neighbourhood: The neighbourhood 𝒰 of allowed new policies, and the optimisation within it.
        sampling: The sampling distribution β of the data.
        surrogate: How the earlier units' updates enter the later units' objectives.
        scheme: The order of updates.
        advantage: The estimator of the advantage Â from rewards and values.
        critic: The critic, which predicts returns.
        actor: The kind of policy, and its exploration.
        body: The network configuration of actors and critics.
        sharing: Whether agents with equal spaces share parameters.
        normalise_rewards: Whether rewards are divided by the running standard deviation of discounted returns.
        actions: The kinds of action spaces that the algorithm supports.
        accumulation: Number of parts in which a batch is processed sequentially, with summed gradients; None for the
            smallest number that fits in memory.
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
        """Return the name of its learner in `hamlet.learners.FAMILIES`."""
        return "replayed steps" if self.sampling.replays else "fresh rollouts"

    @property
    def leaves_theory(self) -> str | None:
        """Return why the guarantees of mirror learning do not cover this declaration, or None if they do."""
        if self.sharing == "group" and isinstance(self.scheme, Sequential):
            return "agents that share parameters are updated together, so updates are not one agent at a time"
        return None


class Team(eqx.Module):
    """The actors of all units and the states of their optimisers; by group, stacked by unit."""

    actors: tuple[Any, ...]
    states: tuple[Any, ...]


def create(algorithm: Haml, roster: Roster, key: Key) -> Team:
    """Create the initial team, each actor from its own random key."""
    return assemble(algorithm.actor, algorithm.body, algorithm.neighbourhood.init, roster, key)


def assemble(kind: ActorKind, body: NetworkConfig, start: Callable[[Any], Any], roster: Roster, key: Key) -> Team:
    """Create actors of a kind, each from its own random key; ``start`` gives the initial optimiser state of each."""

    def one(group: int, key: Key) -> tuple[Any, Any]:
        spaces = roster.groups[group]
        actor = kind.create(key, spaces.observation, spaces.action, body)
        return actor, start(actor)

    keys = jax.random.split(key, len(roster.groups))
    by_group = [jax.vmap(partial(one, g))(jax.random.split(keys[g], roster.units_in(g))) for g in range(len(keys))]
    actors, states = zip(*by_group, strict=True)
    return Team(actors, states)


def experience(roster: Roster, group: int, trajectory: Trajectory, advantage: Float[Array, "C L E n"]) -> Experience:
    """Return a group's experience, stacked by unit; each unit's advantage is standardised over its active steps."""
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
    """Return the policies that sampled a rollout, and the policies at each step's next observation."""

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
    """Update the actors' running statistics of observations, if they have them, from active agents."""
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
    """Flatten the entries of Box actions into one axis, as distributions expect; discrete actions stay unchanged."""
    if not isinstance(space, Box):
        return action
    return action.reshape(*action.shape[: action.ndim - len(space.shape)], -1)


def prepare(
    algorithm: Haml, roster: Roster, trajectory: Trajectory, advantage: Float[Array, "C L E n"]
) -> tuple[list[Experience], Any]:
    """Return every group's data of a rollout and the initial carry: the on-policy inputs of `update`."""
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
    """Update every unit once, in the order of the scheme.

    Args:
        algorithm: The declaration.
        roster: The agents.
        team: The actors before the update.
        shares: For every group the data of its units, stacked by unit, in the form that the surrogate needs.
        carry: The initial carry of the surrogate.
        key: The random key.
        remaining: The remaining fraction of the run, from 1 to 0, for learning rates that decay.

    Returns:
        The updated team, and metrics stacked by unit.
    """
    visits = _Visits(algorithm, roster, tuple(shares), remaining)
    return algorithm.scheme.sweep(visits, team, carry, len(roster.group_of), key)


@dataclass(frozen=True)
class _Visits:
    """Updates units by the declared update, or by another one for a trial (`RolloutVisit`)."""

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
    """Return every unit's learning rate divided by the greatest; None if the neighbourhood has one rate or no rate."""
    return None if not isinstance(neighbourhood, Unconstrained) else neighbourhood.shares(roster)


# (slot in the group, team, carry, key) -> (team, carry, info)
Move: TypeAlias = Callable[[Int[Array, ""], Team, Any, Key], tuple[Team, Any, Info]]


def visiting(roster: Roster, moves: Sequence[Move]) -> Visit:
    """Return the function that updates any unit; ``moves`` holds the update function of each group."""
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
    """Update one unit of a group: build its objective, improve its actor, update the carry.

    ``rate`` holds the units' relative learning rates, or None.
    """
    unit_share, actor, state = pick((share, team.actors[group], team.states[group]), slot)
    objective = surrogate.objective(carry, actor, unit_share, step.drift)
    keywords: dict[str, Any] = {} if rate is None else {"share": rate[slot]}
    better, state, info = step.neighbourhood.improve(objective, actor, state, key, remaining, **keywords)
    carry = surrogate.advance(carry, objective, better)
    return written(team, group, slot, better, state), carry, info


def written(team: Team, group: int, slot: Int[Array, ""], actor: Any, state: Any) -> Team:
    """Return the team with a new actor and optimiser state of one unit."""

    def put(stack: Array, one: Array) -> Array:
        return stack.at[slot].set(one)

    stacks = jax.tree.map(put, (team.actors[group], team.states[group]), (actor, state))
    return eqx.tree_at(lambda t: (t.actors[group], t.states[group]), team, stacks)
