"""The on-policy learner of HAML, as pure functions ``init`` and ``step``."""

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp

from hamlet.errors import require
from hamlet.estimation.advantage import Advantage
from hamlet.estimation.counterfactual import CounterfactualState
from hamlet.estimation.critic import CriticState
from hamlet.estimation.rewards import RewardScale
from hamlet.estimation.trajectory import Trajectory
from hamlet.haml.sampling import OnPolicy
from hamlet.haml.surrogate import RolloutSurrogate
from hamlet.haml.template import Haml, Team, behaviour, create, observe, prepare, update
from hamlet.networks.actors import Exploring
from hamlet.roster import Roster
from hamlet.types import Info, Key, Scalar


class Learner(eqx.Module):
    """The state of the learner: networks, optimisers, normalisers, and the critic's GRU state between rollouts."""

    team: Team
    critic: CriticState | CounterfactualState
    memory: tuple[Any, ...]
    rewards: RewardScale | None


class OnPolicyParts(NamedTuple):
    """The parts of an on-policy declaration, with their types."""

    sampling: OnPolicy
    advantage: Advantage
    critic: Any


def parts(algorithm: Haml) -> OnPolicyParts:
    """Return the parts of a declaration.

    Raises:
        RequestError: If the parts do not fit each other.
    """
    a = algorithm
    needs = getattr(a.advantage, "needs", None)
    require(
        isinstance(a.sampling, OnPolicy) and needs is not None and isinstance(a.surrogate, RolloutSurrogate),
        "on-policy learning needs OnPolicy, Gae, StateValue and ImportanceWeights (or another surrogate with `start`), "
        "not " + ", ".join(type(part).__name__ for part in (a.sampling, a.advantage, a.critic, a.surrogate)),
    )
    assert needs is not None
    require(
        isinstance(a.critic, needs),
        f"{type(a.advantage).__name__} needs the critic {needs.__name__}, not {type(a.critic).__name__}: "
        f"declare critic={needs.__name__}()",
    )
    return OnPolicyParts(cast(OnPolicy, a.sampling), cast(Advantage, a.advantage), a.critic)


def init(algorithm: Haml, roster: Roster, state_shape: tuple[int, ...], key: Key) -> Learner:
    """Return the untrained learner."""
    team_key, critic_key = jax.random.split(key)
    sampling, _, critic = parts(algorithm)
    seen_by = critic.roster(roster, state_shape)
    copies, values = sampling.copies, 1 if critic.credits == "team" else len(roster.names)
    return Learner(
        create(algorithm, roster, team_key),
        critic.create(critic_key, seen_by, algorithm.body.of_critics),
        critic.blank(seen_by, algorithm.body.of_critics, copies),
        RewardScale.create(copies, values) if algorithm.normalise_rewards else None,
    )


def step(
    algorithm: Haml,
    roster: Roster,
    state_shape: tuple[int, ...],
    learner: Learner,
    trajectory: Trajectory,
    key: Key,
    remaining: Scalar | float = 1.0,
) -> tuple[Learner, Info, Info]:
    """Estimate advantages, update the actors, and fit the critic.

    Args:
        algorithm: The declaration.
        roster: The agents.
        state_shape: The shape of the state that a centralised critic receives.
        learner: The learner before the step.
        trajectory: A rollout of its policies.
        key: The random key.
        remaining: The remaining fraction of the run, from 1 to 0, for learning rates that decay.

    Returns:
        The learner, the actors' metrics stacked by unit, and the critic's metrics by network.
    """
    actor_key, critic_key = jax.random.split(key)
    trajectory = replace(trajectory, parts=algorithm.accumulation or 1)
    _, back, critic = parts(algorithm)
    seen_by = critic.roster(roster, state_shape)
    rewards = learner.rewards
    if rewards is not None:
        rewards, trajectory = rewards(trajectory, critic.credits, back.discount)
    by = partial(behaviour, roster, learner.team, trajectory)
    # A third key, different from the two keys above, which are numbers 0 and 1.
    draw_key = jax.random.fold_in(key, 2)
    estimate = critic.estimate(learner.critic, seen_by, trajectory, learner.memory, by, draw_key)
    advantage, returns = back(trajectory, estimate, critic)
    credit = jnp.broadcast_to(advantage, (*advantage.shape[:-1], len(roster.names)))
    shares, carry = prepare(algorithm, roster, trajectory, credit)
    team, actor_info = update(algorithm, roster, learner.team, shares, carry, actor_key, remaining)
    state, critic_info = critic.fit(
        learner.critic, seen_by, trajectory, estimate, returns, learner.memory, critic_key, remaining
    )
    memory = tuple(None if after is None else after[:, :, -1] for after in estimate.memory)
    # Last, so that the old and the new policy of one update use the same normalisation of observations.
    team, state = observe(roster, team, trajectory), critic.observe(state, seen_by, trajectory)
    if isinstance(algorithm.actor, Exploring):
        rates = [actor.exploration.value for actor in learner.team.actors]
        actor_info = {**actor_info, "exploration": jnp.concatenate(rates)}
        later = tuple(jax.vmap(lambda actor: actor.after(algorithm.sampling.batch))(actor) for actor in team.actors)
        team = Team(later, team.states)
    return Learner(team, state, memory, rewards), actor_info, critic_info
