"""Certificates: what the theory promises of an algorithm, held against the algorithm itself on many random games.

For an algorithm whose drift, neighbourhood and scheme are those of mirror learning, template 2 promises on games with a
common reward that no update lowers any state's value, hence never J, and that the policies tend to a Nash equilibrium
(Zhong et al., 2024, arXiv:2304.09870, theorem 14). Of one that maximises entropy as well, the same is promised of J_α,
and a quantal response equilibrium (Liu et al., 2024, arXiv:2306.10715): J_α and its gap are then what is looked at. It
promises no optimum: how far J ends below J* is shown, and not judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from hamlet.errors import require
from hamlet.tabular.markov_game import MarkovGame, Policies, Table, generator, random_game, random_policies
from hamlet.tabular.mirror import History, haml_many

# What still counts as no fall, and as an equilibrium in shares of a game's range of payoffs.
NO_FALL, AT_REST = 1e-9, 1e-3


@dataclass(frozen=True)
class Certificate:
    """What became of an algorithm on G random games in K sweeps.

    Attributes:
        games: The games.
        starts: The policies that each began with.
        histories: What the sweeps did, one for each game.
        best: J* of each game, ``[G]``.
    """

    games: tuple[MarkovGame, ...]
    starts: tuple[Policies, ...]
    histories: tuple[History, ...]
    best: Float[np.ndarray, " G"]

    @property
    def value(self) -> Float[np.ndarray, "G K1"]:
        """J before the first sweep and after each; with a temperature J_α."""
        return np.stack([history.value for history in self.histories])

    @property
    def earned(self) -> Float[np.ndarray, "G K1"]:
        """J of the reward alone, likewise; of which nothing is promised where there is a temperature."""
        return np.stack([history.earned for history in self.histories])

    @property
    def temperature(self) -> float | None:
        """α, or None where no entropy is maximised."""
        return self.histories[0].temperature

    @property
    def fall(self) -> Float[np.ndarray, " G"]:
        """The largest fall of J in one sweep; 0 where it never fell."""
        return _largest_fall(self.value)

    @property
    def state_fall(self) -> Float[np.ndarray, " G"]:
        """The largest fall of a state's value in one sweep."""
        return np.array([_largest_fall(history.state_value.T).max() for history in self.histories])

    @property
    def gap(self) -> Float[np.ndarray, " G"]:
        """The largest unilateral gain that is left to an agent, as a share of the game's range of payoffs."""
        ends = np.array([history.gap[-1].max() for history in self.histories])
        return ends / np.array([np.ptp(game.team_reward) for game in self.games])

    @property
    def reached(self) -> Float[np.ndarray, " G"]:
        """(J − J₀) / (J* − J₀) at the end: 1 is the optimum, which the theory does not promise."""
        start, end = self.earned[:, 0], self.earned[:, -1]
        return np.clip((end - start) / np.maximum(self.best - start, 1e-12), None, 1.0)

    @property
    def counter_example(self) -> int | None:
        """The game in which J fell most, if it fell in any; else the one in which a state's value did."""
        for falls in (self.fall, self.state_fall):
            if falls.max() > NO_FALL:
                return int(falls.argmax())
        return None

    @property
    def holds(self) -> bool:
        """Whether neither J nor any state's value ever fell."""
        return self.counter_example is None


def certify(algorithm: Any, *, games: int = 200, sweeps: int = 100, seed: int = 0) -> Certificate:
    """Run an algorithm, solved exactly, on random cooperative games of 2–3 agents, 2–4 actions and 2–5 states.

    Args:
        algorithm: As for `hamlet.train`; a `Haml`.
        games: How many.
        sweeps: Updates of the whole team in each.
        seed: From which games, first policies and orders are drawn.

    Raises:
        RequestError: If there are to be no games or no sweeps, or the declaration cannot be solved exactly.
    """
    require(games >= 1, f"--games must be at least 1, not {games}")
    require(sweeps >= 1, f"--sweeps must be at least 1, not {sweeps}")
    drawn = tuple(drawn_game(seed, number) for number in range(games))
    starts = tuple(random_policies(seed + number, game) for number, game in enumerate(drawn))
    histories = haml_many(drawn, starts, algorithm, sweeps, seed, gap="last")
    return Certificate(drawn, starts, tuple(histories), np.array([best_value(game) for game in drawn]))


def drawn_game(seed: int, number: int) -> MarkovGame:
    """One of the games of a certificate."""
    source = generator(seed * 1_000_003 + number)
    agents = int(source.integers(2, 4))
    actions = tuple(int(count) for count in source.integers(2, 5, agents))
    return random_game(seed * 1_000_003 + number, states=int(source.integers(2, 6)), actions=actions, discount=0.9)


def best_value(game: MarkovGame) -> float:
    """J*, the return of the best joint policy: the game as one agent's decision process, by policy iteration."""
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
    """What was found in each game, as JSON: one entry a game."""
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
    """A counter-example as JSON: the game, α or null, and after each sweep the policies, J and every state's value."""
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
