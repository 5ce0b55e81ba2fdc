"""Environments."""

from hamlet.envs.named import Named, from_factory
from hamlet.envs.pettingzoo.environment import PettingZoo, from_pettingzoo
from hamlet.envs.registry import ENVIRONMENTS, make

__all__ = ["ENVIRONMENTS", "Named", "PettingZoo", "from_factory", "from_pettingzoo", "make"]
