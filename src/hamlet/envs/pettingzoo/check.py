"""Check a PettingZoo environment before any training, and report the first problem or its properties.

The check plays some episodes with random actions in this process, where a debugger can inspect the environment. In the
first episode, two environment copies receive the same seed and the same actions. Their results must be equal.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hamlet.envs.factories import user_modules
from hamlet.envs.factories.place import find
from hamlet.envs.host import HostEnvironment
from hamlet.envs.pettingzoo import shared_block
from hamlet.envs.pettingzoo.batch_validation import Lookout, fault
from hamlet.envs.pettingzoo.env_driver import Broken, EnvDriver, parallel, seed_of
from hamlet.envs.pettingzoo.environment import PettingZoo, from_pettingzoo
from hamlet.spaces import Box, MultiDiscrete


class Unfit(Exception):
    """The first problem of an environment."""


@dataclass(frozen=True)
class Findings:
    """The facts that a check found about a correct environment.

    Attributes:
        environment: The environment as training would use it.
        lengths: The number of steps of every episode.
        unfinished: The number of episodes that were stopped before they ended.
        speed: Steps per second of one environment copy.
        notes: Useful facts that are not errors.
    """

    environment: PettingZoo
    lengths: tuple[int, ...]
    unfinished: int
    speed: float
    notes: tuple[str, ...]


def examine(
    factory: Callable[..., Any] | str, options: Mapping[str, Any], *, episodes: int, max_episode_steps: int, seed: int
) -> Findings:
    """Play some episodes, each with at most ``max_episode_steps`` steps.

    Raises:
        Unfit: The environment has a problem; the message names the agent, the value and the step.
        RequestError: The environment cannot be made, or it has spaces that are not supported.
    """
    environment = from_pettingzoo(factory, **options)
    assert environment.description  # a worker describes the environment before this process imports its modules
    user_modules.append(environment.factory)
    make = find(environment.factory)
    seats, alone = _seats(environment, lambda: WatchedCopies(parallel(make(**options))))
    try:
        findings = _play(environment, seats, episodes, max_episode_steps, seed)
        return replace(findings, notes=(*findings.notes, alone)) if alone else findings
    finally:
        for seat in seats:
            with contextlib.suppress(Exception):
                seat.env.close()


def _seats(environment: PettingZoo, make: "Callable[[], WatchedCopies]") -> "tuple[list[_Seat], str]":
    """Make two environment copies; if a process can hold only one copy, return it and a note with the reason.

    Raises:
        Unfit: The first copy cannot be made.
    """
    seats: list[_Seat] = []
    for _ in range(2):
        try:
            env = make()
        except Exception as error:
            message = f"{type(error).__name__}: {' '.join(str(error).split())}"
            if not seats:
                raise Unfit(f"the environment cannot be made: it raises {message}") from error
            return seats, (
                f"a process can hold only one copy, because making a second copy raises {message}: set --env.processes "
                "equal to --num-envs; this check could not compare two copies with the same seed"
            )
        seats.append(_Seat(environment, env))
    return seats, ""


def _play(environment: PettingZoo, seats: "list[_Seat]", episodes: int, longest: int, seed: int) -> Findings:
    first = seats[0]
    rng = np.random.default_rng(seed)
    lengths, unfinished = [], 0
    start: dict[str, np.ndarray] = {}
    for episode in range(episodes):
        both = seats if episode == 0 else [first]
        for seat in both:
            seat.begin(seed_of(seed, 0, episode))
        if episode == 0:
            start = {name: array.copy() for name, array in first.rows.items() if name.startswith("fresh")}
        first.compare(both[-1].rows, "two copies that were reset with the same seed differ")
        moment, ended, steps = "fresh", False, 0
        while not ended and steps < longest:
            actions = first.choose(moment, rng)
            for seat in both:
                ended = seat.step(actions)
            first.compare(both[-1].rows, "two copies with the same seed and the same actions differ")
            moment, steps = "arrival", steps + 1
        lengths.append(steps)
        unfinished += not ended
    first.begin(seed_of(seed, 0, 0))
    first.compare(start, "a reset with the seed of an earlier episode starts differently from that episode")
    return Findings(
        environment,
        tuple(lengths),
        unfinished,
        sum(lengths) / first.seconds,
        tuple(dict.fromkeys([*first.env.notes, *first.notes])),
    )


class WatchedCopies:
    """An environment wrapper that checks the returned dictionaries more closely than training does."""

    def __init__(self, env: Any) -> None:
        self._env = env
        self.notes: list[str] = []
        self._gone: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        """Return an attribute that is not checked."""
        return getattr(self._env, name)

    def reset(self, seed: int) -> Any:
        """Reset the environment and check what it returns."""
        answer = self._env.reset(seed=seed)
        self._gone = set()
        if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[0], dict):
            self._check_agents()
            self._check_spaces()
            self._check_observations(answer[0])
        return answer

    def step(self, actions: dict[str, Any]) -> Any:
        """Step the environment and check what it returns."""
        answer = self._env.step(actions)
        if not (isinstance(answer, tuple) and len(answer) == 5):
            return answer
        observations, _, terminations, truncations, _ = answer
        for flags, name in ((terminations, "terminated"), (truncations, "truncated")):
            for agent, flag in flags.items():
                if not isinstance(flag, bool | np.bool_):
                    raise Broken(f"the {name} flag of agent {agent!r} must be True or False, got {flag!r}")
        self._gone = {agent for agent in actions if terminations.get(agent) or truncations.get(agent)}
        self._check_agents()
        self._check_observations({agent: obs for agent, obs in observations.items() if agent in actions})
        return answer

    def _check_agents(self) -> None:
        agents = list(self._env.agents)
        if len(set(agents)) < len(agents):
            raise Broken(f"agents contains a name twice: {agents}; list each agent once")
        for agent in agents:
            if agent in self._gone:
                raise Broken(
                    f"agent {agent!r} was terminated or truncated but is still in agents; remove it from agents"
                )

    def _check_spaces(self) -> None:
        for agent in self._env.possible_agents:
            for kind in ("observation_space", "action_space"):
                ask = getattr(self._env, kind)
                if ask(agent) is not ask(agent):
                    if ask(agent) != ask(agent):
                        raise Broken(f"{kind}({agent!r}) returns a different space at every call; it must not change")
                    self.notes.append(f"{kind}() makes a new space at every call; PettingZoo expects the same object")

    def _check_observations(self, observations: Mapping[str, Any]) -> None:
        for agent, obs in observations.items():
            space = self._env.observation_space(agent)
            if isinstance(obs, dict) and hasattr(space, "spaces"):
                obs, space = obs.get("observation"), space.spaces.get("observation")
            if not isinstance(obs, np.ndarray) or type(space).__name__ != "Box" or obs.shape != space.shape:
                continue
            if obs.dtype != space.dtype:
                self.notes.append(
                    f"the observation of agent {agent!r} has type {obs.dtype}, but its space has type {space.dtype}: "
                    "Hamlet converts it"
                )
            outside = (obs < space.low) | (obs > space.high)
            if outside.any():
                index = np.argwhere(outside)[0].tolist()
                place = tuple(index)
                self.notes.append(
                    f"the observation{index} of agent {agent!r} is {obs[place]:g}, outside its space, "
                    f"{space.low[place]:g} … {space.high[place]:g}: training uses it unchanged"
                )


class _Seat:
    """One environment copy in this process, and the seconds that its steps took."""

    def __init__(self, environment: PettingZoo, env: WatchedCopies) -> None:
        self.env = env
        self.seconds = 0.0
        self.notes: dict[str, None] = {}
        self._environment = environment
        self._groups, self._plan = environment.groups, environment.plan
        wanted = shared_block.arrays(self._plan, 1)
        memory = shared_block.allocate(shared_block.size(wanted))
        self._arrays = shared_block.attach(memory, wanted)
        os.close(memory)
        self.rows = {name: array[0, ...] for name, array in self._arrays.items()}
        with self._told("at the start"):
            self._player = EnvDriver(env, self._plan, self.rows, self.notes)

    def begin(self, seed: int) -> None:
        with self._told(f"after reset(seed={seed})"):
            self._player.begin(seed)
            self._judge("fresh", None)
        self._seed = seed

    def step(self, actions: Mapping[str, np.ndarray]) -> bool:
        with self._told(f"in step {self._player.steps + 1} after reset(seed={self._seed})"):
            for name, action in actions.items():
                self.rows[name][...] = action
            began = time.perf_counter()
            ended = self._player.step()
            self.seconds += time.perf_counter() - began
            self._judge("arrival", self._arrays["reward"])
        return ended

    def choose(self, time: str, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Sample random available actions."""
        masks = tuple(self._arrays.get(f"{time}/available/{g}") for g in range(len(self._groups)))
        actions = choices(self._environment, masks, rng, 1)
        return {f"action/{g}": action[0] for g, action in enumerate(actions)}

    def compare(self, others: Mapping[str, np.ndarray], said: str) -> None:
        """Check that another copy, or an earlier episode, gave the same data."""
        for name, other in others.items():
            row = self.rows[name]
            if not np.array_equal(row, other):
                when = f"in step {self._player.steps}" if self._player.steps else "after the reset"
                raise Unfit(f"{when}: {said}: {self._what(name, np.argwhere(np.asarray(row != other))[0].tolist())}")

    def _what(self, name: str, at: list[int]) -> str:
        kind, *rest = [part for part in name.split("/") if part not in ("arrival", "fresh")]
        if rest:
            return f"the {kind} of agent {self._groups[int(rest[0])].names[at[0]]!r}"
        return f"{kind} of agent {self._plan.names[at[0]]!r}" if kind in ("reward", "cut", "alive") else kind

    def _judge(self, time: Any, reward: np.ndarray | None) -> None:
        view = Lookout(self._groups, self._plan, self._arrays, time)()
        if problem := fault(self._groups, self._plan, view, reward, self.notes):
            raise Broken(problem[1])

    @contextlib.contextmanager
    def _told(self, when: str) -> Iterator[None]:
        try:
            yield
        except Broken as error:
            raise Unfit(f"{when}: {error}") from None
        except Exception as error:
            raise Unfit(f"{when}, the environment raises {type(error).__name__}: {error}") from error


def choices(
    environment: HostEnvironment, available: Sequence[np.ndarray | None], rng: np.random.Generator, copies: int
) -> tuple[np.ndarray, ...]:
    """Sample random available actions of every group, ``[E, N, …]``.

    Discrete actions are sampled from the available ones. Box actions are sampled uniformly within their bounds.
    """
    actions = []
    for group, mask in zip(environment.groups, available, strict=True):
        action, shape = group.action, (copies, len(group.names))
        if isinstance(action, Box):
            low, high = (np.clip(bound, -1e3, 1e3) for bound in action.bounds)
            actions.append(rng.uniform(low, high, (*shape, *action.shape)).astype(np.float32))
            continue
        sizes = action.sizes if isinstance(action, MultiDiscrete) else (action.width,)
        chance = rng.uniform(0.1, 1.0, (*shape, action.width)) * (1 if mask is None else mask)
        parts = np.split(chance, np.cumsum(sizes)[:-1], axis=-1)
        chosen = np.stack([part.argmax(-1) for part in parts], -1)
        actions.append(chosen.reshape(*shape, *action.shape).astype(np.int32))
    return tuple(actions)
