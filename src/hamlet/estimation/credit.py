"""Advantages against a baseline that knows what the others did.

    Âⁱ = credit − b(s, a⁻ⁱ),    credit = Q(s, a), or the return Gₜ(λ) that Q is fitted to,

with b the counterfactual or the optimal baseline (`hamlet.estimation.baseline`). Beside the factor M of a sequential
sweep, which is a function of the others' actions too, either stays what it is: M (credit − b) has the same mean for all
b(s, a⁻ⁱ), and b* the least variance.

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

# What is credited: the critic's word, or what came of it.
Credited: TypeAlias = Literal["values", "returns"]


@dataclass(frozen=True, kw_only=True)
class Counterfactual:
    """What was done beside what the agent's policy does on average while the others do the same (COMA).

    Attributes:
        discount: γ in [0, 1].
        lambda_: λ in [0, 1] of the returns that the critic is fitted to.
        credited: "values" or "returns".
    """

    needs: ClassVar[type] = CounterfactualValue
    baseline: ClassVar[Callable[[Alternatives], Array]] = staticmethod(baseline.counterfactual)
    discount: float = 0.99
    lambda_: float = 0.8
    credited: Credited = "values"

    def __post_init__(self) -> None:
        """Refuse what is no weight."""
        require(0 <= self.discount <= 1, f"--discount must lie in [0, 1], not at {self.discount}")
        require(0 <= self.lambda_ <= 1, f"λ of returns must lie in [0, 1], not at {self.lambda_}")
        require(self.credited in ("values", "returns"), f"credited are values or returns, not {self.credited!r}")

    def __call__(
        self,
        trajectory: Trajectory,
        estimate: CounterfactualEstimate,
        critic: CounterfactualValue,
        stream: Stream = REWARD,
    ) -> tuple[Float[Array, "C L E n"], Float[Array, "C L E n"]]:
        """Every agent's advantages in a stream, and the returns that its values are fitted to."""
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
    """Likewise beside the baseline of least variance."""

    baseline: ClassVar[Callable[[Alternatives], Array]] = staticmethod(baseline.optimal)
