"""Learners of decomposed values: agents' own values, mixed to one of the team, regressed together on whole episodes.

    y = R + γ (1 − terminated) Q̂(s′, (argmax Qⁱ(τ′ⁱ, ·))ᵢ),      all networks descend the mixer's loss at (τ, a, s, y).

One loss moves the agents' networks and the mixer, by one optimiser. The choice that follows is the best available one
by the live values, and is judged by the target networks (double Q-learning; van Hasselt et al., 2016,
arXiv:1509.06461). A truncated episode goes on from its final view; agents that are absent count 0. HAD3QN does not fit:
its agents regress one after another, on a critic that they share no loss with (`hamlet.learners.value`).
"""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from hamlet.buffers import episodes
from hamlet.buffers import replay as ring
from hamlet.buffers.episodes import Index, Windows
from hamlet.buffers.replay import Replay as Ring
from hamlet.errors import require
from hamlet.estimation import returns
from hamlet.estimation.accumulation import sequences_at_once, slope
from hamlet.estimation.action_value import moved
from hamlet.estimation.fitting import begin, descend
from hamlet.estimation.returns import gae
from hamlet.estimation.trajectory import Trajectory
from hamlet.haml.sampling import EpisodeReplay
from hamlet.haml.template import ActionKind, Team, assemble
from hamlet.learners.updating import mean, repeated
from hamlet.networks.heads import feature_count
from hamlet.networks.mixers.base import AgentValues, Mixer, Offer, Sum
from hamlet.networks.mixers.q_dpp import Diverse, DiverseUtilities
from hamlet.networks.torso import NetworkConfig, encode
from hamlet.networks.utility import Utilities, Utility
from hamlet.roster import Group, Roster, Sharing
from hamlet.spaces import Discrete
from hamlet.types import Info, Key

_MOST_STEPS = 2**31 - 1


@dataclass(frozen=True)
class Whose:
    """Whose rewards values predict: what a run asks of a critic.

    Attributes:
        credits: The team's, or each agent's own.
    """

    credits: Literal["team", "own"]

    def roster(self, roster: Roster, state_shape: tuple[int, ...]) -> Roster:
        """One who stands for the team and sees the state: there is one loss, whosoever rewards are."""
        return Roster((Group(("team",), roster.seen_by_critic(state_shape), Discrete(1)),))


@dataclass(frozen=True, kw_only=True)
class Decomposition:
    """Value decomposition, declared.

    Attributes:
        mixer: What all agents' values are together, and the loss.
        learning_rate: Of all networks.
        optimiser: "rmsprop", with decay 0.99 and ε = 10⁻⁵ beside the root, as first published, or "adam".
        max_gradient_norm: Longer gradients, of all networks together, are cut to it; 0 for none.
        discount: γ in [0, 1].
        lambda_: λ in [0, 1] of the returns that values are fitted to; 0 for one step.
        target_interval: Episodes between two moves of the target networks; 0 for one at every update.
        polyak: How far they move then, in (0, 1]; 1 makes them copies.
        sampling: Which data are used.
        actor: The agents' values, and how they explore.
        body: The shape of the agents' networks.
        sharing: Whether agents of equal spaces share parameters.
        normalise_rewards: Never.
        actions: The kinds of action spaces it can act in.
        accumulation: In how many parts a batch is learnt from, one after another, their gradients summed; None for as
            few as memory allows.
    """

    mixer: Mixer = field(default_factory=Sum)
    learning_rate: float = 5e-4
    optimiser: Literal["rmsprop", "adam"] = "rmsprop"
    max_gradient_norm: float = 10.0
    discount: float = 0.99
    lambda_: float = 0.0
    target_interval: int = 200
    polyak: float = 1.0
    sampling: EpisodeReplay = field(default_factory=EpisodeReplay)
    actor: Utilities | DiverseUtilities = field(default_factory=Utilities)
    body: NetworkConfig = field(default_factory=lambda: NetworkConfig(hidden=(64,), memory=64, plain=True))
    sharing: Sharing = "none"
    normalise_rewards: Literal[False] = False
    actions: tuple[ActionKind, ...] = ("Discrete",)
    accumulation: int | None = None

    @property
    def family(self) -> str:
        """By which learner it learns (`hamlet.learners.FAMILIES`)."""
        return "decomposed values"

    def __post_init__(self) -> None:
        """Refuse settings under which nothing, or nothing sensible, happens."""
        require(self.learning_rate >= 0, f"--learning-rate must not be negative: {self.learning_rate}")
        require(self.optimiser in ("rmsprop", "adam"), f"--optimiser is rmsprop or adam, not {self.optimiser!r}")
        require(self.max_gradient_norm >= 0, f"--max-gradient-norm must not be negative: {self.max_gradient_norm}")
        require(0 <= self.discount <= 1, f"--discount must lie in [0, 1], not at {self.discount}")
        require(0 <= self.lambda_ <= 1, f"--td-lambda must lie in [0, 1], not at {self.lambda_}")
        require(self.target_interval >= 0, f"--target-interval must not be negative: {self.target_interval}")
        require(0 < self.polyak <= 1, f"--polyak must lie in (0, 1], not at {self.polyak}")

    @property
    def critic(self) -> Whose:
        """Whose rewards are predicted."""
        return Whose(self.mixer.credits)

    @property
    def leaves_theory(self) -> str:
        """Why the guarantees of mirror learning do not cover this declaration."""
        return "values are regressed, which is no mirror step"

    @property
    def descent(self) -> optax.GradientTransformation:
        """That of all networks."""
        clip = optax.clip_by_global_norm(self.max_gradient_norm) if self.max_gradient_norm else optax.identity()
        if self.optimiser == "adam":
            return optax.chain(clip, optax.adam(self.learning_rate))
        return optax.chain(clip, optax.rmsprop(self.learning_rate, decay=0.99, eps=1e-5, eps_in_sqrt=False))


