"""Multi-agent MuJoCo as gymnasium-robotics defines it, with many environment copies at a time."""

from hamlet.envs.mamujoco.environment import MultiAgentMujoco, task
from hamlet.envs.mamujoco.scenarios import NAMES

__all__ = ["NAMES", "MultiAgentMujoco", "task"]
