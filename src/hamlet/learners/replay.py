"""The off-policy learner of HAML, which learns from replayed steps, as pure functions ``init`` and ``step``."""

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from hamlet.buffers import replay as ring
from hamlet.buffers.replay import Replay, Sample
from hamlet.distributions import noise
from hamlet.envs.base import View
from hamlet.errors import require
from hamlet.estimation.accumulation import in_parts, sequences_at_once
from hamlet.estimation.action_value import ActionValue, ActionValueState, least, moved
from hamlet.estimation.advantage import NStep
from hamlet.estimation.trajectory import Trajectory
from hamlet.haml.dual import DualState
from hamlet.haml.meta_game import MetaGame, MetaStep
from hamlet.haml.neighbourhood import KlBall, Unconstrained
from hamlet.haml.pathwise import Joint, Pathwise, Replayed, SoftPathwise, joined
from hamlet.haml.sampling import ReplaySampling as Sampling
from hamlet.haml.template import Haml, Team, create, update
from hamlet.learners.updating import mean, remembered, repeated, seen
from hamlet.networks.actors import coded
from hamlet.roster import Roster
from hamlet.types import Info, Key, Scalar


class ReplayLearner(eqx.Module):
    """The state of the learner: networks, optimisers and counters.

    Attributes:
        team: The actors.
        critic: The critic.
        targets: The target actors by group, or None if critics bootstrap from the actors themselves.
        temperature: Every unit's entropy temperature α, or None.
        updates: Number of critic updates, int32.
        played: Number of rollouts, int32.
        memory: None: the critic is not recurrent.
    """

    team: Team
    critic: ActionValueState
    targets: tuple[Any, ...] | None
    temperature: DualState | None
    updates: Int[Array, ""]
    played: Int[Array, ""]
    memory: tuple[Any, ...] = (None,)


class ReplayParts(NamedTuple):
    """The parts of an off-policy declaration, with their types."""

    sampling: Sampling
    surrogate: Pathwise | SoftPathwise
    advantage: NStep
    critic: ActionValue


def parts(algorithm: Haml) -> ReplayParts:
    """Return the parts of a declaration.

    Raises:
        RequestError: If the parts do not fit each other.
    """
    a = algorithm
    fit = (
        isinstance(a.sampling, Sampling)
        and isinstance(a.surrogate, Pathwise | SoftPathwise)
        and isinstance(a.advantage, NStep)
        and isinstance(a.critic, ActionValue)
    )
    require(
        fit,
        "learning from replayed steps needs ReplaySampling, NStep, ActionValue, and Pathwise or SoftPathwise, not "
        + ", ".join(type(part).__name__ for part in (a.sampling, a.advantage, a.critic, a.surrogate)),
    )
    require(
        not isinstance(a.scheme, MetaGame | MetaStep),
        f"a meta-game needs on-policy rollouts, not replayed steps: use Sequential or Simultaneous, not {a.scheme}",
    )
    move = a.neighbourhood
    require(
        not isinstance(move, KlBall) and (not isinstance(move, Unconstrained) or move.minibatches == 1),
        f"learning from replayed steps makes one gradient step on the whole batch, which {move} does not: use "
        "Unconstrained with minibatches=1",
    )
    return ReplayParts(a.sampling, a.surrogate, a.advantage, a.critic)  # type: ignore[arg-type]


def init(algorithm: Haml, roster: Roster, state_shape: tuple[int, ...], key: Key) -> ReplayLearner:
    """Return the untrained learner."""
    team_key, critic_key = jax.random.split(key)
    _, surrogate, _, critic = parts(algorithm)
    team = create(algorithm, roster, team_key)
    dual = surrogate.temperature
    return ReplayLearner(
        team,
        critic.create(critic_key, critic.roster(roster, state_shape), algorithm.body.of_critics),
        team.actors if surrogate.target_actors else None,
        None if dual is None else dual.init(len(roster.group_of)),
        jnp.zeros((), jnp.int32),
        jnp.zeros((), jnp.int32),
    )


