"""The layout of every agent's observation in the simulation, as arrays of indices, found from gymnasium-robotics.

gymnasium-robotics builds an observation joint by joint, in Python, from quantities of the simulation; it clips some of
them. Each number of the observation is one quantity, clipped or unclipped. Hamlet therefore finds the quantities and
their bounds with three calls of the original code: with quantities that are all different, with huge ones, and with
huge negative ones. A fourth call with random quantities confirms that the original does nothing else with them.
"""

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from hamlet.envs.mamujoco.scenarios import SCENARIOS, partition_of
from hamlet.errors import RequestError
from hamlet.extras import bring, install_line

__all__ = ["QUANTITIES", "Layout", "layout_of", "original"]

# The quantities of a simulation that can be read, flattened: positions, velocities, the torso's position, the bodies'
# positions, inertias and velocities, forces of the actuators, external forces on the bodies.
QUANTITIES: Mapping[str, Callable[[Any], np.ndarray]] = {
    "qpos": lambda data: data.qpos,
    "qvel": lambda data: data.qvel,
    "torso": lambda data: data.xpos[1],
    "xipos": lambda data: data.xipos.reshape(-1),
    "cinert": lambda data: data.cinert.reshape(-1),
    "cvel": lambda data: data.cvel.reshape(-1),
    "qfrc_actuator": lambda data: data.qfrc_actuator,
    "cfrc_ext": lambda data: data.cfrc_ext.reshape(-1),
}
_SEEN = ("qpos", "qvel", "cinert", "cvel", "qfrc_actuator", "cfrc_ext")
_PLACES = {"slide": "qpos", "torso": "torso", "mass": "xipos"}
_HUGE = 1e9
# The imported modules of gymnasium-robotics.
_MODULES = ("many_segment_ant", "many_segment_swimmer", "mujoco_multi", "obsk")


@dataclass(frozen=True, eq=False)
class Layout:
    """A task's simulation, and the index of every value in its quantities.

    Attributes:
        model: The MuJoCo model, with everything that is constant.
        frame_skip: The number of simulation steps in one environment step.
        quantities: The names of the quantities that are read after a step, in their order in a row.
        slices: The columns of each quantity in a row.
        column: The columns of a row that an observation or the state uses, ``[F]``.
        low: The lower bound to which each of these columns is clipped, ``[F]``.
        high: The upper bound to which each of these columns is clipped, ``[F]``.
        observation: For every group, the indices of its agents' observations among these columns, ``[N, O]``.
        state: The indices of the critic's state among these columns, ``[S]``.
        actuator: For every group, the actuators that an agent's action moves, ``[N, D]``.
        names: For every group, the names of its agents.
        bounds: The bounds of every action.
    """

    model: Any
    frame_skip: int
    quantities: tuple[str, ...]
    slices: Mapping[str, slice]
    column: Int[np.ndarray, " F"]
    low: Float[np.ndarray, " F"]
    high: Float[np.ndarray, " F"]
    observation: tuple[Int[np.ndarray, "_ _"], ...]
    state: Int[np.ndarray, " S"]
    actuator: tuple[Int[np.ndarray, "_ _"], ...]
    names: tuple[tuple[str, ...], ...]
    bounds: tuple[float, float]

    @property
    def width(self) -> int:
        """The number of values in a row: everything that is read of a simulation."""
        return max(part.stop for part in self.slices.values())


@lru_cache(maxsize=16)
def layout_of(scenario: str, partition: str, obsk: int) -> Layout:
    """Return the layout of a task.

    Raises:
        RequestError: gymnasium-robotics is not installed, or its observations are not a selection of quantities.
    """
    source = original(scenario, partition, obsk)
    data = source.single_agent_env.unwrapped.data
    agents = range(len(source.possible_agents))
    views = [_traced(partial(_seen, source, agent), data) for agent in (*agents, None)]
    entries = np.unique(np.concatenate(views), axis=0)
    where = [np.array([np.flatnonzero((entries == entry).all(1))[0] for entry in view], int) for view in views]
    read, slices, row_columns = _row(data, entries[:, 0].astype(int), _also(scenario))
    actuators = [np.array([node.act_ids for node in part], int) for part in source.agent_action_partitions]
    kinds: dict[tuple[int, int], list[int]] = {}
    for agent in agents:
        kinds.setdefault((len(where[agent]), len(actuators[agent])), []).append(agent)
    space = source.single_agent_env.action_space
    return Layout(
        model=source.single_agent_env.unwrapped.model,
        frame_skip=source.single_agent_env.unwrapped.frame_skip,
        quantities=read,
        slices=slices,
        column=row_columns,
        low=entries[:, 1],
        high=entries[:, 2],
        observation=tuple(np.stack([where[agent] for agent in members]) for members in kinds.values()),
        state=where[-1],
        actuator=tuple(np.stack([actuators[agent] for agent in members]) for members in kinds.values()),
        names=tuple(tuple(source.possible_agents[agent] for agent in members) for members in kinds.values()),
        bounds=(float(space.low[0]), float(space.high[0])),
    )


