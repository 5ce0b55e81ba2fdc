"""Multi-agent MuJoCo, as the maintainers of gymnasium-robotics define it, many copies at a time."""

from hamlet.envs.mamujoco.environment import MultiAgentMujoco, task
from hamlet.envs.mamujoco.scenarios import NAMES

__all__ = ["NAMES", "MultiAgentMujoco", "task"]
