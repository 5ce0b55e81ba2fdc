"""Any PettingZoo environment, parallel or agent by agent, as a `hamlet.envs.host.HostEnvironment`.

It is named by a function of a module that makes one copy (`hamlet.envs.named`); every copy lives in a worker process.
Agents of equal spaces form a group and nothing is padded; float64 becomes float32, and uint8 stays what it is.
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

# The largest byte.
_BYTE = 255.0


@dataclass(frozen=True)
class _InWorker:
    """Finds out what a factory makes by a worker that makes one copy."""

    timeout: float = field(compare=False)

    def __call__(self, factory: str, options: Options) -> Description | None:
        return probe(factory, options, self.timeout)


def described(factory: str, options: Options, timeout: float) -> Description | None:
    """What the PettingZoo environment is that a factory makes; None where it makes one of Hamlet's own.

    Raises:
        RequestError: It cannot be made, or is no environment.
    """
    return discovered(_InWorker(timeout), factory, options)


@dataclass(frozen=True, kw_only=True)
class PettingZoo:
    """A PettingZoo environment, as `from_pettingzoo` declares it.

    Attributes:
        factory: What makes one copy, ``package.module:function``.
        options: Keyword arguments for it, as pairs.
        copies: How many copies are trained on; None for as many as the algorithm says.
        processes: Worker processes of all copies; others that are opened get as many for each. None for one a core.
        timeout: Seconds after which a worker that has not answered is taken to hang.
        on_failure: Whether a copy that raises, hangs or dies begins its next episode, or stops the run.
        state: What the critic sees: what ``state()`` gives, the observations joined, or by itself the first that works.
        pictures: How arrays that may be pictures are read (`from_pettingzoo`).
        measures: What is recorded of infos (`from_pettingzoo`).
        description: What the environment was found to be; where it is not given, it is found out when first asked for.
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
        """Refuse numbers that are none; and of what is described already, a critic that would not be joint."""
        require(self.copies is None or self.copies >= 1, f"copies must be at least 1, not {self.copies}")
        require(self.processes is None or self.processes >= 1, f"processes must be at least 1, not {self.processes}")
        require(self.timeout > 0, f"timeout must be more than 0 seconds, not {self.timeout}")
        require(self.on_failure in ("restart", "stop"), f"on_failure is 'restart' or 'stop', not {self.on_failure!r}")
        require(
            self.state in ("auto", "own", "observations"),
            f"state is 'auto', 'own' or 'observations', not {self.state!r}",
        )
        require(self.pictures in get_args(Pictures), f"pictures is one of {get_args(Pictures)}, not {self.pictures!r}")
        words = [isinstance(name, str) and name.strip() == name != "" and "," not in name for name in self.measures]
        require(
            all(words) and len(set(self.measures)) == len(words),
            f"measures are different names of entries of infos, as in --env.measures success collisions, "
            f"not {', '.join(map(repr, self.measures))}",
        )
        if FoundOut.known(self, "description"):
            self._check_description()

    def _found(self) -> Description:
        """The description, asked of a worker, and checked."""
        description = described(self.factory, self.options, self.timeout)
        require(
            description is not None,
            f"{self.factory} makes an environment of Hamlet's own, which is trained on as it is and not by "
            "from_pettingzoo",
        )
        assert description is not None
        replace(self, description=description)  # which refuses what cannot be trained on
        return description

    def _check_description(self) -> None:
        if self.state == "own" and self.description.state is None:
            why = self.description.complaint or "there is none"
            raise RequestError(f"the critic cannot see state() of {self.factory}: {why}; use state='observations'")
        for name, array in shared_block.arrays(self.plan, 1).items():
            numbers = np.dtype(array.dtype).kind in "biuf" and min(array.shape) >= 0
            require(numbers, f"{name} of {self.factory} is {array.dtype} of shape {array.shape}, no array of numbers")

    @cached_property
    def agents(self) -> tuple[Agent, ...]:
        """What every agent sees and does, in the environment's order, with its arrays read as asked for."""
        return tuple(
            replace(agent, observation=agent.observation.read(self.pictures)) for agent in self.description.agents
        )

    @property
    def groups(self) -> tuple[Group, ...]:
        """The agents, in groups of equal spaces, in the environment's order."""
        return self._groups

    @cached_property
    def _groups(self) -> tuple[Group, ...]:
        return tuple(
            Group(tuple(agent.name for agent in agents), _space(agents[0].observation), _space(agents[0].action))
            for agents in self._grouped
        )

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Shape of the critic's state."""
        return self._state_shape

    @cached_property
    def _state_shape(self) -> tuple[int, ...]:
        kind = self._own_state
        return joined_space(self.groups).shape if kind is None else kind.inner_shape

    @property
    def joins_observations(self) -> bool:
        """Whether the critic's state is the observations of all agents joined."""
        return self._own_state is None

    @cached_property
    def state_space(self) -> Composite | None:
        """What the critic's state is where it is a row with pictures in it; None where its shape says all."""
        space = None if self._own_state is not None else joined_space(self.groups)
        return space if isinstance(space, Composite) else None

    @property
    def restorable(self) -> bool:
        """It is not: PettingZoo has no way to put an environment back into an old episode."""
        return False

    @property
    def remarks(self) -> tuple[str, ...]:
        """Where the critic's state comes from, and whether agents act in turns."""
        return self._remarks

    @cached_property
    def _remarks(self) -> tuple[str, ...]:
        shape = " x ".join(map(str, self.state_shape))
        if self._own_state is not None:
            lines = [f"the critic sees the environment's own state(), {shape}"]
        else:
            why = "as asked" if self.state == "observations" else self.description.complaint or "there is no state()"
            lines = [f"the critic sees the observations of all agents joined, {shape}: {why}"]
        if self.description.turns:
            lines.append("agents act in turns: one that waits has a single choice, from which it learns nothing")
        return (*lines, *self._readings())

    def _readings(self) -> list[str]:
        """How arrays were read that may be pictures of another layout, or none; once for agents that see alike."""
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
        """What copies exchange with the one who acts."""
        return BlockLayout(
            tuple(_seats(agents) for agents in self._grouped), self._own_state, self.description.turns, self.measures
        )

    @cached_property
    def horizon(self) -> int | None:
        """Steps of the longest episode, where an option of a usual name says so, or the factory's default for it."""
        if asked := declared_horizon(dict(self.options)):
            return asked
        try:
            defaults = {keyword.name: keyword.default for keyword in factory_keywords(self.factory, self.timeout).known}
        except RequestError:
            defaults = {}
        return declared_horizon(defaults | dict(self.options))

    @property
    def turns_in_a_round(self) -> int:
        """How many steps an environment may count as one: where agents act in turns, one of each of them."""
        return len(self.description.agents) if self.description.turns else 1

    def blank(self, count: int) -> Snapshot:
        """A snapshot of ``count`` copies with zeros in it."""
        return {"episode": np.zeros(count, np.int32)}

    def open(self, seed: int, numbers: range) -> PettingZooCopies:
        """The copies of these numbers, ready to begin.

        Raises:
            RequestError: The environment cannot be made, or is another by now.
        """
        return PettingZooCopies(self._setup(len(numbers)), seed, numbers)

    def camera(self) -> PettingZooCamera:
        """What renders it: a copy made with ``render_mode="rgb_array"`` where the factory takes that.

        Raises:
            RequestError: The factory cannot be asked.
        """
        return PettingZooCamera(self._setup(1), self.state_shape)

    def _setup(self, count: int) -> CopiesSetup:
        """How so many copies are made."""
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
        """In how many processes so many copies live."""
        if self.processes is None:
            # Halves that take turns are open at once: more workers than cores would keep each other from stepping.
            return max(1, round(machine.cores() * min(1.0, count / (self.copies or count))))
        # An evaluation may open more copies than are trained on: no process holds more of them than there.
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
    """A PettingZoo environment to train on.

    Nothing is started yet. When it is first asked for its agents, as `hamlet.train` does before it begins, one copy is
    made in a process of its own to find out what they are.

    Args:
        factory: A function of a module, or its place ``"package.module:function"``; it makes a ParallelEnv or AECEnv.
        copies: How many copies are trained on; None for as many as the algorithm says.
        processes: Worker processes of all copies together; None for one a core. It changes no result.
        timeout: Seconds after which a worker that has not answered is taken to hang.
        on_failure: ``"restart"``: a copy that raises, hangs or dies begins its next episode, and the run says so;
            ``"stop"``: it stops the run.
        state: What the critic sees: ``"own"``, what ``state()`` gives; ``"observations"``, those of all agents joined;
            ``"auto"``, the first that works.
        pictures: How arrays that may be pictures are read. ``"channels_last"``: those of three axes are pictures,
            height × width × channels; ``"channels_first"``: channels × height × width; ``"none"``: all are numbers;
            ``"auto"``: by their shape, and those of two axes of bytes as grey pictures. The run says how where it may
            be doubted.
        measures: Names of numbers or truth values in agents' infos, such as ``("success",)``, to be recorded: of an
            episode as last given in it, the mean over the agents that give it at that step.
        options: Keyword arguments for the factory.

    Raises:
        RequestError: The factory cannot be named to another process, or an option cannot be kept by a run. When the
            environment is first asked for: there is no such factory, or what it makes is not supported.
    """
    require(not isinstance(measures, str), f"measures is a tuple of names, as in measures=({measures!r},)")
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
    """A bound of every entry, in the order in which networks take the entries."""
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
