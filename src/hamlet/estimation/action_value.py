"""Action-value critics: one network, or two whose lesser value is trusted, and their slowly moving targets."""

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
    """What values are to become at B inputs.

    Attributes:
        inputs: What a network sees, ``[B, …]``.
        choice: At which of its outputs, ``[B]``; None where it has one.
        target: ``[B]``.
        at_once: How many a network looks at at once; 0 for all.
        weight: What each of a part counts in a mean over all, ``[B]``.
    """

    inputs: Array
    choice: Int[Array, " B"] | None
    target: Float[Array, " B"]
    at_once: int = eqx.field(static=True, default=0)
    weight: Float[Array, " B"] | None = None

    @property
    def size(self) -> int:
        """B."""
        return self.target.shape[0]

    def take(self, index: Int[Array, " P"]) -> "Goals":
        """Some of them."""
        return jax.tree.map(lambda leaf: leaf[index], self)

    def weighed(self) -> "Goals":
        """The same with each one's share of all."""
        return Goals(self.inputs, self.choice, self.target, 0, shares(self.target.shape, None))

    def error(self, value: Float[Array, " B"]) -> tuple[Scalar, Scalar]:
        """The mean square of what values miss, and their mean."""
        return mean((value - self.target) ** 2, None, self.weight), mean(value, None, self.weight)


class ActionValueState(eqx.Module):
    """Everything the critic owns, network by network."""

    networks: tuple[Value, ...]
    targets: tuple[Value, ...]
    optimisers: tuple[optax.OptState, ...]


@dataclass(frozen=True, kw_only=True)
class ActionValue:
    """Q(s, a) of the state and the joint action, for the team's reward.

    Each network descends the mean of (Qₖ(s, a) − y)² at the replayed joint actions, y being the same for all:

        y = Rₜ + γᵐ (1 − terminated) ( minₖ Q̂ₖ(s′, a′) + bonus ),

    where a′ and the bonus are the surrogate's, and Q̂ₖ ← (1 − τ) Q̂ₖ + τ Qₖ whenever the actors have moved.

    References: Lillicrap et al., 2016, arXiv:1509.02971 (one network); Fujimoto et al., 2018, arXiv:1802.09477 (two).

    Attributes:
        networks: 1 or 2.
        learning_rate: Step size of Adam.
        polyak: τ in (0, 1].
    """

    networks: Literal[1, 2] = 1
    learning_rate: float = 1e-3
    polyak: float = 0.005
    credits: Literal["team"] = "team"

    def __post_init__(self) -> None:
        """Refuse settings under which nothing, or nothing sensible, happens."""
        require(self.learning_rate >= 0, f"--critic-learning-rate must not be negative: {self.learning_rate}")
        require(0 < self.polyak <= 1, f"--polyak must lie in (0, 1], not at {self.polyak}")

    def roster(self, roster: Roster, state_shape: tuple[int, ...]) -> Roster:
        """One who stands for the team and sees the state and everyone's action.

        Raises:
            RequestError: If the state is an image, to which actions cannot be appended.
        """
        require(
            len(state_shape) == 1 and roster.state is None,
            "a critic of actions sees the state as a row of numbers, not an image "
            f"{roster.image(state_shape)}: use happo",
        )
        actions = sum(len(group.names) * group.action.width for group in roster.groups)
        space = Box(-_UNBOUNDED, _UNBOUNDED, (state_shape[0] + actions,))
        return Roster((Group(("team",), space, Discrete(1)),))

    def create(self, key: Key, roster: Roster, body: NetworkConfig) -> ActionValueState:
        """Fresh networks for ``roster`` (this critic's own, as given by `roster`); targets begin as their equals."""
        space = roster.groups[0].observation
        networks = tuple(Value.create(k, space, body) for k in jax.random.split(key, self.networks))
        return ActionValueState(networks, networks, tuple(begin(self._optimiser, network) for network in networks))

    def fit(
        self, state: ActionValueState, inputs: Float[Array, "B I"], target: Float[Array, " B"], at_once: int = 0
    ) -> tuple[ActionValueState, Info]:
        """One step of every network towards the targets. Infos have an axis of one team."""
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
        """The targets moved towards the networks."""
        return ActionValueState(state.networks, moved(state.targets, state.networks, self.polyak), state.optimisers)

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        return adam(self.learning_rate, 0.0, 1e-8)


def value(network: Value, inputs: Float[Array, "B I"]) -> Float[Array, " B"]:
    """One network's values."""
    return network(inputs[:, None], None, jnp.zeros((inputs.shape[0], 1), bool))[0][:, 0]


def least(networks: tuple[Value, ...], inputs: Float[Array, "B I"]) -> Float[Array, " B"]:
    """The least of the networks' values."""
    minimum = value(networks[0], inputs)
    for network in networks[1:]:
        minimum = jnp.minimum(minimum, value(network, inputs))
    return minimum


def moved(targets: Any, networks: Any, rate: float) -> Any:
    """(1 − τ) target + τ network, leaf by leaf."""
    return jax.tree.map(lambda old, new: (1.0 - rate) * old + rate * new, targets, networks)
