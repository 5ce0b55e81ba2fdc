"""Read the data that environment copies wrote into a block as a view, and check that training can use it."""

from collections.abc import Mapping, Sequence
from typing import Literal

import jax
import numpy as np

from hamlet.envs.base import View
from hamlet.envs.conversion import entry
from hamlet.envs.joint import joined
from hamlet.envs.limits import LARGEST, limit_observations, limit_state
from hamlet.envs.pettingzoo.shared_block import BlockLayout
from hamlet.roster import Group


class Lookout:
    """Reads the views that environment copies wrote into a block; every call returns new arrays.

    Args:
        groups: The agents.
        plan: The layout of the block.
        arrays: The arrays of the block.
        time: Which view to read: "arrival", which a step reached, or "fresh", the first view of a new episode.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        plan: BlockLayout,
        arrays: Mapping[str, np.ndarray],
        time: Literal["arrival", "fresh"],
    ) -> None:
        self._groups, self._joins = groups, plan.state is None
        observations = tuple(arrays[f"{time}/observation/{g}"] for g in range(len(groups)))
        masks = tuple(arrays.get(f"{time}/available/{g}") for g in range(len(groups)))
        state = () if plan.state is None else (arrays[f"{time}/state"],)
        self._arrays: list[np.ndarray] = [
            *observations,
            *state,
            *(m for m in masks if m is not None),
            arrays[f"{time}/alive"],
        ]
        # Building a module by its constructor costs more than copying its arrays.
        self._form = jax.tree.structure(View(observations, observations[0], masks, arrays[f"{time}/alive"]))

    def __call__(self) -> View:
        """Return the views of all copies."""
        leaves = [array.copy() for array in self._arrays]
        if self._joins:
            count = len(self._groups)
            leaves.insert(count, joined(self._groups, leaves[:count]))
        return jax.tree.unflatten(self._form, leaves)


def copied(view: View) -> View:
    """Return a copy of a view with its own arrays."""
    available = tuple(None if mask is None else mask.copy() for mask in view.available)
    alive = None if view.alive is None else view.alive.copy()
    return View(tuple(obs.copy() for obs in view.observation), view.state.copy(), available, alive)


def copy_row(source: View, into: View, row: int) -> None:
    """Copy the view of one environment copy into another view."""
    for before, after in zip(_leaves(source), _leaves(into), strict=True):
        after[row] = before[row]


def _leaves(view: View) -> list[np.ndarray]:
    return [x for x in (*view.observation, view.state, *view.available, view.alive) if x is not None]


def fault(
    groups: Sequence[Group], plan: BlockLayout, view: View, reward: np.ndarray | None, notes: dict[str, None]
) -> tuple[int, str] | None:
    """Find the first environment copy with a number that training cannot use, or with an empty action mask.

    Such a number is not finite, or beyond ±10¹⁵. The text names the agent and the entry. In a space without bounds, a
    finite number beyond ±10¹⁵ is not an error: the view then holds ±10¹⁵ (`hamlet.envs.limits.limited`).

    The function checks all copies at once: checking each copy alone would cost more than some environments' steps.

    Args:
        groups: The agents.
        plan: The layout of the data that the copies exchange.
        view: The view, with its own arrays.
        reward: Every agent's reward, ``[E, N]``; None if there is none.
        notes: Receives one line, once, for the agent and the entry of a number that was limited.

    Returns:
        The row of the copy and a text; None if all data can be used.
    """
    if reward is not None and _beyond(reward):
        row, k = _where(reward)
        return row, f"the reward of agent {plan.names[k]!r} is {_told(reward[row, k])}"
    for g, group in enumerate(groups):
        obs, mask = view.observation[g], view.available[g]
        if obs.dtype.kind == "f" and _beyond(obs):
            limit_observations(obs, group.names, plan.groups[g].seen, notes)
            if plan.state is None:  # then the state is the joined observations
                np.clip(view.state, -LARGEST, LARGEST, out=view.state)
        if obs.dtype.kind == "f" and _beyond(obs):
            row, slot, *index = _where(obs)
            place = entry(plan.groups[g].seen[slot], tuple(index))
            return row, f"the observation{place} of agent {group.names[slot]!r} is {_told(obs[(row, slot, *index)])}"
        if mask is not None:
            has_choice = np.logical_or.reduceat(mask, np.cumsum((0, *plan.groups[g].choices[:-1])), axis=-1).all(-1)
            if not has_choice.all():
                row, slot = np.argwhere(~has_choice)[0].tolist()
                return row, (
                    f"the action_mask of agent {group.names[slot]!r} allows no action: allow one while the agent "
                    "waits, or remove the agent from agents while it is not in the episode"
                )
    state = view.state
    if plan.state is not None and state.dtype.kind == "f" and _beyond(state):
        limit_state(state, plan.state, notes)
        if _beyond(state):
            row, *index = _where(state)
            return row, f"state(){entry(plan.state, tuple(index))} is {_told(state[(row, *index)])}"
    return None


def _beyond(array: np.ndarray) -> bool:
    """Return whether a number is not finite, or too large."""
    return bool(array.size) and not -LARGEST <= array.min() <= array.max() <= LARGEST


def _where(array: np.ndarray) -> list[int]:
    return np.argwhere(~(np.abs(array) <= LARGEST))[0].tolist()


def _told(number: np.float32) -> str:
    return (
        f"{number}, beyond ±{LARGEST:.0e}: scale it in the environment"
        if np.isfinite(number)
        else f"{number}, not finite"
    )
