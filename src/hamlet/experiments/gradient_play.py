"""Reproduce MATRL's table 1: how often, and how fast, gradient play reaches an equilibrium of random 2 × 2 games.

A point (p, q) holds each player's probability of its first action. A game has converged at the first step at which both
probabilities are within 0.05 of an equilibrium. The table has three numbers:

* the rate: the share of games that converged;
* the steps: the mean number of steps, over the games that converged;
* ``stays``: the share of games whose last point is near an equilibrium. This number is needed because a path that only
  passes near an equilibrium has also converged by the first definition.

References: Multi-Agent Trust Region Learning (ICLR 2021 submission; later arXiv:2106.06828), table 1 and table 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hamlet.errors import require
from hamlet.games import gradient, solvers
from hamlet.games.generators import GENERATORS
from hamlet.tabular.precision import exactly

CLASSES = tuple(GENERATORS)
START, STEPS, NEAR = (0.9, 0.2), 1000, 0.05
SIZES = (0.02, 0.3, 1.0)
MOST_GAMES = 100_000
# The number of games that are played in one batch. The path of each game takes 16 kB.
_TOGETHER = 3000


@dataclass(frozen=True)
class PlayRow:
    """A row of the table: one learning rule.

    Attributes:
        name: The rule's name in the paper, with its step sizes.
        rule: The rule, with its step sizes.
        paper: The paper's rate and steps for each class of games; None if the paper does not report them.
    """

    name: str
    rule: gradient.Rule
    paper: tuple[tuple[float, float], ...] | None = None


SECTIONS: Mapping[str, tuple[PlayRow, ...]] = {
    "the paper's sizes of step": (
        PlayRow("IGA β=.02", gradient.Iga(0.02), ((0.99, 140.67), (0.975, 88.95), (0.78, 452.92))),
        PlayRow("IGA-PP β=.02 γ=.01", gradient.IgaPp(0.02, 0.01), ((0.99, 138.56), (0.975, 83.11), (0.809, 432.98))),
        PlayRow("MATRL β=.03 η=.02", gradient.Matrl(0.03, 0.02), ((0.99, 86.54), (0.9825, 75.52), (0.846, 369.40))),
        PlayRow("WoLF-IGA .02/.06", gradient.WolfIga(0.02, 0.06)),
    ),
    "equal sizes, .02": (
        PlayRow("MATRL β=.02 η=.02", gradient.Matrl(0.02, 0.02)),
        PlayRow("IL-PP β=.02 η=.02", gradient.IlPp(0.02, 0.02)),
        PlayRow("MATRL w/o BR η=.02", gradient.MatrlWithoutBestResponse(0.02)),
    ),
    "equal sizes, .03": (
        PlayRow("IGA β=.03", gradient.Iga(0.03)),
        PlayRow("IGA-PP β=.03 γ=.02", gradient.IgaPp(0.03, 0.02)),
        PlayRow("IL-PP β=.03 η=.02", gradient.IlPp(0.03, 0.02)),
        PlayRow("LOLA β=.03 γ=.02", gradient.Lola(0.03, 0.02)),
    ),
    **{
        f"large steps, {size:g}": (
            PlayRow(f"IGA β={size:g}", gradient.Iga(size)),
            PlayRow(f"IL-PP β=η={size:g}", gradient.IlPp(size, size)),
            PlayRow(f"MATRL β=η={size:g}", gradient.Matrl(size, size)),
            PlayRow(f"MATRL w/o BR η={size:g}", gradient.MatrlWithoutBestResponse(size)),
        )
        for size in SIZES[1:]
    },
}


def draw(games: int, seed: int) -> Float[np.ndarray, "classes games 2 2 2"]:
    """Sample random games of every class, in float64.

    Args:
        games: The number of games of each class, in [1, 100,000].
        seed: The random seed, in [0, 2³²).

    Raises:
        RequestError: If a number is out of range.
    """
    require(1 <= games <= MOST_GAMES, f"--games must be in [1, {MOST_GAMES:,}], got {games:,}; try 1,000")
    require(0 <= seed < 2**32, f"--seed must be in [0, {2**32 - 1}], got {seed}")
    return exactly(jax.jit(partial(_draw, games)), np.uint32(seed))


def measure(games: int = 1000, seed: int = 0, sections: Mapping[str, Sequence[PlayRow]] = SECTIONS) -> dict[str, Any]:
    """Compute the table: every rule on the same games, in float64.

    Args:
        games: The number of games of each class.
        seed: The random seed of the games.
        sections: The rules of each section of the table, by the section's heading.

    Raises:
        RequestError: If a number is out of range.
    """
    drawn = draw(games, seed)
    points = np.random.default_rng(seed).random((len(CLASSES), games, 2))
    return {
        "games_of_each_class": games,
        "seed": seed,
        "start": list(START),
        "most_steps": STEPS,
        "near": NEAR,
        "rows": [_row(section, row, drawn) for section, rows in sections.items() for row in rows],
        "meta_game_at_random_points": {f"{size:g}": _meta_games(size, drawn, points) for size in SIZES},
    }


@dataclass(frozen=True, eq=False)
class Walk:
    """The path of a rule in one game.

    Attributes:
        points: The start and the point after every step, ``[T + 1, 2]``.
        stable: For every point z, the mixture z̄ of z and its predicted next point (`hamlet.games.gradient.mixture`). z
            and z̄ are opposite corners of the trust stable region. None if the rule has no meta-game.
        arrived: The first step near an equilibrium; −1 if the path never comes near one.
        near: The equilibrium at that step, or None.
    """

    points: Float[np.ndarray, "T 2"]
    stable: Float[np.ndarray, "T 2"] | None
    arrived: int
    near: tuple[float, float] | None

    @property
    def summary(self) -> str:
        """One line: the equilibrium that the path reached, the step, and the last point."""
        (p, q), steps = self.points[-1], len(self.points) - 1
        end = f"after {steps} steps the point is ({p:.3f}, {q:.3f})"
        if self.near is None:
            return f"never within {NEAR} of an equilibrium; {end}"
        return (
            f"within {NEAR} of the equilibrium ({self.near[0]:.3f}, {self.near[1]:.3f}) at step {self.arrived}; {end}"
        )


def walk(rule: gradient.Rule, payoffs: Float[np.ndarray, "2 2 2"], start: tuple[float, float], steps: int) -> Walk:
    """Apply a rule ``steps`` times from ``start``, in float64, and return the path."""
    points, stable, arrived, (places, there) = exactly(
        partial(_walk, steps=steps), rule, np.asarray(payoffs, np.float64), np.array(start)
    )
    near = None
    if arrived >= 0:
        distance = np.where(there, np.abs(places - points[arrived]).max(-1), np.inf)
        near = (float(places[distance.argmin()][0]), float(places[distance.argmin()][1]))
    return Walk(points, stable, int(arrived), near)


def equilibria(payoffs: Float[np.ndarray, "2 2 2"]) -> Float[np.ndarray, "found 2"]:
    """Return both players' probabilities of their first actions, at every isolated equilibrium of a game."""
    return np.array([[strategy[0] for strategy in profile.strategies] for profile in solvers.two_by_two(payoffs)])


