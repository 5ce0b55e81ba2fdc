"""The contract of environments that are Python objects: they live outside of compiled code, in processes or threads.

A host environment is declared as a frozen dataclass of Python values, so that it goes into a run's configuration. It is
opened for some copies at a time; a loop that opens two halves can act for one while the other steps. What a copy plays
depends on the run's seed, the copy's number and the number of the episode alone, never on how copies are spread.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from hamlet.envs.base import AnyDeclaration, Environment, Outcome, View
from hamlet.roster import Group

__all__ = ["AnyEnvironment", "HostCopies", "HostEnvironment", "Snapshot", "Step", "measures"]

# What a checkpoint keeps of some copies: arrays of fixed shapes whose first axis is the copies. There is always
# "episode", int32 [E], the number of the episode under way.
Snapshot = Mapping[str, np.ndarray]


class Step(NamedTuple):
    """What one step of E copies brought; numpy arrays with a leading axis E.

    Attributes:
        arrival: The view arrived at. It is the final one where the episode ended, and holds the last observation of an
            agent that left in this step.
        outcome: Rewards, what else is paid, and ends.
        view: What is seen next: that of a new episode where one ended, else the arrival.
        measures: What the environment itself measures, ``[E, M]``: as last given in the episode that the step was of;
            NaN where it was not given in it. None where nothing is measured (`measures`).
    """

    arrival: View
    outcome: Outcome
    view: View
    measures: np.ndarray | None = None


class HostCopies(Protocol):
    """Some copies of an environment, stepped together. Arrays that it hands out are the caller's to keep."""

    def begin(self, episode: np.ndarray) -> View:
        """Begin, in every copy, the episode of the number given, ``[E]``; later ones are counted on from it."""
        ...

    def send(self, actions: tuple[np.ndarray, ...]) -> None:
        """Let every copy step: for every group the actions ``[E, N, …]``. A copy that ends begins its next episode.

        Actions are handed over as the policy gave them; the copies clip a Box's to its bounds and ignore those of the
        absent.
        """
        ...

    def receive(self) -> Step:
        """Wait for that step.

        Raises:
            RunError: A copy raised, died, hung, or gave what cannot be trained on; the line names it.
        """
        ...

    def leave(self, copies: np.ndarray) -> View:
        """Leave the episodes under way in some copies, ``[E]``, and begin their next ones; the view of all copies.

        A copy that fails at this begins the episode after that. An episode that is not to be left, and fails all the
        same, is told by its number in the snapshot.
        """
        ...

    def snapshot(self) -> Snapshot:
        """Where every copy stands."""
        ...

    def restore(self, snapshot: Snapshot) -> View:
        """Stand where a snapshot was taken. Only for an environment that is `restorable`."""
        ...

    def failures(self) -> tuple[str, ...]:
        """Lines about copies that failed and were begun anew since the last call."""
        ...

    def notes(self) -> tuple[str, ...]:
        """Lines about what was understood although it was not said as the interface has it, each once."""
        ...

    def close(self) -> None:
        """End every process and thread, and free all shared memory; may be called twice, and while copies step."""
        ...


class HostEnvironment(Protocol):
    """An environment of Python objects, as it is declared.

    One that pays more than the reward has the declarations of it as ``streams`` (`hamlet.streams.declared_streams`).
    """

    @property
    def groups(self) -> tuple[Group, ...]:
        """The agents, in groups of equal spaces."""
        ...

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Shape of the critic's state: ``(S,)``, or that of an image."""
        ...

    @property
    def restorable(self) -> bool:
        """Whether a snapshot brings back an episode under way; else a resumed run begins new episodes, and says so."""
        ...

    @property
    def remarks(self) -> tuple[str, ...]:
        """Lines that a run prints before it begins, as: where the critic's state comes from."""
        ...

    def blank(self, count: int) -> Snapshot:
        """A snapshot of ``count`` copies with zeros in it: its names, shapes and types."""
        ...

    def open(self, seed: int, numbers: range) -> HostCopies:
        """The copies of these numbers, ready to begin.

        Raises:
            RequestError: The environment cannot be made, or is not one that can be trained on.
        """
        ...


def measures(env: AnyDeclaration) -> tuple[str, ...]:
    """The names of what an environment itself measures, such as success, in the order of `Step.measures`.

    An environment that measures something declares them as ``measures``. A measure is the last number that was given
    in an episode, and an episode may give none; a stream is paid in every step, and reported as its sum.
    """
    return getattr(env, "measures", ())


# What can be trained on.
AnyEnvironment: TypeAlias = Environment | HostEnvironment
