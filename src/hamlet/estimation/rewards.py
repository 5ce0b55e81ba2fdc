"""Reward normalisation: training rewards are divided by the standard deviation of their returns.

Reported rewards stay unchanged.
"""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hamlet.estimation.trajectory import Trajectory, whole
from hamlet.networks.running import RunningMeanStd


class RewardScale(eqx.Module):
    """The current discounted return of the team or of each agent, and the running standard deviation of these returns.

        Gₜ = γ Gₜ₋₁ + rₜ from 0 in every episode,      r ← r / √max(Var G, 10⁻⁸).

    r is the reward, G the discounted return so far, and γ the discount. The rewards of a rollout are divided by the
    standard deviation of all G so far, including the rollout's. Rewards are neither shifted nor clipped: the game stays
    the same, in other units. After an agent with its own returns has terminated, its G is no longer counted. G restarts
    at 0 where an environment copy starts an episode, even if the previous episode never ended.

    Reference: VecNormalize of stable-baselines3, which updates at every single step, and clips.

    Attributes:
        total: G, ``[E, V]``.
        spread: The running mean and standard deviation of G, one for each of V.
    """

    total: Float[Array, "E V"]
    spread: RunningMeanStd

    @classmethod
    def create(cls, copies: int, values: int) -> "RewardScale":
        """Return the state before any reward."""
        return cls(jnp.zeros((copies, values)), jax.vmap(lambda _: RunningMeanStd.create(1))(jnp.arange(values)))

    def __call__(
        self, trajectory: Trajectory, credits: Literal["team", "own"], discount: float
    ) -> tuple["RewardScale", Trajectory]:
        """Return the state after a rollout, and the rollout with its rewards divided by the standard deviation."""
        per_agent = credits == "own"
        reward = whole(trajectory.reward)[0]
        earned = reward if per_agent else reward.sum(-1, keepdims=True)
        start, ended = (whole(flag)[0] for flag in (trajectory.start, trajectory.terminated | trajectory.truncated))

        def step(total: Array, now: tuple[Array, Array, Array]) -> tuple[Array, Array]:
            reward, begun, over = now
            total = discount * jnp.where(begun[:, None], 0.0, total) + reward
            return jnp.where(over[:, None], 0.0, total), total

        after, totals = jax.lax.scan(step, self.total, (earned, start, ended))
        alive = trajectory.counted
        counts = None if alive is None or not per_agent else jnp.moveaxis(whole(alive)[0], -1, 0)
        spread = jax.vmap(RunningMeanStd.update)(self.spread, jnp.moveaxis(totals, -1, 0)[..., None], counts)
        scaled = trajectory.reward / spread.std.reshape(1, 1, 1, -1)
        return RewardScale(after, spread), eqx.tree_at(lambda t: t.reward, trajectory, scaled)
