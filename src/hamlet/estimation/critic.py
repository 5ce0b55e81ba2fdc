"""State-value critics: their inputs, the rewards that they predict, and how they are trained."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Shaped

from hamlet.envs.base import View
from hamlet.errors import require
from hamlet.estimation.accumulation import (
    each_unit,
    fetched,
    in_parts,
    pick,
    sequences_at_once,
    shares,
    slope,
    stored,
)
from hamlet.estimation.fitting import Decay, adam, begin, descend, distance, passes, shrunk, value_scale
from hamlet.estimation.returns import mean
from hamlet.estimation.trajectory import Behaviour, Trajectory, from_sequences, sequences, whole
from hamlet.networks import heads
from hamlet.networks.heads import Value
from hamlet.networks.running import RunningMeanStd
from hamlet.networks.torso import NetworkConfig, blank, encode
from hamlet.roster import Group, Roster
from hamlet.spaces import Discrete
from hamlet.streams import REWARD, Stream
from hamlet.types import Info, Key, Scalar


class Targets(eqx.Module):
    """The training data of one value network: B sequences of L steps; or of several networks, stacked by unit.

    The inputs are ``[B, L, I]``, images ``[B, L, H, W, C]``, or `Stored`. Networks process ``at_once`` sequences at the
    same time, 0 for all. ``weight`` is the weight of each step of a part in a mean over the batch.
    """

    inputs: Any
    start: Bool[Array, "*units B L"]
    memory: Float[Array, "*units B H"] | None
    before: Float[Array, "*units B L"]
    target: Float[Array, "*units B L"]
    alive: Bool[Array, "*units B L"] | None
    at_once: int = eqx.field(static=True, default=0)
    weight: Float[Array, "*units B L"] | None = None

    @property
    def size(self) -> int:
        """Return B."""
        return self.target.shape[0]

    def take(self, index: Array) -> "Targets":
        """Return the sequences with the given indices."""
        return pick(self, index)

    def weighed(self) -> "Targets":
        """Return the same sequences with each step's share of the whole as its weight."""
        return dataclasses.replace(self, at_once=0, weight=shares(self.target.shape, self.alive))


class CriticState(eqx.Module):
    """The critic's state, per group of value networks, stacked by unit."""

    networks: tuple[Value, ...]
    optimisers: tuple[optax.OptState, ...]
    moments: tuple[RunningMeanStd, ...]


class Estimate(eqx.Module):
    """V values along a rollout.

    Attributes:
        scaled: The networks' outputs, in units of the running standard deviation of returns if values are normalised.
        value: The values before every step.
        next_value: The values after every step.
        memory: The networks' memory after every step, per group.
    """

    scaled: Float[Array, "C L E V"]
    value: Float[Array, "C L E V"]
    next_value: Float[Array, "C L E V"]
    memory: tuple[Float[Array, "_units _B T H"] | None, ...]


