"""The declaration of a multi-agent MuJoCo task, and the tasks by name."""

import dataclasses
import inspect
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from hamlet import machine
from hamlet.envs.camera import Camera
from hamlet.envs.host import HostCopies, Snapshot
from hamlet.envs.mamujoco.rules import Rules
from hamlet.envs.mamujoco.scenarios import NAMES, SCENARIOS, refuse_unless_known
from hamlet.envs.scene import Scene
from hamlet.errors import require, unknown
from hamlet.roster import Group
from hamlet.spaces import Box

if TYPE_CHECKING:
    from hamlet.envs.mamujoco.layout import Layout

__all__ = ["MultiAgentMujoco", "Task", "task"]


@dataclasses.dataclass(frozen=True)
class MultiAgentMujoco:
    """A body whose joints are moved by several agents.

    Attributes:
        scenario: The body: a key of `SCENARIOS`.
        partition: How its joints are divided among agents.
        rules: The rules of rewards and termination.
        obsk: Up to how many joints away an agent observes positions; at least 0.
        max_steps: The number of steps after which an episode is truncated; at least 1.
        threads: The number of threads that step the copies; 0 for one per core. Results do not depend on it.
    """

    scenario: str
    partition: str
    rules: Rules
    obsk: int = 1
    max_steps: int = 1000
    threads: int = 0

    def __post_init__(self):
        refuse_unless_known(self.scenario, self.partition)
        require(self.obsk >= 0, f"obsk must be at least 0, got {self.obsk}")
        require(self.max_steps >= 1, f"max_steps must be at least 1, got {self.max_steps}")
        require(self.threads >= 0, f"threads must be at least 0, got {self.threads}")
        kind = type(SCENARIOS[self.scenario].rules)
        require(isinstance(self.rules, kind), f"rules of {self.scenario} must be a {kind.__name__}, got {self.rules}")
        for field in dataclasses.fields(self.rules):
            value = getattr(self.rules, field.name)
            numbers = value if isinstance(value, tuple) else (value,)
            require(not any(math.isnan(number) for number in numbers), f"{field.name} must be a number, got {value}")

    @property
    def name(self) -> str:
        """The name for `hamlet.envs.make`."""
        return f"mamujoco/{self.scenario}-{self.partition}"

    @property
    def workers(self) -> int:
        """The number of threads that step the copies: the configured number, or one per core of this process."""
        return self.threads or machine.cores()

    @property
    def groups(self) -> tuple[Group, ...]:
        """The agents, in groups of agents with observations of equal size and equally many joints."""
        layout = self._layout()
        return tuple(
            Group(
                names,
                Box(-math.inf, math.inf, (observation.shape[1],)),
                Box(*layout.bounds, (actuator.shape[1],)),
            )
            for names, observation, actuator in zip(layout.names, layout.observation, layout.actuator, strict=True)
        )

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The size of the observation of Gymnasium's single agent."""
        return (len(self._layout().state),)

    @property
    def restorable(self) -> bool:
        """Always True: a restored episode continues with bitwise identical results."""
        return True

    @property
    def remarks(self) -> tuple[str, ...]:
        """Notes on where the critic's state comes from, and how large a return is."""
        agents = sum(len(group.names) for group in self.groups)
        return (
            f"the critic receives the environment's own state(), {self.state_shape[0]} numbers",
            f"every agent gets the whole reward: the team's return is {agents} times the return in the papers",
        )

    def blank(self, count: int) -> Snapshot:
        """Return a snapshot of ``count`` copies filled with zeros."""
        layout = self._layout()
        from hamlet.envs.mamujoco.physics import state_size

        return {
            "episode": np.zeros(count, np.int32),
            "step": np.zeros(count, np.int32),
            "physics": np.zeros((count, state_size(layout))),
            "row": np.zeros((count, layout.width)),
        }

    def open(self, seed: int, numbers: range) -> HostCopies:
        """Open the environment copies with these numbers, ready to start."""
        layout = self._layout()
        from hamlet.envs.mamujoco.copies import MujocoCopies

        return MujocoCopies(self, layout, seed, numbers)

    def scene(self, state: Snapshot, actions: tuple[np.ndarray, ...] | None) -> Scene:
        """Draw the body, with every agent's limbs in its own colour."""
        del actions
        from hamlet.envs.mamujoco.figure import figure

        return figure(self._layout(), state["physics"][0])

    def camera(self) -> Camera:
        """Return a camera for MuJoCo's own pictures of the body.

        Raises:
            RequestError: MuJoCo cannot render on this machine.
        """
        from hamlet.envs.mamujoco.camera import MujocoCamera

        return MujocoCamera(self, self._layout())

    def _layout(self) -> "Layout":
        # MuJoCo is an optional package and slow to import, so it is imported only when a task is used.
        from hamlet.envs.mamujoco.layout import layout_of

        return layout_of(self.scenario, self.partition, self.obsk)


class Task:
    """The factory of a task: its options are the options of the rules, with the body's defaults, and the task's own."""

    def __init__(self, scenario: str, partition: str):
        refuse_unless_known(scenario, partition)
        self._scenario, self._partition = scenario, partition
        rules = SCENARIOS[scenario].rules
        options = [(field, getattr(rules, field.name)) for field in dataclasses.fields(rules)]
        shared = [field for field in dataclasses.fields(MultiAgentMujoco) if field.name in _SHARED]
        options = [(field, field.default) for field in shared] + options
        kind = inspect.Parameter.KEYWORD_ONLY
        # In the form that `inspect.signature` and the command line read.
        self.__signature__ = inspect.Signature(
            [inspect.Parameter(field.name, kind, default=default, annotation=field.type) for field, default in options]
        )
        self.__annotations__ = {field.name: field.type for field, _ in options}
        texts = {**_documented(type(rules)), **_documented(MultiAgentMujoco)}
        lines = [f"    {field.name}: {texts[field.name]}" for field, _ in options]
        self.__doc__ = "\n".join([f"{SCENARIOS[scenario].says} ({partition}).", "", "Args:", *lines])

    def __call__(self, **options: Any) -> MultiAgentMujoco:
        """Make the task with these options."""
        shared = {name: options.pop(name) for name in _SHARED if name in options}
        rules = dataclasses.replace(SCENARIOS[self._scenario].rules, **options)
        return MultiAgentMujoco(self._scenario, self._partition, rules, **shared)


_SHARED = ("obsk", "max_steps", "threads")


def task(name: str) -> Task:
    """Return the factory of a task by its whole name.

    Raises:
        RequestError: There is no such task; the message names the nearest task.

    >>> task("mamujoco/HalfCheetah-2x3")(ctrl_cost_weight=0.2).rules
    Runner(forward_reward_weight=1.0, ctrl_cost_weight=0.2, reset_noise_scale=0.1)
    """
    scenario, _, partition = name.removeprefix("mamujoco/").partition("-")
    if scenario not in SCENARIOS:
        raise unknown("environment", name, NAMES)
    return Task(scenario, partition)


def _documented(kind: type) -> dict[str, str]:
    """Return the descriptions in the Attributes of a class's docstring, by name."""
    lines = inspect.cleandoc(kind.__doc__ or "").splitlines()
    entries = [line.strip().partition(": ") for line in lines if line.startswith("    ")]
    return {name: text for name, colon, text in entries if colon}
