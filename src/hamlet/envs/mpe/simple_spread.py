"""Simple spread: N agents cover N landmarks and avoid collisions.

    rᵢ = (1 − ρ) · (− Σₗ minⱼ |xⱼ − yₗ|) + ρ · (− number of agents that i touches).

rᵢ is agent i's reward, xⱼ the position of agent j, yₗ the position of landmark l, and ρ the local ratio.

An observation has 6 N numbers: the agent's velocity and position, the landmarks and the other agents relative to the
agent, and two words from each other agent, which are always zero. The episode is truncated after ``max_steps`` and
never terminates.

Reference: Lowe et al., 2017, arXiv:1706.02275; equal to ``simple_spread_v3`` of mpe2 1.1.1.
"""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hamlet.envs.base import Group, Outcome, View
from hamlet.envs.mpe import particles
from hamlet.envs.scene import Scene, disc
from hamlet.types import Key

RADIUS = 0.15


class SpreadState(eqx.Module):
    """All positions and velocities, and the steps so far."""

    position: Float[Array, "N 2"]
    velocity: Float[Array, "N 2"]
    landmark: Float[Array, "N 2"]
    time: Int[Array, ""]


@dataclass(frozen=True)
class SimpleSpread:
    """N agents cover N landmarks and avoid collisions.

    Attributes:
        agents: The number of agents, and of landmarks; at least 1.
        continuous: Whether an action is five strengths in [0, 1] instead of one of five moves.
        local_ratio: The weight in [0, 1] of an agent's own collisions, against the shared distances.
        max_steps: The number of steps of an episode; at least 1.
    """

    agents: int = 3
    continuous: bool = True
    local_ratio: float = 0.5
    max_steps: int = 25

    def __post_init__(self):
        particles.refuse_unless(self.agents >= 1, f"agents must be at least 1, got {self.agents}")
        particles.refuse_unless(0 <= self.local_ratio <= 1, f"local_ratio must be in [0, 1], got {self.local_ratio}")
        particles.refuse_unless(self.max_steps >= 1, f"max_steps must be at least 1, got {self.max_steps}")

    @property
    def groups(self) -> tuple[Group, ...]:
        """One group with all agents."""
        names = tuple(f"agent_{i}" for i in range(self.agents))
        action = particles.actions(particles.MOVES, 0, self.continuous)
        return (Group(names, particles.unbounded(6 * self.agents), action),)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The width of all observations, joined."""
        return (6 * self.agents * self.agents,)

    def reset(self, key: Key) -> tuple[SpreadState, View]:
        """Place agents (at rest) and landmarks uniformly in the square [−1, 1]²."""
        place = jax.random.uniform(key, (2, self.agents, 2), minval=-1.0, maxval=1.0)
        state = SpreadState(place[0], jnp.zeros_like(place[0]), place[1], jnp.int32(0))
        return state, self._view(state)

    def step(self, key: Key, state: SpreadState, actions: tuple[Array, ...]) -> tuple[SpreadState, View, Outcome]:
        """Take one step of 0.1 seconds."""
        del key
        advance = particles.copies_last(self._advance)
        position, velocity, reward = advance(state.position, state.velocity, state.landmark, actions[0])
        state = SpreadState(position, velocity, state.landmark, state.time + 1)
        outcome = Outcome(reward, jnp.zeros((), bool), state.time >= self.max_steps)
        return state, self._view(state), outcome

    def scene(self, state: SpreadState, actions: tuple[np.ndarray, ...] | None) -> Scene:
        """Draw landmarks as rings and agents as discs."""
        del actions
        landmarks = [disc(place, particles.LANDMARK_RADIUS, "ground", hollow=True) for place in state.landmark]
        agents = [disc(place, RADIUS, number) for number, place in enumerate(state.position)]
        return Scene((*agents, *landmarks), particles.VIEW)

    def _advance(
        self,
        position: Float[Array, "N 2 *E"],
        velocity: Float[Array, "N 2 *E"],
        landmark: Float[Array, "N 2 *E"],
        action: Array,
    ) -> tuple[Float[Array, "N 2 *E"], Float[Array, "N 2 *E"], Float[Array, " N *E"]]:
        push = particles.pushed(action) if self.continuous else particles.chosen(action)
        force = push + particles.contact(position, RADIUS)
        position, velocity = particles.moved(position, velocity, force)
        return position, velocity, self._reward(position, landmark)

    def _reward(self, position: Float[Array, "N 2 *E"], landmark: Float[Array, "N 2 *E"]) -> Float[Array, " N *E"]:
        apart = particles.squared_distances(position, position)
        # The count includes the agent itself, so one is subtracted.
        touched = (apart < (2 * RADIUS) ** 2).sum(1).astype(jnp.float32) - 1.0
        uncovered = jnp.sqrt(particles.squared_distances(position, landmark).min(0)).sum(0)
        return -(1 - self.local_ratio) * uncovered[None] - self.local_ratio * touched

    def _view(self, state: SpreadState) -> View:
        position, count = state.position, self.agents
        # Agent i's list of other agents omits i: entry k is agent k for k < i, and agent k + 1 otherwise.
        before = jnp.arange(count - 1)[None, :, None] < jnp.arange(count)[:, None, None]
        others = jnp.where(before, position[None, :-1], position[None, 1:]) - position[:, None]
        landmarks = state.landmark[None] - position[:, None]
        silence = jnp.zeros((count, 2 * (count - 1)))
        parts = (state.velocity, position, landmarks.reshape(count, -1), others.reshape(count, -1), silence)
        observation = jnp.concatenate(parts, -1)
        return View((observation,), observation.reshape(-1), (None,), None)