@dataclass(frozen=True, kw_only=True)
class StateValue:
    """A state-value critic V with one network for the team, or one for each agent.

    The values predict one stream, by default the reward: its sum over all agents, or each agent's own.

    Attributes:
        sees: "state": centralised, V(s) of the state s. "observation": decentralised, Vⁱ(oⁱ) of agent i's observation
            oⁱ.
        credits: "team": predict the sum over all agents; "own": predict each agent's own.
        learning_rate: Step size of Adam.
        epochs: Epochs over the batch.
        minibatches: Minibatches per epoch.
        clip: How far a value may move from its old value, in units of the running standard deviation, before the loss
            uses the clipped value (if its loss is larger); 0 for no clipping.
        huber: Where the loss changes from quadratic to linear, in the same units; 0 for a quadratic loss.
        max_gradient_norm: A gradient with a larger norm is scaled down to this norm.
        normalise: Whether values are in units of a running mean and standard deviation of returns.
        decay: Whether the step size decreases to 0 over the run.
    """

    sees: Literal["state", "observation"] = "state"
    credits: Literal["team", "own"] = "team"
    learning_rate: float = 5e-4
    epochs: int = 5
    minibatches: int = 1
    clip: float = 0.2
    huber: float = 10.0
    max_gradient_norm: float = 10.0
    normalise: bool = True
    decay: Decay = "none"

    def __post_init__(self) -> None:
        """Refuse a negative learning rate or clip, and fewer than 1 epoch or minibatch."""
        require(self.learning_rate >= 0, f"--critic-learning-rate must not be negative: {self.learning_rate}")
        require(self.epochs >= 1, f"--critic-epochs must be at least 1, not {self.epochs}")
        require(self.minibatches >= 1, f"--critic-minibatches must be at least 1, not {self.minibatches}")
        require(self.clip >= 0, f"--critic-clip must not be negative: {self.clip}")

    def roster(self, roster: Roster, state_shape: tuple[int, ...]) -> Roster:
        """Return the owners of the value networks: the agents, or one owner for the team, which receives the state."""
        if self.sees == "observation":
            return roster
        names = ("team",) if self.credits == "team" else roster.names
        return Roster((Group(names, roster.seen_by_critic(state_shape), Discrete(1)),))

    def create(self, key: Key, roster: Roster, body: NetworkConfig) -> CriticState:
        """Create untrained networks for the units of ``roster``, as `roster` returns it."""

        def one(group: Group, key: Key) -> tuple[Value, optax.OptState, RunningMeanStd]:
            network = Value.create(key, group.observation, body)
            return network, begin(adam(self.learning_rate, self.max_gradient_norm), network), value_scale()

        keys = jax.random.split(key, len(roster.groups))
        by_group = [
            jax.vmap(lambda k, group=group: one(group, k))(jax.random.split(keys[g], roster.units_in(g)))
            for g, group in enumerate(roster.groups)
        ]
        return CriticState(*(tuple(part) for part in zip(*by_group, strict=True)))

    def blank(self, roster: Roster, body: NetworkConfig, copies: int) -> tuple[Float[Array, "_units _B H"] | None, ...]:
        """Return the networks' memory before a first episode."""
        return tuple(
            blank(body, roster.units_in(g), copies * roster.agents_per_unit(g)) for g in range(len(roster.groups))
        )

    def inputs(self, roster: Roster, group: int, view: View, parts: int, line: Callable[[Array], Array]) -> Any:
        """Return the inputs of a group's units as sequences, after applying ``line``; `Stored` for several parts."""
        if parts == 1:
            return sequences(roster, group, line(self.seen(roster, group, view)))
        observation = view.state if self.sees == "state" else view.observation[group]
        return stored(roster, group, observation, roster.groups[group].observation, line)

    def seen(self, roster: Roster, group: int, view: View) -> Shaped[Array, "C L E N *I"]:
        """Return the inputs of a group of value networks from a view."""
        names, space = roster.groups[group].names, roster.groups[group].observation
        if self.sees == "observation":
            return encode(view.observation[group], space)
        state = encode(view.state, space)
        lead, shape = state.shape[:3], state.shape[3:]
        return jnp.broadcast_to(jnp.expand_dims(state, 3), (*lead, len(names), *shape))

    def paid(self, trajectory: Trajectory, values: int, stream: Stream = REWARD) -> Float[Array, "C L E V"]:
        """Return the payments of a stream to the owner of each of V values."""
        paid = trajectory.paid(stream)
        credited = paid if self.credits == "own" else paid.sum(-1, keepdims=True)
        return jnp.broadcast_to(credited, (*paid.shape[:-1], values))

    def estimate(
        self,
        state: CriticState,
        roster: Roster,
        trajectory: Trajectory,
        memory: tuple[Any, ...],
        behaviour: Callable[[], Behaviour] | None = None,
        key: Key | None = None,
    ) -> Estimate:
        """Return the values before and after every step; after a truncated step, of the final observation.

        ``behaviour``, the policies that sampled, is not used: state values are fitted to the returns that followed.
        """
        copies, by_group, parts = trajectory.start.shape[2], [], trajectory.parts
        for g in range(len(roster.groups)):
            # Memory continues from one sequence to the next. Without memory, a part may contain less than all steps of
            # a copy.
            line = whole if parts == 1 or memory[g] is not None else _as_is
            now, then = (self.inputs(roster, g, view, parts, line) for view in (trajectory.view, trajectory.arrival))
            start = sequences(roster, g, line(_per_agent(trajectory.start, roster, g)))
            at_once = sequences_at_once(start.shape[1], parts)

            def one(
                unit: tuple[Value, RunningMeanStd], rows: tuple[Any, ...], at_once: int = at_once
            ) -> tuple[Any, ...]:
                network, moments = unit
                value, after, memories = in_parts(partial(_before_and_after, network), at_once, *rows)
                scaled = value
                if self.normalise:
                    value, after = moments.unscale(value), moments.unscale(after)
                return scaled, value, after, memories

            units = (state.networks[g], state.moments[g])
            *values, memories = each_unit(one, units, (now, then, start, memory[g]))
            shaped = [from_sequences(roster, g, value, copies).reshape(*trajectory.start.shape, -1) for value in values]
            by_group.append((*shaped, memories))
        scaled, value, after, memories = zip(*by_group, strict=True)
        return Estimate(
            jnp.concatenate(scaled, -1), jnp.concatenate(value, -1), jnp.concatenate(after, -1), tuple(memories)
        )

    def fit(
        self,
        state: CriticState,
        roster: Roster,
        trajectory: Trajectory,
        estimate: Estimate,
        returns: Float[Array, "C L E V"],
        memory: tuple[Any, ...],
        key: Key,
        remaining: Scalar | float = 1.0,
    ) -> tuple[CriticState, Info]:
        """Fit every network to the returns that it predicts; ``remaining`` is the share of the run that is left."""
        factor = shrunk(self.decay, remaining)
        fitted, infos = [], []
        targets, befores = roster.split(returns), roster.split(estimate.scaled)
        for g in range(len(roster.groups)):
            data = Targets(
                inputs=self.inputs(roster, g, trajectory.view, trajectory.parts, _as_is),
                start=sequences(roster, g, _per_agent(trajectory.start, roster, g)),
                memory=_at_chunks(memory[g], estimate.memory[g], trajectory.start.shape),
                before=sequences(roster, g, befores[g]),
                target=sequences(roster, g, targets[g]),
                alive=self._alive(roster, g, trajectory),
                at_once=sequences_at_once(trajectory.count(roster.agents_per_unit(g)), trajectory.parts),
            )
            keys = jax.random.split(jax.random.fold_in(key, g), roster.units_in(g))
            units = (state.networks[g], state.optimisers[g], state.moments[g])
            *parts, info = each_unit(
                lambda units, data: self._fit_one(*units, *data, factor=factor), units, (data, keys)
            )
            fitted.append(parts)
            infos.append(info)
        joined = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *infos)
        return CriticState(*(tuple(part) for part in zip(*fitted, strict=True))), joined

    def observe(self, state: CriticState, roster: Roster, trajectory: Trajectory) -> CriticState:
        """Add the inputs to the networks' running means and standard deviations, if they have these."""
        alive, networks = trajectory.counted, []
        for g, network in enumerate(state.networks):
            updated = network
            if network.torso.running is not None:
                living = None if alive is None or self.sees == "state" else roster.split(alive)[g]
                counts = None if living is None else sequences(roster, g, living)
                updated = jax.vmap(heads.observe)(
                    network, sequences(roster, g, self.seen(roster, g, trajectory.view)), counts
                )
            networks.append(updated)
        return CriticState(tuple(networks), state.optimisers, state.moments)

    def _fit_one(
        self,
        network: Value,
        optimiser: optax.OptState,
        moments: RunningMeanStd,
        data: Targets,
        key: Key,
        *,
        factor: Scalar | None,
    ) -> tuple[Value, optax.OptState, RunningMeanStd, Info]:
        spread = jnp.sqrt(mean((data.target - mean(data.target, data.alive)) ** 2, data.alive))
        descent = adam(self.learning_rate, self.max_gradient_norm)

        def step(
            at: tuple[Value, optax.OptState, RunningMeanStd], part: Targets
        ) -> tuple[tuple[Value, optax.OptState, RunningMeanStd], Info]:
            network, optimiser, moments = at
            if self.normalise:
                moments = moments.update(part.target, part.alive)
                part = eqx.tree_at(lambda d: d.target, part, moments.scale(part.target))
            (loss, _), gradient = slope(lambda network, part: (self.loss(network, part), ()), network, part)
            info = {"loss": loss, "gradient_norm": optax.tree.norm(gradient)}
            network, optimiser = descend(descent, gradient, optimiser, network, factor)
            return (network, optimiser, moments), info

        (network, optimiser, moments), info = passes(
            step, (network, optimiser, moments), data, epochs=self.epochs, minibatches=self.minibatches, key=key
        )
        return network, optimiser, moments, info | {"return_deviation": spread}

    def _alive(self, roster: Roster, group: int, trajectory: Trajectory) -> Bool[Array, "units B L"] | None:
        alive = trajectory.counted
        if alive is None or self.credits == "team":
            return None
        return sequences(roster, group, roster.split(alive)[group])

    def loss(self, network: Value, part: Targets) -> Scalar:
        """Return the mean loss (`hamlet.estimation.fitting.distance`) over the steps of active agents.

        All numbers are in units of the running standard deviation.
        """
        value, _ = network(fetched(part.inputs), part.memory, part.start)
        apart = distance(value, part.before, part.target, clip=self.clip, huber=self.huber)
        return mean(apart, part.alive, part.weight)


