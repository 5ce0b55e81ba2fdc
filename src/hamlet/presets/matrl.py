"""Presets of MATRL: tables 3, 5 and 6 of Wen et al., 2021, arXiv:2106.06828 (appendix E).

* Table 3 has the grid worlds. Table 5 (the hopper) and table 6 (Pong) differ by a batch of 4,000 steps, a weight of the
  divergence of 0.01, and the convolution for images.
* MATRL, its ablations and independent learners share all values.
* Table 2 has games with two actions (`hamlet.games.gradient`).
* The released code has the split of batches into copies and steps, the ten epochs of the critics and λ 0.97. Where it
  has no value, the value is chosen for Hamlet.

Loss coefficients: in the paper, actor and critic have one optimiser, which minimises one weighted sum of losses. Here
they have separate optimisers, and Adam's steps do not depend on a common factor of a loss. The policy loss has
coefficient 100 for the hopper and 10 for Pong. Its only remaining effect is that entropy and divergence have that many
times less weight relative to the policy loss. ``PAPER`` therefore divides their weights by this coefficient.

``TUNED_PONG`` is tuned for Hamlet, for screens of 42 × 42 pixels. Each pixel is normalised separately. The convolutions
cover every pixel without overlap. Batches are half as large, in four minibatches.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from hamlet.algorithms import il, il_pp, matrl, matrl_without_response

__all__ = ["PAPER", "TUNED_PONG"]

_COMMON: Mapping[str, Any] = {
    "clip": 0.1,
    "learning_rate": 0.002,
    "epochs": 10,
    "critic_learning_rate": 0.002,
    "critic_epochs": 10,
    "discount": 0.99,
    "gae_lambda": 0.97,
    "hidden": (128, 128),
}
_RESPONSE: Mapping[str, Any] = {"response_learning_rate": 0.002, "response_epochs": 5}


def _table(response: Mapping[str, Any] = _RESPONSE, **values: Any) -> dict[str, "partial[Any]"]:
    """Return the values of one table, for all its algorithms."""
    both = {**_COMMON, **values}
    return {
        "matrl": partial(matrl, meta_clip=0.1, **response, **both),
        "il_pp": partial(il_pp, meta_clip=0.1, **response, **both),
        "matrl_without_response": partial(matrl_without_response, meta_clip=0.1, **both),
        "il": partial(il, **both),
    }


PAPER: Mapping[str, Mapping[str, "partial[Any]"]] = {
    "grid": _table(kl=0.001, entropy=0.05, num_envs=20, rollout_length=100),
    "hopper": _table(kl=0.01 / 100, entropy=0.05 / 100, num_envs=20, rollout_length=200),
    "pong": _table(
        kl=0.01 / 10,
        entropy=0.05 / 10,
        filters=(8, 4, 3),
        kernels=(3, 3, 3),
        strides=(4, 2, 1),
        num_envs=8,
        rollout_length=500,
    ),
}

TUNED_PONG: Mapping[str, "partial[Any]"] = _table(
    {"response_learning_rate": 3e-4, "response_epochs": 2},
    clip=0.2,
    kl=0.001,
    entropy=0.01,
    learning_rate=3e-4,
    epochs=3,
    minibatches=4,
    critic_learning_rate=5e-4,
    critic_epochs=3,
    critic_minibatches=4,
    discount=0.98,
    gae_lambda=0.95,
    hidden=(128,),
    filters=(16, 32),
    kernels=(3, 2),
    strides=(3, 2),
    normalise_observations=True,
    num_envs=16,
    rollout_length=128,
)
