"""Runs against one another: what every pair earns, and who is good where the good beat one another in circles.

In cell (i, j) the first agent acts by run i's policy for it, and all others by run j's policies for them: a seat table
of one row (`hamlet.rollouts.seats`). Agents that choose together do so within their own side alone, also where a run
meets itself. Every pair meets twice, each time with the other in the first seat. From

    fᵢⱼ   what the first agent earns in a game of cell (i, j), on average
    oᵢⱼ   what each of the others earns there

come what i earns from j over both seatings, Mᵢⱼ = (fᵢⱼ + oⱼᵢ) / 2, and what it earns more than j, Dᵢⱼ = Mᵢⱼ − Mⱼᵢ. D is
antisymmetric whatever the game is, and has a Nash average; α-rank ranks by M, with its span as the unit.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hamlet.backends.iteration import roster_of
from hamlet.backends.select import backend_of
from hamlet.envs.host import AnyEnvironment
from hamlet.errors import RequestError, RunError, require
from hamlet.evaluation.best_policy import current
from hamlet.evaluation.evaluate import horizon
from hamlet.games.ranking import AlphaRank, NashAverage, alpha_rank, nash_average
from hamlet.networks.torso import NetworkConfig
from hamlet.rollouts.episodes import Mode
from hamlet.rollouts.played import check_horizon
from hamlet.rollouts.seats import Player, SeatTable, seated
from hamlet.roster import Roster
from hamlet.runs import configuration
from hamlet.runs.directory import RunDirectory
from hamlet.training.run import SavedRun

# Of how an environment is run, not of what is played.
_MANNERS = {"copies", "processes", "timeout", "on_failure", "state", "measures"}


@dataclass(frozen=True)
class CrossplayPlayer:
    """A policy that takes part.

    Attributes:
        label: Short, and no other's.
        path: Of its run.
        step: Environment steps that it was trained for.
        best: Whether it is the best of the run, not its newest.
        team: Its agents' policies, one for each agent.
    """

    label: str
    path: str
    step: int
    best: bool
    team: Player


@dataclass(frozen=True)
class CrossPlay:
    """What every pair earned.

    Attributes:
        players: In the order of rows and columns.
        environment: Its name.
        agents: Its agents' names; the first is the row's.
        episodes: Games of each cell; all cells have the same first states.
        seed: From which they were drawn.
        mode: Whether actions were sampled, or the likeliest.
        first: fᵢⱼ, ``[k, k]``.
        others: oᵢⱼ, the mean over the other agents.
        first_error: Standard errors of fᵢⱼ; 0 for one game.
        others_error: Of oᵢⱼ.
        failed: Games that the environment cut short by failing, in whose place others were played, ``[k, k]``.
        cut: Games that were cut at the horizon, ``[k, k]``.
        remarks: What came up.
    """

    players: tuple[CrossplayPlayer, ...]
    environment: str
    agents: tuple[str, ...]
    episodes: int
    seed: int
    mode: Mode
    first: np.ndarray
    others: np.ndarray
    first_error: np.ndarray
    others_error: np.ndarray
    failed: np.ndarray
    cut: np.ndarray
    remarks: tuple[str, ...] = ()

    @property
    def opposed(self) -> bool:
        """Whether in every cell the one side lost what the other won."""
        return len(self.agents) == 2 and bool(np.allclose(self.first, -self.others, atol=1e-6))

    @property
    def alike(self) -> bool:
        """Whether in every cell both sides earned the same."""
        return bool(np.allclose(self.first, self.others, atol=1e-6))

    @property
    def earned(self) -> np.ndarray:
        """M, what the row earns from the column over both seatings."""
        return (self.first + self.others.T) / 2

    @property
    def difference(self) -> np.ndarray:
        """D, what the row earns more than the column over both seatings."""
        return self.earned - self.earned.T

    @cached_property
    def nash_average(self) -> NashAverage:
        """Of D."""
        return nash_average(self.difference)

    @cached_property
    def alpha_rank(self) -> AlphaRank:
        """Of M in units of its span, for one population that meets itself."""
        span = float(np.ptp(self.earned)) or 1.0
        ranking = alpha_rank(self.earned / span)
        return dataclasses.replace(ranking, values=ranking.values * span, regret=ranking.regret * span)

    def document(self) -> dict[str, Any]:
        """Everything, as JSON."""
        average, rank = self.nash_average, self.alpha_rank
        names = ("first", "others", "first_error", "others_error", "failed", "cut", "earned", "difference")
        return {
            "environment": self.environment,
            "agents": list(self.agents),
            "episodes": self.episodes,
            "seed": self.seed,
            "mode": self.mode,
            "runs": [{k: v for k, v in vars(player).items() if k != "team"} for player in self.players],
            **{name: getattr(self, name).tolist() for name in names},
            "nash_average": _listed(average),
            "alpha_rank": _listed(rank),
            "remarks": list(self.remarks),
        }


def play(
    runs: Sequence[str | Path],
    *,
    episodes: int = 100,
    seed: int = 1,
    mode: Mode = "stochastic",
    best: bool = False,
    trust: bool = False,
    max_episode_steps: int | None = None,
) -> CrossPlay:
    """Pit the policies of runs against one another.

    Args:
        runs: Directories of at least two runs on one environment, or of the seeds of one; ``RUN/best`` is the best
            policy of RUN.
        episodes: Whole games of each cell.
        seed: From which they are drawn.
        mode: "stochastic" for actions as the policies draw them, "deterministic" for the likeliest.
        best: The best policy of every run.
        trust: Whether code of their own that runs name may be run, though this user did not begin them here.
        max_episode_steps: Steps after which a game is cut; None for the environment's longest, or 10,000.

    Raises:
        RequestError: Unless there are two runs at least, each once, that play the same game of several agents.
        RunError: If a run has no good checkpoint, or more than a tenth of the games of a cell fail.
    """
    check_horizon(max_episode_steps)
    named = [path for run in runs for path in _seeds(Path(run))]
    require(
        len(named) > 1,
        "cross-play takes at least two runs: hamlet crossplay RUN RUN…; the nearest for one is hamlet evaluate RUN",
    )
    require(episodes >= 1, f"--episodes must be at least 1, not {episodes}")
    asked = [_asked(path, best, trust) for path in named]
    twice = [
        str(path) for (path, _), count in Counter((run.path.resolve(), b) for run, b in asked).items() if count > 1
    ]
    require(not twice, f"{', '.join(twice)} is named twice: a run meets itself anyway, in the diagonal")
    env = _one_environment([run for run, _ in asked])
    players = _players(asked, env)
    tables = _matrix(env, players, episodes, seed, mode, horizon(env, max_episode_steps))
    return CrossPlay(
        tuple(players),
        asked[0][0].directory.config()["environment_name"],
        players[0].team.roster.names,
        episodes,
        seed,
        mode,
        *(table[..., side] for table in tables[:2] for side in (0, 1)),
        failed=tables[2],
        cut=tables[3],
        remarks=tuple(tables[4]),
    )


def _seeds(path: Path) -> list[Path]:
    """The runs in a directory of several seeds, by number; else the path itself."""
    directories = [] if (path / "config.json").exists() else [entry.parent for entry in path.glob("seed-*/config.json")]
    return sorted(directories, key=lambda entry: (len(entry.name), entry.name)) or [path]


def _asked(path: Path, best: bool, trust: bool) -> tuple[SavedRun, bool]:
    """The run, and whether its best policy is meant."""
    if path.name == "best" and (path.parent / "config.json").exists():
        path, best = path.parent, True
    run = SavedRun(RunDirectory.open(path).path, trust)
    require(
        not best or current(run.directory) is not None,
        f"{path} has no best policy: nothing was evaluated while it trained; the nearest is its newest, without best",
    )
    return run, best


def _one_environment(runs: Sequence[SavedRun]) -> AnyEnvironment:
    """What all of them play.

    Raises:
        RequestError: With the first difference.
    """
    first = runs[0].environment
    for run in runs[1:]:
        other = run.environment
        difference = _difference(configuration.encode(first), configuration.encode(other))
        if difference is not None:
            where, first_value, other_value = difference
            names = [compared.directory.config()["environment_name"] for compared in (runs[0], run)]
            games = (
                f"{names[0]} and {names[1]}"
                if names[0] != names[1]
                else f"{names[0]} with {where} {first_value} and {other_value}"
            )
            raise RequestError(f"{runs[0].path} and {run.path} play different games: {games}; name runs of one")
    agents = sum(len(group.names) for group in first.groups)
    require(agents > 1, f"{runs[0].path} has a single agent, who meets nobody; the nearest is hamlet evaluate")
    return first


def _difference(one: Any, other: Any, where: str = "") -> tuple[str, Any, Any] | None:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [key for key in one | other if key not in _MANNERS]:
            difference = _difference(one.get(key), other.get(key), f"{where}.{key}" if where else key)
            if difference is not None:
                return difference
        return None
    return None if one == other else (where, one, other)


def _players(asked: Sequence[tuple[SavedRun, bool]], env: AnyEnvironment) -> list[CrossplayPlayer]:
    plain = [_name(run.path) + (" (best)" if best else "") for run, best in asked]
    players = []
    for (run, best), name in zip(asked, plain, strict=True):
        algorithm = run.algorithm
        actors, step = run.actors(best=best)
        label = name if plain.count(name) == 1 else f"{run.path}" + (" (best)" if best else "")
        team = unshared(Player(roster_of(algorithm, env), actors, algorithm.body.memory))
        players.append(CrossplayPlayer(label, str(run.path), step, best, team))
    return players


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}" if path.name.startswith("seed-") else path.name


def _matrix(
    env: AnyEnvironment, players: Sequence[CrossplayPlayer], episodes: int, seed: int, mode: Mode, cut: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Means and standard errors of both sides in every cell, ``[k, k, 2]``; one program for pairs of equal shapes.

    Then how many games failed and were cut, ``[k, k]``, and remarks.
    """
    count, agents = len(players), len(players[0].team.roster.names)
    means, errors, remarks = np.zeros((count, count, 2)), np.zeros((count, count, 2)), []
    counts = np.zeros((2, count, count), int)
    forms = [_form(player.team) for player in players]
    kinds: dict[Any, list[tuple[int, int]]] = {}
    for i, j in np.ndindex(count, count):
        kinds.setdefault((forms[i], forms[j]), []).append((i, j))
    table = SeatTable.create([0, *[1] * (agents - 1)])
    for cells in kinds.values():
        pairs = [(players[i].team, players[j].team) for i, j in cells]
        row, column = pairs[0]
        body, like = NetworkConfig(memory=row.memory + column.memory), seated(pairs[0], table)
        trials = backend_of(env).trials(row.roster, like, body, episodes, seed, mode, jax.devices()[0], horizon=cut)
        try:
            for (i, j), pair in zip(cells, pairs, strict=True):
                cell = f"{players[i].label} against {players[j].label}"
                try:
                    played = trials.play(seated(pair, table), seed, episodes)
                except RunError as error:
                    raise RunError(f"{cell}: {error}") from error
                assert played is not None
                returns = played.returns.astype(np.float64)
                counts[:, i, j] = played.failed, played.cut.sum()
                sides = np.stack([returns[:, 0], returns[:, 1:].mean(1)], axis=1)
                means[i, j] = sides.mean(0)
                errors[i, j] = sides.std(0, ddof=1) / np.sqrt(episodes) if episodes > 1 else 0.0
                remarks += [f"{cell}: {line}" for line in [*trials.remarks(), *played.remarks()]]
        finally:
            trials.close()
    failed_games, cut_games = counts[0], counts[1]
    return means, errors, failed_games, cut_games, remarks


def unshared(team: Player) -> Player:
    """The same team with an actor for every agent, so that fewer programs play all pairs: who shared one has a copy."""
    repeats = [team.roster.agents_per_unit(group) for group in range(len(team.roster.groups))]
    actors = tuple(
        jax.tree.map(lambda leaf, count=count: np.repeat(np.asarray(leaf), count, axis=0), group)
        for group, count in zip(team.actors, repeats, strict=True)
    )
    return Player(Roster(team.roster.groups), actors, team.memory)


def _form(team: Player) -> Any:
    """What two teams must have in common to be played by the same program: kinds of networks, and their shapes."""
    leaves, form = jax.tree.flatten(team)
    return form, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)


def _listed(ranking: AlphaRank | NashAverage) -> dict[str, Any]:
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in dataclasses.asdict(ranking).items()
    }
