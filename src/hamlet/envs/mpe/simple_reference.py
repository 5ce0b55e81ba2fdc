"""Simple reference: each of two agents knows which of three landmarks the other agent must reach, and tells it.

    dᵢ = |x₁₋ᵢ − y(goalᵢ)|,      rᵢ = − (1 − ρ) (d₀ + d₁) / 2 − ρ dᵢ.

rᵢ is agent i's reward, xᵢ its position, goalᵢ the landmark to which it must guide the other agent, y the landmarks'
positions, and ρ the local ratio.

An observation has 21 numbers: the agent's velocity, the landmarks relative to the agent, the colour of the other
agent's goal, and the ten words that the other agent spoke in this step. A discrete action is move + 5 · word. The
episode is truncated after ``max_steps`` and never terminates.

Reference: Lowe et al., 2017, arXiv:1706.02275; equal to ``simple_reference_v3`` of mpe2 1.1.1.
"""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hamlet.envs.base import Group, Outcome, View
from hamlet.envs.mpe import particles
from hamlet.envs.scene import Scene, disc, line
from hamlet.types import Key

AGENTS, LANDMARKS, WORDS = 2, 3, 10
WIDTH = 2 + 2 * LANDMARKS + 3 + WORDS


class ReferenceState(eqx.Module):
    """The positions, the landmark to which each agent must guide the other agent, and the steps so far."""

    position: Float[Array, "2 2"]
    velocity: Float[Array, "2 2"]
    landmark: Float[Array, "3 2"]
    goal: Int[Array, " 2"]
    time: Int[Array, ""]


@dataclass(frozen=True)
class SimpleReference:
    """Two agents guide each other to landmarks with words.

    Attributes:
        continuous: Whether an action is fifteen strengths in [0, 1] instead of one of fifty discrete actions.
        local_ratio: The weight in [0, 1] of the other agent's distance, against the mean distance of both agents.
        max_steps: The number of steps of an episode; at least 1.
    """

    continuous: bool = True
    local_ratio: float = 0.5
    max_steps: int = 25

    def __post_init__(self):
        particles.refuse_unless(0 <= self.local_ratio <= 1, f"local_ratio must be in [0, 1], got {self.local_ratio}")
        particles.refuse_unless(self.max_steps >= 1, f"max_steps must be at least 1, got {self.max_steps}")

    @property
    def groups(self) -> tuple[Group, ...]:
        """One group with both agents."""
        action = particles.actions(particles.MOVES, WORDS, self.continuous)
        return (Group(("agent_0", "agent_1"), particles.unbounded(WIDTH), action),)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The width of both observations, joined."""
        return (AGENTS * WIDTH,)

    def reset(self, key: Key) -> tuple[ReferenceState, View]:
        """Place agents (at rest) and landmarks uniformly in the square [−1, 1]²; sample the goals uniformly."""
        # One call samples everything: at small sizes a call of the generator costs more than its numbers.
        unit = jax.random.uniform(key, (AGENTS + LANDMARKS + 1, 2))
        place = 2 * unit[:-1] - 1
        goal = jnp.minimum((unit[-1] * LANDMARKS).astype(jnp.int32), LANDMARKS - 1)
        rest = jnp.zeros((AGENTS, 2), jnp.float32)
        state = ReferenceState(place[:AGENTS], rest, place[AGENTS:], goal, jnp.int32(0))
        return state, _view(state, jnp.zeros((AGENTS, WORDS), jnp.float32))

    def step(self, key: Key, state: ReferenceState, actions: tuple[Array, ...]) -> tuple[ReferenceState, View, Outcome]:
        """Take one step of 0.1 seconds."""
        del key
        if self.continuous:
            force = particles.pushed(actions[0][:, : particles.MOVES])
            words = jnp.clip(actions[0][:, particles.MOVES :], 0.0, 1.0)
        else:
            force = particles.chosen(actions[0] % particles.MOVES)
            words = (actions[0][:, None] // particles.MOVES == jnp.arange(WORDS)[None]).astype(jnp.float32)
        position, velocity = particles.moved(state.position, state.velocity, force)
        state = ReferenceState(position, velocity, state.landmark, state.goal, state.time + 1)
        outcome = Outcome(self._reward(state), jnp.zeros((), bool), state.time >= self.max_steps)
        return state, _view(state, words), outcome

    def scene(self, state: ReferenceState, actions: tuple[np.ndarray, ...] | None) -> Scene:
        """Draw landmarks as rings, agents as discs with the word that they say, and a line to each agent's goal."""
        words = ["", ""] if actions is None else [self._word(action) for action in actions[0]]
        agents = [
            disc(place, 0.08, number, text)
            for number, (place, text) in enumerate(zip(state.position, words, strict=True))
        ]
        # Each agent's goal is known to the other agent, so the order is reversed.
        wanted = state.landmark[state.goal[::-1]]
        ways = [
            line(here, there, 0.012, number)
            for number, (here, there) in enumerate(zip(state.position, wanted, strict=True))
        ]
        landmarks = [disc(place, particles.LANDMARK_RADIUS, "ground", hollow=True) for place in state.landmark]
        return Scene((*ways, *landmarks, *agents), particles.VIEW, caption="above an agent, the word it says")

    def _word(self, action: Any) -> str:
        if self.continuous:
            return particles.spoken(action[particles.MOVES :])
        return particles.spoken(np.arange(WORDS) == action // particles.MOVES)

    def _reward(self, state: ReferenceState) -> Float[Array, " 2"]:
        offset = state.position[::-1, None] - state.landmark[None]
        squared = jnp.where(_is_goal(state), jnp.square(offset).sum(-1), 0.0).sum(-1)
        distance = jnp.sqrt(squared)
        return -(1 - self.local_ratio) * distance.mean() - self.local_ratio * distance


def _is_goal(state: ReferenceState) -> Array:
    return state.goal[:, None] == jnp.arange(LANDMARKS)[None]


def _view(state: ReferenceState, words: Float[Array, "2 10"]) -> View:
    landmarks = state.landmark[None] - state.position[:, None]
    colour = jnp.where(_is_goal(state), jnp.float32(0.75), jnp.float32(0.25))
    observation = jnp.concatenate((state.velocity, landmarks.reshape(AGENTS, -1), colour, words[::-1]), -1)
    return View((observation,), observation.reshape(-1), (None,), None)
