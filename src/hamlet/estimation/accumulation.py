"""Batches too large for memory, learnt from in parts: the same means and gradients, from one part's activations.

    mean of f over the batch = Σ_parts Σ_{steps of the part} w f,    w = a step's share of the whole batch,

and likewise its gradient, summed in the precision of the parameters. The weights are those of the whole batch: nothing
is a mean of means, however many steps of a part count. A batch says itself how many of its sequences are looked at at
once (``at_once``; 0 for all, which computes what it would without any of this, to the bit).

What networks see is the larger part of a batch of pictures. In parts it is not laid out as sequences, which would be a
copy of it, but fetched for each part from where the rollout has it (`Stored`).
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
    """What means are taken of: B sequences, or states, of which some can be taken."""

    @property
    def size(self) -> int:
        """B."""
        ...

    @property
    def at_once(self) -> int:
        """How many of them networks look at at once; 0 for all."""
        ...

    def take(self, index: Int[Array, " P"]) -> Any:
        """Some of them."""
        ...

    def weighed(self) -> Any:
        """The same, each step with its share of the whole: means of some are then sums that add up to the whole's."""
        ...


class Stored(eqx.Module):
    """What networks see of B sequences of L steps, left where the rollout has it until it is looked at.

    Attributes:
        kept: Of every step, as the environment gave it, ``[R, …]``.
        rows: Which of them, ``[*units, B, L]``.
        space: What it is of.
    """

    kept: Array
    rows: Int[Array, "..."]
    space: Space = eqx.field(static=True)

    def __getitem__(self, index: Any) -> "Stored":
        """Those of some units, or of some sequences."""
        return Stored(self.kept, self.rows[index], self.space)

    def fetch(self) -> Array:
        """``[*units, B, L, …]``, as networks take it."""
        return encode(self.kept[self.rows], self.space)


def stored(
    roster: Roster, group: int, array: Array, space: Space, line: Callable[[Array], Array] | None = None
) -> Stored:
    """A group's ``[C, L, E, N, …]``, or ``[C, L, E, …]`` that all of it see, for each unit's sequences.

    Args:
        roster: Who the units are.
        group: Which of them.
        array: What is seen, as the environment gave it.
        space: What it is of.
        line: What is done to ``[C, L, E, N]`` before it is cut into sequences, as joining chunks; None for nothing.
    """
    lead = array.shape[: array.ndim - len(space.shape)]
    rows, names = jnp.arange(prod(lead), dtype=jnp.int32).reshape(lead), len(roster.groups[group].names)
    if len(lead) == 3:
        rows = jnp.broadcast_to(rows[..., None], (*lead, names))
    return Stored(
        array.reshape(-1, *space.shape), sequences(roster, group, rows if line is None else line(rows)), space
    )


def fetched(seen: Any) -> Array:
    """What networks take, whether it was laid out already or is stored."""
    return seen.fetch() if isinstance(seen, Stored) else seen


def pick(tree: Any, index: Any) -> Any:
    """``leaf[index]`` of every leaf, and of what is stored as a whole."""
    return jax.tree.map(lambda leaf: leaf[index], tree, is_leaf=_is_stored)


def sequences_at_once(size: int, parts: int) -> int:
    """How many of ``size`` sequences are looked at at once in so many parts; 0 for all.

    >>> sequences_at_once(10, 3), sequences_at_once(10, 1)
    (4, 0)
    """
    return 0 if parts == 1 else -(-size // parts)


def shares(shape: tuple[int, ...], counted: Bool[Array, "*B"] | None) -> Float[Array, "*B"]:
    """What each entry counts in a mean over those that count: all alike, and together 1."""
    if counted is None:
        return jnp.full(shape, 1.0 / prod(shape), jnp.float32)
    return counted / jnp.maximum(counted.sum(), 1)


def summed(function: Callable[[Any], Found], batch: Any) -> Found:
    """A function of a batch that is made of means, as the sum over its parts; its gradient takes one part's memory."""
    if _whole(batch.size, batch.at_once):
        return function(batch)
    weighed = batch.weighed()
    # What the gradient needs of a part is computed again when it is that part's turn.
    return _sum(jax.checkpoint(lambda index: function(weighed.take(index))), batch.size, batch.at_once)


def slope(loss: Callable[[Any, Any], tuple[Array, Any]], parameters: Any, batch: Any) -> tuple[tuple[Array, Any], Any]:
    """A loss that is made of means over a batch, what else it measures, and its gradient, summed over the parts.

    Args:
        loss: From the parameters and a batch, or a part of one, to the loss and further means.
        parameters: By which it is derived.
        batch: Whole.
    """
    derived = jax.value_and_grad(loss, has_aux=True)
    if _whole(batch.size, batch.at_once):
        return derived(parameters, batch)
    weighed = batch.weighed()
    return _sum(lambda index: derived(parameters, weighed.take(index)), batch.size, batch.at_once)


def in_parts(function: Callable[..., Found], at_once: int, *rows: Any) -> Found:
    """What a function makes of every row by itself, of some rows at once, one after another."""
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
    """What a function makes of every unit's own and its data, one after another; what is stored is nowhere copied."""
    if not any(_is_stored(leaf) for leaf in jax.tree.leaves(data, is_leaf=_is_stored)):
        return jax.lax.map(lambda unit: function(*unit), (own, data))
    units = jax.tree.leaves(own)[0].shape[0]
    return jax.lax.map(lambda unit: function(unit[0], pick(data, unit[1])), (own, jnp.arange(units)))


def _is_stored(part: Any) -> bool:
    return isinstance(part, Stored)


def _whole(size: int, at_once: int) -> bool:
    return not 0 < at_once < size


def _parts(size: int, at_once: int) -> tuple[Int[Array, "parts P"], Int[Array, " rest"]]:
    """The parts of equal size, and what is left."""
    count, index = size // at_once, jnp.arange(size, dtype=jnp.int32)
    return index[: count * at_once].reshape(count, at_once), index[count * at_once :]


def _sum(of: Callable[[Array], Found], size: int, at_once: int) -> Found:
    parts, rest = _parts(size, at_once)
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(of, parts[0]))

    def add(total: Any, index: Array) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, of(index)), None

    total = jax.lax.scan(add, nothing, parts)[0]
    return jax.tree.map(jnp.add, total, of(rest)) if rest.size else total
