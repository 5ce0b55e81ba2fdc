"""Critics of an agent's alternative actions, given the other agents' actions; trained on-policy.

    Q(s, oⁱ, a⁻ⁱ, i; aⁱ)

s is the state, oⁱ the observation of agent i, aⁱ its action, and a⁻ⁱ the other agents' actions.

For discrete actions, the network has one output for every action of agent i. The agent's own slot in the joint action
that the network receives is empty. For all other actions, the slot is filled, there is one output, and alternative
actions are sampled.

Agents with equal spaces form a group and share a network, which also receives the agent's index. Groups with different
spaces have separate networks, so no array is padded.

Reference: Foerster et al., 2018, arXiv:1705.08926 (COMA), section 4 and figure 1c.

Differences from the reference code:

* The network does not receive the joint action of the previous step.
* The next state is valued by the mean over the agent's own policy, with the other agents' actions sampled from their
  policies. The code uses the action that was taken next. Hamlet can therefore bootstrap after truncated steps too.
* Minibatches are sampled at random. The code goes backwards in time.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from hamlet.distributions import noise
from hamlet.errors import require
from hamlet.estimation.accumulation import in_parts, sequences_at_once, shares, slope
from hamlet.estimation.baseline import Alternatives, counterfactual, drawn, every
from hamlet.estimation.fitting import RULES, Decay, Rule, begin, descend, distance, passes, shrunk, value_scale
from hamlet.estimation.returns import mean
from hamlet.estimation.slots import SlotInputs, seen
from hamlet.estimation.trajectory import Behaviour, Trajectory, sequences
from hamlet.networks import heads
from hamlet.networks.heads import Choices
from hamlet.networks.running import RunningMeanStd
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Group, Roster
from hamlet.spaces import Box, Discrete, Space, pictures
from hamlet.streams import REWARD, Stream
from hamlet.types import Info, Key, Scalar

_UNBOUNDED = float("inf")


class CounterfactualState(eqx.Module):
    """The critic's state, group by group, stacked by unit; ``updates`` counts the gradient steps."""

    networks: tuple[Choices, ...]
    targets: tuple[Choices, ...]
    optimisers: tuple[optax.OptState, ...]
    moments: tuple[RunningMeanStd, ...]
    updates: tuple[Int[Array, " units"], ...]


class CounterfactualEstimate(eqx.Module):
    """The values of every agent along a rollout.

    Attributes:
        inputs: The inputs of each group's network.
        choice: The index of the network's output; 0 if there is one output, and for inactive agents.
        scaled: Q(s, a), in units of the running standard deviation of returns.
        value: Q(s, a).
        next_value: The value of the next state by the target networks: the mean over the agent's own policy for
            discrete actions, else the value of one sampled action.
        alternatives: The alternative actions of each agent, group by group.
        memory: None, because the networks have no memory.
    """

    inputs: tuple[Float[Array, "C L E _N _I"], ...]
    choice: tuple[Int[Array, "C L E _N"], ...]
    scaled: Float[Array, "C L E n"]
    value: Float[Array, "C L E n"]
    next_value: Float[Array, "C L E n"]
    alternatives: tuple[Alternatives, ...]
    memory: tuple[None, ...]


class Rows(eqx.Module):
    """The training data of one network: B sequences of L steps; or of several networks, stacked by unit.

    Networks process ``at_once`` sequences at the same time, 0 for all. ``weight`` is the weight of each step of a part
    in a mean over all steps.
    """

    inputs: Float[Array, "*units B L I"]
    choice: Int[Array, "*units B L"]
    before: Float[Array, "*units B L"]
    target: Float[Array, "*units B L"]
    at_once: int = eqx.field(static=True, default=0)
    weight: Float[Array, "*units B L"] | None = None

    @property
    def size(self) -> int:
        """Return B."""
        return self.target.shape[0]

    def take(self, index: Array) -> "Rows":
        """Return the sequences with the given indices."""
        return jax.tree.map(lambda leaf: leaf[index], self)

    def weighed(self) -> "Rows":
        """Return the same sequences with each step's share of the whole as its weight."""
        return replace(self, at_once=0, weight=shares(self.target.shape, None))


