"""Small common-reward games that are given by a rule. Each agent gets an equal share of the team's reward.

References: Zhong et al., 2024, arXiv:2304.09870, example 2 and figure 1; the two-state game is that of Wang et al.,
2021, arXiv:2008.01062.
"""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hamlet.envs.base import Group, KnownReturns, Outcome, View
from hamlet.envs.matrix.payoff_games import SIGHT, RoundState, after, begin, group
from hamlet.envs.scene import Cell, Circle, Label, Scene, Segment, choices, choices_line
from hamlet.errors import require
from hamlet.spaces import Box, Discrete
from hamlet.types import Key

PAIR = ("agent_0", "agent_1")


@dataclass(frozen=True)
class Halves:
    """Example 2 of HARL: 1 where one half of the agents, the first or the second, plays 0 and the other 1.

        r(0ⁿᐟ², 1ⁿᐟ²) = r(1ⁿᐟ², 0ⁿᐟ²) = 1,  and 0 for all other joint actions.

    A policy that all agents share, with θ the probability of 0, earns 2 θⁿᐟ² (1 − θ)ⁿᐟ² ≤ 2/2ⁿ.

    Attributes:
        agents: How many agents, n; even.
        rounds: Rounds of an episode; at least 1.
    """

    agents: int = 4
    rounds: int = 1

    def __post_init__(self):
        near = max(2, self.agents + self.agents % 2)
        require(
            self.agents >= 2 and self.agents % 2 == 0,
            f"agents must be even and at least 2, not {self.agents}; the nearest is {near}",
        )
        require(self.rounds >= 1, f"rounds must be at least 1, not {self.rounds}")

    @property
    def groups(self) -> tuple[Group, ...]:
        """One group of all agents."""
        return (group(tuple(f"agent_{i}" for i in range(self.agents)), Discrete(2)),)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Of the constant that is seen."""
        return (len(SIGHT),)

    @property
    def known_returns(self) -> KnownReturns:
        """One of the two joint actions that are paid, among 2ⁿ."""
        return KnownReturns(float(self.rounds), self.rounds * 2.0 ** (1 - self.agents))

    @property
    def payoffs(self) -> np.ndarray:
        """``[n, 2, …, 2]``, of n·2ⁿ numbers."""
        table = np.zeros((self.agents, *(2,) * self.agents))
        half = self.agents // 2
        for first in (0, 1):
            table[(slice(None), *(first,) * half, *(1 - first,) * half)] = 1 / self.agents
        return table

    def reset(self, key: Key) -> tuple[RoundState, View]:
        """The same for every key."""
        del key
        return begin(self.groups)

    def step(self, key: Key, state: RoundState, actions: tuple[Array, ...]) -> tuple[RoundState, View, Outcome]:
        """One round."""
        del key
        first = actions[0][0]
        wanted = jnp.where(jnp.arange(self.agents) < self.agents // 2, first, 1 - first)
        reward = (actions[0] == wanted).all().astype(jnp.float32) / self.agents
        return after(self.groups, state, jnp.broadcast_to(reward[None], (self.agents,)), self.rounds)

    def scene(self, state: RoundState, actions: tuple[np.ndarray, ...] | None) -> Scene:
        """A row for each agent, its choice marked."""
        del state
        chosen = None if actions is None else [int(choice) for choice in actions[0]]
        return choices((2,) * self.agents, chosen, caption="earned where one half plays 0 and the other 1")


@dataclass(frozen=True)
class Product:
    """The product of two actions in [−bound, bound]: r = a₁·a₂. Figure 1 of HARL.

    Actions are clipped to the bounds.

    Attributes:
        bound: Of both actions; above 0.
        rounds: Rounds of an episode; at least 1.
    """

    bound: float = 10.0
    rounds: int = 1

    def __post_init__(self):
        require(0 < self.bound < float("inf"), f"bound must be a number above 0, not {self.bound}")
        require(self.rounds >= 1, f"rounds must be at least 1, not {self.rounds}")

    @property
    def groups(self) -> tuple[Group, ...]:
        """Both agents."""
        return (group(PAIR, Box(-self.bound, self.bound, (1,))),)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Of the constant that is seen."""
        return (len(SIGHT),)

    @property
    def known_returns(self) -> KnownReturns:
        """Both at the same bound; random actions are as often of unlike signs."""
        return KnownReturns(float(self.rounds * self.bound**2), 0.0)

    def reset(self, key: Key) -> tuple[RoundState, View]:
        """The same for every key."""
        del key
        return begin(self.groups)

    def step(self, key: Key, state: RoundState, actions: tuple[Array, ...]) -> tuple[RoundState, View, Outcome]:
        """One round."""
        del key
        return after(self.groups, state, _halved(jnp.clip(actions[0][:, 0], -self.bound, self.bound)), self.rounds)

    def scene(self, state: RoundState, actions: tuple[np.ndarray, ...] | None) -> Scene:
        """The square of joint actions, a₁ to the right and a₂ upwards."""
        del state
        pair = np.zeros(2) if actions is None else actions[0][:, 0].clip(-self.bound, self.bound)
        return _square(pair, self.bound, drawn=actions is not None)


