"""Small common-reward games that are given by a rule. Each agent gets an equal share of the team's reward.

References: Zhong et al., 2024, arXiv:2304.09870, example 2 and figure 1. The two-state game is from Wang et al., 2021,
arXiv:2008.01062.
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
    """Example 2 of HARL: reward 1 if one half of the agents, the first or the second, plays 0 and the other half 1.

        r(0ⁿᐟ², 1ⁿᐟ²) = r(1ⁿᐟ², 0ⁿᐟ²) = 1,  and 0 for all other joint actions.

    n is the number of agents. If all agents share a policy with probability θ of action 0, its mean reward is
    2 θⁿᐟ² (1 − θ)ⁿᐟ² ≤ 2/2ⁿ.

    Attributes:
        agents: The number of agents, n; even.
        rounds: The number of rounds of an episode; at least 1.
    """

    agents: int = 4
    rounds: int = 1

    def __post_init__(self):
        near = max(2, self.agents + self.agents % 2)
        require(
            self.agents >= 2 and self.agents % 2 == 0,
            f"agents must be even and at least 2, got {self.agents}; the nearest is {near}",
        )
        require(self.rounds >= 1, f"rounds must be at least 1, got {self.rounds}")

    @property
    def groups(self) -> tuple[Group, ...]:
        """One group with all agents."""
        return (group(tuple(f"agent_{i}" for i in range(self.agents)), Discrete(2)),)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The size of the constant state."""
        return (len(SIGHT),)

    @property
    def known_returns(self) -> KnownReturns:
        """Reward 1 in each round; random actions earn it with two of the 2ⁿ joint actions."""
        return KnownReturns(float(self.rounds), self.rounds * 2.0 ** (1 - self.agents))

    @property
    def payoffs(self) -> np.ndarray:
        """The payoff table, ``[n, 2, …, 2]``, with n·2ⁿ numbers."""
        table = np.zeros((self.agents, *(2,) * self.agents))
        half = self.agents // 2
        for first in (0, 1):
            table[(slice(None), *(first,) * half, *(1 - first,) * half)] = 1 / self.agents
        return table

    def reset(self, key: Key) -> tuple[RoundState, View]:
        """Start an episode; the start is the same for every key."""
        del key
        return begin(self.groups)

    def step(self, key: Key, state: RoundState, actions: tuple[Array, ...]) -> tuple[RoundState, View, Outcome]:
        """Play one round."""
        del key
        first = actions[0][0]
        wanted = jnp.where(jnp.arange(self.agents) < self.agents // 2, first, 1 - first)
        reward = (actions[0] == wanted).all().astype(jnp.float32) / self.agents
        return after(self.groups, state, jnp.broadcast_to(reward[None], (self.agents,)), self.rounds)

    def scene(self, state: RoundState, actions: tuple[np.ndarray, ...] | None) -> Scene:
        """Draw a row for each agent, with its action marked."""
        del state
        chosen = None if actions is None else [int(choice) for choice in actions[0]]
        return choices((2,) * self.agents, chosen, caption="reward if one half plays 0 and the other half 1")


@dataclass(frozen=True)
class Product:
    """The product of two actions in [−bound, bound]: r = a₁·a₂. Figure 1 of HARL.

    a₁ and a₂ are the actions of the two agents. Actions are clipped to the bounds.

    Attributes:
        bound: The bound of both actions; above 0.
        rounds: The number of rounds of an episode; at least 1.
    """

    bound: float = 10.0
    rounds: int = 1

    def __post_init__(self):
        require(0 < self.bound < float("inf"), f"bound must be a finite number above 0, got {self.bound}")
        require(self.rounds >= 1, f"rounds must be at least 1, got {self.rounds}")

    @property
    def groups(self) -> tuple[Group, ...]:
        """One group with both agents."""
        return (group(PAIR, Box(-self.bound, self.bound, (1,))),)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The size of the constant state."""
        return (len(SIGHT),)

    @property
    def known_returns(self) -> KnownReturns:
        """Both actions at the same bound; random actions have equal and different signs equally often."""
        return KnownReturns(float(self.rounds * self.bound**2), 0.0)

    def reset(self, key: Key) -> tuple[RoundState, View]:
        """Start an episode; the start is the same for every key."""
        del key
        return begin(self.groups)

    def step(self, key: Key, state: RoundState, actions: tuple[Array, ...]) -> tuple[RoundState, View, Outcome]:
        """Play one round."""
        del key
        return after(self.groups, state, _halved(jnp.clip(actions[0][:, 0], -self.bound, self.bound)), self.rounds)

    def scene(self, state: RoundState, actions: tuple[np.ndarray, ...] | None) -> Scene:
        """Draw the square of joint actions, a₁ to the right and a₂ upwards."""
        del state
        pair = np.zeros(2) if actions is None else actions[0][:, 0].clip(-self.bound, self.bound)
        return _square(pair, self.bound, drawn=actions is not None)


@dataclass(frozen=True)
class ProductDiscrete:
    """The product of two integers in −bound … bound: r = a₁·a₂.

    a₁ and a₂ are the integers of the two agents. Discrete action c means the integer c − bound.

    Attributes:
        bound: The bound of both integers; at least 1.
        rounds: The number of rounds of an episode; at least 1.
    """

    bound: int = 10
    rounds: int = 1

    def __post_init__(self):
        require(self.bound >= 1, f"bound must be at least 1, got {self.bound}")
        require(self.rounds >= 1, f"rounds must be at least 1, got {self.rounds}")

    @property
    def groups(self) -> tuple[Group, ...]:
        """One group with both agents."""
        return (group(PAIR, Discrete(2 * self.bound + 1)),)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The size of the constant state."""
        return (len(SIGHT),)

    @property
    def known_returns(self) -> KnownReturns:
        """Both integers at the same bound; random integers have equal and different signs equally often."""
        return KnownReturns(float(self.rounds * self.bound**2), 0.0)

    @property
    def payoffs(self) -> np.ndarray:
        """The payoff table, ``[2, A, A]``, with A the number of actions."""
        number = np.arange(-self.bound, self.bound + 1)
        return np.broadcast_to(np.outer(number, number) / 2, (2, number.size, number.size))

    def reset(self, key: Key) -> tuple[RoundState, View]:
        """Start an episode; the start is the same for every key."""
        del key
        return begin(self.groups)

    def step(self, key: Key, state: RoundState, actions: tuple[Array, ...]) -> tuple[RoundState, View, Outcome]:
        """Play one round."""
        del key
        number = (actions[0] - self.bound).astype(jnp.float32)
        return after(self.groups, state, _halved(number), self.rounds)

    def scene(self, state: RoundState, actions: tuple[np.ndarray, ...] | None) -> Scene:
        """Draw the square of joint actions, a₁ to the right and a₂ upwards."""
        del state
        pair = np.zeros(2) if actions is None else actions[0] - self.bound
        return _square(pair, float(self.bound), drawn=actions is not None)


def _halved(number: Float[Array, " 2"]) -> Float[Array, " 2"]:
    """Return half of the product for each agent."""
    return jnp.broadcast_to((number[0] * number[1] / 2)[None], (2,))


def _square(pair: np.ndarray, bound: float, *, drawn: bool) -> Scene:
    """Draw two numbers between bounds as a point in a square; before the first action, the point is invisible."""
    first, second = (float(number) for number in pair)
    axes = [Segment(-bound, 0, bound, 0, colour="ground"), Segment(0, -bound, 0, bound, colour="ground")]
    point = Circle(first, second, 0.06 * bound if drawn else 0.0, 0)
    words = f"a₁ = {first:.3g}, a₂ = {second:.3g}, product {first * second:.4g}" if drawn else ""
    room = 1.15 * bound
    return Scene((*axes, point), (-room, -room, room, room), 1.2, caption=words)


class TwoState(eqx.Module):
    """Whether the agents have left the rewarding state, and the steps so far."""

    left: Int[Array, ""]
    time: Int[Array, ""]


@dataclass(frozen=True)
class TwoStateGame:
    """Two states: in the first, both agents playing 0 earns ``reward``; both playing 1 leaves this state for good.

    All other joint actions earn nothing and do not change the state. In the second state, no action earns a reward.
    Both agents observe the state. The episode is truncated after ``horizon`` steps and never terminates.

    Attributes:
        reward: The team's reward for a step.
        horizon: The number of steps of an episode; at least 1.
    """

    reward: float = 1000.0
    horizon: int = 50

    def __post_init__(self):
        require(bool(np.isfinite(self.reward)), f"reward must be finite, got {self.reward}")
        require(self.horizon >= 1, f"horizon must be at least 1, got {self.horizon}")

    @property
    def groups(self) -> tuple[Group, ...]:
        """One group with both agents."""
        return (Group(PAIR, Box(0.0, 1.0, (2,)), Discrete(2)),)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """One number for each state."""
        return (2,)

    @property
    def known_returns(self) -> KnownReturns | None:
        """The return of staying and earning the reward, or 0 if the reward is negative; None if the reward is 0.

        Random play is in the first state at step t with probability (3/4)ᵗ. There it earns the reward with probability
        1/4. Its mean return over H = ``horizon`` steps is therefore reward · (1 − (3/4)ᴴ).
        """
        if not self.reward:
            return None
        return KnownReturns(float(max(self.reward, 0) * self.horizon), self.reward * (1 - 0.75**self.horizon))

    def reset(self, key: Key) -> tuple[TwoState, View]:
        """Start an episode in the first state, for every key."""
        del key
        state = TwoState(jnp.int32(0), jnp.int32(0))
        return state, _seen(state)

    def step(self, key: Key, state: TwoState, actions: tuple[Array, ...]) -> tuple[TwoState, View, Outcome]:
        """Take one step."""
        del key
        earned = (state.left == 0) & (actions[0] == 0).all()
        leaves = (actions[0] == 1).all().astype(jnp.int32)
        reward = jnp.where(earned, jnp.float32(self.reward / 2), 0.0)
        state = TwoState(jnp.maximum(state.left, leaves), state.time + 1)
        outcome = Outcome(jnp.broadcast_to(reward[None], (2,)), jnp.zeros((), bool), state.time >= self.horizon)
        return state, _seen(state), outcome

    def scene(self, state: TwoState, actions: tuple[np.ndarray, ...] | None) -> Scene:
        """Draw both states, with the current state marked."""
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
    """Each of two agents observes a bit in the first step and must play it in the last: ½ for each correct agent.

    In the steps between, the observation does not contain the bit. An agent without memory can only guess. The team
    then earns ½ on average, of at most 1. The critic's state has both bits and the time. The episode terminates after
    the last step.

    Attributes:
        length: The number of steps of an episode; at least 2.
    """

    length: int = 20

    def __post_init__(self):
        require(self.length >= 2, f"length must be at least 2, got {self.length}")

    @property
    def groups(self) -> tuple[Group, ...]:
        """One group with both agents."""
        return (Group(PAIR, Box(0.0, 1.0, (3,)), Discrete(2)),)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Both bits, one number for each value, and the time."""
        return (5,)

    @property
    def known_returns(self) -> KnownReturns:
        """Both agents correct; a guess is correct with probability ½."""
        return KnownReturns(1.0, 0.5)

    def reset(self, key: Key) -> tuple[RecallState, View]:
        """Start an episode; sample the bits uniformly."""
        state = RecallState(jax.random.bernoulli(key, shape=(2,)).astype(jnp.int32), jnp.int32(0))
        return state, self._view(state)

    def step(self, key: Key, state: RecallState, actions: tuple[Array, ...]) -> tuple[RecallState, View, Outcome]:
        """Take one step; only the actions of the last step are rewarded."""
        del key
        asked = state.time == self.length - 1
        reward = jnp.where(asked & (actions[0] == state.bits), jnp.float32(0.5), 0.0)
        after = RecallState(state.bits, state.time + 1)
        return after, self._view(after), Outcome(reward, after.time >= self.length, jnp.zeros((), bool))

    def scene(self, state: RecallState, actions: tuple[np.ndarray, ...] | None) -> Scene:
        """Draw each agent's bit and its answer; only the answer of the last step counts."""
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
