"""Schemes: in which order units move, and what each knows of the others' moves."""

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
# (unit, actors and their states, carry, key) -> (actors and their states, carry, info)
Visit: TypeAlias = Callable[[Int[Array, ""], Any, Any, Key], tuple[Any, Any, Info]]


@dataclass(frozen=True)
class UnitStep:
    """How one unit moves: what leaving the old policy costs it, 𝔇, and where the new one is sought, 𝒰."""

    drift: Drift
    neighbourhood: Neighbourhood


@runtime_checkable
class RolloutVisit(Protocol):
    """A visit on a rollout: a scheme can also try steps that are not the declared one, and ask what units gained."""

    def by(self, step: UnitStep) -> Visit:
        """The same visit by another step; it begins from what the neighbourhood of the declared one remembers."""
        ...

    def credits(self) -> Float[Array, "U B L"]:
        """Every unit's Â at every step of every sequence, the mean over its agents; 0 where it is absent."""
        ...


class Scheme(Protocol):
    """Lets every unit move once."""

    def sweep(self, visit: Visit, team: Any, carry: Any, units: int, key: Key) -> tuple[Any, Info]:
        """Visit every unit once.

        Returns:
            The team after the sweep, and the units' infos stacked by unit.
        """
        ...


@dataclass(frozen=True)
class Sequential:
    """One after another; each sees, through the carry, the moves before its own. The theory's scheme.

    Attributes:
        order: "random" draws a permutation each time, as the theory's convergence to a Nash equilibrium asks;
            "fixed" goes by the roster.
    """

    order: Order = "random"

    def sweep(self, visit: Visit, team: Any, carry: Any, units: int, key: Key) -> tuple[Any, Info]:
        """A scan over the permutation, with the carry handed on."""
        order_key, visit_key = jax.random.split(key)
        order = jax.random.permutation(order_key, units) if self.order == "random" else jnp.arange(units)

        def move(state: tuple[Any, Any], unit: Array) -> tuple[tuple[Any, Any], Info]:
            team, carry, info = visit(unit, *state, jax.random.fold_in(visit_key, unit))
            return (team, carry), info

        (team, _), infos = jax.lax.scan(move, (team, carry), order)
        return team, jax.tree.map(lambda leaf: jnp.zeros_like(leaf).at[order].set(leaf), infos)


@dataclass(frozen=True)
class Simultaneous:
    """Everyone against the others' old policies: the carry is never handed on. MAPPO, IPPO, MAA2C."""

    def sweep(self, visit: Visit, team: Any, carry: Any, units: int, key: Key) -> tuple[Any, Info]:
        """A scan in which every unit meets the carry of the start."""
        _, visit_key = jax.random.split(key)

        def move(team: Any, unit: Array) -> tuple[Any, Info]:
            team, _, info = visit(unit, team, carry, jax.random.fold_in(visit_key, unit))
            return team, info

        return jax.lax.scan(move, team, jnp.arange(units))
