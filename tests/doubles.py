"""PettingZoo environments that are hard on whoever steps them. Worker processes import this file."""

import ctypes
import os
import subprocess
import time

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete
from pettingzoo import AECEnv, ParallelEnv


class Walk(ParallelEnv):
    """Agents walk along a line by their own random numbers; the episode is cut after some steps.

    An observation tells everything: the sum of what the agent did, the step, and a random number.
    """

    metadata = {"name": "walk"}  # noqa: RUF012

    def __init__(self, agents=2, steps=5):
        self.possible_agents = [f"walker_{k}" for k in range(agents)]
        self.agents = []
        self.limit = steps

    def observation_space(self, agent):
        return Box(-np.inf, np.inf, (3,), np.float32)

    def action_space(self, agent):
        return Discrete(3)

    def reset(self, seed=None, options=None):
        self.random = np.random.default_rng(seed)
        self.agents = list(self.possible_agents)
        self.time = 0
        self.place = dict.fromkeys(self.agents, 0.0)
        return self.seen(), {agent: {} for agent in self.agents}

    def step(self, actions):
        assert set(actions) == set(self.agents), f"{set(actions)} act, {self.agents} are there"
        self.time += 1
        for agent, action in actions.items():
            assert self.action_space(agent).contains(action), f"{action!r} is no action of {agent}"
            self.place[agent] += float(np.sum(action))
        rewards = {agent: self.place[agent] + 0.5 * k for k, agent in enumerate(self.agents)}
        ends, cuts = self.ends(), self.cuts()
        seen, infos = self.seen(), {agent: {} for agent in self.agents}
        self.agents = [agent for agent in self.agents if not (ends[agent] or cuts[agent])]
        return seen, rewards, ends, cuts, infos

    def ends(self):
        return dict.fromkeys(self.agents, False)

    def cuts(self):
        return dict.fromkeys(self.agents, self.time >= self.limit)

    def seen(self):
        draw = self.random.random()
        return {agent: np.array([self.place[agent], self.time, draw], np.float32) for agent in self.agents}


class Own(Walk):
    """With a state of its own."""

    def state(self):
        return np.array([*self.place.values(), self.time, len(self.agents)])


class Scored(Walk):
    """Gives in its infos how far each walker is, how the last step went, and at step 2 alone whether it is on its way.

    Args:
        path: What stands under ``path``.
    """

    def __init__(self, path="long"):
        super().__init__(steps=4)
        self.path = path

    def step(self, actions):
        seen, rewards, ends, cuts, infos = super().step(actions)
        for k, agent in enumerate(infos):
            infos[agent] = {"far": self.time + 2 * k, "path": np.zeros(2) if self.path == "array" else self.path}
        infos["walker_1"]["success"] = self.time > 3
        if self.time == 2:
            infos["walker_0"]["way"] = np.float32(0.5)
        return seen, rewards, ends, cuts, infos


class Mortal(Walk):
    """Three agents: the second dies at step 2, the first is cut alone at step 3, the last ends well at step 4."""

    def __init__(self):
        super().__init__(agents=3, steps=4)

    def ends(self):
        when = {"walker_1": 2, "walker_2": 4}
        return {agent: self.time == when.get(agent) for agent in self.agents}

    def cuts(self):
        return {agent: agent == "walker_0" and self.time == 3 for agent in self.agents}


class Sometimes(Walk):
    """The first agent stays away from episodes with odd seeds; and it talks."""

    def reset(self, seed=None, options=None):
        print("let us play")
        super().reset(seed)
        self.agents = self.agents[seed % 2 :]
        return self.seen(), {agent: {} for agent in self.agents}


class Motley(Walk):
    """Every agent has other spaces, in float64, beyond zero, of several choices; the last two are alike."""

    def __init__(self, steps=4):
        super().__init__(agents=5, steps=steps)

    def observation_space(self, agent):
        spaces = {"walker_1": Box(-1e9, 1e9, (5,), np.float64), "walker_2": Discrete(7, start=3)}
        return spaces.get(
            agent, Box(0, 255, (2, 2), np.uint8) if agent > "walker_2" else super().observation_space(agent)
        )

    def action_space(self, agent):
        return {
            "walker_0": Discrete(3, start=-1),
            "walker_1": MultiDiscrete([2, 4]),
            "walker_2": Box(-1.0, np.array([2.0, 3.0], np.float32), (2,)),
        }.get(agent, Discrete(2))

    def seen(self):
        seen = super().seen()
        if "walker_1" in seen:
            seen["walker_1"] = np.full(5, self.place["walker_1"], np.float64)
            seen["walker_2"] = np.int64(3 + self.time)
            seen |= {name: np.full((2, 2), 200 + self.time, np.uint8) for name in ("walker_3", "walker_4")}
        return seen


