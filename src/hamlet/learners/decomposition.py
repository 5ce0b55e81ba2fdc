"""The learner of value decomposition: a mixer combines the agents' values, and whole episodes train all networks.

    y = R + γ (1 − terminated) Q̂(s′, (argmax Qⁱ(τ′ⁱ, ·))ᵢ),      all networks minimise the mixer's loss at (τ, a, s, y)

Here R is the reward, γ the discount, s and s′ the state before and after the step, τ and τ′ⁱ the histories of
observations before and after it, a the joint action, Qⁱ the values of agent i, and Q̂ the mixer with target networks.

* One loss and one optimiser train the agents' networks and the mixer.
* The current values select the next action among the available ones, and the target networks evaluate it (double
  Q-learning; van Hasselt et al., 2016, arXiv:1509.06461).
* A truncated episode bootstraps from its final observation. Inactive agents count 0.

HAD3QN has a separate learner (`hamlet.learners.value`): its agents regress sequentially on a critic with another loss.
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
    """The rewards that the values predict; it takes the place of a critic in a declaration.

    Attributes:
        credits: "team" for the sum of rewards, "own" for each agent's own reward.
    """

    credits: Literal["team", "own"]

    def roster(self, roster: Roster, state_shape: tuple[int, ...]) -> Roster:
        """Return a roster with one entry for the whole team, which receives the state; there is one loss."""
        return Roster((Group(("team",), roster.seen_by_critic(state_shape), Discrete(1)),))


@dataclass(frozen=True, kw_only=True)
class Decomposition:
    """The declaration of an algorithm of value decomposition.

    Attributes:
        mixer: The function that combines all agents' values, and its loss.
        learning_rate: Learning rate of all networks.
        optimiser: "rmsprop", with decay 0.99 and ε = 10⁻⁵ outside of the root, as first published, or "adam".
        max_gradient_norm: Maximum norm of the gradient of all networks together (clipping); 0 for no clipping.
        discount: Discount factor γ in [0, 1].
        lambda_: λ in [0, 1] of the TD(λ) targets; 0 for one-step targets.
        target_interval: Episodes between two updates of the target networks; 0 for one at every gradient step.
        polyak: Step size in (0, 1] of a target update; 1 copies the networks.
        sampling: The sampling of the data.
        actor: The agents' value networks, and their exploration.
        body: The network configuration of the agents.
        sharing: Whether agents with equal spaces share parameters.
        normalise_rewards: False: rewards are not normalised.
        actions: The kinds of action spaces that the algorithm supports.
        accumulation: Number of parts in which a batch is processed sequentially, with summed gradients; None for the
            smallest number that fits in memory.
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
        """Return the name of its learner in `hamlet.learners.FAMILIES`."""
        return "decomposed values"

    def __post_init__(self) -> None:
        """Check the settings."""
        require(self.learning_rate >= 0, f"--learning-rate must not be negative: {self.learning_rate}")
        require(self.optimiser in ("rmsprop", "adam"), f"--optimiser is rmsprop or adam, not {self.optimiser!r}")
        require(self.max_gradient_norm >= 0, f"--max-gradient-norm must not be negative: {self.max_gradient_norm}")
        require(0 <= self.discount <= 1, f"--discount must lie in [0, 1], not at {self.discount}")
        require(0 <= self.lambda_ <= 1, f"--td-lambda must lie in [0, 1], not at {self.lambda_}")
        require(self.target_interval >= 0, f"--target-interval must not be negative: {self.target_interval}")
        require(0 < self.polyak <= 1, f"--polyak must lie in (0, 1], not at {self.polyak}")

    @property
    def critic(self) -> Whose:
        """Return the rewards that the values predict."""
        return Whose(self.mixer.credits)

    @property
    def leaves_theory(self) -> str:
        """Return why the guarantees of mirror learning do not cover this declaration."""
        return "value decomposition fits values by regression, which is not an update of mirror learning"

    @property
    def descent(self) -> optax.GradientTransformation:
        """Return the optimiser of all networks."""
        clip = optax.clip_by_global_norm(self.max_gradient_norm) if self.max_gradient_norm else optax.identity()
        if self.optimiser == "adam":
            return optax.chain(clip, optax.adam(self.learning_rate))
        return optax.chain(clip, optax.rmsprop(self.learning_rate, decay=0.99, eps=1e-5, eps_in_sqrt=False))


class Mixing(eqx.Module):
    """The mixer's network and its target network."""

    networks: tuple[Any]
    targets: tuple[Any]


class DecompositionLearner(eqx.Module):
    """The state of the learner: all networks, the optimiser and counters.

    Attributes:
        team: The agents' networks, without optimiser states.
        critic: The mixer.
        targets: The agents' target networks, by group.
        optimiser: The optimiser state of the agents' networks and the mixer.
        index: The positions of the episodes in the replay buffer.
        renewed: Number of finished episodes at the last target update, int32.
        updates: Number of updates, int32.
        played: Number of rollouts, int32.
        memory: None: the mixer is not recurrent.
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
    """Return the untrained learner.

    Raises:
        RequestError: If the state is an image, or the mixer does not support these agents.
    """
    require(
        len(state_shape) == 1 and roster.state is None,
        f"a mixer needs the state as a vector of numbers, not as an image {roster.image(state_shape)}: use happo",
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
    """Store a rollout in the replay buffer; then make the updates of the iteration if the buffer has enough episodes.

    Returns:
        The learner, the replay buffer, and the means over the updates of the actors' metrics, stacked by unit, and of
        the mixer's metrics.
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
    """Make a gradient step of all networks, and a target update if it is due."""
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
    """Return the mean of the mixer's loss over all steps without padding."""
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
    """Return the regression target y = R + γ (1 − terminated) Q̂(s′, (argmax Qⁱ(τ′ⁱ, ·))ᵢ), or its TD(λ) return.

    The symbols are those of the module's equation.
    """
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
    """Return, for every group, all agents' values in all steps of some episodes, and the features they come from."""
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
    """Return each unit's values and features; a single unit is not mapped as a stack, which would be slower."""
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
    """Return the inputs of a mixer at some steps of all episodes, as rows."""
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
    """Merge the first two axes of ``[L, B, …]`` into rows."""
    return array.reshape(-1, *array.shape[2:])


def steps_played(rollouts: Int[Array, ""], batch: int) -> Int[Array, ""]:
    """Return the environment steps of a number of rollouts, limited to int32; exploration has ended by then.

    >>> int(steps_played(jnp.int32(2**30), 3))
    2147483646
    """
    return jnp.minimum(rollouts, _MOST_STEPS // batch) * batch


def _set(actor: Utility | Diverse, rate: Array) -> Utility | Diverse:
    """Return a stack of actors with this exploration rate."""
    value = actor.exploration.value
    return eqx.tree_at(lambda a: a.exploration.value, actor, jnp.broadcast_to(rate, value.shape))
