"""Finite Markov games, solved exactly: check a theorem about an algorithm on the algorithm itself.

>>> from hamlet import tabular
>>> game = tabular.random_game(0, states=3, actions=(2, 2))
>>> tabular.evaluate(game, game.uniform()).occupancy.sum().round(6)
np.float64(10.0)
"""

from hamlet.tabular.exact import (
    ExactEvaluation,
    evaluate,
    evaluate_many,
    joint_policy,
    multi_agent_advantage,
    nash_gap,
)
from hamlet.tabular.joint_step import divergences, guaranteed, meta_game, mixture
from hamlet.tabular.markov_game import MarkovGame, random_game, random_policies
from hamlet.tabular.mirror import History, haml, haml_many, hatrl, hatrl_many
from hamlet.tabular.quantal import quantal_gap

__all__ = [
    "ExactEvaluation",
    "History",
    "MarkovGame",
    "divergences",
    "evaluate",
    "evaluate_many",
    "guaranteed",
    "haml",
    "haml_many",
    "hatrl",
    "hatrl_many",
    "joint_policy",
    "meta_game",
    "mixture",
    "multi_agent_advantage",
    "nash_gap",
    "quantal_gap",
    "random_game",
    "random_policies",
]