def step(
    algorithm: Haml,
    roster: Roster,
    learner: ReplayLearner,
    replay: Replay,
    trajectory: Trajectory,
    key: Key,
    remaining: Scalar | float = 1.0,
) -> tuple[ReplayLearner, Replay, Info, Info]:
    """Store a rollout in the replay buffer; then make the updates of the iteration, except during warm-up.

    Returns:
        The learner, the replay buffer, and the means over the updates of the actors' metrics, stacked by unit, and of
        the critic's metrics.
    """
    sampling = parts(algorithm).sampling
    replay, begun = remembered(sampling, replay, trajectory, learner.played)
    update_once, before = partial(_update, algorithm, roster, replay, remaining=remaining), learner.updates
    learner, (actors, critic) = repeated(update_once, learner, jnp.where(begun, sampling.updates, 0), key)
    moves = learner.updates // sampling.delay - before // sampling.delay
    learner = eqx.tree_at(lambda tree: tree.played, learner, learner.played + 1)
    return learner, replay, mean(actors, moves), mean(critic, learner.updates - before)


def _update(
    algorithm: Haml, roster: Roster, replay: Replay, learner: ReplayLearner, key: Key, *, remaining: Scalar | float
) -> tuple[ReplayLearner, tuple[Info, Info]]:
    """Update the critic; in every ``delay``-th call also update the actors and the targets."""
    sample_key, critic_key, actor_key = jax.random.split(key, 3)
    sampling, surrogate, back, judge = parts(algorithm)
    sample = ring.sample(replay, sampling.samples, sample_key, discount=back.discount, window=back.steps)
    at_once = sequences_at_once(sampling.samples, algorithm.accumulation or 1)
    goal = target(surrogate, roster, learner, sample, critic_key, at_once)
    critic, critic_info = judge.fit(learner.critic, played(roster, sample), goal, at_once)
    updates = learner.updates + 1
    learner = eqx.tree_at(lambda tree: (tree.critic, tree.updates), learner, (critic, updates))
    move = partial(_move, algorithm, roster, remaining=remaining)
    if sampling.delay == 1:
        learner, actor_info = move(learner, sample, actor_key)
        return learner, (actor_info, critic_info)
    shapes = jax.eval_shape(move, learner, sample, actor_key)[1]
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    learner, actor_info = jax.lax.cond(
        updates % sampling.delay == 0,
        move,
        lambda learner, sample, key: (learner, nothing),
        *(learner, sample, actor_key),
    )
    return learner, (actor_info, critic_info)


def _move(
    algorithm: Haml, roster: Roster, learner: ReplayLearner, sample: Sample, key: Key, *, remaining: Scalar | float
) -> tuple[ReplayLearner, Info]:
    """Update the actors in the order of the scheme, then the temperatures, then the targets."""
    share_key, start_key, update_key = jax.random.split(key, 3)
    (_, surrogate, _, critic), dual = parts(algorithm), learner.temperature
    units = [roster.units_in(g) for g in range(len(roster.groups))]
    heat = jnp.zeros(sum(units)) if dual is None else dual.value
    at_once = sequences_at_once(sample.discount.shape[0], algorithm.accumulation or 1)
    shares = [
        share(roster, g, sample.view, part, jax.random.fold_in(share_key, g), at_once)
        for g, part in enumerate(jnp.split(heat, _cuts(units)))
    ]
    joint = _start(roster, surrogate.others, learner, shares, sample, start_key)
    team, info = update(algorithm, roster, learner.team, shares, joint, update_key, remaining)
    if dual is not None and surrogate.temperature is not None:
        wanted = jnp.concatenate([jax.vmap(surrogate.wanted)(share) for share in shares])
        dual = surrogate.temperature.step(dual, wanted - info["entropy"])
        info = info | {"temperature": dual.value}
    targets = None if learner.targets is None else moved(learner.targets, team.actors, critic.polyak)
    after = ReplayLearner(
        team, critic.follow(learner.critic), targets, dual, learner.updates, learner.played, learner.memory
    )
    return after, info


def share(
    roster: Roster, group: int, view: View, temperature: Float[Array, " units"], key: Key, at_once: int = 0
) -> Replayed:
    """Return a group's data of B views, stacked by unit; networks process ``at_once`` of them at once, 0 for all."""
    spaces = roster.groups[group]
    observation, available, alive = seen(roster, group, view)
    noise_key, fresh_key = jax.random.split(key)
    lead = observation.shape[:3]
    return Replayed(
        observation,
        available,
        alive,
        noise(spaces.action, noise_key, *lead),
        noise(spaces.action, fresh_key, *lead),
        temperature,
        jnp.arange(lead[0], dtype=jnp.int32),
        group,
        spaces.action,
        at_once,
    )


