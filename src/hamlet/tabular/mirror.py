"""Mirror learning solved exactly: algorithm 1 (HATRL) and the template (HAML), on finite games in 64 bits.

Every iteration evaluates the joint policy exactly. The agents then update in the order of the scheme, each to the exact
maximiser of its objective. On games with a common reward the theory guarantees that the return J never decreases; for
HAML, also that no state's value decreases (Zhong et al., 2024, arXiv:2304.09870, theorems 7 and 14, lemma 13).

`haml` takes the declaration that `hamlet.train` takes:

* It uses the declaration's drift, neighbourhood, scheme and sampling unchanged.
* Of the surrogate, it uses only whether entropy is maximised too (`SoftPathwise`). Each agent's best update is then its
  logit response, and no iteration lowers the soft return J_α, with the initial temperature α of the training
  (`hamlet.tabular.quantal`; Liu et al., 2024, arXiv:2306.10715).
* It ignores settings of estimation and approximation, because nothing is estimated here: critic, advantage estimator,
  learning rates (also of the temperature), epochs, entropy bonus and networks.

If each agent has its own reward, the algorithms train on the sum over the team.

An action with old probability 0 does not occur in the drift's samples, but its advantage counts: an agent may start to
use the action again.

All iterations of all games are one compiled program. Game number g of many samples its update orders from
``fold_in(key, g)``. It has the same history as when it is solved alone with that key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hamlet.errors import require
from hamlet.haml.meta_game import MetaGame, MetaStep
from hamlet.haml.pathwise import SoftPathwise
from hamlet.haml.template import Haml
from hamlet.tabular import quantal, radius
from hamlet.tabular.box import BoxedGame, extent, lay, lay_policies
from hamlet.tabular.exact import average, gaps, joint_policy, solve
from hamlet.tabular.inner import InnerProblem
from hamlet.tabular.markov_game import MarkovGame, Policies, Table, as_key, require_bytes
from hamlet.tabular.precision import exactly
from hamlet.tabular.within import improve
from hamlet.types import Key

Kept = Literal["all", "last"]


@dataclass(frozen=True, eq=False)
class History:
    """The results on one game in K iterations; NumPy float64. In an iteration, every agent updates once.

    Attributes:
        game: The game.
        value: J of the team's reward before each iteration and after the last, ``[K+1]``; with a temperature, J_α.
        state_value: V of every state at the same times, ``[K+1, S]``; with a temperature, the soft values.
        earned: J of the team's reward alone, ``[K+1]``. With a temperature, the theory guarantees nothing about it.
        gap: Each agent's largest gain in J, or J_α, by deviating alone, ``[K+1, n]``. If only the last gap was
            requested, all earlier ones are NaN.
        optimality_gap: A bound on the distance of the maximisations in an iteration from their optimum, ``[K]``. It is
            0 for closed forms. For the numerical solver it is the bound of Frank and Wolfe, which holds if the
            objective is concave.
        boxed: The padded policies, ``[K+1, n, S, A]``.
        temperature: α, or None if entropy is not maximised.
    """

    game: MarkovGame
    value: Table
    state_value: Table
    earned: Table
    gap: Table
    optimality_gap: Table
    boxed: Table
    temperature: float | None = None

    @cached_property
    def policies(self) -> tuple[tuple[Table, ...], ...]:
        """Return a tuple of ``[S, A_i]`` for each of the K+1 times."""
        return tuple(self._at(moment) for moment in range(len(self.boxed)))

    @property
    def final(self) -> tuple[Table, ...]:
        """Return the policies after the last iteration."""
        return self._at(-1)

    def _at(self, moment: int) -> tuple[Table, ...]:
        states = self.game.states
        return tuple(self.boxed[moment, agent, :states, :count] for agent, count in enumerate(self.game.actions))


class _HistoryRecord(eqx.Module):
    """The record of one game, or of all games with a leading axis."""

    value: Any
    state_value: Any
    earned: Any
    gap: Any
    optimality_gap: Any
    policies: Any


def haml(
    game: MarkovGame, policies: Policies, algorithm: Haml, iterations: int, key: Key | int, *, gap: Kept = "all"
) -> History:
    """Run the template of mirror learning exactly on one game.

    Args:
        game: The game.
        policies: The initial policies: πⁱ(a|s) of every agent, ``[S, A_i]``.
        algorithm: A declaration, such as ``hamlet.algorithms.happo()``.
        iterations: K, the number of iterations.
        key: For the update orders; a JAX key, or a seed.
        gap: "last" to compute the Nash gap after the last iteration only.

    Raises:
        RequestError: If policies do not fit, or the declaration cannot be solved exactly.

    >>> from hamlet import algorithms, tabular
    >>> game = tabular.random_game(0, states=2, actions=(2, 2))
    >>> history = haml(game, game.uniform(), algorithms.haa2c(), 5, 0)
    >>> bool((np.diff(history.value) >= 0).all()), float(history.gap[-1].max().round(9))
    (True, 0.0)
    """
    return _haml([game], [policies], algorithm, iterations, _single(key), gap)[0]


def haml_many(
    games: Sequence[MarkovGame],
    policies: Sequence[Policies],
    algorithm: Haml,
    iterations: int,
    key: Key | int,
    *,
    gap: Kept = "all",
) -> list[History]:
    """Run `haml` on many games at once, of equal or different sizes.

    Raises:
        RequestError: If policies do not fit, or the declaration cannot be solved exactly.
    """
    return _haml(games, policies, algorithm, iterations, _folded(key, len(games)), gap)


def hatrl(
    game: MarkovGame,
    policies: Policies,
    iterations: int,
    key: Key | int,
    *,
    first_order: Sequence[int] | None = None,
    gap: Kept = "all",
) -> History:
    """Run algorithm 1, heterogeneous-agent trust region learning, exactly and with the constant of its theory.

    In a random order, each agent maximises Σ_s ρ(s) Σₐ π̄(a|s) Aⁱ(s, a) − C max_s KL(π‖π̄) over its new policy π̄. π is
    its old policy, ρ the occupancy, and Aⁱ its advantage after the earlier agents have updated. C = 4 γ max|A| / (1 −
    γ)², where γ is the discount and A the advantage. C is so large that steps are tiny. The theory guarantees that J
    increases, but not that it increases fast.

    Args:
        game: The game.
        policies: The initial policies: πⁱ(a|s) of every agent, ``[S, A_i]``.
        iterations: K, the number of iterations.
        key: For the update orders; a JAX key, or a seed.
        first_order: The order of the first iteration; None for a random one. All later orders are random.
        gap: "last" to compute the Nash gap after the last iteration only.

    Reference: Zhong et al., 2024, arXiv:2304.09870, algorithm 1 and theorem 7.
    """
    return _hatrl([game], [policies], iterations, _single(key), first_order, gap)[0]


def hatrl_many(
    games: Sequence[MarkovGame],
    policies: Sequence[Policies],
    iterations: int,
    key: Key | int,
    *,
    first_order: Sequence[int] | None = None,
    gap: Kept = "all",
) -> list[History]:
    """Run `hatrl` on many games at once, of equal or different sizes."""
    return _hatrl(games, policies, iterations, _folded(key, len(games)), first_order, gap)


class _Template(eqx.Module):
    """The iteration of `haml`."""

    drift: Any = eqx.field(static=True)
    neighbourhood: Any = eqx.field(static=True)
    sampling: Any = eqx.field(static=True)
    scheme: Any = eqx.field(static=True)
    temperature: Any

    def sweep(self, box: BoxedGame, solution: Any, policies: Array, key: Key, number: Array) -> tuple[Array, Array]:
        """Return the policies after an iteration, and the largest optimality gap in it."""
        advantage = solution.advantage[0]
        weight = self.sampling.weight(solution.occupancy)
        drift = self.drift if self.temperature is None else quantal.Tempered(self.drift, self.temperature)

        def visit(unit: Array, team: Array, carry: Array, key: Key) -> tuple[Array, Array, dict[str, Array]]:
            choices = _choices(advantage, policies, carry, box.available, unit)
            best = improve(self.neighbourhood, drift, choices, weight)
            return team.at[unit].set(best.policy), carry.at[unit].set(best.policy), {"gap": best.gap.max()}

        updated, info = self.scheme.sweep(visit, policies, policies, policies.shape[0], key)
        return updated, info["gap"].max()


class _TrustRegion(eqx.Module):
    """The iteration of `hatrl`."""

    first_order: tuple[int, ...] | None = eqx.field(static=True)
    temperature: None = None

    def sweep(self, box: BoxedGame, solution: Any, policies: Array, key: Key, number: Array) -> tuple[Array, Array]:
        """Return the policies after an iteration, and the optimality gap 0: every step is exact."""
        advantage = solution.advantage[0]
        exists = joint_policy(tuple(box.available[:, None].astype(advantage.dtype))) > 0
        largest = jnp.where(exists, jnp.abs(advantage), 0.0).max()
        constant = 4.0 * box.discount * largest / (1.0 - box.discount) ** 2
        order = jax.random.permutation(key, policies.shape[0])
        if self.first_order is not None:
            order = jnp.where(number == 0, jnp.asarray(self.first_order), order)

        def move(policies: Array, unit: Array) -> tuple[Array, None]:
            mean = _means(advantage, policies)[unit]
            old = policies[unit]
            centred = mean - (old * mean).sum(-1, keepdims=True)
            updated, _, _ = radius.step(old, centred, box.available[unit], solution.occupancy, constant)
            return policies.at[unit].set(updated), None

        return jax.lax.scan(move, policies, order)[0], jnp.zeros((), advantage.dtype)


def _means(table: Array, policies: Float[Array, "n S A"]) -> Float[Array, "n S A"]:
    """Return, for every agent, the mean of ``[S, A, …, A]`` over the other agents' actions."""
    agents = range(policies.shape[0])
    return jnp.stack([average(table, tuple(policies), [j for j in agents if j != i]) for i in agents])


