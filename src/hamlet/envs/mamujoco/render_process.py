"""A process that renders a MuJoCo body. MuJoCo reads the drawing method (``MUJOCO_GL``) only once, at its import.

In a separate process, Hamlet can choose the method after MuJoCo was imported, and try several methods. A driver that
crashes ends only this process. The file is run as a script and imports nothing of Hamlet.
"""

import json
import os
import pickle
import sys
from typing import Any, NamedTuple

import numpy as np

# The camera's distance in units of the body's size, and its angles in degrees; _ABOVE is the elevation for swimmers.
_AWAY, _AZIMUTH, _ELEVATION, _ABOVE = 2.6, 90.0, -18.0, -89.0
# Textures of floor and sky are made paler, so that the body stands out: the factor, and the added white.
_LEFT, _WHITE = 0.3, 165.0


class Job(NamedTuple):
    """What the process renders.

    Attributes:
        model: The MuJoCo model, as the bytes of an MJB file.
        state: Which parts of the simulation a state contains: a sum of `mujoco.mjtState`.
        numbers: How many numbers a state has.
        colours: The colours of body parts, ``[K, 5]``: the number of the geometry, then red, green, blue and opacity.
        size: The size of the body; m.
        height: The height of a picture, in pixels.
        width: The width of a picture, in pixels.
    """

    model: bytes
    state: int
    numbers: int
    colours: np.ndarray
    size: float
    height: int
    width: int


def main() -> None:
    """Read a job, report in a line of JSON whether it is possible, and answer every state with a picture's bytes."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # output of a driver must not mix with pictures
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
    """Return a function that renders a state."""
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