@dataclass(frozen=True)
class ProductDiscrete:
    """The product of two whole numbers in −bound … bound: r = a₁·a₂.

    Choice c stands for the number c − bound.

    Attributes:
        bound: Of both numbers; at least 1.
        rounds: Rounds of an episode; at least 1.
    """

    bound: int = 10
    rounds: int = 1

    def __post_init__(self):
        require(self.bound >= 1, f"bound must be at least 1, not {self.bound}")
        require(self.rounds >= 1, f"rounds must be at least 1, not {self.rounds}")

    @property
    def groups(self) -> tuple[Group, ...]:
        """Both agents."""
        return (group(PAIR, Discrete(2 * self.bound + 1)),)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Of the constant that is seen."""
        return (len(SIGHT),)

    @property
    def known_returns(self) -> KnownReturns:
        """Both at the same bound; random numbers are as often of unlike signs."""
        return KnownReturns(float(self.rounds * self.bound**2), 0.0)

    @property
    def payoffs(self) -> np.ndarray:
        """``[2, choices, choices]``."""
        number = np.arange(-self.bound, self.bound + 1)
        return np.broadcast_to(np.outer(number, number) / 2, (2, number.size, number.size))

    def reset(self, key: Key) -> tuple[RoundState, View]:
        """The same for every key."""
        del key
        return begin(self.groups)

    def step(self, key: Key, state: RoundState, actions: tuple[Array, ...]) -> tuple[RoundState, View, Outcome]:
        """One round."""
        del key
        number = (actions[0] - self.bound).astype(jnp.float32)
        return after(self.groups, state, _halved(number), self.rounds)

    def scene(self, state: RoundState, actions: tuple[np.ndarray, ...] | None) -> Scene:
        """The square of joint actions, a₁ to the right and a₂ upwards."""
        del state
        pair = np.zeros(2) if actions is None else actions[0] - self.bound
        return _square(pair, float(self.bound), drawn=actions is not None)


def _halved(number: Float[Array, " 2"]) -> Float[Array, " 2"]:
    """Half of the product for each."""
    return jnp.broadcast_to((number[0] * number[1] / 2)[None], (2,))


def _square(pair: np.ndarray, bound: float, *, drawn: bool) -> Scene:
    """Two numbers between bounds as a point of a square; before it is chosen, too small to be seen."""
    first, second = (float(number) for number in pair)
    axes = [Segment(-bound, 0, bound, 0, colour="ground"), Segment(0, -bound, 0, bound, colour="ground")]
    point = Circle(first, second, 0.06 * bound if drawn else 0.0, 0)
    words = f"a₁ = {first:.3g}, a₂ = {second:.3g}, product {first * second:.4g}" if drawn else ""
    room = 1.15 * bound
    return Scene((*axes, point), (-room, -room, room, room), 1.2, caption=words)


class TwoState(eqx.Module):
    """Whether the rewarding state was left, and the steps so far."""

    left: Int[Array, ""]
    time: Int[Array, ""]


@dataclass(frozen=True)
class TwoStateGame:
    """Two states: in the first both playing 0 earns ``reward`` and stays, both playing 1 leaves for good.

    All other joint actions earn nothing and stay; in the second state nothing is earned. Both agents see the state.
    The episode is truncated after ``horizon`` steps and never terminates.

    Attributes:
        reward: Of the team, a step.
        horizon: Steps of an episode; at least 1.
    """

    reward: float = 1000.0
    horizon: int = 50

    def __post_init__(self):
        require(bool(np.isfinite(self.reward)), f"reward must be finite, not {self.reward}")
        require(self.horizon >= 1, f"horizon must be at least 1, not {self.horizon}")

    @property
    def groups(self) -> tuple[Group, ...]:
        """Both agents."""
        return (Group(PAIR, Box(0.0, 1.0, (2,)), Discrete(2)),)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """One number for each state."""
        return (2,)

    @property
    def known_returns(self) -> KnownReturns | None:
        """To stay and be paid for it, unless that costs; None where nothing is paid.

        Random play is in the first state at step t with probability (3/4)ᵗ, and is paid there one time in four: in sum
        reward · (1 − (3/4)ᴴ) over H steps.
        """
        if not self.reward:
            return None
        return KnownReturns(float(max(self.reward, 0) * self.horizon), self.reward * (1 - 0.75**self.horizon))

    def reset(self, key: Key) -> tuple[TwoState, View]:
        """In the first state, for every key."""
        del key
        state = TwoState(jnp.int32(0), jnp.int32(0))
        return state, _seen(state)

    def step(self, key: Key, state: TwoState, actions: tuple[Array, ...]) -> tuple[TwoState, View, Outcome]:
        """One step."""
        del key
        earned = (state.left == 0) & (actions[0] == 0).all()
        leaves = (actions[0] == 1).all().astype(jnp.int32)
        reward = jnp.where(earned, jnp.float32(self.reward / 2), 0.0)
        state = TwoState(jnp.maximum(state.left, leaves), state.time + 1)
        outcome = Outcome(jnp.broadcast_to(reward[None], (2,)), jnp.zeros((), bool), state.time >= self.horizon)
        return state, _seen(state), outcome

    def scene(self, state: TwoState, actions: tuple[np.ndarray, ...] | None) -> Scene:
        """The state that rewards and the one that does not, the one they are in marked."""
        places = [Cell(0, 0, "earns", not state.left), Cell(1.3, 0, "left", bool(state.left))]
        words = "" if actions is None else choices_line(list(zip(PAIR, actions[0].tolist(), strict=True)))
        return Scene(tuple(places), (-0.8, -0.8, 2.1, 0.8), 0.4, caption=words)


def _seen(state: TwoState) -> View:
    sight = jax.nn.one_hot(state.left, 2)
    return View((jnp.broadcast_to(sight[None], (2, 2)),), sight, (None,), None)


class RecallState(eqx.Module):
    """Each agent's bit, and the steps so far."""

    bits: Int[Array, " 2"]
    time: Int[Array, ""]


