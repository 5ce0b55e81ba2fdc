"""The interface of environment backends: runs and evaluations use both kinds of environments through it."""

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

# Receives the shapes of the replay buffer before compilation, and may refuse them.
CheckMemory = Callable[[Replay | None], None]


def ignore(ring: Replay | None) -> None:
    """Accept every replay buffer."""


class Program(Protocol):
    """The compiled iterations of one algorithm on one environment, and the memory that they need."""

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm that the program trains."""
        ...

    @property
    def env(self) -> AnyEnvironment:
        """The environment on which the program trains."""
        ...

    @property
    def bytes_needed(self) -> int:
        """Memory in bytes of the compiled part, arguments included."""
        ...

    @property
    def ring(self) -> Replay | None:
        """The shapes of the replay buffer; None for an algorithm without one."""
        ...

    @property
    def rollout_bytes(self) -> int:
        """Memory in bytes of a rollout's observations and states, before and after every step."""
        ...

    @property
    def compile_seconds(self) -> float:
        """Seconds that compilation took."""
        ...

    def place(self, training: Training) -> Training:
        """Return the state on its devices, with its environment copies set up.

        If the algorithm needs a replay buffer and the state has none, an empty one is created.
        """
        ...

    def call(
        self, training: Training, count: Any, total: Any, stop: Callable[[], bool] = ...
    ) -> tuple[Training, dict[str, Any]]:
        """Run ``count`` of a run's ``total`` iterations, or fewer if ``stop`` returns True.

        Returns:
            The new state, and the measurements with a leading axis of iterations.

        Raises:
            RunError: The environment failed. A state that the call did not consume stays valid.
        """
        ...

    def remarks(self) -> Sequence[str]:
        """Return the lines to print that arose since the last call."""
        ...

    def close(self) -> None:
        """Close all resources; may be called twice."""
        ...


class EvaluationRollouts(Protocol):
    """Whole episodes for the evaluation of several policies; every policy starts from the same initial states."""

    @property
    def compile_seconds(self) -> float:
        """Seconds that compilation took."""
        ...

    def play(
        self, actors: tuple[Any, ...], seed: int, count: int, stop: Callable[[], bool] = ...
    ) -> PlayedEpisodes | None:
        """Play ``count`` episodes from a seed and return them; each is truncated at the horizon, and none failed.

        Returns None if ``stop`` returned True meanwhile. The actors are not consumed.

        Raises:
            EpisodesFailed: More episodes failed than may be replaced.
            RunError: The environment failed and cannot continue.
        """
        ...

    def remarks(self) -> Sequence[str]:
        """Return the lines to print that arose since the last call."""
        ...

    def close(self) -> None:
        """Close all resources; may be called twice."""
        ...


class Backend(Protocol):
    """An environment of either kind, as runs and evaluations use it."""

    @property
    def horizon(self) -> int | None:
        """Steps of the longest episode, if the environment declares them; None otherwise."""
        ...

    @property
    def episode_steps(self) -> int | None:
        """Upper bound on the steps of an episode, from the environment's declaration.

        If the environment counts rounds, the bound counts the turns of all agents. None if it is not declared.
        """
        ...

    @property
    def copies(self) -> int | None:
        """Number of copies that the environment itself declares; None if it declares none."""
        ...

    @property
    def remarks(self) -> Sequence[str]:
        """Lines to print before a run starts."""
        ...

    def sized(self, copies: int) -> AnyEnvironment:
        """Return the environment, declared for this number of copies."""
        ...

    def outline(self, algorithm: Algorithm) -> Training:
        """Return the shapes and types of a run's state, without the replay buffer."""
        ...

    def begin(self, algorithm: Algorithm) -> Callable[[int], Training]:
        """Return a function from a seed to the initial state, without replay buffer; one program serves all seeds."""
        ...

    def compile(
        self, algorithm: Algorithm, devices: Sequence[Device], seed: int, check_memory: CheckMemory = ...
    ) -> Program:
        """Return the program for a run with this seed; it also works for other seeds.

        ``check_memory`` is called before compilation.
        """
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
        """Compile and open evaluations for policies with the shapes of ``like``.

        ``episodes`` and ``seed`` are the usual number of episodes and the usual seed. An episode is truncated after
        ``horizon`` steps.
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
        """Play ``count`` whole episodes; each is truncated after ``horizon`` steps.

        The agents named in ``at_random`` act uniformly at random.
        """
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
        """Yield the frames of one episode of at most ``horizon`` steps; agents in ``at_random`` act uniformly."""
        ...
