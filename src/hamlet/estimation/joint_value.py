"""A critic with one output for each joint action, and the numbering of joint actions."""

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

# The largest number of outputs: with a batch of 1000, each array of outputs needs 400 MB.
LARGEST = 100_000


def choices(roster: Roster) -> tuple[int, ...]:
    """Return how many actions every agent has.

    Raises:
        RequestError: If an agent's action space is not Discrete.
    """
    for group in roster.groups:
        require(
            isinstance(group.action, Discrete),
            f"a critic of joint actions needs Discrete action spaces, but {group.names[0]} has {group.action}: "
            "use hatd3 for a Box, else happo",
        )
    return tuple(group.action.width for group in roster.groups for _ in group.names)


def places(sizes: tuple[int, ...]) -> np.ndarray:
    """Return the place value of each agent's action in the number of a joint action; the last agent's is 1.

    >>> places((2, 3, 5)).tolist()
    [15, 5, 1]
    """
    return np.array([math.prod(sizes[k + 1 :]) for k in range(len(sizes))], np.int32)


def number(actions: Int[Array, "n B"], sizes: tuple[int, ...]) -> Int[Array, " B"]:
    """Return the numbers of joint actions in mixed radix: Σᵢ aⁱ Π_{j>i} |Aʲ|.

    aⁱ is the action of agent i, and |Aʲ| the number of actions of agent j.
    """
    return (actions * places(sizes)[:, None]).sum(0)


def at(values: Float[Array, "*B A"], choice: Int[Array, "*B"]) -> Float[Array, "*B"]:
    """Return the value of one action in every row."""
    return jnp.take_along_axis(values, choice[..., None], axis=-1)[..., 0]


def alternatives(
    values: Float[Array, "B J"], standing: Int[Array, " B"], own: Int[Array, " B"], place: Int[Array, ""], count: int
) -> Float[Array, "B A"]:
    """Return the values of all actions of one agent, with the other agents' actions fixed.

    Args:
        values: The values of every joint action.
        standing: The numbers of the current joint actions.
        own: The agent's actions in them.
        place: The agent's place value in a joint action's number.
        count: How many actions the agent has.
    """
    without = standing - place * own
    return jnp.take_along_axis(values, without[:, None] + place * jnp.arange(count)[None], axis=-1)


class JointState(eqx.Module):
    """The critic's state: a network, its target network and its optimiser."""

    networks: tuple[Duelling]
    targets: tuple[Duelling]
    optimiser: optax.OptState


@dataclass(frozen=True, kw_only=True)
class JointActionValue:
    """Q(s, ·) of the state s with one output for each joint action, a duelling network, for the team's reward.

    It minimises the mean of (Q(s, a) − y)² at the joint actions a in the replay buffer, with targets y. The target
    network Q̂ follows it: Q̂ ← (1 − τ) Q̂ + τ Q.

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
        """Refuse a negative learning rate, a τ outside (0, 1], and branches without hidden features."""
        require(self.learning_rate >= 0, f"--critic-learning-rate must not be negative: {self.learning_rate}")
        require(0 < self.polyak <= 1, f"--polyak must be in (0, 1], got {self.polyak}")
        require(self.width >= 1, f"--duelling-hidden must be at least 1, not {self.width}")

    def roster(self, roster: Roster, state_shape: tuple[int, ...]) -> Roster:
        """Return the owner of the network: one for the whole team, which receives the state and has the joint actions.

        Raises:
            RequestError: If there are too many joint actions, or an agent's action space is not Discrete.
        """
        sizes = choices(roster)
        count = math.prod(sizes)
        spoken = " × ".join(map(str, sizes)) if len(sizes) <= 6 else f"the actions of {len(sizes)} agents"
        require(
            count <= LARGEST,
            f"a critic of joint actions needs one output for each, {spoken} = {count:,}, more than the limit of "
            f"{LARGEST:,}: use hasac or happo",
        )
        return Roster((Group(("team",), roster.seen_by_critic(state_shape), Discrete(count)),))

    def create(self, key: Key, roster: Roster, body: NetworkConfig) -> JointState:
        """Create an untrained network for ``roster``, as `roster` returns it; its target starts equal to it."""
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
        """Take one step towards the targets at the joint actions with these numbers.

        The infos have one axis of length 1, for the team.
        """

        def loss(network: Duelling, part: Goals) -> tuple[Scalar, Scalar]:
            assert part.choice is not None
            return part.error(at(network(part.inputs), part.choice))

        (error, level), gradient = slope(loss, state.networks[0], Goals(seen, joint, target, at_once))
        network, optimiser = descend(self._optimiser, gradient, state.optimiser, state.networks[0])
        info: dict[str, Any] = {"loss": error, "value": level, "gradient_norm": optax.tree.norm(gradient)}
        return JointState((network,), state.targets, optimiser), {name: scalar[None] for name, scalar in info.items()}

    def follow(self, state: JointState) -> JointState:
        """Move the target network towards the network."""
        return JointState(state.networks, moved(state.targets, state.networks, self.polyak), state.optimiser)

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        return adam(self.learning_rate, 0.0, 1e-8)
