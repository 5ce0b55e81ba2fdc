"""Q-DPP: agents' values and the diversity of their actions, combined in a determinantal point process.

Every action of every agent is an item with a unit vector b(oᵢ, aᵢ) and a quality exp(Qᵢ). oᵢ is the observation of
agent i, aᵢ the action, Qᵢ the agent's value. A joint action is a set of items, one per agent, with probability
∝ det(D^½ B Bᵀ D^½), where the rows of B are the vectors and D is the diagonal matrix of the qualities. With B_a the
rows of the chosen items,

    Q_tot(o, a) = Σᵢ Qᵢ(oᵢ, aᵢ) + log det(B_a B_aᵀ) ≤ Σᵢ Qᵢ(oᵢ, aᵢ).

If the chosen rows are orthogonal, this is VDN.

The determinant is the product of squared distances: for each row, its distance from the span of the rows before it (the
norm of its residual). Hamlet computes it in this way. The sampler uses the same residuals. The agents choose
sequentially, in an order that is sampled separately for every environment copy:

    aᵢ ∝ ‖residual of b(oᵢ, aᵢ)‖² exp(Qᵢ(oᵢ, aᵢ) / T),    T the temperature.

In deterministic evaluation, every agent takes the best action by its own values.

Parallel rows have log det = −∞. Each row is therefore scaled by √(1 − ε) and extended by an entry √ε on a separate axis
for its agent. B_a B_aᵀ becomes (1 − ε) B_a B_aᵀ + ε I (I the identity). This matrix is positive definite, still has
ones on its diagonal, and equals I for orthogonal rows.

Reference: Yang et al., 2020, arXiv:2006.01482.

Differences from the reference code: (1) ε is fixed; the code adds new noise to the diagonal at every evaluation. (2)
There is no ReLU on the products of rows; with it, the result may not be a Gram matrix. (3) The rows of heterogeneous
agents (with different action spaces) are not padded. (4) There is no regulariser of singular values. (5) Inactive
agents are excluded.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int


def extended(rows: Float[Array, "*B N D"], first: int, agents: int, jitter: float) -> Float[Array, "*B N X"]:
    """Return the extended unit vectors of agents ``first`` and following, with √ε on one axis per agent; X = D + n."""
    axes = jnp.eye(agents)[first : first + rows.shape[-2]]
    axes = jnp.broadcast_to(axes, (*rows.shape[:-1], agents))
    return jnp.concatenate((rows * (1.0 - jitter) ** 0.5, axes * jitter**0.5), axis=-1)


def residual(basis: Float[Array, "*B n X"], rows: Float[Array, "*B K X"]) -> Float[Array, "*B K X"]:
    """Return the part of the rows outside the span of an orthonormal basis, whose unused rows are 0.

    The projection is subtracted twice. After one subtraction, an error of the size of rounding remains, which matters
    if the residual is small. For the same reason all products use full float32 precision on every device; accelerators
    use fewer bits by default.
    """
    exactly = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
    for _ in range(2):
        rows = rows - exactly(exactly(rows, jnp.swapaxes(basis, -1, -2)), basis)
    return rows


def log_det(rows: Float[Array, "B n X"]) -> Float[Array, " B"]:
    """Return log det(R Rᵀ) = Σᵢ log ‖residual of row i beyond the rows before it‖², where R has the given rows.

    >>> log_det(jnp.array([[[1.0, 0.0], [0.6, 0.8]]])).round(4)
    Array([-0.4463], dtype=float32)
    """

    def one(basis: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        place, vector = row
        remainder = residual(basis, vector[:, None])[:, 0]
        square = (remainder**2).sum(-1)
        return basis.at[:, place].set(remainder * jax.lax.rsqrt(square)[:, None]), jnp.log(square)

    agents = rows.shape[1]
    _, logs = jax.lax.scan(one, jnp.zeros_like(rows), (jnp.arange(agents), jnp.swapaxes(rows, 0, 1)))
    return logs.sum(0)


def picked(
    rows: tuple[Float[Array, "B _N _A X"], ...], actions: tuple[Int[Array, "B _N"], ...]
) -> Float[Array, "B n X"]:
    """Return the rows of a joint action, B_a."""
    pairs = zip(rows, actions, strict=True)
    taken = [jnp.take_along_axis(row, action[..., None, None], axis=2)[:, :, 0] for row, action in pairs]
    return jnp.concatenate(taken, axis=1)


class Items(eqx.Module):
    """The items of one group: the actions of all its agents.

    Attributes:
        rows: Their extended unit vectors.
        values: Qᵢ(oᵢ, ·).
        available: The action mask; None if all actions are available.
    """

    rows: Float[Array, "B N A X"]
    values: Float[Array, "B N A"]
    available: Bool[Array, "B N A"] | None


def present(items: tuple[Items, ...], alive: Bool[Array, "B n"]) -> tuple[Items, ...]:
    """Return the items with the rows of inactive agents replaced by unit vectors on the agents' own axes.

    With these rows, inactive agents do not change any determinant.
    """
    agents, first, present_items = alive.shape[1], 0, []
    for group in items:
        count, width = group.rows.shape[1], group.rows.shape[-1]
        axes = jnp.pad(jnp.eye(agents)[first : first + count], ((0, 0), (width - agents, 0)))
        up = alive[:, first : first + count, None, None]
        present_items.append(Items(jnp.where(up, group.rows, axes[None, :, None]), group.values, group.available))
        first += count
    return tuple(present_items)


def shares(wanted: Float[Array, "*B A"], available: Bool[Array, "*B A"] | None, even: float) -> Float[Array, "*B A"]:
    """Return log-probabilities: ∝ exp(wanted), mixed with a share ``even`` of the uniform distribution.

    Unavailable actions have −∞.
    """
    allowed = jnp.ones(wanted.shape, bool) if available is None else available
    likely = jax.nn.softmax(jnp.where(allowed, wanted, -jnp.inf))
    alike = allowed / jnp.maximum(allowed.sum(-1, keepdims=True), 1)
    return jnp.where(allowed, jnp.log(even * alike + (1.0 - even) * likely), -jnp.inf)


def sample(
    items: tuple[Items, ...],
    order: Int[Array, "B n"],
    noise: tuple[Float[Array, "B _N _A"], ...],
    *,
    temperature: float | Float[Array, ""],
    exploration: float = 0.0,
) -> tuple[Int[Array, "B _N"], ...]:
    """Sample a joint action, agent by agent: aᵢ ∝ ‖residual of b(oᵢ, aᵢ)‖² exp(Qᵢ(oᵢ, aᵢ) / T).

    Args:
        items: Group by group.
        order: The order in which the agents choose, row by row.
        noise: Gumbel noise for every action.
        temperature: T, above 0, in units of reward.
        exploration: The share of actions that are sampled uniformly instead, in [0, 1].
    """

    def choose(group: Items, slot: Array, square: Array, noise: Array) -> tuple[Array, Array]:
        logs = _logs(group, slot, square, temperature, exploration)
        action = jnp.argmax(logs + noise[:, slot], axis=-1)
        return action, _of(logs, action)

    return _each_row(items, order, choose, noise)[0]


def log_probability(
    items: tuple[Items, ...],
    order: Int[Array, "B n"],
    actions: tuple[Int[Array, "B _N"], ...],
    *,
    temperature: float | Float[Array, ""],
    exploration: float = 0.0,
) -> Float[Array, "B n"]:
    """Return the log-probability of each agent's action in `sample`, given the actions chosen before it."""

    def choose(group: Items, slot: Array, square: Array, actions: Array) -> tuple[Array, Array]:
        action = actions[:, slot]
        return action, _of(_logs(group, slot, square, temperature, exploration), action)

    return _each_row(items, order, choose, actions)[1]