def _choices(advantage: Array, start: Array, carry: Array, available: Array, unit: Array) -> InnerProblem:
    """Return an agent's maximisation problem in every state.

    ``start`` are all policies before the iteration, and ``carry`` the policies that the agent takes into account.
    """
    agents, states, width = start.shape
    mean, gain = (_means(table, carry)[unit] for table in (advantage, jnp.maximum(advantage, 0.0)))
    ratio = jnp.where(start > 0, carry / jnp.where(start > 0, start, 1.0), 1.0)
    products, weights, tables = [], [], []
    for agent in range(agents):
        others = [j for j in range(agents) if j != agent]

        def flat(table):
            return table.reshape(states, -1)

        # If there are no other agents, they are represented by a single joint action.
        products.append(flat(joint_policy([ratio[j] for j in others] or [jnp.ones((states, 1))])))
        weights.append(flat(joint_policy([start[j] for j in others] or [jnp.ones((states, 1))])))
        tables.append(jnp.moveaxis(advantage, agent + 1, 1).reshape(states, width, -1))
    return InnerProblem(
        old=carry[unit],
        available=jnp.broadcast_to(available[unit][None], (states, width)),
        advantage=mean,
        gain=gain,
        loss=jnp.minimum(mean - gain, 0.0),
        corrected=jnp.stack(tables)[unit] * jnp.stack(products)[unit][:, None],
        weight=jnp.stack(weights)[unit],
    )


