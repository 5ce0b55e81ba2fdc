"""MPE: tables 4 and 6 of Zhong et al., 2024, arXiv:2304.09870 (appendix K), as typed factories.

Table 4, for all environments: value normalisation, feature normalisation, orthogonal weights with gain 0.01 on the
head, σ coefficients 1 and 0.5, λ 0.95, Huber 10, gradient norm 10, Adam's ε 10⁻⁵, ten tries of the line search with
acceptance 0.5, chunks of 10. What no signature names is how `hamlet.networks` and `hamlet.estimation` do it.
Table 6, for MPE: below. MAPPO shares parameters as published; on speaker-listener no two agents are alike, so that
sharing by groups shares nothing there, as published too. IPPO and MAA2C are not in the tables and take their numbers.
The table's clip, 0.2, bounds the critic's step too, also in the published runs of the algorithms that have no other.

The entropy bonus of continuous actions. The table says 0.01. The code that drew the paper's curves summed the entropy
over the batch where it meant to average it (repaired in October 2024), so that for a Box the coefficient acted as
0.01 × 4000 = 40: σ rises to its bound of 0.5 as fast as Adam goes. With 0.01 meant as written, HAPPO stood below the
published return on continuous spread where it was tried, so ``PAPER_CONTINUOUS`` says what was run, 40, and ``PAPER``
what was written. HATRPO has no such bonus.
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

# Beside the value in help.
NOTES_CONTINUOUS: Mapping[str, Mapping[str, str]] = {
    name: {
        "entropy": "40 is the paper's 0.01 as its code applied it to continuous actions: summed over the batch of 4000 "
        "steps, where the mean was meant."
    }
    for name in _FIRST_ORDER
}
PAPER_CONTINUOUS = PAPER | {name: partial(PAPER[name], entropy=0.01 * 4000) for name in _FIRST_ORDER}

# Ours. With γ = 0.99 and episodes cut after 25 steps, most of a value lies beyond what was ever seen, and its error
# drowns the gain of coming near: one agent of spread flees (`hamlet bench records learning-spread-discount`). 0.95 is
# the paper's own choice for HAD3QN here (table 8).
TUNED = {name: partial(factory, discount=0.95) for name, factory in PAPER.items()}
TUNED_CONTINUOUS = {name: partial(factory, discount=0.95) for name, factory in PAPER_CONTINUOUS.items()}

# Agents that are alike, as spread's are, with one policy for all: HAPPO then has a single unit to move and is MAPPO. On
# discrete spread, policies of their own come to divide the landmarks for good; one for all divides them anew every time
# (`docs/results.md`).
_SHARED = {"discount": 0.8, "sharing": "group"}
SHARED = {name: partial(PAPER[name], **_SHARED) for name in ("happo", "mappo")}
SHARED_CONTINUOUS = {name: partial(PAPER_CONTINUOUS[name], **_SHARED) for name in ("happo", "mappo")}