class Masked(Walk):
    """What one agent may do comes with its observation, what the other may, in its infos: never what it just did."""

    def __init__(self, fault="none"):
        super().__init__()
        self.fault = fault

    def observation_space(self, agent):
        inner = super().observation_space(agent)
        return Dict({"observation": inner, "action_mask": Box(0, 1, (3,), np.int8)}) if agent == "walker_0" else inner

    def reset(self, seed=None, options=None):
        self.last, self.time = dict.fromkeys(self.possible_agents, 0), 0
        seen, infos = super().reset(seed)
        infos["walker_1"]["action_mask"] = self.mask("walker_1")
        return seen, infos

    def step(self, actions):
        for agent, action in actions.items():
            assert self.mask(agent)[action], f"{agent} must not choose {action} twice"
        self.last = actions
        seen, rewards, ends, cuts, infos = super().step(actions)
        infos["walker_1"]["action_mask"] = self.mask("walker_1")
        return seen, rewards, ends, cuts, infos

    def mask(self, agent):
        if self.time == 1 and self.fault != "none":
            return np.zeros(3 if self.fault == "empty" else 2)
        return np.array([choice != self.last[agent] for choice in range(3)], np.int8)

    def seen(self):
        seen = super().seen()
        if "walker_0" in seen:
            seen["walker_0"] = {"observation": seen["walker_0"], "action_mask": self.mask("walker_0")}
        return seen


class Turns(AECEnv):
    """Two agents add to a sum, one after the other, six times in all; the sum is everybody's reward."""

    metadata = {"name": "turns", "is_parallelizable": False}  # noqa: RUF012

    def __init__(self):
        self.possible_agents = ["left", "right"]

    def observation_space(self, agent):
        return Box(0, 100, (2,), np.float32)

    def action_space(self, agent):
        return Discrete(3)

    def reset(self, seed=None, options=None):
        self.agents = list(self.possible_agents)
        self.sum, self.time = 0, 0
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {agent: {} for agent in self.agents}
        self.agent_selection = "left"

    def observe(self, agent):
        return np.array([self.sum, self.time], np.float32)

    def step(self, action):
        if self.terminations[self.agent_selection]:
            self._was_dead_step(action)
            return
        self.sum, self.time = self.sum + action, self.time + 1
        self.rewards = dict.fromkeys(self.agents, float(self.sum))
        self.terminations = dict.fromkeys(self.agents, self.time >= 6)
        self.agent_selection = self.agents[self.time % 2]


class Faulty(Walk):
    """It goes wrong at one step of one episode: that which begins with a number of the right remainder."""

    def __init__(self, fault="raise", at=3, steps=5, one_in=1, seed=None):
        super().__init__(steps=steps)
        self.fault, self.at, self.one_in, self.only = fault, at, one_in, seed

    def reset(self, seed=None, options=None):
        self.chosen = seed % self.one_in == 0 if self.only is None else seed == self.only
        return super().reset(seed)

    def observation_space(self, agent):
        return Box(0, 255, (3,), np.uint8) if self.fault == "floats" else super().observation_space(agent)

    def step(self, actions):
        answer = super().step(actions)
        if self.time != self.at or not self.chosen:
            return answer
        seen, rewards, ends, cuts, infos = answer
        match self.fault:
            case "raise":
                raise ValueError("the floor gave way")
            case "hang":
                time.sleep(1000)
            case "hang in C":  # and let no other thread of Python run
                ctypes.PyDLL(None).sleep(1000)
            case "die":
                os.kill(os.getpid(), 9)
            case "reward":
                rewards["walker_1"] = float("nan")
            case "no reward":
                del rewards["walker_1"]
            case "no observation":
                del seen["walker_1"]
            case "nan":
                seen["walker_1"][2] = np.nan
            case "overflow":
                seen["walker_1"] = np.array([0.0, 1e300, 0.0])
            case "shape":
                seen["walker_1"] = np.zeros(4, np.float32)
            case "joins":
                self.agents.append("walker_0" if "walker_0" not in self.agents else "stranger")
            case "four":
                return seen, rewards, ends, infos
            case "no last":
                cuts["walker_1"] = True
                del seen["walker_1"]
            case "mask":
                infos["walker_0"]["action_mask"] = np.ones(3)
        return answer

    def seen(self):
        seen = super().seen()
        if self.fault == "reset shape" and self.time == 0:
            seen["walker_0"] = np.zeros((3, 1), np.float32)
        return seen

    def state(self):
        if self.fault == "state" and self.time == self.at:
            return np.zeros(len(self.agents) + 5)
        if self.fault == "state raises":
            raise KeyError("nobody")
        return np.zeros(4)


