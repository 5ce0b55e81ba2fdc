"""Presets of value decomposition: as first published, and as tuned for Hamlet.

``PAPER`` has the settings of Rashid et al., 2018, arXiv:1803.11485, for StarCraft, also for VDN and independent
Q-learning: shared parameters, RMSprop with learning rate 5·10⁻⁴, a buffer of 5,000 episodes and batches of 32, ε from 1
to 0.05 over 50,000 steps, targets copied every 200 episodes, γ = 0.99. Here eight environment copies run in parallel,
and one update follows eight episodes. QTRAN, QPLEX and Q-DPP use the same settings.

``TUNED`` is tuned for MPE: Adam, 10⁻³, γ = 0.9, no shared parameters, and four updates after 32 episodes instead of one
after eight (the same ratio). Algorithms whose mixer does not receive the state (IQL, VDN) use 3·10⁻³ and λ = 0.6. VDN
and QMIX were tried, on seed 0 of discrete spread; the other algorithms use their values.

``MATRIX`` is tuned for games of one or a few rounds. Actions are uniformly random throughout (ε = 1). All payoffs are
then visited, and the learned values are what the mixer can represent. Networks are not recurrent. QTRAN and QPLEX make
more updates from the same steps: QTRAN's agents follow a value that is itself being learned, and QPLEX can change its
best actions only after λ has grown.
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
# Two Q-DPP agents with shared parameters and equal observations could not choose different actions.
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
    """Return every algorithm with the common values and its own values; Q-DPP has a different exploration."""
    table = {}
    for name, factory in _FACTORIES.items():
        explored = {} if name == "q_dpp" else exploring
        table[name] = partial(factory, **{**values, **explored, **own.get(name, {})})
    return table


PAPER: Mapping[str, "partial[Any]"] = _all(_PAPER, _FALLING, _OWN_PAPER)
TUNED: Mapping[str, "partial[Any]"] = _all(_TUNED, _FALLING, _OWN_TUNED)
MATRIX: Mapping[str, "partial[Any]"] = _all(_MATRIX, _EVEN, _OWN_MATRIX)