def _before_and_after(
    network: Value, now: Any, then: Any, start: Bool[Array, "B L"], memory: Float[Array, "B H"] | None
) -> tuple[Float[Array, "B L"], Float[Array, "B L"], Float[Array, "B L H"] | None]:
    """Return a network's values before and after every step of B sequences, and its memory after each step."""
    now, then = fetched(now), fetched(then)
    value, memories = network(now, memory, start)
    flat = None if memories is None else memories.reshape(-1, memories.shape[-1])
    after, _ = network(then.reshape(-1, 1, *then.shape[2:]), flat, jnp.zeros((then.shape[0] * then.shape[1], 1), bool))
    return value, after.reshape(value.shape), memories


def _as_is(array: Array) -> Array:
    return array


def _per_agent(flags: Bool[Array, "C L E"], roster: Roster, group: int) -> Bool[Array, "C L E N"]:
    return jnp.broadcast_to(flags[..., None], (*flags.shape, len(roster.groups[group].names)))


def _at_chunks(before: Array | None, after: Array | None, shape: tuple[int, ...]) -> Array | None:
    """Return the memory before each sequence, ``[units, B, H]``.

    It is taken from the memory before the rollout and the memory after every step of the rollout.
    """
    if before is None or after is None:
        return None
    chunks, length, copies = shape
    ends = after[:, :, length - 1 : -1 : length]
    memory = jnp.concatenate([before[:, :, None], ends], axis=2)
    units, rows, _, width = memory.shape
    memory = memory.reshape(units, copies, rows // copies, chunks, width).swapaxes(2, 3)
    return memory.reshape(units, -1, width)
