"""Evaluation: whole episodes of a joint policy, or of random play."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from hamlet.backends.select import backend_of
from hamlet.envs.host import AnyEnvironment
from hamlet.errors import RequestError, require, unknown
from hamlet.evaluation.sides import ConstantSum, constant_sum
from hamlet.networks.torso import NetworkConfig
from hamlet.rollouts.episodes import Mode
from hamlet.rollouts.played import HORIZON, PlayedEpisodes, check_horizon, remarks
from hamlet.roster import Roster
from hamlet.runs.seeds import check_seed

__all__ = ["Evaluation", "Mode", "evaluate"]


class Measured(NamedTuple):
    """A measure of an evaluation, or the sum of a stream: over how many episodes, their mean, and its standard error.

    Both are None of no episode.
    """

    episodes: int
    mean: float | None = None
    standard_error: float | None = None


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What some whole episodes gave.

    Attributes:
        returns: The team's return of each episode, the sum over agents; ``[episodes]``.
        agent_returns: Each agent's own, ``[episodes, n]``.
        lengths: Steps of each episode.
        mode: Whether actions were the policy's modes, its samples, or uniform.
        seed: From which episodes and samples were drawn.
        failed: Other episodes, which the environment cut short by failing; some of these were played in their place.
        cut: How many of these were cut at the horizon; their returns are those until there.
        max_episode_steps: The horizon: steps after which an episode was cut.
        failure: The first failure, in one line.
        measures: What the environment itself measured of each episode, by name, as success; NaN of an episode that did
            not give it.
        streams: What was paid in each episode of every stream that is reported, by name: each agent's own,
            ``[episodes, n]``, or the team's, ``[episodes, 1]``.
        by_run: Where several runs were evaluated, each of them; of one run, nothing.
    """

    returns: np.ndarray
    agent_returns: np.ndarray
    lengths: np.ndarray
    mode: Mode
    seed: int
    failed: int = 0
    cut: int = 0
    max_episode_steps: int | None = None
    failure: str = ""
    measures: Mapping[str, np.ndarray] = field(default_factory=dict)
    streams: Mapping[str, np.ndarray] = field(default_factory=dict)
    by_run: tuple["Evaluation", ...] = ()

    @classmethod
    def of_runs(cls, evaluations: Sequence["Evaluation"]) -> "Evaluation":
        """Of several runs: all episodes, and each run's apart."""
        first, cuts = evaluations[0], sum(entry.cut for entry in evaluations)
        names = set.intersection(*(set(entry.measures) for entry in evaluations))
        streams = {name: [entry.streams[name] for entry in evaluations] for name in first.streams}
        return replace(
            first,
            returns=np.concatenate([entry.returns for entry in evaluations]),
            agent_returns=np.concatenate([entry.agent_returns for entry in evaluations]),
            lengths=np.concatenate([entry.lengths for entry in evaluations]),
            failed=sum(entry.failed for entry in evaluations),
            cut=cuts,
            failure=next((entry.failure for entry in evaluations if entry.failure), ""),
            measures={name: np.concatenate([entry.measures[name] for entry in evaluations]) for name in sorted(names)},
            streams={name: np.concatenate(parts) for name, parts in streams.items()},
            by_run=tuple(evaluations),
        )

    @classmethod
    def of(cls, agent_returns: np.ndarray, lengths: np.ndarray, mode: Mode, seed: int) -> "Evaluation":
        """From what was played: the team's return is the sum over agents."""
        precise_returns = agent_returns.astype(np.float64)  # so that a mean does not depend on how it is summed up
        return cls(precise_returns.sum(-1), precise_returns, lengths, mode, seed)

    @classmethod
    def of_played(cls, played: PlayedEpisodes, mode: Mode, seed: int) -> "Evaluation":
        """From episodes that were played, with those that failed and those that were cut."""
        evaluation = cls.of(played.returns, played.lengths, mode, seed)
        horizon, cut = played.horizon, int(played.cut.sum())
        asked = replace(evaluation, failed=played.failed, cut=cut, max_episode_steps=horizon, failure=played.failure)
        streams = {name: sums.astype(np.float64) for name, sums in sorted(played.streams.items())}
        return replace(asked, measures=played.measures, streams=streams)

    @property
    def mean(self) -> float:
        """Mean team return."""
        return float(self.returns.mean())

    @property
    def standard_error(self) -> float:
        """Of the mean over episodes, and where several runs were evaluated over these too (`over_runs`)."""
        return over_runs([entry.returns for entry in self.by_run]) if self.by_run else _standard_error(self.returns)

    @property
    def measured(self) -> dict[str, Measured]:
        """Of each stream that is reported, its sum over an episode and over agents; then the environment's measures.

        A measure's mean is over the episodes that gave it.
        """
        sums = {name: paid.sum(-1) for name, paid in self.streams.items()}
        given = sums | {name: values[~np.isnan(values)] for name, values in self.measures.items()}
        return {
            name: Measured(len(values), float(values.mean()), _standard_error(values)) if len(values) else Measured(0)
            for name, values in given.items()
        }

    @property
    def remarks(self) -> list[str]:
        """Lines on failed and on cut episodes; none where all went well."""
        return remarks(len(self.returns), self.failed, self.failure, self.cut, self.max_episode_steps)

    @property
    def constant_sum(self) -> ConstantSum | None:
        """The sides of the game, where these episodes show that one wins what the others lose."""
        return constant_sum(self.agent_returns)

    @property
    def wins(self) -> np.ndarray:
        """In which share of the episodes each agent's return was above that of every other one, ``[n]``."""
        best = self.agent_returns == self.agent_returns.max(-1, keepdims=True)
        return (best & (best.sum(-1, keepdims=True) == 1)).mean(0)

    def __repr__(self) -> str:
        """Its summary: the arrays are long."""
        return f"Evaluation({self.summary()})"

    def summary(self) -> str:
        """One line."""
        return (
            f"{self.mean:.2f} ± {self.standard_error:.2f} (mean team return ± standard error"
            f"{f' over {len(self.by_run)} runs' if self.by_run else ''}, {len(self.returns)} episodes, {self.mode})"
        )


