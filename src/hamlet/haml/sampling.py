"""Sampling distributions β: which data the learner receives."""

import math
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Array, Bool, Float, Int

from hamlet.errors import RequestError, require


@dataclass(frozen=True, kw_only=True)
class OnPolicy:
    """Fresh rollouts of the current joint policy.

    Attributes:
        replays: Whether it learns from what was played before.
        counted_in: What a batch consists of, in messages.
        copies: E, environment copies stepped together.
        steps: T, steps of each copy in one rollout.
        chunk: L, steps of one training sequence; used where the actors have memory, else sequences are single steps.
    """

    replays: ClassVar[bool] = False
    counted_in: ClassVar[str] = "sequences"
    copies: int = 20
    steps: int = 200
    chunk: int = 10

    def __post_init__(self) -> None:
        """Refuse what cannot be sampled."""
        for name, flag in (("copies", "num-envs"), ("steps", "rollout-length"), ("chunk", "sequence-length")):
            require(getattr(self, name) >= 1, f"--{flag} must be at least 1, not {getattr(self, name)}")

    @property
    def batch(self) -> int:
        """Environment steps of one rollout."""
        return self.copies * self.steps

    def most_parts(self, agents: int, *, memory: int) -> int:
        """In how many parts a batch can be learnt from: its sequences, with so many agents of one unit."""
        return self.batch // self.length(memory=memory) * agents

    @property
    def steps_learnt(self) -> int:
        """Steps that one update learns from."""
        return self.batch

    @property
    def steps_remembered(self) -> int:
        """Steps of all copies that are remembered: none."""
        return 0

    def weight(self, occupancy: Float[Array, " S"]) -> Float[Array, " S"]:
        """β over the states of a finite game, from ρ, how often each is met: on-policy it is ρ made to sum to 1.

        It counts where a neighbourhood ties states together; what is best in one state depends on no other's weight.
        """
        return occupancy / occupancy.sum()

    def warm(self, iteration: Int[Array, ""]) -> None:
        """Never: nothing is played at random first."""

    def length(self, *, memory: int) -> int:
        """L for actors with a memory of this width.

        Raises:
            RequestError: If chunks do not divide the rollout.
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
    """Uniform samples of what was played so far, by whatever policy, from a ring that forgets the oldest.

    Every iteration plays ``steps`` steps of every copy and then makes ``updates`` updates, each from ``samples`` steps.

    Attributes:
        replays: Whether it learns from what was played before.
        counted_in: What a batch consists of, in messages.
        copies: E, environment copies stepped together.
        steps: T, steps of each copy between updates.
        capacity: Environment steps remembered, rounded up to whole iterations.
        samples: Environment steps of one update, drawn with replacement.
        updates: Updates of the critic in an iteration.
        delay: Updates of the critic for one of the actors and of the targets.
        warmup: Environment steps that are played at random before the first update, rounded up to whole iterations.
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
        """Refuse what cannot be sampled."""
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
        """Environment steps of one iteration."""
        return self.copies * self.steps

    def most_parts(self, agents: int, *, memory: int) -> int:
        """In how many parts a batch can be learnt from: what is drawn for an update."""
        return self.samples

    @property
    def steps_learnt(self) -> int:
        """Steps that one update learns from."""
        return self.samples

    @property
    def steps_remembered(self) -> int:
        """Steps of all copies that are remembered."""
        return self.capacity

    @property
    def least(self) -> int:
        """The smallest capacity with which a run can be asked for: a batch, and a rollout."""
        return max(self.samples, self.batch)

    def holding(self, steps: int) -> int:
        """The capacity, as it is asked for, of a ring of so many steps."""
        return steps

    @property
    def rows(self) -> int:
        """Steps of each copy that are remembered: a multiple of T."""
        return max(1, math.ceil(self.capacity / self.batch)) * self.steps

    def warm(self, iteration: Int[Array, ""]) -> Bool[Array, ""]:
        """Whether an iteration is still played at random."""
        return iteration < math.ceil(self.warmup / self.batch)

    def length(self, *, memory: int) -> int:
        """1: single steps.

        Raises:
            RequestError: If there is a memory, which single steps cannot train.
        """
        require(not memory, "--rnn-size needs whole sequences, and a replay buffer holds single steps: use 0")
        return 1

    def weight(self, occupancy: Float[Array, " S"]) -> Float[Array, " S"]:
        """β over the states of a finite game: what a buffer of the current policy's play alone would hold."""
        return occupancy / occupancy.sum()


@dataclass(frozen=True, kw_only=True)
class EpisodeReplay:
    """Uniform samples of whole episodes among the last so many, by whatever policy.

    Every iteration plays ``steps`` steps of every copy and then makes ``updates`` updates, each from ``samples``
    episodes. An episode longer than ``longest`` is remembered in pieces, each of which is learnt from by itself.

    Attributes:
        replays: Whether it learns from what was played before.
        counted_in: What a batch consists of, in messages.
        copies: E, environment copies stepped together.
        steps: T, steps of each copy between updates.
        longest: L, steps of the longest episode.
        capacity: Episodes remembered.
        samples: Episodes of one update, drawn with replacement.
        updates: Updates in an iteration, once there are as many episodes as are to be drawn.
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
        """Refuse what cannot be sampled."""
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
        """Environment steps of one iteration."""
        return self.copies * self.steps

    @property
    def delay(self) -> int:
        """1: everything that is learnt moves at every update."""
        return 1

    def most_parts(self, agents: int, *, memory: int) -> int:
        """In how many parts a batch can be learnt from: what is drawn for an update."""
        return self.samples

    @property
    def steps_learnt(self) -> int:
        """Steps that one update learns from."""
        return self.samples * self.longest

    @property
    def steps_remembered(self) -> int:
        """Steps of all copies that are remembered."""
        return self.copies * self.rows

    @property
    def least(self) -> int:
        """The smallest capacity with which a run can be asked for, in episodes: a batch."""
        return self.samples

    def holding(self, steps: int) -> int:
        """The capacity, as it is asked for, of the ring that it has: episodes."""
        return self.capacity

    @property
    def rows(self) -> int:
        """Steps of each copy that are remembered, a multiple of T, in which the last episodes always lie.

        Every copy ends a piece at least every L steps, so that the last ``capacity`` of them have ended within
        L ⌈capacity / E⌉ steps, and begun within L more.
        """
        return math.ceil((math.ceil(self.capacity / self.copies) + 1) * self.longest / self.steps) * self.steps

    def warm(self, iteration: Int[Array, ""]) -> None:
        """Never: the agents' own exploration begins as even as is asked for."""

    def length(self, *, memory: int) -> int:
        """T: a rollout is one piece, as no memory within it is kept."""
        return self.steps
