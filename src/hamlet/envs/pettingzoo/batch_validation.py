"""What copies have written into a block, as a view; and whether it can be trained on."""

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
    """What copies write into a block: at every call, all of it as arrays of their own.

    Args:
        groups: The agents.
        plan: What the block holds.
        arrays: Those of the block.
        time: Whether it is what a step arrived at, or a new episode's first view.
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
        # To make a module by its constructor costs more than to copy what goes into it.
        self._form = jax.tree.structure(View(observations, observations[0], masks, arrays[f"{time}/alive"]))

    def __call__(self) -> View:
        """The views of all copies."""
        leaves = [array.copy() for array in self._arrays]
        if self._joins:
            count = len(self._groups)
            leaves.insert(count, joined(self._groups, leaves[:count]))
        return jax.tree.unflatten(self._form, leaves)


def copied(view: View) -> View:
    """A view in arrays of its own."""
    available = tuple(None if mask is None else mask.copy() for mask in view.available)
    alive = None if view.alive is None else view.alive.copy()
    return View(tuple(obs.copy() for obs in view.observation), view.state.copy(), available, alive)


def copy_row(source: View, into: View, row: int) -> None:
    """Put what is seen of one copy into another view."""
    for before, after in zip(_leaves(source), _leaves(into), strict=True):
        after[row] = before[row]


def _leaves(view: View) -> list[np.ndarray]:
    return [x for x in (*view.observation, view.state, *view.available, view.alive) if x is not None]


def fault(
    groups: Sequence[Group], plan: BlockLayout, view: View, reward: np.ndarray | None, notes: dict[str, None]
) -> tuple[int, str] | None:
    """The first copy with a number that cannot be trained on or a mask without a choice; None where all is well.

    Such numbers are not finite, or beyond ±10¹⁵. The text names the agent and the entry. A finite number of a space
    without bounds is no fault: in the view it becomes ±10¹⁵, as `hamlet.envs.limits.limited` has it.

    All copies are looked at together: in each by itself this would cost more than some environments do.

    Args:
        groups: The agents.
        plan: What the copies exchange.
        view: What is seen, in arrays of its own.
        reward: Every agent's reward, ``[E, N]``; None where there is none.
        notes: Takes a line, once, for the agent and the entry of a number that was limited.
    """
    if reward is not None and _beyond(reward):
        row, k = _where(reward)
        return row, f"the reward of agent {plan.names[k]!r} is {_told(reward[row, k])}"
    for g, group in enumerate(groups):
        obs, mask = view.observation[g], view.available[g]
        if obs.dtype.kind == "f" and _beyond(obs):
            limit_observations(obs, group.names, plan.groups[g].seen, notes)
            if plan.state is None:  # the observations, joined
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
                    f"the action_mask of agent {group.names[slot]!r} leaves no choice: allow one while it waits, or "
                    "take it out of agents while it is away"
                )
    state = view.state
    if plan.state is not None and state.dtype.kind == "f" and _beyond(state):
        limit_state(state, plan.state, notes)
        if _beyond(state):
            row, *index = _where(state)
            return row, f"state(){entry(plan.state, tuple(index))} is {_told(state[(row, *index)])}"
    return None


def _beyond(array: np.ndarray) -> bool:
    """Whether some number is not finite, or too large."""
    return bool(array.size) and not -LARGEST <= array.min() <= array.max() <= LARGEST


def _where(array: np.ndarray) -> list[int]:
    return np.argwhere(~(np.abs(array) <= LARGEST))[0].tolist()


def _told(number: np.float32) -> str:
    return f"{number}, beyond ±{LARGEST:.0e}: scale it in the environment" if np.isfinite(number) else f"{number}"