def played(roster: Roster, sample: Sample) -> Float[Array, "B I"]:
    """Return states and replayed joint actions as inputs of the critic."""
    return joined(state(sample.view), _replayed(roster, sample))


def target(
    surrogate: Pathwise | SoftPathwise,
    roster: Roster,
    learner: ReplayLearner,
    sample: Sample,
    key: Key,
    at_once: int = 0,
) -> Float[Array, " B"]:
    """Return the critic's target y = R + γᵐ (1 − terminated) ( min Q̂(s′, a′) − Σ αⁱ log πⁱ(a′ⁱ|o′ⁱ) ).

    R is the discounted sum of m rewards, γ the discount, Q̂ the target critics, s′, o′ⁱ and a′ the state, the
    observations and the joint action after m steps, αⁱ the temperature and πⁱ the policy of agent i.
    """
    actors = learner.team.actors if learner.targets is None else learner.targets
    units = [roster.units_in(g) for g in range(len(roster.groups))]
    heat = jnp.zeros(sum(units)) if learner.temperature is None else learner.temperature.value
    codes, bonus = [], jnp.zeros(sample.discount.shape)
    for g, warmth in enumerate(jnp.split(heat, _cuts(units))):
        ahead = share(roster, g, sample.arrival, warmth, jax.random.fold_in(key, g), at_once)

        def one(unit: tuple[Any, Replayed]) -> tuple[Array, Array]:
            actor, replayed = unit
            action, certainty = surrogate.ahead(replayed.policy(actor), replayed.noise)
            certain = certainty if replayed.alive is None else jnp.where(replayed.alive, certainty, 0.0)
            return replayed.code(action), replayed.temperature * certain.sum(0)

        code, cost = jax.lax.map(one, (actors[g], ahead))
        codes.append(code)
        bonus = bonus - cost.sum(0)
    inputs = joined(state(sample.arrival), tuple(codes))
    following = in_parts(partial(least, learner.critic.targets), at_once, inputs)
    return jax.lax.stop_gradient(sample.reward.sum(-1) + sample.discount * (following + bonus))


def state(view: View) -> Float[Array, "B S"]:
    """Return the critic's state at every step."""
    return view.state.astype(jnp.float32)


def _start(
    roster: Roster, others: str, learner: ReplayLearner, shares: list[Replayed], sample: Sample, key: Key
) -> Joint:
    """Return the joint action before the first update of the iteration."""
    codes: tuple[Any, ...]
    if others == "replay":
        codes = _replayed(roster, sample)
    else:
        codes = tuple(
            jax.lax.map(_present, (a, s)) for a, s in zip(learner.team.actors, _renewed(shares, key), strict=True)
        )
    return jax.lax.stop_gradient(Joint(learner.critic.networks, state(sample.view), codes))


def _present(unit: tuple[Any, Replayed]) -> Float[Array, "K B W"]:
    actor, share = unit
    return share.code(share.policy(actor).relaxed(share.noise)[0])


def _renewed(shares: list[Replayed], key: Key) -> list[Replayed]:
    """Return the shares with new noise."""
    return [
        eqx.tree_at(lambda s: s.noise, share, noise(share.space, jax.random.fold_in(key, g), *share.noise.shape[:-1]))
        for g, share in enumerate(shares)
    ]


def _replayed(roster: Roster, sample: Sample) -> tuple[Float[Array, "_units _K B _W"], ...]:
    """Return the replayed joint actions by unit; zeros for inactive agents."""
    codes = []
    for g, group in enumerate(roster.groups):
        code = coded(sample.action[g], group.action)
        if sample.view.alive is not None:
            code = jnp.where(roster.split(sample.view.alive)[g][..., None], code, 0.0)
        codes.append(jnp.moveaxis(roster.by_unit(g, code, 1), 2, 1))
    return tuple(codes)


def _cuts(units: list[int]) -> list[int]:
    return [sum(units[: k + 1]) for k in range(len(units) - 1)]
