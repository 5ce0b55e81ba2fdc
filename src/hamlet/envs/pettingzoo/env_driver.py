"""The driver of one PettingZoo environment copy: it writes dictionaries into arrays, and reads actions from arrays.

Workers import this file, so it uses only the standard library, numpy and the environment's own imports.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hamlet.envs.conversion import Broken, SpaceKind, action, inner, mask_row, masked, observed
from hamlet.envs.pettingzoo.shared_block import BlockLayout, Seats

# The view that a step reaches, and the first view of a new episode.
_TIMES = ("arrival", "fresh")
_NOTHING = np.zeros(0, bool)
# The largest number of names of infos that a message lists.
_LISTED = 8
# The key under which some environments end the episode of all agents.
_ALL = "__all__"


def seed_of(run: int, number: int, episode: int) -> int:
    """Return the reset seed of an episode: a function of the run's seed, the copy's number and the episode's number.

    >>> seed_of(0, 3, 7) == seed_of(0, 3, 7) != seed_of(0, 7, 3)
    True
    """
    return int(np.random.SeedSequence((run % 2**63, number, episode)).generate_state(1)[0] >> 1)


def parallel(env: Any) -> Any:
    """Return the environment with PettingZoo's parallel interface; PettingZoo's converters convert an AECEnv.

    Raises:
        Broken: It is not a PettingZoo environment.
    """
    if hasattr(env, "agent_iter") or hasattr(env, "last"):
        from pettingzoo.utils.conversions import aec_to_parallel, turn_based_aec_to_parallel

        return (aec_to_parallel if env.metadata.get("is_parallelizable", False) else turn_based_aec_to_parallel)(env)
    kind = type(env)
    place, needed = f"{kind.__module__}.{kind.__qualname__}", ("observation_space", "action_space", "reset", "step")
    if all(hasattr(env, name) for name in needed) and not hasattr(env, "possible_agents"):
        raise Broken(
            f"{place} has a single agent, like a Gymnasium environment; make it a ParallelEnv with one agent, with "
            "the wrapper in docs/host-environments.md"
        )
    for name in ("possible_agents", *needed):
        if not hasattr(env, name):
            no_groups = ", and no groups, so it does not have Hamlet's interface"
            no_hamlets = "" if hasattr(env, "possible_agents") else no_groups
            raise Broken(
                f"{place} has no {name}, so it is not a PettingZoo environment{no_hamlets}; "
                "the factory must return a ParallelEnv, an AECEnv, or an environment with Hamlet's interface"
            )
    return env


def is_hamlets(product: Any) -> bool:
    """Return whether an object is an environment with Hamlet's interface, in JAX or of Python objects."""
    declares = all(hasattr(product, name) for name in ("groups", "state_shape"))
    return declares and not hasattr(product, "possible_agents")


def opening(env: Any, seed: int) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Reset an environment; return its observations and infos.

    Raises:
        Broken: Its interface is not the current PettingZoo interface.
    """
    try:
        answer = env.reset(seed=seed)
    except TypeError as error:
        if "unexpected keyword argument 'seed'" not in str(error):
            raise
        raise Broken(
            "reset() takes no seed: write reset(self, seed=None, options=None), and seed the random numbers with it"
        ) from None
    if isinstance(answer, tuple) and len(answer) == 2 and all(isinstance(part, dict) for part in answer):
        return answer
    raise Broken(
        f"reset() must return a tuple of two dictionaries, observations and infos, but it returns {_outline(answer)}: "
        "write return observations, {agent: {} for agent in self.agents}"
    )


def _outline(answer: Any) -> str:
    """Return a short description of a value."""
    if isinstance(answer, tuple):
        return f"a tuple of {len(answer)}"
    return f"a {type(answer).__name__}"


def takes_turns(env: Any) -> bool:
    """Return whether PettingZoo's converter lets the agents act in turns."""
    return type(env).__name__ == "turn_based_aec_to_parallel_wrapper"


def _number(name: str, agent: Any, value: Any) -> float:
    """Return a measure as a number; a boolean becomes 0 or 1."""
    number = np.asarray(value)
    if number.shape or number.dtype.kind not in "biuf" or np.isinf(number):
        raise Broken(f"the measure {name!r} of agent {agent!r} must be a finite number, got {value!r}"[:200])
    return float(number)