def original(scenario: str, partition: str, obsk: int, **options: Any) -> Any:
    """Return the environment of gymnasium-robotics that defines a task.

    Args:
        scenario: One of `SCENARIOS`.
        partition: How the joints are divided among agents.
        obsk: Up to how many joints away an agent observes.
        options: Options for Gymnasium's environment.

    Raises:
        RequestError: gymnasium-robotics is not installed.
    """
    package = _package(scenario, partition)
    with _silence(package.mujoco):
        if SCENARIOS[scenario].segments:
            agents, segments = (int(number) for number in partition.split("x"))
            # The package would write the model into its own directory, where processes overwrite each other's files.
            with tempfile.TemporaryDirectory() as folder:
                path = str(Path(folder) / "segments.xml")
                package.generate[scenario](n_segs=agents * segments, asset_path=path)
                body = package.make(SCENARIOS[scenario].gymnasium, xml_file=path, **options)
            return package.environment(scenario, partition, obsk, gym_env=body)
        labels = partition_of(scenario, partition)
        if labels is None:
            return package.environment(scenario, partition, obsk, **options)
        parts, edges, global_nodes = package.graph(scenario, None)
        nodes = {node.label: node for part in parts for node in part}
        dealt = {"partition": [tuple(nodes[label] for label in agent) for agent in labels]}
        dealt |= {"edges": edges, "globals": global_nodes}
        return package.environment(scenario, partition, obsk, agent_factorization=dealt, **options)


def _package(scenario: str, partition: str) -> Any:
    """Import the needed parts of gymnasium-robotics and MuJoCo, without the package's notice about hands."""
    task, package = f"mamujoco/{scenario}-{partition}", "gymnasium_robotics.envs.multiagent_mujoco"
    with contextlib.redirect_stderr(io.StringIO()):
        import gymnasium

        mujoco = bring("mujoco", task)
        parts = {name: bring(f"{package}.{name}", task) for name in _MODULES}
    return SimpleNamespace(
        make=gymnasium.make,
        mujoco=mujoco,
        environment=parts["mujoco_multi"].MultiAgentMujocoEnv,
        graph=parts["obsk"].get_parts_and_edges,
        generate={
            "ManySegmentAnt": parts["many_segment_ant"].gen_asset,
            "ManySegmentSwimmer": parts["many_segment_swimmer"].gen_asset,
        },
    )


@contextlib.contextmanager
def _silence(mujoco: Any) -> Iterator[None]:
    """Suppress MuJoCo's warning about an old keyword in Gymnasium's files, and the log file with it."""
    handler = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda text: None)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(handler)


def _also(scenario: str) -> tuple[str, ...]:
    """Return the quantities that the rules need, which are read in addition to the observed ones."""
    forces = ("cfrc_ext",) if hasattr(SCENARIOS[scenario].rules, "contact_cost_weight") else ()
    forces = ("cfrc_ext",) if hasattr(SCENARIOS[scenario].rules, "impact_cost_weight") else forces
    return ("qpos", "qvel", _PLACES[SCENARIOS[scenario].place], *forces)


def _seen(source: Any, agent: int | None, fake: Any) -> np.ndarray:
    """Return an agent's observation of these quantities; without an agent, the state."""
    body = source.single_agent_env.unwrapped
    true, body.data = body.data, fake
    try:
        return source.state() if agent is None else source._get_obs_agent(agent)
    finally:
        body.data = true


def _traced(observe: Callable[[Any], np.ndarray], data: Any) -> Float[np.ndarray, "O 3"]:
    """Return, for every number of an observation, which quantity of `_SEEN` it is, and its bounds.

    Raises:
        RequestError: A number is not one of the quantities.
    """
    size = sum(QUANTITIES[name](data).size for name in _SEEN)
    # All values are below one and exact in binary, so no clipping changes them.
    grain = 2.0 ** -(size.bit_length() + 1)
    column = np.asarray(observe(_fake(data, grain * np.arange(1, size + 1)))) / grain - 1
    low, high = (np.asarray(observe(_fake(data, np.full(size, value)))) for value in (-_HUGE, _HUGE))
    low, high = np.where(low == -_HUGE, -np.inf, low), np.where(high == _HUGE, np.inf, high)
    values = np.random.default_rng(0).normal(scale=20.0, size=size)
    known = (column == np.round(column)).all() and (column >= 0).all() and (column < size).all()
    if not known or not np.array_equal(
        np.clip(values[column.astype(int)], low, high), np.asarray(observe(_fake(data, values)))
    ):
        raise RequestError(
            "this version of gymnasium-robotics builds observations in a way that Hamlet does not know; for a version "
            f"that it knows: {install_line('mamujoco', 'gymnasium-robotics')}"
        )
    return np.stack([column, low, high], axis=-1)


def _fake(data: Any, values: np.ndarray) -> Any:
    """Return a substitute for a simulation's data, with these numbers for `_SEEN`."""
    fields, start = {}, 0
    for name in _SEEN:
        shape = getattr(data, name).shape
        fields[name] = values[start : start + int(np.prod(shape))].reshape(shape).copy()
        start += fields[name].size
    return SimpleNamespace(**fields)


def _row(
    data: Any, column: np.ndarray, also: Sequence[str]
) -> tuple[tuple[str, ...], dict[str, slice], Int[np.ndarray, " F"]]:
    """Return the quantities of a row, their columns, and for each column of `_SEEN` its column of the row."""
    starts, start = {}, 0
    for name in _SEEN:
        starts[name] = (start, start + QUANTITIES[name](data).size)
        start = starts[name][1]
    observed_names = [name for name in _SEEN if ((starts[name][0] <= column) & (column < starts[name][1])).any()]
    read = tuple(name for name in QUANTITIES if name in observed_names or name in also)
    slices, row_columns, start = {}, column.copy(), 0
    for name in read:
        size = QUANTITIES[name](data).size
        slices[name] = slice(start, start + size)
        if name in starts:
            inside = (starts[name][0] <= column) & (column < starts[name][1])
            row_columns[inside] = column[inside] - starts[name][0] + start
        start += size
    return read, slices, row_columns
