"""Learners of values that are no HAML: a joint critic whose greedy choices the agents' own values follow.

They have their own small template, in that there is neither drift nor neighbourhood: agents do not climb, they regress.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Shaped

from hamlet.buffers import replay as ring
from hamlet.buffers.replay import Replay as Ring
from hamlet.buffers.replay import Sample
from hamlet.envs.base import View
from hamlet.errors import require
from hamlet.estimation import returns
from hamlet.estimation.accumulation import in_parts, sequences_at_once, shares, slope
from hamlet.estimation.action_value import moved
from hamlet.estimation.advantage import NStep
from hamlet.estimation.fitting import adam, begin, descend
from hamlet.estimation.joint_value import (
    JointActionValue,
    JointState,
    alternatives,
    at,
    choices,
    number,
    places,
)
from hamlet.estimation.trajectory import Trajectory
from hamlet.haml.sampling import ReplaySampling
from hamlet.haml.scheme import Scheme, Sequential
from hamlet.haml.template import ActionKind, Team, assemble, visiting, written
from hamlet.learners.updating import mean, remembered, repeated, seen
from hamlet.networks.duelling import Greedy, GreedyActor
from hamlet.networks.exploration import greedy
from hamlet.networks.torso import NetworkConfig, encode
from hamlet.roster import Roster, Sharing
from hamlet.types import Info, Key, Scalar


@dataclass(frozen=True, kw_only=True)
class JointValue:
    """Agents' own values, regressed one after another on a joint critic, declared.

    The critic is fitted to y = R + γᵐ (1 − terminated) Q̂(s′, (argmax Q̂ⁱ(o′ⁱ, ·))ᵢ). Then, in the scheme's order,

        Qⁱ(oⁱ, aⁱ) descends the mean of (Qⁱ(oⁱ, aⁱ) − Q(s, a))²,  and  aⁱ ← argmax over bⁱ of Q(s, (bⁱ, a⁻ⁱ)),

    where a, the joint action at every replayed state, is handed on from agent to agent. It begins as ``rest`` says; at
    which of its choices an agent regresses there, ``regress``.

    Attributes:
        learning_rate: Of the agents' networks, by Adam.
        rest: What stands in the slots of those who have yet to move. "replay", the published algorithm: the actions
            that were played, so that all of an agent's choices are visited. "greedy", the published code: the best by
            their own values, so that a choice is learnt about only while it seems the best, and never where its first
            value is too low. Where rewards are costs, as in MPE, first values are too high and all choices get their
            turn.
        regress: At which of its choices an agent regresses in a replayed state. "taken", as published: at that in its
            slot. A choice that was taken in good states then seems good, whatever it brought: in a game of signals the
            sender keeps to the one it sent last. "all", ours: at every available choice,
            (Qⁱ(oⁱ, bⁱ) − Q(s, (bⁱ, a⁻ⁱ)))² in the mean over bⁱ, since the critic has said what each is worth.
        sampling: Which data are used.
        scheme: The order of moves.
        advantage: The steps of a return, and their discount.
        critic: Of joint actions.
        actor: The agents' networks, and how they explore.
        body: The shape of all torsos.
        sharing: Whether agents of equal spaces share parameters.
        normalise_rewards: Never.
        actions: The kinds of action spaces it can act in.
        accumulation: In how many parts a batch is learnt from, one after another, their gradients summed; None for as
            few as memory allows.
    """

    learning_rate: float = 5e-4
    rest: Literal["replay", "greedy"] = "replay"
    regress: Literal["taken", "all"] = "taken"
    sampling: ReplaySampling = field(default_factory=ReplaySampling)
    scheme: Scheme = field(default_factory=Sequential)
    advantage: NStep = field(default_factory=NStep)
    critic: JointActionValue = field(default_factory=JointActionValue)
    actor: Greedy = field(default_factory=Greedy)
    body: NetworkConfig = field(default_factory=lambda: NetworkConfig(plain=True))
    sharing: Sharing = "none"
    normalise_rewards: Literal[False] = False
    actions: tuple[ActionKind, ...] = ("Discrete",)
    accumulation: int | None = None

    @property
    def family(self) -> str:
        """By which learner it learns (`hamlet.learners.FAMILIES`)."""
        return "joint values"

    def __post_init__(self) -> None:
        """Refuse settings under which nothing, or nothing sensible, happens."""
        require(self.learning_rate >= 0, f"--learning-rate must not be negative: {self.learning_rate}")
        require(self.rest in ("replay", "greedy"), f"--rest is replay or greedy, not {self.rest!r}")
        require(self.regress in ("taken", "all"), f"--regress is taken or all, not {self.regress!r}")
        require(self.sampling.delay == 1, "agents regress at every update of the critic: delay must be 1")

    @property
    def leaves_theory(self) -> str:
        """Why the guarantees of mirror learning do not cover this declaration."""
        return "agents regress on a critic of joint actions, which approximates HADDPG and is no mirror step"

    @property
    def optimiser(self) -> optax.GradientTransformation:
        """The agents'."""
        return adam(self.learning_rate, 0.0, 1e-8)


