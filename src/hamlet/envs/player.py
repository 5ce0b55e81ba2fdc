"""One copy of a PettingZoo environment: its dictionaries go into the arrays of a block, and actions out of them.

Workers import this file: it needs the standard library, numpy and what the environment itself has imported.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hamlet.envs.block import Plan, Seats

# What a step arrives at, and a new episode's first view.
_TIMES = ("arrival", "fresh")
_NOTHING = np.zeros(0, bool)
# By which name some environments end the episode of all agents.
_ALL = "__all__"


class Broken(Exception):
    """An environment that does not keep its word; the line names agent and key."""


def seed_of(run: int, number: int, episode: int) -> int:
    """The number that a copy's episode is reset with: of the run's seed, the copy's number and the episode's alone.

    >>> seed_of(0, 3, 7) == seed_of(0, 3, 7) != seed_of(0, 7, 3)
    True
    """
    return int(np.random.SeedSequence((run % 2**63, number, episode)).generate_state(1)[0] >> 1)


def parallel(env: Any) -> Any:
    """The environment with PettingZoo's parallel interface, by its own converters where it acts agent by agent.

    Raises:
        Broken: It is no PettingZoo environment.
    """
    if hasattr(env, "agent_iter") or hasattr(env, "last"):
        from pettingzoo.utils.conversions import aec_to_parallel, turn_based_aec_to_parallel

        return (aec_to_parallel if env.metadata.get("is_parallelizable", False) else turn_based_aec_to_parallel)(env)
    for name in ("possible_agents", "observation_space", "action_space", "reset", "step"):
        if not hasattr(env, name):
            kind = type(env)
            raise Broken(
                f"{kind.__module__}.{kind.__qualname__} has no {name}, so it is no PettingZoo environment; "
                "the factory gives a ParallelEnv or an AECEnv"
            )
    return env


def takes_turns(env: Any) -> bool:
    """Whether PettingZoo's converter let one agent act at a time."""
    return type(env).__name__ == "turn_based_aec_to_parallel_wrapper"


