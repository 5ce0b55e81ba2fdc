"""The rendering of a PettingZoo environment by its own code, in a separate copy that is not used for training.

This copy is made with ``render_mode="rgb_array"`` if the factory takes that option. The option does not become part of
the environment's declaration, so ``config.json`` does not contain it.
"""

import pickle
from dataclasses import dataclass

import numpy as np

from hamlet.envs.camera import Picture
from hamlet.envs.host import Snapshot
from hamlet.envs.pettingzoo import worker
from hamlet.envs.pettingzoo.copies import CopiesSetup, PettingZooCopies, factory_keywords
from hamlet.envs.pettingzoo.processes import Lost
from hamlet.envs.pettingzoo.worker import Incident
from hamlet.errors import RunError
from hamlet.roster import Group

__all__ = ["PettingZooCamera"]

_MODE = "render_mode"


class RenderingCopies(PettingZooCopies):
    """Copies of which the first one is rendered: a snapshot contains its picture.

    A copy whose episode ends stays in its last state.
    """

    def snapshot(self) -> Snapshot:
        """Return the episode number of every copy, and the picture of the first copy.

        Raises:
            RunError: The environment renders no picture.
        """
        pixels, seconds = self._picture()
        return {**super().snapshot(), "pixels": pixels[None], "seconds": np.array([seconds])}

    def _picture(self) -> tuple[np.ndarray, float]:
        process, factory = self.workers[0], self._terms.factory
        process.ask(worker.PICTURE)
        try:
            incident, answer = pickle.loads(process.answer(self._terms.timeout))
        except Lost as lost:
            raise RunError(f"{factory} cannot be rendered: its process {lost}{process.last_words()[0]}") from None
        if incident is not None:
            raise RunError(f"{factory} cannot be rendered: {Incident(*incident).text}")
        return answer


@dataclass(frozen=True)
class RenderingEnvironment:
    """A PettingZoo environment that is rendered while it runs: a `hamlet.envs.host.HostEnvironment`.

    Attributes:
        groups: The agents.
        state_shape: The shape of the state that the critic receives.
        setup: How copies are made.
    """

    groups: tuple[Group, ...]
    state_shape: tuple[int, ...]
    setup: CopiesSetup
    restorable: bool = False
    remarks: tuple[str, ...] = ()

    def blank(self, count: int) -> Snapshot:
        """Return a snapshot of ``count`` copies filled with zeros; without a picture, because its size is unknown."""
        return {"episode": np.zeros(count, np.int32)}

    def open(self, seed: int, numbers: range) -> RenderingCopies:
        """Open the environment copies with these numbers, ready to start.

        Raises:
            RequestError: The environment cannot be made, or it has changed since it was declared.
        """
        return RenderingCopies(self.setup, seed, numbers)


class PettingZooCamera:
    """A `hamlet.envs.camera.Camera` for a PettingZoo environment.

    Args:
        setup: How copies are made without rendering.
        state_shape: The shape of the state that the critic receives.

    Raises:
        RequestError: The factory does not exist.
    """

    coloured = False

    def __init__(self, setup: CopiesSetup, state_shape: tuple[int, ...]) -> None:
        keywords = factory_keywords(setup.factory, setup.timeout)
        takes = any(keyword.name == _MODE for keyword in keywords.known) or (keywords.free and not keywords.handed_on)
        options = dict(setup.options) | ({_MODE: "rgb_array"} if takes else {})
        setup = setup._replace(options=tuple(options.items()), restart=False, rendering=True)
        self.env = RenderingEnvironment(setup.groups, state_shape, setup)

    def picture(self, state: Snapshot) -> Picture:
        """Return the picture in a snapshot."""
        return Picture(state["pixels"][0], float(state["seconds"][0]))

    def close(self) -> None:
        """Do nothing: this camera opens nothing."""
