"""The devices of a run, and the layout of its state on them.

The environment copies are split over the devices; all other parts of the state are replicated.
"""

import shutil
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from hamlet.backends.iteration import Training
from hamlet.errors import RequestError
from hamlet.extras import install_line
from hamlet.types import Device


def select(platform: str | None) -> list[Device]:
    """Return the devices of a platform ("cpu", "gpu", "tpu"), or JAX's default devices for None.

    Raises:
        RequestError: JAX has no device of this platform.
    """
    try:
        return jax.devices(platform) if platform else jax.devices()
    except RuntimeError:
        present = jax.devices()[0].platform
        extra = f"; for NVIDIA GPUs: {_install_cuda()}" if platform in ("gpu", "cuda") else ""
        raise RequestError(f"JAX finds no {platform} on this machine; use --device {present}{extra}") from None


def overlooked_gpu() -> str | None:
    """Return a line to print if JAX runs on the CPU although the machine has an NVIDIA GPU; None otherwise."""
    if jax.default_backend() != "cpu" or shutil.which("nvidia-smi") is None:
        return None
    return f"JAX runs on the CPU although this machine has a GPU; to install JAX with GPU support: {_install_cuda()}"


def _install_cuda() -> str:
    return install_line("cuda", "jax[cuda13]")


class DeviceLayout(NamedTuple):
    """The layout of arrays on a set of devices."""

    mesh: Mesh

    @property
    def repeated(self) -> NamedSharding:
        """The sharding of an array that every device stores completely (replicated)."""
        return NamedSharding(self.mesh, PartitionSpec())

    def shared(self, axis: int) -> NamedSharding:
        """Return the sharding of an array that is split along ``axis``, the axis of the environment copies."""
        return NamedSharding(self.mesh, PartitionSpec(*[None] * axis, "copies"))

    def learner(self, learner: Any) -> Any:
        """Return the sharding of every leaf of a learner: replicated, except the critic's memory, split by copies."""
        placed = jax.tree.map(lambda _: self.repeated, learner)
        return eqx.tree_at(lambda tree: tree.memory, placed, jax.tree.map(lambda _: self.shared(1), learner.memory))


def layout(devices: list[Device], copies: int) -> DeviceLayout:
    """Return the layout of a run's arrays on its devices.

    Raises:
        RequestError: The number of copies is not a multiple of the number of devices.
    """
    count = len(devices)
    if copies % count:
        near = max(count, round(copies / count) * count)
        raise RequestError(
            f"--num-envs {copies} is not a multiple of the number of devices, {count}; the nearest is --num-envs {near}"
        )
    return DeviceLayout(Mesh(np.asarray(devices), ("copies",)))


def shardings(training: Any, devices: list[Device], copies: int) -> Any:
    """Return the sharding of every leaf of the training state, for an environment written in JAX.

    Raises:
        RequestError: The number of copies is not a multiple of the number of devices.
    """
    lay = layout(devices, copies)
    assert isinstance(training, Training)
    play = jax.tree.map(lambda _: lay.shared(0), training.play)
    placed = jax.tree.map(lambda _: lay.repeated, training)
    return eqx.tree_at(lambda t: (t.play, t.learner), placed, (play, lay.learner(training.learner)))
