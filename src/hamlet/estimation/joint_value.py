"""A critic with one output for each joint action, and how joint actions are numbered."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Shaped

from hamlet.errors import require
from hamlet.estimation.accumulation import slope
from hamlet.estimation.action_value import Goals, moved
from hamlet.estimation.fitting import adam, begin, descend
from hamlet.networks.duelling import Duelling
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Group, Roster
from hamlet.spaces import Discrete
from hamlet.types import Info, Key, Scalar

# Outputs of a critic at most: with a batch of 1000, 400 MB for every copy of them that is alive at once.
LARGEST = 100_000


def choices(roster: Roster) -> tuple[int, ...]:
    """How many choices every agent has.

    Raises:
        RequestError: If one acts in no Discrete space.
    """
    for group in roster.groups:
        require(
            isinstance(group.action, Discrete),
            f"joint actions are numbered for Discrete spaces only, and {group.names[0]} acts in {group.action}: "
            "use hatd3 for a Box, else happo",
        )
    return tuple(group.action.width for group in roster.groups for _ in group.names)


def places(sizes: tuple[int, ...]) -> np.ndarray:
    """What one more of each agent's choice adds to the number of a joint action; the last agent's counts singly.

    >>> places((2, 3, 5)).tolist()
    [15, 5, 1]
    """
    return np.array([math.prod(sizes[k + 1 :]) for k in range(len(sizes))], np.int32)


def number(actions: Int[Array, "n B"], sizes: tuple[int, ...]) -> Int[Array, " B"]:
    """The numbers of joint actions, in the mixed radix of the agents' choices: Σᵢ aⁱ Π_{j>i} |Aʲ|."""
    return (actions * places(sizes)[:, None]).sum(0)


def at(values: Float[Array, "*B A"], choice: Int[Array, "*B"]) -> Float[Array, "*B"]:
    """The value of one choice in every row."""
    return jnp.take_along_axis(values, choice[..., None], axis=-1)[..., 0]


def alternatives(
    values: Float[Array, "B J"], standing: Int[Array, " B"], own: Int[Array, " B"], place: Int[Array, ""], count: int
) -> Float[Array, "B A"]:
    """The values of all choices of one agent while the others' stand.

    Args:
        values: Of every joint action.
        standing: The numbers of the joint actions that stand.
        own: The agent's choices in them.
        place: What one more of its choice adds to a number.
        count: How many choices it has.
    """
    without = standing - place * own
    return jnp.take_along_axis(values, without[:, None] + place * jnp.arange(count)[None], axis=-1)


class JointState(eqx.Module):
    """Everything the critic owns; one network and its like."""

    networks: tuple[Duelling]
    targets: tuple[Duelling]
    optimiser: optax.OptState


@dataclass(frozen=True, kw_only=True)
class JointActionValue:
    """Q(s, ·) with one output for each joint action, duelling, for the team's reward.

    It descends the mean of (Q(s, a) − y)² at the replayed joint actions, and its target follows it:
    Q̂ ← (1 − τ) Q̂ + τ Q.

    Attributes:
        learning_rate: Step size of Adam.
        polyak: τ in (0, 1].
        width: Hidden features of each of the two branches.
    """

    learning_rate: float = 1e-3
    polyak: float = 0.005
    width: int = 128
    credits: Literal["team"] = "team"

    def __post_init__(self) -> None:
        """Refuse settings under which nothing, or nothing sensible, happens."""
        require(self.learning_rate >= 0, f"--critic-learning-rate must not be negative: {self.learning_rate}")
        require(0 < self.polyak <= 1, f"--polyak must lie in (0, 1], not at {self.polyak}")
        require(self.width >= 1, f"--duelling-hidden must be at least 1, not {self.width}")

    def roster(self, roster: Roster, state_shape: tuple[int, ...]) -> Roster:
        """One who stands for the team, sees the state and chooses a joint action.

        Raises:
            RequestError: If there are too many joint actions, or some agent acts in no Discrete space.
        """
        sizes = choices(roster)
        count = math.prod(sizes)
        spoken = " × ".join(map(str, sizes)) if len(sizes) <= 6 else f"the choices of {len(sizes)} agents"
        require(
            count <= LARGEST,
            f"a critic of joint actions has one output for each, {spoken} = {count:,}, and takes {LARGEST:,} at most: "
            "use hasac or happo",
        )
        return Roster((Group(("team",), roster.seen_by_critic(state_shape), Discrete(count)),))

    def create(self, key: Key, roster: Roster, body: NetworkConfig) -> JointState:
        """A fresh network for ``roster`` (this critic's own, as given by `roster`); its target begins as its equal."""
        team = roster.groups[0]
        network = Duelling.create(key, team.observation, team.action.width, body, self.width)
        return JointState((network,), (network,), begin(self._optimiser, network))

    def fit(
        self,
        state: JointState,
        seen: Shaped[Array, "B ..."],
        joint: Int[Array, " B"],
        target: Float[Array, " B"],
        at_once: int = 0,
    ) -> tuple[JointState, Info]:
        """One step towards the targets at the joint actions of these numbers. Infos have an axis of one team."""

        def loss(network: Duelling, part: Goals) -> tuple[Scalar, Scalar]:
            assert part.choice is not None
            return part.error(at(network(part.inputs), part.choice))

        (error, level), gradient = slope(loss, state.networks[0], Goals(seen, joint, target, at_once))
        network, optimiser = descend(self._optimiser, gradient, state.optimiser, state.networks[0])
        info: dict[str, Any] = {"loss": error, "value": level, "gradient_norm": optax.tree.norm(gradient)}
        return JointState((network,), state.targets, optimiser), {name: scalar[None] for name, scalar in info.items()}

    def follow(self, state: JointState) -> JointState:
        """The target moved towards the network."""
        return JointState(state.networks, moved(state.targets, state.networks, self.polyak), state.optimiser)

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        return adam(self.learning_rate, 0.0, 1e-8)