@dataclass(frozen=True)
class Recall:
    """Each of two agents is shown a bit in the first step, and is asked for it in the last: ½ for each that is right.

    In between nothing is seen. Whoever does not remember guesses, and the team earns ½ on average of the 1 there is.
    The critic sees both bits and the time. The episode terminates after the last step.

    Attributes:
        length: Steps of an episode; at least 2.
    """

    length: int = 20

    def __post_init__(self):
        require(self.length >= 2, f"length must be at least 2, not {self.length}")

    @property
    def groups(self) -> tuple[Group, ...]:
        """Both agents."""
        return (Group(PAIR, Box(0.0, 1.0, (3,)), Discrete(2)),)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Two bits, one number for each value, and the time."""
        return (5,)

    @property
    def known_returns(self) -> KnownReturns:
        """Both right; who guesses is right one time in two."""
        return KnownReturns(1.0, 0.5)

    def reset(self, key: Key) -> tuple[RecallState, View]:
        """Bits drawn evenly."""
        state = RecallState(jax.random.bernoulli(key, shape=(2,)).astype(jnp.int32), jnp.int32(0))
        return state, self._view(state)

    def step(self, key: Key, state: RecallState, actions: tuple[Array, ...]) -> tuple[RecallState, View, Outcome]:
        """One step; only what is done in the last one counts."""
        del key
        asked = state.time == self.length - 1
        reward = jnp.where(asked & (actions[0] == state.bits), jnp.float32(0.5), 0.0)
        after = RecallState(state.bits, state.time + 1)
        return after, self._view(after), Outcome(reward, after.time >= self.length, jnp.zeros((), bool))

    def scene(self, state: RecallState, actions: tuple[np.ndarray, ...] | None) -> Scene:
        """For each agent the bit that it was shown, and what it says; the last of it counts."""
        shapes = []
        for agent, bit in enumerate(state.bits):
            answer = "" if actions is None else str(int(actions[0][agent]))
            shapes += [Label(-0.9, -agent, PAIR[agent], agent), Cell(0, -agent, str(int(bit)))]
            shapes += [Cell(1.2, -agent, answer, answer == str(int(bit)))]
        heads = [Label(0, 0.8, "shown"), Label(1.2, 0.8, "says")]
        return Scene((*shapes, *heads), (-1.6, -1.7, 1.9, 1.2), 0.3, caption=f"step {int(state.time)} of {self.length}")

    def _view(self, state: RecallState) -> View:
        bits = jax.nn.one_hot(state.bits, 2)
        shown = jnp.where(state.time == 0, bits, 0.0)
        asked = jnp.full((2, 1), state.time == self.length - 1, jnp.float32)
        clock = state.time.astype(jnp.float32)[None] / self.length
        sight = jnp.concatenate((shown, asked), axis=-1)
        return View((sight,), jnp.concatenate((bits.ravel(), clock)), (None,), None)