class EnvDriver:
    """The driver of one environment copy.

    Args:
        env: The environment, with the parallel interface.
        plan: The layout of the data that it exchanges.
        rows: This copy's rows of every array of the block.
        notes: Receives notes on data that deviated from PettingZoo's interface but could be interpreted, each once.
    """

    def __init__(
        self, env: Any, plan: BlockLayout, rows: Mapping[str, np.ndarray], notes: dict[str, None] | None = None
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
        # The array pieces of every agent are looked up once: a step of an environment may cost little more than that.
        self._actions = [rows[f"action/{g}"][slot, ...] for g, slot, _ in places]
        self._seen = {time: [rows[f"{time}/observation/{g}"][slot, ...] for g, slot, _ in places] for time in _TIMES}
        self._masks = {
            time: [rows[f"{time}/available/{g}"][slot] if seats.choices else _NOTHING for g, slot, seats in places]
            for time in _TIMES
        }
        self._kinds: list[SpaceKind] = [kind for seats in plan.groups for kind in seats.seen]
        self._acts: list[SpaceKind] = [kind for seats in plan.groups for kind in seats.done]
        # The shape and type of an agent's last checked observation: comparing them replaces the full check.
        self._usual: list[Any] = [None] * len(plan.names)

    def begin(self, seed: int) -> None:
        """Start an episode, and write its first view into the "fresh" arrays."""
        self.steps = 0
        observations, infos = opening(self.env, seed)
        present = list(self.env.agents)
        for name in present:
            if name not in self._numbers:
                raise Broken(f"agent {name!r} is in agents but not in possible_agents; add it to possible_agents")
        if not present:
            raise Broken("agents is empty right after reset(); at least one agent must be in it")
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
        """Let the active agents act, and write the view that they reach; return whether the episode ended."""
        rows = self._rows
        actions = {self._names[k]: action(self._acts[k], self._actions[k]) for k in self._live}
        self.steps += 1
        answer = self.env.step(actions)
        if not (isinstance(answer, tuple) and len(answer) == 5 and all(isinstance(part, dict) for part in answer)):
            raise Broken(
                "step() must return five dictionaries, observations, rewards, terminations, truncations and infos, but "
                f"it returns {_outline(answer)}: return terminations and truncations separately"
            )
        observations, rewards, terminations, truncations, infos = answer
        reward, alive, cut = rows["reward"], rows["arrival/alive"], rows["cut"]
        reward[:], alive[:], cut[:] = 0.0, False, False
        departed, terminated = [], True
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
                departed.append(k)
            else:
                alive[k] = True
            if is_cut and not ends and name not in observations:
                raise Broken(
                    f"agent {name!r} is truncated without a last observation, but its value bootstraps from it; return "
                    "that observation"
                )
            if name in observations or not ends:
                self._show("arrival", k, observations, infos)
            if k in departed:
                self._free(k)
        joined = self._joined(departed)
        for k in joined:
            alive[k] = True
            self._show("arrival", k, observations, infos)
        ended = len(departed) == len(self._live) and not joined
        if ended:
            # Truncated agents would act next, so learners bootstrap from their final observations.
            alive[:] = cut
        elif self._plan.turns:
            self._give_turn("arrival")
        rows["terminated"][...] = ended and terminated
        rows["truncated"][...] = ended and not terminated
        if self._plan.state is not None:
            self._state("arrival", final=ended and terminated)
        if self._plan.measures:
            self._measure(infos, ended=ended)
        if departed or joined:
            self._live = sorted({*self._live, *joined} - set(departed))
        return ended

    def _ends(
        self, terminations: Mapping[str, Any], truncations: Mapping[str, Any]
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Return terminations and truncations; include agents whose end only `agents` or ``__all__`` shows."""
        for_all = [bool(flags.get(_ALL, False)) for flags in (terminations, truncations)]
        if len(self.env.agents) >= len(self._live) and not any(for_all):  # the case in nearly every step
            return terminations, truncations
        present = set(self.env.agents)

        def flagged(name):
            return bool(terminations.get(name, False)) or bool(truncations.get(name, False))

        live = [self._names[k] for k in self._live]
        gone = [name for name in live if not flagged(name) and (any(for_all) or name not in present)]
        if not gone:
            return terminations, truncations
        cut = for_all[1] and not for_all[0]
        source = f"only by {_ALL!r}" if any(for_all) else "only by agents"
        self._notes[
            f"the end of agent {gone[0]!r} is reported {source}: it has no flag in terminations or truncations; "
            f"Hamlet treats the agent as {'truncated' if cut else 'terminated'}"
        ] = None
        ends = dict.fromkeys(gone, True)
        return ({**terminations}, {**truncations, **ends}) if cut else ({**terminations, **ends}, {**truncations})

    def _show(self, time: str, k: int, observations: Mapping[str, Any], infos: Mapping[str, Any]) -> None:
        """Write one agent's observation and action mask into its row."""
        seats, name = self._seats[k], self._names[k]
        try:
            value = observations[name]
        except KeyError:
            raise Broken(
                f"agent {name!r} is in agents but has no observation: give a turn-based game as an AECEnv, or give a "
                "waiting agent an observation and a mask with one action; remove agents not in the episode from agents"
            ) from None
        value, mask = masked(self._kinds[k], name, value)
        if seats.choices:
            if mask is None:
                mask = (infos.get(name) or {}).get("action_mask")
            if mask is None and not self._plan.turns:
                raise Broken(f"agent {name!r} has no action_mask, but had one after the first reset; always return it")
            self._masks[time][k][:] = True if mask is None else mask_row(self._acts[k], name, mask)
        elif (info := infos.get(name)) and "action_mask" in info:
            raise Broken(
                f"agent {name!r} has an action_mask in its infos, but had none after the first reset; return one then"
            )
        if type(value) is not np.ndarray or self._usual[k] != (value.shape, value.dtype):
            kind, given = self._kinds[k], value
            value = observed(kind, name, given)
            if kind.name == "Box" and not kind.layout and type(given) is np.ndarray:
                self._usual[k] = (given.shape, given.dtype)
        self._seen[time][k][...] = value

    def _blank(self, time: str, absent: set[int]) -> None:
        """Write zeros as observations of inactive agents, and allow all their actions."""
        for k in absent:
            self._seen[time][k][...] = 0
            self._masks[time][k][:] = True

    def _free(self, k: int) -> None:
        """Allow all actions of an agent that just became inactive, if its mask is empty: it does not act again."""
        row = self._masks["arrival"][k]
        if not row.any():
            row[:] = True

    def _give_turn(self, time: str) -> None:
        """Allow each waiting agent only one action, so that it learns nothing from an action without effect."""
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
            if wanted.inner_dtype == "uint8" and value.dtype != np.uint8:
                raise Broken(f"state() has type {value.dtype}, but had uint8 at the first reset; keep the type")
            if value.shape != wanted.shape:
                raise Broken(
                    f"state() has shape {value.shape}, but had {wanted.shape} at the first reset; "
                    'state="observations" gives the critic the joined observations instead'
                )
        except Exception:
            if final:  # learners do not bootstrap from this state, and some environments then have no agents left
                return
            raise
        self._rows[f"{time}/state"][...] = inner(wanted, value)

    def _measure(self, infos: Mapping[str, Any], *, ended: bool) -> None:
        """Store the last value of each measure in the episode: the mean over the agents that give it in a step."""
        row = self._rows["measures"]
        if self.steps == 1:  # not at the reset: the values of the previous episode are read until then
            row[:] = np.nan
        for m, name in enumerate(self._plan.measures):
            given = [
                _number(name, agent, info[name])
                for agent, info in infos.items()
                if isinstance(info, Mapping) and name in info
            ]
            numbers = [number for number in given if number == number]  # NaN means that there is no value
            if numbers:
                row[m] = sum(numbers) / len(numbers)
            elif ended and np.isnan(row[m]):
                others = sorted({str(key) for info in infos.values() if isinstance(info, Mapping) for key in info})
                self._notes[
                    f"no agent's infos had the measure {name!r} in an episode, so the mean omits this episode; in the "
                    f"last step the infos had {', '.join(map(repr, others[:_LISTED])) or 'no entries'}"
                ] = None

    def _reward(self, name: str, rewards: Mapping[str, Any]) -> float:
        try:
            return float(rewards[name])
        except KeyError:
            raise Broken(f"agent {name!r} acted but has no reward; return one for each agent that acted") from None
        except (TypeError, ValueError):
            raise Broken(f"the reward of agent {name!r} must be a number, got {rewards[name]!r}"[:200]) from None

    def _joined(self, left: list[int]) -> list[int]:
        """Return the agents that join or rejoin the episode in this step."""
        joined = []
        for name in self.env.agents:
            k = self._numbers.get(name)
            if k is None:
                raise Broken(f"agent {name!r} is in agents but not in possible_agents; add it to possible_agents")
            if k in left:
                raise Broken(
                    f"agent {name!r} was terminated or truncated but is still in agents: remove it; it may return in a "
                    "later step"
                )
            if k not in self._live:
                joined.append(k)
        return sorted(joined)