class ValueLearner(eqx.Module):
    """Everything that is learnt, with its optimisers.

    Attributes:
        team: The agents' networks, and what Adam remembers of each.
        critic: The joint critic.
        targets: The agents' target networks, by group.
        updates: How many updates there were, int32.
        played: How many rollouts, int32.
        memory: None: there is no memory.
    """

    team: Team
    critic: JointState
    targets: tuple[GreedyActor, ...]
    updates: Int[Array, ""]
    played: Int[Array, ""]
    memory: tuple[Any, ...] = (None,)


class Shown(eqx.Module):
    """One unit's share of B states, K agents; a group's is stacked by unit.

    Attributes:
        observation: As networks take it, ``[K, B, O]``, or images.
        available: Which choices were allowed, ``[K, B, A]``, or None.
        alive: Which agents act, ``[K, B]``, or None.
        at_once: How many states networks look at at once; 0 for all.
    """

    observation: Shaped[Array, "..."]
    available: Bool[Array, "*units K B A"] | None
    alive: Bool[Array, "*units K B"] | None
    at_once: int = eqx.field(static=True, default=0)

    def values(self, actor: GreedyActor) -> Float[Array, "K B A"]:
        """Qⁱ(oⁱ, ·)."""
        agents, states = self.observation.shape[:2]
        rows = self.observation.reshape(agents * states, *self.observation.shape[2:])
        return in_parts(actor.network, self.at_once * agents, rows).reshape(agents, states, -1)

    def best(self, actor: GreedyActor) -> Int[Array, "K B"]:
        """The greedy choices; 0 for who is absent."""
        return present(greedy(self.values(actor), self.available), self.alive)


class Regression(eqx.Module):
    """What an agent's values are to become at B states, K agents.

    Attributes:
        share: What was seen.
        wanted: Of every choice, ``[K, B, A]``.
        counts: How much each choice counts in a state, likewise.
        weight: What each agent of a state of a part counts in a mean over all, ``[K, B]``.
    """

    share: Shown
    wanted: Float[Array, "K B A"]
    counts: Float[Array, "K B A"]
    weight: Float[Array, "K B"] | None = None

    @property
    def size(self) -> int:
        """B."""
        return self.wanted.shape[1]

    @property
    def at_once(self) -> int:
        """How many states networks look at at once; 0 for all."""
        return self.share.at_once

    def take(self, index: Int[Array, " P"]) -> "Regression":
        """At some of the states."""
        return jax.tree.map(lambda leaf: leaf[:, index], self)

    def weighed(self) -> "Regression":
        """The same with each state's share of all."""
        share = replace(self.share, at_once=0)
        return Regression(share, self.wanted, self.counts, shares(self.wanted.shape[:2], share.alive))

    def error(self, actor: GreedyActor) -> tuple[Scalar, Scalar]:
        """The mean square of what the actor's values miss, and their mean."""
        values, alive = self.share.values(actor), self.share.alive
        error, value = ((self.counts * part).sum(-1) for part in ((values - self.wanted) ** 2, values))
        return returns.mean(error, alive, self.weight), returns.mean(value, alive, self.weight)


