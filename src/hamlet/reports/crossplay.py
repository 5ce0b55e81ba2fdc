"""Cross-play of runs: the returns of every pair of policies, and rankings that also work if the policies form a cycle.

In cell (i, j) of the table, the first agent uses its policy of run i, and all other agents use their policies of run j.
This is a seat table with one row (`hamlet.rollouts.seats`). Each player chooses the joint action of its own side only,
also if a run plays against itself. Every pair plays twice, so that each run has the first seat once. The cells give

    fᵢⱼ   the mean return of the first agent in cell (i, j)
    oᵢⱼ   the mean return of each other agent in cell (i, j)

The return of run i against run j over both seatings is Mᵢⱼ = (fᵢⱼ + oⱼᵢ) / 2. The difference to the return of run j is
Dᵢⱼ = Mᵢⱼ − Mⱼᵢ. D is antisymmetric in every game, so it has a Nash average. α-rank uses M, divided by its range
(max M − min M).
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

# Settings of how an environment runs. Two environments that differ only in these play the same game.
_MANNERS = {"copies", "processes", "timeout", "on_failure", "state", "measures"}


@dataclass(frozen=True)
class CrossplayPlayer:
    """A policy in cross-play.

    Attributes:
        label: Short and unique name.
        path: Path of the policy's run.
        step: Environment steps that the policy was trained for.
        best: Whether the policy is the run's best policy instead of its newest policy.
        team: Policies of the agents, one for each agent.
    """

    label: str
    path: str
    step: int
    best: bool
    team: Player


@dataclass(frozen=True)
class CrossPlay:
    """The results of all pairs of k players.

    Attributes:
        players: Players, in the order of rows and columns.
        environment: Name of the environment.
        agents: Names of the agents. The row's player acts for the first agent.
        episodes: Number of games in each cell. All cells have the same initial states.
        seed: Seed of the games.
        mode: Whether actions were sampled from the policies, or were the most probable actions.
        first: fᵢⱼ, the mean return of the first agent, ``[k, k]``.
        others: oᵢⱼ, the mean return of the other agents, ``[k, k]``.
        first_error: Standard errors of fᵢⱼ; 0 for one game.
        others_error: Standard errors of oᵢⱼ; 0 for one game.
        failed: Number of games that a failure of the environment ended, ``[k, k]``. Other games replaced them.
        cut: Number of games that were truncated at the horizon, ``[k, k]``.
        remarks: Warnings about failed and truncated games.
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
        """Whether there are two agents with opposite returns in every cell: one side wins what the other side loses."""
        return len(self.agents) == 2 and bool(np.allclose(self.first, -self.others, atol=1e-6))

    @property
    def alike(self) -> bool:
        """Whether both sides have equal returns in every cell."""
        return bool(np.allclose(self.first, self.others, atol=1e-6))

    @property
    def earned(self) -> np.ndarray:
        """M, the mean return of the row's player against the column's player over both seatings."""
        return (self.first + self.others.T) / 2

    @property
    def difference(self) -> np.ndarray:
        """D, the return of the row's player minus the return of the column's player, over both seatings."""
        return self.earned - self.earned.T

    @cached_property
    def nash_average(self) -> NashAverage:
        """The Nash average of D."""
        return nash_average(self.difference)

    @cached_property
    def alpha_rank(self) -> AlphaRank:
        """The α-rank of M for one population that plays against itself. M is divided by its range."""
        span = float(np.ptp(self.earned)) or 1.0
        ranking = alpha_rank(self.earned / span)
        return dataclasses.replace(ranking, values=ranking.values * span, regret=ranking.regret * span)

    def document(self) -> dict[str, Any]:
        """Return all results as JSON values."""
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
    """Play every pair of the runs' policies against each other.

    Args:
        runs: Directories of at least two runs on one environment. A directory that contains the seeds of one training
            stands for all of its runs. ``RUN/best`` is the best policy of RUN.
        episodes: Number of complete games in each cell.
        seed: Seed of the games.
        mode: "stochastic" for actions sampled from the policies, "deterministic" for the most probable actions.
        best: Whether to use the best policy of every run instead of its newest policy.
        trust: Whether Hamlet may execute custom code that a run names, if another user or machine started the run.
        max_episode_steps: Steps after which a game is truncated. None means the environment's longest episode, or
            10,000 steps if the environment declares no limit.

    Raises:
        RequestError: If there are fewer than two runs, a run is named twice, the runs play different games, or the
            game has a single agent.
        RunError: If a run has no valid checkpoint, or if more than a tenth of the games of a cell fail.
    """
    check_horizon(max_episode_steps)
    named = [path for run in runs for path in _seeds(Path(run))]
    require(
        len(named) > 1,
        "cross-play needs at least two runs: hamlet crossplay RUN RUN…; for one run, use hamlet evaluate RUN",
    )
    require(episodes >= 1, f"--episodes must be at least 1, got {episodes}")
    asked = [_asked(path, best, trust) for path in named]
    twice = [
        str(path) for (path, _), count in Counter((run.path.resolve(), b) for run, b in asked).items() if count > 1
    ]
    require(not twice, f"{', '.join(twice)} is named twice; name it once: the diagonal has each run against itself")
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
    """Return the runs in a directory of several seeds, sorted by seed number; otherwise the path itself."""
    directories = [] if (path / "config.json").exists() else [entry.parent for entry in path.glob("seed-*/config.json")]
    return sorted(directories, key=lambda entry: (len(entry.name), entry.name)) or [path]


def _asked(path: Path, best: bool, trust: bool) -> tuple[SavedRun, bool]:
    """Return the run, and whether the caller wants its best policy."""
    if path.name == "best" and (path.parent / "config.json").exists():
        path, best = path.parent, True
    run = SavedRun(RunDirectory.open(path).path, trust)
    require(
        not best or current(run.directory) is not None,
        f"{path} has no best policy: the run evaluated no policy during training; "
        "leave out best to use its newest policy",
    )
    return run, best


def _one_environment(runs: Sequence[SavedRun]) -> AnyEnvironment:
    """Return the environment that all runs have in common.

    Raises:
        RequestError: If the environments differ. The message names the first difference.
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
            raise RequestError(f"{runs[0].path} and {run.path} play different games: {games}; name runs of one game")
    agents = sum(len(group.names) for group in first.groups)
    require(agents > 1, f"{runs[0].path} has a single agent, and cross-play needs several; use hamlet evaluate")
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
    """Play all cells. Pairs with networks of equal shapes use the same compiled program.

    Return the mean returns and standard errors of both sides, each ``[k, k, 2]``; the numbers of failed and of
    truncated games, each ``[k, k]``; and remarks.
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
    """Return the team with a separate actor for every agent; agents that shared an actor receive copies of it.

    Teams with and without shared parameters then have equal shapes, so that fewer programs are compiled.
    """
    repeats = [team.roster.agents_per_unit(group) for group in range(len(team.roster.groups))]
    actors = tuple(
        jax.tree.map(lambda leaf, count=count: np.repeat(np.asarray(leaf), count, axis=0), group)
        for group, count in zip(team.actors, repeats, strict=True)
    )
    return Player(Roster(team.roster.groups), actors, team.memory)


def _form(team: Player) -> Any:
    """Return the structure and the shapes of a team's networks. Teams with equal forms use the same program."""
    leaves, form = jax.tree.flatten(team)
    return form, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)


def _listed(ranking: AlphaRank | NashAverage) -> dict[str, Any]:
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in dataclasses.asdict(ranking).items()
    }
