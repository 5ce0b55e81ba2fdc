"""Which devices a run uses, and how its state lies on them: copies of the environment shared out, the rest repeated."""

import shutil
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from hamlet.errors import RequestError
from hamlet.training.compiled import Training
from hamlet.types import Device


def select(platform: str | None) -> list[Device]:
    """The devices of a platform ("cpu", "gpu", "tpu"), or those JAX prefers.

    Raises:
        RequestError: If JAX has none.
    """
    try:
        return jax.devices(platform) if platform else jax.devices()
    except RuntimeError:
        present = jax.devices()[0].platform
        extra = '; for NVIDIA cards: pip install "hamlet[cuda]"' if platform in ("gpu", "cuda") else ""
        raise RequestError(f"JAX has no {platform} here; the nearest is --device {present}{extra}") from None


def overlooked_gpu() -> str | None:
    """A line to print where JAX sits on the CPU though the machine has an NVIDIA card, else None."""
    if jax.default_backend() != "cpu" or shutil.which("nvidia-smi") is None:
        return None
    return 'JAX runs on the CPU although this machine has a GPU; pip install "hamlet[cuda]" uses it'


def shardings(training: Any, devices: list[Device], copies: int) -> Any:
    """For every leaf of a training state, where its parts lie.

    Raises:
        RequestError: If the devices do not divide the copies.
    """
    count = len(devices)
    if copies % count:
        near = max(count, round(copies / count) * count)
        raise RequestError(f"--copies {copies} is not divided by {count} devices; the nearest is --copies {near}")
    mesh = Mesh(np.asarray(devices), ("copies",))
    repeated = NamedSharding(mesh, PartitionSpec())
    first = NamedSharding(mesh, PartitionSpec("copies"))
    second = NamedSharding(mesh, PartitionSpec(None, "copies"))
    assert isinstance(training, Training)
    placed = jax.tree.map(lambda _: repeated, training)
    play = jax.tree.map(lambda _: first, training.play)
    memory = jax.tree.map(lambda _: second, training.learner.memory)
    return eqx.tree_at(lambda t: (t.play, t.learner.memory), placed, (play, memory))