def present(action: Int[Array, "*B"], alive: Bool[Array, "*B"] | None) -> Int[Array, "*B"]:
    """0 in the place of absent agents' choices, so that a joint action has one number whatever they were said to do."""
    return action if alive is None else jnp.where(alive, action, 0)


def init(algorithm: JointValue, roster: Roster, state_shape: tuple[int, ...], key: Key) -> ValueLearner:
    """A learner that has seen nothing."""
    team_key, critic_key = jax.random.split(key)
    seen_by = algorithm.critic.roster(roster, state_shape)
    team = assemble(algorithm.actor, algorithm.body, partial(begin, algorithm.optimiser), roster, team_key)
    critic = algorithm.critic.create(critic_key, seen_by, algorithm.body.of_critics)
    return ValueLearner(team, critic, team.actors, jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))


def step(
    algorithm: JointValue, roster: Roster, learner: ValueLearner, replay: Ring, trajectory: Trajectory, key: Key
) -> tuple[ValueLearner, Ring, Info, Info]:
    """Remember a rollout, then make the iteration's updates, unless it was played to warm up.

    Returns:
        The learner, the ring, and the means over the updates of the actors' infos, stacked by unit, and the critic's.
    """
    sampling = algorithm.sampling
    replay, begun = remembered(sampling, replay, trajectory, learner.played)
    count = jnp.where(begun, sampling.updates, 0)

    def one(learner: ValueLearner, key: Key) -> tuple[ValueLearner, tuple[Info, Info]]:
        sample_key, sweep_key = jax.random.split(key)
        back = algorithm.advantage
        sample = ring.sample(replay, sampling.samples, sample_key, discount=back.discount, window=back.steps)
        return update(algorithm, roster, learner, sample, sweep_key)

    learner, (actors, critic) = repeated(one, learner, count, key)
    learner = eqx.tree_at(lambda tree: tree.played, learner, learner.played + 1)
    return learner, replay, mean(actors, count), mean(critic, count)


def update(
    algorithm: JointValue, roster: Roster, learner: ValueLearner, sample: Sample, key: Key
) -> tuple[ValueLearner, tuple[Info, Info]]:
    """The critic takes a step, then every agent, as the scheme orders, then the targets."""
    sizes, team = choices(roster), learner.team
    states, at_once = state(algorithm, roster, sample.view), _at_once(algorithm, sample)
    critic, critic_info = algorithm.critic.fit(
        learner.critic,
        states,
        number(played(roster, sample), sizes),
        target(algorithm, roster, learner, sample),
        at_once,
    )
    shares = [shown(roster, g, sample.view, at_once) for g in range(len(roster.groups))]
    slots = played(roster, sample) if algorithm.rest == "replay" else best(shares, team.actors)
    worth = in_parts(critic.networks[0], at_once, states)
    moves = [partial(_move, algorithm, roster, g, share, worth) for g, share in enumerate(shares)]
    visit = visiting(roster, moves)
    team, actor_info = algorithm.scheme.sweep(visit, team, slots, len(roster.group_of), key)
    targets = moved(learner.targets, team.actors, algorithm.critic.polyak)
    after = ValueLearner(
        team, algorithm.critic.follow(critic), targets, learner.updates + 1, learner.played, learner.memory
    )
    return after, (actor_info, critic_info)


def target(algorithm: JointValue, roster: Roster, learner: ValueLearner, sample: Sample) -> Float[Array, " B"]:
    """What the critic is fitted to: y = R + γᵐ (1 − terminated) Q̂(s′, (argmax Q̂ⁱ(o′ⁱ, ·))ᵢ)."""
    at_once = _at_once(algorithm, sample)
    shares = [shown(roster, g, sample.arrival, at_once) for g in range(len(roster.groups))]
    following = in_parts(learner.critic.targets[0], at_once, state(algorithm, roster, sample.arrival))
    chosen = at(following, number(best(shares, learner.targets), choices(roster)))
    return sample.reward.sum(-1) + sample.discount * chosen


