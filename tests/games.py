"""Small games for tests, written as a user would write one."""

from dataclasses import dataclass, replace
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hamlet.envs.base import Group, Outcome, View
from hamlet.spaces import Box, Discrete, MultiDiscrete
from hamlet.streams import Stream
from hamlet.types import Key

INF = float("inf")


class MaskedState(eqx.Module):
    """Steps so far, what is hidden, when the mortal agent dies, how the episode ends."""

    time: Int[Array, ""]
    secret: Int[Array, ""]
    noise: Float[Array, " 4"]
    death: Int[Array, ""]
    terminates: Bool[Array, ""]


@dataclass(frozen=True)
class MaskedRecurrent:
    """Two kinds of agents that must remember: what counts is shown in the first step of an episode only.

    ``chooser_0`` and ``chooser_1`` pick one of three, of which one or two are available; ``mover_0`` acts in two
    dimensions. ``chooser_1`` dies in the middle. Half of the episodes terminate, the others are truncated.
    """

    terminated_after: int = 4
    truncated_after: int = 6

    @property
    def groups(self) -> tuple[Group, ...]:
        choosers = Group(("chooser_0", "chooser_1"), Box(-INF, INF, (6,)), Discrete(3))
        return choosers, Group(("mover_0",), Box(-INF, INF, (5,)), Box(-1.0, 1.0, (2,)))

    @property
    def state_shape(self) -> tuple[int, ...]:
        return (11,)

    def reset(self, key: Key) -> tuple[MaskedState, View]:
        keys = jax.random.split(key, 4)
        state = MaskedState(
            jnp.zeros((), jnp.int32),
            jax.random.randint(keys[0], (), 0, 3),
            jax.random.normal(keys[1], (4,)),
            jax.random.randint(keys[2], (), 1, 4),
            jax.random.bernoulli(keys[3]),
        )
        return state, self._view(state)

    def step(self, key: Key, state: MaskedState, actions: tuple[Array, ...]) -> tuple[MaskedState, View, Outcome]:
        choice, move = actions
        living = self._alive(state)
        right = (choice == state.secret).astype(jnp.float32)
        far = jnp.square(jnp.clip(move[0], -1.0, 1.0) - state.noise[:2] / 2).sum()
        reward = jnp.where(living, jnp.concatenate((right, -far[None])), 0.0)
        after = MaskedState(state.time + 1, state.secret, jax.random.normal(key, (4,)), state.death, state.terminates)
        terminated = after.terminates & (after.time >= self.terminated_after)
        truncated = ~after.terminates & (after.time >= self.truncated_after)
        return after, self._view(after), Outcome(reward, terminated, truncated)

    def _alive(self, state: MaskedState) -> Bool[Array, " 3"]:
        return jnp.stack((jnp.ones((), bool), state.time < state.death, jnp.ones((), bool)))

    def _view(self, state: MaskedState) -> View:
        shown = jnp.where(state.time == 0, jax.nn.one_hot(state.secret, 3), 0.0)
        clock = state.time[None] / 6.0
        first = jnp.concatenate((shown, state.noise[:2], clock))
        second = jnp.where(self._alive(state)[1], jnp.concatenate((shown, state.noise[2:], clock)), 0.0)
        mover = jnp.concatenate((state.noise, clock))
        forbidden = jnp.stack(((state.secret + 1 + state.time % 2) % 3, (state.secret + 2 - state.time % 2) % 3))
        available = jnp.arange(3)[None] != forbidden[:, None]
        whole = jnp.concatenate((mover, shown, state.death[None] / 3.0, clock, state.terminates[None].astype(float)))
        return View((jnp.stack((first, second)), mover[None]), whole, (available, None), self._alive(state))


class BitState(eqx.Module):
    """A bit for each agent, and the steps so far."""

    bits: Int[Array, " 2"]
    time: Int[Array, ""]


@dataclass(frozen=True)
class MatchBits:
    """Each of two unlike agents sees a bit; the team gets 1, half each, where both answer with their own.

    ``caller_0`` answers 0 or 1; ``pointer_0`` points above or below 0, from a wider observation. The best return is
    ``steps``.
    """

    steps: int = 5

    @property
    def groups(self) -> tuple[Group, ...]:
        caller = Group(("caller_0",), Box(-INF, INF, (2,)), Discrete(2))
        return caller, Group(("pointer_0",), Box(-INF, INF, (3,)), Box(-1.0, 1.0, (1,)))

    @property
    def state_shape(self) -> tuple[int, ...]:
        return (2,)

    def reset(self, key: Key) -> tuple[BitState, View]:
        state = BitState(jax.random.randint(key, (2,), 0, 2), jnp.zeros((), jnp.int32))
        return state, self._view(state)

    def step(self, key: Key, state: BitState, actions: tuple[Array, ...]) -> tuple[BitState, View, Outcome]:
        called = actions[0][0] == state.bits[0]
        pointed = (actions[1][0, 0] > 0) == (state.bits[1] == 1)
        reward = (called & pointed).astype(jnp.float32)
        after = BitState(jax.random.randint(key, (2,), 0, 2), state.time + 1)
        over = after.time >= self.steps
        return after, self._view(after), Outcome(jnp.stack((reward, reward)) / 2, jnp.zeros((), bool), over)

    def _view(self, state: BitState) -> View:
        bits = state.bits.astype(jnp.float32)
        caller = jax.nn.one_hot(state.bits[0], 2)
        pointer = jnp.concatenate((jax.nn.one_hot(state.bits[1], 2), jnp.ones(1)))
        return View((caller[None], pointer[None]), bits, (None, None), None)


