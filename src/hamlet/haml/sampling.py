"""Sampling distributions β: the data from which a learner learns."""

import math
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Array, Bool, Float, Int

from hamlet.errors import RequestError, require


@dataclass(frozen=True, kw_only=True)
class OnPolicy:
    """On-policy rollouts of the current joint policy.

    Attributes:
        replays: Whether the data come from a replay buffer.
        counted_in: The name of the elements of a batch, for messages.
        copies: Number E of parallel copies of the environment.
        steps: Number T of steps of each copy in one rollout.
        chunk: Length L of the training sequences of recurrent actors, in steps. Without recurrence, L is 1.
    """

    replays: ClassVar[bool] = False
    counted_in: ClassVar[str] = "sequences"
    copies: int = 20
    steps: int = 200
    chunk: int = 10

    def __post_init__(self) -> None:
        """Check the settings."""
        for name, flag in (("copies", "num-envs"), ("steps", "rollout-length"), ("chunk", "sequence-length")):
            require(getattr(self, name) >= 1, f"--{flag} must be at least 1, not {getattr(self, name)}")

    @property
    def batch(self) -> int:
        """Return the number of environment steps in one rollout."""
        return self.copies * self.steps

    def most_parts(self, agents: int, *, memory: int) -> int:
        """Return the maximum number of parts of a batch: its sequences times the agents of a unit."""
        return self.batch // self.length(memory=memory) * agents

    @property
    def steps_learnt(self) -> int:
        """Return the number of steps that one update learns from."""
        return self.batch

    @property
    def steps_remembered(self) -> int:
        """Return the number of stored steps of all copies: 0."""
        return 0

    def weight(self, occupancy: Float[Array, " S"]) -> Float[Array, " S"]:
        """Return β over the states of a finite game: the occupancy ρ of the states, normalised to sum 1.

        β matters only if a neighbourhood couples the states. Otherwise the best policy in a state does not depend on
        the weights.
        """
        return occupancy / occupancy.sum()

    def warm(self, iteration: Int[Array, ""]) -> None:
        """Return None: there is no warm-up with random actions."""

    def length(self, *, memory: int) -> int:
        """Return the sequence length L for actors whose GRU has width ``memory`` (0 for none).

        Raises:
            RequestError: If the sequence length does not divide the rollout length.
        """
        if not memory:
            return 1
        if self.steps % self.chunk:
            near = max(d for d in range(1, self.chunk + 1) if self.steps % d == 0)
            raise RequestError(
                f"--sequence-length {self.chunk} does not divide --rollout-length {self.steps}; try {near}"
            )
        return self.chunk


@dataclass(frozen=True, kw_only=True)
class ReplaySampling:
    """Uniform samples from a replay buffer of steps; when it is full, new steps replace the oldest ones.

    In every iteration each environment copy makes ``steps`` steps. Then ``updates`` updates follow, each with
    ``samples`` steps.

    Attributes:
        replays: Whether the data come from a replay buffer.
        counted_in: The name of the elements of a batch, for messages.
        copies: Number E of parallel copies of the environment.
        steps: Number T of steps of each copy between updates.
        capacity: Capacity of the buffer in environment steps, rounded up to whole iterations.
        samples: Environment steps in the batch of one update, sampled with replacement.
        updates: Critic updates in an iteration.
        delay: Critic updates for one update of the actors and targets.
        warmup: Environment steps with random actions before the first update, rounded up to whole iterations.
    """

    replays: ClassVar[bool] = True
    counted_in: ClassVar[str] = "samples"
    copies: int = 20
    steps: int = 50
    capacity: int = 1_000_000
    samples: int = 1000
    updates: int = 50
    delay: int = 1
    warmup: int = 10_000

    def __post_init__(self) -> None:
        """Check the settings."""
        names = ("copies", "steps", "samples", "updates", "delay")
        flags = ("num-envs", "rollout-length", "batch-size", "updates-per-rollout", "policy-delay")
        for name, flag in zip(names, flags, strict=True):
            require(getattr(self, name) >= 1, f"--{flag} must be at least 1, not {getattr(self, name)}")
        require(self.warmup >= 0, f"--warmup must not be negative: {self.warmup}")
        require(
            self.capacity >= self.samples,
            f"--buffer-size {self.capacity} is smaller than a batch of {self.samples}: "
            f"the least is --buffer-size {self.samples}",
        )

    @property
    def batch(self) -> int:
        """Return the number of environment steps in one iteration."""
        return self.copies * self.steps

    def most_parts(self, agents: int, *, memory: int) -> int:
        """Return the maximum number of parts of a batch: the number of its samples."""
        return self.samples

    @property
    def steps_learnt(self) -> int:
        """Return the number of steps that one update learns from."""
        return self.samples

    @property
    def steps_remembered(self) -> int:
        """Return the number of stored steps of all copies."""
        return self.capacity

    @property
    def least(self) -> int:
        """Return the smallest possible capacity in steps: the larger of a batch and a rollout."""
        return max(self.samples, self.batch)

    def holding(self, steps: int) -> int:
        """Return the value of ``capacity`` for a buffer with that number of steps."""
        return steps

    @property
    def rows(self) -> int:
        """Return the number of stored steps of each copy, a multiple of T."""
        return max(1, math.ceil(self.capacity / self.batch)) * self.steps

    def warm(self, iteration: Int[Array, ""]) -> Bool[Array, ""]:
        """Check whether an iteration is part of the warm-up with random actions."""
        return iteration < math.ceil(self.warmup / self.batch)

    def length(self, *, memory: int) -> int:
        """Return the sequence length, 1.

        Raises:
            RequestError: If the networks are recurrent, because single steps cannot train a GRU.
        """
        require(
            not memory, "--rnn-size needs whole sequences, but the replay buffer stores single steps: use --rnn-size 0"
        )
        return 1

    def weight(self, occupancy: Float[Array, " S"]) -> Float[Array, " S"]:
        """Return β over the states of a finite game, as if the buffer held only steps of the current policy."""
        return occupancy / occupancy.sum()