def greedy(items: tuple[Items, ...], order: Int[Array, " n"]) -> tuple[Int[Array, "B _N"], ...]:
    """Return a joint action of high Q_tot: each agent in turn takes the action that adds most, Qᵢ + log ‖residual‖²."""

    def choose(group: Items, slot: Array, square: Array, values: Array) -> tuple[Array, Array]:
        added = jnp.log(square) + values[:, slot]
        allowed = added if group.available is None else jnp.where(group.available[:, slot], added, -jnp.inf)
        action = jnp.argmax(allowed, axis=-1)
        return action, _of(added, action)

    return _walked(items, order, choose, tuple(group.values for group in items))[0]


# (group, the agent's index in it, squared residuals of its items, the group's data) -> chosen action, and a number
Choose: TypeAlias = Callable[[Items, Array, Array, Array], tuple[Array, Array]]


def _of(numbers: Float[Array, "B A"], action: Int[Array, " B"]) -> Float[Array, " B"]:
    return jnp.take_along_axis(numbers, action[:, None], axis=1)[:, 0]


def _logs(group: Items, slot: Array, square: Array, temperature: Any, exploration: float) -> Float[Array, "B A"]:
    """Return the log-probabilities of one agent's actions, given the squared residuals of its items."""
    available = None if group.available is None else group.available[:, slot]
    return shares(jnp.log(square) + group.values[:, slot] / temperature, available, exploration)


