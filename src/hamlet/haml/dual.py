"""Learned Lagrange multipliers of a constraint, such as the temperature of HASAC."""

from dataclasses import dataclass

import equinox as eqx
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from hamlet.errors import require
from hamlet.estimation.fitting import adam, begin, descend


class DualState(eqx.Module):
    """log λ and the state of its optimiser."""

    log: Float[Array, "*units"]
    optimiser: optax.OptState

    @property
    def value(self) -> Float[Array, "*units"]:
        """Return λ > 0."""
        return jnp.exp(self.log)


@dataclass(frozen=True, kw_only=True)
class Dual:
    """A multiplier λ = eˣ > 0 that grows while its constraint is violated. Adam maximises x·violation over x.

    Attributes:
        initial: Initial λ, above 0.
        learning_rate: Learning rate of Adam; 0 keeps λ constant.
    """

    initial: float = 1.0
    learning_rate: float = 3e-4

    def __post_init__(self) -> None:
        """Check the settings."""
        require(self.initial > 0, f"--temperature must be above 0, not {self.initial}")
        require(self.learning_rate >= 0, f"--temperature-learning-rate must not be negative: {self.learning_rate}")

    def init(self, units: int) -> DualState:
        """Return the initial state, one λ for each unit (a unit: one set of policy parameters)."""
        log = jnp.full(units, jnp.log(self.initial), jnp.float32)
        return DualState(log, begin(self._optimiser, log))

    def step(self, state: DualState, violation: Float[Array, " units"]) -> DualState:
        """Make one step of Adam; a positive ``violation`` increases λ."""
        return DualState(*descend(self._optimiser, -violation, state.optimiser, state.log))

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        return adam(self.learning_rate, 0.0, 1e-8)
