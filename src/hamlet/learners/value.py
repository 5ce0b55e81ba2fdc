"""The learner of HAD3QN: a critic of joint actions, and agents' own values that are fitted to this critic.

It is separate from the HAML template, because it has no drift and no neighbourhood: agents fit values by regression.
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
    """The declaration of agents' own values that are fitted sequentially to a critic of joint actions.

    The critic Q is fitted to y = R + γᵐ (1 − terminated) Q̂(s′, (argmax Q̂ⁱ(o′ⁱ, ·))ᵢ), where R is the discounted sum
    of m rewards, γ the discount, s′ the state and o′ⁱ agent i's observation after m steps, and Q̂, Q̂ⁱ are the target
    networks of the critic and of agent i's values Qⁱ. Then, in the scheme's order,

        Qⁱ(oⁱ, aⁱ) minimises the mean of (Qⁱ(oⁱ, aⁱ) − Q(s, a))²,  and  aⁱ ← argmax over bⁱ of Q(s, (bⁱ, a⁻ⁱ)).

    a is the joint action at every replayed state. It is the carry: the quantity passed from one agent's update to the
    next's. ``rest`` sets its initial value, and ``regress`` the actions at which an agent fits its values.

    Attributes:
        learning_rate: Adam's learning rate of the agents' networks.
        rest: Actions of the agents that are not yet updated. "replay", the published algorithm, uses the replayed
            actions; all of an agent's actions are then visited. "greedy", the published code, uses the best actions by
            the agents' own values. An action is then learned only while it seems the best, and never if its initial
            value is too low. If rewards are costs, as in MPE, initial values are too high and all actions are tried.
        regress: Actions at which an agent fits its values in a replayed state. "taken", as published, uses the action
            in its slot. An action that was taken in good states then seems good independently of its effect: in a
            signalling game the sender keeps the signal that it sent last. "all", an addition of Hamlet, uses every
            available action: the mean over bⁱ of (Qⁱ(oⁱ, bⁱ) − Q(s, (bⁱ, a⁻ⁱ)))². The critic has a value for each.
        sampling: The sampling of the data.
        scheme: The order of updates.
        advantage: Number of steps of an n-step return, and the discount.
        critic: The critic of joint actions.
        actor: The agents' networks, and their exploration.
        body: The network configuration of all torsos.
        sharing: Whether agents with equal spaces share parameters.
        normalise_rewards: False: rewards are not normalised.
        actions: The kinds of action spaces that the algorithm supports.
        accumulation: Number of parts in which a batch is processed sequentially, with summed gradients; None for the
            smallest number that fits in memory.
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
        """Return the name of its learner in `hamlet.learners.FAMILIES`."""
        return "joint values"

    def __post_init__(self) -> None:
        """Check the settings."""
        require(self.learning_rate >= 0, f"--learning-rate must not be negative: {self.learning_rate}")
        require(self.rest in ("replay", "greedy"), f"--rest is replay or greedy, not {self.rest!r}")
        require(self.regress in ("taken", "all"), f"--regress is taken or all, not {self.regress!r}")
        require(
            self.sampling.delay == 1,
            f"agents are updated at every update of the critic: delay must be 1, not {self.sampling.delay}",
        )

    @property
    def leaves_theory(self) -> str:
        """Return why the guarantees of mirror learning do not cover this declaration."""
        return "agents fit values to a critic, which approximates HADDPG but is not an update of mirror learning"

    @property
    def optimiser(self) -> optax.GradientTransformation:
        """Return the optimiser of the agents' networks."""
        return adam(self.learning_rate, 0.0, 1e-8)


class ValueLearner(eqx.Module):
    """The state of the learner: networks, optimisers and counters.

    Attributes:
        team: The agents' networks, and Adam's state of each.
        critic: The critic of joint actions.
        targets: The agents' target networks, by group.
        updates: Number of updates, int32.
        played: Number of rollouts, int32.
        memory: None: the critic is not recurrent.
    """

    team: Team
    critic: JointState
    targets: tuple[GreedyActor, ...]
    updates: Int[Array, ""]
    played: Int[Array, ""]
    memory: tuple[Any, ...] = (None,)


class Shown(eqx.Module):
    """The data of one unit with K agents at B states; the data of a group are stacked by unit.

    Attributes:
        observation: Encoded observations ``[K, B, O]``, or images.
        available: Mask of available actions ``[K, B, A]``, or None.
        alive: Mask of active agents ``[K, B]``, or None for all.
        at_once: Number of states that networks process at once; 0 for all.
    """

    observation: Shaped[Array, "..."]
    available: Bool[Array, "*units K B A"] | None
    alive: Bool[Array, "*units K B"] | None
    at_once: int = eqx.field(static=True, default=0)

    def values(self, actor: GreedyActor) -> Float[Array, "K B A"]:
        """Return the values Qⁱ(oⁱ, ·) of all actions."""
        agents, states = self.observation.shape[:2]
        rows = self.observation.reshape(agents * states, *self.observation.shape[2:])
        return in_parts(actor.network, self.at_once * agents, rows).reshape(agents, states, -1)

    def best(self, actor: GreedyActor) -> Int[Array, "K B"]:
        """Return the greedy actions; 0 for inactive agents."""
        return present(greedy(self.values(actor), self.available), self.alive)


