"""Value decomposition: as first published, and as it is tuned here, as typed factories.

``PAPER`` are the settings of Rashid et al., 2018, arXiv:1803.11485, of which StarCraft was the subject, for VDN and
independent Q-learners too: common parameters, RMSprop with 5·10⁻⁴, 5,000 episodes remembered and 32 drawn, ε from 1 to
0.05 within 50,000 steps, targets copied every 200 episodes, γ = 0.99. Eight games are played side by side, and an
update follows eight episodes.

``MATRIX``, ours, is for games of one round, or few: play is even throughout, ε = 1, so that every payoff is seen and
what is learnt is what the mixer can say; there is nothing to remember.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from hamlet.algorithms import iql, qmix, vdn

__all__ = ["MATRIX", "PAPER"]

_FACTORIES = {"iql": iql, "vdn": vdn, "qmix": qmix}
_PAPER: Mapping[str, Any] = {
    "learning_rate": 5e-4,
    "optimiser": "rmsprop",
    "max_gradient_norm": 10.0,
    "discount": 0.99,
    "td_lambda": 0.0,
    "exploration_start": 1.0,
    "exploration_end": 0.05,
    "exploration_steps": 50_000,
    "target_interval": 200,
    "polyak": 1.0,
    "batch_size": 32,
    "buffer_size": 5000,
    "hidden": (64,),
    "memory": 64,
    "copies": 8,
    "updates_per_rollout": 1,
    "sharing": "group",
}
_MATRIX: Mapping[str, Any] = {
    "exploration_start": 1.0,
    "exploration_end": 1.0,
    "memory": 0,
    "episode_length": 1,
    "copies": 32,
    "steps_per_rollout": 1,
}


def _all(values: Mapping[str, Any]) -> dict[str, "partial[Any]"]:
    return {name: partial(factory, **values) for name, factory in _FACTORIES.items()}


PAPER: Mapping[str, "partial[Any]"] = _all(_PAPER)
MATRIX: Mapping[str, "partial[Any]"] = _all(_MATRIX)