def _each_row(
    items: tuple[Items, ...], order: Int[Array, "B n"], choose: Choose, given: tuple[Array, ...]
) -> tuple[tuple[Int[Array, "B _N"], ...], Float[Array, "B n"]]:
    """Call `_walked` for every row with that row's own order."""

    def row(items: tuple[Items, ...], order: Array, given: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array]:
        items, given = jax.tree.map(lambda leaf: leaf[None], (items, given))
        actions, numbers = _walked(items, order, choose, given)
        return tuple(action[0] for action in actions), numbers[0]

    return jax.vmap(row)(items, order, given)


def _walked(
    items: tuple[Items, ...], order: Int[Array, " n"], choose: Choose, given: tuple[Array, ...]
) -> tuple[tuple[Int[Array, "B _N"], ...], Float[Array, "B n"]]:
    """Let agents choose sequentially among their items, given each item's residual beyond the rows chosen before.

    Returns:
        Their actions group by group, and the number that ``choose`` returned with each.
    """
    batch, width = items[0].rows.shape[0], items[0].rows.shape[-1]
    sizes = [group.rows.shape[1] for group in items]
    group_of, slot_of = np.repeat(np.arange(len(sizes)), sizes), np.concatenate([np.arange(size) for size in sizes])

    def turn(group: Items, given: Array) -> Callable[..., Any]:
        def take(slot: Array, basis: Array) -> tuple[Array, Array, Array]:
            remainder = residual(basis, group.rows[:, slot])
            square = (remainder**2).sum(-1)
            action, number = choose(group, slot, square, given)
            action = action.astype(jnp.int32)
            vector = jnp.take_along_axis(remainder, action[:, None, None], axis=1)[:, 0]
            return action, number, vector * jax.lax.rsqrt((vector**2).sum(-1, keepdims=True))

        return take

    branches = [turn(*pair) for pair in zip(items, given, strict=True)]

    def one(carry: tuple[Array, Array, Array], agent: Array) -> tuple[tuple[Array, Array, Array], None]:
        basis, actions, numbers = carry
        group, slot = jnp.asarray(group_of)[agent], jnp.asarray(slot_of)[agent]
        action, number, vector = jax.lax.switch(group, branches, slot, basis)
        actions, numbers = actions.at[:, agent].set(action), numbers.at[:, agent].set(number)
        return (basis.at[:, agent].set(vector), actions, numbers), None

    agents = sum(sizes)
    start = (jnp.zeros((batch, agents, width)), jnp.zeros((batch, agents), jnp.int32), jnp.zeros((batch, agents)))
    (_, actions, numbers), _ = jax.lax.scan(one, start, order)
    return tuple(jnp.split(actions, np.cumsum(sizes)[:-1].tolist(), axis=1)), numbers
