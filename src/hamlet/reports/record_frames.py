"""Animations of the agents: recorded episodes of the best run on every environment, as numbers that the page draws.

Most environments describe each time step as a scene of shapes (`hamlet.envs.scene`), and the page draws the shapes.
Values that do not change during an episode are written once. Such an animation needs no renderer and looks the same on
every machine, with or without a graphics card. For an environment that has no scenes but renders itself, the page shows
rendered pictures (`hamlet.reports.record_pictures`).
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hamlet.backends.iteration import roster_of
from hamlet.backends.select import backend_of
from hamlet.checkpoints import checkpoint
from hamlet.envs.camera import Camera
from hamlet.envs.host import AnyEnvironment
from hamlet.envs.scene import Scene, whole_view
from hamlet.errors import RequestError, RunError
from hamlet.files.atomic_write import one_line
from hamlet.reports.data import damage
from hamlet.reports.data.grouping import ReportTask, tasks
from hamlet.reports.data.run_data import RunData
from hamlet.reports.data.scores import source
from hamlet.reports.record_pictures import pictures
from hamlet.rollouts.episodes import Mode
from hamlet.rollouts.record_episode import Frame
from hamlet.training.run import SavedRun
from hamlet.video.views import camera_of

Motion = Mapping[str, Any]
EPISODES = 2
# The largest number of time steps of a recorded episode; this is 15 seconds of MuJoCo's half cheetah.
LONGEST = 300
# Decimals of the numbers in an animation.
_DECIMALS = 3
# Seed of the first recorded episode.
_SEED = 7


def film(readings: Sequence[RunData], *, trust: bool = False) -> list[Motion]:
    """Record episodes of the best run on every environment. If recording fails, the result has a note with the reason.

    Args:
        readings: Data of the runs.
        trust: Whether Hamlet may execute custom code that a run names, if another user or machine started the run.
    """
    return [motion for task in tasks(readings) if (motion := record(best(task), trust=trust)) is not None]


def best(task: ReportTask) -> RunData | None:
    """Return the run with the highest final score, among runs with a checkpoint.

    If no run has a score, return the longest run. If no run has a checkpoint, return None.
    """
    runs = [run for group in task.groups for run in group.runs if _steps(run)]
    chosen = source(runs) if runs else None
    return max(runs, key=lambda run: (_score(run, chosen), run.done), default=None)


def _steps(run: RunData) -> list[int]:
    """Return the steps of all checkpoints and best policies of a run."""
    return checkpoint.steps(run.path / "best") + checkpoint.steps(run.path / "checkpoints")


def _score(run: RunData, chosen: Any) -> float:
    score = chosen.of(run)
    return -np.inf if score is None else score


def record(reading: RunData | None, *, episodes: int = EPISODES, trust: bool = False) -> Motion | None:
    """Record episodes of a run's policy. If that fails, return a note with the reason; without a run, return None."""
    if reading is None:
        return None
    # The mode of the evaluations during training; deterministic if the configuration states none.
    mode: Mode = damage.mode(reading.config)
    motion = {
        "run": str(reading.path),
        "label": f"{reading.algorithm}, seed {reading.seed}",
        "mode": f"{mode} policy",
    }
    try:
        step, films = _played(SavedRun(reading.path, trust), episodes, mode)
    except (RunError, RequestError) as error:
        return motion | {"step": 0, "note": f"the agents cannot be shown: {error}"}
    except Exception as error:  # a user's environment can raise any error, or has changed since
        return motion | {"step": 0, "note": f"the agents cannot be shown: {type(error).__name__}: {one_line(error)}"}
    return motion | {"step": step, "episodes": films}


def _played(run: SavedRun, episodes: int, mode: Mode) -> tuple[int, list[dict[str, Any]]]:
    algorithm, env = run.declaration
    roster = roster_of(algorithm, env)
    actors, step = run.actors(best=bool(checkpoint.steps(run.directory.best)))

    def moments(played: AnyEnvironment, number: int) -> Iterator[Frame]:
        place = backend_of(played)
        return place.moments(roster, actors, algorithm.body, _SEED + number, mode, horizon=LONGEST)

    draw: Callable[..., Scene] | None = getattr(env, "scene", None)
    if draw is not None:
        return step, [picture(moments(env, number), draw, sorted(roster.names)) for number in range(episodes)]
    camera: Camera = camera_of(env)
    try:
        return step, [pictures(moments(camera.env, number), camera, roster.names) for number in range(episodes)]
    finally:
        camera.close()


def picture(moments: Iterable[Frame], draw: Callable[..., Scene], names: Sequence[str]) -> dict[str, Any]:
    """Return an episode as JSON values: its shapes, with the values that change at each time step."""
    scenes: list[Scene] = []
    rewards: list[float] = []
    for moment in itertools.islice(moments, LONGEST + 1):
        scenes.append(scenes[-1] if moment.state is None else draw(moment.state, moment.actions))
        rewards.append(float(moment.reward.sum()))
    if len({len(scene.shapes) for scene in scenes}) != 1:
        raise RequestError("its scenes have different numbers of shapes; return the same shapes at every step")
    shapes = [_shape([scene.shapes[number] for scene in scenes]) for number in range(len(scenes[0].shapes))]
    colours = {shape.get("colour") for shape in shapes}
    following = scenes[0].centre is not None
    return {
        "frames": len(scenes),
        "interval": scenes[0].seconds,
        "view": [_plain(edge) for edge in (scenes[0].view if following else whole_view(scenes))],
        "centre": [_plain(scene.centre) for scene in scenes] if following else None,
        "shapes": shapes,
        "captions": [scene.caption for scene in scenes] if any(scene.caption for scene in scenes) else None,
        "totals": [_plain(total) for total in np.cumsum(rewards)],
        "key": [[name, number] for number, name in enumerate(names) if number in colours],
    }


def _shape(moments: Sequence[Any]) -> dict[str, Any]:
    """Return a shape over an episode: its constant fields, and under "over" the fields that change, at each step."""
    kind = type(moments[0])
    same: dict[str, Any] = {"kind": kind.__name__.lower()}
    over: dict[str, list[Any]] = {}
    for field in dataclasses.fields(kind):
        values = [_plain(getattr(moment, field.name)) for moment in moments]
        if any(value != values[0] for value in values):
            over[field.name] = values
        elif values[0] != field.default:
            same[field.name] = values[0]
    return same | ({"over": over} if over else {})


def _plain(value: Any) -> Any:
    """Return a value for JSON: floats are rounded; integers, such as colour indices, stay integers."""
    if isinstance(value, bool | np.bool_ | str):
        return bool(value) if not isinstance(value, str) else value
    if isinstance(value, int | np.integer):
        return int(value)
    return round(float(value), _DECIMALS) + 0.0
