"""A PettingZoo environment with any number of agents and groups, to measure the start-up cost of large teams."""

import numpy as np
from gymnasium.spaces import Box, Discrete
from pettingzoo import ParallelEnv

_STEPS = 10


class Crowd(ParallelEnv):
    """An environment whose observations are noise, and whose reward is 1 for action 1; episodes have ten steps.

    The agents k, k + groups, k + 2 groups, … have observations of 8 + k numbers, for k = 0, …, groups − 1.
    """

    def __init__(self, agents: int = 10, groups: int = 1) -> None:
        self.metadata = {"name": "crowd"}
        self.possible_agents = [f"agent_{k}" for k in range(agents)]
        widths = {name: 8 + k % groups for k, name in enumerate(self.possible_agents)}
        self._seen = {name: Box(-1.0, 1.0, (width,), np.float32) for name, width in widths.items()}
        self._acts = Discrete(2)

    def observation_space(self, agent: str) -> Box:
        """Return the agent's observation space, with numbers in [−1, 1]."""
        return self._seen[agent]

    def action_space(self, agent: str) -> Discrete:
        """Return the action space with two discrete actions."""
        return self._acts

    def reset(self, seed=None, options=None):
        """Start an episode of ten steps."""
        self._rng, self.agents, self._time = np.random.default_rng(seed), list(self.possible_agents), 0
        return self._show(), {name: {} for name in self.agents}

    def step(self, actions):
        """Perform one step; each agent's reward is 1 for action 1, else 0."""
        self._time += 1
        rewards = {name: float(action == 1) for name, action in actions.items()}
        observations, ended = self._show(), self._time >= _STEPS
        ends = dict.fromkeys(self.agents, False), dict.fromkeys(self.agents, ended), {name: {} for name in self.agents}
        self.agents = [] if ended else self.agents
        return observations, rewards, *ends

    def _show(self):
        return {name: self._rng.uniform(-1, 1, self._seen[name].shape).astype(np.float32) for name in self.agents}
