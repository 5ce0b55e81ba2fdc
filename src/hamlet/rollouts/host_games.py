"""Copies of a host environment in two halves, so that one is acted for while the other steps."""

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
    """Games under way on the host, as a checkpoint holds them; all arrays are numpy's.

    Attributes:
        seed: From which every episode is drawn, by the copy's number and its own.
        snapshot: Where every copy stands; its "episode" is −1 before the first.
        start: True where an episode begins now, ``[E]``.
        memory: For every group the actors' memory, ``[E, N, H]``, or None.
        total: The team's return of the episode so far, ``[E]``.
        paid: Likewise what agents together were paid of every stream that is reported, by name, ``[E]``.
    """

    seed: Int64[np.ndarray, ""]
    snapshot: dict[str, np.ndarray]
    start: Bool[np.ndarray, " E"]
    memory: tuple[Float[np.ndarray, "E _N H"] | None, ...]
    total: Float[np.ndarray, " E"]
    paid: dict[str, Float[np.ndarray, " E"]] = eqx.field(default_factory=dict)


def blank(env: HostEnvironment, body: NetworkConfig, copies: int, seed: int) -> HostPlay:
    """Before any episode."""
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
    """Some copies that step together, and what is seen of them."""

    rows: slice
    copies: HostCopies
    view: View


class Games:
    """All copies of one run or evaluation, open.

    Args:
        env: What is played.
        seed: From which every episode is drawn.
        count: E.
        parts: In how many parts they step; at most as many as there are copies.
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
        """Begin in every copy the episode of the number given, ``[E]``."""
        episode = episode.astype(np.int32)
        self._stand(lambda rows, copies: copies.begin(episode[rows]))

    def restore(self, snapshot: Snapshot) -> None:
        """Stand where a snapshot was taken."""
        self._stand(lambda rows, copies: copies.restore({name: array[rows] for name, array in snapshot.items()}))

    def _stand(self, how: Callable[[slice, HostCopies], View]) -> None:
        self.halves = [
            Half(rows, copies, how(rows, copies)) for rows, copies in zip(self._rows, self._open, strict=True)
        ]

    def snapshot(self) -> dict[str, np.ndarray]:
        """Where every copy stands."""
        parts = [copies.snapshot() for copies in self._open]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def failures(self) -> list[str]:
        """Lines about copies that failed and were begun anew since the last call."""
        return [line for copies in self._open for line in copies.failures()]

    def notes(self) -> list[str]:
        """Lines about what was understood although it was not said as the interface has it."""
        return list(dict.fromkeys(line for copies in self._open for line in copies.notes()))

    def close(self) -> None:
        """End all of them."""
        opened, self._open, self.halves = self._open, [], []
        for copies in opened:
            copies.close()


def whole_view(halves: list[Half]) -> View:
    """What is seen of all copies."""
    return jax.tree.map(lambda *parts: np.concatenate(parts), *[half.view for half in halves])
