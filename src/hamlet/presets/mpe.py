"""Presets of MPE: tables 4 and 6 of Zhong et al., 2024, arXiv:2304.09870 (appendix K).

* Table 4, for all environments: value normalisation, feature normalisation, orthogonal weights with gain 0.01 on the
  head, σ coefficients 1 and 0.5, λ 0.95, Huber 10, gradient norm 10, Adam's ε 10⁻⁵, ten line search steps with
  acceptance 0.5, sequences of 10 steps. Values that are not hyperparameters are built into `hamlet.networks` and
  `hamlet.estimation`.
* Table 6 has the values for MPE; they are below.
* MAPPO shares parameters, as published. On speaker-listener all agents have different spaces, so sharing by group
  shares nothing there, as in the publication.
* IPPO and MAA2C are not in the tables and use the same values.
* The clipping range of the table, 0.2, is also the value clipping of the critic, as in the published runs. This holds
  for algorithms without policy clipping too.

Entropy bonus of continuous actions: the table has 0.01. The code that plotted the paper's curves summed the entropy
over the batch instead of averaging it (repaired in October 2024). For a Box, the coefficient therefore acted as 0.01 ×
4000 = 40: σ rises to its bound of 0.5 as fast as Adam's steps allow. With an averaged entropy and 0.01, HAPPO did not
reach the published return on continuous spread where it was tried. ``PAPER_CONTINUOUS`` therefore has the value that
was run, 40, and ``PAPER`` the printed value. HATRPO has no entropy bonus.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from hamlet.algorithms import haa2c, happo, hatrpo, ippo, maa2c, mappo

_ALL: Mapping[str, Any] = {
    "critic_learning_rate": 5e-4,
    "critic_epochs": 5,
    "critic_minibatches": 1,
    "critic_clip": 0.2,
    "discount": 0.99,
    "gae_lambda": 0.95,
    "hidden": (128, 128),
    "num_envs": 20,
    "rollout_length": 200,
}
_ASCENT: Mapping[str, Any] = {**_ALL, "learning_rate": 5e-4, "epochs": 5, "minibatches": 1, "entropy": 0.01}

PAPER: Mapping[str, "partial[Any]"] = {
    "happo": partial(happo, clip=0.2, **_ASCENT),
    "hatrpo": partial(hatrpo, radius=0.005, tries=10, shrink=0.8, accept=0.5, **_ALL),
    "haa2c": partial(haa2c, **_ASCENT),
    "mappo": partial(mappo, clip=0.2, sharing="group", **_ASCENT),
    "ippo": partial(ippo, clip=0.2, **_ASCENT),
    "maa2c": partial(maa2c, **_ASCENT),
}

_FIRST_ORDER = ("happo", "haa2c", "mappo", "ippo", "maa2c")

# Notes that the help shows next to a value.
NOTES_CONTINUOUS: Mapping[str, Mapping[str, str]] = {
    name: {
        "entropy": "40 is the paper's 0.01 as its code applied it to continuous actions: it summed the entropy over "
        "the batch of 4000 steps instead of averaging it."
    }
    for name in _FIRST_ORDER
}
PAPER_CONTINUOUS = PAPER | {name: partial(PAPER[name], entropy=0.01 * 4000) for name in _FIRST_ORDER}

# Tuned for Hamlet. Episodes are truncated after 25 steps. With γ = 0.99 most of a value is the bootstrapped value
# beyond the truncation. Its error is larger than the gain of approaching a landmark, and one agent of spread moves away
# (`hamlet bench records learning-spread-discount`). The paper uses 0.95 for HAD3QN here (table 8).
TUNED = {name: partial(factory, discount=0.95) for name, factory in PAPER.items()}
TUNED_CONTINUOUS = {name: partial(factory, discount=0.95) for name, factory in PAPER_CONTINUOUS.items()}

# One policy for all agents, for agents with equal spaces such as those of spread. HAPPO then updates a single unit (one
# set of policy parameters) and equals MAPPO. On discrete spread, separate policies learn a fixed assignment of agents
# to landmarks; a shared policy assigns them in every episode again (`docs/results.md`).
_SHARED = {"discount": 0.8, "sharing": "group"}
SHARED = {name: partial(PAPER[name], **_SHARED) for name in ("happo", "mappo")}
SHARED_CONTINUOUS = {name: partial(PAPER_CONTINUOUS[name], **_SHARED) for name in ("happo", "mappo")}
