"""How an environment renders itself, for videos and reports: pictures of its moments, made by its own code.

An environment that can be rendered has one method more than its contract asks for, ``camera`` (`Rendered`). Where it
also says by shapes how it is drawn (`hamlet.envs.scene`), reports draw these.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np

from hamlet.envs.host import AnyEnvironment


class Picture(NamedTuple):
    """A moment as it is rendered.

    Attributes:
        pixels: Red, green and blue from 0 to 255, ``[H, W, 3]``, uint8.
        seconds: For which it is shown.
    """

    pixels: np.ndarray
    seconds: float


class Camera(Protocol):
    """What renders the moments of an environment."""

    @property
    def env(self) -> AnyEnvironment:
        """What is to be played: the same environment, whose states this camera can render."""
        ...

    @property
    def coloured(self) -> bool:
        """Whether agents have the colours of `hamlet.envs.scene.AGENT_COLOURS`."""
        ...

    def picture(self, state: Any) -> Picture:
        """The moment at a state: the environment's own, of one copy; of a host environment a snapshot of one copy.

        Raises:
            RunError: It cannot be rendered.
        """
        ...

    def close(self) -> None:
        """End what was opened; may be called twice."""
        ...


class Rendered(Protocol):
    """An environment that can be rendered."""

    def camera(self) -> Camera:
        """What renders it.

        Raises:
            RequestError: It cannot be rendered on this machine, or as it was declared; the line says why.
        """
        ...
