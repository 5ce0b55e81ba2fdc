"""Q-DPP: agents' values, and how unlike their choices are, as a determinantal point process.

Every choice of every agent is an item with a unit vector b(oᵢ, aᵢ) and a quality exp(Qᵢ); a joint action is a set of
items, one of each agent, of probability ∝ det(D^½ B Bᵀ D^½). With B_a the chosen rows,

    Q_tot(o, a) = Σᵢ Qᵢ(oᵢ, aᵢ) + log det(B_a B_aᵀ) ≤ Σᵢ Qᵢ(oᵢ, aᵢ),

which is VDN where the chosen rows are orthogonal. A determinant is the product of squared distances of each row from
the span of those before it, and so is computed here; the sampler walks along the same residuals: agents choose one
after another, in random order,

    aᵢ ∝ ‖residual of b(oᵢ, aᵢ)‖² exp(Qᵢ(oᵢ, aᵢ) / T).

At test time every agent takes the best by its own values.

Parallel rows have log det = −∞. Each row therefore has a further entry √ε on an axis of its agent alone, and √(1 − ε)
of its length elsewhere: B_a B_aᵀ becomes (1 − ε) B_a B_aᵀ + ε I, which is positive definite, has ones on its diagonal
still, and is I for orthogonal rows.

Reference: Yang et al., 2020, arXiv:2006.01482.

Differences from the reference code: (1) ε is fixed, where the code adds fresh noise to the diagonal at every
evaluation; (2) there is no ReLU on the products of rows, which can make what is left no Gram matrix; (3) rows of unlike
agents are not padded; (4) there is no regulariser of singular values; (5) absent agents have no part in it.
"""

from collections.abc import Callable
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from hamlet.networks.perceptron import Perceptron
from hamlet.types import Key


def extended(rows: Float[Array, "*B N D"], first: int, agents: int, jitter: float) -> Float[Array, "*B N X"]:
    """Unit vectors of agents ``first`` and following, with √ε on an axis of each one's own; X = D + n."""
    own = jnp.eye(agents)[first : first + rows.shape[-2]]
    own = jnp.broadcast_to(own, (*rows.shape[:-1], agents))
    return jnp.concatenate((rows * (1.0 - jitter) ** 0.5, own * jitter**0.5), axis=-1)


def residual(basis: Float[Array, "*B n X"], rows: Float[Array, "*B K X"]) -> Float[Array, "*B K X"]:
    """What is left of rows beyond the span of an orthonormal basis, whose unused rows are 0.

    Projected out twice: once leaves an error of the size of rounding, which counts where little is left.
    """
    for _ in range(2):
        rows = rows - (rows @ jnp.swapaxes(basis, -1, -2)) @ basis
    return rows


