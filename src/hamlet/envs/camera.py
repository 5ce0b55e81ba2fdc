"""The rendering of an environment by its own code, as pictures for videos and reports.

An environment that can be rendered has a method ``camera`` in addition to its interface (`Rendered`). If it also has
drawings made of shapes (`hamlet.envs.scene`), reports show these drawings.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np

from hamlet.envs.host import AnyEnvironment


class Picture(NamedTuple):
    """A rendered state.

    Attributes:
        pixels: Red, green and blue from 0 to 255, ``[H, W, 3]``, uint8.
        seconds: How many seconds the picture is shown.
    """

    pixels: np.ndarray
    seconds: float


class Camera(Protocol):
    """A renderer of an environment's states."""

    @property
    def env(self) -> AnyEnvironment:
        """The environment to run: an equal environment whose states this camera can render."""
        ...

    @property
    def coloured(self) -> bool:
        """Whether agents have the colours of `hamlet.envs.scene.AGENT_COLOURS`."""
        ...

    def picture(self, state: Any) -> Picture:
        """Render a state: the environment's own state of one copy; for a host environment, a snapshot of one copy.

        Raises:
            RunError: The state cannot be rendered.
        """
        ...

    def close(self) -> None:
        """Close everything that was opened; can be called twice."""
        ...


class Rendered(Protocol):
    """An environment that can be rendered."""

    def camera(self) -> Camera:
        """Return a camera for this environment.

        Raises:
            RequestError: This machine or this declaration does not allow rendering; the message says why.
        """
        ...
