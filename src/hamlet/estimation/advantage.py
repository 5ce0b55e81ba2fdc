"""Advantages: from a rollout and its values to what each agent is credited with."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hamlet.errors import require
from hamlet.estimation.critic import Estimate, StateValue
from hamlet.estimation.returns import gae
from hamlet.estimation.trajectory import Trajectory, whole


@dataclass(frozen=True, kw_only=True)
class Gae:
    """Generalised advantage estimation, stream by stream (`hamlet.estimation.returns.gae`).

    Attributes:
        discount: γ in [0, 1].
        lambda_: λ in [0, 1].
    """

    discount: float = 0.99
    lambda_: float = 0.95

    def __post_init__(self) -> None:
        """Refuse what is no weight."""
        require(0 <= self.discount <= 1, f"--discount must lie in [0, 1], not at {self.discount}")
        require(0 <= self.lambda_ <= 1, f"--gae-lambda must lie in [0, 1], not at {self.lambda_}")

    def __call__(
        self, trajectory: Trajectory, estimate: Estimate, critic: StateValue
    ) -> tuple[Float[Array, "C L E V"], Float[Array, "C L E V"]]:
        """Advantages, and the returns Â + v that the critic is fitted to."""
        streams = estimate.value.shape[-1]
        discount = jnp.where(trajectory.terminated, 0.0, self.discount)[..., None]
        if critic.credits == "own" and trajectory.arrival.alive is not None:
            discount = discount * trajectory.arrival.alive
        discount = jnp.broadcast_to(discount, estimate.value.shape)
        cut = jnp.broadcast_to((trajectory.terminated | trajectory.truncated)[..., None], estimate.value.shape)
        reward = critic.rewards(trajectory, streams)
        along = [whole(x)[0] for x in (reward, estimate.value, estimate.next_value, discount, cut)]
        one = lambda *x: gae(*x, lambda_=self.lambda_)  # noqa: E731
        advantage = jax.vmap(jax.vmap(one, 1, 1), 1, 1)(*along).reshape(estimate.value.shape)
        return advantage, advantage + estimate.value