def best(shares: list[Shown], actors: tuple[GreedyActor, ...]) -> Int[Array, "n B"]:
    """Every agent's greedy choices."""
    by_group = [jax.lax.map(lambda unit: unit[0].best(unit[1]), pair) for pair in zip(shares, actors, strict=True)]
    return jnp.concatenate([part.reshape(-1, part.shape[-1]) for part in by_group])


def played(roster: Roster, sample: Sample) -> Int[Array, "n B"]:
    """The joint actions that were played."""
    actions = jnp.concatenate([action.astype(jnp.int32) for action in sample.action], axis=1)
    return present(actions, sample.view.alive).T


def state(algorithm: JointValue, roster: Roster, view: View) -> Shaped[Array, "B ..."]:
    """What the critic sees of every step."""
    seen_by = algorithm.critic.roster(roster, view.state.shape[1:])
    return encode(view.state, seen_by.groups[0].observation)


def shown(roster: Roster, group: int, view: View, at_once: int = 0) -> Shown:
    """A group's share of what was seen, stacked by unit, of which networks look at so many states at once."""
    return Shown(*seen(roster, group, view), at_once)


def _at_once(algorithm: JointValue, sample: Sample) -> int:
    return sequences_at_once(sample.discount.shape[0], algorithm.accumulation or 1)


def _move(
    algorithm: JointValue,
    roster: Roster,
    group: int,
    share: Shown,
    worth: Float[Array, "B J"],
    slot: Int[Array, ""],
    team: Team,
    slots: Int[Array, "n B"],
    key: Key,
) -> tuple[Team, Int[Array, "n B"], Info]:
    """One unit of a group regresses at the joint actions as they stand, then puts the critic's choices in its slots."""
    sizes, agents, before = choices(roster), roster.agents_per_unit(group), slots
    unit_share, actor, moments = jax.tree.map(lambda leaf: leaf[slot], (share, team.actors[group], team.states[group]))
    first = sum(len(before.names) for before in roster.groups[:group]) + slot * agents
    wanted = jnp.stack([options(roster, group, worth, slots, first + k) for k in range(agents)])
    counts = weights(
        algorithm.regress, unit_share, jax.lax.dynamic_slice_in_dim(slots, first, agents), wanted.shape[-1]
    )

    def loss(actor, part):
        return part.error(actor)

    (error, value), gradient = slope(loss, actor, Regression(unit_share, wanted, counts))
    actor, moments = descend(algorithm.optimiser, gradient, moments, actor)
    for k in range(agents):
        agent_share = jax.tree.map(lambda leaf, k=k: leaf[k], unit_share)
        slots = slots.at[first + k].set(chosen(roster, group, agent_share, worth, slots, first + k))
    reached = at(worth, number(slots, sizes)).mean()
    norm = optax.tree.norm(gradient)
    met = at(worth, number(before, sizes)).mean()
    info = {"loss": error, "value": value, "target": met, "reached": reached, "gradient_norm": norm}
    return written(team, group, slot, actor, moments), slots, info


def options(
    roster: Roster, group: int, worth: Float[Array, "B J"], slots: Int[Array, "n B"], agent: Any
) -> Float[Array, "B A"]:
    """The critic's values of all choices of one agent, the other slots standing still."""
    sizes, count = choices(roster), roster.groups[group].action.width
    return alternatives(worth, number(slots, sizes), slots[agent], jnp.asarray(places(sizes))[agent], count)


def weights(
    regress: Literal["taken", "all"], share: Shown, own: Int[Array, "K B"], count: int
) -> Float[Array, "K B A"]:
    """How much each choice counts in a state's regression: that of ``own`` alone, or all that are available alike."""
    if regress == "taken":
        return jax.nn.one_hot(own, count)
    if share.available is None:
        return jnp.full((*own.shape, count), 1.0 / count)
    return share.available / jnp.maximum(share.available.sum(-1, keepdims=True), 1)


def chosen(
    roster: Roster, group: int, share: Any, worth: Float[Array, "B J"], slots: Int[Array, "n B"], agent: Any
) -> Int[Array, " B"]:
    """The critic's choice for one agent, the other slots standing still; ``share`` is that of this agent alone."""
    return present(greedy(options(roster, group, worth, slots, agent), share.available), share.alive)
