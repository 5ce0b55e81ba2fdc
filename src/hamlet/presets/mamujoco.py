"""Presets of multi-agent MuJoCo: tables 9 to 12 of Zhong et al., 2024, arXiv:2304.09870 (appendix K.3).

* Table 9, for all tasks: a batch of 4,000 steps, three layers of 128, γ 0.99, line search factor 0.8.
* Tables 10, 11 and 12 have the values of each task; they are below.
* λ 0.95 and all other values are from table 4, see `hamlet.presets.mpe`.
* The reference code collects a batch with 20 copies of 200 steps. Here 40 copies make 100 steps each, because copies
  are stepped in parallel.
* MAPPO shares parameters, as published. IPPO and MAA2C are not in the tables and use the values of HAPPO and HAA2C.
* The entropy coefficient is 0.01, as printed, or 0. The code that plotted the paper's curves summed the entropy over
  the batch for continuous actions (`hamlet.presets.mpe`). The coefficient therefore acted as 40; ``--entropy 40``
  repeats this.
* The clipping range of table 10 is also the value clipping of the critic. The other tables have no such value; the
  files of the published runs have 0.2 for HATRPO and 0.1 for HAA2C.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from hamlet.algorithms import haa2c, happo, hatrpo, ippo, maa2c, mappo
from hamlet.estimation.fitting import Decay

__all__ = ["DEFAULTS", "PAPER"]

_COMMON: Mapping[str, Any] = {
    "discount": 0.99,
    "gae_lambda": 0.95,
    "hidden": (128, 128, 128),
    "num_envs": 40,
    "rollout_length": 100,
}


def _first_order(
    learning_rate: float, epochs: int, parts: int, critic_clip: float, entropy: float, decay: Decay
) -> dict[str, Any]:
    """Return the values that actors and critic share."""
    return {
        "learning_rate": learning_rate,
        "epochs": epochs,
        "minibatches": parts,
        "entropy": entropy,
        "critic_learning_rate": learning_rate,
        "critic_epochs": epochs,
        "critic_minibatches": parts,
        "critic_clip": critic_clip,
        "learning_rate_decay": decay,
        **_COMMON,
    }


def _clipped(
    learning_rate: float, epochs: int, clip: float, parts: int, entropy: float, decay: Decay
) -> dict[str, "partial[Any]"]:
    """Return one row of table 10."""
    values = {"clip": clip, **_first_order(learning_rate, epochs, parts, clip, entropy, decay)}
    return {
        "happo": partial(happo, **values),
        "mappo": partial(mappo, **values, sharing="group"),
        "ippo": partial(ippo, **values),
    }


def _trusted(radius: float) -> dict[str, "partial[Any]"]:
    """Return one row of table 11."""
    values = {"critic_learning_rate": 5e-4, "critic_epochs": 5, "critic_minibatches": 1, "critic_clip": 0.2, **_COMMON}
    return {"hatrpo": partial(hatrpo, radius=radius, tries=10, shrink=0.8, accept=0.5, **values)}


def _plain(learning_rate: float, epochs: int) -> dict[str, "partial[Any]"]:
    """Return one row of table 12."""
    values = _first_order(learning_rate, epochs, 1, 0.1, 0.0, "linear")
    return {"haa2c": partial(haa2c, **values), "maa2c": partial(maa2c, **values)}


PAPER: Mapping[str, Mapping[str, "partial[Any]"]] = {
    "Ant-4x2": {**_clipped(5e-4, 5, 0.1, 1, 0.0, "none"), **_trusted(5e-3), **_plain(5e-4, 5)},
    "HalfCheetah-2x3": {**_clipped(5e-4, 15, 0.05, 1, 0.01, "none"), **_trusted(1e-2), **_plain(5e-4, 5)},
    "Hopper-3x1": {**_clipped(5e-4, 10, 0.05, 1, 0.0, "linear"), **_trusted(1e-3), **_plain(1e-4, 3)},
    "Walker2d-2x3": {**_clipped(1e-3, 5, 0.05, 2, 0.0, "linear"), **_trusted(1e-2), **_plain(1e-4, 5)},
    "Walker2d-6x1": {**_clipped(5e-4, 5, 0.1, 1, 0.01, "none"), **_trusted(5e-3), **_plain(1e-4, 5)},
    "Humanoid-17x1": _clipped(5e-4, 5, 0.1, 1, 0.0, "linear"),
}

# The row that each partition uses: its own row, or the row of another partition of the same body.
DEFAULTS: Mapping[str, str] = {
    **{task: task for task in PAPER},
    "Ant-2x4": "Ant-4x2",
    "Ant-2x4d": "Ant-4x2",
    "Ant-8x1": "Ant-4x2",
    "HalfCheetah-3x2": "HalfCheetah-2x3",
    "HalfCheetah-6x1": "HalfCheetah-2x3",
    "Humanoid-9|8": "Humanoid-17x1",
    "Walker2d-3x2": "Walker2d-2x3",
}
