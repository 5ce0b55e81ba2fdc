"""Who is good in a game in which the good beat one another in circles: α-rank and Nash averaging.

**α-rank** (Omidshafiei et al., 2019, arXiv:1903.01373): a population plays one strategy; a mutant of one other takes it
over with probability

    ρ(u) = (1 − e^{−u}) / (1 − e^{−mu}),      ρ(0) = 1/m,      u = α (what the mutant earns more),

and each of the K strategies that could come next is tried equally often, η = 1/K. The stationary distribution of that
chain ranks. Its logarithms are computed, by the elimination of Grassmann, Taksar and Heyman, which subtracts nothing:
with α = 100 some ρ are below e^{−5000}, and yet decide.

**Nash averaging** (Balduzzi et al., 2018, arXiv:1806.02643): of all optimal strategies p of the zero-sum game that an
antisymmetric matrix P is, that with the greatest entropy; an agent's skill is (P p). A clone changes nobody's.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from hamlet.errors import RunError, require
from hamlet.games.payoffs import checked, checked_matrix

# Of the chain: 8 bytes for each pair of profiles.
_PROFILES = 2_000


@dataclass(frozen=True)
class AlphaRank:
    """Masses by which strategies, or profiles of them, are ranked.

    Attributes:
        masses: Of the stationary distribution; an axis for each population.
        values: What each population earns under it.
        regret: What the most tempted population would gain by one strategy throughout, the others as the masses say.
    """

    masses: np.ndarray
    values: np.ndarray
    regret: float


@dataclass(frozen=True)
class NashAverage:
    """The most even mixture of agents that no agent beats.

    Attributes:
        mixture: Each agent's weight.
        skills: What each earns against the mixture, at most 0.
        regret: What the best answer to it would gain.
    """

    mixture: np.ndarray
    skills: np.ndarray
    regret: float


def alpha_rank(payoffs: object, *, alpha: float = 100.0, population: int = 50, epsilon: float = 0.01) -> AlphaRank:
    """Rank strategies by how long they are played where mutants come and go.

    Args:
        payoffs: A matrix of what the row's strategy earns against the column's, for one population that plays itself;
            or ``payoffs[i][c₁, …, cₙ]`` for n populations.
        alpha: How strongly payoffs decide, in 1 / units of payoff; infinity for the limit, where a better mutant comes
            in with probability 1 − ε, a worse one with ε, an equal one with ½.
        population: m, at least 2.
        epsilon: ε in (0, ½), used with infinite alpha alone.

    Raises:
        RequestError: If this is no game, has too many profiles, or a parameter is out of its range.

    >>> rock = [[0, -1, 1], [1, 0, -1], [-1, 1, 0]]
    >>> alpha_rank(rock).masses.round(6).tolist()
    [0.333333, 0.333333, 0.333333]
    """
    require(alpha > 0, f"alpha is above 0, not {alpha}")
    require(population >= 2, f"a population has at least 2 members, not {population}")
    require(0 < epsilon < 0.5, f"epsilon lies between 0 and 0.5, not at {epsilon}")
    game, single = _game(payoffs)
    profiles = game.shape[1:2] if single else game.shape[1:]
    require(
        math.prod(profiles) <= _PROFILES,
        f"alpha-rank of {math.prod(profiles):,} profiles is refused; at most {_PROFILES:,}",
    )
    gains, moves = _gains(game, single)
    rates = np.where(moves, _log_rates(gains, alpha, population, epsilon), -np.inf)
    masses = np.exp(_log_stationary(rates)).reshape(profiles)
    return _worth(game, single, masses / masses.sum())


def alpha_sweep(
    payoffs: object, *, least: float = 0.1, most: float = 1e4, tolerance: float = 1e-3, population: int = 50
) -> tuple[float, AlphaRank]:
    """α-rank with α doubled from ``least`` until no mass moves by more than ``tolerance`` any more, or ``most``.

    Returns:
        The α at which it stood still, and the ranking there.
    """
    require(0 < least < most, f"a sweep goes from an alpha above 0 to a greater one, not from {least} to {most}")
    alpha, before = least, alpha_rank(payoffs, alpha=least, population=population)
    steady = 0
    while alpha < most:
        alpha = min(2 * alpha, most)
        now = alpha_rank(payoffs, alpha=alpha, population=population)
        steady = steady + 1 if np.abs(now.masses - before.masses).max() <= tolerance else 0
        before = now
        # Small alphas all give even masses: standing still there says nothing.
        if steady >= 2 and alpha * np.ptp(np.asarray(payoffs, np.float64)) >= 1:
            break
    return alpha, before


def nash_average(matrix: object) -> NashAverage:
    """The mixture of greatest entropy among those p with P p ≤ 0, and every agent's skill P p.

    Args:
        matrix: P, antisymmetric: what the row's agent wins from the column's on average.

    Raises:
        RequestError: If the matrix is not antisymmetric.

    >>> nash_average([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]).mixture.round(6).tolist()
    [0.333333, 0.333333, 0.333333]
    """
    won = checked_matrix(matrix, "wins")
    scale = max(float(np.abs(won).max()), 1e-300)
    off = float(np.abs(won + won.T).max()) if won.shape[0] == won.shape[1] else math.inf
    require(
        off <= 1e-9 * scale,
        f"Nash averaging is of an antisymmetric matrix, P = −Pᵀ; this one of the shape {won.shape} is off by "
        f"{off:.3g}; the nearest is (P − Pᵀ) / 2",
    )
    unit = won / scale
    played = _ever_played(unit)
    mixture = np.zeros(len(won))
    mixture[played] = _most_even(unit[np.ix_(played, played)], unit[np.ix_(~played, played)])
    skills = won @ mixture
    return NashAverage(mixture, skills, max(0.0, float(skills.max())))


def _game(payoffs: object) -> tuple[np.ndarray, bool]:
    """An array of payoffs by population, and whether there is only one."""
    try:
        matrix = np.ndim(np.asarray(payoffs, np.float64)) == 2
    except (TypeError, ValueError):
        matrix = False
    if not matrix:
        return checked(payoffs), False
    table = checked_matrix(payoffs, "payoffs of one population")
    require(
        table.shape[0] == table.shape[1], f"one population has as many rows as columns, not the shape {table.shape}"
    )
    return table[None], True


def _gains(game: np.ndarray, one: bool) -> tuple[np.ndarray, np.ndarray]:
    """What a mutant earns more than those it comes among, from profile to profile, and which moves there are."""
    if one:
        return game[0].T - game[0], ~np.eye(len(game[0]), dtype=bool)
    profiles = np.array(list(np.ndindex(*game.shape[1:])))
    differ = profiles[:, None] != profiles[None]
    moves = differ.sum(-1) == 1
    who = np.argmax(differ, axis=-1)
    flat = game.reshape(len(game), -1)
    every = np.arange(len(profiles))
    return flat[who, every[None]] - flat[who, every[:, None]], moves


def _log_rates(gains: np.ndarray, alpha: float, population: int, epsilon: float) -> np.ndarray:
    """Logarithms of ρ; η is the same for all moves, and drops out."""
    if math.isinf(alpha):
        equal = np.isclose(gains, 0.0, rtol=0, atol=1e-14)
        return np.log(np.where(equal, 0.5, np.where(gains > 0, 1 - epsilon, epsilon)))
    u = alpha * gains
    near = np.abs(u) < 1e-14
    size = np.where(near, 1.0, np.abs(u))
    up = np.log(-np.expm1(-size)) - np.log(-np.expm1(-population * size))
    # ρ(−u) = e^{−(m−1)u} ρ(u)
    log_rates = np.where(u > 0, up, up - (population - 1) * size)
    return np.where(near, -math.log(population), log_rates)


def _log_stationary(rates: Float[np.ndarray, "s s"]) -> Float[np.ndarray, " s"]:
    """Logarithms of the stationary distribution of a chain from those of its rates; its diagonal is not read."""
    rates = rates.copy()
    count = len(rates)
    out = np.zeros(count)
    for last in range(count - 1, 0, -1):
        out[last] = np.logaddexp.reduce(rates[last, :last])
        through = rates[:last, last, None] + rates[last, None, :last] - out[last]
        rates[:last, :last] = np.logaddexp(rates[:last, :last], through)
    log_masses = np.zeros(count)
    for state in range(1, count):
        log_masses[state] = np.logaddexp.reduce(log_masses[:state] + rates[:state, state]) - out[state]
    return log_masses - np.logaddexp.reduce(log_masses)


def _worth(game: np.ndarray, one: bool, masses: np.ndarray) -> AlphaRank:
    if one:
        values = game[0] @ masses
        earned = masses @ values
        return AlphaRank(masses, np.array([earned]), max(0.0, float(values.max() - earned)))
    earned = (game * masses).reshape(len(game), -1).sum(1)
    best = [
        (np.moveaxis(table, player, 0) * masses.sum(player)).reshape(table.shape[player], -1).sum(1).max()
        for player, table in enumerate(game)
    ]
    return AlphaRank(masses, earned, max(0.0, float((np.array(best) - earned).max())))


def _ever_played(matrix: Float[np.ndarray, "k k"]) -> np.ndarray:
    """Who has weight in some optimal mixture: one linear program over the cone of their multiples.

    max Σₖ min(pₖ, 1)  such that  P p ≤ 0,  p ≥ 0.
    """
    from scipy.optimize import linprog

    count = len(matrix)
    none, eye = np.zeros((count, count)), np.eye(count)
    optimum = linprog(
        np.concatenate([np.zeros(count), -np.ones(count)]),
        A_ub=np.block([[matrix, none], [-eye, eye]]),
        b_ub=np.zeros(2 * count),
        bounds=[(0, None)] * count + [(0, 1)] * count,
        method="highs",
    )
    if optimum.x is None:
        raise RunError(f"the linear program of a Nash average was not solved: {optimum.message}")
    return optimum.x[count:] > 0.5


def _most_even(inner: Float[np.ndarray, "k k"], outer: Float[np.ndarray, "l k"]) -> Float[np.ndarray, " k"]:
    """The distribution of greatest entropy with inner · p = 0 and outer · p ≤ 0, from its dual.

    p = softmax(−(Cᵀλ)), where λ minimises log Σₖ exp(−(Cᵀλ)ₖ) and is not negative for inequalities. Some p is positive
    everywhere, so that the minimum is attained.
    """
    from scipy.optimize import minimize

    rows = np.vstack([inner, outer])
    bounds = [(None, None)] * len(inner) + [(0, None)] * len(outer)

    def dual(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logits = -(weights @ rows)
        top = logits.max()
        mass = np.exp(logits - top)
        return top + math.log(mass.sum()), -(rows @ mass) / mass.sum()

    optimum = minimize(
        dual,
        np.zeros(len(rows)),
        jac=True,
        bounds=bounds,
        method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1_000},
    )
    weights = optimum.x.copy()
    # From there by Newton's steps on what binds: inequalities that do not bind came out as λ = 0.
    binding = np.concatenate([np.ones(len(inner), bool), weights[len(inner) :] > 0])
    for _ in range(20):
        mass = _softmax(-(weights @ rows))
        mean = rows[binding] @ mass
        slope = (rows[binding] * mass) @ rows[binding].T - np.outer(mean, mean)
        weights[binding] += np.linalg.lstsq(slope, mean, rcond=1e-12)[0]
    polished, first = _softmax(-(weights @ rows)), _softmax(-(optimum.x @ rows))
    return min(polished, first, key=lambda mass: _violation(inner, outer, mass))


def _softmax(logits: np.ndarray) -> np.ndarray:
    mass = np.exp(logits - logits.max())
    return mass / mass.sum()


def _violation(inner: np.ndarray, outer: np.ndarray, mass: np.ndarray) -> float:
    violation = max(np.abs(inner @ mass).max(initial=0.0), (outer @ mass).max(initial=0.0))
    return violation if np.isfinite(violation) else math.inf
