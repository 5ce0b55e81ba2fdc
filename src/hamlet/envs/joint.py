"""The joined observations of all agents: the critic's state if an environment has no own state."""

from collections.abc import Sequence

import numpy as np

from hamlet.roster import Group
from hamlet.spaces import Box, Composite, Discrete, MultiDiscrete, Space, pictures

_UNBOUNDED = float("inf")


def joined_space(groups: Sequence[Group]) -> Box | Composite:
    """Return the space of the joined observations of one environment copy.

    * Only numbers: the rows are joined into one row.
    * Only pictures of equal sizes: the pictures are stacked along the channels.
    * Pictures of different sizes, or pictures and numbers: they become the parts of one composite space.
    """
    spaces = [group.observation for group in groups for _ in group.names]
    if not any(pictures(space) for space in spaces):
        return Box(-_UNBOUNDED, _UNBOUNDED, (sum(space.width for space in spaces),))
    if all(isinstance(space, Box) for space in spaces) and len({space.shape[:2] for space in spaces}) == 1:
        return Box(-_UNBOUNDED, _UNBOUNDED, (*spaces[0].shape[:2], sum(space.shape[2] for space in spaces)))
    parts = [space.parts if isinstance(space, Composite) else (space,) for space in spaces]
    return Composite(tuple(part for each in parts for part in each))


def joined(groups: Sequence[Group], observation: Sequence[np.ndarray]) -> np.ndarray:
    """Join the observations of all groups, ``[E, N, …]`` each, into one array.

    The result is ``[E, S]``, or ``[E, H, W, C]`` for pictures of equal sizes. Agents are in the order of the groups.
    Discrete observations become one-hot. The result is uint8 if all observations are uint8.
    """
    copies = observation[0].shape[0]
    if pictures(joined_space(groups)) and len(joined_space(groups).shape) == 3:
        images = [np.moveaxis(array, 1, 3).reshape(copies, *array.shape[2:4], -1) for array in observation]
        return np.concatenate(images, axis=-1)
    parts = [_flat(group.observation, array) for group, array in zip(groups, observation, strict=True)]
    return np.concatenate([part.reshape(copies, -1) for part in parts], axis=-1)


def _flat(space: Space, seen: np.ndarray) -> np.ndarray:
    match space:
        case Discrete(n):
            return np.eye(n, dtype=np.float32)[seen]
        case MultiDiscrete(sizes):
            return np.concatenate([np.eye(n, dtype=np.float32)[seen[..., k]] for k, n in enumerate(sizes)], axis=-1)
        case _:
            return seen
