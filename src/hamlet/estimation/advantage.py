"""Advantages: from a rollout and its values to what each agent is credited with."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from hamlet.errors import require
from hamlet.estimation.critic import Estimate, StateValue
from hamlet.estimation.returns import gae
from hamlet.estimation.trajectory import Trajectory, whole
from hamlet.streams import REWARD, Stream


class Advantage(Protocol):
    """From a rollout and its values to what each agent is credited with.

    Attributes:
        needs: The kind of critic that it asks. What a critic is told of the policies that sampled is its own affair.
    """

    needs: ClassVar[type]

    @property
    def discount(self) -> float:
        """γ in [0, 1]."""
        ...

    def __call__(
        self, trajectory: Trajectory, estimate: Any, critic: Any, stream: Stream = REWARD
    ) -> tuple[Float[Array, "C L E _V"], Float[Array, "C L E V"]]:
        """Advantages, of the team or of each agent, and the returns that the critic is fitted to, value by value.

        Args:
            trajectory: A rollout.
            estimate: Values of the stream along it, as the critic estimates them.
            critic: Who estimated them; it says whose they are.
            stream: Of what was paid; the reward is what is learnt from.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Gae:
    """Generalised advantage estimation, value by value (`hamlet.estimation.returns.gae`).

    Attributes:
        discount: γ in [0, 1].
        lambda_: λ in [0, 1].
    """

    needs: ClassVar[type] = StateValue
    discount: float = 0.99
    lambda_: float = 0.95

    def __post_init__(self) -> None:
        """Refuse what is no weight."""
        require(0 <= self.discount <= 1, f"--discount must lie in [0, 1], not at {self.discount}")
        require(0 <= self.lambda_ <= 1, f"--gae-lambda must lie in [0, 1], not at {self.lambda_}")

    def __call__(
        self, trajectory: Trajectory, estimate: Estimate, critic: StateValue, stream: Stream = REWARD
    ) -> tuple[Float[Array, "C L E V"], Float[Array, "C L E V"]]:
        """Advantages in a stream, and the returns Â + v that the critic is fitted to."""
        shape = estimate.value.shape
        last, cut = (jnp.broadcast_to(x, shape) for x in ends(trajectory, own=critic.credits == "own"))
        discount = jnp.where(last, 0.0, self.discount)
        paid = critic.paid(trajectory, shape[-1], stream)
        along = [whole(x)[0] for x in (paid, estimate.value, estimate.next_value, discount, cut)]

        def one(*x):
            return gae(*x, lambda_=self.lambda_)

        advantage = jax.vmap(jax.vmap(one, 1, 1), 1, 1)(*along).reshape(shape)
        return advantage, advantage + estimate.value


@dataclass(frozen=True, kw_only=True)
class NStep:
    """Returns of n steps and what follows them, for action values fitted to replayed steps.

        Rₜ = Σ_{k<m} γᵏ rₜ₊ₖ + γᵐ (1 − terminated) Q̂(sₜ₊ₘ, ·),    m ≤ n, up to the episode's end or the newest step.

    No correction is made for that later actions of the window were another policy's: a bias that grows with n.

    Attributes:
        discount: γ in [0, 1].
        steps: n ≥ 1.
    """

    discount: float = 0.99
    steps: int = 1

    def __post_init__(self) -> None:
        """Refuse what is no weight, and windows of nothing."""
        require(0 <= self.discount <= 1, f"--discount must lie in [0, 1], not at {self.discount}")
        require(self.steps >= 1, f"--n-step must be at least 1, not {self.steps}")


def ends(trajectory: Trajectory, *, own: bool) -> tuple[Bool[Array, "C L E _V"], Bool[Array, "C L E _V"]]:
    """Where nothing follows for a value, and where its recursion ends.

    For the team both are of the episode. For what an agent itself is paid: it has terminated where it is no longer
    alive and was not cut, and where it was cut its value bootstraps from its final view, whatever became of the others.
    """
    terminated, cut = trajectory.terminated[..., None], (trajectory.terminated | trajectory.truncated)[..., None]
    if not own:
        return terminated, cut
    if trajectory.arrival.alive is not None:
        terminated = terminated | ~trajectory.arrival.alive
    if trajectory.cut is not None:
        terminated, cut = terminated & ~trajectory.cut, cut | trajectory.cut
    return terminated, cut
