"""Action-value critics: one network, or two networks whose smaller value is used, and their target networks."""

from dataclasses import dataclass
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from hamlet.errors import require
from hamlet.estimation.accumulation import shares, slope
from hamlet.estimation.fitting import adam, begin, descend
from hamlet.estimation.returns import mean
from hamlet.networks.heads import Value
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Group, Roster
from hamlet.spaces import Box, Discrete
from hamlet.types import Info, Key, Scalar

_UNBOUNDED = float("inf")


class Goals(eqx.Module):
    """The targets of a value network at B inputs.

    Attributes:
        inputs: The network's inputs, ``[B, …]``.
        choice: The index of the output to fit, ``[B]``; None if the network has one output.
        target: The target values, ``[B]``.
        at_once: How many inputs a network processes at the same time; 0 for all.
        weight: The weight of each input of a part in a mean over all inputs, ``[B]``.
    """

    inputs: Array
    choice: Int[Array, " B"] | None
    target: Float[Array, " B"]
    at_once: int = eqx.field(static=True, default=0)
    weight: Float[Array, " B"] | None = None

    @property
    def size(self) -> int:
        """Return B."""
        return self.target.shape[0]

    def take(self, index: Int[Array, " P"]) -> "Goals":
        """Return the entries with the given indices."""
        return jax.tree.map(lambda leaf: leaf[index], self)

    def weighed(self) -> "Goals":
        """Return the same targets with each entry's share of the whole as its weight."""
        return Goals(self.inputs, self.choice, self.target, 0, shares(self.target.shape, None))

    def error(self, value: Float[Array, " B"]) -> tuple[Scalar, Scalar]:
        """Return the mean squared error of values, and their mean."""
        return mean((value - self.target) ** 2, None, self.weight), mean(value, None, self.weight)


class ActionValueState(eqx.Module):
    """The state of the critic, network by network."""

    networks: tuple[Value, ...]
    targets: tuple[Value, ...]
    optimisers: tuple[optax.OptState, ...]


@dataclass(frozen=True, kw_only=True)
class ActionValue:
    """Q(s, a) of the state s and the joint action a, for the team's reward.

    Each network Qₖ minimises the mean of (Qₖ(s, a) − y)² at the joint actions in the replay buffer. All have the same
    target y:

        y = Rₜ + γᵐ (1 − terminated) ( minₖ Q̂ₖ(s′, a′) + bonus ).

    Rₜ is the m-step return, γ the discount, s′ the state after m steps, and Q̂ₖ the target network of Qₖ. The
    algorithm's surrogate provides a′ and the bonus. After every update of the actors, Q̂ₖ ← (1 − τ) Q̂ₖ + τ Qₖ.

    References: Lillicrap et al., 2016, arXiv:1509.02971 (one network); Fujimoto et al., 2018, arXiv:1802.09477 (two).

    Attributes:
        networks: Number of networks, 1 or 2.
        learning_rate: Step size of Adam.
        polyak: τ in (0, 1].
    """

    networks: Literal[1, 2] = 1
    learning_rate: float = 1e-3
    polyak: float = 0.005
    credits: Literal["team"] = "team"

    def __post_init__(self) -> None:
        """Refuse a negative learning rate and a τ outside (0, 1]."""
        require(self.learning_rate >= 0, f"--critic-learning-rate must not be negative: {self.learning_rate}")
        require(0 < self.polyak <= 1, f"--polyak must be in (0, 1], got {self.polyak}")

    def roster(self, roster: Roster, state_shape: tuple[int, ...]) -> Roster:
        """Return the owner of the networks: one agent for the whole team, which receives the state and all actions.

        Raises:
            RequestError: If the state is an image, to which actions cannot be appended.
        """
        require(
            len(state_shape) == 1 and roster.state is None,
            "an action-value critic needs a state that is a row of numbers, got an image "
            f"{roster.image(state_shape)}: use happo",
        )
        actions = sum(len(group.names) * group.action.width for group in roster.groups)
        space = Box(-_UNBOUNDED, _UNBOUNDED, (state_shape[0] + actions,))
        return Roster((Group(("team",), space, Discrete(1)),))

    def create(self, key: Key, roster: Roster, body: NetworkConfig) -> ActionValueState:
        """Create untrained networks for ``roster``, as `roster` returns it; targets start equal to the networks."""
        space = roster.groups[0].observation
        networks = tuple(Value.create(k, space, body) for k in jax.random.split(key, self.networks))
        return ActionValueState(networks, networks, tuple(begin(self._optimiser, network) for network in networks))

    def fit(
        self, state: ActionValueState, inputs: Float[Array, "B I"], target: Float[Array, " B"], at_once: int = 0
    ) -> tuple[ActionValueState, Info]:
        """Take one gradient step with every network. The infos have one axis of length 1, for the team."""
        goals = Goals(inputs, None, target, at_once)

        def one(network: Value, optimiser: Any) -> tuple[Value, Any, Info]:
            def loss(network, part):
                return part.error(value(network, part.inputs))

            (error, level), gradient = slope(loss, network, goals)
            network, optimiser = descend(self._optimiser, gradient, optimiser, network)
            return network, optimiser, {"loss": error, "value": level, "gradient_norm": optax.tree.norm(gradient)}

        steps = [one(*pair) for pair in zip(state.networks, state.optimisers, strict=True)]
        networks, optimisers, infos = zip(*steps, strict=True)
        info = {name: jnp.stack([each[name] for each in infos]).mean(0, keepdims=True) for name in infos[0]}
        return ActionValueState(networks, state.targets, optimisers), info

    def follow(self, state: ActionValueState) -> ActionValueState:
        """Move the target networks towards the networks."""
        return ActionValueState(state.networks, moved(state.targets, state.networks, self.polyak), state.optimisers)

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        return adam(self.learning_rate, 0.0, 1e-8)


def value(network: Value, inputs: Float[Array, "B I"]) -> Float[Array, " B"]:
    """Return one network's values."""
    return network(inputs[:, None], None, jnp.zeros((inputs.shape[0], 1), bool))[0][:, 0]


def least(networks: tuple[Value, ...], inputs: Float[Array, "B I"]) -> Float[Array, " B"]:
    """Return the smallest of the networks' values."""
    minimum = value(networks[0], inputs)
    for network in networks[1:]:
        minimum = jnp.minimum(minimum, value(network, inputs))
    return minimum


def moved(targets: Any, networks: Any, rate: float) -> Any:
    """Return (1 − τ) target + τ network, leaf by leaf."""
    return jax.tree.map(lambda old, new: (1.0 - rate) * old + rate * new, targets, networks)
