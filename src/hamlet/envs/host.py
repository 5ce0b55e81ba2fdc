"""The interface of host environments: Python objects that run outside compiled code, in processes or threads.

A host environment is declared as a frozen dataclass of Python values, so a run's configuration can contain it. `open`
starts some of its environment copies. A training loop can open two halves of the copies: it computes actions for one
half while the other half steps. An episode depends only on the run's seed, the copy's number and the episode's number.
It does not depend on how the copies are distributed over processes.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from hamlet.envs.base import AnyDeclaration, Environment, Outcome, View
from hamlet.roster import Group

__all__ = ["AnyEnvironment", "HostCopies", "HostEnvironment", "Snapshot", "Step", "measures"]

# The state of some environment copies in a checkpoint: arrays of fixed shapes whose first axis is the copies. It always
# contains "episode", int32 [E]: the number of the current episode of each copy.
Snapshot = Mapping[str, np.ndarray]


class Step(NamedTuple):
    """The result of one step of E environment copies; numpy arrays with a leading axis E.

    Attributes:
        arrival: The view of the state that the step reached. If the episode ended, it holds the final observations. For
            an agent that became inactive in this step, it holds that agent's last observation.
        outcome: Rewards, streams, terminations and truncations.
        view: The view for the next action: the first view of a new episode if the episode ended, else ``arrival``.
        measures: The environment's own measures, ``[E, M]``: the last values given in the episode of this step; NaN if
            the episode gave none. None if the environment declares no measures (see `measures`).
    """

    arrival: View
    outcome: Outcome
    view: View
    measures: np.ndarray | None = None


class HostCopies(Protocol):
    """Some environment copies that step together. The caller owns the arrays that the methods return."""

    def begin(self, episode: np.ndarray) -> View:
        """Start in every copy the episode with the given number, ``[E]``; later episodes continue this count."""
        ...

    def send(self, actions: tuple[np.ndarray, ...]) -> None:
        """Start a step in every copy. A copy whose episode ends starts its next episode.

        Args:
            actions: For every group the actions ``[E, N, …]``, as the policy gave them. The copies clip Box actions to
                the bounds of the space and ignore the actions of inactive agents.
        """
        ...

    def receive(self) -> Step:
        """Wait for the step and return its result.

        Raises:
            RunError: A copy raised an error, crashed, did not answer in time, or gave data that training cannot use.
                The message names the copy.
        """
        ...

    def leave(self, copies: np.ndarray) -> View:
        """Abandon the current episode in some copies, ``[E]``, and start their next episode; return all copies' view.

        A copy that fails while it starts an episode starts the episode after it. A copy that is not selected can also
        fail; the episode number in the snapshot then shows that its episode changed.
        """
        ...

    def snapshot(self) -> Snapshot:
        """Return the state of every copy."""
        ...

    def restore(self, snapshot: Snapshot) -> View:
        """Restore the state of every copy from a snapshot. Only for an environment that is `restorable`."""
        ...

    def failures(self) -> tuple[str, ...]:
        """Return one line for each copy that failed and was restarted since the last call."""
        ...

    def notes(self) -> tuple[str, ...]:
        """Return notes on data that deviated from the interface but could be interpreted, each note once."""
        ...

    def close(self) -> None:
        """Stop every process and thread and free all shared memory; can be called twice, or during a step."""
        ...


class HostEnvironment(Protocol):
    """The declaration of an environment of Python objects.

    An environment that pays more than the reward declares these payments as ``streams``
    (`hamlet.streams.declared_streams`).
    """

    @property
    def groups(self) -> tuple[Group, ...]:
        """The agents, in groups of agents with equal observation and action spaces."""
        ...

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The shape of the state that the critic receives: ``(S,)``, or the shape of an image."""
        ...

    @property
    def restorable(self) -> bool:
        """Whether a snapshot can restore a current episode. If not, a resumed run starts new episodes and says so."""
        ...

    @property
    def remarks(self) -> tuple[str, ...]:
        """Lines that a run prints before it starts, for example where the critic's state comes from."""
        ...

    def blank(self, count: int) -> Snapshot:
        """Return a snapshot of ``count`` copies filled with zeros, which shows its names, shapes and types."""
        ...

    def open(self, seed: int, numbers: range) -> HostCopies:
        """Open the environment copies with these numbers, ready for `HostCopies.begin`.

        Raises:
            RequestError: The environment cannot be made, or training does not support it.
        """
        ...


def measures(env: AnyDeclaration) -> tuple[str, ...]:
    """Return the names of an environment's own measures, such as success, in the order of `Step.measures`.

    An environment with measures declares their names as ``measures``. A measure is the last number that the environment
    gave in an episode; an episode may give none. In contrast, a stream is paid in every step and reported as its sum.
    """
    return getattr(env, "measures", ())


# All environments that Hamlet can train on.
AnyEnvironment: TypeAlias = Environment | HostEnvironment
