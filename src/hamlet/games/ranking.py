"""Rank strategies in games with cycles, where no strategy beats all others: α-rank and Nash averaging.

**α-rank** (Omidshafiei et al., 2019, arXiv:1903.01373): a population of m members plays one strategy. A mutant of
another strategy takes the population over with probability

    ρ(u) = (1 − e^{−u}) / (1 − e^{−mu}),      ρ(0) = 1/m,      u = α (the mutant's payoff minus the population's),

where α is the selection intensity. Each of the K possible next strategies is tried with equal probability, η = 1/K. The
stationary distribution of this Markov chain ranks the strategies. Hamlet computes its logarithms by the elimination of
Grassmann, Taksar and Heyman, which uses no subtraction. This is necessary: with α = 100 some ρ are below e^{−5000} and
still determine the ranking.

**Nash averaging** (Balduzzi et al., 2018, arXiv:1806.02643): an antisymmetric matrix P defines a zero-sum game. Of all
its optimal strategies, the Nash average is the strategy p with the greatest entropy. An agent's skill is its entry of
P p. A copy of an agent does not change the skills.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from hamlet.errors import RunError, require
from hamlet.games.payoffs import checked, checked_matrix

# The largest number of profiles: the chain needs 8 bytes for each pair of profiles.
_PROFILES = 2_000


@dataclass(frozen=True)
class AlphaRank:
    """The masses by which α-rank orders strategies, or profiles of strategies.

    Attributes:
        masses: The stationary distribution, with an axis for each population.
        values: Each population's expected payoff under it.
        regret: The largest gain of a population that always plays one strategy, with the other populations' strategies
            distributed by the masses.
    """

    masses: np.ndarray
    values: np.ndarray
    regret: float


@dataclass(frozen=True)
class NashAverage:
    """The mixture with the greatest entropy among the mixtures that no agent beats.

    Attributes:
        mixture: Each agent's weight.
        skills: Each agent's mean payoff against the mixture, at most 0.
        regret: The gain of the best response to the mixture.
    """

    mixture: np.ndarray
    skills: np.ndarray
    regret: float


def alpha_rank(payoffs: object, *, alpha: float = 100.0, population: int = 50, epsilon: float = 0.01) -> AlphaRank:
    """Rank strategies by α-rank: the share of time that each is played in a population with mutations.

    Args:
        payoffs: For one population that plays against itself, a matrix of the row strategy's payoffs against the column
            strategy. For n populations, ``payoffs[i][c₁, …, cₙ]``.
        alpha: α, the selection intensity, in 1 / units of payoff. Infinity for the limit, in which a better mutant
            takes over with probability 1 − ε, a worse one with ε, and an equal one with ½.
        population: m, the number of members, at least 2.
        epsilon: ε in (0, ½), used with infinite alpha only.

    Raises:
        RequestError: If the payoffs are not a valid game, there are too many profiles, or a parameter is out of range.

    >>> rock = [[0, -1, 1], [1, 0, -1], [-1, 1, 0]]
    >>> alpha_rank(rock).masses.round(6).tolist()
    [0.333333, 0.333333, 0.333333]
    """
    require(alpha > 0, f"alpha must be above 0, got {alpha}")
    require(population >= 2, f"population must be at least 2, got {population}")
    require(0 < epsilon < 0.5, f"epsilon must be in (0, 0.5), got {epsilon}")
    game, single = _game(payoffs)
    profiles = game.shape[1:2] if single else game.shape[1:]
    require(
        math.prod(profiles) <= _PROFILES,
        f"alpha_rank can rank at most {_PROFILES:,} profiles, got {math.prod(profiles):,}",
    )
    gains, moves = _gains(game, single)
    rates = np.where(moves, _log_rates(gains, alpha, population, epsilon), -np.inf)
    masses = np.exp(_log_stationary(rates)).reshape(profiles)
    return _worth(game, single, masses / masses.sum())


def alpha_sweep(
    payoffs: object, *, least: float = 0.1, most: float = 1e4, tolerance: float = 1e-3, population: int = 50
) -> tuple[float, AlphaRank]:
    """Return α-rank for a large enough α: α is doubled from ``least`` until the ranking is stable, at most to ``most``.

    The ranking is stable if no mass changes by more than ``tolerance`` in two consecutive doublings.

    Returns:
        The final α, and the ranking for it.
    """
    require(0 < least < most, f"alpha_sweep needs 0 < least < most, got {least} and {most}")
    alpha, before = least, alpha_rank(payoffs, alpha=least, population=population)
    steady = 0
    while alpha < most:
        alpha = min(2 * alpha, most)
        now = alpha_rank(payoffs, alpha=alpha, population=population)
        steady = steady + 1 if np.abs(now.masses - before.masses).max() <= tolerance else 0
        before = now
        # All small alphas give equal masses, so a stable ranking there has no meaning.
        if steady >= 2 and alpha * np.ptp(np.asarray(payoffs, np.float64)) >= 1:
            break
    return alpha, before


def nash_average(matrix: object) -> NashAverage:
    """Return the mixture p of greatest entropy with P p ≤ 0, and every agent's skill P p.

    Args:
        matrix: P, antisymmetric: the mean payoff of the row's agent against the column's agent.

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
        f"nash_average needs an antisymmetric matrix, P = −Pᵀ; this one of the shape {won.shape} is off by "
        f"{off:.3g}; the nearest is (P − Pᵀ) / 2",
    )
    unit = won / scale
    played = _ever_played(unit)
    mixture = np.zeros(len(won))
    mixture[played] = _most_even(unit[np.ix_(played, played)], unit[np.ix_(~played, played)])
    skills = won @ mixture
    return NashAverage(mixture, skills, max(0.0, float(skills.max())))


def _game(payoffs: object) -> tuple[np.ndarray, bool]:
    """Return the payoffs by population, and whether there is only one population."""
    try:
        matrix = np.ndim(np.asarray(payoffs, np.float64)) == 2
    except (TypeError, ValueError):
        matrix = False
    if not matrix:
        return checked(payoffs), False
    table = checked_matrix(payoffs, "payoffs of one population")
    require(table.shape[0] == table.shape[1], f"payoffs of one population must be a square matrix, got {table.shape}")
    return table[None], True


def _gains(game: np.ndarray, one: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return a mutant's payoff minus the population's, from profile to profile, and which moves exist."""
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
    """Return the logarithms of ρ; η is equal for all moves and cancels."""
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
    """Return the logarithms of a chain's stationary distribution from those of its rates; the diagonal is not used."""
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
    """Return which agents have a positive weight in some optimal mixture, by one linear program.

        max Σₖ min(pₖ, 1)  such that  P p ≤ 0,  p ≥ 0.

    p is a multiple of an optimal mixture.
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
    """Return the distribution p of greatest entropy with inner · p = 0 and outer · p ≤ 0, from its dual.

    C has the rows of ``inner`` and ``outer``. p = softmax(−(Cᵀλ)), where λ minimises log Σₖ exp(−(Cᵀλ)ₖ) and is not
    negative for inequalities. Some feasible p is positive everywhere, so the minimum is attained.
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
    # Newton steps improve the solution on the binding constraints; inequalities that do not bind have λ = 0.
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