class Images(Walk):
    """Small pictures, and no state."""

    def __init__(self, agents=2, size=(8, 8), **options):
        super().__init__(agents, **options)
        self.size = size

    def observation_space(self, agent):
        return Box(0, 255, (*self.size, 3 if agent == "walker_0" else 1), np.uint8)

    def seen(self):
        fill = self.random.integers(0, 256)
        return {
            a: np.full(self.observation_space(a).shape, (fill + k) % 256, np.uint8) for k, a in enumerate(self.agents)
        }


class Sizes(Images):
    """A picture beside a vector."""

    def seen(self):
        return super().seen() | {"walker_1": np.zeros(3, np.float32)}

    def observation_space(self, agent):
        return super().observation_space(agent) if agent == "walker_0" else Box(-1, 1, (3,), np.float32)


class Odd(Walk):
    """It plays, and is not quite what PettingZoo asks for."""

    runs = 0

    def __init__(self, oddity="none"):
        super().__init__(steps=4)
        self.oddity = oddity
        self.spaces = {agent: Box(-np.inf, np.inf, (3,), np.float32) for agent in self.possible_agents}
        self.choices = Discrete(3)

    def reset(self, seed=None, options=None):
        Odd.runs += 1
        later = Odd.runs // 3 if self.oddity == "remembers" else 0
        return super().reset(None if self.oddity == "no seed" else seed + later)

    def observation_space(self, agent):
        if self.oddity == "bounds":
            return Box(0, 1, (3,), np.float64)
        return super().observation_space(agent) if self.oddity == "new spaces" else self.spaces[agent]

    def action_space(self, agent):
        return self.choices

    def step(self, actions):
        present = list(self.agents)
        seen, rewards, ends, cuts, infos = super().step(actions)
        match self.oddity:
            case "stays":
                self.agents = present
                ends["walker_1"] = self.time == 2
            case "numbers":
                ends = dict.fromkeys(ends, 0)
            case "shares":
                rewards["walker_1"] = float(Odd.runs)
                Odd.runs += 1
            case "twice":
                self.agents = self.agents[:1] * 2
            case "agents alone":
                cuts = dict.fromkeys(cuts, False)
            case "all":
                cuts = dict.fromkeys(cuts, False) | {"__all__": self.time >= self.limit}
            case "one leaves":
                self.agents = [agent for agent in self.agents if agent != "walker_1" or self.time < 2]
        return seen, rewards, ends, cuts, infos


class Quiet:
    """Not an environment."""


class Served(Walk):
    """With a process of its own, as games with an engine have it; the state is its number."""

    def __init__(self):
        super().__init__()
        self.server = subprocess.Popen(["sleep", "1000"])

    def state(self):
        return np.array([self.server.pid], np.float64)

    def close(self):
        self.server.kill()
        self.server.wait()


class Single(Walk):
    """Of which a process can hold one copy."""

    held = 0

    def __init__(self):
        super().__init__(steps=4)
        if Single.held:
            raise OSError("address already in use")
        Single.held += 1

    def close(self):
        Single.held -= 1


def broken_factory():
    raise OSError("the game is not installed")


def imports():
    """What the process that steps has imported, as the names of the agents."""
    import sys

    env = Walk(agents=1)
    env.possible_agents = [name for name in ("jax", "equinox", "hamlet", "numpy") if name in sys.modules]
    return env
