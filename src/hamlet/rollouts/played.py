"""The whole episodes of an evaluation: their results, the failed episodes and the truncated episodes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hamlet.errors import RunError, require

# Steps after which an evaluation truncates an episode, if neither the environment nor the request sets a limit.
HORIZON = 10_000
# The share of the requested episodes that may fail and be replaced by other episodes.
_REPLACED = 0.1


class EpisodesFailed(RunError):
    """More episodes failed than an evaluation replaces.

    Attributes:
        failed: Number of failed episodes.
        played: Number of episodes played so far, failed episodes included.
        asked: Number of requested episodes.
    """

    def __init__(self, failed: int, played: int, asked: int, first: str) -> None:
        super().__init__(
            f"{failed_of(failed, played)}; of {asked} requested episodes, at most {int(_REPLACED * asked)} may fail "
            f"and be replaced; first failure: {first}"
        )
        self.failed, self.played, self.asked = failed, played, asked


@dataclass(frozen=True)
class PlayedEpisodes:
    """The episodes of one evaluation that did not fail.

    Attributes:
        returns: Each agent's return, ``[episodes, n]``.
        lengths: Number of steps, ``[episodes]``.
        cut: True if the episode was truncated at the horizon, ``[episodes]``; its returns are the sums up to there.
        horizon: Steps after which an episode is truncated.
        failed: Number of further episodes that failed and were replaced.
        failure: One line about the first failed episode.
        measures: The environment's own measures, by name, ``[episodes]``; NaN for an episode without the measure.
        streams: The reported streams, by name: each agent's sum, ``[episodes, n]``, or the team's, ``[episodes, 1]``.
    """

    returns: np.ndarray
    lengths: np.ndarray
    cut: np.ndarray
    horizon: int
    failed: int = 0
    failure: str = ""
    measures: Mapping[str, np.ndarray] = field(default_factory=dict)
    streams: Mapping[str, np.ndarray] = field(default_factory=dict)

    def remarks(self) -> list[str]:
        """Return lines about failed and truncated episodes."""
        return remarks(len(self.lengths), self.failed, self.failure, int(self.cut.sum()), self.horizon)


def remarks(episodes: int, failed: int, failure: str, cut: int, horizon: int | None) -> list[str]:
    """Return lines about failed and truncated episodes; no lines if there are none.

    >>> remarks(100, 0, "", 3, 10_000)
    ['3 of 100 episodes were truncated after 10,000 steps; --max-episode-steps sets this limit']
    """
    lines = []
    if failed:
        lines.append(f"{failed_of(failed, episodes + failed)} and were replaced by others; first failure: {failure}")
    if cut:
        lines.append(
            f"{cut} of {episodes} episodes were truncated after {horizon:,} steps; --max-episode-steps sets this limit"
        )
    return lines


def failed_of(failed: int, played: int) -> str:
    """Return a text with the number of failed episodes."""
    return f"{failed} of {played} episodes failed"


def check_horizon(steps: int | None) -> None:
    """Check that a step limit is None or at least 1.

    Raises:
        RequestError: The limit is smaller than 1.
    """
    require(steps is None or steps >= 1, f"--max-episode-steps must be at least 1, got {steps}")


@dataclass
class FailureCount:
    """Counts the failed episodes of an evaluation.

    Attributes:
        asked: Number of requested episodes.
        count: Number of failed episodes so far.
        first: One line about the first failure.
    """

    asked: int
    count: int = 0
    first: str = field(default="")

    def add(self, count: int, whole: int, line: str) -> None:
        """Add failed episodes.

        Args:
            count: Number of further failures.
            whole: Number of episodes that did not fail so far.
            line: One line about the failure.

        Raises:
            EpisodesFailed: More episodes failed than may be replaced.
        """
        if count:
            self.first = self.first or line
            self.count += count
        if self.count > int(_REPLACED * self.asked):
            raise EpisodesFailed(self.count, whole + self.count, self.asked, self.first)
