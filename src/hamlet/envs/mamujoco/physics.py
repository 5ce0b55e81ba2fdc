"""Many simulations of one model, stepped by threads: MuJoCo releases Python's global lock while it steps.

Every copy has its own MuJoCo data; the model is shared and never written. Each thread takes the next free copy, so no
thread waits for a slow copy of another thread. Results do not depend on which thread steps a copy.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import mujoco as _mujoco
import numpy as np
from jaxtyping import Float

from hamlet.envs.mamujoco.layout import QUANTITIES, Layout

__all__ = ["STATE", "Physics", "state_size"]

# MuJoCo's functions are compiled and have no type declarations.
mujoco: Any = _mujoco
# Everything that the next step depends on, including the solver's first guess.
STATE = mujoco.mjtState.mjSTATE_INTEGRATION


def state_size(layout: Layout) -> int:
    """Return how many numbers the state of one copy has."""
    return mujoco.mj_stateSize(layout.model, STATE)


class Physics:
    """The simulations of E copies.

    Attributes:
        rows: The quantities read after each copy's last step, in the order of the layout, ``[E, Q]``; the next step
            overwrites them.
        times: The seconds simulated since each episode started, ``[E]``.
    """

    def __init__(self, layout: Layout, count: int, threads: int):
        self._layout = layout
        self._model = layout.model
        self._data = [mujoco.MjData(layout.model) for _ in range(count)]
        self.rows: Float[np.ndarray, "E Q"] = np.zeros((count, layout.width))
        self.times: Float[np.ndarray, " E"] = np.zeros(count)
        self._controls: Float[np.ndarray, "E D"] = np.zeros((count, layout.model.nu))
        # MuJoCo computes forces on bodies only on request.
        self._forces = "cfrc_ext" in layout.quantities
        self._pairs = [
            [(self.rows[copy, layout.slices[name]], QUANTITIES[name](data)) for name in layout.quantities]
            for copy, data in enumerate(self._data)
        ]
        self._ways = [
            (data, self._controls[copy], data.ctrl, self._pairs[copy]) for copy, data in enumerate(self._data)
        ]
        self._threads = max(1, min(threads, count))
        self._pool = ThreadPoolExecutor(self._threads, "mujoco")
        self._steps: list[Future[None]] = []

    def start(self, controls: Float[np.ndarray, "E D"]) -> None:
        """Start an environment step in every copy, with these controls."""
        self._controls[:] = controls
        copies = iter(range(len(self._data)))
        self._steps = [self._pool.submit(self._work, copies) for _ in range(self._threads)]

    def wait(self) -> None:
        """Wait until all copies have stepped."""
        steps, self._steps = self._steps, []
        for step in steps:
            step.result()

    def _work(self, copies: Iterator[int]) -> None:
        model, skip, forces, times = self._model, self._layout.frame_skip, self._forces, self.times
        for copy in copies:
            data, given, control, pairs = self._ways[copy]
            control[:] = given
            mujoco.mj_step(model, data, skip)
            if forces:
                mujoco.mj_rnePostConstraint(model, data)
            for row, read in pairs:
                row[:] = read
            times[copy] = data.time

    def reset(self, copy: int, position: Float[np.ndarray, " P"], velocity: Float[np.ndarray, " V"]) -> None:
        """Reset a copy to these positions and velocities."""
        data = self._data[copy]
        mujoco.mj_resetData(self._model, data)
        data.qpos[:] = position
        data.qvel[:] = velocity
        mujoco.mj_forward(self._model, data)
        for row, read in self._pairs[copy]:
            row[:] = read
        self.times[copy] = data.time

    def state(self) -> Float[np.ndarray, "E S"]:
        """Return everything that the next step of every copy depends on."""
        states = np.zeros((len(self._data), state_size(self._layout)))
        for state, data in zip(states, self._data, strict=True):
            mujoco.mj_getState(self._model, data, state, STATE)
        return states

    def set_state(self, states: Float[np.ndarray, "E S"], rows: Float[np.ndarray, "E Q"]) -> None:
        """Restore the states of all copies, with the quantities that were read there."""
        for copy, data in enumerate(self._data):
            mujoco.mj_resetData(self._model, data)
            mujoco.mj_setState(self._model, data, np.ascontiguousarray(states[copy], np.float64), STATE)
            self.times[copy] = data.time
        self.rows[:] = rows

    def close(self) -> None:
        """Stop the threads after the current step."""
        self._pool.shutdown(wait=True, cancel_futures=True)
