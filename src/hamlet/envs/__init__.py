"""Environments."""

from hamlet.envs.registry import ENVIRONMENTS, make

__all__ = ["ENVIRONMENTS", "make"]
