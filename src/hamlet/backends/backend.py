"""Where games are played: what the two kinds of environments have in common for a run."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from hamlet.backends.iteration import Training
from hamlet.buffers.replay import Replay
from hamlet.envs.host import AnyEnvironment
from hamlet.learners import Algorithm
from hamlet.networks.torso import NetworkConfig
from hamlet.rollouts import record_episode
from hamlet.rollouts.played import PlayedEpisodes
from hamlet.roster import Roster
from hamlet.types import Device

# Hears the shapes of a ring before it is compiled for; may refuse it.
CheckMemory = Callable[[Replay | None], None]


def ignore(ring: Replay | None) -> None:
    """Any ring is welcome."""


class Program(Protocol):
    """The iterations of one algorithm on one environment, compiled, and what they need."""

    @property
    def algorithm(self) -> Algorithm:
        """What it trains with."""
        ...

    @property
    def env(self) -> AnyEnvironment:
        """What it trains on."""
        ...

    @property
    def bytes_needed(self) -> int:
        """Memory of the compiled part, its arguments included."""
        ...

    @property
    def ring(self) -> Replay | None:
        """The shapes of what is remembered of play; None where nothing is."""
        ...

    @property
    def rollout_bytes(self) -> int:
        """What a rollout's observations and states take: before every step, and arrived at."""
        ...

    @property
    def compile_seconds(self) -> float:
        """What compilation took."""
        ...

    def place(self, training: Training) -> Training:
        """The state where iterations want it, its games set up; with an empty ring where it has none and needs one."""
        ...

    def call(
        self, training: Training, count: Any, total: Any, stop: Callable[[], bool] = ...
    ) -> tuple[Training, dict[str, Any]]:
        """``count`` of a run's ``total`` iterations, or fewer where ``stop`` says so.

        What they measured has a leading axis of iterations.

        Raises:
            RunError: The games cannot go on. Of a state that is not consumed by the call, nothing is lost.
        """
        ...

    def remarks(self) -> Sequence[str]:
        """Lines that came up since the last call."""
        ...

    def close(self) -> None:
        """End what was opened; may be called twice."""
        ...


class EvaluationRollouts(Protocol):
    """Whole episodes, ready to be played by one policy after another: each meets the same first states."""

    @property
    def compile_seconds(self) -> float:
        """What compilation took."""
        ...

    def play(
        self, actors: tuple[Any, ...], seed: int, count: int, stop: Callable[[], bool] = ...
    ) -> PlayedEpisodes | None:
        """``count`` episodes drawn from a seed, none of which failed, each cut at the horizon.

        None where ``stop`` said so meanwhile. The actors are not consumed.

        Raises:
            EpisodesFailed: More episodes failed than may be replaced.
            RunError: The environment failed for good.
        """
        ...

    def remarks(self) -> Sequence[str]:
        """Lines that came up since the last call."""
        ...

    def close(self) -> None:
        """End what was opened; may be called twice."""
        ...


class Backend(Protocol):
    """An environment as runs and evaluations use it, whatever its kind."""

    @property
    def horizon(self) -> int | None:
        """Steps of the longest episode, where the environment declares it."""
        ...

    @property
    def episode_steps(self) -> int | None:
        """Steps that no episode exceeds, by the environment's declaration: of rounds, if it counts those, all turns."""
        ...

    @property
    def copies(self) -> int | None:
        """How many copies the environment itself was declared for; None where it does not say."""
        ...

    @property
    def remarks(self) -> Sequence[str]:
        """Lines for a person, before work begins."""
        ...

    def sized(self, copies: int) -> AnyEnvironment:
        """The environment declared for as many copies."""
        ...

    def outline(self, algorithm: Algorithm) -> Training:
        """The shapes and types of a run's state, without what it remembers of play."""
        ...

    def begin(self, algorithm: Algorithm) -> Callable[[int], Training]:
        """The state before the first iteration, by seed, its ring not made: one compiled program for all seeds."""
        ...

    def compile(
        self, algorithm: Algorithm, devices: Sequence[Device], seed: int, check_memory: CheckMemory = ...
    ) -> Program:
        """The program of a run of this seed; it serves others too. ``check_memory`` is called before it is compiled."""
        ...

    def trials(
        self,
        roster: Roster,
        like: tuple[Any, ...],
        body: NetworkConfig,
        episodes: int,
        seed: int,
        mode: Any,
        device: Device,
        *,
        horizon: int,
    ) -> EvaluationRollouts:
        """Compiled and opened for policies of the shapes of ``like``, as a rule for so many episodes of this seed.

        An episode is cut after ``horizon`` steps.
        """
        ...

    def episodes(
        self,
        roster: Roster,
        actors: tuple[Any, ...],
        body: NetworkConfig,
        count: int,
        seed: int,
        mode: Any,
        at_random: tuple[str, ...] = (),
        *,
        horizon: int,
    ) -> PlayedEpisodes:
        """Whole episodes, in which some act uniformly; each is cut after ``horizon`` steps."""
        ...

    def moments(
        self,
        roster: Roster,
        actors: tuple[Any, ...],
        body: NetworkConfig,
        seed: int,
        mode: Any,
        at_random: tuple[str, ...] = (),
        *,
        horizon: int,
    ) -> Iterator[record_episode.Frame]:
        """One episode of at most ``horizon`` steps, moment by moment, in which some act uniformly."""
        ...
