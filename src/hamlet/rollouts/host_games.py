"""Copies of a host environment in two halves: the policy computes actions for one half while the other half steps."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Bool, Float, Int64

from hamlet.envs.base import View
from hamlet.envs.host import HostCopies, HostEnvironment, Snapshot
from hamlet.networks.torso import NetworkConfig
from hamlet.streams import declared_streams, reported


class HostPlay(eqx.Module):
    """The state of E environment copies on the host, as a checkpoint stores it; all arrays are NumPy arrays.

    Attributes:
        seed: The seed of all episodes; the seed of an episode follows from it, the copy's number and the episode's
            number.
        snapshot: The state of every copy; its entry "episode" is −1 before the first episode.
        start: True where an episode starts now, ``[E]``.
        memory: For every group of N agents the actors' memory of width H, ``[E, N, H]``, or None without memory.
        total: The team's return in the current episode so far, ``[E]``.
        paid: For every reported stream, by name: its sum over agents in the current episode so far, ``[E]``.
    """

    seed: Int64[np.ndarray, ""]
    snapshot: dict[str, np.ndarray]
    start: Bool[np.ndarray, " E"]
    memory: tuple[Float[np.ndarray, "E _N H"] | None, ...]
    total: Float[np.ndarray, " E"]
    paid: dict[str, Float[np.ndarray, " E"]] = eqx.field(default_factory=dict)


def blank(env: HostEnvironment, body: NetworkConfig, copies: int, seed: int) -> HostPlay:
    """Return the state before the first episode."""
    snapshot = {name: np.array(array) for name, array in env.blank(copies).items()}
    snapshot["episode"] = np.full(copies, -1, np.int32)

    def width(group):
        return (copies, len(group.names), body.memory)

    memory = tuple(np.zeros(width(group), np.float32) if body.memory else None for group in env.groups)
    paid = {stream.name: np.zeros(copies, np.float32) for stream in reported(declared_streams(env))}
    total = np.zeros(copies, np.float32)
    return HostPlay(np.asarray(seed, np.int64), snapshot, np.ones(copies, bool), memory, total, paid)


@dataclass
class Half:
    """Environment copies that step together (``rows`` are their numbers), and their current observations."""

    rows: slice
    copies: HostCopies
    view: View


class Games:
    """All open environment copies of one run or evaluation.

    Args:
        env: The environment.
        seed: The seed of all episodes.
        count: Number of copies E.
        parts: Number of parts that step independently; at most the number of copies.
    """

    def __init__(self, env: HostEnvironment, seed: int, count: int, *, parts: int = 2) -> None:
        self.env, self.seed, self.count = env, seed, count
        cuts = np.linspace(0, count, min(parts, count) + 1).round().astype(int).tolist()
        self._rows = [slice(a, b) for a, b in itertools.pairwise(cuts)]
        self._open: list[HostCopies] = []
        self.halves: list[Half] = []
        try:
            for rows in self._rows:
                self._open.append(env.open(seed, range(rows.start, rows.stop)))
        except BaseException:
            self.close()
            raise

    def begin(self, episode: np.ndarray) -> None:
        """Start in every copy the episode with the given number, ``[E]``."""
        episode = episode.astype(np.int32)
        self._stand(lambda rows, copies: copies.begin(episode[rows]))

    def restore(self, snapshot: Snapshot) -> None:
        """Restore all copies to the state of a snapshot."""
        self._stand(lambda rows, copies: copies.restore({name: array[rows] for name, array in snapshot.items()}))

    def _stand(self, how: Callable[[slice, HostCopies], View]) -> None:
        self.halves = [
            Half(rows, copies, how(rows, copies)) for rows, copies in zip(self._rows, self._open, strict=True)
        ]

    def snapshot(self) -> dict[str, np.ndarray]:
        """Return the state of every copy."""
        parts = [copies.snapshot() for copies in self._open]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def failures(self) -> list[str]:
        """Return a line for each copy that failed and was restarted since the last call."""
        return [line for copies in self._open for line in copies.failures()]

    def notes(self) -> list[str]:
        """Return lines about deviations from the interface that Hamlet accepted."""
        return list(dict.fromkeys(line for copies in self._open for line in copies.notes()))

    def close(self) -> None:
        """Close all copies."""
        opened, self._open, self.halves = self._open, [], []
        for copies in opened:
            copies.close()


def whole_view(halves: list[Half]) -> View:
    """Return the observations of all copies."""
    return jax.tree.map(lambda *parts: np.concatenate(parts), *[half.view for half in halves])
