"""A PettingZoo environment of any number of agents in any number of groups, for measuring what teams cost to start."""

import numpy as np
from gymnasium.spaces import Box, Discrete
from pettingzoo import ParallelEnv

_STEPS = 10


class Crowd(ParallelEnv):
    """Every agent sees noise and is rewarded for its choice 1; ten steps. Agents k, k + groups, … see 8 + k numbers."""

    def __init__(self, agents: int = 10, groups: int = 1) -> None:
        self.metadata = {"name": "crowd"}
        self.possible_agents = [f"agent_{k}" for k in range(agents)]
        widths = {name: 8 + k % groups for k, name in enumerate(self.possible_agents)}
        self._seen = {name: Box(-1.0, 1.0, (width,), np.float32) for name, width in widths.items()}
        self._acts = Discrete(2)

    def observation_space(self, agent: str) -> Box:
        """From −1 to 1."""
        return self._seen[agent]

    def action_space(self, agent: str) -> Discrete:
        """Two choices."""
        return self._acts

    def reset(self, seed=None, options=None):
        """Ten more steps."""
        self._rng, self.agents, self._time = np.random.default_rng(seed), list(self.possible_agents), 0
        return self._show(), {name: {} for name in self.agents}

    def step(self, actions):
        """1 for the choice 1."""
        self._time += 1
        rewards = {name: float(action == 1) for name, action in actions.items()}
        observations, ended = self._show(), self._time >= _STEPS
        ends = dict.fromkeys(self.agents, False), dict.fromkeys(self.agents, ended), {name: {} for name in self.agents}
        self.agents = [] if ended else self.agents
        return observations, rewards, *ends

    def _show(self):
        return {name: self._rng.uniform(-1, 1, self._seen[name].shape).astype(np.float32) for name in self.agents}
