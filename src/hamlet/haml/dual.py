"""Learned scalars that hold a constraint: a temperature, a multiplier."""

from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from hamlet.errors import require
from hamlet.estimation.fitting import adam, begin, descend


class DualState(eqx.Module):
    """log λ, and its optimiser's state."""

    log: Float[Array, "*units"]
    optimiser: optax.OptState

    @property
    def value(self) -> Float[Array, "*units"]:
        """λ > 0."""
        return jnp.exp(self.log)


@dataclass(frozen=True, kw_only=True)
class Dual:
    """λ = eˣ > 0, which grows while its constraint is violated: x ascends x·violation by Adam.

    Attributes:
        initial: λ before the first step, above 0.
        learning_rate: Step size of Adam; 0 keeps λ where it is.
    """

    initial: float = 1.0
    learning_rate: float = 3e-4

    def __post_init__(self) -> None:
        """Refuse what has no logarithm."""
        require(self.initial > 0, f"--temperature must be above 0, not {self.initial}")
        require(self.learning_rate >= 0, f"--temperature-learning-rate must not be negative: {self.learning_rate}")

    def init(self, units: int) -> DualState:
        """One λ for each unit."""
        log = jnp.full(units, jnp.log(self.initial), jnp.float32)
        return DualState(log, begin(self._optimiser, log))

    def step(self, state: DualState, violation: Float[Array, " units"]) -> DualState:
        """One step; ``violation`` is positive where λ is to grow."""
        return DualState(*descend(self._optimiser, -violation, state.optimiser, state.log))

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        return adam(self.learning_rate, 0.0, 1e-8)
