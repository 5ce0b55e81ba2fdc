"""Simple speaker and listener: one agent knows the goal and cannot move; the other agent moves and cannot speak.

    r = − |x − y(goal)|²      for both agents.

r is the reward, x the position of the listener, and y the positions of the three landmarks.

The speaker observes the colour of the goal (3 numbers) and says one of three words. The listener observes its velocity,
the landmarks relative to itself, and the words spoken in this step (11 numbers), and moves. The episode is truncated
after ``max_steps`` and never terminates.

Reference: Lowe et al., 2017, arXiv:1706.02275; equal to ``simple_speaker_listener_v4`` of mpe2 1.1.1.
"""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hamlet.envs.base import Group, KnownReturns, Outcome, View
from hamlet.envs.mpe import particles
from hamlet.envs.scene import Circle, Scene, disc, line
from hamlet.types import Key

LANDMARKS, WORDS = 3, 3
SEEN = 2 + 2 * LANDMARKS + WORDS
# Upper bounds of the mean return over first states, for episodes of ``_STEPS`` steps, with continuous and with discrete
# actions. A listener that knows its goal from the start reaches them. `hamlet.bench.learning.optimum` derives them.
_STEPS, _BOUND = 25, {True: -11.44, False: -14.57}


class SpeakerListenerState(eqx.Module):
    """The positions of the listener and the landmarks, the landmark to reach, and the steps so far."""

    position: Float[Array, "1 2"]
    velocity: Float[Array, "1 2"]
    landmark: Float[Array, "3 2"]
    goal: Int[Array, ""]
    time: Int[Array, ""]


@dataclass(frozen=True)
class SimpleSpeakerListener:
    """A speaker tells a listener which landmark it must reach.

    Attributes:
        continuous: Whether actions are strengths in [0, 1], for three words or five moves, instead of one of them.
        max_steps: The number of steps of an episode; at least 1.
    """

    continuous: bool = True
    max_steps: int = 25

    def __post_init__(self):
        particles.refuse_unless(self.max_steps >= 1, f"max_steps must be at least 1, got {self.max_steps}")

    @property
    def groups(self) -> tuple[Group, ...]:
        """The speaker and the listener, in one group each."""
        speaker = Group(("speaker_0",), particles.unbounded(3), particles.actions(0, WORDS, self.continuous))
        moves = particles.actions(particles.MOVES, 0, self.continuous)
        return speaker, Group(("listener_0",), particles.unbounded(SEEN), moves)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The width of both observations, joined."""
        return (3 + SEEN,)

    @property
    def known_returns(self) -> KnownReturns | None:
        """The upper bound for episodes of 25 steps; None for other lengths."""
        return KnownReturns(_BOUND[self.continuous]) if self.max_steps == _STEPS else None

    def reset(self, key: Key) -> tuple[SpeakerListenerState, View]:
        """Place listener (at rest) and landmarks uniformly in the square [−1, 1]²; sample the goal uniformly."""
        # One call samples everything: at small sizes a call of the generator costs more than its numbers.
        unit = jax.random.uniform(key, (1 + LANDMARKS + 1, 2))
        place = 2 * unit[:-1] - 1
        goal = jnp.minimum((unit[-1, 0] * LANDMARKS).astype(jnp.int32), LANDMARKS - 1)
        state = SpeakerListenerState(place[:1], jnp.zeros((1, 2), jnp.float32), place[1:], goal, jnp.int32(0))
        return state, _view(state, jnp.zeros((WORDS,), jnp.float32))

    def step(
        self, key: Key, state: SpeakerListenerState, actions: tuple[Array, ...]
    ) -> tuple[SpeakerListenerState, View, Outcome]:
        """Take one step of 0.1 seconds."""
        del key
        spoken, move = actions
        if self.continuous:
            words, force = jnp.clip(spoken[0], 0.0, 1.0), particles.pushed(move)
        else:
            words, force = (spoken == jnp.arange(WORDS)).astype(jnp.float32), particles.chosen(move)
        position, velocity = particles.moved(state.position, state.velocity, force)
        state = SpeakerListenerState(position, velocity, state.landmark, state.goal, state.time + 1)
        outcome = Outcome(_reward(state), jnp.zeros((), bool), state.time >= self.max_steps)
        return state, _view(state, words), outcome

    def scene(self, state: SpeakerListenerState, actions: tuple[np.ndarray, ...] | None) -> Scene:
        """Draw landmarks as rings, the listener with a line to its goal, and the speaker in a corner with its word."""
        if actions is None:
            return _scene(state, "")
        word = actions[0][0] if self.continuous else np.arange(WORDS) == actions[0][0]
        return _scene(state, particles.spoken(word))


def _scene(state: SpeakerListenerState, word: str) -> Scene:
    here, goal = state.position[0], state.landmark[state.goal]
    landmarks = [disc(place, particles.LANDMARK_RADIUS, "ground", hollow=True) for place in state.landmark]
    speaker = Circle(-1.1, 1.1, 0.075, 0, word)
    listener = disc(here, 0.075, 1)
    way = line(here, goal, 0.012, 1)
    return Scene((way, *landmarks, speaker, listener), particles.VIEW, caption="above the speaker, the word it says")


def _is_goal(state: SpeakerListenerState) -> Array:
    return state.goal == jnp.arange(LANDMARKS)


def _reward(state: SpeakerListenerState) -> Float[Array, " 2"]:
    squared = jnp.square(state.position - state.landmark).sum(-1)
    return jnp.broadcast_to(-jnp.where(_is_goal(state), squared, 0.0).sum(), (2,))


def _view(state: SpeakerListenerState, words: Float[Array, " 3"]) -> View:
    colour = jnp.where(_is_goal(state), jnp.float32(0.65), jnp.float32(0.15))
    landmarks = (state.landmark - state.position).reshape(-1)
    heard = jnp.concatenate((state.velocity[0], landmarks, words))
    return View((colour[None], heard[None]), jnp.concatenate((colour, heard)), (None, None), None)