class PotState(eqx.Module):
    """What is in the pot, and the steps so far."""

    seen: Float[Array, " 2"]
    time: Int[Array, ""]


@dataclass(frozen=True)
class Pot:
    """Two equal agents and a number; small, and with faults on demand.

    Attributes:
        constant_sum: Whether the one's gain is the other's loss.
        broken_above: A number seen that is larger than this makes rewards no number; 0 for never.
        steps: Of an episode.
    """

    constant_sum: bool = False
    broken_above: float = 0.0
    steps: int = 4

    @property
    def groups(self) -> tuple[Group, ...]:
        return (Group(("left", "right"), Box(-INF, INF, (2,)), Discrete(2)),)

    @property
    def state_shape(self) -> tuple[int, ...]:
        return (2,)

    def reset(self, key: Key) -> tuple[PotState, View]:
        state = PotState(jax.random.normal(key, (2,)), jnp.zeros((), jnp.int32))
        return state, self._view(state)

    def step(self, key: Key, state: PotState, actions: tuple[Array, ...]) -> tuple[PotState, View, Outcome]:
        gain = (actions[0] * 2 - 1) * state.seen
        reward = jnp.stack((gain[0] - gain[1], gain[1] - gain[0])) if self.constant_sum else gain
        after = PotState(jax.random.normal(key, (2,)), state.time + 1)
        if self.broken_above:
            reward = jnp.where(jnp.abs(state.seen).max() > self.broken_above, jnp.nan, reward)
        return after, self._view(after), Outcome(reward, jnp.zeros((), bool), after.time >= self.steps)

    def _view(self, state: PotState) -> View:
        return View((jnp.broadcast_to(state.seen[None], (2, 2)),), state.seen, (None,), None)


@dataclass(frozen=True)
class Toll(Pot):
    """The same, whose agents also pay 1 for each second choice, and learn from the reward less a share of that.

    Attributes:
        price: The share.
        uneven: Whether episodes end by chance before their last step.
    """

    price: float = 0.5
    uneven: bool = False

    streams: ClassVar[tuple[Stream, ...]] = (
        Stream("toll", critic="own", meaning="second choices", unit="choices"),
        Stream("steps", owner="team"),
        Stream("lesson", critic="reward", reported=False),
    )

    def step(self, key: Key, state: PotState, actions: tuple[Array, ...]) -> tuple[PotState, View, Outcome]:
        after, view, outcome = super().step(key, state, actions)
        toll = actions[0].astype(jnp.float32)
        paid = {"toll": toll, "steps": jnp.ones(1), "lesson": outcome.reward - self.price * toll}
        return after, view, replace(outcome, terminated=self.uneven & (after.seen[0] > 1), streams=paid)


class MeetState(eqx.Module):
    """Where the two are to meet."""

    goal: Float[Array, ""]


@dataclass(frozen=True)
class Meet:
    """Two agents whose numbers must add up to one that both see: 1 − (a + b − x)² for the team, in one step.

    The first acts within (−1, 1), the second within (0, 2).
    """

    @property
    def groups(self) -> tuple[Group, ...]:
        return (
            Group(("left",), Box(-1.0, 1.0, (1,)), Box(-1.0, 1.0, (1,))),
            Group(("right",), Box(-1.0, 1.0, (1,)), Box(0.0, 2.0, (1,))),
        )

    @property
    def state_shape(self) -> tuple[int, ...]:
        return (1,)

    def reset(self, key: Key) -> tuple[MeetState, View]:
        state = MeetState(jax.random.uniform(key, (), minval=-1.0, maxval=1.0))
        return state, self._view(state)

    def step(self, key: Key, state: MeetState, actions: tuple[Array, ...]) -> tuple[MeetState, View, Outcome]:
        gain = 1.0 - (actions[0][0, 0] + actions[1][0, 0] - state.goal) ** 2
        return state, self._view(state), Outcome(jnp.stack([gain, 0.0 * gain]), jnp.ones((), bool), jnp.zeros((), bool))

    def _view(self, state: MeetState) -> View:
        seen = state.goal[None, None]
        return View((seen, seen), seen[0], (None, None), None)


class LampState(eqx.Module):
    """The quadrant that is lit for each agent."""

    lit: Int[Array, " 2"]