class Mixing(eqx.Module):
    """The mixer's network, and the one that follows it."""

    networks: tuple[Any]
    targets: tuple[Any]


class DecompositionLearner(eqx.Module):
    """Everything that is learnt, with its optimiser.

    Attributes:
        team: The agents' networks; what the optimiser remembers is below.
        critic: The mixer.
        targets: The agents' target networks, by group.
        optimiser: What it remembers of the agents' networks and the mixer's.
        index: Where episodes lie in the ring.
        renewed: Episodes that had ended when the targets last moved, int32.
        updates: How many updates there were, int32.
        played: How many rollouts, int32.
        memory: None: there is none of the critic's.
    """

    team: Team
    critic: Mixing
    targets: tuple[Utility | Diverse, ...]
    optimiser: optax.OptState
    index: Index
    renewed: Int[Array, ""]
    updates: Int[Array, ""]
    played: Int[Array, ""]
    memory: tuple[Any, ...] = (None,)


def init(algorithm: Decomposition, roster: Roster, state_shape: tuple[int, ...], key: Key) -> DecompositionLearner:
    """A learner that has seen nothing.

    Raises:
        RequestError: If the state is an image, or the mixer cannot mix these agents.
    """
    require(
        len(state_shape) == 1 and roster.state is None,
        f"a mixer sees the state as a row of numbers, not an image {roster.image(state_shape)}: use happo",
    )
    team_key, mixer_key = jax.random.split(key)
    team = assemble(algorithm.actor, algorithm.body, lambda actor: None, roster, team_key)
    features = tuple(feature_count(group.observation, algorithm.body) for group in roster.groups)
    mixer = algorithm.mixer.create(mixer_key, roster, state_shape[0], features)
    sampling = algorithm.sampling

    def none():
        return jnp.zeros((), jnp.int32)

    return DecompositionLearner(
        team,
        Mixing((mixer,), (mixer,)),
        team.actors,
        begin(algorithm.descent, (team.actors, mixer)),
        episodes.init(sampling.capacity, sampling.copies),
        none(),
        none(),
        none(),
    )


