"""Any PettingZoo environment, parallel or turn-based (AEC), as a `hamlet.envs.host.HostEnvironment`.

It is declared by a function of a module that makes one environment copy (`hamlet.envs.named`). Every copy runs in a
worker process. Agents with equal observation and action spaces form a group, and nothing is padded. float64 becomes
float32; uint8 does not change.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from hamlet import machine
from hamlet.envs.base import declared_horizon
from hamlet.envs.conversion import Pictures, SpaceKind, inner
from hamlet.envs.factories import user_modules
from hamlet.envs.factories.known import CODE, Factories
from hamlet.envs.factories.options import plain
from hamlet.envs.factories.place import place_of
from hamlet.envs.host import Snapshot
from hamlet.envs.joint import joined_space
from hamlet.envs.named import FoundOut, Options, discovered
from hamlet.envs.pettingzoo import shared_block
from hamlet.envs.pettingzoo.copies import CopiesSetup, PettingZooCopies, factory_keywords, probe
from hamlet.envs.pettingzoo.description import Agent, Description
from hamlet.envs.pettingzoo.rendering import PettingZooCamera
from hamlet.envs.pettingzoo.shared_block import Array, BlockLayout, Seats
from hamlet.errors import RequestError, require
from hamlet.roster import Group
from hamlet.spaces import Box, Composite, Discrete, MultiDiscrete, Space

__all__ = ["PettingZoo", "from_pettingzoo"]

# The largest value of a byte.
_BYTE = 255.0


@dataclass(frozen=True)
class _InWorker:
    """Finds out what a factory makes, with a worker that makes one copy."""

    timeout: float = field(compare=False)

    def __call__(self, factory: str, options: Options) -> Description | None:
        return probe(factory, options, self.timeout)


def described(factory: str, options: Options, timeout: float) -> Description | None:
    """Return the description of the PettingZoo environment that a factory makes; None if it has Hamlet's interface.

    Raises:
        RequestError: The environment cannot be made, or the product is not an environment.
    """
    return discovered(_InWorker(timeout), factory, options)


@dataclass(frozen=True, kw_only=True)
class PettingZoo:
    """A PettingZoo environment, as `from_pettingzoo` declares it.

    Attributes:
        factory: The function that makes one environment copy, ``package.module:function``.
        options: Keyword arguments for the factory, as pairs of name and value.
        copies: The number of environment copies for training; None for the algorithm's number.
        processes: The number of worker processes for all training copies; None for one per core. If more copies are
            opened, as in an evaluation, each process still gets at most the same number of copies.
        timeout: Seconds after which a worker that has not answered counts as hanging.
        on_failure: Whether a copy that raises an error, hangs or dies starts its next episode, or stops the run.
        state: What the critic receives: the result of ``state()``, the joined observations, or ("auto") the first of
            these that works.
        pictures: How arrays that may be pictures are interpreted (see `from_pettingzoo`).
        measures: The entries of infos that are recorded (see `from_pettingzoo`).
        description: The environment's description; if it is not given, a worker finds it out when it is first needed.
    """

    factory: str = field(metadata={CODE: Factories})
    options: Options = ()
    copies: int | None = None
    processes: int | None = None
    timeout: float = 60.0
    on_failure: Literal["restart", "stop"] = "restart"
    state: Literal["auto", "own", "observations"] = "auto"
    pictures: Pictures = "channels_last"
    measures: tuple[str, ...] = ()
    description: Description = field(default=FoundOut(lambda env: env._found()), compare=False, repr=False)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        """Refuse invalid values; if the description is known, also refuse a state that the critic cannot receive."""
        require(self.copies is None or self.copies >= 1, f"copies must be at least 1, got {self.copies}")
        require(self.processes is None or self.processes >= 1, f"processes must be at least 1, got {self.processes}")
        require(self.timeout > 0, f"timeout must be more than 0 seconds, got {self.timeout}")
        require(
            self.on_failure in ("restart", "stop"), f"on_failure must be 'restart' or 'stop', got {self.on_failure!r}"
        )
        require(
            self.state in ("auto", "own", "observations"),
            f"state must be 'auto', 'own' or 'observations', got {self.state!r}",
        )
        require(
            self.pictures in get_args(Pictures), f"pictures must be one of {get_args(Pictures)}, got {self.pictures!r}"
        )
        words = [isinstance(name, str) and name.strip() == name != "" and "," not in name for name in self.measures]
        require(
            all(words) and len(set(self.measures)) == len(words),
            f"measures must be different names of entries of infos, as in --env.measures success collisions, "
            f"got {', '.join(map(repr, self.measures))}",
        )
        if FoundOut.known(self, "description"):
            self._check_description()

    def _found(self) -> Description:
        """Get the description from a worker, and check it."""
        description = described(self.factory, self.options, self.timeout)
        require(
            description is not None,
            f"{self.factory} makes an environment with Hamlet's interface: train on it directly, without "
            "from_pettingzoo",
        )
        assert description is not None
        replace(self, description=description)  # this checks it and refuses what training does not support
        return description

    def _check_description(self) -> None:
        if self.state == "own" and self.description.state is None:
            why = self.description.complaint or "the environment has none"
            raise RequestError(f"the critic cannot use state() of {self.factory}: {why}; use state='observations'")
        for name, array in shared_block.arrays(self.plan, 1).items():
            numbers = np.dtype(array.dtype).kind in "biuf" and min(array.shape) >= 0
            require(
                numbers, f"{name} of {self.factory} must be an array of numbers, not {array.dtype} of {array.shape}"
            )

    @cached_property
    def agents(self) -> tuple[Agent, ...]:
        """Every agent with its spaces, in the environment's order, with arrays interpreted as ``pictures`` says."""
        return tuple(
            replace(agent, observation=agent.observation.read(self.pictures)) for agent in self.description.agents
        )

    @property
    def groups(self) -> tuple[Group, ...]:
        """The agents, in groups of agents with equal observation and action spaces, in the environment's order."""
        return self._groups

    @cached_property
    def _groups(self) -> tuple[Group, ...]:
        return tuple(
            Group(tuple(agent.name for agent in agents), _space(agents[0].observation), _space(agents[0].action))
            for agents in self._grouped
        )

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The shape of the state that the critic receives."""
        return self._state_shape

    @cached_property
    def _state_shape(self) -> tuple[int, ...]:
        kind = self._own_state
        return joined_space(self.groups).shape if kind is None else kind.inner_shape

    @property
    def joins_observations(self) -> bool:
        """Whether the critic's state is the joined observations of all agents."""
        return self._own_state is None

    @cached_property
    def state_space(self) -> Composite | None:
        """The space of the critic's state if it is a row that contains pictures; None if its shape is sufficient."""
        space = None if self._own_state is not None else joined_space(self.groups)
        return space if isinstance(space, Composite) else None

    @property
    def restorable(self) -> bool:
        """Always False: PettingZoo has no way to restore the state of an environment within an episode."""
        return False

    @property
    def remarks(self) -> tuple[str, ...]:
        """Notes on where the critic's state comes from, and whether agents act in turns."""
        return self._remarks

    @cached_property
    def _remarks(self) -> tuple[str, ...]:
        shape = " x ".join(map(str, self.state_shape))
        if self._own_state is not None:
            lines = [f"the critic receives the environment's own state(), {shape}"]
        else:
            why = (
                "as configured" if self.state == "observations" else self.description.complaint or "there is no state()"
            )
            lines = [f"the critic receives the joined observations of all agents, {shape}: {why}"]
        if self.description.turns:
            lines.append("agents act in turns: a waiting agent has only one action, from which it learns nothing")
        return (*lines, *self._readings())

    def _readings(self) -> list[str]:
        """Return notes on arrays whose layout is ambiguous; one note for agents with equal observation spaces."""
        readers: dict[str, list[str]] = {}
        for agent in self.description.agents:
            for path, doubt in agent.observation.doubts(self.pictures):
                place = "".join(f"[{key!r}]" for key in path)
                readers.setdefault(f"{place}, {doubt}", []).append(agent.name)
        lines = [
            f"the observation of {names[0] if len(names) == 1 else f'{names[0]} … {names[-1]}'}{text}"
            for text, names in readers.items()
        ]
        kind = self._described_state
        return lines if kind is None else lines + [f"state(), {doubt}" for _, doubt in kind.doubts(self.pictures)]

    @property
    def plan(self) -> BlockLayout:
        """The layout of the data that copies exchange with the process that chooses the actions."""
        return BlockLayout(
            tuple(_seats(agents) for agents in self._grouped), self._own_state, self.description.turns, self.measures
        )

    @cached_property
    def horizon(self) -> int | None:
        """The number of steps of the longest episode, from an option with a usual name or the factory's default."""
        if asked := declared_horizon(dict(self.options)):
            return asked
        try:
            defaults = {keyword.name: keyword.default for keyword in factory_keywords(self.factory, self.timeout).known}
        except RequestError:
            defaults = {}
        return declared_horizon(defaults | dict(self.options))

    @property
    def turns_in_a_round(self) -> int:
        """How many steps an environment may count as one: the number of agents if they act in turns, else 1."""
        return len(self.description.agents) if self.description.turns else 1

    def blank(self, count: int) -> Snapshot:
        """Return a snapshot of ``count`` copies filled with zeros."""
        return {"episode": np.zeros(count, np.int32)}

    def open(self, seed: int, numbers: range) -> PettingZooCopies:
        """Open the environment copies with these numbers, ready to start.

        Raises:
            RequestError: The environment cannot be made, or it has changed since it was declared.
        """
        return PettingZooCopies(self._setup(len(numbers)), seed, numbers)

    def camera(self) -> PettingZooCamera:
        """Return a camera: it renders a copy made with ``render_mode="rgb_array"`` if the factory takes that option.

        Raises:
            RequestError: The factory's keywords cannot be read.
        """
        return PettingZooCamera(self._setup(1), self.state_shape)

    def _setup(self, count: int) -> CopiesSetup:
        """Return how ``count`` copies are made."""
        return CopiesSetup(
            self.factory,
            self.options,
            self.description,
            self.groups,
            self.plan,
            self._workers(count),
            self.timeout,
            self.on_failure == "restart",
        )

    def _workers(self, count: int) -> int:
        """Return the number of worker processes for ``count`` copies."""
        if self.processes is None:
            # Two halves of the copies are open at once: more workers than cores would slow each other.
            return max(1, round(machine.cores() * min(1.0, count / (self.copies or count))))
        # An evaluation may open more copies than training: each process then holds at most as many as in training.
        return -(-count // -(-(self.copies or count) // self.processes))

    @cached_property
    def _grouped(self) -> tuple[tuple[Agent, ...], ...]:
        groups: dict[Any, list[Agent]] = {}
        for agent in self.agents:
            observation, action = _space(agent.observation), _space(agent.action)
            groups.setdefault((observation, agent.observation.inner_dtype, action, agent.masked), []).append(agent)
        return tuple(map(tuple, groups.values()))

    @property
    def _own_state(self) -> SpaceKind | None:
        kind = self._described_state
        return None if kind is None else kind.read(self.pictures)

    @property
    def _described_state(self) -> SpaceKind | None:
        state = self.description.state
        return None if state is None or self.state == "observations" else SpaceKind("Box", *state, high=_BYTE)


def from_pettingzoo(
    factory: Callable[..., Any] | str,
    *,
    copies: int | None = None,
    processes: int | None = None,
    timeout: float = 60.0,
    on_failure: Literal["restart", "stop"] = "restart",
    state: Literal["auto", "own", "observations"] = "auto",
    pictures: Pictures = "auto",
    measures: tuple[str, ...] = (),
    **options: Any,
) -> PettingZoo:
    """Declare a PettingZoo environment to train on.

    This starts no process yet. When the agents are first needed, for example at the start of `hamlet.train`, a separate
    process makes one copy to find out its agents and spaces.

    Args:
        factory: A function of a module, or its place ``"package.module:function"``; it makes a ParallelEnv or AECEnv.
        copies: The number of environment copies for training; None for the algorithm's number.
        processes: The number of worker processes for all copies; None for one per core. It does not change results.
        timeout: Seconds after which a worker that has not answered counts as hanging.
        on_failure: ``"restart"``: a copy that raises an error, hangs or dies starts its next episode, and the run
            reports it. ``"stop"``: such a failure stops the run.
        state: What the critic receives. ``"own"``: the result of ``state()``. ``"observations"``: the joined
            observations of all agents. ``"auto"``: the first of these that works.
        pictures: How arrays that may be pictures are interpreted. ``"channels_last"``: arrays with three axes are
            pictures, height × width × channels. ``"channels_first"``: they are pictures, channels × height × width.
            ``"none"``: all arrays are numbers. ``"auto"``: by their shape; arrays of bytes with two axes are grey
            pictures. The run prints the choice if the shape is ambiguous.
        measures: Names of numbers or booleans in the agents' infos that are recorded, such as ``("success",)``. The
            value of an episode is the last one given in it: the mean over the agents that give it at that step.
        options: Keyword arguments for the factory.

    Raises:
        RequestError: Another process cannot import the factory, or a run cannot store an option. When the environment
            is first used: the factory does not exist, or Hamlet does not support what it makes.
    """
    require(not isinstance(measures, str), f"measures must be a tuple of names, as in measures=({measures!r},)")
    place = place_of(factory)
    user_modules.called(place)
    pairs = tuple((name, plain(name, value)) for name, value in options.items())
    return PettingZoo(
        factory=place,
        options=pairs,
        copies=copies,
        processes=processes,
        timeout=timeout,
        on_failure=on_failure,
        state=state,
        pictures=pictures,
        measures=tuple(measures),
    )


def _space(kind: SpaceKind) -> Space:
    match kind.name:
        case "Discrete":
            return Discrete(*kind.sizes)
        case "MultiDiscrete":
            return MultiDiscrete(kind.sizes)
        case "Dict":
            parts = [_space(part) for _, part in kind.parts]
            each = [part.parts if isinstance(part, Composite) else (part,) for part in parts]
            return Composite(tuple(part for inner_parts in each for part in inner_parts))
        case _:
            low, high = (_laid(kind, bound) if isinstance(bound, tuple) else bound for bound in (kind.low, kind.high))
            return Box(low, high, kind.inner_shape)


def _laid(kind: SpaceKind, bound: tuple[float, ...]) -> tuple[float, ...]:
    """Return a bound of every entry, in the order in which networks receive the entries."""
    return tuple(inner(kind, np.reshape(bound, kind.shape)).ravel().tolist())


def _seats(agents: tuple[Agent, ...]) -> Seats:
    observation, action = agents[0].observation, agents[0].action
    return Seats(
        tuple(agent.name for agent in agents),
        Array(observation.inner_shape, observation.inner_dtype),
        Array(action.inner_shape, action.inner_dtype),
        action.sizes if agents[0].masked else (),
        tuple(agent.observation for agent in agents),
        tuple(agent.action for agent in agents),
    )
