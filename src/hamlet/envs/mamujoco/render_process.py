"""A process that renders a body: MuJoCo reads once, when it is imported, by what it draws (``MUJOCO_GL``).

In a process of its own that can be chosen after MuJoCo was imported, and tried; and a driver that fails ends nothing
else. It is run as a file, and imports nothing of the library.
"""

import json
import os
import pickle
import sys
from typing import Any, NamedTuple

import numpy as np

# How much of a body's size the camera stands away, and from where it looks, in degrees; from above at what swims.
_AWAY, _AZIMUTH, _ELEVATION, _ABOVE = 2.6, 90.0, -18.0, -89.0
# Checked floors and skies are made paler, so that the body stands out: how much of them is left, and of white is added.
_LEFT, _WHITE = 0.3, 165.0


class Job(NamedTuple):
    """What is rendered.

    Attributes:
        model: MuJoCo's, as the bytes of an MJB file.
        state: Which parts of the simulation a state holds: a sum of `mujoco.mjtState`.
        numbers: How many numbers a state has.
        colours: By part of a body, ``[K, 5]``: the number of the geometry, then red, green, blue and opacity.
        size: Of the body, in its own unit; m.
        height: Of a picture, in pixels.
        width: Likewise.
    """

    model: bytes
    state: int
    numbers: int
    colours: np.ndarray
    size: float
    height: int
    width: int


def main() -> None:
    """Read a job, say in a line of JSON whether it can be done, and answer every state with the bytes of a picture."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a driver prints must not mix with pictures
    job = Job(*pickle.load(sys.stdin.buffer))
    try:
        render = _renderer(job)
        render(None)
    except BaseException as error:
        answers.write((json.dumps({"error": f"{type(error).__name__}: {error}"}) + "\n").encode())
        return
    answers.write(b"{}\n")
    while len(state := sys.stdin.buffer.read(8 * job.numbers)) == 8 * job.numbers:
        answers.write(render(np.frombuffer(state)).tobytes())


def _renderer(job: Job) -> Any:
    """What makes the picture of a state."""
    import mujoco as compiled

    mujoco: Any = compiled
    model = mujoco.MjModel.from_binary_path("model.mjb", {"model.mjb": job.model})
    for part, *colour in job.colours:
        model.geom_matid[int(part)], model.geom_rgba[int(part)] = -1, colour
    model.tex_data[:] = _LEFT * model.tex_data[:] + _WHITE
    model.light_diffuse[:], model.light_specular[:] = 0.55, 0.0
    model.vis.headlight.ambient[:], model.vis.headlight.diffuse[:], model.vis.headlight.specular[:] = 0.5, 0.35, 0.0
    model.vis.global_.offwidth, model.vis.global_.offheight = job.width, job.height
    data = mujoco.MjData(model)
    camera = mujoco.MjvCamera()
    camera.type, camera.trackbodyid = mujoco.mjtCamera.mjCAMERA_TRACKING, 1
    swims = model.opt.viscosity > 0.0
    camera.distance, camera.azimuth, camera.elevation = _AWAY * job.size, _AZIMUTH, _ABOVE if swims else _ELEVATION
    renderer = mujoco.Renderer(model, job.height, job.width)
    renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False

    def render(state: np.ndarray | None) -> np.ndarray:
        if state is not None:
            mujoco.mj_setState(model, data, state, job.state)
        mujoco.mj_forward(model, data)
        renderer.update_scene(data, camera)
        return renderer.render()

    return render


if __name__ == "__main__":
    main()