@partial(jax.jit, static_argnames=("iterations", "kept"))
def _program(rule: Any, box: BoxedGame, policies: Array, keys: Array, *, iterations: int, kept: Kept) -> _HistoryRecord:
    return jax.vmap(partial(_sweeps, rule, iterations, kept))(box, policies, keys)


def _sweeps(rule: Any, iterations: int, kept: Kept, box: BoxedGame, policies: Array, key: Key) -> _HistoryRecord:
    """Compute one game's history. The last step of the scan only evaluates; its update is discarded."""

    def sweep(policies: Array, number: Array) -> tuple[Array, _HistoryRecord]:
        reward = quantal.rewards(box, policies, rule.temperature)
        solution = solve(reward, box.transition, box.initial, box.discount, tuple(policies))
        updated, distance = rule.sweep(box, solution, policies, jax.random.fold_in(key, number), number)
        return updated, _HistoryRecord(solution.value[0], solution.v[0], solution.value[-1], None, distance, policies)

    _, record = jax.lax.scan(sweep, policies, jnp.arange(iterations + 1))
    asked = record.policies if kept == "all" else record.policies[-1:]
    gap_function = gaps if rule.temperature is None else partial(quantal.gaps, temperature=rule.temperature)
    gap = jax.lax.map(partial(gap_function, box), asked)
    return eqx.tree_at(lambda r: r.gap, record, gap, is_leaf=lambda leaf: leaf is None)


