"""Certificates: the guarantees of mirror learning, tested on the algorithm itself in many random games.

The theory of mirror learning (template 2) applies to an algorithm whose drift, neighbourhood and scheme satisfy its
definitions. On games with a common reward, it guarantees that no update lowers any state's value, hence never the
return J, and that the policies converge to a Nash equilibrium (Zhong et al., 2024, arXiv:2304.09870, theorem 14).

For an algorithm that also maximises entropy, the same holds for the soft return J_α with the temperature α, and for
quantal response equilibria (Liu et al., 2024, arXiv:2306.10715). The certificate then checks J_α and its gap.

The theory does not guarantee the optimum. The certificate shows how far the final J is below the optimal return J*, but
this does not count as a violation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from hamlet.errors import require
from hamlet.tabular.markov_game import MarkovGame, Policies, Table, generator, random_game, random_policies
from hamlet.tabular.mirror import History, haml_many

# The largest decrease that still counts as none, and the largest gap of an equilibrium, as a share of a game's range of
# payoffs.
NO_FALL, AT_REST = 1e-9, 1e-3


@dataclass(frozen=True)
class Certificate:
    """The results of an algorithm on G random games in K iterations. In an iteration, every agent updates once.

    Attributes:
        games: The games.
        starts: The initial policies in each game.
        histories: The results of the iterations, one history per game.
        best: The optimal return J* of each game, ``[G]``.
    """

    games: tuple[MarkovGame, ...]
    starts: tuple[Policies, ...]
    histories: tuple[History, ...]
    best: Float[np.ndarray, " G"]

    @property
    def value(self) -> Float[np.ndarray, "G K1"]:
        """Return J before the first iteration and after each iteration; with a temperature, J_α."""
        return np.stack([history.value for history in self.histories])

    @property
    def earned(self) -> Float[np.ndarray, "G K1"]:
        """Return J of the reward alone, at the same times; with a temperature, it has no guarantee."""
        return np.stack([history.earned for history in self.histories])

    @property
    def temperature(self) -> float | None:
        """Return α, or None if entropy is not maximised."""
        return self.histories[0].temperature

    @property
    def fall(self) -> Float[np.ndarray, " G"]:
        """Return the largest decrease of J in one iteration; 0 if it never decreased."""
        return _largest_fall(self.value)

    @property
    def state_fall(self) -> Float[np.ndarray, " G"]:
        """Return the largest decrease of any state's value in one iteration."""
        return np.array([_largest_fall(history.state_value.T).max() for history in self.histories])

    @property
    def gap(self) -> Float[np.ndarray, " G"]:
        """Return the largest gain that a single agent can make by deviating, as a share of the game's payoff range."""
        ends = np.array([history.gap[-1].max() for history in self.histories])
        return ends / np.array([np.ptp(game.team_reward) for game in self.games])

    @property
    def reached(self) -> Float[np.ndarray, " G"]:
        """Return (J − J₀) / (J* − J₀) at the end, with the initial return J₀; 1 is the optimum.

        The theory does not guarantee the optimum.
        """
        start, end = self.earned[:, 0], self.earned[:, -1]
        return np.clip((end - start) / np.maximum(self.best - start, 1e-12), None, 1.0)

    @property
    def counter_example(self) -> int | None:
        """Return the game with the largest decrease of J, else of a state's value; None without a decrease."""
        for falls in (self.fall, self.state_fall):
            if falls.max() > NO_FALL:
                return int(falls.argmax())
        return None

    @property
    def holds(self) -> bool:
        """Return whether neither J nor any state's value ever decreased."""
        return self.counter_example is None


def certify(algorithm: Any, *, games: int = 200, sweeps: int = 100, seed: int = 0) -> Certificate:
    """Run an algorithm, solved exactly, on random cooperative games of 2–3 agents, 2–4 actions and 2–5 states.

    Args:
        algorithm: As for `hamlet.train`; it must be a `Haml`.
        games: The number of games.
        sweeps: The number of iterations in each game; in an iteration, every agent updates once.
        seed: Random seed of the games, the initial policies and the update orders.

    Raises:
        RequestError: If the number of games or iterations is below 1, or the algorithm cannot be solved exactly.
    """
    require(games >= 1, f"--games must be at least 1, not {games}")
    require(sweeps >= 1, f"--sweeps must be at least 1, not {sweeps}")
    drawn = tuple(drawn_game(seed, number) for number in range(games))
    starts = tuple(random_policies(seed + number, game) for number, game in enumerate(drawn))
    histories = haml_many(drawn, starts, algorithm, sweeps, seed, gap="last")
    return Certificate(drawn, starts, tuple(histories), np.array([best_value(game) for game in drawn]))


def drawn_game(seed: int, number: int) -> MarkovGame:
    """Return one of the random games of a certificate."""
    source = generator(seed * 1_000_003 + number)
    agents = int(source.integers(2, 4))
    actions = tuple(int(count) for count in source.integers(2, 5, agents))
    return random_game(seed * 1_000_003 + number, states=int(source.integers(2, 6)), actions=actions, discount=0.9)


def best_value(game: MarkovGame) -> float:
    """Return J*, the return of the best joint policy.

    The game is solved as a Markov decision process of a single agent, by policy iteration.
    """
    reward = game.team_reward.reshape(game.states, -1)
    transition = game.transition.reshape(game.states, -1, game.states)
    rows, choice = np.arange(game.states), reward.argmax(1)
    while True:
        v = np.linalg.solve(np.eye(game.states) - game.discount * transition[rows, choice], reward[rows, choice])
        q = reward + game.discount * transition @ v
        better = np.where(q.max(1) > v + 1e-12 * (1 + np.abs(v)), q.argmax(1), choice)
        if (better == choice).all():
            return float(game.initial @ v)
        choice = better


def as_table(certificate: Certificate) -> dict[str, list[float]]:
    """Return the results of every game as JSON: lists with one entry per game."""
    return {
        "first_value": certificate.value[:, 0].tolist(),
        "last_value": certificate.value[:, -1].tolist(),
        "first_earned": certificate.earned[:, 0].tolist(),
        "last_earned": certificate.earned[:, -1].tolist(),
        "best_value": certificate.best.tolist(),
        "fall": certificate.fall.tolist(),
        "state_fall": certificate.state_fall.tolist(),
        "gap": certificate.gap.tolist(),
    }


def as_document(certificate: Certificate, number: int) -> dict[str, object]:
    """Return a counter-example as JSON: the game, α or null, and all policies, returns and state values."""
    game, history = certificate.games[number], certificate.histories[number]
    return {
        "game": {
            "reward": game.reward.tolist(),
            "transition": game.transition.tolist(),
            "initial": game.initial.tolist(),
            "discount": game.discount,
        },
        "temperature": certificate.temperature,
        "policies": [_lists(policies) for policies in history.policies],
        "value": history.value.tolist(),
        "state_value": history.state_value.tolist(),
        "fall": float(certificate.fall[number]),
        "state_fall": float(certificate.state_fall[number]),
    }


def _lists(policies: Sequence[Table]) -> list[list[list[float]]]:
    return [np.asarray(policy).tolist() for policy in policies]


def _largest_fall(values: Float[np.ndarray, "... K1"]) -> Float[np.ndarray, "..."]:
    return np.maximum(-np.diff(values, axis=-1).min(-1), 0.0)