def step(
    algorithm: Decomposition,
    roster: Roster,
    learner: DecompositionLearner,
    replay: Ring,
    trajectory: Trajectory,
    key: Key,
) -> tuple[DecompositionLearner, Ring, Info, Info]:
    """Remember a rollout, then make the iteration's updates, if there are enough episodes to draw from.

    Returns:
        The learner, the ring, and the means over the updates of the actors' infos, stacked by unit, and the mixer's.
    """
    sampling = algorithm.sampling
    replay = ring.add(replay, trajectory)
    index = episodes.add(learner.index, trajectory, sampling.longest)
    learner = eqx.tree_at(lambda tree: tree.index, learner, index)
    count = jnp.where(index.count >= sampling.samples, sampling.updates, 0)

    def one(learner: DecompositionLearner, key: Key) -> tuple[DecompositionLearner, tuple[Info, Info]]:
        sample = episodes.sample(learner.index, replay, sampling.samples, key, longest=sampling.longest)
        return update(algorithm, roster, learner, sample)

    learner, (actors, mixer) = repeated(one, learner, count, key)
    played = learner.played + 1
    rate = algorithm.actor.exploration(steps_played(played, sampling.batch))
    exploring = tuple(_set(actor, rate) for actor in learner.team.actors)
    learner = eqx.tree_at(lambda tree: (tree.team.actors, tree.played), learner, (exploring, played))
    return learner, replay, mean(actors, count), mean(mixer, count)


def update(
    algorithm: Decomposition, roster: Roster, learner: DecompositionLearner, sample: Windows
) -> tuple[DecompositionLearner, tuple[Info, Info]]:
    """All networks take a step, then the targets, if it is their time."""
    parameters = (learner.team.actors, learner.critic.networks[0])
    at_once = sequences_at_once(sample.present.shape[1], algorithm.accumulation or 1)
    loss = partial(_loss, algorithm, roster, learner)
    (error, (info, unit_values)), gradient = slope(loss, parameters, replace(sample, at_once=at_once))
    (actors, mixer), optimiser = descend(algorithm.descent, gradient, learner.optimiser, parameters)
    info |= {"loss": error, "gradient_norm": optax.tree.norm(gradient)}
    norms = [jax.vmap(optax.tree.norm)(stack) for stack in gradient[0]]
    rates = [actor.exploration.value for actor in learner.team.actors]
    actor_info = {"value": unit_values, "gradient_norm": jnp.concatenate(norms), "exploration": jnp.concatenate(rates)}
    due = learner.index.count - learner.renewed >= algorithm.target_interval
    targets, following = jax.tree.map(
        lambda old, new: jnp.where(due, new, old),
        (learner.targets, learner.critic.targets),
        moved((learner.targets, learner.critic.targets), (actors, (mixer,)), algorithm.polyak),
    )
    after = DecompositionLearner(
        Team(actors, learner.team.states),
        Mixing((mixer,), following),
        targets,
        optimiser,
        learner.index,
        jnp.where(due, learner.index.count, learner.renewed),
        learner.updates + 1,
        learner.played,
    )
    return after, (actor_info, {name: value[None] for name, value in info.items()})


def _loss(
    algorithm: Decomposition,
    roster: Roster,
    learner: DecompositionLearner,
    parameters: tuple[tuple[Utility | Diverse, ...], Any],
    sample: Windows,
) -> tuple[Array, tuple[Info, Float[Array, " units"]]]:
    """The mixer's loss in the mean over all steps that are no padding."""
    actors, mixer = parameters
    longest = sample.present.shape[0]
    values = evaluated(roster, actors, sample)
    state = sample.view.state.astype(jnp.float32)
    goal = jax.lax.stop_gradient(target(algorithm, roster, learner, sample, values, state))
    offered = offers(roster, sample, values, slice(0, longest), sample.action)
    error, info = algorithm.mixer.loss(mixer, offered, flat(state[:-1]), flat(goal))
    weight = None if sample.weight is None else sample.weight.reshape(-1)

    def averaged(each):
        return returns.mean(each, sample.present.reshape(-1), weight)

    averages = {name: averaged(value) for name, value in info.items()} | {"target": averaged(flat(goal).mean(-1))}
    agent_values = jax.vmap(averaged, 1)(jax.lax.stop_gradient(offered.chosen))
    units = [roster.by_unit(g, part, 0).mean(-1) for g, part in enumerate(roster.split(agent_values))]
    return averaged(error), (averages, jnp.concatenate(units))