@dataclass(frozen=True, kw_only=True)
class CounterfactualValue:
    """Q(s, oⁱ, a⁻ⁱ; aⁱ) for every agent i, of the team's reward.

    s is the state, oⁱ the agent's observation, aⁱ its action, and a⁻ⁱ the other agents' actions.

    Attributes:
        samples: How many alternatives are sampled for an agent whose action space is not Discrete.
        learning_rate: Step size.
        epochs: Epochs over the batch.
        minibatches: Minibatches per epoch.
        clip: How far a value may move from its old value, in units of the running standard deviation, before the loss
            uses the clipped value (if its loss is larger); 0 for no clipping.
        huber: Where the loss changes from quadratic to linear, in the same units; 0 for a quadratic loss.
        max_gradient_norm: A gradient with a larger norm is scaled down to this norm.
        normalise: Whether values are in units of a running mean and standard deviation of returns.
        decay: Whether the step size decreases to 0 over the run.
        rule: The optimiser.
        interval: Gradient steps between two updates of the target network, which is used for bootstrapping.
    """

    samples: int = 100
    learning_rate: float = 5e-4
    epochs: int = 5
    minibatches: int = 1
    clip: float = 0.2
    huber: float = 10.0
    max_gradient_norm: float = 10.0
    normalise: bool = True
    decay: Decay = "none"
    rule: Rule = "adam"
    interval: int = 1
    credits: Literal["team"] = "team"

    def __post_init__(self) -> None:
        """Refuse an unknown optimiser, a negative learning rate or clip, and counts below 1."""
        require(self.rule in RULES, f"the optimiser must be {' or '.join(RULES)}, got {self.rule!r}")
        require(self.learning_rate >= 0, f"--critic-learning-rate must not be negative: {self.learning_rate}")
        for flag, number in (
            ("baseline-samples", self.samples),
            ("critic-epochs", self.epochs),
            ("critic-minibatches", self.minibatches),
            ("target-interval", self.interval),
        ):
            require(number >= 1, f"--{flag} must be at least 1, not {number}")
        require(self.clip >= 0, f"--critic-clip must not be negative: {self.clip}")

    def roster(self, roster: Roster, state_shape: tuple[int, ...]) -> Roster:
        """Return the owners of the networks: one per group of agents.

        Its inputs are the state, the agent's observation, the joint action and the agent's index in the group.

        Raises:
            RequestError: If the state or an agent's observation is an image, to which actions cannot be appended.
        """
        images = [group.names[0] for group in roster.groups if pictures(group.observation)]
        require(
            len(state_shape) == 1 and roster.state is None and not images,
            "an action-value critic needs rows of numbers, but "
            + (f"{images[0]} observes an image" if images else f"the state is an image {roster.image(state_shape)}")
            + ": use --advantage gae, the default of mappo",
        )
        actions = sum(len(group.names) * group.action.width for group in roster.groups)

        def width(g):
            return state_shape[0] + g.observation.width + actions + len(g.names)

        groups = (
            Group(g.names, Box(-_UNBOUNDED, _UNBOUNDED, (width(g),)), Discrete(_outputs(g.action)))
            for g in roster.groups
        )
        return Roster(tuple(groups), "group")

    def create(self, key: Key, roster: Roster, body: NetworkConfig) -> CounterfactualState:
        """Create untrained networks for ``roster``, as `roster` returns it; targets start equal to the networks."""
        body = replace(body, memory=0)

        def one(group: Group, key: Key) -> tuple[Any, ...]:
            network = Choices.create(key, group.observation, group.action.width, body)
            return network, network, begin(self._optimiser, network), value_scale(), jnp.zeros((), jnp.int32)

        keys = jax.random.split(key, len(roster.groups))
        by_group = [jax.vmap(lambda k, g=g: one(g, k))(key[None]) for g, key in zip(roster.groups, keys, strict=True)]
        return CounterfactualState(*(tuple(part) for part in zip(*by_group, strict=True)))

    def blank(self, roster: Roster, body: NetworkConfig, copies: int) -> tuple[None, ...]:
        """Return None for every group: the networks have no memory."""
        return (None,) * len(roster.groups)

    def paid(self, trajectory: Trajectory, values: int, stream: Stream = REWARD) -> Float[Array, "C L E V"]:
        """Return the team's total payments of a stream, repeated for each of V values."""
        total = trajectory.paid(stream).sum(-1, keepdims=True)
        return jnp.broadcast_to(total, (*total.shape[:-1], values))

    def estimate(
        self,
        state: CounterfactualState,
        roster: Roster,
        trajectory: Trajectory,
        memory: tuple[None, ...],
        behaviour: Callable[[], Behaviour],
        key: Key,
    ) -> CounterfactualEstimate:
        """Estimate the values of the actions taken, of the alternative actions, and of the next states."""
        policies = behaviour()
        agents, (now, then) = policies.roster, (trajectory.view, trajectory.arrival)
        lead, parts = trajectory.start.shape, []
        done = [
            a.reshape(*lead, len(g.names), *g.action.shape)
            for g, a in zip(agents.groups, trajectory.action, strict=True)
        ]
        keys = jax.random.split(key, (len(agents.groups), 2))
        going_on = [
            policy.sample(noise(g.action, k, *lead, len(g.names)))
            for g, policy, k in zip(agents.groups, policies.then, keys[:, 0], strict=True)
        ]
        for g in range(len(agents.groups)):
            network, target, moments = _first((state.networks[g], state.targets[g], state.moments[g]))
            before, after = seen(agents, g, now, done), seen(agents, g, then, going_on)
            network, target = (partial(_valued, each, trajectory.parts) for each in (network, target))
            parts.append(
                self._asked(network, target, moments, before, after, policies.now[g], policies.then[g], keys[g, 1])
            )
        inputs, choice, scaled, value, next_value, alternatives = zip(*parts, strict=True)
        scaled, value, next_value = (jnp.concatenate(x, -1) for x in (scaled, value, next_value))
        return CounterfactualEstimate(inputs, choice, scaled, value, next_value, alternatives, (None,) * len(inputs))

    def _asked(
        self,
        network: Callable[[Array], Array],
        target: Callable[[Array], Array],
        moments: RunningMeanStd,
        before: SlotInputs,
        after: SlotInputs,
        now: Any,
        then: Any,
        key: Key,
    ) -> tuple[Any, ...]:
        """Return one group's part of an estimate, from its network's inputs and its policies around every step."""

        def worth(x):
            return moments.unscale(x) if self.normalise else x

        inputs, raw_values = before.filled(), network(before.filled())
        led_to = worth(target(after.filled()))
        if isinstance(before.space, Discrete):
            choice = before.own.astype(jnp.int32)
            choice = choice if before.alive is None else jnp.where(before.alive, choice, 0)
            scaled = jnp.take_along_axis(raw_values, choice[..., None], -1)[..., 0]
            alternatives = every(now, worth(raw_values), before.alive)
            following = counterfactual(every(then, led_to, after.alive))
        else:
            choice, scaled, following = jnp.zeros(raw_values.shape[:-1], jnp.int32), raw_values[..., 0], led_to[..., 0]

            def draw(key: Key) -> tuple[Array, Array]:
                action = now.sample(noise(before.space, key, *scaled.shape))
                return action, worth(network(replace(before, own=action).filled())[..., 0])

            actions, values = jax.lax.map(draw, jax.random.split(key, self.samples))
            alternatives = drawn(now, actions, jnp.moveaxis(values, 0, -1))
        return inputs, choice, scaled, worth(scaled), following, alternatives

    def fit(
        self,
        state: CounterfactualState,
        roster: Roster,
        trajectory: Trajectory,
        estimate: CounterfactualEstimate,
        returns: Float[Array, "C L E n"],
        memory: tuple[None, ...],
        key: Key,
        remaining: Scalar | float = 1.0,
    ) -> tuple[CounterfactualState, Info]:
        """Fit every network to the returns of the actions taken; ``remaining`` is the share of the run that is left."""
        factor, fitted, infos = shrunk(self.decay, remaining), [], []
        targets, befores = roster.split(returns), roster.split(estimate.scaled)
        for g in range(len(roster.groups)):
            rows = Rows(
                *(
                    sequences(roster, g, each)
                    for each in (estimate.inputs[g], estimate.choice[g], befores[g], targets[g])
                ),
                at_once=sequences_at_once(trajectory.count(len(roster.groups[g].names)), trajectory.parts),
            )
            network, target, optimiser = _first((state.networks[g], state.targets[g], state.optimisers[g]))
            moments, updates, rows = _first((state.moments[g], state.updates[g], rows))
            unit = self._fit_one(network, target, optimiser, moments, updates, rows, jax.random.fold_in(key, g), factor)
            *parts, info = jax.tree.map(lambda leaf: leaf[None], unit)
            fitted.append(parts)
            infos.append(info)
        joined = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *infos)
        return CounterfactualState(*(tuple(part) for part in zip(*fitted, strict=True))), joined

    def observe(self, state: CounterfactualState, roster: Roster, trajectory: Trajectory) -> CounterfactualState:
        """Return the state unchanged.

        `fit` updates the running moments of the inputs, because it has the joint actions.
        """
        return state

    def _fit_one(
        self,
        network: Choices,
        target: Choices,
        optimiser: optax.OptState,
        moments: RunningMeanStd,
        updates: Int[Array, ""],
        rows: Rows,
        key: Key,
        factor: Scalar | None,
    ) -> tuple[Any, ...]:
        spread, inputs = rows.target.std(), rows.inputs
        if self.normalise:
            moments = moments.update(rows.target)
            rows = eqx.tree_at(lambda r: r.target, rows, moments.scale(rows.target))

        def step(at: tuple[Any, ...], part: Rows) -> tuple[tuple[Any, ...], Info]:
            network, target, optimiser, updates = at
            (loss, _), gradient = slope(lambda network, part: (self.loss(network, part), ()), network, part)
            info = {"loss": loss, "gradient_norm": optax.tree.norm(gradient)}
            network, optimiser = descend(self._optimiser, gradient, optimiser, network, factor)
            updates = updates + 1
            renewed = updates % self.interval == 0
            target = jax.tree.map(lambda new, old: jnp.where(renewed, new, old), network, target)
            return (network, target, optimiser, updates), info

        state = (network, target, optimiser, updates)
        state, info = passes(step, state, rows, epochs=self.epochs, minibatches=self.minibatches, key=key)
        network, target, optimiser, updates = state
        # The moments of the inputs are updated last, so that old and new values of one update use the same moments. The
        # target network uses the same moments too.
        network, target = (heads.observe(each, inputs, None) for each in (network, target))
        return network, target, optimiser, moments, updates, info | {"return_deviation": spread}

    def loss(self, network: Choices, part: Rows) -> Scalar:
        """Return the mean loss of the values of the actions taken (`hamlet.estimation.fitting.distance`).

        All numbers are in units of the running standard deviation. For an inactive agent, the first output is fitted:
        it predicts the team's return without this agent.
        """
        value = jnp.take_along_axis(network(part.inputs), part.choice[..., None], -1)[..., 0]
        return mean(distance(value, part.before, part.target, clip=self.clip, huber=self.huber), None, part.weight)

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        return RULES[self.rule](self.learning_rate, self.max_gradient_norm, 1e-5)


def _valued(network: Choices, parts: int, inputs: Float[Array, "*B I"]) -> Float[Array, "*B A"]:
    """Return a network's values of every row, computed in ``parts`` parts, one after another."""
    if parts == 1:
        return network(inputs)
    rows = inputs.reshape(-1, inputs.shape[-1])
    values = in_parts(network, sequences_at_once(rows.shape[0], parts), rows)
    return values.reshape(*inputs.shape[:-1], -1)


def _first(tree: Any) -> Any:
    """Return the single unit of a group."""
    return jax.tree.map(lambda leaf: leaf[0], tree)


def _outputs(space: Space) -> int:
    return space.n if isinstance(space, Discrete) else 1