def over_runs(returns: Sequence[np.ndarray]) -> float:
    """The standard error of the mean over runs that played the same first states; 0 for one episode of one run.

    With R runs and E episodes, of mean returns mᵣ of runs and mₑ of episodes,

        √( var(mᵣ) / R + var(mₑ) / E )

    The second term is what all runs have in common: how hard the episodes were that were drawn.

    Args:
        returns: Of every run, ``[episodes]``.

    >>> round(over_runs([np.array([0.0, 2.0]), np.array([1.0, 3.0])]), 3)
    1.118
    """
    runs = _standard_error(np.array([part.mean() for part in returns]))
    same = len({len(part) for part in returns}) == 1
    episodes = _standard_error(np.mean(returns, axis=0)) if same else 0.0
    return float(np.hypot(runs, episodes))


def _standard_error(values: np.ndarray) -> float:
    count = len(values)
    return float(values.std(ddof=1) / np.sqrt(count)) if count > 1 else 0.0


def evaluate(
    env: AnyEnvironment,
    roster: Roster,
    actors: tuple[Any, ...],
    body: NetworkConfig,
    *,
    episodes: int,
    seed: int,
    mode: Mode,
    at_random: tuple[str, ...] = (),
    max_episode_steps: int | None = None,
) -> Evaluation:
    """Play ``episodes`` whole episodes; the agents named in ``at_random`` act uniformly.

    An episode that the environment cuts short by failing is no result: another is played in its place. Of that, and of
    episodes that are cut after ``max_episode_steps``, a warning tells.

    Raises:
        RequestError: If there are to be none, or one of those agents is not there, or no other one is.
        EpisodesFailed: If more than a tenth of the episodes failed.
        RunError: If the environment fails for good.
    """
    check_seed(seed)
    check_horizon(max_episode_steps)
    if episodes < 1:
        raise RequestError(f"--episodes must be at least 1, not {episodes}")
    for name in at_random:
        if name not in roster.names:
            raise unknown("agent", name, roster.names)
    require(set(at_random) < set(roster.names), "every agent would act at random: leave one to be judged")
    limit = horizon(env, max_episode_steps)
    played = backend_of(env).episodes(roster, actors, body, episodes, seed, mode, at_random, horizon=limit)
    evaluation = Evaluation.of_played(played, mode, seed)
    who = "random play" if mode == "random" else f"the {mode} policy"
    for line in evaluation.remarks:
        # Without a registry: the same line about another evaluation is said again.
        warnings.warn_explicit(f"evaluation of {who}: {line}", UserWarning, __name__, 0)
    return evaluation


def horizon(env: AnyEnvironment, asked: int | None = None) -> int:
    """Steps after which an episode is cut: as asked, else the environment's longest, else 10,000."""
    return asked or backend_of(env).episode_steps or HORIZON
