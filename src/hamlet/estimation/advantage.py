"""Advantages: how much better a rollout was for each agent than the critic predicted."""

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
    """A method to compute advantages from a rollout and a critic's values.

    Attributes:
        needs: The kind of critic that the method requires. The critic itself determines what it needs to know about the
            policies that sampled the rollout.
    """

    needs: ClassVar[type]

    @property
    def discount(self) -> float:
        """Return γ in [0, 1]."""
        ...

    def __call__(
        self, trajectory: Trajectory, estimate: Any, critic: Any, stream: Stream = REWARD
    ) -> tuple[Float[Array, "C L E _V"], Float[Array, "C L E V"]]:
        """Return the advantages, of the team or of each agent, and the returns to which each value is fitted.

        Args:
            trajectory: A rollout.
            estimate: The critic's values of the stream along the rollout.
            critic: The critic; it determines whether values belong to the team or to each agent.
            stream: The stream whose advantages are computed; by default the reward, which agents learn from.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Gae:
    """Generalised advantage estimation, value by value (`hamlet.estimation.returns.gae`).

    Attributes:
        discount: γ in [0, 1], the discount.
        lambda_: λ in [0, 1]; 0 is one-step temporal difference, 1 is Monte Carlo.
    """

    needs: ClassVar[type] = StateValue
    discount: float = 0.99
    lambda_: float = 0.95

    def __post_init__(self) -> None:
        """Refuse a γ or λ outside [0, 1]."""
        require(0 <= self.discount <= 1, f"--discount must be in [0, 1], got {self.discount}")
        require(0 <= self.lambda_ <= 1, f"--gae-lambda must be in [0, 1], got {self.lambda_}")

    def __call__(
        self, trajectory: Trajectory, estimate: Estimate, critic: StateValue, stream: Stream = REWARD
    ) -> tuple[Float[Array, "C L E V"], Float[Array, "C L E V"]]:
        """Return the advantages Â of a stream, and the returns Â + v to which the critic's values v are fitted."""
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
    """n-step returns with a bootstrap value, for action values that are fitted to replayed steps.

        Rₜ = Σ_{k<m} γᵏ rₜ₊ₖ + γᵐ (1 − terminated) Q̂(sₜ₊ₘ, ·),    m ≤ n, up to the episode's end or the newest step.

    r is the reward, γ the discount, s the state, and Q̂ the target network. An older policy chose the later actions of
    the window. There is no correction for this: the bias increases with n.

    Attributes:
        discount: γ in [0, 1].
        steps: n ≥ 1.
    """

    discount: float = 0.99
    steps: int = 1

    def __post_init__(self) -> None:
        """Refuse a γ outside [0, 1], and n below 1."""
        require(0 <= self.discount <= 1, f"--discount must be in [0, 1], got {self.discount}")
        require(self.steps >= 1, f"--n-step must be at least 1, not {self.steps}")


def ends(trajectory: Trajectory, *, own: bool) -> tuple[Bool[Array, "C L E _V"], Bool[Array, "C L E _V"]]:
    """Return where no value follows (termination), and where the recursion over time stops (termination or truncation).

    For the team's values, both are the episode's. For each agent's own values: an agent has terminated where it is no
    longer alive and was not truncated. Where it was truncated, its value bootstraps from its own final observation,
    whatever happened to the other agents.
    """
    terminated, cut = trajectory.terminated[..., None], (trajectory.terminated | trajectory.truncated)[..., None]
    if not own:
        return terminated, cut
    if trajectory.arrival.alive is not None:
        terminated = terminated | ~trajectory.arrival.alive
    if trajectory.cut is not None:
        terminated, cut = terminated & ~trajectory.cut, cut | trajectory.cut
    return terminated, cut
