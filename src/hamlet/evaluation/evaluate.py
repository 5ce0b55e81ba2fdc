"""Evaluation of a joint policy, or of random play, over complete episodes."""

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
    """A measure, or the sum of a reward stream, over the episodes of an evaluation.

    It has the number of episodes, the mean over these episodes, and the standard error of the mean. The mean and the
    standard error are None if there are no episodes.
    """

    episodes: int
    mean: float | None = None
    standard_error: float | None = None


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Results of complete episodes.

    Attributes:
        returns: Team return of each episode, which is the sum over agents; ``[episodes]``.
        agent_returns: Return of each agent in each episode, ``[episodes, n]``.
        lengths: Number of steps of each episode.
        mode: How actions were chosen: deterministically (mode of the policy), sampled from the policy, or uniformly.
        seed: Seed of the episodes and of the sampled actions.
        failed: Number of episodes that a failure of the environment ended. They are not among these episodes; other
            episodes replaced them.
        cut: Number of these episodes that were truncated at the horizon. Their returns are sums up to the horizon.
        max_episode_steps: The horizon: the number of steps after which an episode is truncated.
        failure: The first failure, in one line.
        measures: Measures that the environment reports for each episode, by name, for example success. NaN for an
            episode that did not report the measure.
        streams: Sum of each reported reward stream in each episode, by name: per agent, ``[episodes, n]``, or for the
            team, ``[episodes, 1]``.
        by_run: The evaluation of each run if several runs were evaluated; empty for a single run.
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
        """Combine the evaluations of several runs: all episodes together, and each run separately in ``by_run``."""
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
        """Create an evaluation from returns and lengths of episodes. The team return is the sum over agents."""
        precise_returns = agent_returns.astype(np.float64)  # makes a mean independent of the order of summation
        return cls(precise_returns.sum(-1), precise_returns, lengths, mode, seed)

    @classmethod
    def of_played(cls, played: PlayedEpisodes, mode: Mode, seed: int) -> "Evaluation":
        """Create an evaluation from played episodes, with the numbers of failed and of truncated episodes."""
        evaluation = cls.of(played.returns, played.lengths, mode, seed)
        horizon, cut = played.horizon, int(played.cut.sum())
        asked = replace(evaluation, failed=played.failed, cut=cut, max_episode_steps=horizon, failure=played.failure)
        streams = {name: sums.astype(np.float64) for name, sums in sorted(played.streams.items())}
        return replace(asked, measures=played.measures, streams=streams)

    @property
    def mean(self) -> float:
        """The mean team return."""
        return float(self.returns.mean())

    @property
    def standard_error(self) -> float:
        """The standard error of the mean over episodes; with several runs, over episodes and runs (`over_runs`)."""
        return over_runs([entry.returns for entry in self.by_run]) if self.by_run else _standard_error(self.returns)

    @property
    def measured(self) -> dict[str, Measured]:
        """Statistics of the reported reward streams and of the environment's measures, by name.

        The value of a stream is its sum over the steps of an episode and over agents. The mean of a measure is taken
        over the episodes that reported the measure.
        """
        sums = {name: paid.sum(-1) for name, paid in self.streams.items()}
        given = sums | {name: values[~np.isnan(values)] for name, values in self.measures.items()}
        return {
            name: Measured(len(values), float(values.mean()), _standard_error(values)) if len(values) else Measured(0)
            for name, values in given.items()
        }

    @property
    def remarks(self) -> list[str]:
        """Lines about failed and truncated episodes; empty if there are none."""
        return remarks(len(self.returns), self.failed, self.failure, self.cut, self.max_episode_steps)

    @property
    def constant_sum(self) -> ConstantSum | None:
        """The sides of a constant-sum game; None if these episodes do not show a constant sum."""
        return constant_sum(self.agent_returns)

    @property
    def wins(self) -> np.ndarray:
        """The share of episodes in which an agent's return was above the return of every other agent, ``[n]``."""
        best = self.agent_returns == self.agent_returns.max(-1, keepdims=True)
        return (best & (best.sum(-1, keepdims=True) == 1)).mean(0)

    def __repr__(self) -> str:
        """Return the summary, because the arrays are long."""
        return f"Evaluation({self.summary()})"

    def summary(self) -> str:
        """Return the mean and its standard error in one line."""
        return (
            f"{self.mean:.2f} ± {self.standard_error:.2f} (mean team return ± standard error"
            f"{f' over {len(self.by_run)} runs' if self.by_run else ''}, {len(self.returns)} episodes, {self.mode})"
        )


def over_runs(returns: Sequence[np.ndarray]) -> float:
    """Return the standard error of the mean over runs that played the same initial states.

    There are R runs with E episodes each. mᵣ is the mean return of run r over its episodes, and mₑ is the mean return
    of episode e over the runs. The standard error is

        √( var(mᵣ) / R + var(mₑ) / E )

    The second term is the error that all runs share: the sampled episodes may be easier or harder than the average
    episode. The second term is left out if the runs have different numbers of episodes. The result is 0 for one
    episode of one run.

    Args:
        returns: Team returns of every run, ``[episodes]``.

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
    """Play ``episodes`` complete episodes; the agents named in ``at_random`` choose actions uniformly at random.

    If the environment fails during an episode, the episode does not count and another episode replaces it. A warning
    reports failed episodes, and episodes that were truncated after ``max_episode_steps``.

    Raises:
        RequestError: If ``episodes`` is less than 1, if an agent in ``at_random`` does not exist, or if ``at_random``
            contains all agents.
        EpisodesFailed: If more than a tenth of the episodes failed.
        RunError: If the environment fails and cannot be restarted.
    """
    check_seed(seed)
    check_horizon(max_episode_steps)
    if episodes < 1:
        raise RequestError(f"--episodes must be at least 1, got {episodes}")
    for name in at_random:
        if name not in roster.names:
            raise unknown("agent", name, roster.names)
    require(set(at_random) < set(roster.names), "all agents would act at random; leave at least one agent out")
    limit = horizon(env, max_episode_steps)
    played = backend_of(env).episodes(roster, actors, body, episodes, seed, mode, at_random, horizon=limit)
    evaluation = Evaluation.of_played(played, mode, seed)
    who = "random play" if mode == "random" else f"the {mode} policy"
    for line in evaluation.remarks:
        # Without a registry Python also shows the warning when a later evaluation has the same line.
        warnings.warn_explicit(f"evaluation of {who}: {line}", UserWarning, __name__, 0)
    return evaluation


def horizon(env: AnyEnvironment, asked: int | None = None) -> int:
    """Return the number of steps after which an episode is truncated.

    This is ``asked`` if it is given, otherwise the environment's longest episode, otherwise 10,000 steps.
    """
    return asked or backend_of(env).episode_steps or HORIZON