class Player:
    """One copy under way.

    Args:
        env: With the parallel interface.
        plan: What it exchanges.
        rows: This copy's rows of every array of the block.
        notes: Takes lines about what was understood although it was not said as PettingZoo has it, each once.
    """

    def __init__(
        self, env: Any, plan: Plan, rows: Mapping[str, np.ndarray], notes: dict[str, None] | None = None
    ) -> None:
        self.env = env
        self.steps = 0
        self._notes = {} if notes is None else notes
        self._plan = plan
        self._rows = rows
        self._live: list[int] = []
        places = [(g, slot, seats) for g, seats in enumerate(plan.groups) for slot in range(len(seats.names))]
        self._seats: list[Seats] = [seats for _, _, seats in places]
        self._names = plan.names
        self._numbers = {name: k for k, name in enumerate(plan.names)}
        # Every agent's own piece of the block, found once: a step of an environment may cost little more than this.
        self._actions = [rows[f"action/{g}"][slot, ...] for g, slot, _ in places]
        self._seen = {time: [rows[f"{time}/observation/{g}"][slot, ...] for g, slot, _ in places] for time in _TIMES}
        self._masks = {
            time: [rows[f"{time}/available/{g}"][slot] if seats.choices else _NOTHING for g, slot, seats in places]
            for time in _TIMES
        }
        self._decode = [_decoder(env.action_space(name)) for name in plan.names]
        self._choices = [_observed_choices(env.observation_space(name)) for name in plan.names]
        # What an observation usually is: one comparison of each stands for the whole examination.
        self._usual: list[Any] = [None] * len(plan.names)

    def begin(self, seed: int) -> None:
        """Begin an episode, and show its first view as the fresh one."""
        self.steps = 0
        answer = self.env.reset(seed=seed)
        if not (isinstance(answer, tuple) and len(answer) == 2 and all(isinstance(part, dict) for part in answer)):
            raise Broken("reset() does not give a tuple of two dictionaries, observations and infos")
        observations, infos = answer
        present = list(self.env.agents)
        for name in present:
            if name not in self._numbers:
                raise Broken(f"agent {name!r} is in agents, not in possible_agents")
        if not present:
            raise Broken("no agent is left right after reset()")
        self._live = sorted(self._numbers[name] for name in present)
        alive = self._rows["fresh/alive"]
        alive[:] = False
        alive[self._live] = True
        if len(self._live) < len(self._names):
            self._blank("fresh", set(range(len(self._names))) - set(self._live))
        for k in self._live:
            self._show("fresh", k, observations, infos)
        if self._plan.turns:
            self._give_turn("fresh")
        if self._plan.state is not None:
            self._state("fresh")

    def step(self) -> bool:
        """Let the agents that are there act, and show what they arrive at; whether the episode ended."""
        rows = self._rows
        actions = {self._names[k]: self._decode[k](self._actions[k]) for k in self._live}
        self.steps += 1
        answer = self.env.step(actions)
        if not (isinstance(answer, tuple) and len(answer) == 5):
            raise Broken(
                "step() does not give five dictionaries: observations, rewards, terminations, truncations, infos"
            )
        observations, rewards, terminations, truncations, infos = answer
        reward, alive, cut = rows["reward"], rows["arrival/alive"], rows["cut"]
        reward[:], alive[:], cut[:] = 0.0, False, False
        left, terminated = [], True
        if len(self._live) < len(self._names):
            self._blank("arrival", set(range(len(self._names))) - set(self._live))
        terminations, truncations = self._ends(terminations, truncations)
        for k in self._live:
            name = self._names[k]
            reward[k] = self._reward(name, rewards)
            ends, is_cut = bool(terminations.get(name, False)), bool(truncations.get(name, False))
            if ends or is_cut:
                cut[k] = not ends
                terminated &= ends
                left.append(k)
            else:
                alive[k] = True
            if is_cut and not ends and name not in observations:
                raise Broken(f"agent {name!r} is truncated without a last observation, from which it would bootstrap")
            if name in observations or not ends:
                self._show("arrival", k, observations, infos)
            if k in left:
                self._free(k)
        ended = len(left) == len(self._live)
        if ended:
            # Cut by a limit of time, they would act from here: learners bootstrap from what they see.
            alive[:] = cut
        elif self._plan.turns:
            self._give_turn("arrival")
        rows["terminated"][...] = ended and terminated
        rows["truncated"][...] = ended and not terminated
        if self._plan.state is not None:
            self._state("arrival", final=ended and terminated)
        self._live = [k for k in self._live if k not in left] if left else self._live
        if not ended and len(self.env.agents) > len(self._live):
            self._refuse_joiners()
        return ended

    def _ends(
        self, terminations: Mapping[str, Any], truncations: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Who is terminated and who truncated, also where `agents` or ``__all__`` alone says that somebody is gone."""
        for_all = [bool(flags.get(_ALL, False)) for flags in (terminations, truncations)]
        if len(self.env.agents) >= len(self._live) and not any(for_all):  # as in nearly every step
            return terminations, truncations
        present = set(self.env.agents)
        flagged = lambda name: bool(terminations.get(name, False)) or bool(truncations.get(name, False))  # noqa: E731
        live = [self._names[k] for k in self._live]
        gone = [name for name in live if not flagged(name) and (any(for_all) or name not in present)]
        if not gone:
            return terminations, truncations
        cut = for_all[1] and not for_all[0]
        said = f"by {_ALL!r} alone" if any(for_all) else "by agents alone"
        self._notes[
            f"the end of agent {gone[0]!r} is said {said}, neither terminated nor truncated by its own name: "
            f"it is taken as {'truncated' if cut else 'terminated'}"
        ] = None
        ends = dict.fromkeys(gone, True)
        return ({**terminations}, {**truncations, **ends}) if cut else ({**terminations, **ends}, {**truncations})

    def _show(self, time: str, k: int, observations: Mapping[str, Any], infos: Mapping[str, Any]) -> None:
        """Put one agent's observation, and what it may choose, into its row."""
        seats, name = self._seats[k], self._names[k]
        try:
            value = observations[name]
        except KeyError:
            raise Broken(f"agent {name!r} is there, and has no observation") from None
        mask = None
        if isinstance(value, dict):
            value, mask = _parts(name, value)
        if seats.choices:
            if mask is None:
                mask = (infos.get(name) or {}).get("action_mask")
            needed = mask is not None or not self._plan.turns
            self._masks[time][k][:] = _mask(name, mask, seats.choices) if needed else True
        elif (info := infos.get(name)) and "action_mask" in info:
            raise Broken(f"agent {name!r} has an action_mask in its infos, which it had not after the first reset")
        if (choices := self._choices[k]) is not None:
            value = _chosen(name, value, *choices)
        elif type(value) is not np.ndarray or self._usual[k] != (value.shape, value.dtype):
            value = observation(name, value, seats.observation.shape, seats.observation.dtype)
            self._usual[k] = (value.shape, value.dtype)
        self._seen[time][k][...] = value

    def _blank(self, time: str, absent: set[int]) -> None:
        """Absent agents see zeros and might choose anything."""
        for k in absent:
            self._seen[time][k][...] = 0
            self._masks[time][k][:] = True

    def _free(self, k: int) -> None:
        """Who leaves may have been left no choice; it chooses no more, so that any may stand there."""
        row = self._masks["arrival"][k]
        if not row.any():
            row[:] = True

    def _give_turn(self, time: str) -> None:
        """Who waits for its turn has one choice, so that what it is said to do teaches it nothing."""
        active = self.env.aec_env.agent_selection
        for k in self._live:
            seats = self._seats[k]
            if self._names[k] != active and seats.choices:
                row = self._masks[time][k]
                row[:] = False
                row[np.cumsum((0, *seats.choices[:-1]))] = True

    def _state(self, time: str, final: bool = False) -> None:
        wanted = self._plan.state
        assert wanted is not None
        try:
            value = np.asarray(self.env.state())
            if wanted.dtype == "uint8" and value.dtype != np.uint8:
                raise Broken(f"state() has type {value.dtype}, and had uint8 before")
            if value.shape != wanted.shape:
                raise Broken(
                    f"state() has shape {value.shape}, and had {wanted.shape} before; "
                    'state="observations" lets the critic see the joined observations instead'
                )
        except Exception:
            if final:  # nothing is bootstrapped from there, and some environments have no agents left to ask
                return
            raise
        self._rows[f"{time}/state"][...] = value

    def _reward(self, name: str, rewards: Mapping[str, Any]) -> float:
        try:
            return float(rewards[name])
        except KeyError:
            raise Broken(f"agent {name!r} acted, and has no reward") from None
        except (TypeError, ValueError):
            raise Broken(f"the reward of agent {name!r} is no number but {rewards[name]!r}"[:200]) from None

    def _refuse_joiners(self) -> None:
        joined = set(self.env.agents) - {self._names[k] for k in self._live}
        unknown = [name for name in joined if name not in self._numbers]
        if unknown:
            raise Broken(f"agent {unknown[0]!r} is in agents, not in possible_agents")
        new = [name for name in sorted(joined) if not self._rows["arrival/alive"][self._numbers[name]]]
        raise Broken(
            f"agent {new[0]!r} is in agents, and was absent or has ended: agents return with the next episode only"
        )


def _parts(name: str, value: dict[str, Any]) -> tuple[Any, Any]:
    try:
        return value["observation"], value["action_mask"]
    except KeyError as error:
        raise Broken(f"the observation of agent {name!r} has no key {error}") from None


def _mask(name: str, mask: Any, choices: tuple[int, ...]) -> np.ndarray:
    """A mask as one row of booleans; of several choices, joined."""
    if mask is None:
        raise Broken(f"agent {name!r} has no action_mask, and had one after the first reset")
    row = np.concatenate([np.ravel(part) for part in mask]) if isinstance(mask, tuple | list) else np.ravel(mask)
    if row.shape != (sum(choices),):
        raise Broken(
            f"the action_mask of agent {name!r} has {row.size} entries, and its actions {sum(choices)} choices"
        )
    return row.astype(bool)


def observation(name: str, value: Any, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """An observation as an array that fits into its row.

    Raises:
        Broken: It does not.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        raise Broken(f"the observation of agent {name!r} is no array but a {type(value).__name__}") from None
    if array.shape != shape:
        raise Broken(f"the observation of agent {name!r} has shape {array.shape}, and its space {shape}")
    if array.dtype.kind not in "biuf":
        raise Broken(f"the observation of agent {name!r} has type {array.dtype}, which is no number")
    if dtype != "float32" and array.dtype.kind == "f":
        raise Broken(f"the observation of agent {name!r} has type {array.dtype}, and its space {dtype}")
    if (
        dtype == "uint8"
        and array.dtype not in (np.uint8, np.bool_)
        and array.size
        and not 0 <= array.min() <= array.max() < 256
    ):
        raise Broken(f"the observation of agent {name!r} has entries beyond 0 … 255, and its space is uint8")
    return array


def _observed_choices(space: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Where the choices that an agent sees begin, and how many there are; None where it sees numbers."""
    if type(space).__name__ == "Dict":
        space = space.spaces["observation"]
    match type(space).__name__:
        case "Discrete":
            return np.asarray(space.start), np.asarray(space.n)
        case "MultiDiscrete":
            return np.asarray(getattr(space, "start", 0)), np.asarray(space.nvec)
        case "MultiBinary":
            return np.asarray(0), np.full(space.shape, 2)
        case _:
            return None


def _chosen(name: str, value: Any, starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Choices that are seen, counted from 0."""
    array = np.asarray(observation(name, value, sizes.shape, "int32") - starts)
    if (array < 0).any() or (array >= sizes).any():
        raise Broken(f"the observation of agent {name!r} is {value}, which is none of the choices of its space")
    return array


def _decoder(space: Any) -> Callable[[Any], Any]:
    """From an agent's row of actions to what its environment expects."""
    match type(space).__name__:
        case "Discrete":
            start = int(space.start)
            return lambda row: int(row) + start
        case "MultiDiscrete":
            starts = np.asarray(space.start if hasattr(space, "start") else 0)
            return lambda row: (row + starts).astype(space.dtype)
        case "MultiBinary":
            return lambda row: row.astype(space.dtype).reshape(space.shape)
        case _:
            return lambda row: row.astype(space.dtype)