def target(
    algorithm: Decomposition,
    roster: Roster,
    learner: DecompositionLearner,
    sample: Windows,
    values: tuple[tuple[Array, Array], ...],
    state: Float[Array, "L1 B S"],
) -> Float[Array, "L B V"]:
    """What is regressed on: y = R + γ (1 − terminated) Q̂(s′, (argmax Qⁱ(τ′ⁱ, ·))ᵢ), or its mixture of many steps."""
    longest, drawn = sample.present.shape
    after = slice(1, longest + 1)
    nothing = tuple(jnp.zeros((longest, *action.shape[1:]), jnp.int32) for action in sample.action)
    live = offers(roster, sample, values, after, nothing)
    chosen = algorithm.mixer.best(learner.critic.networks[0], live)
    judged = offers(roster, sample, evaluated(roster, learner.targets, sample), after, nothing).at(chosen)
    following = learner.critic.targets[0].joint(judged, flat(state[1:])).reshape(longest, drawn, -1)
    reward, terminated = sample.reward.sum(-1, keepdims=True), sample.terminated[..., None]
    if algorithm.critic.credits == "own":
        reward = sample.reward
        if sample.view.alive is not None:
            terminated = terminated | ~sample.view.alive[1:]
    discount = jnp.where(jnp.broadcast_to(terminated, reward.shape), 0.0, algorithm.discount)
    if not algorithm.lambda_:
        return reward + discount * following
    before = jnp.concatenate([jnp.zeros_like(following[:1]), following[:-1]])
    cut = jnp.broadcast_to(sample.last[..., None], reward.shape)
    estimator = partial(gae, lambda_=algorithm.lambda_)
    return jax.vmap(jax.vmap(estimator, 1, 1), 1, 1)(reward, before, following, discount, cut) + before


def evaluated(
    roster: Roster, actors: tuple[Utility | Diverse, ...], sample: Windows
) -> tuple[tuple[Float[Array, "L1 B _N _A"], Float[Array, "L1 B _N _F"]], ...]:
    """For every group, all agents' values in all steps of some episodes, and the features below them."""
    by_group = []
    for g, group in enumerate(roster.groups):
        observation = roster.by_unit(g, encode(sample.view.observation[g], group.observation), 2)
        units, steps, drawn, agents = observation.shape[:4]
        rows = observation.reshape(units, steps, drawn * agents, *observation.shape[4:])
        by_unit = _by_unit(actors[g], rows)
        by_group.append(
            tuple(roster.from_unit(part.reshape(units, steps, drawn, agents, part.shape[-1]), 2) for part in by_unit)
        )
    return tuple(by_group)


def _by_unit(actor: Utility | Diverse, rows: Array) -> tuple[Array, Array]:
    """Each unit's values and features; a single unit's not as a stack of one, which is slower."""
    if rows.shape[0] > 1:
        return jax.vmap(lambda actor, unit_rows: actor.values(unit_rows))(actor, rows)
    values, features = jax.tree.map(lambda leaf: leaf[0], actor).values(rows[0])
    return values[None], features[None]


def offers(
    roster: Roster,
    sample: Windows,
    values: tuple[tuple[Array, Array], ...],
    steps: slice,
    actions: tuple[Array, ...],
) -> AgentValues:
    """What a mixer sees of some steps of all episodes, one after another."""
    alive, groups = sample.view.alive, []
    for g, (value, features) in enumerate(values):
        available = sample.view.available[g]
        groups.append(
            Offer(
                flat(value[steps]),
                flat(actions[g]).astype(jnp.int32),
                None if available is None else flat(available[steps]),
                flat(features[steps]),
            )
        )
    return AgentValues(tuple(groups), None if alive is None else flat(alive[steps]))


def flat(array: Array) -> Array:
    """``[L, B, …]`` as rows."""
    return array.reshape(-1, *array.shape[2:])


def steps_played(rollouts: Int[Array, ""], batch: int) -> Int[Array, ""]:
    """Environment steps of so many rollouts, held below what an int32 counts, where exploration has long ended.

    >>> int(steps_played(jnp.int32(2**30), 3))
    2147483646
    """
    return jnp.minimum(rollouts, _MOST_STEPS // batch) * batch


def _set(actor: Utility | Diverse, rate: Array) -> Utility | Diverse:
    """A stack that explores as often as that."""
    value = actor.exploration.value
    return eqx.tree_at(lambda a: a.exploration.value, actor, jnp.broadcast_to(rate, value.shape))