def _row(section: str, row: PlayRow, drawn: Float[np.ndarray, "classes games 2 2 2"]) -> dict[str, Any]:
    """Compute one row of the table: a rule's results in every class of games."""
    shape = drawn.shape[:2]
    arrival, stays = exactly(_play, row.rule, drawn.reshape(-1, 2, 2, 2), np.array(START))
    classes = {}
    for name, steps, still in zip(CLASSES, arrival.reshape(shape), stays.reshape(shape), strict=True):
        met = steps >= 0
        rate = float(met.mean())
        classes[name] = {
            "rate": rate,
            "standard_error": float(np.sqrt(rate * (1 - rate) / len(met))),
            "steps": float(steps[met].mean()) if met.any() else None,
            "stays": float(still.mean()),
        }
    paper = None if row.paper is None else dict(zip(CLASSES, row.paper, strict=True))
    return {"section": section, "name": row.name, "rule": repr(row.rule), "paper": paper, "classes": classes}


def _meta_games(
    size: float, drawn: Float[np.ndarray, "classes games 2 2 2"], points: Float[np.ndarray, "classes games 2"]
) -> dict[str, dict[str, float]]:
    """Compute the shares of games in which both players take the prediction, one player stays, or players mix.

    The shares describe the equilibrium of the meta-game at random points, with predictions of step size ``size``.
    """
    stay_probabilities = exactly(_kept, size, drawn, points)
    freely = (stay_probabilities == 0).all(-1)
    pure = ((stay_probabilities == 0) | (stay_probabilities == 1)).all(-1)
    return {
        name: {"both as predicted": float(a), "one stays": float(b), "mixed": float(c)}
        for name, a, b, c in zip(CLASSES, freely.mean(1), (pure & ~freely).mean(1), (~pure).mean(1), strict=True)
    }


def _draw(games: int, seed: Array) -> Float[Array, "classes games 2 2 2"]:
    keys = jax.random.split(jax.random.key(seed), (len(CLASSES), games))
    return jnp.stack([jax.vmap(make)(class_keys) for make, class_keys in zip(GENERATORS.values(), keys, strict=True)])


@jax.jit
def _play(rule: gradient.Rule, games: Float[Array, "games 2 2 2"], start: Float[Array, " 2"]) -> tuple[Array, Array]:
    """Return each game's first step near an equilibrium (−1 if none), and whether its last point is near one."""

    def one(payoffs: Float[Array, "2 2 2"]) -> tuple[Array, Array]:
        path = gradient.follow(rule, payoffs, start, STEPS)
        return gradient.arrival(path, payoffs, NEAR), gradient.arrival(path[-1:], payoffs, NEAR) == 0

    return jax.lax.map(one, games, batch_size=_TOGETHER)


@jax.jit
def _kept(
    size: Array, games: Float[Array, "classes games 2 2 2"], points: Float[Array, "classes games 2"]
) -> Float[Array, "classes games 2"]:
    """Return ρ, each player's probability of keeping its policy in the meta-game, of every game at its point."""

    def one(payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        return gradient.kept(payoffs, point, gradient.ahead(payoffs, point, size))

    return jax.vmap(jax.vmap(one))(games, points)


@partial(jax.jit, static_argnames="steps")
def _walk(
    rule: gradient.Rule, payoffs: Float[Array, "2 2 2"], start: Float[Array, " 2"], steps: int
) -> tuple[Array, Array | None, Array, tuple[Array, Array]]:
    points = gradient.follow(rule, payoffs, start, steps)
    stable = None
    if isinstance(rule, gradient.Matrl | gradient.MatrlWithoutBestResponse):
        stable = jax.vmap(rule.stable, (None, 0))(payoffs, points)
    return points, stable, gradient.arrival(points, payoffs, NEAR), gradient.equilibria(payoffs)