class Regression(eqx.Module):
    """The regression targets of the values of one unit with K agents at B states.

    Attributes:
        share: The unit's data.
        wanted: Target of every action, ``[K, B, A]``.
        counts: Weight of each action in a state, ``[K, B, A]``.
        weight: Weight of each agent and state in a mean over the batch, ``[K, B]``, when it is processed in parts.
    """

    share: Shown
    wanted: Float[Array, "K B A"]
    counts: Float[Array, "K B A"]
    weight: Float[Array, "K B"] | None = None

    @property
    def size(self) -> int:
        """Return B."""
        return self.wanted.shape[1]

    @property
    def at_once(self) -> int:
        """Return the number of states that networks process at once; 0 for all."""
        return self.share.at_once

    def take(self, index: Int[Array, " P"]) -> "Regression":
        """Return the targets at some of the states."""
        return jax.tree.map(lambda leaf: leaf[:, index], self)

    def weighed(self) -> "Regression":
        """Return the targets with the weight of each state in the batch."""
        share = replace(self.share, at_once=0)
        return Regression(share, self.wanted, self.counts, shares(self.wanted.shape[:2], share.alive))

    def error(self, actor: GreedyActor) -> tuple[Scalar, Scalar]:
        """Return the mean squared error of the actor's values, and the mean of these values."""
        values, alive = self.share.values(actor), self.share.alive
        error, value = ((self.counts * part).sum(-1) for part in ((values - self.wanted) ** 2, values))
        return returns.mean(error, alive, self.weight), returns.mean(value, alive, self.weight)


def present(action: Int[Array, "*B"], alive: Bool[Array, "*B"] | None) -> Int[Array, "*B"]:
    """Replace inactive agents' actions by 0, so that a joint action has one index."""
    return action if alive is None else jnp.where(alive, action, 0)


def init(algorithm: JointValue, roster: Roster, state_shape: tuple[int, ...], key: Key) -> ValueLearner:
    """Return the untrained learner."""
    team_key, critic_key = jax.random.split(key)
    seen_by = algorithm.critic.roster(roster, state_shape)
    team = assemble(algorithm.actor, algorithm.body, partial(begin, algorithm.optimiser), roster, team_key)
    critic = algorithm.critic.create(critic_key, seen_by, algorithm.body.of_critics)
    return ValueLearner(team, critic, team.actors, jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))


def step(
    algorithm: JointValue, roster: Roster, learner: ValueLearner, replay: Ring, trajectory: Trajectory, key: Key
) -> tuple[ValueLearner, Ring, Info, Info]:
    """Store a rollout in the replay buffer; then make the updates of the iteration, except during warm-up.

    Returns:
        The learner, the replay buffer, and the means over the updates of the actors' metrics, stacked by unit, and of
        the critic's metrics.
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
    """Update the critic, then every agent in the order of the scheme, then the targets."""
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
    """Return the critic's target y = R + γᵐ (1 − terminated) Q̂(s′, (argmax Q̂ⁱ(o′ⁱ, ·))ᵢ), see `JointValue`."""
    at_once = _at_once(algorithm, sample)
    shares = [shown(roster, g, sample.arrival, at_once) for g in range(len(roster.groups))]
    following = in_parts(learner.critic.targets[0], at_once, state(algorithm, roster, sample.arrival))
    chosen = at(following, number(best(shares, learner.targets), choices(roster)))
    return sample.reward.sum(-1) + sample.discount * chosen


def best(shares: list[Shown], actors: tuple[GreedyActor, ...]) -> Int[Array, "n B"]:
    """Return every agent's greedy actions."""
    by_group = [jax.lax.map(lambda unit: unit[0].best(unit[1]), pair) for pair in zip(shares, actors, strict=True)]
    return jnp.concatenate([part.reshape(-1, part.shape[-1]) for part in by_group])


def played(roster: Roster, sample: Sample) -> Int[Array, "n B"]:
    """Return the replayed joint actions."""
    actions = jnp.concatenate([action.astype(jnp.int32) for action in sample.action], axis=1)
    return present(actions, sample.view.alive).T


def state(algorithm: JointValue, roster: Roster, view: View) -> Shaped[Array, "B ..."]:
    """Return the critic's input at every step."""
    seen_by = algorithm.critic.roster(roster, view.state.shape[1:])
    return encode(view.state, seen_by.groups[0].observation)


def shown(roster: Roster, group: int, view: View, at_once: int = 0) -> Shown:
    """Return a group's data, stacked by unit; networks process ``at_once`` states at once, 0 for all."""
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
    """Fit the values of one unit at the current joint actions, then write the critic's best actions into its slots."""
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
    """Return the critic's values of all actions of one agent, with the other agents' actions fixed."""
    sizes, count = choices(roster), roster.groups[group].action.width
    return alternatives(worth, number(slots, sizes), slots[agent], jnp.asarray(places(sizes))[agent], count)


def weights(
    regress: Literal["taken", "all"], share: Shown, own: Int[Array, "K B"], count: int
) -> Float[Array, "K B A"]:
    """Return the weight of each action in a state's regression: 1 for ``own``, or equal for all available ones."""
    if regress == "taken":
        return jax.nn.one_hot(own, count)
    if share.available is None:
        return jnp.full((*own.shape, count), 1.0 / count)
    return share.available / jnp.maximum(share.available.sum(-1, keepdims=True), 1)


def chosen(
    roster: Roster, group: int, share: Any, worth: Float[Array, "B J"], slots: Int[Array, "n B"], agent: Any
) -> Int[Array, " B"]:
    """Return the critic's best action of one agent, with the other agents' actions fixed."""
    return present(greedy(options(roster, group, worth, slots, agent), share.available), share.alive)
