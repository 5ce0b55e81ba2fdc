"""A PettingZoo environment as it renders itself: one copy of its own for it, which nothing is trained on.

The copy is made with ``render_mode="rgb_array"`` where the factory takes that option; of the environment's declaration,
and so of ``config.json``, it is no part.
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
    """Copies of which the first one is rendered: its picture is part of a snapshot.

    A copy stays where its episode ends.
    """

    def snapshot(self) -> Snapshot:
        """The number of every copy's episode, and the picture of the first.

        Raises:
            RunError: The environment renders nothing.
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
    """A PettingZoo environment as it is played while it is rendered: `hamlet.envs.host.HostEnvironment`.

    Attributes:
        groups: The agents.
        state_shape: Shape of the critic's state.
        setup: How copies are made.
    """

    groups: tuple[Group, ...]
    state_shape: tuple[int, ...]
    setup: CopiesSetup
    restorable: bool = False
    remarks: tuple[str, ...] = ()

    def blank(self, count: int) -> Snapshot:
        """A snapshot of ``count`` copies with zeros in it, without a picture, whose size is not known."""
        return {"episode": np.zeros(count, np.int32)}

    def open(self, seed: int, numbers: range) -> RenderingCopies:
        """The copies of these numbers, ready to begin.

        Raises:
            RequestError: The environment cannot be made, or is another by now.
        """
        return RenderingCopies(self.setup, seed, numbers)


class PettingZooCamera:
    """`hamlet.envs.camera.Camera` of a PettingZoo environment.

    Args:
        setup: How copies are made that are not rendered.
        state_shape: Shape of the critic's state.

    Raises:
        RequestError: The factory is not there.
    """

    coloured = False

    def __init__(self, setup: CopiesSetup, state_shape: tuple[int, ...]) -> None:
        keywords = factory_keywords(setup.factory, setup.timeout)
        takes = any(keyword.name == _MODE for keyword in keywords.known) or (keywords.free and not keywords.handed_on)
        options = dict(setup.options) | ({_MODE: "rgb_array"} if takes else {})
        setup = setup._replace(options=tuple(options.items()), restart=False, rendering=True)
        self.env = RenderingEnvironment(setup.groups, state_shape, setup)

    def picture(self, state: Snapshot) -> Picture:
        """The picture in a snapshot."""
        return Picture(state["pixels"][0], float(state["seconds"][0]))

    def close(self) -> None:
        """Nothing is open."""
