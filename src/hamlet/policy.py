"""A trained joint policy outside of training: numpy in, numpy out, agents by their PettingZoo names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hamlet.errors import RequestError, unknown
from hamlet.networks.torso import Body, blank
from hamlet.roster import Group, Roster
from hamlet.spaces import Box
from hamlet.training.learning import roster_of
from hamlet.training.rollout import act, draw
from hamlet.training.run import Run


class Policy:
    """Every agent's policy; the memory of an episode is kept inside, and `reset` begins the next.

    Actions are as the agents' PettingZoo spaces want them: an int for Discrete, an array for the others, a Box's
    within its bounds.
    """

    def __init__(self, roster: Roster, actors: tuple[Any, ...], body: Body, seed: int = 0) -> None:
        self.roster = roster
        self.agents = roster.names
        self._actors, self._body = actors, body
        self._key, self._count = jax.random.key(seed), 0
        self.reset()

    def reset(self) -> None:
        """Begin an episode: memory is cleared."""
        self._memory = tuple(blank(self._body, 1, len(group.names)) for group in self.roster.groups)
        self._start = True

    def act(
        self,
        observations: Mapping[str, Any],
        *,
        available: Mapping[str, Any] | None = None,
        deterministic: bool = True,
    ) -> dict[str, Any]:
        """The actions of the agents that observe something.

        Args:
            observations: By agent; an absent agent is left out of the answer.
            available: By agent, which discrete choices are allowed; None for all.
            deterministic: The likeliest action (of a continuous one the mean) rather than a sample.

        Raises:
            RequestError: If an agent is unknown, or an observation has another shape than it was trained on.
        """
        for name in observations:
            if name not in self.agents:
                raise unknown("agent", name, self.agents)
        arrays = tuple(self._gather(group.names, group.observation, observations) for group in self.roster.groups)
        masks = tuple(self._masks(group, available) for group in self.roster.groups)
        chance = None if deterministic else draw(self.roster, jax.random.fold_in(self._key, self._count), 1)
        start, alive = np.array([self._start]), np.array([[name in observations for name in self.roster.names]])
        given = (arrays, masks, start, self._memory, chance)
        actions, self._memory = _act(self.roster, self._actors, *given, alive=alive)
        self._start, self._count = False, self._count + 1
        answer: dict[str, Any] = {}
        for group, values in zip(self.roster.groups, actions, strict=True):
            rows = np.asarray(values)[0]
            if isinstance(group.action, Box):
                rows = np.clip(rows, *group.action.bounds)
            answer |= {n: int(r) if r.ndim == 0 else r for n, r in zip(group.names, rows, strict=True)}
        return {name: answer[name] for name in observations}

    def _masks(self, group: Group, available: Mapping[str, Any] | None) -> np.ndarray | None:
        """Which choices a group's agents have; all of them for an agent that is not named."""
        if available is None or not any(name in available for name in group.names):
            return None
        rows = [np.asarray(available.get(name, True), bool) for name in group.names]
        return np.stack([np.broadcast_to(row, (group.action.width,)) for row in rows])[None]

    def _gather(self, names: tuple[str, ...], space: Any, observations: Mapping[str, Any]) -> np.ndarray:
        rows = []
        for name in names:
            row = np.zeros(space.shape, np.float32) if name not in observations else np.asarray(observations[name])
            if row.shape != space.shape:
                raise RequestError(f"the observation of {name} has shape {row.shape}; it was trained on {space.shape}")
            rows.append(row)
        return np.stack(rows)[None]


_act = jax.jit(act, static_argnames="roster")


def load_policy(run: str | Path, *, best: bool = False, seed: int = 0, trust: bool = False) -> Policy:
    """The joint policy of a run's newest good checkpoint, or the best of those that were evaluated while it trained.

    Args:
        run: The directory of a run.
        best: The policy whose mean return in the run's own evaluations is highest.
        seed: From which stochastic actions are drawn.
        trust: Whether code of its own that the run names may be run, though this user did not begin it here.

    Raises:
        RequestError: If there is no run, it is not trusted, or nothing was evaluated while it trained and ``best`` is
            asked for.
        RunError: If it has no good checkpoint.
    """
    found = Run(Path(run), trust)
    algorithm, env = found.declaration
    return Policy(roster_of(algorithm, env), found.actors(best=best)[0], algorithm.body, seed)
