"""The rewards that are learnt from, in units of how far their returns spread; what is reported stays as it was."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hamlet.estimation.trajectory import Trajectory, whole
from hamlet.networks.running import RunningMeanStd


class RewardScale(eqx.Module):
    """The discounted return so far of the team or of each agent, and its running deviation.

        Gₜ = γ Gₜ₋₁ + rₜ from 0 in every episode,      r ← r / √max(Var G, 10⁻⁸).

    The rewards of a rollout are divided by the deviation of all G so far, that rollout included. Nothing is subtracted
    and nothing clipped: it is the same game in other units. Once an agent with returns of its own is dead, its G
    counts no more. Where a copy begins an episode, G begins at 0, also where the one before was never ended.

    Reference: VecNormalize of stable-baselines3, which goes by single steps, and clips.

    Attributes:
        total: G, ``[E, V]``.
        spread: Its running mean and standard deviation, stacked likewise.
    """

    total: Float[Array, "E V"]
    spread: RunningMeanStd

    @classmethod
    def create(cls, copies: int, values: int) -> "RewardScale":
        """Nothing earned yet."""
        return cls(jnp.zeros((copies, values)), jax.vmap(lambda _: RunningMeanStd.create(1))(jnp.arange(values)))

    def __call__(
        self, trajectory: Trajectory, credits: Literal["team", "own"], discount: float
    ) -> tuple["RewardScale", Trajectory]:
        """The scale after a rollout, and the rollout with its rewards in that scale."""
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
