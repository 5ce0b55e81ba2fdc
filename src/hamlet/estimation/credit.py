"""Advantages with a baseline that depends on the other agents' actions.

    Âⁱ = credit − b(s, a⁻ⁱ),    credit = Q(s, a), or the return Gₜ(λ) to which Q is fitted

b is the counterfactual or the optimal baseline (`hamlet.estimation.baseline`), s the state, a the joint action, and a⁻ⁱ
the actions of all agents but i.

Sequential updates multiply the advantage by M, the product of earlier agents' probability ratios. M is a function of
the other agents' actions too, so both baselines keep their properties: the mean of M (credit − b) is the same for all
b(s, a⁻ⁱ), and b* has the smallest variance.

References: Foerster et al., 2018, arXiv:1705.08926; Kuba et al., 2021, arXiv:2108.08612.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hamlet.errors import require
from hamlet.estimation import baseline
from hamlet.estimation.advantage import ends
from hamlet.estimation.baseline import Alternatives
from hamlet.estimation.counterfactual import CounterfactualEstimate, CounterfactualValue
from hamlet.estimation.returns import lambda_returns
from hamlet.estimation.trajectory import Trajectory, whole
from hamlet.streams import REWARD, Stream

# The credit: the critic's values, or the returns to which they are fitted.
Credited: TypeAlias = Literal["values", "returns"]


@dataclass(frozen=True, kw_only=True)
class Counterfactual:
    """The advantage over the agent's average under its policy, given the other agents' actions (COMA).

    Attributes:
        discount: γ in [0, 1].
        lambda_: λ in [0, 1] of the returns to which the critic is fitted.
        credited: The credit: "values" of the critic, or "returns".
    """

    needs: ClassVar[type] = CounterfactualValue
    baseline: ClassVar[Callable[[Alternatives], Array]] = staticmethod(baseline.counterfactual)
    discount: float = 0.99
    lambda_: float = 0.8
    credited: Credited = "values"

    def __post_init__(self) -> None:
        """Refuse a γ or λ outside [0, 1], and an unknown credit."""
        require(0 <= self.discount <= 1, f"--discount must be in [0, 1], got {self.discount}")
        require(0 <= self.lambda_ <= 1, f"λ of returns must be in [0, 1], got {self.lambda_}")
        require(self.credited in ("values", "returns"), f"the credit must be values or returns, got {self.credited!r}")

    def __call__(
        self,
        trajectory: Trajectory,
        estimate: CounterfactualEstimate,
        critic: CounterfactualValue,
        stream: Stream = REWARD,
    ) -> tuple[Float[Array, "C L E n"], Float[Array, "C L E n"]]:
        """Return every agent's advantages in a stream, and the returns to which its values are fitted."""
        shape = estimate.value.shape
        last, cut = (jnp.broadcast_to(x, shape) for x in ends(trajectory, own=False))
        discount, paid = jnp.where(last, 0.0, self.discount), critic.paid(trajectory, shape[-1], stream)
        along = [whole(x)[0] for x in (paid, estimate.next_value, discount, cut)]

        def back(*x):
            return lambda_returns(*x, lambda_=self.lambda_)

        returns = jax.vmap(jax.vmap(back, 1, 1), 1, 1)(*along).reshape(shape)
        subtracted = jnp.concatenate([self.baseline(alternative) for alternative in estimate.alternatives], -1)
        return (estimate.value if self.credited == "values" else returns) - subtracted, returns


@dataclass(frozen=True, kw_only=True)
class OptimalBaseline(Counterfactual):
    """The advantage over the baseline with the smallest variance (Kuba et al., 2021)."""

    baseline: ClassVar[Callable[[Alternatives], Array]] = staticmethod(baseline.optimal)
