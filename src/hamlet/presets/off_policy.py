"""Off-policy presets: tables 5, 7, 8 and 13 to 16 of Zhong et al., 2024, arXiv:2304.09870 (appendix K).

* Table 5, for all environments: 10,000 warm-up steps, a buffer of a million steps, batches of 1,000, Polyak 0.005,
  target noise 0.2 clipped at 0.5, ε 0.05.
* Tables 7 and 8 (MPE) and 13 to 16 (multi-agent MuJoCo) are below.
* "Train interval" 50 is the rollout length here. "Update per train" times this interval is the number of updates after
  a rollout.
* Table 7 has no exploration noise. The files of the published runs have 0.1, like table 15.
* In the published runs of MADDPG and MATD3, the other agents' actions are the replayed ones.
* HASAC has no table there. Its values are from the files published with it (Liu et al., 2024, arXiv:2306.10715), with
  their target 0.98·log|A| for discrete actions.

``TUNED_MPE`` is tuned for Hamlet:

* HASAC and MASAC use one-step returns, which leave out no entropy, and a target of 0.3·log|A|. With this target, the
  best of five actions can have probability 0.90 instead of 0.31.
* Deterministic actors use γ = 0.95, for the reason in `hamlet.presets.mpe`. This was tried on seed 1 of continuous
  spread; no benchmark record uses this seed for evaluation.
* HAD3QN fits the values of all actions. Otherwise the speaker of speaker-listener keeps sending the same message for
  two landmarks.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from hamlet.algorithms import had3qn, haddpg, hasac, hatd3, maddpg, masac, matd3

__all__ = ["MUJOCO", "PAPER_MPE", "TUNED_MPE"]

_ALL: Mapping[str, Any] = {
    "discount": 0.99,
    "polyak": 0.005,
    "batch_size": 1000,
    "buffer_size": 1_000_000,
    "warmup": 10_000,
    "rollout_length": 50,
}
_DETERMINISTIC: Mapping[str, Any] = {**_ALL, "learning_rate": 5e-4, "critic_learning_rate": 1e-3}
_SOFT: Mapping[str, Any] = {
    **_ALL,
    "temperature": 0.2,
    "hidden": (256, 256),
    "num_envs": 20,
    "updates_per_rollout": 50,
}


def _gradient(noise: float, n_step: int, **values: Any) -> dict[str, "partial[Any]"]:
    """Return the values of HADDPG and MADDPG."""
    settings = {**_DETERMINISTIC, "exploration_noise": noise, "n_step": n_step, **values}
    return {"haddpg": partial(haddpg, **settings), "maddpg": partial(maddpg, **settings, others="replay")}


def _twin(delay: int, n_step: int, **values: Any) -> dict[str, "partial[Any]"]:
    """Return the values of HATD3 and MATD3."""
    settings = {**_DETERMINISTIC, "exploration_noise": 0.1, "policy_delay": delay, "n_step": n_step, **values}
    settings |= {"target_noise": 0.2, "target_noise_clip": 0.5}
    return {"hatd3": partial(hatd3, **settings), "matd3": partial(matd3, **settings, others="replay")}


def _soft(learning_rate: float, critic_learning_rate: float, n_step: int, **values: Any) -> dict[str, "partial[Any]"]:
    """Return the values of HASAC and MASAC."""
    settings = {**_SOFT, "learning_rate": learning_rate, "critic_learning_rate": critic_learning_rate, "n_step": n_step}
    settings |= {"temperature_learning_rate": 3e-4, "target_entropy": 0.98, **values}
    return {"hasac": partial(hasac, **settings), "masac": partial(masac, **settings)}


_MPE: Mapping[str, Any] = {"hidden": (128, 128), "num_envs": 20, "updates_per_rollout": 50}

PAPER_MPE: Mapping[str, "partial[Any]"] = {
    **_gradient(0.1, 1, **_MPE),
    **_twin(2, 1, **_MPE),
    **_soft(5e-4, 5e-4, 20),
    "had3qn": partial(
        had3qn,
        learning_rate=5e-4,
        critic_learning_rate=1e-3,
        n_step=1,
        exploration=0.05,
        duelling_hidden=128,
        **{**_ALL, **_MPE, "discount": 0.95},
    ),
}
TUNED_MPE: Mapping[str, "partial[Any]"] = {
    "had3qn": partial(PAPER_MPE["had3qn"], regress="all"),
    **_gradient(0.1, 1, **_MPE, discount=0.95),
    **_twin(2, 1, **_MPE, discount=0.95),
    **_soft(5e-4, 5e-4, 1, target_entropy=0.3),
}

_BODY: Mapping[str, Any] = {"hidden": (256, 256), "num_envs": 10}


def _walk(updates: float, noise: float, gradient_steps: int, delay: int, twin_steps: int) -> dict[str, "partial[Any]"]:
    """Return one row of table 14 and one row of table 16."""
    return {
        **_gradient(noise, gradient_steps, **_BODY, updates_per_rollout=round(50 * updates)),
        **_twin(delay, twin_steps, **_BODY, updates_per_rollout=50),
    }


MUJOCO: Mapping[str, Mapping[str, "partial[Any]"]] = {
    "Ant-4x2": {**_walk(0.5, 0.05, 20, 2, 5), **_soft(1e-3, 3e-4, 5, temperature_learning_rate=0.0)},
    "HalfCheetah-2x3": {**_walk(1, 0.1, 20, 2, 10), **_soft(1e-3, 1e-3, 10)},
    "Hopper-3x1": _walk(1, 0.1, 20, 2, 5),
    "Walker2d-2x3": _walk(1, 0.1, 10, 8, 20),
    "Walker2d-6x1": _walk(1, 0.1, 20, 2, 25),
    "Humanoid-17x1": _twin(2, 5, **_BODY, updates_per_rollout=50),
}
