"""Numbers whose squares leave float32: what networks are shown of them where a space has no bounds.

Training, `hamlet.load_policy` and every exported file show them alike: `limited`.
"""

from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from hamlet.envs.conversion import SpaceKind, entry

# The largest number that is trained on.
LARGEST = 1e15
# How many lines tell of numbers that were limited.
_LINES = 8


@cache
def unbounded(kind: SpaceKind) -> bool:
    """Whether a space, or a part of it, has room for numbers beyond ±10¹⁵."""
    boxes = [leaf for _, leaf in kind.leaves() if leaf.name == "Box"]
    return not all(np.min(box.low) >= -LARGEST and np.max(box.high) <= LARGEST for box in boxes)


def limited(kind: SpaceKind, row: Any, xp: ModuleType = np) -> Any:
    """What networks are shown of a space without bounds: numbers beyond ±10¹⁵ as ±10¹⁵, all others as they are.

    Args:
        kind: The space.
        row: One of its elements, or a batch of them, as `hamlet.envs.conversion.inner` gives it.
        xp: The module whose arrays they are: numpy, or jax.numpy.
    """
    return xp.clip(row, -LARGEST, LARGEST) if unbounded(kind) else row


def limit_observations(
    seen: np.ndarray, names: Sequence[str], kinds: Sequence[SpaceKind], notes: dict[str, None]
) -> None:
    """Limit the finite numbers of a group's observations ``[E, N, …]`` in their place, and say whose they are.

    Args:
        seen: The observations.
        names: The agents.
        kinds: Their spaces; only what has no bounds is limited.
        notes: Takes a line for each agent and entry, once.
    """
    free = np.reshape([unbounded(kind) for kind in kinds], (1, -1, *(1,) * (seen.ndim - 2)))
    over = np.isfinite(seen) & (np.abs(seen) > LARGEST) & free
    for slot, *index in np.unique(np.argwhere(over)[:, 1:], axis=0)[:_LINES].tolist():
        _note(notes, f"the observation{entry(kinds[slot], tuple(index))} of agent {names[slot]!r}")
    np.clip(seen, -LARGEST, LARGEST, out=seen, where=over)


def limit_state(state: np.ndarray, kind: SpaceKind, notes: dict[str, None]) -> None:
    """Limit the finite numbers of what ``state()`` gave, ``[E, …]``, in their place, and say which they are."""
    over = np.isfinite(state) & (np.abs(state) > LARGEST)
    for index in np.unique(np.argwhere(over)[:, 1:], axis=0)[:_LINES].tolist():
        _note(notes, f"state(){entry(kind, tuple(index))}")
    np.clip(state, -LARGEST, LARGEST, out=state, where=over)


def _note(notes: dict[str, None], what: str) -> None:
    """Say of what numbers were limited; of the first few."""
    if len(notes) < _LINES:
        explanation = f"goes beyond ±{LARGEST:.0e}, and has no bounds: there it is taken as ±{LARGEST:.0e}"
        notes[f"{what} {explanation}; scale it in the environment"] = None
