"""Schemes: the order in which units are updated, and what an update knows of the other units' updates.

A unit is one set of policy parameters, of one agent or of all agents that share it. The carry is the quantity passed
from one unit's update to the next's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from hamlet.haml.drift import Drift
from hamlet.haml.neighbourhood import Neighbourhood
from hamlet.types import Info, Key

Order: TypeAlias = Literal["random", "fixed"]
# A function that updates one unit:
# (unit, actors and their states, carry, key) -> (actors and their states, carry, info)
Visit: TypeAlias = Callable[[Int[Array, ""], Any, Any, Key], tuple[Any, Any, Info]]


@dataclass(frozen=True)
class UnitStep:
    """The update of one unit: the drift 𝔇, and the neighbourhood 𝒰 that contains the new policy."""

    drift: Drift
    neighbourhood: Neighbourhood


@runtime_checkable
class RolloutVisit(Protocol):
    """A visit with the data of a rollout: a scheme can also try other updates, and read the units' advantages."""

    def by(self, step: UnitStep) -> Visit:
        """Return the visit with another update, which starts from the optimiser state of the declared update."""
        ...

    def credits(self) -> Float[Array, "U B L"]:
        """Return every unit's advantage Â at every step, as the mean over its agents; 0 for inactive agents."""
        ...


class Scheme(Protocol):
    """Updates every unit once."""

    def sweep(self, visit: Visit, team: Any, carry: Any, units: int, key: Key) -> tuple[Any, Info]:
        """Update every unit once.

        Returns:
            The team after the updates, and the units' metrics, stacked by unit.
        """
        ...


@dataclass(frozen=True)
class Sequential:
    """Sequential updates: through the carry, each unit takes the earlier units' updates into account.

    This is the scheme of the theory.

    Attributes:
        order: "random" samples a new permutation in every iteration, which the theory requires for convergence to a
            Nash equilibrium; "fixed" uses the order of the roster.
    """

    order: Order = "random"

    def sweep(self, visit: Visit, team: Any, carry: Any, units: int, key: Key) -> tuple[Any, Info]:
        """Scan over the permutation and pass the carry from unit to unit."""
        order_key, visit_key = jax.random.split(key)
        order = jax.random.permutation(order_key, units) if self.order == "random" else jnp.arange(units)

        def move(state: tuple[Any, Any], unit: Array) -> tuple[tuple[Any, Any], Info]:
            team, carry, info = visit(unit, *state, jax.random.fold_in(visit_key, unit))
            return (team, carry), info

        (team, _), infos = jax.lax.scan(move, (team, carry), order)
        return team, jax.tree.map(lambda leaf: jnp.zeros_like(leaf).at[order].set(leaf), infos)


@dataclass(frozen=True)
class Simultaneous:
    """Simultaneous updates against the other units' old policies, without passing the carry: MAPPO, IPPO, MAA2C."""

    def sweep(self, visit: Visit, team: Any, carry: Any, units: int, key: Key) -> tuple[Any, Info]:
        """Scan over the units; every unit uses the initial carry."""
        _, visit_key = jax.random.split(key)

        def move(team: Any, unit: Array) -> tuple[Any, Info]:
            team, _, info = visit(unit, team, carry, jax.random.fold_in(visit_key, unit))
            return team, info

        return jax.lax.scan(move, team, jnp.arange(units))
