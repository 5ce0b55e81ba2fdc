"""Drawings of a MuJoCo body as thick lines, from the positions of its parts; needs no window and no graphics card.

Bodies on the ground are shown from the side, with farther parts drawn slightly higher; swimmers are shown from above.
The view follows the torso. A limb has the colour of the agent that moves its joint; all other limbs are ink.
"""

from functools import lru_cache
from typing import Any

import mujoco as _mujoco
import numpy as np
from jaxtyping import Float

from hamlet.envs.mamujoco.layout import Layout
from hamlet.envs.mamujoco.physics import STATE
from hamlet.envs.scene import Circle, Scene, Segment, Shape

__all__ = ["colours_of", "figure", "size_of"]

# MuJoCo's functions are compiled and have no type declarations.
mujoco: Any = _mujoco
# How much higher a part is drawn for each unit of distance.
_DEPTH = 0.26
_ROOM = 1.5
_LONG = (int(mujoco.mjtGeom.mjGEOM_CAPSULE), int(mujoco.mjtGeom.mjGEOM_CYLINDER))


@lru_cache(maxsize=4)
def _prepared(layout: Layout) -> tuple[Any, list[int], list[int | str], tuple[float, float, float, float]]:
    """Return what the drawing of a task needs: simulation data, the parts, their colours, and the visible area."""
    model = layout.model
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    parts = [part for part in range(model.ngeom) if model.geom_bodyid[part] > 0]
    colours = colours_of(layout)
    half = _ROOM * max(_reach(layout, data), 0.3)
    if not _gravity(layout):
        return data, parts, colours, (-half, -half, half, half)
    return data, parts, colours, (-half, -0.25 * half, half, 1.4 * half)


def size_of(layout: Layout) -> float:
    """Return how far a body reaches from its torso in its first pose; m."""
    data = mujoco.MjData(layout.model)
    mujoco.mj_kinematics(layout.model, data)
    return _reach(layout, data)


def _reach(layout: Layout, data: Any) -> float:
    parts = np.flatnonzero(layout.model.geom_bodyid > 0)
    places = np.array([_seen(layout, data.geom_xpos[part], data.xpos[1]) for part in parts])
    return max(float(np.abs(places).max()), float(np.ptp(places, axis=0).max()) / 2)


def figure(layout: Layout, state: Float[np.ndarray, " S"]) -> Scene:
    """Draw the body in a state of the simulation."""
    data, parts, colours, view = _prepared(layout)
    model = layout.model
    mujoco.mj_setState(model, data, np.ascontiguousarray(state, np.float64), STATE)
    mujoco.mj_kinematics(model, data)
    torso = data.xpos[1].copy()
    shapes = [_shape(layout, data, part, torso, colours[model.geom_bodyid[part]]) for part in parts]
    seconds = float(model.opt.timestep * layout.frame_skip)
    return Scene(tuple(shapes), view, seconds, centre=float(torso[0]), caption=f"{data.time:.1f} s")


def _shape(layout: Layout, data: Any, part: int, torso: np.ndarray, colour: int | str) -> Shape:
    model = layout.model
    radius, half = (float(size) for size in model.geom_size[part][:2])
    middle = data.geom_xpos[part]
    if int(model.geom_type[part]) not in _LONG:
        x, y = _seen(layout, middle, torso)
        return Circle(x + float(torso[0]), y, radius, colour)
    along = data.geom_xmat[part].reshape(3, 3)[:, 2] * half
    (x, y), (x2, y2) = (_seen(layout, end, torso) for end in (middle - along, middle + along))
    return Segment(x + float(torso[0]), y, x2 + float(torso[0]), y2, 2 * radius, colour)


def _seen(layout: Layout, place: np.ndarray, torso: np.ndarray) -> tuple[float, float]:
    """Return where a point in space is drawn, relative to the torso's position along x."""
    x, y, z = place - np.array([torso[0], torso[1], 0.0])
    if not _gravity(layout):
        return float(x), float(y)
    return float(x), float(z + _DEPTH * y)


def _gravity(layout: Layout) -> bool:
    """Return whether the body stands on the ground; swimmers are in a fluid, and their ground is not drawn."""
    return float(layout.model.opt.viscosity) == 0.0


def colours_of(layout: Layout) -> list[int | str]:
    """Return, for every body, the number of the agent that moves its nearest joint towards the torso; else "ink"."""
    model = layout.model
    mover: dict[int, int] = {}
    names = [name for group in layout.names for name in group]
    rows = [row for group in layout.actuator for row in group]
    order = {name: number for number, name in enumerate(sorted(names))}
    for name, actuators in zip(names, rows, strict=True):
        for actuator in actuators:
            joint = int(model.actuator_trnid[actuator][0])
            mover[int(model.jnt_bodyid[joint])] = order[name]
    pose: list[int | str] = ["ink"]
    for body in range(1, model.nbody):
        pose.append(mover[body] if body in mover else pose[model.body_parentid[body]])
    return pose
