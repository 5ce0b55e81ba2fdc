"""Whole episodes as an evaluation plays them: what they gave, how many failed, and how many were cut."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hamlet.errors import RunError, require

# Steps after which an evaluation cuts an episode, where neither the environment nor the request says.
HORIZON = 10_000
# Of the episodes that are asked for, the share that may fail and be replaced by others.
_REPLACED = 0.1


class EpisodesFailed(RunError):
    """More episodes failed than an evaluation replaces.

    Attributes:
        failed: How many.
        played: Of how many that were played until then.
        asked: How many were asked for.
    """

    def __init__(self, failed: int, played: int, asked: int, first: str) -> None:
        super().__init__(
            f"{failed_of(failed, played)}, and of the {asked} asked for at most {int(_REPLACED * asked)} are replaced; "
            f"the first: {first}"
        )
        self.failed, self.played, self.asked = failed, played, asked


@dataclass(frozen=True)
class PlayedEpisodes:
    """The episodes of one evaluation, none of which failed.

    Attributes:
        returns: Each agent's, ``[episodes, n]``.
        lengths: Steps, ``[episodes]``.
        cut: Which were cut at the horizon, ``[episodes]``; their returns are those until there.
        horizon: Steps after which an episode is cut.
        failed: How many others failed, and were replaced.
        failure: The first of them, in one line.
        measures: What the environment itself measured, by name, ``[episodes]``; NaN of an episode that did not give it.
        streams: What was paid of every stream that is reported, by name: each agent's sum, ``[episodes, n]``, or the
            team's, ``[episodes, 1]``.
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
        """Lines on failed and on cut episodes."""
        return remarks(len(self.lengths), self.failed, self.failure, int(self.cut.sum()), self.horizon)


def remarks(episodes: int, failed: int, failure: str, cut: int, horizon: int | None) -> list[str]:
    """What a person should know of an evaluation; nothing where no episode failed and none was cut.

    >>> remarks(100, 0, "", 3, 10_000)
    ['cut 3 of 100 episodes at 10,000 steps; --max-episode-steps sets that']
    """
    lines = []
    if failed:
        lines.append(f"{failed_of(failed, episodes + failed)}, and others were played in their place; first: {failure}")
    if cut:
        lines.append(f"cut {cut} of {episodes} episodes at {horizon:,} steps; --max-episode-steps sets that")
    return lines


def failed_of(failed: int, played: int) -> str:
    """The words for so many failures."""
    return f"failed {failed} of {played} episodes"


def check_horizon(steps: int | None) -> None:
    """Refuse a horizon of no step.

    Raises:
        RequestError: With the nearest that has one.
    """
    require(steps is None or steps >= 1, f"--max-episode-steps must be at least 1, not {steps}")


@dataclass
class FailureCount:
    """The failed episodes of an evaluation.

    Attributes:
        asked: How many episodes were asked for.
        count: How many failed until now.
        first: The first failure, in one line.
    """

    asked: int
    count: int = 0
    first: str = field(default="")

    def add(self, count: int, whole: int, line: str) -> None:
        """Count some more.

        Args:
            count: How many.
            whole: How many episodes came to their end until now.
            line: What happened.

        Raises:
            EpisodesFailed: They are more than may be replaced.
        """
        if count:
            self.first = self.first or line
            self.count += count
        if self.count > int(_REPLACED * self.asked):
            raise EpisodesFailed(self.count, whole + self.count, self.asked, self.first)
