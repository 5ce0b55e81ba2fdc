"""Gradient accumulation: train on batches that are too large for the device's memory, one part after another.

    mean of f over the batch = Σ_parts Σ_{steps of the part} w f,    w = a step's weight, its share of the whole batch

Gradients are summed in the same way, in the precision of the parameters. Memory holds the activations of one part only.
The weights are relative to the whole batch, so means and gradients are the same for any number of parts, even if some
parts contain fewer counted steps.

A batch states how many of its sequences are processed at the same time (``at_once``). 0 means all; the results are then
bitwise identical to computing without accumulation.

Images make up most of a batch's memory. With several parts, they are not rearranged into sequences, which would copy
them. Each part's images are fetched from the rollout when the part is processed (`Stored`).
"""

from collections.abc import Callable
from math import prod
from typing import Any, Protocol, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hamlet.estimation.trajectory import sequences
from hamlet.networks.torso import encode
from hamlet.roster import Roster
from hamlet.spaces import Space

Found = TypeVar("Found")


class Batch(Protocol):
    """A batch over which means are computed: B sequences, or B states. Parts can be taken from it."""

    @property
    def size(self) -> int:
        """Return B."""
        ...

    @property
    def at_once(self) -> int:
        """Return how many sequences or states networks process at the same time; 0 for all."""
        ...

    def take(self, index: Int[Array, " P"]) -> Any:
        """Return the entries with the given indices."""
        ...

    def weighed(self) -> Any:
        """Return the same batch with each step's share of the whole as its weight.

        Means over parts then become weighted sums that add up to the mean over the whole batch.
        """
        ...


class Stored(eqx.Module):
    """The network inputs of B sequences of L steps, which stay in the rollout's arrays until they are fetched.

    Attributes:
        kept: The inputs of every step, as the environment returned them, ``[R, …]``.
        rows: The rows of ``kept`` that form the sequences, ``[*units, B, L]``.
        space: The space of the inputs.
    """

    kept: Array
    rows: Int[Array, "..."]
    space: Space = eqx.field(static=True)

    def __getitem__(self, index: Any) -> "Stored":
        """Return the inputs of some units, or of some sequences."""
        return Stored(self.kept, self.rows[index], self.space)

    def fetch(self) -> Array:
        """Return the inputs ``[*units, B, L, …]``, encoded for networks."""
        return encode(self.kept[self.rows], self.space)


def stored(
    roster: Roster, group: int, array: Array, space: Space, line: Callable[[Array], Array] | None = None
) -> Stored:
    """Return a group's inputs ``[C, L, E, N, …]``, or ``[C, L, E, …]`` shared by the group, as each unit's sequences.

    Args:
        roster: The agents and their units.
        group: The index of the group.
        array: The inputs, as the environment returned them.
        space: Their space.
        line: A function applied to ``[C, L, E, N]`` before it is split into sequences, such as joining sequences; None
            for no function.
    """
    lead = array.shape[: array.ndim - len(space.shape)]
    rows, names = jnp.arange(prod(lead), dtype=jnp.int32).reshape(lead), len(roster.groups[group].names)
    if len(lead) == 3:
        rows = jnp.broadcast_to(rows[..., None], (*lead, names))
    return Stored(
        array.reshape(-1, *space.shape), sequences(roster, group, rows if line is None else line(rows)), space
    )


def fetched(seen: Any) -> Array:
    """Return network inputs, fetched first if they are `Stored`."""
    return seen.fetch() if isinstance(seen, Stored) else seen


def pick(tree: Any, index: Any) -> Any:
    """Return ``leaf[index]`` for every leaf; a `Stored` counts as one leaf."""
    return jax.tree.map(lambda leaf: leaf[index], tree, is_leaf=_is_stored)


def sequences_at_once(size: int, parts: int) -> int:
    """Return how many of ``size`` sequences are processed at the same time if there are ``parts`` parts; 0 for all.

    >>> sequences_at_once(10, 3), sequences_at_once(10, 1)
    (4, 0)
    """
    return 0 if parts == 1 else -(-size // parts)


def shares(shape: tuple[int, ...], counted: Bool[Array, "*B"] | None) -> Float[Array, "*B"]:
    """Return the weight of each entry in a mean over the counted entries: equal weights with the sum 1."""
    if counted is None:
        return jnp.full(shape, 1.0 / prod(shape), jnp.float32)
    return counted / jnp.maximum(counted.sum(), 1)


def summed(function: Callable[[Any], Found], batch: Any) -> Found:
    """Compute a function of a batch that consists of means as a sum over parts; gradients need one part's memory."""
    if _whole(batch.size, batch.at_once):
        return function(batch)
    weighed = batch.weighed()
    # The activations of a part are recomputed when the gradient of that part is computed.
    return _sum(jax.checkpoint(lambda index: function(weighed.take(index))), batch.size, batch.at_once)


def slope(loss: Callable[[Any, Any], tuple[Array, Any]], parameters: Any, batch: Any) -> tuple[tuple[Array, Any], Any]:
    """Return a loss that consists of means over a batch, its further metrics, and its gradient, summed over parts.

    Args:
        loss: A function from the parameters and a batch, or a part of one, to the loss and further means.
        parameters: The parameters to differentiate by.
        batch: The whole batch.
    """
    derived = jax.value_and_grad(loss, has_aux=True)
    if _whole(batch.size, batch.at_once):
        return derived(parameters, batch)
    weighed = batch.weighed()
    return _sum(lambda index: derived(parameters, weighed.take(index)), batch.size, batch.at_once)


def in_parts(function: Callable[..., Found], at_once: int, *rows: Any) -> Found:
    """Apply a function to every row separately, ``at_once`` rows at a time."""
    first = jax.tree.leaves(rows, is_leaf=_is_stored)[0]
    size = (first.rows if _is_stored(first) else first).shape[0]
    if _whole(size, at_once):
        return function(*rows)
    of = jax.checkpoint(lambda index: function(*pick(rows, index)))
    parts, rest = _parts(size, at_once)
    mapped = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), jax.lax.map(of, parts))
    if not rest.size:
        return mapped
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), mapped, of(rest))


def each_unit(function: Callable[[Any, Any], Found], own: Any, data: Any) -> Found:
    """Apply a function to every unit's own arrays and data, sequentially, without copying `Stored` inputs."""
    if not any(_is_stored(leaf) for leaf in jax.tree.leaves(data, is_leaf=_is_stored)):
        return jax.lax.map(lambda unit: function(*unit), (own, data))
    units = jax.tree.leaves(own)[0].shape[0]
    return jax.lax.map(lambda unit: function(unit[0], pick(data, unit[1])), (own, jnp.arange(units)))


def _is_stored(part: Any) -> bool:
    return isinstance(part, Stored)


def _whole(size: int, at_once: int) -> bool:
    return not 0 < at_once < size


def _parts(size: int, at_once: int) -> tuple[Int[Array, "parts P"], Int[Array, " rest"]]:
    """Return the indices of the parts of equal size, and the remaining indices."""
    count, index = size // at_once, jnp.arange(size, dtype=jnp.int32)
    return index[: count * at_once].reshape(count, at_once), index[count * at_once :]


def _sum(of: Callable[[Array], Found], size: int, at_once: int) -> Found:
    parts, rest = _parts(size, at_once)
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(of, parts[0]))

    def add(total: Any, index: Array) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, of(index)), None

    total = jax.lax.scan(add, nothing, parts)[0]
    return jax.tree.map(jnp.add, total, of(rest)) if rest.size else total