@dataclass(frozen=True)
class Lamps:
    """Each of two agents sees an image in bytes, of which one quadrant is lit, and names it; ½ for each that is right.

    The place within the quadrant, the colour and the brightness are noise. The critic sees both images, channel by
    channel. An episode is one step.
    """

    side: int = 8

    @property
    def groups(self) -> tuple[Group, ...]:
        return (Group(("left", "right"), Box(0.0, 255.0, (self.side, self.side, 3)), Discrete(4)),)

    @property
    def state_shape(self) -> tuple[int, ...]:
        return (self.side, self.side, 6)

    def reset(self, key: Key) -> tuple[LampState, View]:
        lit_key, *keys = jax.random.split(key, 3)
        state = LampState(jax.random.randint(lit_key, (2,), 0, 4))
        images = jnp.stack([self._image(k, lit) for k, lit in zip(keys, state.lit, strict=True)])
        return state, View((images,), jnp.concatenate((images[0], images[1]), -1), (None,), None)

    def step(self, key: Key, state: LampState, actions: tuple[Array, ...]) -> tuple[LampState, View, Outcome]:
        reward = (actions[0] == state.lit) / 2.0
        return *self.reset(key), Outcome(reward, jnp.ones((), bool), jnp.zeros((), bool))

    def _image(self, key: Key, lit: Array) -> Array:
        half = self.side // 2
        keys = jax.random.split(key, 3)
        row, column = jax.random.randint(keys[0], (2,), 0, half - 1) + half * jnp.stack((lit // 2, lit % 2))
        dark = jax.random.randint(keys[1], (self.side, self.side, 3), 0, 40)
        spot = jax.random.randint(keys[2], (2, 2, 3), 120, 256)
        return jax.lax.dynamic_update_slice(dark, spot, (row, column, 0)).astype(jnp.uint8)


class LeverState(eqx.Module):
    """How the levers are to be set, and the steps so far."""

    wanted: Int[Array, " levers"]
    time: Int[Array, ""]


@dataclass(frozen=True)
class Levers:
    """Two unlike agents with several levers each: a third for the team for each that is set as is shown.

    ``pair_0`` has one of two positions and one of three, ``single_0`` one of four; each sees what it is to do.
    """

    steps: int = 5

    @property
    def groups(self) -> tuple[Group, ...]:
        pair = Group(("pair_0",), Box(0.0, 1.0, (2,)), MultiDiscrete((2, 3)))
        return pair, Group(("single_0",), Box(0.0, 1.0, (1,)), MultiDiscrete((4,)))

    @property
    def state_shape(self) -> tuple[int, ...]:
        return (3,)

    def reset(self, key: Key) -> tuple[LeverState, View]:
        state = LeverState(jax.random.randint(key, (3,), 0, jnp.array([2, 3, 4])), jnp.zeros((), jnp.int32))
        return state, self._view(state)

    def step(self, key: Key, state: LeverState, actions: tuple[Array, ...]) -> tuple[LeverState, View, Outcome]:
        right = jnp.concatenate((actions[0][0], actions[1][0])) == state.wanted
        reward = jnp.stack((right[:2].sum(), right[2:].sum())).astype(jnp.float32) / 3
        after = LeverState(self.reset(key)[0].wanted, state.time + 1)
        return after, self._view(after), Outcome(reward, jnp.zeros((), bool), after.time >= self.steps)

    def _view(self, state: LeverState) -> View:
        shown = state.wanted / jnp.array([1.0, 2.0, 3.0])
        return View((shown[None, :2], shown[None, 2:]), shown, (None, None), None)


@dataclass(frozen=True)
class Pairs:
    """The same with two agents alike: each has a lever of two positions and one of three, and sees what it is to do."""

    steps: int = 5

    @property
    def groups(self) -> tuple[Group, ...]:
        return (Group(("pair_0", "pair_1"), Box(0.0, 1.0, (2,)), MultiDiscrete((2, 3))),)

    @property
    def state_shape(self) -> tuple[int, ...]:
        return (4,)

    def reset(self, key: Key) -> tuple[LeverState, View]:
        wanted = jax.random.randint(key, (4,), 0, jnp.array([2, 3, 2, 3]))
        return LeverState(wanted, jnp.zeros((), jnp.int32)), self._view(wanted)

    def step(self, key: Key, state: LeverState, actions: tuple[Array, ...]) -> tuple[LeverState, View, Outcome]:
        right = (actions[0] == state.wanted.reshape(2, 2)).sum(-1)
        after = LeverState(self.reset(key)[0].wanted, state.time + 1)
        outcome = Outcome(right.astype(jnp.float32) / 4, jnp.zeros((), bool), after.time >= self.steps)
        return after, self._view(after.wanted), outcome

    def _view(self, wanted: Int[Array, " 4"]) -> View:
        shown = wanted / jnp.array([1.0, 2.0, 1.0, 2.0])
        return View((shown.reshape(2, 2),), shown, (None,), None)
