"""The observations of all agents as one: what a critic sees where an environment has no state of its own."""

from collections.abc import Sequence

import numpy as np

from hamlet.errors import RequestError
from hamlet.roster import Group
from hamlet.spaces import Box, Discrete, MultiDiscrete, Space

# Height, width, channels.
_IMAGE = 3


def joined_shape(groups: Sequence[Group]) -> tuple[int, ...]:
    """The shape of one copy's joined observations.

    Raises:
        RequestError: They are images of unequal sizes, or images beside vectors, and make no one array.
    """
    shapes = {group.observation.shape for group in groups}
    if not any(len(shape) == _IMAGE for shape in shapes):
        return (sum(len(group.names) * group.observation.width for group in groups),)
    if len({shape[:2] for shape in shapes}) > 1 or any(len(shape) != _IMAGE for shape in shapes):
        spoken = ", ".join(map(str, sorted(shapes)))
        raise RequestError(
            f"observations of the shapes {spoken} cannot be joined, so the critic would not see all agents; "
            "give the environment a state()"
        )
    height, width, _ = next(iter(shapes))
    return height, width, sum(len(group.names) * group.observation.shape[2] for group in groups)


def joined(groups: Sequence[Group], observation: Sequence[np.ndarray]) -> np.ndarray:
    """Every group's ``[E, N, …]`` as one array ``[E, S]``; equal images are laid upon each other, ``[E, H, W, C]``.

    Agents come in the order of the groups. Choices become one-hot. uint8 stays where all of it is.
    """
    copies = observation[0].shape[0]
    if len(joined_shape(groups)) == _IMAGE:
        images = [np.moveaxis(seen, 1, 3).reshape(copies, *seen.shape[2:4], -1) for seen in observation]
        return np.concatenate(images, axis=-1)
    parts = [_flat(group.observation, seen) for group, seen in zip(groups, observation, strict=True)]
    return np.concatenate([part.reshape(copies, -1) for part in parts], axis=-1)


def _flat(space: Space, seen: np.ndarray) -> np.ndarray:
    match space:
        case Box():
            return seen
        case Discrete(n):
            return np.eye(n, dtype=np.float32)[seen]
        case MultiDiscrete(sizes):
            return np.concatenate([np.eye(n, dtype=np.float32)[seen[..., k]] for k, n in enumerate(sizes)], axis=-1)
