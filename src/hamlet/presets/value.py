"""Value decomposition: as first published, and as it is tuned here, as typed factories.

``PAPER`` are the settings of Rashid et al., 2018, arXiv:1803.11485, of which StarCraft was the subject, for VDN and
independent Q-learners too: common parameters, RMSprop with 5·10⁻⁴, 5,000 episodes remembered and 32 drawn, ε from 1 to
0.05 within 50,000 steps, targets copied every 200 episodes, γ = 0.99. Eight games are played side by side, and an
update follows eight episodes.

``TUNED``, ours, for MPE: Adam, 10⁻³, γ = 0.9, parameters of their own, and four updates after 32 episodes in the place
of one after eight, which is the same ratio in larger pieces. Where no mixer sees the state, 3·10⁻³ and λ = 0.6. VDN and
QMIX were tried, on seed 0 of discrete spread; the others have their values.

``MATRIX``, ours, is for games of one round, or few: play is even throughout, ε = 1, so that every payoff is seen and
what is learnt is what the mixer can say; there is nothing to remember. QTRAN's agents follow a value that itself is
being learnt, and QPLEX's choices cross only once λ has grown, so that these two make more of the same steps.
Under ``PAPER`` they and Q-DPP have the family's settings.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from hamlet.algorithms import iql, q_dpp, qmix, qplex, qtran, vdn

__all__ = ["MATRIX", "PAPER", "TUNED"]

_FACTORIES = {"iql": iql, "vdn": vdn, "qmix": qmix, "qtran": qtran, "qplex": qplex, "q_dpp": q_dpp}
_FALLING: Mapping[str, Any] = {"exploration_start": 1.0, "exploration_end": 0.05, "exploration_steps": 50_000}
_EVEN: Mapping[str, Any] = {"exploration_start": 1.0, "exploration_end": 1.0}
_PAPER: Mapping[str, Any] = {
    "learning_rate": 5e-4,
    "optimiser": "rmsprop",
    "max_gradient_norm": 10.0,
    "discount": 0.99,
    "td_lambda": 0.0,
    "target_interval": 200,
    "polyak": 1.0,
    "batch_size": 32,
    "buffer_size": 5000,
    "hidden": (64,),
    "rnn_size": 64,
    "num_envs": 8,
    "updates_per_rollout": 1,
    "sharing": "group",
}
_TUNED: Mapping[str, Any] = {
    **_PAPER,
    "learning_rate": 1e-3,
    "optimiser": "adam",
    "discount": 0.9,
    "num_envs": 32,
    "updates_per_rollout": 4,
    "sharing": "none",
}
_MATRIX: Mapping[str, Any] = {
    "rnn_size": 0,
    "episode_length": 1,
    "num_envs": 32,
    "rollout_length": 1,
}


_COOLING: Mapping[str, Any] = {"temperature_start": 0.5, "temperature_end": 0.01, "temperature_steps": 50_000}
# Two of Q-DPP's agents with common parameters who see the same cannot choose unlike each other.
_OWN_PAPER: Mapping[str, Mapping[str, Any]] = {"q_dpp": {**_COOLING, "sharing": "none"}}
_BOLD: Mapping[str, Any] = {"learning_rate": 3e-3, "td_lambda": 0.6}
_OWN_TUNED: Mapping[str, Mapping[str, Any]] = {**_OWN_PAPER, "iql": _BOLD, "vdn": _BOLD}
_OWN_MATRIX: Mapping[str, Mapping[str, Any]] = {
    "qtran": {"updates_per_rollout": 8},
    "qplex": {"updates_per_rollout": 8, "optimiser": "adam", "learning_rate": 2e-3},
    "q_dpp": {**_COOLING, "exploration": 1.0},
}


def _all(
    values: Mapping[str, Any], exploring: Mapping[str, Any], own: Mapping[str, Mapping[str, Any]]
) -> dict[str, "partial[Any]"]:
    """Every algorithm with the values of the family and its own; Q-DPP explores in its own way."""
    table = {}
    for name, factory in _FACTORIES.items():
        explored = {} if name == "q_dpp" else exploring
        table[name] = partial(factory, **{**values, **explored, **own.get(name, {})})
    return table


PAPER: Mapping[str, "partial[Any]"] = _all(_PAPER, _FALLING, _OWN_PAPER)
TUNED: Mapping[str, "partial[Any]"] = _all(_TUNED, _FALLING, _OWN_TUNED)
MATRIX: Mapping[str, "partial[Any]"] = _all(_MATRIX, _EVEN, _OWN_MATRIX)
