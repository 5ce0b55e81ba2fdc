"""Environments."""

from hamlet.envs.pettingzoo.environment import PettingZoo, from_pettingzoo
from hamlet.envs.registry import ENVIRONMENTS, make

__all__ = ["ENVIRONMENTS", "PettingZoo", "from_pettingzoo", "make"]