def log_det(rows: Float[Array, "B n X"]) -> Float[Array, " B"]:
    """Of the products of rows: log det(R Rᵀ) = Σᵢ log ‖residual of row i beyond those before it‖².

    >>> log_det(jnp.array([[[1.0, 0.0], [0.6, 0.8]]])).round(4)
    Array([-0.4463], dtype=float32)
    """

    def one(basis: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        place, vector = row
        left = residual(basis, vector[:, None])[:, 0]
        square = (left**2).sum(-1)
        return basis.at[:, place].set(left * jax.lax.rsqrt(square)[:, None]), jnp.log(square)

    agents = rows.shape[1]
    _, logs = jax.lax.scan(one, jnp.zeros_like(rows), (jnp.arange(agents), jnp.swapaxes(rows, 0, 1)))
    return logs.sum(0)


class Diversity(eqx.Module):
    """b(oᵢ, ·): from what an agent's values are computed from to a unit vector for every choice.

    Group by group, and stacked by unit: ``heads[g]`` has a leading axis of the group's sets of parameters.
    """

    heads: tuple[Perceptron, ...]
    embedding: int = eqx.field(static=True)
    jitter: float = eqx.field(static=True)

    @classmethod
    def create(
        cls,
        key: Key,
        features: tuple[int, ...],
        choices: tuple[int, ...],
        units: tuple[int, ...],
        *,
        embedding: int,
        jitter: float,
    ) -> "Diversity":
        """Fresh networks.

        Args:
            key: Of the weights.
            features: Of an agent, group by group.
            choices: Of an agent, group by group.
            units: Sets of parameters, group by group.
            embedding: D, the length of a row; at least the number of agents.
            jitter: ε in (0, 1).
        """

        def head(key: Key, features: int, choices: int, units: int) -> Perceptron:
            make = eqx.filter_vmap(lambda key: Perceptron.create(key, features, choices * embedding))
            return make(jax.random.split(key, units))

        keys = jax.random.split(key, len(choices))
        sizes = zip(keys, features, choices, units, strict=True)
        return cls(tuple(head(*one) for one in sizes), embedding, jitter)

    def rows(self, features: tuple[Float[Array, "B _N _F"], ...]) -> tuple[Float[Array, "B _N _A X"], ...]:
        """The extended unit vectors of every choice, group by group."""
        agents = sum(one.shape[1] for one in features)
        out, first = [], 0
        for head, seen in zip(self.heads, features, strict=True):
            plain = _heads(head, seen).reshape(*seen.shape[:2], -1, self.embedding)
            unit = plain * jax.lax.rsqrt((plain**2).sum(-1, keepdims=True))
            made = extended(jnp.swapaxes(unit, 1, 2), first, agents, self.jitter)
            out.append(jnp.swapaxes(made, 1, 2))
            first += seen.shape[1]
        return tuple(out)


def _heads(head: Perceptron, features: Float[Array, "B N F"]) -> Float[Array, "B N O"]:
    """Every agent's outputs by its unit's parameters."""
    units = jax.tree.leaves(head)[0].shape[0]
    by_unit = jnp.swapaxes(features.reshape(features.shape[0], units, -1, features.shape[-1]), 0, 1)
    out = jax.vmap(lambda one, rows: one(rows.reshape(-1, rows.shape[-1])).reshape(*rows.shape[:-1], -1))(head, by_unit)
    return jnp.swapaxes(out, 0, 1).reshape(*features.shape[:2], -1)


def picked(
    rows: tuple[Float[Array, "B _N _A X"], ...],
    actions: tuple[Int[Array, "B _N"], ...],
    alive: Bool[Array, "B n"] | None,
) -> Float[Array, "B n X"]:
    """The rows of a joint action, B_a; an absent agent's is its own axis alone, which adds nothing to log det."""
    pairs = zip(rows, actions, strict=True)
    taken = [jnp.take_along_axis(row, action[..., None, None], axis=2)[:, :, 0] for row, action in pairs]
    chosen = jnp.concatenate(taken, axis=1)
    if alive is None:
        return chosen
    agents = chosen.shape[1]
    absent = jnp.concatenate((jnp.zeros((agents, chosen.shape[-1] - agents)), jnp.eye(agents)), axis=-1)
    return jnp.where(alive[..., None], chosen, absent[None])


class Items(eqx.Module):
    """The items of one group: every agent's choices.

    Attributes:
        rows: Their extended unit vectors.
        values: Qᵢ(oᵢ, ·).
        available: Which can be chosen; None for all.
        alive: Who acts; None for all.
    """

    rows: Float[Array, "B N A X"]
    values: Float[Array, "B N A"]
    available: Bool[Array, "B N A"] | None
    alive: Bool[Array, "B N"] | None


def sample(
    items: tuple[Items, ...], order: Int[Array, " n"], temperature: Float[Array, ""] | float, key: Key
) -> Int[Array, "B n"]:
    """A joint action, agent after agent: aᵢ ∝ ‖residual of b(oᵢ, aᵢ)‖² exp(Qᵢ(oᵢ, aᵢ) / T).

    Args:
        items: Group by group.
        order: In which agents choose.
        temperature: T, above 0, in units of reward.
        key: Of the draws.

    Returns:
        The choices; 0 of absent agents.
    """
    keys = jax.random.split(key, order.shape[0])

    def choose(square: Array, values: Array, key: Key) -> Array:
        return jax.random.categorical(key, jnp.log(square) + values / temperature)

    return _walked(items, order, keys, choose)


def greedy(items: tuple[Items, ...], order: Int[Array, " n"]) -> Int[Array, "B n"]:
    """A joint action of high Q_tot: every agent in its turn adds as much as it can, Qᵢ + log ‖residual‖²."""

    def choose(square: Array, values: Array, unused: Array) -> Array:
        del unused
        return jnp.argmax(jnp.log(square) + values, axis=-1)

    return _walked(items, order, jnp.zeros_like(order), choose)


def _walked(
    items: tuple[Items, ...], order: Int[Array, " n"], draws: Array, choose: Callable[[Array, Array, Array], Array]
) -> Int[Array, "B n"]:
    """Agents in turn choose among their items by what is left of each beyond the rows that are chosen already."""
    batch, width = items[0].rows.shape[0], items[0].rows.shape[-1]
    sizes = [group.rows.shape[1] for group in items]
    group_of, slot_of = np.repeat(np.arange(len(sizes)), sizes), np.concatenate([np.arange(size) for size in sizes])

    def turn(group: Items, slot: Array, basis: Array, draw: Array) -> tuple[Array, Array]:
        rows, values = (jax.lax.dynamic_index_in_dim(x, slot, 1, keepdims=False) for x in (group.rows, group.values))
        if group.available is not None:
            values = jnp.where(group.available[:, slot], values, -jnp.inf)
        left = residual(basis, rows)
        square = (left**2).sum(-1)
        action = choose(square, values, draw).astype(jnp.int32)
        vector = jnp.take_along_axis(left, action[:, None, None], axis=1)[:, 0]
        vector = vector * jax.lax.rsqrt((vector**2).sum(-1, keepdims=True))
        if group.alive is None:
            return action, vector
        up = group.alive[:, slot]
        return jnp.where(up, action, 0), jnp.where(up[:, None], vector, 0.0)

    branches = [partial(turn, group) for group in items]

    def one(carry: tuple[Array, Array], now: tuple[Array, Array]) -> tuple[tuple[Array, Array], None]:
        (basis, actions), (agent, draw) = carry, now
        group, slot = jnp.asarray(group_of)[agent], jnp.asarray(slot_of)[agent]
        action, vector = jax.lax.switch(group, branches, slot, basis, draw)
        return (basis.at[:, agent].set(vector), actions.at[:, agent].set(action)), None

    start = (jnp.zeros((batch, sum(sizes), width)), jnp.zeros((batch, sum(sizes)), jnp.int32))
    return jax.lax.scan(one, start, (order, draws))[0][1]
