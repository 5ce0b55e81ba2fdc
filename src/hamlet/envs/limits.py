"""Limits for very large observations: in spaces without bounds, networks receive at most ±10¹⁵.

The square of a larger number can overflow float32. Training, `hamlet.load_policy` and every exported file use the same
function: `limited`.
"""

from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from hamlet.envs.conversion import SpaceKind, entry

# The largest absolute value that networks receive.
LARGEST = 1e15
# The largest number of notes about limited numbers.
_LINES = 8


@cache
def unbounded(kind: SpaceKind) -> bool:
    """Return whether a space, or a part of it, allows numbers beyond ±10¹⁵."""
    boxes = [leaf for _, leaf in kind.leaves() if leaf.name == "Box"]
    return not all(np.min(box.low) >= -LARGEST and np.max(box.high) <= LARGEST for box in boxes)


def limited(kind: SpaceKind, row: Any, xp: ModuleType = np) -> Any:
    """Return the observation as networks receive it: in a space without bounds, clipped to ±10¹⁵.

    Args:
        kind: The space.
        row: One element of the space, or a batch of elements, as returned by `hamlet.envs.conversion.inner`.
        xp: The array module: numpy, or jax.numpy.
    """
    return xp.clip(row, -LARGEST, LARGEST) if unbounded(kind) else row


def limit_observations(
    seen: np.ndarray, names: Sequence[str], kinds: Sequence[SpaceKind], notes: dict[str, None]
) -> None:
    """Clip the finite numbers of a group's observations ``[E, N, …]`` in place, and note which agents they belong to.

    Args:
        seen: The observations.
        names: The agents.
        kinds: Their spaces; only observations in spaces without bounds are clipped.
        notes: Receives one line for each agent and entry, once.
    """
    free = np.reshape([unbounded(kind) for kind in kinds], (1, -1, *(1,) * (seen.ndim - 2)))
    over = np.isfinite(seen) & (np.abs(seen) > LARGEST) & free
    for slot, *index in np.unique(np.argwhere(over)[:, 1:], axis=0)[:_LINES].tolist():
        _note(notes, f"the observation{entry(kinds[slot], tuple(index))} of agent {names[slot]!r}")
    np.clip(seen, -LARGEST, LARGEST, out=seen, where=over)


def limit_state(state: np.ndarray, kind: SpaceKind, notes: dict[str, None]) -> None:
    """Clip the finite numbers returned by ``state()``, ``[E, …]``, in place, and note which entries they are."""
    over = np.isfinite(state) & (np.abs(state) > LARGEST)
    for index in np.unique(np.argwhere(over)[:, 1:], axis=0)[:_LINES].tolist():
        _note(notes, f"state(){entry(kind, tuple(index))}")
    np.clip(state, -LARGEST, LARGEST, out=state, where=over)


def _note(notes: dict[str, None], what: str) -> None:
    """Add a note that a number was limited, up to the largest number of notes."""
    if len(notes) < _LINES:
        explanation = f"exceeds ±{LARGEST:.0e}, and its space has no bounds: Hamlet uses ±{LARGEST:.0e} instead"
        notes[f"{what} {explanation}; scale it in the environment"] = None
