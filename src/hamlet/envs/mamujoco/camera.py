"""MuJoCo's own pictures of a body, with each agent's limbs in its colour; needs EGL or OSMesa on the machine."""

import json
import os
import pickle
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mujoco as _mujoco
import numpy as np

from hamlet.envs.camera import Picture
from hamlet.envs.host import HostEnvironment, Snapshot
from hamlet.envs.mamujoco import render_process
from hamlet.envs.mamujoco.figure import colours_of, size_of
from hamlet.envs.mamujoco.layout import Layout
from hamlet.envs.mamujoco.physics import STATE, state_size
from hamlet.envs.mamujoco.render_process import Job
from hamlet.envs.scene import AGENT_COLOURS
from hamlet.errors import RequestError, RunError

__all__ = ["MujocoCamera"]

mujoco: Any = _mujoco
_HEIGHT, _WIDTH = 360, 480
# The colour of body parts that no agent moves.
_GREY = (0.35, 0.37, 0.4, 1.0)
# The seconds in which a process must show that it can render.
_PATIENCE = 60.0


class MujocoCamera:
    """A `hamlet.envs.camera.Camera` for a MuJoCo body, in a separate process.

    Args:
        env: The environment.
        layout: The layout of its simulation.

    Raises:
        RequestError: MuJoCo cannot render on this machine.
    """

    coloured = True

    def __init__(self, env: HostEnvironment, layout: Layout) -> None:
        self.env = env
        self._seconds = float(layout.model.opt.timestep * layout.frame_skip)
        self._process = _started(_job(layout))

    def picture(self, state: Snapshot) -> Picture:
        """Render the body in a snapshot.

        Raises:
            RunError: The rendering process has ended.
        """
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(np.ascontiguousarray(state["physics"][0], np.float64).tobytes())
            process.stdin.flush()
            pixels = process.stdout.read(_HEIGHT * _WIDTH * 3)
        except BrokenPipeError:
            pixels = b""
        if len(pixels) < _HEIGHT * _WIDTH * 3:
            raise RunError(f"MuJoCo's rendering process ended with status {process.wait()}, so there is no picture")
        return Picture(np.frombuffer(pixels, np.uint8).reshape(_HEIGHT, _WIDTH, 3), self._seconds)

    def close(self) -> None:
        """Kill the rendering process."""
        _end(self._process)


def _job(layout: Layout) -> Job:
    model = layout.model
    binary = np.empty(mujoco.mj_sizeModel(model), np.uint8)
    mujoco.mj_saveModel(model, None, binary)
    colours, rows = colours_of(layout), []
    for part in range(model.ngeom):
        body = int(model.geom_bodyid[part])
        if body > 0:
            colour = colours[body]
            rows.append((part, *(_rgba(AGENT_COLOURS[colour % 8]) if isinstance(colour, int) else _GREY)))
    numbers = state_size(layout)
    return Job(binary.tobytes(), int(STATE), numbers, np.array(rows), size_of(layout), _HEIGHT, _WIDTH)


def _rgba(colour: str) -> tuple[float, ...]:
    """Return ``#rrggbb`` as numbers between 0 and 1, with full opacity.

    >>> _rgba("#ff0080")[:2]
    (1.0, 0.0)
    """
    return (*(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)), 1.0)


def _started(job: Job) -> subprocess.Popen[bytes]:
    """Start a process that can render, with the first method that works."""
    reasons = []
    for way in _ways():
        process = subprocess.Popen(
            [sys.executable, "-P", str(Path(render_process.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "MUJOCO_GL": way} if way else None,
        )
        reason = _refusal(process, job)
        if reason is None:
            return process
        _end(process)
        reasons.append(f"{way or 'a window'}: {reason}")
    raise RequestError(
        f"MuJoCo cannot render on this machine ({'; '.join(reasons)}): install EGL or OSMesa, for example with "
        "apt install libegl1 libgl1-mesa-dri, or libosmesa6"
    )


def _ways() -> Sequence[str]:
    """Return the drawing methods to try: the configured one, or methods without a screen, or the system's own."""
    asked = os.environ.get("MUJOCO_GL")
    if asked:
        return (asked,)
    return ("egl", "osmesa") if sys.platform == "linux" else ("",)


def _refusal(process: subprocess.Popen[bytes], job: Job) -> str | None:
    """Return why a process cannot do a job; None if it can."""
    assert process.stdin is not None and process.stdout is not None
    try:
        pickle.dump(tuple(job), process.stdin)
        process.stdin.flush()
    except BrokenPipeError:
        return f"its process ended with status {process.wait()}"
    if not select.select([process.stdout], [], [], _PATIENCE)[0]:
        return f"it gave no picture within {_PATIENCE:g} s"
    line = process.stdout.readline()
    if not line:
        return f"its process ended with status {process.wait()}"
    reason = json.loads(line).get("error")
    return None if reason is None else " ".join(reason.split())[:120]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except BrokenPipeError:  # unwritten data is not needed any more
                continue
