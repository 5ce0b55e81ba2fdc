"""What copies have written into a block, as a view; and whether it can be trained on."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from hamlet.envs.base import View
from hamlet.envs.block import Plan
from hamlet.envs.joint import joined
from hamlet.roster import Group


def look(
    groups: Sequence[Group], plan: Plan, arrays: Mapping[str, np.ndarray], time: Literal["arrival", "fresh"]
) -> View:
    """The views of all copies, as arrays of their own."""
    observation = tuple(arrays[f"{time}/observation/{g}"].copy() for g in range(len(groups)))
    masks = (arrays.get(f"{time}/available/{g}") for g in range(len(groups)))
    state = joined(groups, observation) if plan.state is None else arrays[f"{time}/state"].copy()
    available = tuple(None if mask is None else mask.copy() for mask in masks)
    return View(observation, state, available, arrays[f"{time}/alive"].copy())


def fault(groups: Sequence[Group], plan: Plan, view: View, reward: np.ndarray | None) -> tuple[int, str] | None:
    """The first copy with a number that is not finite or a mask without a choice, and which; None where all is well.

    All copies are looked at together: in each by itself this would cost more than some environments do.
    """
    if reward is not None and not np.isfinite(reward).all():
        row, k = np.argwhere(~np.isfinite(reward))[0].tolist()
        return row, f"the reward of agent {plan.names[k]!r} is {reward[row, k]}"
    for g, group in enumerate(groups):
        seen, mask = view.observation[g], view.available[g]
        if seen.dtype.kind == "f" and not np.isfinite(seen).all():
            row, slot, *at = np.argwhere(~np.isfinite(seen))[0].tolist()
            place = str(at) if at else ""
            return row, f"the observation{place} of agent {group.names[slot]!r} is {seen[(row, slot, *at)]}"
        if mask is not None:
            left = np.logical_or.reduceat(mask, np.cumsum((0, *plan.groups[g].choices[:-1])), axis=-1).all(-1)
            if not left.all():
                row, slot = np.argwhere(~left)[0].tolist()
                return row, f"the action_mask of agent {group.names[slot]!r} leaves no choice"
    if view.state.dtype.kind == "f" and not np.isfinite(view.state).all():
        row, *at = np.argwhere(~np.isfinite(view.state))[0].tolist()
        return row, f"state(){at} is {view.state[(row, *at)]}"
    return None