@dataclass(frozen=True, kw_only=True)
class EpisodeReplay:
    """Uniform samples of whole episodes from a replay buffer of the last ``capacity`` episodes.

    In every iteration each environment copy makes ``steps`` steps. Then ``updates`` updates follow, each with
    ``samples`` episodes. An episode longer than ``longest`` is stored in pieces, which are independent samples.

    Attributes:
        replays: Whether the data come from a replay buffer.
        counted_in: The name of the elements of a batch, for messages.
        copies: Number E of parallel copies of the environment.
        steps: Number T of steps of each copy between updates.
        longest: Maximum number L of steps of a stored episode.
        capacity: Capacity of the buffer in episodes.
        samples: Episodes in the batch of one update, sampled with replacement.
        updates: Updates in an iteration. They start when the buffer holds ``samples`` episodes.
    """

    replays: ClassVar[bool] = True
    counted_in: ClassVar[str] = "samples"
    copies: int = 8
    steps: int = 25
    longest: int = 25
    capacity: int = 5000
    samples: int = 32
    updates: int = 1

    def __post_init__(self) -> None:
        """Check the settings."""
        names = ("copies", "steps", "longest", "samples", "updates")
        flags = ("num-envs", "rollout-length", "episode-length", "batch-size", "updates-per-rollout")
        for name, flag in zip(names, flags, strict=True):
            require(getattr(self, name) >= 1, f"--{flag} must be at least 1, not {getattr(self, name)}")
        require(
            self.capacity >= self.samples,
            f"--buffer-size {self.capacity} is smaller than a batch of {self.samples} episodes: "
            f"the least is --buffer-size {self.samples}",
        )

    @property
    def batch(self) -> int:
        """Return the number of environment steps in one iteration."""
        return self.copies * self.steps

    @property
    def delay(self) -> int:
        """Return 1: every update changes all networks."""
        return 1

    def most_parts(self, agents: int, *, memory: int) -> int:
        """Return the maximum number of parts of a batch: the number of its episodes."""
        return self.samples

    @property
    def steps_learnt(self) -> int:
        """Return the maximum number of steps that one update learns from."""
        return self.samples * self.longest

    @property
    def steps_remembered(self) -> int:
        """Return the number of stored steps of all copies."""
        return self.copies * self.rows

    @property
    def least(self) -> int:
        """Return the smallest possible capacity in episodes: a batch."""
        return self.samples

    def holding(self, steps: int) -> int:
        """Return the value of ``capacity``, in episodes."""
        return self.capacity

    @property
    def rows(self) -> int:
        """Return the number of stored steps of each copy, a multiple of T that always contains the last episodes.

        Every copy ends a piece at least every L steps. The last ``capacity`` pieces of all copies therefore ended
        within the last L ⌈capacity / E⌉ steps and started at most L steps earlier.
        """
        return math.ceil((math.ceil(self.capacity / self.copies) + 1) * self.longest / self.steps) * self.steps

    def warm(self, iteration: Int[Array, ""]) -> None:
        """Return None: there is no warm-up, because the agents' own exploration can start uniformly."""

    def length(self, *, memory: int) -> int:
        """Return the sequence length T: a rollout is one sequence, because no GRU state within it is stored."""
        return self.steps
