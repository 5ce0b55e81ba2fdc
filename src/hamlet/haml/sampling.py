"""Sampling distributions β: which data the learner receives."""

from dataclasses import dataclass

from jaxtyping import Array, Float

from hamlet.errors import RequestError, require


@dataclass(frozen=True, kw_only=True)
class OnPolicy:
    """Fresh rollouts of the current joint policy.

    Attributes:
        copies: E, environment copies stepped together.
        steps: T, steps of each copy in one rollout.
        chunk: L, steps of one training sequence; used where the actors have memory, else sequences are single steps.
    """

    copies: int = 20
    steps: int = 200
    chunk: int = 10

    def __post_init__(self) -> None:
        """Refuse what cannot be sampled."""
        for name, flag in (("copies", "copies"), ("steps", "steps-per-rollout"), ("chunk", "chunk")):
            require(getattr(self, name) >= 1, f"--{flag} must be at least 1, not {getattr(self, name)}")

    @property
    def batch(self) -> int:
        """Environment steps of one rollout."""
        return self.copies * self.steps

    def weight(self, occupancy: Float[Array, " S"]) -> Float[Array, " S"]:
        """β over the states of a finite game, from ρ, how often each is met: on-policy it is ρ made to sum to 1.

        It counts where a neighbourhood ties states together; what is best in one state depends on no other's weight.
        """
        return occupancy / occupancy.sum()

    def length(self, *, memory: int) -> int:
        """L for actors with a memory of this width.

        Raises:
            RequestError: If chunks do not divide the rollout.
        """
        if not memory:
            return 1
        if self.steps % self.chunk:
            near = max(d for d in range(1, self.chunk + 1) if self.steps % d == 0)
            raise RequestError(f"--chunk {self.chunk} does not divide --steps-per-rollout {self.steps}; try {near}")
        return self.chunk