def _run(games: Any, policies: Any, rule: Any, iterations: int, keys: Any, kept: Kept) -> list[History]:
    require(iterations >= 1, f"the number of iterations must be at least 1, got {iterations}")
    require(kept in ("all", "last"), f'gap must be "all" or "last", got {kept!r}')
    states, agents, width = extent(games) if games else (0, 0, 0)
    need = 8 * len(games) * (iterations + 1) * agents * states * width * 3
    require_bytes(need, f"{iterations} sweeps of {len(games)} games", "sweeps or games")
    box, laid = lay(games), lay_policies(games, policies)
    program = partial(_program, iterations=iterations, kept=kept)
    record = exactly(program, rule, box, laid, keys)
    temperature = None if rule.temperature is None else float(rule.temperature)
    return [_history(game, record, number, temperature) for number, game in enumerate(games)]


def _history(game: MarkovGame, record: _HistoryRecord, number: int, temperature: float | None) -> History:
    game_record = jax.tree.map(lambda leaf: leaf[number], record)
    gap = np.full((len(game_record.value), game.agents), np.nan)
    gap[-len(game_record.gap) :] = game_record.gap[:, : game.agents]
    v, distance = game_record.state_value[:, : game.states], game_record.optimality_gap[:-1]
    return History(game, game_record.value, v, game_record.earned, gap, distance, game_record.policies, temperature)


def require_triple(algorithm: Any) -> None:
    """Refuse an algorithm that is not a declaration of the template.

    Raises:
        RequestError: If it is not; mirror learning guarantees nothing about it.
    """
    name = type(algorithm).__name__
    require(
        isinstance(algorithm, Haml),
        f"{name} is no triple of drift, neighbourhood and sampling, so mirror learning guarantees nothing about it "
        "and it cannot be solved exactly; try haa2c, or hasac",
    )
    require(
        not isinstance(algorithm.scheme, MetaGame | MetaStep),
        f"{type(algorithm.scheme).__name__} solves a game estimated from samples, so mirror learning guarantees "
        "nothing about it; try il, or `hamlet games table1`, where it is exact",
    )


def _haml(games: Any, policies: Any, algorithm: Any, iterations: int, keys: Any, gap: Kept) -> list[History]:
    require_triple(algorithm)
    require(
        algorithm.sharing == "none",
        "in a finite game every agent needs its own policy: sharing='group' cannot be solved; try sharing='none'",
    )
    require(
        algorithm.critic.credits == "team" or all(game.common for game in games),
        "an algorithm that trains each agent on its own reward can be solved with a common reward only; try happo",
    )
    surrogate = algorithm.surrogate
    temperature = np.float64(surrogate.temperature.initial) if isinstance(surrogate, SoftPathwise) else None
    rule = _Template(algorithm.drift, algorithm.neighbourhood, algorithm.sampling, algorithm.scheme, temperature)
    return _run(games, policies, rule, iterations, keys, gap)


def _hatrl(games: Any, policies: Any, iterations: int, keys: Any, first: Any, gap: Kept) -> list[History]:
    agents = extent(games)[1] if games else 0
    require(
        first is None or sorted(first) == list(range(agents)),
        f"the first order must name every agent once, {list(range(agents))} in some order, got {first}",
    )
    return _run(games, policies, _TrustRegion(None if first is None else tuple(first)), iterations, keys, gap)


def _single(key: Key | int) -> Any:
    return as_key(key)[None]


def _folded(key: Key | int, count: int) -> Any:
    return jax.vmap(lambda number: jax.random.fold_in(as_key(key), number))(jnp.arange(count))
